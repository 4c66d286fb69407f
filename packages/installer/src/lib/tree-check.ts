import { createHash, hash } from "node:crypto";
import { closeSync, lstatSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import type { FileProblem, StoredFile } from "./store-types.ts";

const WHOLE_FILE_BYTES = 4 * 1024 * 1024;

/** What is expected of one file; without a digest only size and time are compared. */
export type ExpectedFile = Pick<StoredFile, "path" | "size" | "mtimeMs"> & Partial<Pick<StoredFile, "sha256">>;

/** SHA-256 of a file's bytes, in hexadecimal digits. */
export function hashFile(path: string, size: number): string {
  if (size <= WHOLE_FILE_BYTES) return hash("sha256", readFileSync(path));
  const digest = createHash("sha256");
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  const fd = openSync(path, "r");
  try {
    for (let length = readSync(fd, buffer); length > 0; length = readSync(fd, buffer))
      digest.update(buffer.subarray(0, length));
  } finally {
    closeSync(fd);
  }
  return digest.digest("hex");
}

/**
 * The problem with one file, if any. `full` reads every byte; without it, size and modification time are compared, and the
 * bytes of a file only whose time is another: one that came back from a backup is no damaged one.
 */
export function checkFile(root: string, file: ExpectedFile, full: boolean): FileProblem | undefined {
  const path = `${root}/${file.path}`;
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return { kind: "missing", path: file.path };
  const changed = { kind: "changed", path: file.path } as const;
  if (!found.isFile() || found.size !== file.size) return changed;
  const sameTime = Math.trunc(found.mtimeMs) === file.mtimeMs;
  if (file.sha256 === undefined) return sameTime ? undefined : changed;
  if (sameTime && !full) return undefined;
  return `sha256:${hashFile(path, found.size)}` === file.sha256 ? undefined : changed;
}

/** All files below `root`, as `/` separated paths. Links and special files count as files; their targets are not followed. */
export function listFiles(root: string, below = ""): string[] {
  const entries = readdirSync(below === "" ? root : join(root, below), { withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    return entry.isDirectory() ? listFiles(root, path) : [path];
  });
}

/** Everything that is wrong with a tree: changed and missing files in their order, then files that do not belong. */
export function checkTree(root: string, files: readonly ExpectedFile[], full: boolean): FileProblem[] {
  if (lstatSync(root, { throwIfNoEntry: false }) === undefined)
    return files.map((file) => ({ kind: "missing", path: file.path }));
  const known = new Set(files.map((file) => file.path));
  const problems = files.map((file) => checkFile(root, file, full)).filter((problem) => problem !== undefined);
  const extra = listFiles(root)
    .filter((path) => !known.has(path))
    .sort();
  return [...problems, ...extra.map((path): FileProblem => ({ kind: "extra", path }))];
}
