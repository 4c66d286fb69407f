import { ArchiveError } from "../archive-error.ts";

/**
 * Bytes of a chunked source, taken in the amounts that a format speaks of. A source may use its buffer again once the
 * next chunk is asked for, so what is held over is copied first; what is given out is valid until more is asked for.
 */
export class ByteQueue {
  readonly #source: AsyncIterator<Uint8Array>;
  #held: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** What was read and not taken. */
  peek(): Uint8Array {
    return this.#held;
  }

  /** Reads one more chunk; `false` at the end of the source. */
  async more(): Promise<boolean> {
    const held = this.#held.slice();
    this.#held = held;
    const next = await this.#source.next();
    if (next.done === true) return false;
    this.#held = held.length === 0 ? next.value : Buffer.concat([held, next.value]);
    return true;
  }

  /** Takes exactly `bytes`, reading on as needed. @throws {ArchiveError} `ARCHIVE_TRUNCATED` at an early end */
  async need(bytes: number): Promise<Uint8Array> {
    if (this.#held.length < bytes) return this.#gather(bytes);
    const taken = this.#held.subarray(0, bytes);
    this.#held = this.#held.subarray(bytes);
    return taken;
  }

  /** The same as {@link need}, for what is known to be there. */
  take(bytes: number): Promise<Uint8Array> {
    return this.need(bytes);
  }

  async #gather(bytes: number): Promise<Uint8Array> {
    const pieces = [this.#held.slice()];
    let left = bytes - this.#held.length;
    this.#held = new Uint8Array(0);
    while (left > 0) {
      const next = await this.#source.next();
      if (next.done === true) {
        throw new ArchiveError({
          code: "ARCHIVE_TRUNCATED",
          message: `Cannot read the archive: it ends ${left} bytes too early`,
        });
      }
      pieces.push(next.value.slice(0, left));
      this.#held = next.value.subarray(left);
      left -= pieces.at(-1)!.length;
    }
    return Buffer.concat(pieces);
  }

  /** Everything but the last `bytes`, which stay to be taken. */
  async *allBut(bytes: number): AsyncGenerator<Uint8Array> {
    let chunk = this.#held;
    for (;;) {
      const given = Math.max(0, chunk.length - bytes);
      this.#held = chunk.slice(given);
      if (given > 0) yield chunk.subarray(0, given);
      const next = await this.#source.next();
      if (next.done === true) return;
      chunk = next.value;
      if (chunk.length < bytes) {
        chunk = Buffer.concat([this.#held, chunk]);
      } else if (this.#held.length > 0) {
        yield this.#held;
      }
    }
  }
}
