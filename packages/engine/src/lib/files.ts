import { randomBytes } from "node:crypto";
import { channel } from "node:diagnostics_channel";
import { constants, type Stats } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
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
    throw unreadable("read", file, error);
  }
}

/** @throws {EngineError} `PROJECT_FILE_UNREADABLE` */
export async function readText(file: string): Promise<string> {
  return (await readBytes(file)).toString("utf8");
}

/** @throws {EngineError} `PROJECT_FILE_UNREADABLE` */
export async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readRegularFile(file);
  } catch (error) {
    throw unreadable("read", file, error);
  }
}

// A pipe that nobody writes to blocks its reader for ever, on a thread that no signal reaches.
async function readRegularFile(file: string): Promise<Buffer> {
  const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw new NotAFile(found);
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

class NotAFile extends Error {
  constructor(found: Stats) {
    super(`it is ${kindOf(found)}, not a file`);
  }
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return "a directory";
  if (found.isFIFO()) return "a pipe";
  return found.isSocket() ? "a socket" : "a device";
}

/** Hears of every file that an operation has written, as `{ file }` with its absolute path. */
const written = channel("lading:file-written");

/** Writes a whole file: a reader sees the old content or the new, also after a crash. */
export async function writeFileAtomic(file: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await mkdir(path.dirname(file), { recursive: true });
    const handle = await open(temporary, "wx", mode);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    written.publish({ file });
  } catch (error) {
    await rm(temporary, { force: true });
    throw unreadable("write", file, error);
  }
}

/** Whether there is something at `file`. */
export async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return false;
    throw unreadable("read", file, error);
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

function unreadable(action: "read" | "write", file: string, cause: unknown): EngineError {
  return new EngineError({
    code: "PROJECT_FILE_UNREADABLE",
    message: `Cannot ${action} "${file}": ${cause instanceof Error ? cause.message : String(cause)}`,
    file,
    cause,
  });
}
