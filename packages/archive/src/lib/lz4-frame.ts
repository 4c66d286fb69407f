import { ArchiveError } from "./archive-error.ts";
import { Xxh32 } from "./xxh32.ts";

/**
 * Plain bytes of every written block but the last. Larger blocks compress hardly better, since LZ4 looks back 64 KiB, and
 * the library's buffers for them, which are freed late, would make memory grow with the package.
 */
export const LZ4_BLOCK_BYTES: number = 256 * 1024;
/** Bytes of the one header that packages have: magic, flags, block size, content size, header checksum. */
export const LZ4_HEADER_BYTES = 15;

const MAGIC = 0x184d2204;
/** Version 1, independent blocks, content size, content checksum (LZ4 frame format 1.6.4). */
const FLAGS = 0x40 | 0x20 | 0x08 | 0x04;
/** Block sizes that are read, by their code: what is written now, and what was written before. */
const BLOCK_SIZES: ReadonlyMap<number, number> = new Map([
  [0x50, LZ4_BLOCK_BYTES],
  [0x70, 4 * 2 ** 20],
]);
const BLOCK_SIZE_CODE = 0x50;
const STORED = 0x80000000;

/** The frame header of `contentBytes` plain bytes. */
export function encodeLz4Header(contentBytes: number): Uint8Array {
  const header = new Uint8Array(LZ4_HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, MAGIC, true);
  header[4] = FLAGS;
  header[5] = BLOCK_SIZE_CODE;
  view.setBigUint64(6, BigInt(contentBytes), true);
  header[14] = headerCheck(header);
  return header;
}

/** The size word of a block. */
export function encodeLz4BlockSize(bytes: number, stored: boolean): Uint8Array {
  return uint32(stored ? bytes + STORED : bytes);
}

/** End mark and content checksum. */
export function encodeLz4End(checksum: number): Uint8Array {
  const end = new Uint8Array(8);
  end.set(uint32(checksum), 4);
  return end;
}

/** What a frame header says. */
export interface Lz4Header {
  /** Plain bytes of the frame. */
  readonly contentBytes: number;
  /** Plain bytes of every block but the last. */
  readonly blockBytes: number;
}

/**
 * Reads the frame header.
 * @throws {ArchiveError} `ARCHIVE_LZ4_INVALID` unless it is of the form that packages have
 */
export function readLz4Header(bytes: Uint8Array): Lz4Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, LZ4_HEADER_BYTES);
  if (view.getUint32(0, true) !== MAGIC) throw lz4Invalid("its magic is not that of an LZ4 frame");
  const blockBytes = BLOCK_SIZES.get(bytes[5]!);
  if (bytes[4] !== FLAGS || blockBytes === undefined) {
    throw lz4Invalid(
      "its flags are not independent blocks of 256 KiB or 4 MiB with content size and checksum, without dictionary",
    );
  }
  if (bytes[14] !== headerCheck(bytes)) throw lz4Invalid("its header checksum is wrong");
  const size = view.getBigUint64(6, true);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw lz4Invalid(`it claims ${size} bytes`);
  return { contentBytes: Number(size), blockBytes };
}

/** What a block's size word says; `undefined` for the end mark. */
export function readLz4BlockSize(
  word: number,
  blockBytes: number,
): { readonly bytes: number; readonly stored: boolean } | undefined {
  if (word === 0) return undefined;
  const stored = word >= STORED;
  const bytes = stored ? word - STORED : word;
  if (bytes === 0 || bytes > blockBytes)
    throw lz4Invalid(`it has a block of ${bytes} bytes, allowed are 1 to ${blockBytes}`);
  return { bytes, stored };
}

/** An `ARCHIVE_LZ4_INVALID` error. */
export function lz4Invalid(why: string, cause?: unknown): ArchiveError {
  return new ArchiveError({ code: "ARCHIVE_LZ4_INVALID", message: `Cannot read the LZ4 frame: ${why}`, cause });
}

function headerCheck(header: Uint8Array): number {
  return (new Xxh32().update(header.subarray(4, 14)).digest() >>> 8) & 0xff;
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
