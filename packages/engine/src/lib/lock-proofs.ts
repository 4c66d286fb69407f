import { rm } from "node:fs/promises";
import type { Digest, Lockfile, LockPackage } from "@lading/core-manifest";
import type { InclusionProofs, RegistryClient, TrustReport, WantedProof } from "@lading/registry-client";
import type { PublishEvent } from "@lading/signing/log";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { displayPath, readTextIfExists, writeFileAtomic } from "./files.ts";
import { listedEntry } from "./publisher-history.ts";

const FORMAT = "lading-lock-proofs/1";

/** That one file of a locked package is in its registry's log (`docs/spec/lockfile.md` §Proofs). */
export interface StoredProof {
  readonly name: string;
  readonly version: string;
  readonly target: string;
  readonly checksum: Digest;
  /** Canonical URL. */
  readonly registry: string;
  /** Text form of the log's key. */
  readonly key: string;
  /** The checkpoint, verbatim. */
  readonly checkpoint: string;
  readonly index: number;
  /** The entry, verbatim. */
  readonly entry: string;
  /** From the leaf up, base64. */
  readonly hashes: readonly string[];
}

/** Path of the proofs that lie beside a lock. */
export function proofsPath(lockFile: string): string {
  return `${lockFile}.proofs`;
}

/** The bytes of the file of proofs: one package a line, so that branches merge. */
export function renderProofs(proofs: readonly StoredProof[]): string {
  const sorted = proofs.toSorted((left, right) => (sortKey(left) < sortKey(right) ? -1 : 1));
  const logs = [...new Set(sorted.map(({ registry, key, checkpoint }) => JSON.stringify([registry, key, checkpoint])))];
  const lines = sorted.map(({ registry, key, checkpoint, ...rest }) => {
    const log = logs.indexOf(JSON.stringify([registry, key, checkpoint]));
    return JSON.stringify({ ...rest, log });
  });
  const heads = logs.map((text) => {
    const [registry, key, checkpoint] = JSON.parse(text) as [string, string, string];
    return JSON.stringify({ registry, key, checkpoint });
  });
  return `{"format":"${FORMAT}",\n"logs":[\n${heads.join(",\n")}\n],\n"packages":[\n${lines.join(",\n")}\n]}\n`;
}

const sortKey = ({ name, version, target, registry }: StoredProof): string =>
  `${name}\n${version}\n${target}\n${registry}`;

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === "string";

function invalid(file: string, problem: string): EngineError {
  return new EngineError({
    code: "LOCK_PROOFS_INVALID",
    message: `Cannot read "${file}": ${problem}`,
    file,
  });
}

/**
 * Reads a file of proofs. Nothing is verified.
 * @throws {EngineError} `LOCK_PROOFS_INVALID`
 */
export function parseProofs(text: string, file: string): StoredProof[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid(file, "it is not JSON");
  }
  if (!isObject(value) || value["format"] !== FORMAT) throw invalid(file, `its format is not "${FORMAT}"`);
  const { logs, packages } = value;
  if (!Array.isArray(logs) || !Array.isArray(packages)) throw invalid(file, `it needs "logs" and "packages"`);
  return packages.map((item: unknown, i) =>
    readProof(item, logs as unknown[], (what) => invalid(file, `packages[${i}]: ${what}`)),
  );
}

function readProof(item: unknown, logs: readonly unknown[], fail: (problem: string) => EngineError): StoredProof {
  if (!isObject(item)) throw fail("it is not an object");
  const { name, version, target, checksum, index, entry, hashes } = item;
  const log = typeof item["log"] === "number" ? logs[item["log"]] : undefined;
  if (!isObject(log)) throw fail(`"log" names none of the logs`);
  const { registry, key, checkpoint } = log;
  if (!isText(registry) || !isText(key) || !isText(checkpoint)) throw fail("its log is damaged");
  if (!isText(name) || !isText(version) || !isText(target) || !isText(checksum) || !isText(entry)) {
    throw fail(`"name", "version", "target", "checksum" or "entry" is missing`);
  }
  if (typeof index !== "number" || !Number.isSafeInteger(index) || index < 0) throw fail(`"index" is no index`);
  if (!Array.isArray(hashes) || hashes.length > 64 || !hashes.every(isText)) throw fail(`"hashes" is damaged`);
  const proof = { name, version, target, checksum: checksum as Digest, registry, key, checkpoint, index, entry };
  return { ...proof, hashes };
}

/** The proofs beside a lock; none where there is no such file. */
export async function readStoredProofs(context: EngineContext, lockFile: string): Promise<StoredProof[]> {
  const file = proofsPath(lockFile);
  const text = await readTextIfExists(file);
  return text === undefined ? [] : parseProofs(text, displayPath(file, context.cwd));
}

/** A file of a locked package, as its publication is to be proven. */
interface LockedFile extends WantedProof {
  readonly blob: Digest;
}

const fileKey = ({ name, version, blob }: Pick<LockedFile, "name" | "version" | "blob">): string =>
  `${name} ${version} ${blob}`;

/**
 * Brings the proofs beside a lock up to date with it: those of packages that are new are asked for, in one request per
 * registry, verified and stored; those of packages that are gone go. Registries without a log have none.
 * @throws {RegistryClientError} `REGISTRY_LOG_ENTRY_MISSING`; {LogError} a proof that does not hold
 */
export async function updateLockProofs(context: EngineContext, lockFile: string, lock: Lockfile): Promise<void> {
  const known = new Map(
    (await readStoredProofs(context, lockFile)).map((one) => [fileKey({ ...one, blob: one.checksum }), one]),
  );
  const kept: StoredProof[] = [];
  const wanted = new Map<RegistryClient, LockedFile[]>();
  for (const entry of lock.packages) {
    const client = await clientOf(context, entry);
    if (client === undefined) continue;
    for (const file of await lockedFiles(client, entry, known)) {
      const proof = known.get(fileKey(file));
      if (proof !== undefined) kept.push(proof);
      else wanted.set(client, [...(wanted.get(client) ?? []), file]);
    }
  }
  const fresh = await Promise.all([...wanted].map(([client, files]) => proofsFrom(context, client, files)));
  const proofs = [...kept, ...fresh.flat()];
  const file = proofsPath(lockFile);
  if (proofs.length === 0) await rm(file, { force: true });
  else if (fresh.flat().length > 0 || kept.length < known.size) await writeFileAtomic(file, renderProofs(proofs));
}

async function clientOf(context: EngineContext, { source }: LockPackage): Promise<RegistryClient | undefined> {
  if (source !== undefined && source.type !== "registry") return undefined;
  const registries = await context.registries();
  if (source === undefined || context.registry !== undefined) return registries.default;
  return registries.clients.find(({ registry }) => registry.url === source.url);
}

/** The files of a locked package; which target a lone one is for, the index says, whose document was read to lock it. */
async function lockedFiles(
  client: RegistryClient,
  entry: LockPackage,
  known: ReadonlyMap<string, StoredProof>,
): Promise<LockedFile[]> {
  const { name, version } = entry;
  if (entry.artifacts !== undefined && entry.artifacts.length > 0) {
    return entry.artifacts.map(({ target, checksum, tree }) => ({ name, version, target, blob: checksum, tree }));
  }
  if (entry.checksum === undefined) return [];
  const stored = known.get(fileKey({ name, version, blob: entry.checksum }));
  if (stored !== undefined) return [{ name, version, target: stored.target, blob: entry.checksum, tree: entry.tree }];
  const document = await client.packageDocument(name);
  const artifact = document?.versions
    .find((one) => one.version === version)
    ?.artifacts.find(({ blob }) => blob === entry.checksum);
  return artifact === undefined
    ? []
    : [{ name, version, target: artifact.target, blob: entry.checksum, tree: entry.tree }];
}

async function proofsFrom(
  context: EngineContext,
  client: RegistryClient,
  files: readonly LockedFile[],
): Promise<StoredProof[]> {
  if (client.offline) return [];
  const found = await client.trust.proofs(files, { signal: context.signal });
  if (found === undefined) return [];
  for (const [i, file] of files.entries()) await requireListedEntry(client, file, found.proofs[i]!.index);
  return files.map((file, i) => stored(client, file, found, i));
}

/**
 * Demands that the entry of the log is the one that the index names: by that one it is judged whether the key that signed was
 * trusted yet, or still. An index that names an earlier one would have a revoked key count.
 * @throws {LogError} `LOG_INCLUSION_INVALID`
 */
async function requireListedEntry(client: RegistryClient, file: LockedFile, index: number): Promise<void> {
  const { name, version, blob } = file;
  const listed = await listedEntry(client, { name, version, checksum: blob });
  if (listed === undefined || listed === index) return;
  const { LogError } = await import("@lading/signing/log");
  throw new LogError({
    code: "LOG_INCLUSION_INVALID",
    message: `Cannot trust "${name}" ${version} from registry "${client.registry.name}": its index says that entry ${listed} of the log published it, and entry ${index} did`,
    hint: "An attack would look like this: the registry lets a key count that was revoked or replaced. Tell its operator and the package's owner",
    registry: client.registry.name,
    package: name,
    version,
  });
}

function stored(client: RegistryClient, file: LockedFile, found: InclusionProofs, i: number): StoredProof {
  const { name, version, target, blob } = file;
  const { index, entry, hashes } = found.proofs[i]!;
  return {
    name,
    version,
    target,
    checksum: blob,
    registry: client.registry.url,
    key: found.key,
    checkpoint: new TextDecoder().decode(found.checkpoint.bytes),
    index,
    entry: new TextDecoder().decode(entry),
    hashes: hashes.map((hash) => Buffer.from(hash).toString("base64")),
  };
}

/** A stored proof that holds. */
export interface VerifiedProof {
  readonly proof: StoredProof;
  readonly event: PublishEvent;
  /** Entries of the log that it was proven against. */
  readonly size: number;
  readonly origin: string;
}

/**
 * Verifies a stored proof without the network: the log's key signed the checkpoint, the entry leads to its root, and speaks
 * of the file.
 * @throws {LogError}
 */
export async function verifyStoredProof(proof: StoredProof): Promise<VerifiedProof> {
  const { checkInclusion, openCheckpoint, parseNoteKey } = await import("@lading/signing/log");
  const { nodeVerifier } = await import("@lading/signing/node");
  const { publicationOf } = await import("@lading/registry-client");
  const key = parseNoteKey(proof.key);
  const bytes = new TextEncoder().encode(proof.checkpoint);
  const checkpoint = openCheckpoint(bytes, { origin: key.name, keys: [key], verifier: nodeVerifier });
  const entry = new TextEncoder().encode(proof.entry);
  const hashes = proof.hashes.map((hash) => new Uint8Array(Buffer.from(hash, "base64")));
  checkInclusion(checkpoint, proof.index, entry, hashes);
  const { name, version, target, checksum } = proof;
  const event = await publicationOf(entry, { name, version, target, blob: checksum });
  return { proof, event, size: checkpoint.size, origin: key.name };
}

/**
 * Demands that a stored proof is by a key that its registry's log has or had, as far as this user knows the registry.
 * @throws {LogError} `LOG_CHECKPOINT_UNTRUSTED`
 */
export async function requireKnownKey(proof: StoredProof, report: TrustReport | undefined): Promise<void> {
  const log = report?.log;
  if (log === undefined || log.key === proof.key || log.formerKeys.includes(proof.key)) return;
  const { LogError } = await import("@lading/signing/log");
  throw new LogError({
    code: "LOG_CHECKPOINT_UNTRUSTED",
    message: `Cannot trust the proof of "${proof.name}" ${proof.version} beside the lock: it is by the key "${proof.key}", the log's is "${log.key}"`,
    package: proof.name,
    version: proof.version,
  });
}
