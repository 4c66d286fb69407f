import { ArchiveError } from "./archive-error.ts";
import type { ArchiveLimits } from "./limits.ts";
import { BLOCK, isZero, paddingOf } from "./tar-header.ts";

type State = "header" | "body" | "data" | "padding" | "end" | "done";

/**
 * The mechanics that every tar reader here shares: bytes arrive in chunks of any size, headers leave as whole blocks,
 * contents leave as the views of the chunks they came in, without a copy. Nothing here does IO.
 */
export abstract class TarBlocks {
  protected readonly limits: ArchiveLimits;
  readonly #block: Uint8Array = new Uint8Array(BLOCK);
  #filled = 0;
  #state: State = "header";
  #left = 0;
  #padding = 0;
  #body: Uint8Array = new Uint8Array(0);
  #consumed = 0;

  constructor(limits: ArchiveLimits) {
    this.limits = limits;
  }

  /** Bytes of tar that were pushed. */
  get consumedBytes(): number {
    return this.#consumed;
  }

  /** A header block that is not zero. It is only valid during the call. */
  protected abstract header(block: Uint8Array): void;
  /** The whole body asked for with {@link expectBody}. */
  protected abstract body(bytes: Uint8Array): void;
  /** Some of the bytes asked for with {@link expectData}. */
  protected abstract data(chunk: Uint8Array): void;
  /** All of them were given. */
  protected abstract dataEnd(): void;
  /** The first of the two zero blocks was read. */
  protected abstract ending(): void;
  /** Bytes after the two zero blocks. */
  protected abstract trailing(chunk: Uint8Array): void;

  /** Collects the next `size` bytes and their padding for {@link body}; the caller has bounded `size`. */
  protected expectBody(size: number): void {
    this.#body = new Uint8Array(size);
    this.#begin("body", size);
  }

  /** Streams the next `size` bytes through {@link data}. */
  protected expectData(size: number): void {
    this.#begin("data", size);
  }

  #begin(state: "body" | "data", size: number): void {
    this.#state = state;
    this.#left = size;
    this.#padding = paddingOf(size);
    if (size === 0) this.#contentEnd(state);
  }

  #contentEnd(state: "body" | "data"): void {
    this.#state = this.#padding === 0 ? "header" : "padding";
    this.#left = this.#padding;
    if (state === "body") this.body(this.#body);
    else this.dataEnd();
  }

  /**
   * Reads on.
   * @throws {ArchiveError} at the first byte that is not allowed; the reader is of no use afterwards
   */
  push(chunk: Uint8Array): void {
    this.#consumed += chunk.length;
    if (this.#consumed > this.limits.totalBytes) {
      throw new ArchiveError({
        code: "ARCHIVE_TOO_LARGE",
        message: `Cannot accept the archive: it is larger than ${this.limits.totalBytes} bytes once decompressed`,
        limit: this.limits.totalBytes,
      });
    }
    let at = 0;
    while (at < chunk.length) at = this.#step(chunk, at);
  }

  #step(chunk: Uint8Array, at: number): number {
    switch (this.#state) {
      case "header":
      case "end":
        return this.#takeBlock(chunk, at);
      case "body":
      case "data":
      case "padding":
        return this.#takeContent(chunk, at, this.#state);
      case "done":
        this.trailing(at === 0 ? chunk : chunk.subarray(at));
        return chunk.length;
    }
  }

  #takeBlock(chunk: Uint8Array, at: number): number {
    if (this.#filled === 0 && chunk.length - at >= BLOCK) {
      this.#gotBlock(chunk.subarray(at, at + BLOCK));
      return at + BLOCK;
    }
    const taken = chunk.subarray(at, at + BLOCK - this.#filled);
    this.#block.set(taken, this.#filled);
    this.#filled += taken.length;
    if (this.#filled === BLOCK) {
      this.#filled = 0;
      this.#gotBlock(this.#block);
    }
    return at + taken.length;
  }

  #gotBlock(block: Uint8Array): void {
    if (this.#state === "end") {
      if (!isZero(block)) throw endMissing("after one zero block comes another header");
      this.#state = "done";
    } else if (block[0] === 0 && isZero(block)) {
      this.#state = "end";
      this.ending();
    } else {
      this.header(block);
    }
  }

  #takeContent(chunk: Uint8Array, at: number, state: "body" | "data" | "padding"): number {
    const taken = chunk.subarray(at, Math.min(chunk.length, at + this.#left));
    this.#left -= taken.length;
    if (state === "data") {
      this.data(taken);
    } else if (state === "body") {
      this.#body.set(taken, this.#body.length - this.#left - taken.length);
    } else if (!isZero(taken)) {
      throw new ArchiveError({
        code: "ARCHIVE_PADDING_NOT_ZERO",
        message: "Cannot read the archive: the padding after a member is not zero",
      });
    }
    if (this.#left === 0) {
      if (state === "padding") this.#state = "header";
      else this.#contentEnd(state);
    }
    return at + taken.length;
  }

  /**
   * Tells that no more bytes come.
   * @throws {ArchiveError} `ARCHIVE_TRUNCATED` or `ARCHIVE_END_MISSING` unless both zero blocks were read
   */
  finish(): void {
    if (this.#state === "done") return;
    if (this.#filled === 0 && (this.#state === "header" || this.#state === "end")) {
      throw endMissing("the archive ends without two zero blocks");
    }
    throw new ArchiveError({
      code: "ARCHIVE_TRUNCATED",
      message: `Cannot read the archive: it ends within a member, after ${this.#consumed} bytes`,
    });
  }
}

function endMissing(why: string): ArchiveError {
  return new ArchiveError({ code: "ARCHIVE_END_MISSING", message: `Cannot read the archive: ${why}` });
}
