import { createHash, randomBytes } from "node:crypto";
import { channel } from "node:diagnostics_channel";
import { constants, type Stats } from "node:fs";
import { chmod, mkdir, mkdtemp, open, readdir, rename, rm, rmdir, stat, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { digestFromBytes, type Digest } from "@lading/core-manifest";
import { EngineError } from "./engine-error.ts";

/** Whether a thrown value is a system error with this code. */
export function hasErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? "");
}

/**
 * The file's text, or `undefined` where there is no such file.
 * @throws {EngineError} `PROJECT_FILE_UNREADABLE`
 */
export async function readTextIfExists(file: string): Promise<string | undefined> {
  try {
    return (await readRegularFile(file)).toString("utf8");
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw fileError("read", file, error);
  }
}

/**
 * The text of a regular file; a pipe or a device is refused, never waited for.
 * @throws {EngineError} `PROJECT_FILE_UNREADABLE`
 */
export async function readText(file: string): Promise<string> {
  return (await readBytes(file)).toString("utf8");
}

/** @throws {EngineError} `PROJECT_FILE_UNREADABLE` */
export async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readRegularFile(file);
  } catch (error) {
    throw fileError("read", file, error);
  }
}

/**
 * SHA-256 of a file's bytes, read piece by piece.
 * @throws {EngineError} `PROJECT_FILE_UNREADABLE`
 */
export async function hashFile(file: string): Promise<Digest> {
  const hash = createHash("sha256");
  try {
    await withRegularFile(file, async (handle) => {
      for await (const chunk of handle.createReadStream({ autoClose: false })) hash.update(chunk as Uint8Array);
    });
  } catch (error) {
    throw fileError("read", file, error);
  }
  return digestFromBytes(hash.digest());
}

function readRegularFile(file: string): Promise<Buffer> {
  return withRegularFile(file, (handle) => handle.readFile());
}

// A pipe that nobody writes to blocks its reader for ever, on a thread that no signal reaches.
async function withRegularFile<Value>(file: string, use: (handle: FileHandle) => Promise<Value>): Promise<Value> {
  const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw new NotAFile(found);
    return await use(handle);
  } finally {
    await handle.close();
  }
}

class NotAFile extends Error {
  constructor(found: Stats) {
    super(`it is ${kindOf(found)}, not a file`);
  }
}

/** What is there in the place of a file. */
export function kindOf(found: Stats): string {
  if (found.isDirectory()) return "a directory";
  if (found.isFIFO()) return "a pipe";
  return found.isSocket() ? "a socket" : "a device";
}

/**
 * Makes a directory and what is missing above it. In place of `mkdir({ recursive: true })`, which never returns where a
 * file system answers "no such directory" for a folder below an existing one, as procfs does.
 * @throws {EngineError} `PROJECT_FILE_UNREADABLE`
 */
export async function makeDirectory(directory: string, mode = 0o777): Promise<void> {
  try {
    for (const missing of await missingDirectories(path.resolve(directory))) await makeOne(missing, mode);
  } catch (error) {
    throw fileError("make the directory", directory, error);
  }
}

/** From the top down. */
async function missingDirectories(directory: string): Promise<string[]> {
  const missing: string[] = [];
  for (let at = directory; !(await isDirectory(at)); at = path.dirname(at)) missing.unshift(at);
  return missing;
}

async function makeOne(directory: string, mode: number): Promise<void> {
  try {
    await mkdir(directory, { mode });
  } catch (error) {
    // Another process may have made it meanwhile.
    if (!(await isDirectory(directory))) throw error;
  }
}

async function isDirectory(file: string): Promise<boolean> {
  try {
    if ((await stat(file)).isDirectory()) return true;
  } catch (error) {
    // What is below a file is missing as well; the file itself is met further up.
    if (hasErrno(error, "ENOENT", "ENOTDIR") && path.dirname(file) !== file) return false;
    throw error;
  }
  throw new Error(`"${file}" is not a directory`);
}

/**
 * Makes a directory of its own for a while; whoever asks removes it. What is missing above it is made.
 * @throws {EngineError} `PROJECT_FILE_UNREADABLE`
 */
export async function makeTemporaryDirectory(parent: string, prefix: string): Promise<string> {
  await makeDirectory(parent);
  try {
    return await mkdtemp(path.join(parent, prefix));
  } catch (error) {
    throw fileError("write in", parent, error);
  }
}

/** Hears of every file that an operation has written, as `{ file }` with its absolute path. */
const written = channel("lading:file-written");

/**
 * Writes a whole file: a reader sees the old content or the new, also after a crash.
 * @param mode permissions, of which the umask takes its part. Default: those of the file that is replaced, else those of any
 * new file
 */
export async function writeFileAtomic(file: string, content: string | Uint8Array, mode?: number): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  await makeDirectory(path.dirname(file));
  try {
    const kept = mode === undefined ? await modeOf(file) : undefined;
    const handle = await open(temporary, "wx", mode);
    try {
      if (kept !== undefined) await handle.chmod(kept);
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    written.publish({ file });
  } catch (error) {
    await rm(temporary, { force: true });
    throw fileError("write", file, error);
  }
}

/** Permissions of a file that is there. */
async function modeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).mode & 0o777;
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

/** Whether there is something at `file`. */
export async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return false;
    throw fileError("read", file, error);
  }
}

/** A path as it is shown: relative to the working directory where it lies below it. */
export function displayPath(file: string, cwd: string): string {
  const relative = path.relative(cwd, file);
  return relative === ""
    ? "."
    : relative.startsWith("..") && path.isAbsolute(file)
      ? shorter(relative, file)
      : relative;
}

function shorter(relative: string, absolute: string): string {
  return relative.length < absolute.length ? relative : absolute;
}

/** What the system refused, as the error that is told. */
export function fileError(action: string, file: string, cause: unknown): EngineError {
  return new EngineError({
    code: "PROJECT_FILE_UNREADABLE",
    message: `Cannot ${action} "${file}": ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: hasErrno(cause, "ENOSPC", "EDQUOT") ? "Free some space on that disk, and run the command again" : undefined,
    file,
    cause,
  });
}

/** Makes a copy of what is read-only, such as a package of the store, one that its user may change and delete. */
export async function makeWritable(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) await makeWritable(file);
    else if (entry.isFile()) await chmod(file, process.platform === "win32" ? 0o666 : (await stat(file)).mode | 0o644);
  }
}

/** Deletes a directory where it is empty, and those above it, up to `root`, which stays. */
export async function removeEmptyDirectories(directory: string, root: string): Promise<void> {
  for (let at = directory; at !== root && at.startsWith(root); at = path.dirname(at)) {
    try {
      await rmdir(at);
    } catch (error) {
      if (hasErrno(error, "ENOTEMPTY", "EEXIST", "ENOENT")) return;
      throw error;
    }
  }
}
