import { LadingError, type Digest } from "@lading/core-manifest";
import {
  METADATA_LIMITS,
  checkRootPin,
  loadRepository,
  memoryMetadataStore,
  metadataPath,
  openMetadataClient,
  parseMetadata,
  repositoryTargets,
  type RefreshedMetadata,
  type TargetFile,
} from "@lading/signing/metadata";
import type { Verifier } from "@lading/signing";
import { digestOf, type UpstreamFiles } from "./upstream-files.ts";
import { refusedUpstream, type UpstreamSource } from "./upstream-source.ts";
import type { UpstreamState } from "./upstream-state.ts";

const BASE = "metadata/";
/** Roots below the one in force that are looked at for the pinned one. */
const ROOTS_MAX = METADATA_LIMITS.roots;

/** What an upstream's signed metadata says, all of it verified. */
export interface MirroredMetadata {
  readonly anchor: Digest;
  readonly refreshed: RefreshedMetadata;
  /** Fetches and loads what the timestamp leads to. */
  whole(): Promise<WholeMetadata>;
}

/** All that signed metadata says. */
export interface WholeMetadata {
  /** Every index document. */
  readonly targets: readonly TargetFile[];
  /** Paths of the files that are in force: all roots, and what the timestamp leads to. */
  readonly current: ReadonlySet<string>;
}

interface Walk {
  readonly name: string;
  readonly source: UpstreamSource;
  readonly files: UpstreamFiles;
  readonly verifier: Verifier | undefined;
  readonly nowMs: number;
}

function rootPath(version: number): string {
  return `${BASE}${metadataPath("root", version)}`;
}

async function fetched({ source }: Walk, path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  const [bytes] = await source.read([{ path: `${BASE}${path}`, maxBytes }]);
  return bytes;
}

/** Every root from the first on, so that whoever trusts any of them is led to the one in force. */
async function rootsUpTo(walk: Walk, version: number): Promise<Uint8Array[]> {
  const first = Math.max(1, version - ROOTS_MAX);
  const wanted = Array.from({ length: version - first + 1 }, (_, i) => ({
    path: rootPath(first + i),
    maxBytes: METADATA_LIMITS.rootBytes,
  }));
  const found = await walk.source.read(wanted);
  return found.map((bytes, i) => {
    if (bytes !== undefined) return bytes;
    throw refusedUpstream(walk.name, `"${wanted[i]!.path}" is missing`);
  });
}

/** The root that trust begins with: the pinned one wherever it is in the chain, else the one that is in force. */
async function anchorOf(walk: Walk, pin: Digest | undefined, version: number): Promise<Uint8Array> {
  const roots = await rootsUpTo(walk, version);
  for (const bytes of roots) walk.files.add(rootPath(parseMetadata(bytes, "root").body.version), bytes);
  const newest = roots.at(-1)!;
  if (pin === undefined) return newest;
  const pinned = roots.find((bytes) => digestOf(bytes) === pin);
  if (pinned === undefined) checkRootPin(newest, pin);
  return pinned!;
}

/** Walks from the first root that was given to the anchor, so that no root is served that nobody signed. */
async function checkOlderRoots(walk: Walk, anchor: Uint8Array): Promise<void> {
  const version = parseMetadata(anchor, "root").body.version;
  let first = version;
  while (walk.files.added.has(rootPath(first - 1))) first -= 1;
  if (first === version) return;
  const roots: Digest[] = [];
  const store = memoryMetadataStore();
  const client = openMetadataClient({
    root: walk.files.added.get(rootPath(first))!,
    source: { fetch: async ({ path }) => walk.files.added.get(`${BASE}${path}`) },
    store: {
      ...store,
      write: async (role, bytes) => {
        if (role === "root") roots.push(digestOf(bytes));
        await store.write(role, bytes);
      },
    },
    verifier: walk.verifier,
  });
  await client.refresh(walk.nowMs).catch((error: unknown) => {
    // Without the files below the roots it ends early; how far the roots lead is all that is asked here.
    if (!(error instanceof LadingError)) throw error;
  });
  if (!roots.includes(digestOf(anchor)))
    throw refusedUpstream(walk.name, "its first roots do not lead to its later ones");
}

/** A root that is pinned later than trust began must be one of those that are held. */
async function requirePinned({ files, name }: Walk, { root }: UpstreamState, pin: Digest): Promise<void> {
  for (let version = root; version >= 1; version -= 1) {
    const bytes = await files.held(rootPath(version));
    if (bytes !== undefined && digestOf(bytes) === pin) return;
  }
  throw refusedUpstream(name, `it was trusted by other roots than the one that is pinned, "${pin}"`);
}

async function refresh(walk: Walk, anchor: Uint8Array): Promise<RefreshedMetadata> {
  const { files, verifier, nowMs } = walk;
  const kept = new Map<string, Uint8Array>();
  const timestamp = await files.held(`${BASE}timestamp.json`);
  if (timestamp !== undefined) {
    kept.set("timestamp", timestamp);
    const { version } = parseMetadata(timestamp, "timestamp").body.snapshot;
    const snapshot = await files.held(`${BASE}${metadataPath("snapshot", version)}`);
    if (snapshot !== undefined) kept.set("snapshot", snapshot);
  }
  const client = openMetadataClient({
    root: anchor,
    store: memoryMetadataStore(kept),
    verifier,
    source: {
      fetch: async ({ path, maxBytes }) => {
        const isRoot = path.endsWith(".root.json");
        const known = path === "timestamp.json" ? undefined : await files.read(`${BASE}${path}`);
        const bytes = known ?? (await fetched(walk, path, maxBytes));
        if (bytes !== undefined && (known === undefined || isRoot)) files.add(`${BASE}${path}`, bytes);
        return bytes;
      },
    },
  });
  return client.refresh(nowMs);
}

/** Every file that the timestamp leads to; bins that are not held are fetched together. */
async function wholeRepository(walk: Walk, root: Uint8Array): Promise<WholeMetadata> {
  const { files, source } = walk;
  const current = new Set<string>();
  const timestamp = parseMetadata((await files.read(`${BASE}timestamp.json`))!, "timestamp");
  const snapshotPath = `${BASE}${metadataPath("snapshot", timestamp.body.snapshot.version)}`;
  const snapshot = parseMetadata((await files.read(snapshotPath))!, "snapshot");
  const missing: { path: string; maxBytes: number }[] = [];
  for (const [file, { version, length }] of snapshot.body.meta) {
    const path = `${BASE}${version}.${file}`;
    if ((await files.read(path)) === undefined)
      missing.push({ path, maxBytes: length ?? METADATA_LIMITS.targetsBytes });
  }
  const found = await source.read(missing);
  // A registry with fewer bins than it had keeps listing them; nothing leads there, and they need not be served.
  for (const [i, bytes] of found.entries()) if (bytes !== undefined) files.add(missing[i]!.path, bytes);
  const repository = await loadRepository({
    root,
    read: async (path) => {
      current.add(`${BASE}${path}`);
      return files.read(`${BASE}${path}`);
    },
    ...(walk.verifier === undefined ? {} : { verifier: walk.verifier }),
  });
  return { targets: [...repositoryTargets(repository)], current };
}

/**
 * Brings an upstream's signed metadata up to date, as its clients do, and loads all of it.
 * @throws {MetadataError} what does not hold; {RegistryError} `UPSTREAM_UNAVAILABLE`, `UPSTREAM_REFUSED`
 */
export async function mirrorMetadata(
  walk: Walk & { readonly before: UpstreamState | undefined; readonly pin: Digest | undefined },
): Promise<MirroredMetadata> {
  const { before, pin, files, source } = walk;
  let anchor: Uint8Array;
  if (before === undefined) {
    const { rootVersion } = await source.describe();
    anchor = await anchorOf(walk, pin, rootVersion);
    await checkOlderRoots(walk, anchor);
  } else {
    const held = await files.held(rootPath(before.root));
    if (pin !== undefined) await requirePinned(walk, before, pin);
    if (held === undefined)
      throw refusedUpstream(walk.name, `the root that it was trusted by, ${before.root}, is not held`);
    anchor = held;
  }
  const refreshed = await refresh(walk, anchor);
  return {
    anchor: before?.anchor ?? digestOf(anchor),
    refreshed,
    whole: async () => {
      const newest = refreshed.versions.root;
      const { targets, current } = await wholeRepository(walk, (await files.read(rootPath(newest)))!);
      const roots = Array.from({ length: newest }, (_, i) => rootPath(i + 1));
      return { targets, current: new Set([...current, ...roots]) };
    },
  };
}
