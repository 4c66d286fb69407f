/** Bytes that come in parts, copied into one buffer that doubles up to `max` bytes. */
export class GrowingBytes {
  readonly #max: number;
  #buffer = new Uint8Array();
  #length = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Bytes of memory that are held. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /** Everything that was added; a view, until the next {@link add} or {@link clear}. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Appends a copy of the part; `false`, and nothing is added, where there would be more than the most. */
  add(part: Uint8Array): boolean {
    const length = this.#length + part.length;
    if (length > this.#max) return false;
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.min(this.#max, Math.max(length, 2 * this.#buffer.length)));
      larger.set(this.bytes);
      this.#buffer = larger;
    }
    this.#buffer.set(part, this.#length);
    this.#length = length;
    return true;
  }

  /** Forgets them, and the memory. */
  clear(): void {
    this.#buffer = new Uint8Array();
    this.#length = 0;
  }
}
