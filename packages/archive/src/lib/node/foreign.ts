import type { FileHandle } from "node:fs/promises";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { crc32, createInflateRaw } from "node:zlib";
import { ignoreEvents, type EventListener } from "@lading/core-manifest";
import { ArchiveError, quote } from "../archive-error.ts";
import { ForeignTarReader, type ForeignSink } from "../foreign-tar-reader.ts";
import { codecOf, detectFormat, MAGIC_BYTES, type ArchiveCodec } from "../format.ts";
import { withDefaultLimits, type ArchiveLimits } from "../limits.ts";
import type { MemberHeader } from "../tar-header.ts";
import { comparePaths } from "../tree-digest.ts";
import { readZipDirectory, type ZipEntry } from "../zip-directory.ts";
import { checkRatio, decode, through } from "./decode.ts";
import type { DecodeBudget } from "./decode-budget.ts";
import { chunksOf, headOf, withFile } from "./files.ts";
import { intoFreshDirectory } from "./fresh-directory.ts";
import { MemberCollector } from "./member-collector.ts";
import { TarWitness, type WitnessedMember } from "./tar-witness.ts";
import { TreeWriter } from "./tree-writer.ts";
import type { PackageFile } from "./types.ts";

/** What to import, and where to. */
export interface ImportOptions {
  /** A zip, tar, tar.gz, tgz, tar.zst or tar.lz4 file, recognised by its bytes. */
  readonly source: string;
  /** The directory to make; it must not exist. */
  readonly destination: string;
  /**
   * Whether the folder that wraps everything falls away: `auto` (default) where there is one, `true` demands it,
   * `false` keeps it.
   */
  readonly stripPrefix?: boolean | "auto" | undefined;
  readonly limits?: Partial<ArchiveLimits> | undefined;
  readonly decodeBudget?: DecodeBudget | undefined;
  readonly onEvent?: EventListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How a foreign archive is read. */
export interface ForeignReading {
  readonly limits: ArchiveLimits;
  readonly strict: boolean;
  readonly decodeBudget?: DecodeBudget | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Unpacks somebody else's archive under this package's rules of paths and limits, into a private directory that is
 * renamed once. Links, devices and everything that two readers could understand differently are refused; owners and
 * times are forgotten. Returns the files, sorted bytewise by path.
 * @throws {ArchiveError}
 */
export function importForeignArchive(options: ImportOptions): Promise<PackageFile[]> {
  const { onEvent = ignoreEvents, limits, decodeBudget, signal } = options;
  return intoFreshDirectory(options.destination, async (directory) => {
    const root = join(directory, "tree");
    const writer = new TreeWriter(root);
    const collector = new MemberCollector({
      keep: () => false,
      keepBytes: 0,
      writer,
      onMember: (file) => onEvent({ type: "extracting", file: file.path }),
    });
    try {
      writer.root();
      const sink = Object.assign(collector, { directory: (path: string) => writer.directory(path) });
      await readForeign(options.source, sink, {
        limits: withDefaultLimits(limits),
        strict: false,
        decodeBudget,
        signal,
      });
    } finally {
      writer.close();
    }
    const prefix = await wrappingFolder(root, options.stripPrefix ?? "auto");
    const files = collector.files.map((file) => ({ ...file, path: file.path.slice(prefix.length) }));
    return { result: files.sort((a, b) => comparePaths(a.path, b.path)), directory: join(root, prefix) };
  });
}

async function wrappingFolder(root: string, strip: boolean | "auto"): Promise<string> {
  if (strip === false) return "";
  const [first, ...others] = await readdir(root, { withFileTypes: true });
  if (first?.isDirectory() === true && others.length === 0) return `${first.name}/`;
  if (strip === "auto") return "";
  throw new ArchiveError({
    code: "ARCHIVE_OPTION_INVALID",
    message: "Cannot strip the wrapping folder: the archive does not have exactly one",
  });
}

/** Reads an archive of any format through the strict or tolerant foreign reader. */
export function readForeign(source: string, sink: ForeignSink, reading: ForeignReading): Promise<void> {
  return withFile(source, async (file, size) => {
    const format = detectFormat(await headOf(file, MAGIC_BYTES));
    const codec = codecOf(format);
    if (codec !== undefined) return readForeignTar(file, codec, sink, reading);
    if (format === "zip") return readZip(file, size, sink, reading);
    throw new ArchiveError({
      code: "ARCHIVE_FORMAT_UNKNOWN",
      message: `Cannot read ${quote(source)}: its first bytes are those of no known archive`,
      path: source,
    });
  });
}

async function readForeignTar(
  file: FileHandle,
  codec: ArchiveCodec,
  sink: ForeignSink,
  reading: ForeignReading,
): Promise<void> {
  const members: WitnessedMember[] = [];
  const reader = new ForeignTarReader(recording(sink, members), reading.limits, reading.strict);
  const witness = new TarWitness();
  try {
    const options = {
      ...reading,
      gzip: { optionalFields: !reading.strict },
      strictZstd: false,
      budget: reading.decodeBudget,
    };
    for await (const chunk of decode(codec, chunksOf(file, reading.signal), options)) {
      reader.push(chunk);
      await witness.push(chunk);
    }
    reader.finish();
    await witness.compare(members);
  } finally {
    witness.destroy();
  }
}

function recording(sink: ForeignSink, members: WitnessedMember[]): ForeignSink {
  return {
    member(member: MemberHeader) {
      members.push({ path: member.path, size: member.size });
      sink.member(member);
    },
    directory: (path) => sink.directory(path),
    data: (chunk) => sink.data(chunk),
    memberEnd: () => sink.memberEnd(),
  };
}

async function readZip(file: FileHandle, size: number, sink: ForeignSink, reading: ForeignReading): Promise<void> {
  const readAt = async (offset: number, length: number): Promise<Uint8Array> => {
    const buffer = Buffer.allocUnsafeSlow(length);
    const { bytesRead } = await file.read(buffer, 0, length, offset);
    return buffer.subarray(0, bytesRead);
  };
  const entries = await readZipDirectory(readAt, size, reading.limits);
  let plainBytes = 0;
  for (const entry of entries) {
    plainBytes += entry.size;
    checkRatio(plainBytes, size, reading.limits);
    if (entry.directory) sink.directory(entry.path);
    else await readZipEntry(file, entry, sink, reading);
  }
}

async function readZipEntry(
  file: FileHandle,
  entry: ZipEntry,
  sink: ForeignSink,
  { signal }: ForeignReading,
): Promise<void> {
  sink.member({ path: entry.path, size: entry.size, executable: entry.executable });
  let crc = 0;
  let size = 0;
  for await (const chunk of entryChunks(file, entry, signal)) {
    size += chunk.length;
    if (size > entry.size) break;
    crc = crc32(chunk, crc);
    sink.data(chunk);
  }
  if (size !== entry.size || crc !== entry.crc) {
    throw new ArchiveError({
      code: "ARCHIVE_ZIP_CHECKSUM",
      message: `Cannot accept the zip: ${quote(entry.path)} has other bytes than its ${entry.size} with CRC ${entry.crc.toString(16)}`,
      path: entry.path,
    });
  }
  sink.memberEnd();
}

async function* entryChunks(file: FileHandle, entry: ZipEntry, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const stored = chunksOf(file, signal, entry.dataOffset, entry.storedBytes);
  if (entry.method === 0) {
    yield* stored;
    return;
  }
  const inflate = createInflateRaw({ chunkSize: 256 * 1024 });
  yield* through(stored, inflate, (why, cause) => zipDamaged(entry, why, cause));
  // What follows the last deflate block inside an entry would be seen by nobody, or by somebody else.
  if (inflate.bytesWritten !== entry.storedBytes) throw zipDamaged(entry, "bytes follow its deflate data");
}

function zipDamaged(entry: ZipEntry, why: string, cause?: unknown): ArchiveError {
  return new ArchiveError({
    code: "ARCHIVE_ZIP_INVALID",
    message: `Cannot accept the zip: ${quote(entry.path)} is damaged: ${why}`,
    path: entry.path,
    cause,
  });
}
