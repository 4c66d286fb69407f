import type { Cache, Clock } from "./ports.ts";

/** The {@link Cache} in the memory of one process; forgets the oldest entries first when it is full. */
export class MemoryCache implements Cache {
  readonly #clock: Clock;
  readonly #maxEntries: number;
  readonly #entries = new Map<string, { readonly value: string; readonly until: number }>();

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
    if (this.#entries.size <= this.#maxEntries) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      break;
    }
  }

  async delete(key: string): Promise<void> {
    this.#entries.delete(key);
  }

  async check(): Promise<void> {}
}
