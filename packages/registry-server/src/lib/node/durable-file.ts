import { randomUUID } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * Makes the entries of a directory survive a power failure. Windows has no such call on directories;
 * there the file system's own journal orders the rename.
 */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a directory and what is missing above it, each entry durable in its parent. */
export async function makeDurableDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true });
  if (first === undefined) return;
  for (let at = directory; at.length >= first.length; at = dirname(at)) await syncDirectory(dirname(at));
}

/** Replaces a file's content at once and durably: temporary file, fsync, rename, fsync of the directory. */
export async function writeDurably(
  file: string,
  bytes: Uint8Array | string,
  options: { temporary: string; mode?: number },
): Promise<void> {
  const temporary = join(options.temporary, `write-${randomUUID()}`);
  const handle = await open(temporary, "wx", options.mode ?? 0o644);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  await makeDurableDirectory(dirname(file));
  await rename(temporary, file);
  await syncDirectory(dirname(file));
}
