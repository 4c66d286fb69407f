import { lstat, readdir } from "node:fs/promises";
import path from "node:path";
import type { Digest } from "@lading/core-manifest";
import { cacheDirectory, storeDirectory, storeLimit, type EngineContext, type NoInput } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { hasErrno } from "../files.ts";

/** What is kept on this machine that can be fetched again. */
export interface CacheInformation {
  readonly cache: { readonly directory: string; readonly files: number; readonly bytes: number };
  readonly store: {
    readonly directory: string;
    readonly packages: number;
    readonly files: number;
    readonly bytes: number;
    /** `installer.max_cache_size` in bytes, where it is set. */
    readonly limitBytes?: number;
  };
}

/** Sizes of the cache of index documents and downloads, and of the content store. */
export async function cacheInfo(_input: NoInput, context: EngineContext): Promise<CacheInformation> {
  const directory = await cacheDirectory(context);
  const limitBytes = await storeLimit(context);
  const store = await context.store();
  return {
    cache: { directory, ...(await sizeOf(directory)) },
    store: { directory: storeDirectory(context), ...store.size(), ...(limitBytes === undefined ? {} : { limitBytes }) },
  };
}

async function sizeOf(directory: string): Promise<{ files: number; bytes: number }> {
  const sum = { files: 0, bytes: 0 };
  for (const entry of await entriesOf(directory)) {
    const place = path.join(directory, entry.name);
    if (entry.isDirectory()) {
      const inner = await sizeOf(place);
      sum.files += inner.files;
      sum.bytes += inner.bytes;
    } else {
      sum.files += 1;
      sum.bytes += await bytesOf(place);
    }
  }
  return sum;
}

async function entriesOf(directory: string) {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}

/** Another process may delete a file while sizes are added up. */
async function bytesOf(file: string): Promise<number> {
  try {
    return (await lstat(file)).size;
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return 0;
    throw error;
  }
}

/** A stored package whose files are not what they were. */
export interface DamagedPackage {
  readonly name: string;
  readonly version: string;
  readonly tree: Digest;
  readonly problems: readonly string[];
}

/** What verifying the store found; nothing is wrong with it. */
export interface VerifiedCache {
  readonly packages: number;
  readonly files: number;
}

/**
 * Reads every file of every stored package and compares its digest.
 * @throws {EngineError} `INSTALL_VERIFY_FAILED`, naming every damaged package
 */
export async function cacheVerify(_input: NoInput, context: EngineContext): Promise<VerifiedCache> {
  const store = await context.store();
  const damaged: DamagedPackage[] = [];
  let files = 0;
  for (const { name, version, tree } of store.list()) {
    context.signal.throwIfAborted();
    context.onEvent({ type: "verifying", message: `${name} ${version}`, package: name });
    const problems = await store.verify(tree, { full: true });
    files += store.files(tree).length;
    if (problems.length > 0)
      damaged.push({ name, version, tree, problems: problems.map(({ kind, path: file }) => `${kind}: ${file}`) });
  }
  const packages = store.list().length;
  if (damaged.length === 0) return { packages, files };
  throw new EngineError({
    code: "INSTALL_VERIFY_FAILED",
    message: `Cannot vouch for the store: ${damaged.length} of ${packages} packages are damaged`,
    hint: "Run `install --verify full` in a project to fetch what it uses again, or `cache clean` to start afresh",
    explanation: damaged
      .flatMap(({ name, version, problems }) => problems.map((problem) => `${name} ${version} ${problem}`))
      .slice(0, 50)
      .join("\n"),
    damaged,
  });
}
