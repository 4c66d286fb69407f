import type { Clock } from "./ports.ts";

const WINDOW_MS = 60_000;
const MAX_KEYS = 100_000;

/** What a limiter says of one request. */
export interface RateVerdict {
  readonly allowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** Seconds until the window starts again. */
  readonly resetSeconds: number;
}

/** Fixed windows of one minute by key, in the memory of this process. */
export class RateLimiter {
  readonly #limit: number;
  readonly #clock: Clock;
  readonly #windows = new Map<string, { start: number; used: number }>();

  /** `limit` requests a minute; 0: no limit. */
  constructor(limit: number, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  /** Counts one request of `key`; `undefined` where nothing is limited. */
  take(key: string): RateVerdict | undefined {
    if (this.#limit === 0) return undefined;
    const now = this.#clock.now();
    let window = this.#windows.get(key);
    if (window === undefined || now - window.start >= WINDOW_MS) {
      window = { start: now, used: 0 };
      this.#forget(now);
      this.#windows.set(key, window);
    }
    window.used += 1;
    return {
      allowed: window.used <= this.#limit,
      limit: this.#limit,
      remaining: Math.max(0, this.#limit - window.used),
      resetSeconds: Math.max(1, Math.ceil((window.start + WINDOW_MS - now) / 1000)),
    };
  }

  // An attacker with many addresses must not fill the memory with windows.
  #forget(now: number): void {
    if (this.#windows.size < MAX_KEYS) return;
    for (const [key, window] of this.#windows) if (now - window.start >= WINDOW_MS) this.#windows.delete(key);
    if (this.#windows.size >= MAX_KEYS) this.#windows.clear();
  }
}
