import { canonicalName, isLadingError, parsePackageName, type Digest, type Lockfile } from "@lading/core-manifest";
import type { InstallRecord } from "@lading/installer";
import type { RegistryClient, TrustReport } from "@lading/registry-client";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import {
  readStoredProofs,
  requireKnownKey,
  verifyStoredProof,
  type StoredProof,
  type VerifiedProof,
} from "./lock-proofs.ts";
import { listedEntry, publisherHistory } from "./publisher-history.ts";
import { openStored } from "./stored-registries.ts";

/** A registry that packages came from, and what it is trusted by. */
export interface RegistryLayer {
  readonly name: string;
  readonly url: string;
  /** `signed`: by its signed metadata; `unsigned`: it has none, or was never asked; `refused`: see `problem`. */
  readonly mode: "signed" | "unsigned" | "refused";
  readonly trust?: TrustReport;
  readonly problem?: string;
}

/** A change of a signing key since a package was signed. */
export interface KeyChangeLayer {
  readonly key: string;
  /** `rotation` or `recovery`. */
  readonly how: string;
  readonly previous: string;
  /** Entry of the log. */
  readonly entry: number;
}

/** Which layers held for an installed package. */
export interface PackageLayer {
  readonly name: string;
  readonly version: string;
  /** Address of the registry; `path`, `git` and the like for others. */
  readonly source: string;
  readonly tree?: Digest;
  /** Keys whose signatures were verified when it came; none where it is not signed. */
  readonly signers: readonly string[];
  /** The key that the lock has pinned. */
  readonly publisher?: string;
  /** The log entry that published it, proven by what lies beside the lock. */
  readonly log?: {
    readonly index: number;
    readonly origin: string;
    readonly size: number;
    readonly time: string;
    readonly actor?: string;
  };
  /** What became of its keys since. */
  readonly changes: readonly KeyChangeLayer[];
  /** The same in plain words. */
  readonly text: readonly string[];
}

/** Which layers held, without asking anybody. */
export interface TrustLayers {
  readonly registries: readonly RegistryLayer[];
  readonly layers: readonly PackageLayer[];
}

/**
 * Says of every installed package which layers hold: its bytes, who signed it, which entry of which log published it, and
 * which root vouches for the registry. Works from what is stored, without network.
 * @throws {LogError} a stored proof that does not hold; {EngineError} `PUBLISHER_KEY_REVOKED`, `LOCK_PROOFS_INVALID`
 */
export async function trustLayers(
  context: EngineContext,
  installed: {
    readonly records: readonly InstallRecord[];
    readonly lock: Lockfile | undefined;
    readonly lockFile: string;
  },
): Promise<TrustLayers> {
  const stored = await readStoredProofs(context, installed.lockFile);
  const opened = await openStored(
    context,
    installed.records.flatMap(({ source }) => (source.type === "registry" ? (source.url ?? []) : [])),
  );
  try {
    const registries = await Promise.all(opened.clients.map(registryLayer));
    const proofs = await knownProofs(stored, registries);
    const layers: PackageLayer[] = [];
    for (const record of installed.records) {
      const registry = registries.find(({ url }) => url === record.source.url);
      const client = opened.clients.find((one) => one.registry.url === record.source.url);
      layers.push(await packageLayer(context, record, { client, registry, lock: installed.lock, proofs }));
    }
    return { registries, layers };
  } finally {
    await opened.close();
  }
}

/**
 * The proofs by keys of logs that are known here. A key that stands in the file of proofs alone is nobody's: whoever wrote
 * the file could have made it, the log and the entry up.
 */
async function knownProofs(
  stored: readonly StoredProof[],
  registries: readonly RegistryLayer[],
): Promise<readonly StoredProof[]> {
  const known: StoredProof[] = [];
  for (const proof of stored) {
    const report = registries.find(({ url }) => url === proof.registry)?.trust;
    await requireKnownKey(proof, report);
    if (report?.log !== undefined) known.push(proof);
  }
  return known;
}

async function registryLayer({ registry: { name, url }, trust }: RegistryClient): Promise<RegistryLayer> {
  try {
    const report = await trust.report();
    return report === undefined ? { name, url, mode: "unsigned" } : { name, url, mode: "signed", trust: report };
  } catch (error) {
    if (!isLadingError(error)) throw error;
    return { name, url, mode: "refused", problem: error.message };
  }
}

async function packageLayer(
  context: EngineContext,
  record: InstallRecord,
  known: {
    readonly client: RegistryClient | undefined;
    readonly registry: RegistryLayer | undefined;
    readonly lock: Lockfile | undefined;
    readonly proofs: readonly StoredProof[];
  },
): Promise<PackageLayer> {
  const { client, registry, lock, proofs } = known;
  const { name, version, source, tree, signers } = record;
  const locked = lock?.packages.find((one) => fold(one.name) === fold(name) && one.version === version);
  // Another registry's log proves nothing of this one, whose revocations count.
  const stored = proofs.find(
    (one) =>
      one.registry === registry?.url &&
      fold(one.name) === fold(name) &&
      one.version === version &&
      one.checksum === record.checksum,
  );
  const proven = stored === undefined ? undefined : await verifyStoredProof(stored);
  const changes =
    client !== undefined && registry?.mode === "signed" ? await keyChanges(context, client, record, proven) : [];
  const facts = {
    name,
    version,
    source: source.type === "registry" && source.url !== undefined ? source.url : source.type,
    ...(tree === undefined ? {} : { tree }),
    signers,
    ...(locked?.publisher === undefined ? {} : { publisher: locked.publisher }),
    ...(proven === undefined ? {} : { log: logFacts(proven) }),
    changes,
  };
  return { ...facts, text: words(facts) };
}

const fold = (name: string): string => canonicalName(parsePackageName(name));

function logFacts({ proof, event, size, origin }: VerifiedProof): NonNullable<PackageLayer["log"]> {
  const { time, actor } = event;
  return { index: proof.index, origin, size, time, ...(actor === undefined ? {} : { actor }) };
}

/** What became of a package's keys, as far as the stored index says; a revoked key is refused. */
async function keyChanges(
  context: EngineContext,
  client: RegistryClient,
  { name, version, signers, checksum }: InstallRecord,
  proven: VerifiedProof | undefined,
): Promise<KeyChangeLayer[]> {
  if (signers.length === 0) return [];
  const { publicKeysOf } = await import("./signatures.ts");
  try {
    const history = await publisherHistory(context, client, name);
    if (history === undefined) return [];
    const begun = await publicKeysOf(client, history.first.length === 0 ? signers : history.first);
    const { keys } = await history.ledger(begun, []);
    // Without a proof, which whoever has the project can remove, the signed index says it.
    const index = proven?.proof.index ?? (await listedEntry(client, { name, version, checksum }));
    const ended = keys.find(
      ({ fingerprint, untilIndex }) =>
        index !== undefined && untilIndex !== undefined && untilIndex <= index && signers.includes(fingerprint),
    );
    if (ended !== undefined) throw revoked(name, version, ended.fingerprint, ended.untilIndex!, index!);
    return keys.flatMap(({ fingerprint, how, previous, fromIndex }) =>
      previous === undefined ? [] : [{ key: fingerprint, how, previous, entry: fromIndex }],
    );
  } catch (error) {
    // The stored index does not have the package any more; what was verified when it came stays verified.
    const code = isLadingError(error) ? error.code : undefined;
    if (code === "REGISTRY_OFFLINE" || code === "REGISTRY_TRUST_STALE") return [];
    throw error;
  }
}

function revoked(name: string, version: string, key: string, until: number, index: number): EngineError {
  return new EngineError({
    code: "PUBLISHER_KEY_REVOKED",
    message: `Cannot vouch for "${name}" ${version}: its key "${key}" is not trusted from entry ${until} of the log on, and this is entry ${index}`,
    package: name,
    key,
  });
}

function words(layer: Omit<PackageLayer, "text">): string[] {
  const { source, signers, publisher, log, changes } = layer;
  if (!source.includes("://")) return [`from ${source}, which no registry vouches for`];
  const pinned = publisher !== undefined && signers.includes(publisher) ? ", the key that the lock has pinned" : "";
  return [
    "bytes are those of the tree digest in the lock",
    signers.length === 0 ? "nobody signed it" : `signed by ${signers.join(" and ")}${pinned}`,
    ...changes.map(({ key, how, previous, entry }) => `${key} took the place of ${previous} by ${how}, entry ${entry}`),
    log === undefined
      ? "no proof of a log that is known here lies beside the lock"
      : `published ${log.time}${log.actor === undefined ? "" : ` by ${log.actor}`}, entry ${log.index} of ${log.origin}, proven against ${log.size} entries`,
  ];
}
