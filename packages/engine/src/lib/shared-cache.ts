import { randomBytes } from "node:crypto";
import { copyFile, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import path from "node:path";
import { digestHex, type Digest } from "@lading/core-manifest";
import { storeLimit, type EngineContext } from "./engine-context.ts";
import { hasErrno, makeDirectory } from "./files.ts";

/**
 * Package files in a directory that a team shares, such as a network drive: the level between this user's store and the
 * registry. A file is named by its digest, which is compared again whenever one is taken, so that nobody who may write
 * there can pass off another. Nothing depends on it: where it cannot be read or written, the registry is asked.
 */
export interface SharedCache {
  /** Copies a file to `destination`; `false` where it is not there. */
  take(blob: Digest, destination: string): Promise<boolean>;
  /**
   * Adds a file whose digest was compared; a reader never sees half of it. One above the limit stays out, and beyond an eighth
   * of the limit what is added makes room first: a large installation never holds much more than is allowed.
   */
  put(blob: Digest, file: string): Promise<void>;
  /** Removes a file that is not what its name says. */
  drop(blob: Digest): Promise<void>;
  /**
   * Removes what was not taken for longest until the rest is within the limit. Whoever copies a file at that moment gets all
   * of it; what was taken since the sizes were added up stays.
   */
  evict(): Promise<void>;
}

/** The shared cache, where `installer.shared_cache` names a directory; its limit is `installer.max_cache_size`. */
export async function openSharedCache(context: EngineContext): Promise<SharedCache | undefined> {
  const directory = (await context.settings()).string("installer.shared_cache");
  return directory === undefined ? undefined : sharedCache(directory, await storeLimit(context), context);
}

function sharedCache(directory: string, maxBytes: number | undefined, context: EngineContext): SharedCache {
  const fileOf = (blob: Digest): string => path.join(directory, "sha256", digestHex(blob).slice(0, 2), digestHex(blob));
  const tolerant = async <Value>(what: string, run: () => Promise<Value>, otherwise: Value): Promise<Value> => {
    try {
      return await run();
    } catch (error) {
      context.signal.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      context.onEvent({
        type: "warning",
        code: "SHARED_CACHE_UNUSABLE",
        message: `Cannot ${what} the shared cache: ${reason}`,
      });
      return otherwise;
    }
  };
  let addedBytes = 0;
  const shrink = async (): Promise<void> => {
    addedBytes = 0;
    await evict(path.join(directory, "sha256"), maxBytes, context.now());
  };
  return {
    take: (blob, destination) =>
      tolerant(
        "read",
        async () => {
          if (!(await copied(fileOf(blob), destination))) return false;
          const now = new Date(context.now());
          // The time of the last use decides what goes first; a reader may lack the right to note it.
          await utimes(fileOf(blob), now, now).catch(() => {});
          return true;
        },
        false,
      ),
    put: (blob, file) =>
      tolerant(
        "write to",
        async () => {
          const { size } = await stat(file);
          if (maxBytes !== undefined && size > maxBytes) return;
          const temporary = `${fileOf(blob)}.${randomBytes(6).toString("hex")}.tmp`;
          await makeDirectory(path.dirname(fileOf(blob)));
          try {
            await copyFile(file, temporary);
            const now = new Date(context.now());
            await utimes(temporary, now, now);
            await rename(temporary, fileOf(blob));
          } finally {
            await rm(temporary, { force: true });
          }
          addedBytes += size;
          if (maxBytes !== undefined && addedBytes > maxBytes / 8) await shrink();
        },
        undefined,
      ),
    drop: (blob) => tolerant("clean", () => rm(fileOf(blob), { force: true }), undefined),
    evict: () => tolerant("clean", shrink, undefined),
  };
}

async function copied(file: string, destination: string): Promise<boolean> {
  try {
    await copyFile(file, destination);
    return true;
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return false;
    throw error;
  }
}

const ABANDONED_MS = 24 * 3_600_000;

async function evict(directory: string, maxBytes: number | undefined, nowMs: number): Promise<void> {
  if (maxBytes === undefined) return;
  const files: { readonly file: string; readonly size: number; readonly used: number }[] = [];
  for (const name of await readdir(directory, { recursive: true }).catch(() => [])) {
    const file = path.join(directory, name);
    const found = await stat(file).catch(() => undefined);
    if (found?.isFile() !== true) continue;
    // A temporary file may be somebody's who is writing it now; one of yesterday is nobody's.
    if (!name.endsWith(".tmp")) files.push({ file, size: found.size, used: found.mtimeMs });
    else if (nowMs - found.mtimeMs > ABANDONED_MS) await rm(file, { force: true });
  }
  let total = files.reduce((sum, { size }) => sum + size, 0);
  for (const { file, size, used } of files.sort((left, right) => left.used - right.used)) {
    if (total <= maxBytes) return;
    const now = await stat(file).catch(() => undefined);
    if (now !== undefined && now.mtimeMs > used) continue;
    await rm(file, { force: true });
    total -= size;
  }
}
