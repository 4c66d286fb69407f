import { createHash } from "node:crypto";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { platform } from "node:os";
import { join } from "node:path";
import type { Digest } from "@lading/core-manifest";
import { attuneFileHeader } from "../attune-checksum.ts";
import { comparePaths, treeText, type TreeFile } from "../tree-digest.ts";
import { collectFiles } from "./collect.ts";
import { digestOf, onDisk, onDiskSync } from "./files.ts";

/** What became of a tree on disk. */
export interface TreeVerdict {
  readonly ok: boolean;
  /** Digest of what is there; absent where something is there that no tree can hold, such as a link. */
  readonly tree?: Digest;
  /** Paths with another content or executable bit, sorted; empty where only a digest was given to compare. */
  readonly changed: readonly string[];
  readonly missing: readonly string[];
  readonly extra: readonly string[];
}

interface FoundFile {
  readonly path: string;
  readonly file: TreeFile | undefined;
}

const CHUNK_BYTES = 256 * 1024;
const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0);

/**
 * Hashes a directory again and compares it with the files, or with the tree digest, that it should hold. Every file
 * counts, ignored ones too; links and special files are never right.
 * @throws {ArchiveError} `ARCHIVE_SOURCE_MISSING`, `ARCHIVE_IO`
 */
export async function verifyTree(
  directory: string,
  expected: Digest | readonly TreeFile[],
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<TreeVerdict> {
  const wanted = typeof expected === "string" ? undefined : new Map(expected.map((file) => [file.path, file]));
  const found: FoundFile[] = [];
  await walk(directory, "", found, wanted, options.signal);
  const files = found.flatMap(({ file }) => (file === undefined ? [] : [file]));
  const tree = files.length === found.length ? digestOf(Buffer.from(treeText(files))) : undefined;
  if (wanted === undefined) return verdict(tree, tree === expected, [], [], []);
  const changed = found
    .filter(({ path, file }) => wanted.has(path) && !same(wanted.get(path)!, file))
    .map(({ path }) => path);
  const extra = found.filter(({ path }) => !wanted.has(path)).map(({ path }) => path);
  const there = new Set(found.map(({ path }) => path));
  const missing = [...wanted.keys()].filter((path) => !there.has(path));
  return verdict(tree, changed.length + extra.length + missing.length === 0, changed, missing, extra);
}

function verdict(
  tree: Digest | undefined,
  ok: boolean,
  changed: string[],
  missing: string[],
  extra: string[],
): TreeVerdict {
  for (const paths of [changed, missing, extra]) paths.sort(comparePaths);
  return { ok, ...(tree === undefined ? {} : { tree }), changed, missing, extra };
}

function same(a: TreeFile, b: TreeFile | undefined): boolean {
  return a.sha256 === b?.sha256 && a.executable === b.executable;
}

async function walk(
  root: string,
  base: string,
  found: FoundFile[],
  wanted: ReadonlyMap<string, TreeFile> | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  const here = join(root, base);
  for (const entry of await onDisk("read the directory", here, () => readdir(here, { withFileTypes: true }))) {
    const path = base + entry.name;
    if (entry.isDirectory()) {
      await walk(root, `${path}/`, found, wanted, signal);
      continue;
    }
    const file = entry.isFile() ? await hashed(join(root, path), path.normalize("NFC"), wanted) : undefined;
    found.push({ path: path.normalize("NFC"), file });
  }
}

async function hashed(
  absolute: string,
  path: string,
  wanted: ReadonlyMap<string, TreeFile> | undefined,
): Promise<TreeFile> {
  const stat = await onDisk("read", absolute, () => lstat(absolute));
  // Without modes in the file system, the bit is what was unpacked.
  const executable = platform() === "win32" ? (wanted?.get(path)?.executable ?? false) : (stat.mode & 0o111) !== 0;
  const hash = createHash("sha256");
  eachChunk(absolute, (chunk) => hash.update(chunk));
  return { path, sha256: `sha256:${hash.digest("hex")}` as Digest, executable };
}

function eachChunk(path: string, use: (chunk: Uint8Array) => void): void {
  onDiskSync("read", path, () => {
    const fd = openSync(path, READ_FLAGS);
    try {
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
      for (let read = -1; read !== 0;) {
        read = readSync(fd, buffer, 0, buffer.length, null);
        use(buffer.subarray(0, read));
      }
    } finally {
      closeSync(fd);
    }
  });
}

/**
 * Attune's checksum of a pack directory on disk: every file but those below a `.git`, in bytewise path order.
 * @throws {ArchiveError} `ARCHIVE_SYMLINK_REFUSED` and the other codes of special files
 */
export async function attuneDirectoryChecksum(directory: string): Promise<Digest> {
  const hash = createHash("sha256");
  for (const file of await collectFiles(directory, { everything: true })) {
    hash.update(attuneFileHeader(file.path, file.size));
    eachChunk(file.absolutePath, (chunk) => hash.update(chunk));
  }
  return `sha256:${hash.digest("hex")}` as Digest;
}
