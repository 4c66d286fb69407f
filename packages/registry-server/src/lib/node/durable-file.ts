import { randomUUID } from "node:crypto";
import { closeSync, fsync, openSync } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";

const sync = promisify(fsync);

/**
 * Makes the entries of a directory survive a power failure. Windows has no such call on directories;
 * there the file system's own journal orders the rename.
 */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  // Opening what is there and closing it wait for nothing; to hand them to another thread would cost more than they do.
  const file = openSync(directory, "r");
  try {
    await sync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Makes a directory and what is missing above it; resolves with those that were made, the lowest first. In place of
 * `mkdir({ recursive: true })`, which never returns where a file system answers "no such directory" for a folder below an
 * existing one, as procfs does.
 */
export async function makeDirectory(directory: string): Promise<readonly string[]> {
  const missing: string[] = [];
  for (let at = resolve(directory); ; at = dirname(at)) {
    if (await isDirectory(at)) break;
    missing.push(at);
    if (at === dirname(at)) break;
  }
  for (const path of missing.toReversed()) {
    await mkdir(path).catch(async (error: unknown) => {
      // Another upload may have made it meanwhile.
      if (!(await isDirectory(path))) throw error;
    });
  }
  return missing;
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    const entry = await stat(path);
    return entry.isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** Makes a directory and what is missing above it, each entry durable in its parent. */
export async function makeDurableDirectory(directory: string): Promise<void> {
  for (const made of await makeDirectory(directory)) await syncDirectory(dirname(made));
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
