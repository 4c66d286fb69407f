import { ArchiveError } from "../archive-error.ts";

/** Bytes of a chunked source, taken in the amounts that a format speaks of. */
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
    const next = await this.#source.next();
    if (next.done === true) return false;
    this.#held = this.#held.length === 0 ? next.value : Buffer.concat([this.#held, next.value]);
    return true;
  }

  /** Takes exactly `bytes`, reading on as needed. @throws {ArchiveError} `ARCHIVE_TRUNCATED` at an early end */
  async need(bytes: number): Promise<Uint8Array> {
    if (this.#held.length < bytes) await this.#fill(bytes);
    const taken = this.#held.subarray(0, bytes);
    this.#held = this.#held.subarray(bytes);
    return taken;
  }

  /** The same as {@link need}, for what is known to be there. */
  take(bytes: number): Promise<Uint8Array> {
    return this.need(bytes);
  }

  async #fill(bytes: number): Promise<void> {
    const chunks = [this.#held];
    let length = this.#held.length;
    while (length < bytes) {
      const next = await this.#source.next();
      if (next.done === true) {
        throw new ArchiveError({
          code: "ARCHIVE_TRUNCATED",
          message: `Cannot read the archive: it ends ${bytes - length} bytes too early`,
        });
      }
      chunks.push(next.value);
      length += next.value.length;
    }
    this.#held = Buffer.concat(chunks);
  }

  /** Everything but the last `bytes`, which stay to be taken. */
  async *allBut(bytes: number): AsyncGenerator<Uint8Array> {
    while (await this.more()) {
      const length = this.#held.length - bytes;
      if (length <= 0) continue;
      const chunk = this.#held.subarray(0, length);
      // Copied, so that the few bytes held back do not keep the whole chunk alive and can be extended.
      this.#held = this.#held.slice(length);
      yield chunk;
    }
    if (this.#held.length > bytes) {
      const chunk = this.#held.subarray(0, this.#held.length - bytes);
      this.#held = this.#held.slice(-bytes);
      yield chunk;
    }
  }
}
