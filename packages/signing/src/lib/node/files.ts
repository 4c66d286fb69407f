import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { open, rename, unlink, type FileHandle } from "node:fs/promises";
import { platform } from "node:os";
import { dirname } from "node:path";

/** The `code` of a system error, such as `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

async function writeAndSync(handle: FileHandle, content: string | Uint8Array): Promise<void> {
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the names in a folder durable, where the system can (Windows cannot open folders). */
export async function syncFolder(path: string): Promise<void> {
  if (platform() === "win32") return;
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Opens a file to read it. A pipe that nobody writes to would block for ever, on a thread that no signal reaches, and a
 * device never ends.
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const found = await handle.stat();
    if (found.isFile()) return handle;
    const kind = found.isDirectory() ? "a directory" : found.isFIFO() ? "a pipe" : "a device";
    throw new Error(`it is ${kind}, not a file`);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Creates a file that must not exist, nor be a link; durable when it returns. */
export async function createFile(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  await writeAndSync(await open(path, "wx", mode), content);
}

/** Replaces a file in one step: a reader sees the old bytes or the new, also after a crash. */
export async function replaceFile(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await createFile(temporary, content, mode);
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(path));
}
