/** What all kept views take together, in bytes, unless told otherwise. */
const MEMORY_BYTES = 16 * 2 ** 20;

interface Rendered {
  readonly stamp: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * JSON bodies that take long to put together, kept by key beside a stamp of what they were made of. Who asks names the
 * stamp as it is now, so that whatever changed it, on whatever server, needs to tell nobody.
 */
export class RenderedViews {
  readonly #memoryBytes: number;
  // Insertion order is age: a hit moves the entry to the end.
  readonly #views = new Map<string, Rendered>();
  readonly #making = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();
  #used = 0;

  constructor(memoryBytes: number = MEMORY_BYTES) {
    this.#memoryBytes = memoryBytes;
  }

  /** Bytes of the views that are kept. */
  get used(): number {
    return this.#used;
  }

  /**
   * The view of `key` as of `stamp`, which must differ whenever the view would. `make` says what it is where none is kept;
   * requests for the same one that come meanwhile wait for it. What `make` throws is thrown, and nothing is kept.
   */
  async get(key: string, stamp: string, make: () => Promise<unknown>): Promise<Uint8Array<ArrayBuffer>> {
    const known = this.#views.get(key);
    if (known?.stamp === stamp) {
      this.#views.delete(key);
      this.#views.set(key, known);
      return known.bytes;
    }
    const made = `${key}\n${stamp}`;
    const others = this.#making.get(made);
    if (others !== undefined) return others;
    const making = this.#make(key, stamp, make).finally(() => this.#making.delete(made));
    this.#making.set(made, making);
    return making;
  }

  async #make(key: string, stamp: string, make: () => Promise<unknown>): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new TextEncoder().encode(JSON.stringify(await make()));
    this.#forget(key);
    if (bytes.length > this.#memoryBytes) return bytes;
    this.#views.set(key, { stamp, bytes });
    this.#used += bytes.length;
    for (const oldest of this.#views.keys()) {
      if (this.#used <= this.#memoryBytes) break;
      this.#forget(oldest);
    }
    return bytes;
  }

  #forget(key: string): void {
    this.#used -= this.#views.get(key)?.bytes.length ?? 0;
    this.#views.delete(key);
  }
}
