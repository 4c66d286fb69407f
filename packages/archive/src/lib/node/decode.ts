import type { Transform } from "node:stream";
import { promisify } from "node:util";
import {
  constants,
  crc32,
  createInflateRaw,
  createZstdDecompress,
  inflateRaw,
  inflateRawSync,
  zstdDecompress,
  zstdDecompressSync,
  type InflateRaw,
} from "node:zlib";
import { ArchiveError } from "../archive-error.ts";
import type { ArchiveCodec } from "../format.ts";
import {
  checkGzipTrailer,
  GZIP_TRAILER_BYTES,
  readGzipHeader,
  readGzipTrailer,
  type GzipHeaderPolicy,
} from "../gzip-frame.ts";
import type { ArchiveLimits } from "../limits.ts";
import { LZ4_HEADER_BYTES, lz4Invalid, readLz4BlockSize, readLz4Header } from "../lz4-frame.ts";
import { decodeLz4Block } from "../lz4-block.ts";
import { Xxh32 } from "../xxh32.ts";
import { ZstdFrameWalker, type ZstdFrameHeader } from "../zstd-frame.ts";
import { ByteQueue } from "./byte-queue.ts";
import type { DecodeBudget } from "./decode-budget.ts";

/** What a decoder may do, and what it demands. */
export interface DecodeOptions {
  readonly limits: ArchiveLimits;
  readonly gzip: GzipHeaderPolicy;
  /** Whether a zstd frame must state its content size and carry a checksum, as packages do. */
  readonly strictZstd: boolean;
  readonly budget?: DecodeBudget | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Stored and plain bytes up to which an archive is decoded in one call from memory: half the cost of a stream. */
export const ONE_SHOT_STORED_BYTES: number = 4 * 2 ** 20;
const ONE_SHOT_PLAIN_BYTES = 32 * 2 ** 20;
/** Plain bytes up to which a thread switch costs more than the decoding. */
const SYNC_PLAIN_BYTES = 256 * 1024;
const CHUNK_BYTES = 256 * 1024;
/** Room behind the promised bytes, so that the whole output is one buffer, and a longer one is still seen. */
const SPARE_BYTES = 64;
/** zlib's window and tables, rounded up. */
const INFLATE_BYTES = 64 * 1024;
const MAX_GZIP_HEADER_BYTES = 64 * 1024;

/**
 * Decompresses as a stream within the codec's window. No decoder is trusted alone: the exact end of the compressed
 * data, its checksums and lengths are checked here, whatever the runtime's decoder lets pass.
 * @throws {ArchiveError} while it is iterated
 */
export async function* decode(
  codec: ArchiveCodec,
  stored: AsyncIterable<Uint8Array>,
  options: DecodeOptions,
): AsyncGenerator<Uint8Array> {
  let storedBytes = 0;
  let plainBytes = 0;
  const counted = (async function* () {
    for await (const chunk of stored) {
      options.signal?.throwIfAborted();
      storedBytes += chunk.length;
      yield chunk;
    }
  })();
  for await (const chunk of DECODERS[codec](counted, options)) {
    options.signal?.throwIfAborted();
    plainBytes += chunk.length;
    checkRatio(plainBytes, storedBytes, options.limits);
    yield chunk;
  }
}

type Decoder = (stored: AsyncIterable<Uint8Array>, options: DecodeOptions) => AsyncIterable<Uint8Array>;

const DECODERS: Readonly<Record<ArchiveCodec, Decoder>> = {
  none: (stored) => stored,
  zstd: decodeZstd,
  gzip: decodeGzip,
  lz4: decodeLz4,
};

/** Refuses what decompresses to suspiciously many bytes. */
export function checkRatio(plainBytes: number, storedBytes: number, limits: ArchiveLimits): void {
  if (plainBytes > limits.totalBytes) throw tooLarge(plainBytes, limits);
  if (plainBytes > limits.ratioFloorBytes && plainBytes > storedBytes * limits.ratio) {
    throw new ArchiveError({
      code: "ARCHIVE_RATIO_TOO_HIGH",
      message: `Cannot accept the archive: ${storedBytes} bytes decompress to ${plainBytes} and more, the limit is ${limits.ratio} to one`,
      limit: limits.ratio,
    });
  }
}

function tooLarge(plainBytes: number, limits: ArchiveLimits): ArchiveError {
  return new ArchiveError({
    code: "ARCHIVE_TOO_LARGE",
    message: `Cannot accept the archive: it has ${plainBytes} bytes once decompressed, the limit is ${limits.totalBytes}`,
    limit: limits.totalBytes,
  });
}

function checkZstdHeader(header: ZstdFrameHeader, { limits, strictZstd }: DecodeOptions): void {
  if (header.windowBytes > limits.windowBytes) {
    throw new ArchiveError({
      code: "ARCHIVE_WINDOW_TOO_LARGE",
      message: `Cannot accept the zstd frame: it demands a window of ${header.windowBytes} bytes, the limit is ${limits.windowBytes}`,
      limit: limits.windowBytes,
    });
  }
  if (header.contentBytes !== undefined && header.contentBytes > limits.totalBytes)
    throw tooLarge(header.contentBytes, limits);
  if (strictZstd && (header.contentBytes === undefined || !header.hasChecksum)) {
    throw zstdInvalid("its header lacks the content size or the checksum flag, which packages have");
  }
}

function zstdInvalid(why: string, cause?: unknown): ArchiveError {
  return new ArchiveError({ code: "ARCHIVE_ZSTD_INVALID", message: `Cannot read the zstd frame: ${why}`, cause });
}

function gzipInvalid(why: string, cause?: unknown): ArchiveError {
  return new ArchiveError({ code: "ARCHIVE_GZIP_INVALID", message: `Cannot read the gzip file: ${why}`, cause });
}

function truncated(what: string): ArchiveError {
  return new ArchiveError({ code: "ARCHIVE_TRUNCATED", message: `Cannot read the archive: its ${what} is cut off` });
}

function trailing(what: string): ArchiveError {
  return new ArchiveError({
    code: "ARCHIVE_TRAILING_DATA",
    message: `Cannot read the archive: bytes follow the ${what}`,
  });
}

function checkPlainSize(found: number, header: ZstdFrameHeader): void {
  if (header.contentBytes !== undefined && found !== header.contentBytes) {
    throw zstdInvalid(`it promises ${header.contentBytes} bytes and holds ${found}`);
  }
}

const isOurs = (error: unknown): boolean =>
  error instanceof ArchiveError || (error instanceof Error && error.name === "AbortError");

async function* decodeZstd(stored: AsyncIterable<Uint8Array>, options: DecodeOptions): AsyncGenerator<Uint8Array> {
  const walker = new ZstdFrameWalker();
  const walked = walk(stored, walker);
  const first: Uint8Array[] = [];
  while (walker.header === undefined) {
    const next = await walked.next();
    if (next.done === true) throw truncated("zstd frame");
    // Held over, so copied: the source may use its buffer again.
    first.push(next.value.slice());
  }
  const header = walker.header;
  checkZstdHeader(header, options);
  const release = await options.budget?.acquire(header.windowBytes + 2 * CHUNK_BYTES, options.signal);
  try {
    let plainBytes = 0;
    const decoder = createZstdDecompress({ chunkSize: CHUNK_BYTES, params: { [constants.ZSTD_d_windowLogMax]: 30 } });
    for await (const chunk of through(chain(first, walked), decoder, zstdInvalid)) {
      plainBytes += chunk.length;
      if (header.contentBytes !== undefined && plainBytes > header.contentBytes) checkPlainSize(plainBytes, header);
      yield chunk;
    }
    walker.finish();
    checkPlainSize(plainBytes, header);
  } finally {
    release?.();
  }
}

async function* walk(
  stored: AsyncIterable<Uint8Array>,
  walker: ZstdFrameWalker,
): AsyncGenerator<Uint8Array, undefined> {
  for await (const chunk of stored) {
    walker.push(chunk);
    yield chunk;
  }
  walker.finish();
}

async function* chain(first: readonly Uint8Array[], rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* first;
  yield* rest;
}

/** Pipes through one of zlib's streams; its errors become ours, errors of the source stay what they are. */
export async function* through(
  source: AsyncIterable<Uint8Array>,
  decoder: Transform,
  invalid: (why: string, cause: unknown) => ArchiveError,
): AsyncGenerator<Uint8Array> {
  let failure: unknown;
  const caught = (async function* () {
    try {
      yield* source;
    } catch (error) {
      failure = error;
      throw error;
    }
  })();
  const fed = feed(caught, decoder);
  try {
    for await (const chunk of decoder) yield chunk as Uint8Array;
  } catch (error) {
    if (failure !== undefined) throw failure as Error;
    if (isOurs(error)) throw error;
    throw invalid(error instanceof Error ? error.message : String(error), error);
  } finally {
    decoder.destroy();
    await fed;
  }
}

/** Asks for a chunk only once the decoder has consumed the one before, so that a source may use its buffer again. */
async function feed(source: AsyncIterable<Uint8Array>, decoder: Transform): Promise<void> {
  let settle = (): void => {};
  // A decoder that is destroyed never tells what became of the chunk it was given.
  decoder.once("close", () => settle());
  decoder.on("error", () => {});
  try {
    for await (const chunk of source) {
      if (decoder.destroyed) return;
      await new Promise<void>((resolve) => {
        settle = resolve;
        decoder.write(chunk, () => resolve());
      });
    }
    decoder.end();
  } catch (error) {
    decoder.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

async function* decodeGzip(stored: AsyncIterable<Uint8Array>, options: DecodeOptions): AsyncGenerator<Uint8Array> {
  const input = new ByteQueue(stored);
  await skipGzipHeader(input, options.gzip);
  const release = await options.budget?.acquire(INFLATE_BYTES + 2 * CHUNK_BYTES, options.signal);
  try {
    const inflate = createInflateRaw({ chunkSize: CHUNK_BYTES });
    let fed = 0;
    let crc = 0;
    let size = 0;
    const deflated = (async function* () {
      for await (const chunk of input.allBut(GZIP_TRAILER_BYTES)) {
        fed += chunk.length;
        yield chunk;
      }
    })();
    for await (const chunk of through(deflated, inflate, gzipInvalid)) {
      crc = crc32(chunk, crc);
      size += chunk.length;
      yield chunk;
    }
    // zlib stops at the last block and ignores the rest: a second member or anything else behind the first.
    if (inflate.bytesWritten !== fed) throw trailing("gzip member");
    checkGzipTrailer(await input.take(GZIP_TRAILER_BYTES), { crc, size });
  } finally {
    release?.();
  }
}

async function skipGzipHeader(input: ByteQueue, policy: GzipHeaderPolicy): Promise<void> {
  for (;;) {
    const seen = input.peek();
    const length = readGzipHeader(seen, policy);
    if (length !== undefined) {
      await input.take(length);
      return;
    }
    if (seen.length > MAX_GZIP_HEADER_BYTES) throw gzipInvalid("its header is too long");
    if (!(await input.more())) throw truncated("gzip header");
  }
}

async function* decodeLz4(stored: AsyncIterable<Uint8Array>, options: DecodeOptions): AsyncGenerator<Uint8Array> {
  const input = new ByteQueue(stored);
  const { contentBytes, blockBytes } = readLz4Header(await input.need(LZ4_HEADER_BYTES));
  if (contentBytes > options.limits.totalBytes) throw tooLarge(contentBytes, options.limits);
  const release = await options.budget?.acquire(3 * blockBytes, options.signal);
  try {
    const checksum = new Xxh32();
    let left = contentBytes;
    for (;;) {
      const block = readLz4BlockSize(uint32(await input.need(4)), blockBytes);
      if (block === undefined) break;
      const packed = await input.need(block.bytes);
      // Every block but the last is full: one content has one division into blocks.
      const expected = Math.min(left, blockBytes);
      const plain = block.stored ? packed : decodeLz4Block(packed, expected);
      if (plain.length !== expected || expected === 0)
        throw lz4Invalid(`a block holds ${plain.length} bytes, expected ${expected}`);
      left -= plain.length;
      checksum.update(plain);
      yield plain;
    }
    if (left !== 0) throw lz4Invalid(`it promises ${contentBytes} bytes and holds ${contentBytes - left}`);
    if (uint32(await input.need(4)) !== checksum.digest()) throw lz4Invalid("its content checksum is wrong");
    if ((await input.more()) || input.peek().length > 0) throw trailing("LZ4 frame");
  } finally {
    release?.();
  }
}

function uint32(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
}

interface InflateInfo {
  readonly buffer: Buffer;
  readonly engine: InflateRaw;
}

/**
 * Decompresses a small archive from memory in one call, with all checks of {@link decode}, and gives the whole of it to
 * `use`, while the budget counts it; `false` where it is too large for that or has a codec without such a call.
 */
export async function decodeWhole(
  codec: ArchiveCodec,
  stored: Uint8Array,
  options: DecodeOptions,
  use: (plain: Uint8Array) => Promise<void>,
): Promise<boolean> {
  if (stored.length > ONE_SHOT_STORED_BYTES || codec === "lz4") return false;
  const whole = WHOLE_DECODERS[codec](stored, options);
  if (whole === undefined) return false;
  const release = await options.budget?.acquire(whole.plainBytes, options.signal);
  try {
    await use(await whole.decode());
    return true;
  } finally {
    release?.();
  }
}

/** One call that decompresses everything, and how much comes out of it. */
interface WholeDecoding {
  readonly plainBytes: number;
  readonly decode: () => Promise<Uint8Array>;
}

const WHOLE_DECODERS: Readonly<
  Record<Exclude<ArchiveCodec, "lz4">, (stored: Uint8Array, options: DecodeOptions) => WholeDecoding | undefined>
> = {
  none: (stored) => ({ plainBytes: 0, decode: () => Promise.resolve(stored) }),
  zstd: wholeZstd,
  gzip: wholeGzip,
};

function wholeZstd(stored: Uint8Array, options: DecodeOptions): WholeDecoding | undefined {
  const walker = new ZstdFrameWalker();
  walker.push(stored);
  walker.finish();
  const header = walker.header!;
  checkZstdHeader(header, options);
  const size = header.contentBytes;
  if (size === undefined || size > ONE_SHOT_PLAIN_BYTES) return undefined;
  checkRatio(size, stored.length, options.limits);
  const zlib = {
    maxOutputLength: Math.max(size, 1),
    chunkSize: size + SPARE_BYTES,
    params: { [constants.ZSTD_d_windowLogMax]: 30 },
  };
  const decode = async (): Promise<Uint8Array> => {
    const plain = await calling(zstdInvalid, () =>
      size <= SYNC_PLAIN_BYTES ? zstdDecompressSync(stored, zlib) : promisify(zstdDecompress)(stored, zlib),
    );
    checkPlainSize(plain.length, header);
    return plain;
  };
  return { plainBytes: size, decode };
}

function wholeGzip(stored: Uint8Array, options: DecodeOptions): WholeDecoding | undefined {
  const header = readGzipHeader(stored, options.gzip);
  if (header === undefined || stored.length < header + GZIP_TRAILER_BYTES) throw truncated("gzip file");
  const deflated = stored.subarray(header, -GZIP_TRAILER_BYTES);
  const trailer = stored.subarray(-GZIP_TRAILER_BYTES);
  const { size } = readGzipTrailer(trailer);
  if (size > ONE_SHOT_PLAIN_BYTES || size > stored.length * 1032) return undefined;
  checkRatio(size, stored.length, options.limits);
  const zlib = { maxOutputLength: Math.max(size, 1), chunkSize: size + SPARE_BYTES, info: true } as const;
  const decode = async (): Promise<Uint8Array> => {
    const { buffer, engine } = await calling(gzipInvalid, () =>
      size <= SYNC_PLAIN_BYTES
        ? (inflateRawSync(deflated, zlib) as unknown as InflateInfo)
        : (promisify(inflateRaw)(deflated, zlib) as unknown as Promise<InflateInfo>),
    );
    if (engine.bytesWritten !== deflated.length) throw trailing("gzip member");
    checkGzipTrailer(trailer, { crc: crc32(buffer), size: buffer.length });
    return buffer;
  };
  return { plainBytes: size, decode };
}

async function calling<T>(
  invalid: (why: string, cause: unknown) => ArchiveError,
  run: () => T | Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error), error);
  }
}
