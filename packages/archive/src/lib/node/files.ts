import { hash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { isLadingError, type Digest } from "@lading/core-manifest";
import { ArchiveError, quote } from "../archive-error.ts";

const CHUNK_BYTES = 256 * 1024;
/** Without waiting: a pipe that nobody writes to is refused, not waited for. */
const READ_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** The digest of bytes in memory. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${hash("sha256", bytes, "hex")}` as Digest;
}

/**
 * Runs something that touches the disk; what the system refuses becomes `ARCHIVE_IO` with the action's name, or
 * `ARCHIVE_SOURCE_MISSING` where the thing is not there.
 */
export async function onDisk<T>(action: string, path: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw diskError(action, path, error);
  }
}

/** The synchronous form of {@link onDisk}. */
export function onDiskSync<T>(action: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw diskError(action, path, error);
  }
}

function diskError(action: string, path: string, error: unknown): unknown {
  if (isLadingError(error) || !isSystemError(error)) return error;
  const missing = error.code === "ENOENT" || error.code === "ENOTDIR";
  return new ArchiveError({
    code: missing ? "ARCHIVE_SOURCE_MISSING" : "ARCHIVE_IO",
    message: `Cannot ${action} ${quote(path)}: ${missing ? "it does not exist" : `the system says ${error.code}`}`,
    ...(error.code === "ENOSPC" ? { hint: "Free some space on that disk, and run the command again" } : {}),
    path,
    system: error.code,
    cause: error,
  });
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException & { code: string } {
  return error instanceof Error && "syscall" in error && typeof (error as { code?: unknown }).code === "string";
}

/** Opens a regular file for reading, gives it to `use` with its size, and closes it. */
export async function withFile<T>(path: string, use: (file: FileHandle, size: number) => Promise<T>): Promise<T> {
  const file = await onDisk("read", path, () => open(path, READ_FLAGS));
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw notAFile(path);
    return await use(file, stat.size);
  } finally {
    await file.close();
  }
}

/** The bytes of a regular file of at most `limit` bytes, read at once; only its size where it is larger. */
export function smallFile(path: string, limit: number): { readonly size: number; readonly bytes?: Uint8Array } {
  return onDiskSync("read", path, () => {
    const fd = openSync(path, READ_FLAGS);
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile()) throw notAFile(path);
      if (stat.size > limit) return { size: stat.size };
      const buffer = Buffer.allocUnsafeSlow(stat.size);
      let filled = 0;
      for (let read = -1; read !== 0 && filled < buffer.length; filled += read)
        read = readSync(fd, buffer, filled, buffer.length - filled, filled);
      return { size: stat.size, bytes: buffer.subarray(0, filled) };
    } finally {
      closeSync(fd);
    }
  });
}

function notAFile(path: string): ArchiveError {
  return new ArchiveError({
    code: "ARCHIVE_SOURCE_MISSING",
    message: `Cannot read ${quote(path)}: it is not a file`,
    path,
  });
}

/** The bytes of an open file, all or `length` of them from `offset` on, in fresh chunks. */
export async function* chunksOf(
  file: FileHandle,
  signal?: AbortSignal,
  offset = 0,
  length: number = Number.MAX_SAFE_INTEGER,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of passingChunksOf(file, signal, offset, length)) yield chunk.slice();
}

/**
 * The same, each chunk valid only until the next one is asked for: one buffer is used for all, since to collect the
 * garbage of fresh ones costs more than to read.
 */
export async function* passingChunksOf(
  file: FileHandle,
  signal?: AbortSignal,
  offset = 0,
  length: number = Number.MAX_SAFE_INTEGER,
): AsyncGenerator<Uint8Array> {
  const end = Math.min(offset + length, Number.MAX_SAFE_INTEGER);
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, length));
  for (let position = offset; position < end;) {
    signal?.throwIfAborted();
    const wanted = Math.min(buffer.length, end - position);
    const { bytesRead } = await file.read(buffer, 0, wanted, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** The first bytes of an open file, at most `length`. */
export async function headOf(file: FileHandle, length: number): Promise<Uint8Array> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, 0);
  return buffer.subarray(0, bytesRead);
}
