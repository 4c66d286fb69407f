import { digestHex, type Digest } from "@lading/core-manifest";
import { sha256 } from "../hashes.ts";
import { encodeHex } from "../bytes.ts";
import { portableDigests } from "../digests.ts";
import { portableVerifier, type Signer, type Verifier } from "../signer.ts";
import { binIndex, binName, chooseBitLength } from "./bins.ts";
import { LOG_MEMBER, writeLogBinding, type LogBinding } from "./log-binding.ts";
import { MetadataError } from "./metadata-error.ts";
import { ROLE_MEMBER, parseMetadata, type MetaFile, type MetadataFile, type TargetFile } from "./metadata-file.ts";
import { metadataKeyOf, type MetadataKey } from "./metadata-key.ts";
import { keptNameDelegations, nameDelegationMembers, type NameDelegation } from "./name-delegations.ts";
import { metadataPath } from "./paths.ts";
import { commonMembers, inputInvalid, keyMembers, roleMember, signBody, signersFor } from "./sign-metadata.ts";
import { encodeTufCanonical, type JsonObject } from "./strict-json.ts";
import {
  metaOf,
  readLocalSnapshot,
  readLocalTimestamp,
  readTrustedRoot,
  rotatesOnlineKeys,
  verifyTargets,
  type RootFile,
  type Rules,
  type SnapshotFile,
  type TargetsFile,
  type TimestampFile,
} from "./workflow.ts";

/** A file that a repository publishes. */
export interface TargetEntry {
  /** `index/_/to/tool.json`: relative, `/` between parts. */
  readonly path: string;
  /** Bytes. */
  readonly length: number;
  readonly digest: Digest;
  readonly custom?: JsonObject;
}

/** How long each file is good for, in milliseconds. */
export interface MetadataLifetimes {
  readonly timestampMs: number;
  readonly snapshotMs: number;
  readonly targetsMs: number;
  readonly binsMs: number;
}

const DAY_MS = 86_400_000;

/** A server's: a day for the timestamp, which is signed again every hour. A static registry has longer ones. */
export const SERVER_LIFETIMES: MetadataLifetimes = {
  timestampMs: DAY_MS,
  snapshotMs: 7 * DAY_MS,
  targetsMs: 90 * DAY_MS,
  binsMs: 90 * DAY_MS,
};

/** Who signs. Each role takes those of these keys that it names, so that one list will do. */
export interface OnlineSigners {
  /** Keys of the roles targets, snapshot and timestamp. */
  readonly signers: readonly Signer[];
  /** Keys of the bins; the signers of targets unless given. */
  readonly binSigners?: readonly Signer[];
}

interface Bin {
  readonly version: number;
  readonly expiresMs: number;
  readonly targets: ReadonlyMap<string, TargetFile>;
}

/** A repository's current metadata. A value: an update makes another one. */
export interface Repository {
  readonly root: RootFile;
  readonly timestamp: TimestampFile;
  readonly snapshot: SnapshotFile;
  readonly targets: TargetsFile;
  readonly bitLength: number;
  readonly bins: readonly Bin[];
}

/** What an update made. */
export interface RepositoryUpdate {
  readonly repository: Repository;
  /**
   * New files by path below the metadata base, in the order in which they must be stored: `timestamp.json` comes last, since
   * a client that sees it will ask for the others.
   */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Whether the number of bins changed, and every bin with it. */
  readonly rebinned: boolean;
  /** Bins that were written. */
  readonly writtenBins: number;
}

/** What is common to making and updating a repository. */
export interface WriteOptions extends OnlineSigners {
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** {@link SERVER_LIFETIMES} unless given. */
  readonly lifetimes?: MetadataLifetimes;
  /** Checks each signature after it was made; the portable one unless given. */
  readonly verifier?: Verifier | undefined;
  /** State of the log that the timestamp binds; on an update, the last one stays unless given. */
  readonly log?: LogBinding | undefined;
  /** Who may sign packages of some names; on an update, what was delegated stays unless given. */
  readonly delegations?: readonly NameDelegation[] | undefined;
}

/** What is known of a repository whose metadata was lost or damaged, so that clients follow the one in its place. */
export interface FormerRepository {
  /** Every file of the new one has a higher version: at least the highest that the former one ever had. */
  readonly version: number;
  /** Names of the files that its snapshots listed (`bins-0f.json`), which must stay listed (TUF 1.0 §5.5.5). */
  readonly files: readonly string[];
}

/** An update. */
export interface UpdateOptions extends WriteOptions {
  /** Files that are new or changed. */
  readonly put?: readonly TargetEntry[];
  /** Paths that go. */
  readonly remove?: readonly string[];
  /** A newer root, where there is one. */
  readonly root?: Uint8Array | undefined;
}

const BIN_PREFIX = "bins";
function rulesOf(verifier: Verifier = portableVerifier): Rules {
  return { verifier, digests: portableDigests, form: "exact" };
}
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/;

function checkEntry({ path, length, digest }: TargetEntry): void {
  const parts = path.split("/");
  const wrong = path.length > 1024 || CONTROL.test(path) || parts.some((part) => ["", ".", ".."].includes(part));
  if (wrong) throw inputInvalid(`"${path.slice(0, 100)}" is no relative path`);
  if (!Number.isSafeInteger(length) || length < 0) throw inputInvalid(`"${path}" has the length ${length}`);
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw inputInvalid(`"${path}" has no SHA-256 digest`);
}

function toTarget(entry: TargetEntry): TargetFile {
  checkEntry(entry);
  const { path, length, digest, custom } = entry;
  return { path, length, hashes: { sha256: digestHex(digest) }, ...(custom === undefined ? {} : { custom }) };
}

function targetMember({ length, hashes, custom }: TargetFile): JsonObject {
  return { hashes: { ...hashes }, length, ...(custom === undefined ? {} : { custom }) };
}

function sameTarget(left: TargetFile | undefined, right: TargetFile): boolean {
  return left !== undefined && encodeTufCanonical(targetMember(left)) === encodeTufCanonical(targetMember(right));
}

/** Entries by bin, for a number of bins. */
function distribute(targets: Iterable<TargetFile>, bitLength: number): Map<string, TargetFile>[] {
  const bins = Array.from({ length: 2 ** bitLength }, () => new Map<string, TargetFile>());
  for (const target of targets) bins[binIndex(target.path, bitLength)]!.set(target.path, target);
  return bins;
}

function binBody(role: string, { version, expiresMs, targets }: Bin): JsonObject {
  // A record without prototype: a target may be called `__proto__`.
  const members = Object.create(null) as Record<string, JsonObject>;
  for (const [path, target] of targets) members[path] = targetMember(target);
  return { ...commonMembers("targets", version, expiresMs), targets: members, [ROLE_MEMBER]: role };
}

function targetsBody(
  version: number,
  expiresMs: number,
  bins: { readonly bitLength: number; readonly keys: readonly MetadataKey[] },
  delegated: JsonObject,
): JsonObject {
  const { bitLength, keys } = bins;
  const role = roleMember({ keyIds: keys.map(({ keyId }) => keyId).sort(), threshold: 1 });
  return {
    ...commonMembers("targets", version, expiresMs),
    delegations: {
      keys: keyMembers(keys),
      succinct_roles: { ...role, bit_length: bitLength, name_prefix: BIN_PREFIX },
    },
    targets: {},
    ...delegated,
  };
}

/** What an update starts from; absent members are made for the first time. */
interface Draft {
  readonly root: RootFile;
  readonly before: Repository | undefined;
  readonly former?: FormerRepository | undefined;
  readonly entries: Plan;
  readonly options: WriteOptions;
}

/** The bins as they shall be; a bin without version is written anew. */
interface Plan {
  readonly bitLength: number;
  readonly rebinned: boolean;
  readonly bins: readonly { readonly targets: ReadonlyMap<string, TargetFile>; readonly kept: Bin | undefined }[];
}

/**
 * Whether what is left of a lifetime calls for signing again: from half of it on, each bin at another moment of the quarter
 * before, so that a registry's bins do not fall due together.
 */
function isDue(expiresMs: number, lifetimeMs: number, nowMs: number, index = 0): boolean {
  const spread = ((index * 2_654_435_761) % 4096) / 4096;
  return expiresMs - nowMs < lifetimeMs / 2 + (index === 0 ? 0 : (lifetimeMs / 4) * spread);
}

function planBins(before: Repository | undefined, options: UpdateOptions): Plan {
  const { put = [], remove = [], nowMs, lifetimes = SERVER_LIFETIMES } = options;
  const changed = new Map<number, Map<string, TargetFile>>();
  const bits = before?.bitLength ?? chooseBitLength(put.length);
  const old = before?.bins ?? Array.from({ length: 2 ** bits }, () => undefined);
  const edit = (path: string): Map<string, TargetFile> => {
    const index = binIndex(path, bits);
    const targets = changed.get(index) ?? new Map(old[index]?.targets);
    changed.set(index, targets);
    return targets;
  };
  for (const entry of put) {
    const target = toTarget(entry);
    // What is there already must not cost a signature: publishing the same again changes nothing.
    const known = changed.get(binIndex(target.path, bits)) ?? old[binIndex(target.path, bits)]?.targets;
    if (!sameTarget(known?.get(target.path), target)) edit(target.path).set(target.path, target);
  }
  for (const path of remove) if (!edit(path).delete(path)) throw inputInvalid(`"${path}" is not there to be removed`);
  const now = old.map((bin, i) => ({
    targets: changed.get(i) ?? bin?.targets ?? new Map<string, TargetFile>(),
    kept: changed.has(i) || bin === undefined || isDue(bin.expiresMs, lifetimes.binsMs, nowMs, i) ? undefined : bin,
  }));
  const count = now.reduce((sum, { targets }) => sum + targets.size, 0);
  const bitLength = chooseBitLength(count, bits);
  if (bitLength === bits) return { bitLength, rebinned: false, bins: now };
  const all = now.flatMap(({ targets }) => [...targets.values()]);
  const bins = distribute(all, bitLength).map((targets) => ({ targets, kept: undefined }));
  return { bitLength, rebinned: true, bins };
}

/**
 * The version after the last one of that name, so that a path never gets other bytes, whatever the number of bins was. Of a
 * name that the snapshot does not list (any more), the snapshot's own next version: no file's is ever above it, since every
 * new one comes with a new snapshot.
 */
function nextVersion({ before, former }: Draft, role: string): number {
  const snapshot = before?.snapshot;
  const last = snapshot?.body.meta.get(`${role}.json`)?.version ?? snapshot?.body.version ?? former?.version ?? 0;
  return last + 1;
}

interface WrittenBins {
  readonly bins: readonly Bin[];
  readonly files: ReadonlyMap<string, Uint8Array>;
}

async function writeBins(draft: Draft, signers: readonly Signer[]): Promise<WrittenBins> {
  const { entries, options } = draft;
  const { nowMs, lifetimes = SERVER_LIFETIMES } = options;
  const files = new Map<string, Uint8Array>();
  const bins: Bin[] = [];
  for (const [i, { targets, kept }] of entries.bins.entries()) {
    const role = binName(BIN_PREFIX, entries.bitLength, i);
    const bin = kept ?? {
      version: nextVersion(draft, role),
      expiresMs: nowMs + lifetimes.binsMs,
      targets,
    };
    bins.push(bin);
    if (kept === undefined) {
      files.set(metadataPath(role, bin.version), await signBody(role, binBody(role, bin), signers, options.verifier));
    }
  }
  return { bins, files };
}

/** Who signs bins: those whose keys the targets file delegates them to. */
function binSignersOf({ root, options }: Draft): readonly Signer[] {
  const given = options.binSigners ?? signersFor("targets", root.body.roles.targets, options.signers);
  if (given.length === 0) throw inputInvalid("no signer of bins was given");
  return given;
}

function keysOf(signers: readonly Signer[]): MetadataKey[] {
  const keys = signers.map(({ publicKey }) => metadataKeyOf(publicKey));
  return [...new Map(keys.map((key) => [key.keyId, key])).values()];
}

function delegatesTo(file: TargetsFile, keys: readonly MetadataKey[]): boolean {
  const { keyIds } = file.body.delegations!.succinct!;
  return keys.length === keyIds.length && keys.every(({ keyId }) => keyIds.includes(keyId));
}

async function writeTargets(draft: Draft, keys: readonly MetadataKey[]): Promise<Uint8Array | undefined> {
  const { root, before, entries, options } = draft;
  const { nowMs, lifetimes = SERVER_LIFETIMES, signers } = options;
  const old = before?.targets;
  const kept = old === undefined ? {} : keptNameDelegations(old.body.raw);
  const delegated = options.delegations === undefined ? kept : nameDelegationMembers(options.delegations);
  const renew =
    old === undefined ||
    encodeTufCanonical(delegated) !== encodeTufCanonical(kept) ||
    entries.rebinned ||
    !delegatesTo(old, keys) ||
    isDue(old.body.expiresMs, lifetimes.targetsMs, nowMs) ||
    !isStillSigned(() =>
      verifyTargets(
        old.bytes,
        "targets",
        { delegator: root, snapshot: before!.snapshot },
        0,
        rulesOf(options.verifier),
      ),
    );
  if (!renew) return undefined;
  const version = nextVersion(draft, "targets");
  const bins = { bitLength: entries.bitLength, keys };
  const body = targetsBody(version, nowMs + lifetimes.targetsMs, bins, delegated);
  return signBody("targets", body, signersFor("targets", root.body.roles.targets, signers), options.verifier);
}

function isStillSigned(verify: () => unknown): boolean {
  try {
    verify();
    return true;
  } catch (error) {
    if (error instanceof MetadataError) return false;
    throw error;
  }
}

/** Version, length and digest: for the two files of which there is one each. Bins have a version alone, for brevity. */
function fullMeta({ body, bytes }: MetadataFile): MetaFile {
  return { version: body.version, length: bytes.length, hashes: { sha256: encodeHex(sha256(bytes)) } };
}

function metaMember({ version, length, hashes }: MetaFile): JsonObject {
  return { version, ...(length === undefined ? {} : { length }), ...(hashes === undefined ? {} : { hashes }) };
}

function snapshotMeta(
  { root, before, former, entries }: Draft,
  bins: readonly Bin[],
  targets: TargetsFile,
): JsonObject {
  const meta = new Map<string, MetaFile>();
  // A listed file must stay listed (TUF 1.0 §5.5.5), bins of former numbers too, until clients drop the snapshot because
  // its keys are rotated.
  const forget = before !== undefined && rotatesOnlineKeys(before.root, root);
  for (const name of former?.files ?? []) meta.set(name, { version: former!.version + 1 });
  if (before !== undefined && !forget) for (const [name, one] of before.snapshot.body.meta) meta.set(name, one);
  meta.set("targets.json", fullMeta(targets));
  for (const [i, { version }] of bins.entries()) {
    meta.set(`${binName(BIN_PREFIX, entries.bitLength, i)}.json`, { version });
  }
  return Object.fromEntries([...meta].map(([name, one]) => [name, metaMember(one)]));
}

async function writeSnapshot(draft: Draft, meta: JsonObject): Promise<Uint8Array | undefined> {
  const { root, before, former, options } = draft;
  const { nowMs, lifetimes = SERVER_LIFETIMES, signers } = options;
  const old = before?.snapshot;
  const same =
    old !== undefined &&
    encodeTufCanonical(meta) === encodeTufCanonical(old.body.raw["meta"]!) &&
    !isDue(old.body.expiresMs, lifetimes.snapshotMs, nowMs) &&
    isStillSigned(() => readLocalSnapshot(old.bytes, root, rulesOf(options.verifier)));
  if (same) return undefined;
  const version = (old?.body.version ?? former?.version ?? 0) + 1;
  const body = { ...commonMembers("snapshot", version, nowMs + lifetimes.snapshotMs), meta };
  return signBody("snapshot", body, signersFor("snapshot", root.body.roles.snapshot, signers), options.verifier);
}

function writeTimestamp({ root, before, former, options }: Draft, snapshot: SnapshotFile): Promise<Uint8Array> {
  const { nowMs, lifetimes = SERVER_LIFETIMES, signers, log } = options;
  const old = before?.timestamp.body.raw[LOG_MEMBER];
  const binding = log === undefined ? old : writeLogBinding(log);
  const body: JsonObject = {
    ...commonMembers(
      "timestamp",
      (before?.timestamp.body.version ?? former?.version ?? 0) + 1,
      nowMs + lifetimes.timestampMs,
    ),
    meta: { "snapshot.json": metaMember(fullMeta(snapshot)) },
    ...(binding === undefined ? {} : { [LOG_MEMBER]: binding }),
  };
  return signBody("timestamp", body, signersFor("timestamp", root.body.roles.timestamp, signers), options.verifier);
}

async function write(draft: Draft, newRoot: boolean): Promise<RepositoryUpdate> {
  const { root, before, entries } = draft;
  const files = new Map<string, Uint8Array>();
  if (newRoot) files.set(metadataPath("root", root.body.version), root.bytes);
  const binSigners = binSignersOf(draft);
  const keys = keysOf(binSigners);
  const changedKeys = before !== undefined && !delegatesTo(before.targets, keys);
  // Bins signed by keys that are no longer delegated to are worth nothing.
  const plan = changedKeys
    ? { ...entries, bins: entries.bins.map(({ targets }) => ({ targets, kept: undefined })) }
    : entries;
  const whole = { ...draft, entries: plan };
  const { bins, files: binFiles } = await writeBins(whole, binSigners);
  for (const [path, bytes] of binFiles) files.set(path, bytes);
  const targetsBytes = await writeTargets(whole, keys);
  const targets = targetsBytes === undefined ? before!.targets : parseMetadata(targetsBytes, "targets");
  if (targetsBytes !== undefined) files.set(metadataPath("targets", targets.body.version), targetsBytes);
  const snapshotBytes = await writeSnapshot(whole, snapshotMeta(whole, bins, targets));
  const snapshot = snapshotBytes === undefined ? before!.snapshot : parseMetadata(snapshotBytes, "snapshot");
  if (snapshotBytes !== undefined) files.set(metadataPath("snapshot", snapshot.body.version), snapshotBytes);
  const timestampBytes = await writeTimestamp(whole, snapshot);
  files.set("timestamp.json", timestampBytes);
  const timestamp = parseMetadata(timestampBytes, "timestamp");
  const repository = { root, timestamp, snapshot, targets, bitLength: plan.bitLength, bins };
  return { repository, files, rebinned: entries.rebinned, writtenBins: binFiles.size };
}

/**
 * Makes the metadata of a repository for the first time.
 * @param options.root the signed root, version 1 or later
 * @param options.targets the files that it publishes
 * @param options.former what it takes the place of, where metadata was lost
 * @throws {MetadataError} `METADATA_INPUT_INVALID`, `METADATA_SIGNER_MISSING`, `METADATA_ROOT_UNTRUSTED`
 */
export async function createRepository(
  options: WriteOptions & {
    readonly root: Uint8Array;
    readonly targets: readonly TargetEntry[];
    readonly former?: FormerRepository | undefined;
  },
): Promise<RepositoryUpdate> {
  const root = readTrustedRoot(options.root, rulesOf(options.verifier));
  const entries = planBins(undefined, { ...options, put: options.targets, root: undefined });
  return write({ root, before: undefined, former: options.former, entries, options }, true);
}

/**
 * Changes files of a repository, signs again what is due, and moves the timestamp forward. With nothing to change it is the
 * hourly refresh. Only files that differ are made; the number of bins changes where their average leaves 16 to 64 entries.
 * @throws {MetadataError} `METADATA_INPUT_INVALID`, `METADATA_SIGNER_MISSING`, and those of a root that does not follow
 */
export async function updateRepository(before: Repository, options: UpdateOptions): Promise<RepositoryUpdate> {
  const root = options.root === undefined ? before.root : readTrustedRoot(options.root, rulesOf(options.verifier));
  if (root.body.version < before.root.body.version) {
    throw inputInvalid(`root ${root.body.version} is older than ${before.root.body.version}, which is in use`);
  }
  return write({ root, before, entries: planBins(before, options), options }, root !== before.root);
}

/**
 * Reads a repository that was stored, to update it. Everything is verified, expired or not.
 * @param options.root its newest root
 * @param options.read the file at a path below the metadata base; `undefined` where there is none
 * @param options.concurrency how many bins are read at a time; 1 unless given
 * @throws {MetadataError} `METADATA_MISSING`, and those of verification
 */
export async function loadRepository(options: {
  readonly root: Uint8Array;
  readonly read: (path: string) => Promise<Uint8Array | undefined>;
  readonly verifier?: Verifier | undefined;
  readonly concurrency?: number | undefined;
}): Promise<Repository> {
  const rules = rulesOf(options.verifier);
  const read = async (path: string): Promise<Uint8Array> => {
    const bytes = await options.read(path);
    if (bytes !== undefined) return bytes;
    throw new MetadataError({
      code: "METADATA_MISSING",
      message: `Cannot load the registry's metadata: "${path}" is missing`,
      file: path,
    });
  };
  const root = readTrustedRoot(options.root, rules);
  const timestamp = readLocalTimestamp(await read("timestamp.json"), root, rules);
  const snapshot = readLocalSnapshot(
    await read(metadataPath("snapshot", timestamp.body.snapshot.version)),
    root,
    rules,
  );
  const roleFile = async (role: string, delegator: RootFile | TargetsFile): Promise<TargetsFile> => {
    const bytes = await read(metadataPath(role, metaOf(snapshot, role).version));
    return verifyTargets(bytes, role, { delegator, snapshot }, 0, rules);
  };
  const targets = await roleFile("targets", root);
  const bitLength = targets.body.delegations?.succinct?.bitLength;
  if (bitLength === undefined) throw inputInvalid("the targets role has no bins");
  const bins = Array.from<Bin>({ length: 2 ** bitLength });
  const waiting = bins.keys();
  const readNext = async (): Promise<void> => {
    for (const i of waiting) {
      const { body } = await roleFile(binName(BIN_PREFIX, bitLength, i), targets);
      bins[i] = { version: body.version, expiresMs: body.expiresMs, targets: body.targets };
    }
  };
  await Promise.all(Array.from({ length: options.concurrency ?? 1 }, readNext));
  return { root, timestamp, snapshot, targets, bitLength, bins };
}

/** Every entry of a repository, in no particular order. */
export function* repositoryTargets(repository: Repository): Generator<TargetFile> {
  for (const { targets } of repository.bins) yield* targets.values();
}
