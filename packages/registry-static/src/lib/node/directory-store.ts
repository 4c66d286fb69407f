import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { busy, checkBlob, checkStorePath, storeFailed } from "../store-errors.ts";
import type { PlacedFile, RegistryStore, StoredFile, StoreSession } from "../store.ts";

const LOCK = ".lading-lock";
const WAIT_MS = 30_000;
const POLL_MS = 50;

function absent(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
}

/** Reads a file of a registry in a directory. */
export async function readRegistryFile(directory: string, path: string): Promise<Uint8Array | undefined> {
  checkStorePath(path);
  try {
    return await readFile(join(directory, path));
  } catch (error) {
    if (absent(error)) return undefined;
    throw storeFailed(directory, `read "${path}"`, error);
  }
}

/** Files below a directory whose paths begin so; those that are on their way in are none yet. */
export async function listRegistryFiles(directory: string, prefix: string): Promise<readonly StoredFile[]> {
  const base = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  if (base !== "") checkStorePath(base.slice(0, -1));
  try {
    const entries = await readdir(join(directory, base), { recursive: true, withFileTypes: true });
    const files: StoredFile[] = [];
    for (const entry of entries) {
      if (!entry.isFile() || /^\.[0-9a-f]{12}\.tmp$/.test(entry.name)) continue;
      const file = join(entry.parentPath, entry.name);
      const path = relative(directory, file).split(sep).join("/");
      if (path.startsWith(prefix)) files.push({ path, size: (await stat(file)).size });
    }
    return files;
  } catch (error) {
    if (absent(error)) return [];
    throw storeFailed(directory, `list "${prefix}"`, error);
  }
}

/** Removes files of a registry, and the directories that are empty then. */
export async function removeRegistryFiles(directory: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    checkStorePath(path);
    try {
      await rm(join(directory, path), { force: true });
    } catch (error) {
      throw storeFailed(directory, `remove "${path}"`, error);
    }
  }
  const folders = new Set(paths.map((path) => dirname(path)));
  // One that is not empty, or gone, stays as it is: an empty directory costs nothing.
  for (const folder of folders) if (folder !== ".") await rmdir(join(directory, folder)).catch(() => undefined);
}

async function syncFolder(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes a file beside its place, and renames it into it: whoever reads sees the old bytes or the new. */
export async function placeFile(directory: string, { path, content }: PlacedFile): Promise<string> {
  checkStorePath(path);
  const file = join(directory, path);
  const folder = dirname(file);
  const temporary = join(folder, `.${randomBytes(6).toString("hex")}.tmp`);
  try {
    await mkdir(folder, { recursive: true });
    const bytes = content instanceof Uint8Array ? content : checkBlob(directory, path, await readFile(content.file));
    // Made anew, never copied: readers of the registry need not be those of the file that is published.
    const handle = await open(temporary, "wx", 0o644);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    // What is told is why it could not be written, not what could not be cleared away after it.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw storeFailed(directory, `write "${path}"`, error);
  }
  return folder;
}

// The system releases this lock when its process ends, however it ends; a lock file would have to be cleared away.
async function lock(directory: string, signal: AbortSignal | undefined): Promise<DatabaseSync> {
  const database = new DatabaseSync(join(directory, LOCK));
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    try {
      database.exec("BEGIN EXCLUSIVE");
      return database;
    } catch (error) {
      const isBusy = (error as { errcode?: number }).errcode === 5;
      if (!isBusy || Date.now() > deadline || signal?.aborted === true) {
        database.close();
        throw isBusy ? busy(directory) : storeFailed(directory, "lock it", error);
      }
    }
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

class DirectorySession implements StoreSession {
  readonly #directory: string;
  readonly #lock: DatabaseSync;

  constructor(directory: string, held: DatabaseSync) {
    this.#directory = directory;
    this.#lock = held;
  }

  read(path: string): Promise<Uint8Array | undefined> {
    return readRegistryFile(this.#directory, path);
  }

  async has(path: string): Promise<boolean> {
    checkStorePath(path);
    try {
      await stat(join(this.#directory, path));
      return true;
    } catch (error) {
      if (absent(error)) return false;
      throw storeFailed(this.#directory, `read "${path}"`, error);
    }
  }

  async put(files: readonly PlacedFile[]): Promise<void> {
    const folders = new Set<string>();
    for (const file of files) folders.add(await placeFile(this.#directory, file));
    for (const folder of folders) await syncFolder(folder);
  }

  // Nobody else can have written since this session has the lock.
  async commit(pointer: PlacedFile): Promise<"committed"> {
    await syncFolder(await placeFile(this.#directory, pointer));
    return "committed";
  }

  list(prefix: string): Promise<readonly StoredFile[]> {
    return listRegistryFiles(this.#directory, prefix);
  }

  async remove(paths: readonly string[]): Promise<"committed"> {
    await removeRegistryFiles(this.#directory, paths);
    return "committed";
  }

  close(): Promise<void> {
    this.#lock.close();
    return Promise.resolve();
  }
}

/**
 * A registry in a directory; made where it is missing. One writer at a time, across processes of one machine; the lock ends
 * with its process.
 */
export function directoryStore(location: string): RegistryStore {
  const directory = resolve(location);
  return {
    location: directory,
    async open({ signal } = {}) {
      try {
        await mkdir(directory, { recursive: true });
      } catch (error) {
        throw storeFailed(directory, "make the directory", error);
      }
      return new DirectorySession(directory, await lock(directory, signal));
    },
  };
}
