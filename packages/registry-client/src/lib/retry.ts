import type { Clock } from "./ports.ts";
import { RegistryClientError, type RegistryClientErrorCode } from "./registry-client-error.ts";

/** Longest pause before a retry, milliseconds. A registry that asks for a longer one gets no retry. */
export const RETRY_PAUSE_LIMIT_MS = 60_000;

const FIRST_PAUSE_MS = 200;
const PAUSE_CAP_MS = 8_000;

// A timeout is not among them: a registry that is silent for `timeout_seconds` fails in that time, not in a multiple of it.
const TRANSIENT: ReadonlySet<RegistryClientErrorCode> = new Set([
  "REGISTRY_UNREACHABLE",
  "REGISTRY_UNAVAILABLE",
  "REGISTRY_RATE_LIMITED",
]);

/** Whether a further attempt may succeed where this one failed. */
export function isTransient(error: unknown): error is RegistryClientError {
  return error instanceof RegistryClientError && TRANSIENT.has(error.code);
}

/** Pause before attempt `attempt` (1 = first retry): exponential, with full jitter between half and the whole. */
export function retryPauseMs(attempt: number, random: number): number {
  const ceiling = Math.min(PAUSE_CAP_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1));
  return ceiling / 2 + (ceiling / 2) * random;
}

export interface RetryOptions {
  readonly clock: Clock;
  readonly maxRetries: number;
  readonly signal: AbortSignal | undefined;
  /** Called before the pause. */
  readonly onRetry: (error: RegistryClientError, attempt: number, pauseMs: number) => void;
}

/**
 * Runs `attempt` until it succeeds, fails for good, or has failed `1 + maxRetries` times. A `Retry-After` of the
 * registry (`details.retryAfterMs`) is waited for in place of the back-off.
 */
export async function withRetries<T>(options: RetryOptions, attempt: () => Promise<T>): Promise<T> {
  for (let retry = 1; ; retry++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isTransient(error) || retry > options.maxRetries) throw error;
      const asked = error.details.retryAfterMs as number | undefined;
      if (asked !== undefined && asked > RETRY_PAUSE_LIMIT_MS) throw error;
      const pauseMs = asked ?? retryPauseMs(retry, options.clock.random());
      options.onRetry(error, retry, pauseMs);
      await options.clock.sleep(pauseMs, options.signal);
    }
  }
}

/** Milliseconds that a `Retry-After` header asks for (RFC 9110 §10.2.3), `undefined` where it says nothing usable. */
export function parseRetryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
