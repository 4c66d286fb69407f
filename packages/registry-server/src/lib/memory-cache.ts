import type { Cache, Clock, WindowCount } from "./ports.ts";

interface Counted {
  count: number;
  readonly until: number;
}

/** The {@link Cache} in the memory of one process; forgets the oldest entries first when it is full. */
export class MemoryCache implements Cache {
  readonly #clock: Clock;
  readonly #maxEntries: number;
  readonly #entries = new Map<string, { readonly value: string; readonly until: number }>();
  // Apart from the entries: an attacker with many addresses must not push tokens out, nor fill the memory.
  readonly #counts = new Map<string, Counted>();

  constructor(clock: Clock, maxEntries = 50_000) {
    this.#clock = clock;
    this.#maxEntries = maxEntries;
  }

  async get(key: string): Promise<string | undefined> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.until > this.#clock.now()) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  async set(key: string, value: string, ttlMs: number): Promise<void> {
    this.#entries.delete(key);
    this.#entries.set(key, { value, until: this.#clock.now() + ttlMs });
    forgetOldest(this.#entries, this.#maxEntries);
  }

  async delete(key: string): Promise<void> {
    this.#entries.delete(key);
  }

  async count(key: string, windowMs: number): Promise<WindowCount> {
    const now = this.#clock.now();
    let counted = this.#counts.get(key);
    if (counted === undefined || counted.until <= now) {
      counted = { count: 0, until: now + windowMs };
      this.#counts.delete(key);
      this.#counts.set(key, counted);
      forgetOldest(this.#counts, this.#maxEntries * 2);
    }
    counted.count += 1;
    return { count: counted.count, endsInMs: counted.until - now };
  }

  async check(): Promise<void> {}
}

function forgetOldest(entries: Map<string, unknown>, most: number): void {
  if (entries.size <= most) return;
  for (const oldest of entries.keys()) {
    entries.delete(oldest);
    break;
  }
}
