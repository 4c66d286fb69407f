import { createHash } from "node:crypto";
import {
  digestHex,
  indexDocumentPath,
  parseDigest,
  parseIndexDocument,
  type Digest,
  type IndexDocument,
  type PackageName,
} from "@lading/core-manifest";
import type { Signer, Verifier } from "@lading/signing";
import {
  LogError,
  createNoteKey,
  followLog,
  loadLogTree,
  openCheckpoint,
  rootOfTree,
  type Checkpoint,
  type LogState,
  type LogTree,
} from "@lading/signing/log";
import {
  MetadataError,
  binIndex,
  loadRepository,
  metadataPath,
  parseMetadata,
  targetPath,
  type Repository,
} from "@lading/signing/metadata";
import type { StaticSettings } from "./settings.ts";
import { StaticRegistryError } from "./static-error.ts";
import type { ReadRegistryFile } from "./store.ts";

/** What a static registry signs with, and what its maintainer has decided: the content of a key directory. */
export interface StaticTrust {
  readonly settings: StaticSettings;
  /** Every root from version 1 on, in order; the last one is in force. */
  readonly roots: readonly Uint8Array[];
  /** Online keys of targets, snapshot and timestamp; each role takes those that the root names. */
  readonly signers: readonly Signer[];
  readonly logSigner: Signer;
  /** Keys that the log had before and that still sign. */
  readonly logCosigners?: readonly Signer[] | undefined;
  /** Public keys that the log ever had, 32 bytes each. */
  readonly formerLogKeys?: readonly Uint8Array[] | undefined;
  /** First line of the log's checkpoints, and name of its key. */
  readonly logOrigin: string;
  /** The portable one unless given. */
  readonly verifier?: Verifier | undefined;
}

/** A registry as it is stored: verified, expired or not. */
export interface RegistryState {
  readonly repository: Repository;
  readonly tree: LogTree;
  readonly checkpoint: Checkpoint;
  readonly read: ReadRegistryFile;
}

/** Files that are read at a time: in a bucket each takes a round trip. */
export const READS = 16;

export const METADATA = "metadata/";
export const LOG = "log/";
export const TIMESTAMP = "metadata/timestamp.json";
export const CHECKPOINT = "log/checkpoint";
export const DESCRIPTION = ".well-known/lading.json";

export function sha256(bytes: Uint8Array | string): Digest {
  return parseDigest(`sha256:${createHash("sha256").update(bytes).digest("hex")}`);
}

/** Where a package file is. */
export function blobPath(digest: Digest): string {
  return `blobs/sha256/${digestHex(digest)}`;
}

export function damaged(path: string, problem: string, cause?: unknown): StaticRegistryError {
  return new StaticRegistryError({
    code: "STATIC_REGISTRY_DAMAGED",
    message: `Cannot use "${path}" of the registry: ${problem}`,
    path,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The newest of our roots that is served: the one that the stored metadata is signed under. */
async function servedRoot({ roots }: StaticTrust, read: ReadRegistryFile): Promise<Uint8Array> {
  let served: Uint8Array | undefined;
  for (const [i, own] of roots.entries()) {
    const bytes = await read(`${METADATA}${metadataPath("root", i + 1)}`);
    if (bytes === undefined) break;
    if (Buffer.compare(bytes, own) !== 0)
      throw damaged(`${METADATA}${i + 1}.root.json`, "it is not the root of that number in the key directory");
    served = own;
  }
  if (served === undefined) throw damaged(`${METADATA}1.root.json`, "it is missing");
  const next = `${METADATA}${metadataPath("root", roots.length + 1)}`;
  if ((await read(next)) === undefined) return served;
  throw new StaticRegistryError({
    code: "STATIC_KEYS_UNUSABLE",
    message: `Cannot use the key directory: the registry has root ${roots.length + 1}, the directory ends with ${roots.length}`,
    hint: "Copy the newer root and its keys into the key directory",
  });
}

/** State of the log that a timestamp binds. */
export function boundLog({ timestamp }: Repository): LogState {
  const value = timestamp.body.raw["x-lading-log"] as { origin?: unknown; size?: unknown; root?: unknown } | undefined;
  const { origin, size, root } = value ?? {};
  if (typeof origin !== "string" || typeof size !== "number" || typeof root !== "string")
    throw damaged(TIMESTAMP, "it does not bind the log");
  return { origin, size, root: Buffer.from(root, "base64") };
}

async function readLog(
  trust: StaticTrust,
  bound: LogState,
  read: ReadRegistryFile,
): Promise<Pick<RegistryState, "tree" | "checkpoint">> {
  const bytes = await read(CHECKPOINT);
  if (bytes === undefined) throw damaged(CHECKPOINT, "it is missing");
  const { logOrigin, logSigner, formerLogKeys = [] } = trust;
  const keys = [logSigner.publicKey, ...formerLogKeys].map((key) => createNoteKey(logOrigin, key));
  const checkpoint = openCheckpoint(bytes, { origin: trust.logOrigin, keys, verifier: trust.verifier });
  const tile: ReadRegistryFile = (path) => read(`${LOG}${path}`);
  // It may be ahead, where the last writer did not get to its timestamp; what it signed for is history all the same.
  await followLog(bound, checkpoint, tile);
  const tree = await loadLogTree(checkpoint.size, tile);
  if (Buffer.compare(rootOfTree(tree), checkpoint.root) !== 0)
    throw damaged("log/tile", "the tiles are not those of the log's checkpoint");
  return { tree, checkpoint };
}

/**
 * Reads a registry, to change it. All that is signed is verified before anything is signed on top of it.
 * @throws {StaticRegistryError} `STATIC_REGISTRY_MISSING`, `STATIC_REGISTRY_DAMAGED`, `STATIC_KEYS_UNUSABLE`
 */
export async function loadState(trust: StaticTrust, read: ReadRegistryFile, location: string): Promise<RegistryState> {
  if ((await read(TIMESTAMP)) === undefined) {
    throw new StaticRegistryError({
      code: "STATIC_REGISTRY_MISSING",
      message: `Cannot find a registry at "${location}": it has no "${TIMESTAMP}"`,
      place: location,
    });
  }
  try {
    const root = await servedRoot(trust, read);
    const repository = await loadRepository({
      root,
      read: (path) => read(`${METADATA}${path}`),
      verifier: trust.verifier,
      concurrency: READS,
    });
    return { repository, read, ...(await readLog(trust, boundLog(repository), read)) };
  } catch (error) {
    if (error instanceof MetadataError || error instanceof LogError) throw damaged(location, error.message, error);
    throw error;
  }
}

/** The version of a root file. */
export function rootVersion(bytes: Uint8Array): number {
  return parseMetadata(bytes, "root").body.version;
}

/**
 * The index document that the metadata names, verified by its digest.
 * @throws {StaticRegistryError} `STATIC_REGISTRY_DAMAGED`
 */
export async function readDocument(state: RegistryState, name: PackageName): Promise<IndexDocument | undefined> {
  const path = indexDocumentPath(name);
  const { repository, read } = state;
  const target = repository.bins[binIndex(path, repository.bitLength)]?.targets.get(path);
  if (target === undefined) return undefined;
  const served = targetPath(target, true);
  const bytes = await read(served);
  if (bytes === undefined) throw damaged(served, "it is missing");
  if (digestHex(sha256(bytes)) !== target.hashes["sha256"]) throw damaged(served, "it is not what was signed for");
  return parseIndexDocument(JSON.parse(new TextDecoder().decode(bytes)));
}
