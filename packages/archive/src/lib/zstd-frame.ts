import { ArchiveError, type ArchiveErrorCode } from "./archive-error.ts";

/** What a zstd frame header says (RFC 8878 §3.1.1.1). */
export interface ZstdFrameHeader {
  /** Bytes that a streaming decoder keeps. */
  readonly windowBytes: number;
  /** Bytes after decompression, where the header tells. */
  readonly contentBytes: number | undefined;
  readonly hasChecksum: boolean;
  /** Bytes of the header, magic included. */
  readonly headerBytes: number;
}

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
const MAX_HEADER_BYTES = 18;
const MAX_BLOCK_BYTES = 128 * 1024;

/**
 * Reads a frame header, or returns `undefined` where `bytes` ends within it.
 * @throws {ArchiveError} `ARCHIVE_ZSTD_SKIPPABLE`, `ARCHIVE_ZSTD_DICTIONARY` or `ARCHIVE_ZSTD_INVALID`
 */
export function readZstdHeader(bytes: Uint8Array): ZstdFrameHeader | undefined {
  if (bytes.length < 5) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0, true);
  if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) {
    refuse("ARCHIVE_ZSTD_SKIPPABLE", "it has a skippable frame, only one plain frame is allowed");
  }
  if (magic !== MAGIC)
    refuse("ARCHIVE_ZSTD_INVALID", `its magic is 0x${magic.toString(16)}, expected 0x${MAGIC.toString(16)}`);
  const flags = bytes[4]!;
  if ((flags & 0b11) !== 0) refuse("ARCHIVE_ZSTD_DICTIONARY", "its header names a dictionary");
  if ((flags & 0b11000) !== 0) refuse("ARCHIVE_ZSTD_INVALID", "its header has reserved bits");
  return readSizes(view, flags);
}

function readSizes(view: DataView, flags: number): ZstdFrameHeader | undefined {
  const single = (flags & 0x20) !== 0;
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][flags >> 6]!;
  const sizeAt = single ? 5 : 6;
  const headerBytes = sizeAt + sizeBytes;
  if (view.byteLength < headerBytes) return undefined;
  const contentBytes = readContentSize(view, sizeAt, sizeBytes);
  return {
    windowBytes: single ? contentBytes! : windowOf(view.getUint8(5)),
    contentBytes,
    hasChecksum: (flags & 0x04) !== 0,
    headerBytes,
  };
}

function readContentSize(view: DataView, at: number, bytes: number): number | undefined {
  switch (bytes) {
    case 0:
      return undefined;
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at, true) + 256;
    case 4:
      return view.getUint32(at, true);
    default: {
      const size = view.getBigUint64(at, true);
      if (size > BigInt(Number.MAX_SAFE_INTEGER)) refuse("ARCHIVE_ZSTD_INVALID", `it claims ${size} bytes`);
      return Number(size);
    }
  }
}

function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

function refuse(code: ArchiveErrorCode, why: string): never {
  throw new ArchiveError({ code, message: `Cannot read the zstd frame: ${why}` });
}

type WalkState = "header" | "block-header" | "block" | "checksum" | "done";

/**
 * Finds the exact end of a zstd frame by its block headers, without decompressing: Node's decoders have taken
 * truncated frames for whole ones, stopped after a first frame, and never told of bytes behind it. Push every chunk
 * here before a decoder sees it.
 */
export class ZstdFrameWalker {
  readonly #small: Uint8Array = new Uint8Array(MAX_HEADER_BYTES);
  #filled = 0;
  #skip = 0;
  #last = false;
  #state: WalkState = "header";
  #header: ZstdFrameHeader | undefined;

  /** The frame header, once enough was pushed. */
  get header(): ZstdFrameHeader | undefined {
    return this.#header;
  }

  /**
   * Walks on.
   * @throws {ArchiveError} those of {@link readZstdHeader}, and `ARCHIVE_TRAILING_DATA` at a byte after the frame
   */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - at);
        this.#skip -= step;
        at += step;
        if (this.#skip === 0) this.#skipped();
      } else {
        at = this.#collect(chunk, at);
      }
    }
  }

  #collect(chunk: Uint8Array, at: number): number {
    if (this.#state === "done") this.#trailing();
    this.#small[this.#filled] = chunk[at]!;
    this.#filled += 1;
    const seen = this.#small.subarray(0, this.#filled);
    if (this.#state === "header") this.#readHeader(seen);
    else if (this.#filled === 3) this.#readBlockHeader(seen);
    return at + 1;
  }

  #readHeader(seen: Uint8Array): void {
    this.#header = readZstdHeader(seen);
    if (this.#header === undefined) return;
    this.#state = "block-header";
    this.#filled = 0;
  }

  #readBlockHeader(seen: Uint8Array): void {
    const word = seen[0]! | (seen[1]! << 8) | (seen[2]! << 16);
    const type = (word >> 1) & 3;
    const size = word >> 3;
    if (type === 3) refuse("ARCHIVE_ZSTD_INVALID", "it has a block of the reserved type");
    if (size > Math.min(MAX_BLOCK_BYTES, Math.max(this.#header!.windowBytes, 1024))) {
      refuse("ARCHIVE_ZSTD_INVALID", `it has a block of ${size} bytes, the limit is ${MAX_BLOCK_BYTES}`);
    }
    this.#last = (word & 1) === 1;
    this.#filled = 0;
    this.#state = "block";
    this.#skip = type === 1 ? 1 : size;
    if (this.#skip === 0) this.#skipped();
  }

  #skipped(): void {
    if (this.#state === "checksum") {
      this.#state = "done";
    } else if (!this.#last) {
      this.#state = "block-header";
    } else if (this.#header!.hasChecksum) {
      this.#state = "checksum";
      this.#skip = 4;
    } else {
      this.#state = "done";
    }
  }

  #trailing(): never {
    throw new ArchiveError({
      code: "ARCHIVE_TRAILING_DATA",
      message: "Cannot read the archive: bytes follow its zstd frame, exactly one frame is allowed",
    });
  }

  /**
   * Tells that no more bytes come.
   * @throws {ArchiveError} `ARCHIVE_TRUNCATED` within the frame
   */
  finish(): void {
    if (this.#state === "done") return;
    throw new ArchiveError({
      code: "ARCHIVE_TRUNCATED",
      message: "Cannot read the archive: its zstd frame is cut off",
    });
  }
}
