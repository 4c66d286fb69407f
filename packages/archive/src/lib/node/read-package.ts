import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Digest } from "@lading/core-manifest";
import { ArchiveError } from "../archive-error.ts";
import { CanonicalTarReader } from "../canonical-reader.ts";
import { codecOf, detectFormat, MAGIC_BYTES, type ArchiveCodec } from "../format.ts";
import { withDefaultLimits, type ArchiveLimits } from "../limits.ts";
import { treeText } from "../tree-digest.ts";
import { ByteQueue } from "./byte-queue.ts";
import type { DecodeBudget } from "./decode-budget.ts";
import { decode, decodeWhole, ONE_SHOT_STORED_BYTES, type DecodeOptions } from "./decode.ts";
import { digestOf, headOf, passingChunksOf, smallFile, withFile } from "./files.ts";
import { MemberCollector, type KeepMembers, type MemberWriter } from "./member-collector.ts";
import type { ExpectedPackage, InspectedPackage, PackageFile } from "./types.ts";

/** Plain bytes between two turns of the event loop: a server answers others meanwhile. */
const BYTES_A_TURN = 4 * 2 ** 20;

const CHUNK_BYTES = 256 * 1024;

/** How to read a package. */
export interface ReadPackageOptions {
  readonly limits?: Partial<ArchiveLimits> | undefined;
  readonly expect?: ExpectedPackage | undefined;
  /** Memory shared with other readers. */
  readonly decodeBudget?: DecodeBudget | undefined;
  /** Members whose contents the result holds; those above `limits.recordBytes` are left out. */
  readonly keep?: KeepMembers | undefined;
  /** Told of every member once its digest is known. */
  readonly onMember?: ((file: PackageFile) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Reading {
  readonly options: ReadPackageOptions;
  readonly decode: DecodeOptions;
  readonly reader: CanonicalTarReader;
  readonly collector: MemberCollector;
}

interface Blob {
  readonly digest: Digest;
  readonly size: number;
  readonly codec: ArchiveCodec;
}

/** Tree digest by node:crypto, which is several times faster than the portable one. */
export function nodeTreeDigest(files: readonly PackageFile[]): Digest {
  return digestOf(Buffer.from(treeText(files)));
}

/** Reads a package file: its digest first where one is expected, then its members. */
export async function readPackageFile(
  path: string,
  options: ReadPackageOptions,
  writer?: MemberWriter,
): Promise<InspectedPackage> {
  // Small files at once: handing each call to another thread and back costs more than the calls.
  const { size, bytes } = smallFile(path, ONE_SHOT_STORED_BYTES);
  checkSize(size, options.expect);
  const whole = bytes === undefined ? undefined : await readWhole(bytes, begin(options, writer));
  if (whole !== undefined) return whole;
  return withFile(path, (file, sizeNow) => {
    checkSize(sizeNow, options.expect);
    return readLarge(file, begin(options, writer));
  });
}

/** Reads a package that is in memory: its digest first where one is expected, then its members. */
export async function readPackageBytes(bytes: Uint8Array, options: ReadPackageOptions): Promise<InspectedPackage> {
  checkSize(bytes.length, options.expect);
  const whole = await readWhole(bytes, begin(options, undefined));
  return whole ?? readPackageStream(chunksOf(bytes), options);
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}

/** Reads a package from a stream; its digest is only known, and compared, at the end. */
export async function readPackageStream(
  source: AsyncIterable<Uint8Array>,
  options: ReadPackageOptions,
  writer?: MemberWriter,
): Promise<InspectedPackage> {
  const reading = begin(options, writer);
  const input = new ByteQueue(source);
  while (input.peek().length < MAGIC_BYTES && (await input.more())) continue;
  const codec = codecFor(input.peek());
  const blob = await pump(input.allBut(0), codec, reading);
  checkSize(blob.size, options.expect);
  checkBlob(blob.digest, options.expect);
  return finish(reading, blob);
}

function begin(options: ReadPackageOptions, writer: MemberWriter | undefined): Reading {
  const limits = withDefaultLimits(options.limits);
  const keep = options.keep ?? [];
  const asked = typeof keep === "function" ? undefined : new Set(keep);
  const collector = new MemberCollector({
    keep: (path) =>
      asked === undefined ? (keep as (p: string, r: unknown) => boolean)(path, recordFor(path)) : asked.has(path),
    keepBytes: limits.recordBytes,
    writer,
    onMember: options.onMember,
  });
  const reader = new CanonicalTarReader(collector, limits);
  const recordFor = (path: string): unknown => (path === ".lading/package.json" ? undefined : reader.record);
  return {
    options,
    reader,
    collector,
    decode: {
      limits,
      gzip: { optionalFields: false },
      strictZstd: true,
      budget: options.decodeBudget,
      signal: options.signal,
    },
  };
}

/** `undefined` where it decompresses to more than fits in memory. */
async function readWhole(stored: Uint8Array, reading: Reading): Promise<InspectedPackage | undefined> {
  const digest = digestOf(stored);
  checkBlob(digest, reading.options.expect);
  const codec = codecFor(stored);
  const done = await decodeWhole(codec, stored, reading.decode, async (plain) => {
    for (let at = 0; at < plain.length; at += BYTES_A_TURN) {
      if (at > 0) await nextTurn();
      reading.options.signal?.throwIfAborted();
      reading.reader.push(plain.subarray(at, at + BYTES_A_TURN));
    }
  });
  if (!done) return undefined;
  return finish(reading, { digest, size: stored.length, codec });
}

async function readLarge(file: FileHandle, reading: Reading): Promise<InspectedPackage> {
  const { expect, signal } = reading.options;
  if (expect?.blob !== undefined) {
    const hash = createHash("sha256");
    for await (const chunk of passingChunksOf(file, signal)) hash.update(chunk);
    checkBlob(`sha256:${hash.digest("hex")}` as Digest, expect);
  }
  const blob = await pump(passingChunksOf(file, signal), codecFor(await headOf(file, MAGIC_BYTES)), reading);
  // What was decompressed must be what was verified, even where somebody writes to the file in between.
  checkBlob(blob.digest, expect);
  return finish(reading, blob);
}

async function pump(stored: AsyncIterable<Uint8Array>, codec: ArchiveCodec, reading: Reading): Promise<Blob> {
  const hash = createHash("sha256");
  let size = 0;
  const hashed = (async function* () {
    for await (const chunk of stored) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  })();
  for await (const chunk of decode(codec, hashed, reading.decode)) reading.reader.push(chunk);
  return { digest: `sha256:${hash.digest("hex")}` as Digest, size, codec };
}

function finish({ reader, collector, options }: Reading, blob: Blob): InspectedPackage {
  reader.finish();
  const tree = nodeTreeDigest(collector.files);
  const expected = options.expect?.tree;
  if (expected !== undefined && expected !== tree) {
    throw new ArchiveError({
      code: "ARCHIVE_TREE_MISMATCH",
      message: `Cannot accept the package: its tree is ${tree}, expected ${expected}`,
      found: tree,
      expected,
    });
  }
  return {
    record: reader.record,
    tree,
    blob: blob.digest,
    size: blob.size,
    plainSize: reader.consumedBytes,
    codec: blob.codec,
    files: collector.files,
    members: collector.members,
  };
}

function codecFor(head: Uint8Array): ArchiveCodec {
  const format = detectFormat(head);
  const codec = codecOf(format);
  if (codec !== undefined) return codec;
  throw new ArchiveError({
    code: "ARCHIVE_FORMAT_UNKNOWN",
    message: `Cannot read the package: it is ${format === "zip" ? "a zip" : "of no known format"}, expected tar in zstd, gzip, LZ4 or plain`,
    ...(format === "zip" ? { hint: "Unpack the zip, and make a package of the directory with pack" } : {}),
  });
}

function checkSize(size: number, expect: ExpectedPackage | undefined): void {
  if (expect?.size === undefined || expect.size === size) return;
  throw new ArchiveError({
    code: "ARCHIVE_SIZE_MISMATCH",
    message: `Cannot accept the package: it has ${size} bytes, expected ${expect.size}`,
    found: size,
    expected: expect.size,
  });
}

function checkBlob(digest: Digest, expect: ExpectedPackage | undefined): void {
  if (expect?.blob === undefined || expect.blob === digest) return;
  throw new ArchiveError({
    code: "ARCHIVE_BLOB_MISMATCH",
    message: `Cannot accept the package: its digest is ${digest}, expected ${expect.blob}`,
    found: digest,
    expected: expect.blob,
  });
}
