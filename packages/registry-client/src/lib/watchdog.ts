import { RegistryClientError } from "./registry-client-error.ts";

/** Slowest answer that is waited for, bytes a second, once it has had the time that a silent registry has. */
const LEAST_BYTES_PER_SECOND = 1024;

/** What errors tell of an exchange. */
export interface ExchangeContext {
  /** What the user is doing. */
  readonly action: string;
  readonly registry: string;
  /** Without user, password and query. */
  readonly url: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * Aborts an exchange when the other side is silent for `timeoutMs`, when it trickles (slow retrieval, TUF 1.0 §1.5.2), or
 * when the caller's signal aborts. Armed only while the other side has the turn: a slow disk of ours is not a silent registry.
 */
export class Watchdog {
  readonly signal: AbortSignal;
  readonly #timeoutMs: number;
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  /** What the timer waits for, milliseconds. */
  #period = 0;
  #expired = false;
  #isClosed = false;
  /** When the other side last got the turn, and how long it has had it in all, milliseconds. */
  #since = 0;
  #waitedMs = 0;
  #received = 0;
  #isTooSlow = false;

  constructor(timeoutMs: number, signal: AbortSignal | undefined) {
    this.#timeoutMs = timeoutMs;
    this.signal = signal === undefined ? this.#controller.signal : AbortSignal.any([signal, this.#controller.signal]);
  }

  get expired(): boolean {
    return this.#expired;
  }

  /** Starts or restarts the wait; `extraMs` makes it longer until it is armed again. */
  arm(extraMs = 0): void {
    if (this.#isClosed) return;
    const period = this.#timeoutMs + extraMs;
    if (period !== this.#period) this.disarm();
    this.#period = period;
    if (this.#timer === undefined) this.#since = performance.now();
    this.#timer ??= setTimeout(() => this.#expire(), period);
    this.#timer.refresh();
  }

  /** Counts what came in. Who sends a byte now and then is never silent, and could hold up an update for ever. */
  received(bytes: number): void {
    const now = performance.now();
    this.#waitedMs += now - this.#since;
    this.#since = now;
    this.#received += bytes;
    if (this.#waitedMs <= this.#timeoutMs || this.#received >= (LEAST_BYTES_PER_SECOND * this.#waitedMs) / 1000) return;
    this.#isTooSlow = true;
    throw new Error("it trickles");
  }

  disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Ends the watch for good: a body that is still being produced would arm it again, and keep the process waiting. */
  close(): void {
    this.#isClosed = true;
    this.disarm();
  }

  #expire(): void {
    this.#expired = true;
    this.#controller.abort(new Error(`no answer within ${this.#period} ms`));
  }

  /** The error to throw for a failure that happened under this watchdog. */
  explain(error: unknown, context: ExchangeContext): unknown {
    if (context.signal?.aborted === true) return context.signal.reason;
    const own = ownError(error);
    if (own !== undefined) return own;
    if (!this.#expired && isFault(error)) return error;
    if (this.#isTooSlow) {
      return new RegistryClientError({
        code: "REGISTRY_TOO_SLOW",
        message: `Cannot ${context.action}: registry "${context.registry}" at ${context.url} sent ${this.#received} bytes in ${Math.round(this.#waitedMs)} ms, less than ${LEAST_BYTES_PER_SECOND} a second`,
        hint: "An attack would look like this: somebody trickles data so that you never get a fix (slow retrieval attack). Try another network or mirror, or raise timeout_seconds for this registry",
        registry: context.registry,
        url: context.url,
        receivedBytes: this.#received,
      });
    }
    if (this.#expired) {
      return new RegistryClientError({
        code: "REGISTRY_TIMEOUT",
        message: `Cannot ${context.action}: registry "${context.registry}" at ${context.url} was silent for ${this.#period} ms, the allowed timeout`,
        hint: "Try again, or raise timeout_seconds for this registry",
        registry: context.registry,
        url: context.url,
        timeoutMs: this.#period,
      });
    }
    return new RegistryClientError({
      code: "REGISTRY_UNREACHABLE",
      message: `Cannot ${context.action}: the connection to registry "${context.registry}" at ${context.url} failed: ${rootCause(error)}`,
      hint: "Check the address, the network and the proxy settings",
      registry: context.registry,
      url: context.url,
      cause: error,
    });
  }
}

// fetch() says "fetch failed"; the reason, such as "connect ECONNREFUSED", is the innermost cause.
function rootCause(error: unknown): string {
  let current: unknown = error;
  for (let depth = 0; depth < 8 && current instanceof Error && current.cause instanceof Error; depth++)
    current = current.cause;
  if (!(current instanceof Error)) return String(current);
  return current.message === "" ? ((current as { code?: string }).code ?? current.name) : current.message;
}

// An error of ours thrown while a body was produced comes back as the cause of fetch's own.
function ownError(error: unknown): RegistryClientError | undefined {
  let current: unknown = error;
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    if (current instanceof RegistryClientError) return current;
    current = current.cause;
  }
  return undefined;
}

// fetch() reports a broken network as a TypeError with a cause; without one it is a fault in the program.
function isFault(error: unknown): boolean {
  return (error instanceof TypeError && error.cause === undefined) || error instanceof ReferenceError;
}
