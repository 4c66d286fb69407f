import type { Coordination } from "../ports.ts";

/** Leases and calls of servers in one process, for tests of several over the same stores. */
export class MemoryCoordinator {
  readonly #leases = new Map<string, { readonly holder: Coordination; readonly until: number }>();
  readonly #listeners = new Map<Coordination, Set<() => void>>();

  /** A new server's view. */
  join(): Coordination {
    const self: Coordination = {
      lease: async (name, ttlMs) => {
        const now = performance.now();
        const held = this.#leases.get(name);
        if (held !== undefined && held.holder !== self && held.until > now) return false;
        this.#leases.set(name, { holder: self, until: now + ttlMs });
        return true;
      },
      release: async (name) => {
        if (this.#leases.get(name)?.holder === self) this.#leases.delete(name);
      },
      watch: async (listener) => {
        const listeners = this.#listeners.get(self) ?? new Set();
        this.#listeners.set(self, listeners.add(listener));
      },
      close: async () => {
        this.#listeners.delete(self);
      },
    };
    return self;
  }

  /** Calls every listener, as a commit does. */
  changed(): void {
    for (const listeners of this.#listeners.values()) for (const listener of listeners) listener();
  }
}
