import { Readable } from "node:stream";
import { constants, createZstdCompress, zstdCompress, type ZstdOptions } from "node:zlib";
import { promisify } from "node:util";
import { Gzip } from "fflate";
import { ArchiveError } from "../archive-error.ts";
import type { ArchiveCodec } from "../format.ts";
import { encodeLz4BlockSize, encodeLz4End, encodeLz4Header, LZ4_BLOCK_BYTES } from "../lz4-frame.ts";
import { Xxh32 } from "../xxh32.ts";
import { loadLz4 } from "./lz4.ts";

/** How hard to compress. */
export interface EncodeOptions {
  readonly codec: ArchiveCodec;
  /** zstd 1 to 22 (default 9, with `release` 19), gzip 0 to 9 (default 6); the other codecs have none. */
  readonly level?: number | undefined;
  /** zstd: smaller files for more time and memory, window up to 2^27. */
  readonly release?: boolean | undefined;
  /** Bytes that will come: the frame header states them. */
  readonly plainBytes: number;
}

/** Below this the whole tar is compressed in one call, which spares the streams' overhead. */
const ONE_SHOT_BYTES = 4 * 2 ** 20;
/** fflate's output depends on how its input is cut: always like this. */
const GZIP_CHUNK_BYTES = 64 * 1024;
const LEVELS = { zstd: [1, 22], gzip: [0, 9] } as const;

/** Window of a zstd frame as a power of two: sized to the content, at most 2^25, with `release` 2^27. */
export function zstdWindowLog(plainBytes: number, release: boolean): number {
  return Math.min(release ? 27 : 25, Math.max(10, Math.ceil(Math.log2(Math.max(plainBytes, 1)))));
}

/**
 * Compresses a tar. The input must hold exactly `plainBytes` bytes; its chunks must not change afterwards.
 * @throws {ArchiveError} `ARCHIVE_OPTION_INVALID`, `ARCHIVE_CODEC_UNAVAILABLE`
 */
export function encode(plain: Iterable<Uint8Array>, options: EncodeOptions): AsyncIterable<Uint8Array> {
  checkLevel(options);
  switch (options.codec) {
    case "zstd":
      return encodeZstd(plain, options);
    case "gzip":
      return encodeGzip(plain, options.level ?? 6);
    case "lz4":
      return encodeLz4(plain, options.plainBytes);
    case "none":
      return encodeNone(plain);
  }
}

function checkLevel({ codec, level }: EncodeOptions): void {
  if (level === undefined) return;
  const range = codec === "zstd" || codec === "gzip" ? LEVELS[codec] : undefined;
  if (range !== undefined && Number.isInteger(level) && level >= range[0] && level <= range[1]) return;
  const allowed = range === undefined ? "none is allowed" : `allowed are ${range[0]} to ${range[1]}`;
  throw new ArchiveError({
    code: "ARCHIVE_OPTION_INVALID",
    message: `Cannot pack with ${codec}: level is ${level}, ${allowed}`,
  });
}

async function* encodeZstd(plain: Iterable<Uint8Array>, options: EncodeOptions): AsyncGenerator<Uint8Array> {
  const zstd = zstdOptions(options);
  if (options.plainBytes <= ONE_SHOT_BYTES) {
    yield await promisify(zstdCompress)(Buffer.concat([...plain]), zstd);
    return;
  }
  const source = Readable.from(plain, { objectMode: true, highWaterMark: 1 });
  const encoder = createZstdCompress({ ...zstd, chunkSize: 256 * 1024 });
  source.once("error", (error) => encoder.destroy(error));
  try {
    yield* source.pipe(encoder) as AsyncIterable<Buffer>;
  } finally {
    source.destroy();
  }
}

/**
 * Whether zstd looks for long matches far back: only where the content is larger than what the level's own search
 * reaches. Below that it costs time and gives larger files.
 */
export function zstdLongMatches(plainBytes: number, release: boolean): boolean {
  return plainBytes > 2 ** (release ? 22 : 25);
}

function zstdOptions({ plainBytes, level, release = false }: EncodeOptions): ZstdOptions {
  return {
    pledgedSrcSize: plainBytes,
    params: {
      [constants.ZSTD_c_compressionLevel]: level ?? (release ? 19 : 9),
      [constants.ZSTD_c_windowLog]: zstdWindowLog(plainBytes, release),
      [constants.ZSTD_c_enableLongDistanceMatching]: zstdLongMatches(plainBytes, release) ? 1 : 0,
      [constants.ZSTD_c_contentSizeFlag]: 1,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  };
}

async function* encodeGzip(plain: Iterable<Uint8Array>, level: number): AsyncGenerator<Uint8Array> {
  let out: Uint8Array[] = [];
  // `mem` is given because fflate derives its default from Math.log, which engines may round differently.
  const gzip = new Gzip({ level: level as 6, mem: 8, mtime: 0 }, (chunk) => out.push(chunk));
  let held: Uint8Array | undefined;
  for (const piece of inPiecesOf(plain, GZIP_CHUNK_BYTES)) {
    if (held !== undefined) gzip.push(held);
    held = piece;
    for (const chunk of out) yield chunk;
    out = [];
  }
  gzip.push(held ?? new Uint8Array(0), true);
  yield* out;
}

async function* encodeNone(plain: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* plain;
}

async function* encodeLz4(plain: Iterable<Uint8Array>, plainBytes: number): AsyncGenerator<Uint8Array> {
  const lz4 = await loadLz4();
  const checksum = new Xxh32();
  yield encodeLz4Header(plainBytes);
  for (const block of inPiecesOf(plain, LZ4_BLOCK_BYTES, true)) {
    checksum.update(block);
    const packed = lz4.compressBlock(block);
    const stored = packed.length >= block.length;
    yield encodeLz4BlockSize(stored ? block.length : packed.length, stored);
    // Copied, because the next block overwrites it.
    yield stored ? block.slice() : packed;
  }
  yield encodeLz4End(checksum.digest());
}

/** The same bytes in pieces of exactly `size`, only the last one shorter; fresh ones, or one that is used again. */
function* inPiecesOf(chunks: Iterable<Uint8Array>, size: number, reuse = false): Generator<Uint8Array> {
  let piece = new Uint8Array(size);
  let filled = 0;
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      const taken = chunk.subarray(at, at + size - filled);
      piece.set(taken, filled);
      filled += taken.length;
      at += taken.length;
      if (filled === size) {
        yield piece;
        if (!reuse) piece = new Uint8Array(size);
        filled = 0;
      }
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}
