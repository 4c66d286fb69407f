import type { Cache } from "./ports.ts";

const WINDOW_MS = 60_000;

/** What a limiter says of one request. */
export interface RateVerdict {
  readonly allowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** Seconds until the window starts again. */
  readonly resetSeconds: number;
}

/** Fixed windows of one minute by key, counted in a cache: with a shared one, servers count together. */
export class RateLimiter {
  readonly #limit: number;
  readonly #cache: Cache;
  readonly #name: string;

  /** `limit` requests a minute; 0: no limit. `name` tells limiters over one cache apart. */
  constructor(name: string, limit: number, cache: Cache) {
    this.#name = name;
    this.#limit = limit;
    this.#cache = cache;
  }

  /** Counts one request of `key`; `undefined` where nothing is limited. */
  async take(key: string): Promise<RateVerdict | undefined> {
    if (this.#limit === 0) return undefined;
    const { count, endsInMs } = await this.#cache.count(`${this.#name}:${key}`, WINDOW_MS);
    return {
      allowed: count <= this.#limit,
      limit: this.#limit,
      remaining: Math.max(0, this.#limit - count),
      resetSeconds: Math.max(1, Math.ceil(endsInMs / 1000)),
    };
  }
}
