import { MemoryCache } from "./memory-cache.ts";
import type { Cache, Clock } from "./ports.ts";
import { RegistryError } from "./registry-error.ts";

/** How long an answer is kept for the next request with its key. */
export const IDEMPOTENCY_RETENTION_MS: number = 60 * 60 * 1000;
/** How many answers are kept; the oldest go first. */
export const IDEMPOTENCY_ANSWERS = 1000;
const ANSWER_MAX_BYTES = 64 * 1024;

interface KeptAnswer {
  readonly fingerprint: string;
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

/** Answers to writes that carried an `Idempotency-Key`, in the memory of this process. */
export class IdempotentAnswers {
  readonly #answers: Cache;
  readonly #running = new Map<string, string>();

  constructor(clock: Clock, answers: Cache = new MemoryCache(clock, IDEMPOTENCY_ANSWERS)) {
    this.#answers = answers;
  }

  /**
   * The kept answer to the same request under `key`, else that of `work`, which is kept where it is a success: a refusal
   * changed nothing, so the request may run again.
   * @throws {RegistryError} `IDEMPOTENCY_KEY_REUSED`, `IDEMPOTENCY_KEY_IN_USE`
   */
  async answer(key: string, fingerprint: string, work: () => Promise<Response>): Promise<Response> {
    const running = this.#running.get(key);
    const text = running === undefined ? await this.#answers.get(key) : undefined;
    const kept = text === undefined ? undefined : (JSON.parse(text) as KeptAnswer);
    const first = running ?? kept?.fingerprint;
    if (first !== undefined && first !== fingerprint) throw reused();
    if (kept !== undefined) return replayed(kept);
    // Asked again, for another request may have come in while the cache was read.
    if (this.#running.has(key)) throw inUse();
    this.#running.set(key, fingerprint);
    try {
      const response = await work();
      await this.#keep(key, fingerprint, response);
      return response;
    } finally {
      this.#running.delete(key);
    }
  }

  async #keep(key: string, fingerprint: string, response: Response): Promise<void> {
    if (!response.ok) return;
    const body = await response.clone().text();
    if (body.length > ANSWER_MAX_BYTES) return;
    const headers = [...response.headers].filter(([name]) => ["content-type", "location", "etag"].includes(name));
    const answer: KeptAnswer = { fingerprint, status: response.status, headers, body };
    await this.#answers.set(key, JSON.stringify(answer), IDEMPOTENCY_RETENTION_MS);
  }
}

function replayed({ status, headers, body }: KeptAnswer): Response {
  const given = new Headers(headers.map(([name, value]): [string, string] => [name, value]));
  given.set("idempotency-replayed", "true");
  return new Response(status === 204 ? null : body, { status, headers: given });
}

function reused(): RegistryError {
  return new RegistryError({
    code: "IDEMPOTENCY_KEY_REUSED",
    message: "Cannot use this Idempotency-Key: it belongs to an earlier request that said something else",
    hint: "Use a new key for every new request",
  });
}

function inUse(): RegistryError {
  return new RegistryError({
    code: "IDEMPOTENCY_KEY_IN_USE",
    message: "Cannot answer yet: a request with this Idempotency-Key is being answered",
    hint: "Send it again in a second",
    retryAfter: 1,
  });
}
