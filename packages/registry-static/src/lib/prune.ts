import { MetadataError, metadataPath, parseMetadata, targetPath, type SnapshotBody } from "@lading/signing/metadata";
import type { StaticRegistryOptions } from "./maintain.ts";
import { retried } from "./retried.ts";
import { METADATA, READS, loadState, type RegistryState } from "./state.ts";
import type { ReadRegistryFile, StoredFile, StoreSession } from "./store.ts";

/** What a pruning took away, or would. */
export interface PrunedRegistry {
  /** Paths, sorted. */
  readonly removed: readonly string[];
  /** Bytes that they have. */
  readonly bytes: number;
  /** Superseded files that a client may still ask for, and their bytes. */
  readonly kept: number;
  readonly keptBytes: number;
  /** Snapshots by which clients may still go, the one in force among them. */
  readonly snapshots: number;
}

const SNAPSHOT = /^metadata\/(\d+)\.snapshot\.json$/;
const METADATA_FILE = /^metadata\/\d+\.(?:snapshot|targets|bins-[0-9a-f]+)\.json$/;
const DOCUMENT = /^index\/(?:[^/]+\/)*[0-9a-f]{64}\.[^/]+\.json$/;

const roleOf = (file: string): string => file.slice(0, -".json".length);

/** Everything that snapshots lead to. */
class Reachable {
  readonly paths = new Set<string>();
  readonly #read: ReadRegistryFile;

  constructor(read: ReadRegistryFile) {
    this.#read = read;
  }

  async follow({ version, meta }: SnapshotBody): Promise<void> {
    this.paths.add(`${METADATA}${metadataPath("snapshot", version)}`);
    const wanted = [...meta].flatMap(([file, { version: own }]) => {
      const path = `${METADATA}${metadataPath(roleOf(file), own)}`;
      return this.paths.has(path) ? [] : [path];
    });
    for (let at = 0; at < wanted.length; at += READS)
      await Promise.all(wanted.slice(at, at + READS).map((path) => this.#targets(path)));
  }

  async #targets(path: string): Promise<void> {
    this.paths.add(path);
    const body = await readBody(this.#read, path, "targets");
    for (const target of body?.targets.values() ?? []) this.paths.add(targetPath(target, true));
  }
}

/**
 * What a file says; `undefined` where it is gone or cannot be read: no client can use it, so it leads nowhere. A snapshot
 * goes on listing bins of former numbers, whose files may have been removed long ago.
 */
async function readBody<Type extends "snapshot" | "targets">(read: ReadRegistryFile, path: string, type: Type) {
  const bytes = await read(path);
  if (bytes === undefined) return undefined;
  try {
    return parseMetadata(bytes, type).body;
  } catch (error) {
    if (error instanceof MetadataError) return undefined;
    throw error;
  }
}

/**
 * Follows what clients can still come to: a client goes from a timestamp to the snapshot that it names, and refuses either
 * once it has expired. So all that is reachable from a snapshot which has not expired stays, whichever timestamp a client, a
 * cache or a mirror may hold.
 * @returns how many superseded snapshots that are
 */
async function followLiving(found: Reachable, state: RegistryState, snapshots: readonly string[], nowMs: number) {
  let count = 0;
  for (const path of snapshots) {
    if (found.paths.has(path)) continue;
    const body = await readBody(state.read, path, "snapshot");
    if (body === undefined || body.expiresMs <= nowMs) continue;
    await found.follow(body);
    count += 1;
  }
  return count;
}

/** Files that belong to one state of the registry, in force or superseded. */
async function candidates(session: StoreSession): Promise<readonly StoredFile[]> {
  const [metadata, index] = [await session.list(METADATA), await session.list("index/")];
  return [
    ...metadata.filter(({ path }) => METADATA_FILE.test(path)),
    ...index.filter(({ path }) => DOCUMENT.test(path)),
  ].sort((left, right) => (left.path < right.path ? -1 : 1));
}

async function attempt(
  { trust, store, now = Date.now, dryRun = false }: StaticRegistryOptions & { readonly dryRun?: boolean | undefined },
  session: StoreSession,
): Promise<PrunedRegistry | "conflict"> {
  const state = await loadState(trust, (path) => session.read(path), store.location);
  const files = await candidates(session);
  const snapshots = files.flatMap(({ path }) => (SNAPSHOT.test(path) ? [path] : []));
  const found = new Reachable(state.read);
  await found.follow(state.repository.snapshot.body);
  const inForce = new Set(found.paths);
  const living = await followLiving(found, state, snapshots, now());
  const gone = files.filter(({ path }) => !found.paths.has(path));
  const kept = files.filter(({ path }) => found.paths.has(path) && !inForce.has(path));
  const removed = gone.map(({ path }) => path);
  const sum = (list: readonly StoredFile[]): number => list.reduce((total, { size }) => total + size, 0);
  const result = {
    removed,
    bytes: sum(gone),
    kept: kept.length,
    keptBytes: sum(kept),
    snapshots: living + 1,
  };
  if (dryRun || removed.length === 0) return result;
  const message = `Remove ${removed.length} superseded file${removed.length === 1 ? "" : "s"}`;
  return (await session.remove(removed, message)) === "conflict" ? "conflict" : result;
}

/**
 * Removes superseded metadata and index documents that no client can come to any more: what neither the snapshot in force
 * leads to nor one that has not expired yet. Roots, package files, statements, keys and the log stay. Everything that is in
 * force is verified first.
 * @param options.dryRun says what would be removed, and removes nothing
 * @throws {StaticRegistryError} `STATIC_REGISTRY_MISSING`, `STATIC_REGISTRY_DAMAGED`, `STATIC_REGISTRY_BUSY`, and those of the store
 */
export async function pruneStatic(
  options: StaticRegistryOptions & { readonly dryRun?: boolean | undefined },
): Promise<PrunedRegistry> {
  return retried(options, (session) => attempt(options, session));
}
