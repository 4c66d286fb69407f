import { createHash, randomUUID } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { ignoreEvents, type Digest, type EventListener, type PackageRecord } from "@lading/core-manifest";
import { ArchiveError, quote } from "../archive-error.ts";
import type { ArchiveCodec } from "../format.ts";
import { withDefaultLimits, type ArchiveLimits } from "../limits.ts";
import { encodeRecord, RECORD_PATH } from "../record.ts";
import { encodeMemberHeader, endOfArchive, memberBytes, paddingOf, type MemberHeader } from "../tar-header.ts";
import { comparePaths } from "../tree-digest.ts";
import { checkCollected, collectFiles, type CollectedFile } from "./collect.ts";
import { encode } from "./encode.ts";
import { digestOf, onDisk, onDiskSync } from "./files.ts";
import { nodeTreeDigest } from "./read-package.ts";
import type { PackageFile, PackedArtifact } from "./types.ts";

/** What to pack, and how. */
export interface PackOptions {
  readonly directory: string;
  /** What `collectFiles` gave; absent means that it is asked with no further rules. */
  readonly files?: readonly CollectedFile[] | undefined;
  /** Its `executables` are united with those of the file modes. */
  readonly record: PackageRecord;
  /** The file to write; an existing one is replaced. */
  readonly output: string;
  readonly codec: ArchiveCodec;
  /** zstd 1 to 22 (default 9), gzip 0 to 9 (default 6). */
  readonly level?: number | undefined;
  /** zstd level 19 and a window up to 2^27: smaller files for more time and memory. */
  readonly release?: boolean | undefined;
  readonly limits?: Partial<ArchiveLimits> | undefined;
  readonly onEvent?: EventListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

const CHUNK_BYTES = 256 * 1024;
/** Tars up to this size are built in one buffer. */
const SINGLE_BUFFER_BYTES = 4 * 2 ** 20;
const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0);

/**
 * Packs a directory into one canonical package file. The same tree gives the same tree digest always, and the same
 * bytes on every machine with gzip and none. Written beside the output and renamed once; on failure nothing is left.
 * @throws {ArchiveError} the rules of paths and limits, `ARCHIVE_RECORD_MISMATCH` where the record names files that are
 * not there, `ARCHIVE_SOURCE_CHANGED`, `ARCHIVE_OPTION_INVALID`, `ARCHIVE_CODEC_UNAVAILABLE`, `ARCHIVE_IO`
 */
export async function packDirectory(options: PackOptions): Promise<PackedArtifact> {
  const onEvent = options.onEvent ?? ignoreEvents;
  const step = `pack ${options.record.manifest.name} ${options.record.manifest.version}`;
  onEvent({ type: "step-started", step, message: `Packing ${quote(options.directory)}` });
  const own = await filesToPack(options);
  const tar = new TarSource(own, options.record);
  const stored = await writeOutput(
    options,
    encode(tar.chunks(options.signal), { ...options, plainBytes: tar.plainBytes }),
  );
  onEvent({
    type: "step-completed",
    step,
    message: `Packed ${own.length} ${own.length === 1 ? "file" : "files"} into ${stored.size} bytes`,
  });
  return {
    path: options.output,
    ...stored,
    tree: nodeTreeDigest(tar.files),
    plainSize: tar.plainBytes,
    codec: options.codec,
    record: tar.record,
    files: tar.files,
  };
}

async function filesToPack(options: PackOptions): Promise<readonly CollectedFile[]> {
  const { directory, record, limits: given, onEvent, signal } = options;
  const limits = withDefaultLimits(given);
  const output = outputInside(directory, options.output);
  const files =
    options.files ??
    (await collectFiles(directory, {
      manifestFile: record.manifestFile,
      exclude: output === undefined ? [] : [output],
      limits,
      onEvent,
      signal,
    }));
  const sorted = [...files].sort((a, b) => comparePaths(a.path, b.path));
  checkCollected(sorted, limits);
  for (const { path } of sorted) {
    if (!/^\.lading(?:\/|$)/i.test(path)) continue;
    throw new ArchiveError({
      code: "ARCHIVE_PATH_RESERVED",
      message: `Cannot pack ${quote(path)}: ".lading/" is reserved for "${RECORD_PATH}"`,
      path,
    });
  }
  return withExecutables(sorted, record);
}

/** An earlier output within the packed directory is no part of the next one. */
function outputInside(directory: string, output: string): string | undefined {
  const path = relative(resolve(directory), resolve(output)).split(sep).join("/");
  return path.startsWith("../") ? undefined : `/${path.replaceAll(/[\\*?[\]! #]/g, (special) => `\\${special}`)}`;
}

function withExecutables(files: readonly CollectedFile[], record: PackageRecord): readonly CollectedFile[] {
  const listed = new Set(record.executables);
  const paths = new Set(files.map((file) => file.path));
  for (const path of [record.manifestFile, ...listed]) {
    if (paths.has(path)) continue;
    throw new ArchiveError({
      code: "ARCHIVE_RECORD_MISMATCH",
      message: `Cannot pack: ${path === record.manifestFile ? "the manifest" : "the executable"} ${quote(path)} is not among the files`,
      hint: "Check the ignore rules and the include and exclude lists",
      path,
    });
  }
  return files.map((file) => (listed.has(file.path) ? { ...file, executable: true } : file));
}

/** The canonical tar of a record and files as chunks; digests of the files are known once all were taken. */
class TarSource {
  readonly record: PackageRecord;
  readonly plainBytes: number;
  readonly files: PackageFile[] = [];
  readonly #sources: readonly CollectedFile[];
  readonly #recordBytes: Uint8Array;
  #chunk: Buffer;
  #at = 0;

  constructor(sources: readonly CollectedFile[], record: PackageRecord) {
    this.#sources = sources;
    const executables = sources.filter((file) => file.executable).map((file) => file.path);
    this.record = { ...record, executables: executables.sort() };
    this.#recordBytes = encodeRecord(this.record);
    this.plainBytes = [this.#recordMember(), ...sources].reduce(
      (sum, file) => sum + memberBytes(file),
      endOfArchive().length,
    );
    this.#chunk = this.#fresh();
  }

  #recordMember(): MemberHeader {
    return { path: RECORD_PATH, size: this.#recordBytes.length, executable: false };
  }

  #fresh(): Buffer {
    return Buffer.allocUnsafeSlow(this.plainBytes <= SINGLE_BUFFER_BYTES ? this.plainBytes : CHUNK_BYTES);
  }

  *chunks(signal?: AbortSignal): Generator<Uint8Array> {
    const record = this.#recordMember();
    yield* this.#put(encodeMemberHeader(record));
    yield* this.#put(this.#recordBytes);
    yield* this.#pad(record.size);
    this.files.push({ ...record, sha256: digestOf(this.#recordBytes) });
    for (const file of this.#sources) {
      signal?.throwIfAborted();
      yield* this.#file(file);
    }
    yield* this.#put(endOfArchive());
    if (this.#at > 0) yield this.#chunk.subarray(0, this.#at);
  }

  *#put(bytes: Uint8Array): Generator<Uint8Array> {
    for (let from = 0; from < bytes.length;) {
      const taken = bytes.subarray(from, from + this.#chunk.length - this.#at);
      this.#chunk.set(taken, this.#at);
      this.#at += taken.length;
      from += taken.length;
      if (this.#at === this.#chunk.length) yield this.#full();
    }
  }

  #full(): Uint8Array {
    const full = this.#chunk;
    this.#chunk = this.#fresh();
    this.#at = 0;
    return full;
  }

  *#pad(size: number): Generator<Uint8Array> {
    if (paddingOf(size) > 0) yield* this.#put(new Uint8Array(paddingOf(size)));
  }

  *#file(file: CollectedFile): Generator<Uint8Array> {
    const { path, size, executable } = file;
    yield* this.#put(encodeMemberHeader(file));
    const fd = onDiskSync("read", file.absolutePath, () => openSync(file.absolutePath, READ_FLAGS));
    let sha256: Digest;
    try {
      const before = fstatSync(fd);
      if (!before.isFile() || before.size !== size) throw changed(file);
      sha256 = yield* this.#content(fd, file);
      if (!sameStats(before, fstatSync(fd))) throw changed(file);
    } finally {
      closeSync(fd);
    }
    yield* this.#pad(size);
    this.files.push({ path, size, sha256, executable });
  }

  *#content(fd: number, file: CollectedFile): Generator<Uint8Array, Digest> {
    const whole = file.size <= this.#chunk.length - this.#at;
    const hash = whole ? undefined : createHash("sha256");
    let sha256 = digestOf(new Uint8Array(0));
    for (let left = file.size; left > 0;) {
      const from = this.#at;
      const end = from + Math.min(left, this.#chunk.length - from);
      while (this.#at < end) this.#at += this.#read(fd, end - this.#at, file);
      const piece = this.#chunk.subarray(from, end);
      left -= piece.length;
      if (hash === undefined) sha256 = digestOf(piece);
      else hash.update(piece);
      if (this.#at === this.#chunk.length) yield this.#full();
    }
    return hash === undefined ? sha256 : (`sha256:${hash.digest("hex")}` as Digest);
  }

  #read(fd: number, length: number, file: CollectedFile): number {
    const read = onDiskSync("read", file.absolutePath, () => readSync(fd, this.#chunk, this.#at, length, null));
    if (read === 0) throw changed(file);
    return read;
  }
}

function sameStats(a: Stats, b: Stats): boolean {
  return a.size === b.size && a.mtimeMs === b.mtimeMs;
}

function changed(file: CollectedFile): ArchiveError {
  return new ArchiveError({
    code: "ARCHIVE_SOURCE_CHANGED",
    message: `Cannot pack ${quote(file.path)}: it changed meanwhile, it had ${file.size} bytes`,
    path: file.path,
  });
}

async function writeOutput(
  options: PackOptions,
  chunks: AsyncIterable<Uint8Array>,
): Promise<{ blob: Digest; size: number }> {
  const { output, signal } = options;
  const folder = dirname(resolve(output));
  await onDisk("make the directory", folder, () => mkdir(folder, { recursive: true }));
  const temporary = join(folder, `.${basename(output)}.${randomUUID()}.tmp`);
  const file = await onDisk("write", temporary, () => open(temporary, "wx", 0o666));
  const hash = createHash("sha256");
  let size = 0;
  try {
    try {
      for await (const chunk of chunks) {
        signal?.throwIfAborted();
        hash.update(chunk);
        size += chunk.length;
        await onDisk("write", temporary, () => file.writeFile(chunk));
      }
    } finally {
      await file.close();
    }
    await onDisk("write", output, () => rename(temporary, output));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return { blob: `sha256:${hash.digest("hex")}` as Digest, size };
}
