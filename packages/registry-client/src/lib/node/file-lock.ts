import { mkdir, open, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";

const WAIT_MS = 5_000;
const STALE_MS = 30_000;
const POLL_MS = 20;

/** Runs `task` while holding a lock file, so that two processes that edit one small file do not lose each other's edit. */
export async function withFileLock<T>(lock: string, task: () => Promise<T>): Promise<T> {
  await ensurePrivateDirectory(lock);
  await acquire(lock);
  try {
    return await task();
  } finally {
    await rm(lock, { force: true });
  }
}

async function acquire(lock: string): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (!(await tryAcquire(lock))) {
    // Whoever held it for so long died: the work under it takes milliseconds.
    if (await isStale(lock)) await rm(lock, { force: true });
    else if (Date.now() > deadline)
      throw new Error(`"${lock}" is held by another process; delete it if none is running`);
    else await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function tryAcquire(lock: string): Promise<boolean> {
  try {
    await (await open(lock, "wx", 0o600)).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function isStale(lock: string): Promise<boolean> {
  const found = await stat(lock).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > STALE_MS;
}

/** Makes the file's directory where it is missing, closed to others. */
async function ensurePrivateDirectory(file: string): Promise<void> {
  const directory = dirname(file);
  const exists = await stat(directory).then(
    () => true,
    () => false,
  );
  if (!exists) await mkdir(directory, { recursive: true, mode: 0o700 });
}
