import { isLadingError, type IndexVersion, type LadingError } from "@lading/core-manifest";
import type { PlannedPackage, Store } from "@lading/installer";
import type { RegistryClient } from "@lading/registry-client";
import type { NameDelegation } from "@lading/signing/metadata";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { trustDirectory } from "./configured-registries.ts";
import { delegatedKeys } from "./delegated-keys.ts";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { hasErrno, readTextIfExists } from "./files.ts";
import type { KnownRegistries } from "./stored-registries.ts";

/** Nothing is stored of a package or its registry, or it is too old to go by: nothing later is known of it. */
const UNKNOWN: ReadonlySet<string> = new Set(["REGISTRY_OFFLINE", "REGISTRY_TRUST_STALE"]);

/** Whether a registry does not answer, not to this user, or with nothing newer: what it stated last still counts. */
function isSilent(error: unknown): boolean {
  if (!isLadingError(error)) return false;
  return error.category === "io" || error.category === "auth" || error.code === "METADATA_EXPIRED";
}

/** A package that is installed from the store, without its registry having been asked about it. */
export interface StoredPackage {
  readonly planned: PlannedPackage;
  /** Address of its registry. */
  readonly registry: string;
  /** Fingerprints that were found to have signed it; none where it is not signed. */
  readonly signers: readonly string[];
}

type OpenStored = (context: EngineContext, urls: Iterable<string>) => Promise<KnownRegistries>;

/** What of a plan comes from the store, and was not verified anew by this installation. */
export function storedPackages(
  planned: readonly PlannedPackage[],
  store: Store,
  verified: ReadonlySet<PlannedPackage>,
): StoredPackage[] {
  return planned.flatMap((one) => {
    const { source, tree } = one;
    if (source.type !== "registry" || source.url === undefined || tree === undefined || verified.has(one)) return [];
    return [{ planned: one, registry: source.url, signers: store.get(tree)?.signers ?? [] }];
  });
}

/**
 * Holds packages of the store to what their registries have stated since they came: a key that was revoked before it signed
 * them, a version that was taken down, a name that was delegated. Asks nobody while the state that is stored has not expired;
 * then the registry is asked once, and where it does not answer, what it stated last counts, with a warning.
 * @returns the packages whose statements must be looked at again: their names are delegated to others than those who are
 * known to have signed them
 * @throws {EngineError} `PUBLISHER_KEY_REVOKED`, `VERSION_REMOVED`
 */
export async function refuseWithdrawn(
  context: EngineContext,
  packages: readonly StoredPackage[],
  open: OpenStored = async (...given) => (await import("./stored-registries.ts")).openStored(...given),
): Promise<readonly PlannedPackage[]> {
  // Hardly any registry delegates names, and to open one takes longer than to install what is stored.
  const judged = (await isAnyDelegated(context)) ? packages : packages.filter(({ signers }) => signers.length > 0);
  if (judged.length === 0) return [];
  const stored = await open(
    context,
    judged.map(({ registry }) => registry),
  );
  try {
    const others: PlannedPackage[] = [];
    for (const client of stored.clients) {
      const own = judged.filter(({ registry }) => registry === client.registry.url);
      const fresh = await renewed(context, client);
      if (fresh !== undefined) others.push(...(await refuseFrom(context, fresh, own)));
    }
    return others;
  } finally {
    await stored.close();
  }
}

/** Whether what is stored of any registry names those who may sign some packages: looked for, not read. */
async function isAnyDelegated(context: EngineContext): Promise<boolean> {
  const root = path.join(trustDirectory(context), "v1");
  const registries = await readdir(root).catch((error: unknown) => {
    if (hasErrno(error, "ENOENT")) return [];
    throw error;
  });
  const files = registries.map((one) => readTextIfExists(path.join(root, one, "tuf.targets")));
  return (await Promise.all(files)).some((text) => text?.includes('"x-lading-publishers"') === true);
}

/** The client to ask of a registry's statements: the one of the store, unless what it has expired. */
async function renewed(context: EngineContext, stored: RegistryClient): Promise<RegistryClient | undefined> {
  const expires = await expiryOf(stored);
  // A registry without signed metadata has no log in which a revocation could count.
  if (expires === undefined) return undefined;
  if (context.offline || expires > context.now()) return stored;
  const online = (await context.registries()).clients.find(({ registry }) => registry.url === stored.registry.url);
  if (online === undefined) return stored;
  try {
    await online.trust.report({ signal: context.signal });
    return online;
  } catch (error) {
    if (!isSilent(error)) throw error;
    const since = new Date(expires).toISOString().slice(0, 16).replace("T", " ");
    context.onEvent({
      type: "warning",
      code: "REVOCATIONS_UNKNOWN",
      message: `Registry "${stored.registry.name}" has nothing newer to say, and what it stated expired on ${since} UTC: keys that were revoked since are not seen`,
    });
    return stored;
  }
}

/** When what is stored of a registry expires, milliseconds; `undefined` where nothing is known of it. */
async function expiryOf({ trust }: RegistryClient): Promise<number | undefined> {
  try {
    const report = await trust.report();
    return report === undefined ? undefined : Date.parse(report.expires);
  } catch (error) {
    if (isLadingError(error) && error.code === "REGISTRY_TRUST_STALE") return 0;
    if (isLadingError(error) && UNKNOWN.has(error.code)) return undefined;
    throw error;
  }
}

async function refuseFrom(
  context: EngineContext,
  client: RegistryClient,
  packages: readonly StoredPackage[],
): Promise<PlannedPackage[]> {
  const judged = await Promise.all(
    packages.map(async ({ planned, signers }) => {
      const { name, version } = planned.lock;
      const delegation = await knownOf(() => client.trust.delegation(name, { signal: context.signal }));
      if (signers.length === 0 && delegation === undefined) return [];
      const found = await entryOf(context, client, { name, version, signers });
      if (found === undefined) return [];
      if (found.entry.status === "removed") throw removed(name, found.entry);
      const { refuseEndedKey, revocationsOf } = await import("./revocations.ts");
      const ended = (await revocationsOf(context, client, found.document))(found.entry);
      if (ended !== undefined) refuseEndedKey(name, version, ended);
      return delegation === undefined || (await isSignedFor(delegation, found.entry, signers)) ? [] : [planned];
    }),
  );
  return judged.flat();
}

/** Whether enough of those that a name was delegated to are known to have signed a version, where it is held to them. */
async function isSignedFor(
  delegation: NameDelegation,
  { published }: IndexVersion,
  signers: readonly string[],
): Promise<boolean> {
  if (Date.parse(published) < delegation.sinceMs) return true;
  const { fingerprint } = await import("@lading/signing");
  const counting = delegatedKeys(delegation, published).map(fingerprint);
  return new Set(counting.filter((print) => signers.includes(print))).size >= delegation.threshold;
}

interface WantedEntry {
  readonly name: string;
  readonly version: string;
  /** Fingerprints that were found to have signed it. */
  readonly signers: readonly string[];
}

/** What is stated of a version, held to what is known of changes of the keys that have signed it. */
async function entryOf(context: EngineContext, client: RegistryClient, wanted: WantedEntry) {
  const read = async (from: RegistryClient) => {
    const { name, version, signers } = wanted;
    const document = await from.packageDocument(name, { signal: context.signal });
    const entry = document?.versions.find((one) => one.version === version);
    if (document === undefined || entry === undefined) return undefined;
    const { holdSigners } = await import("./publisher-history.ts");
    await holdSigners(from, { document, entry }, signers);
    return { document, entry };
  };
  try {
    return await read(client);
  } catch (error) {
    if (!isLadingError(error) || !UNKNOWN.has(error.code)) throw error;
    const online = isSuperseded(error) ? await onlineOf(context, client) : undefined;
    return online && (await unlessSilent(() => read(online)));
  }
}

async function unlessSilent<T>(read: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isSilent(error)) return undefined;
    throw error;
  }
}

/** Whether a document is stored, of before a change of a key that is known by now. */
const isSuperseded = ({ details }: LadingError): boolean => details["superseded"] === true;

async function onlineOf(context: EngineContext, { registry }: RegistryClient): Promise<RegistryClient | undefined> {
  if (context.offline) return undefined;
  return (await context.registries()).clients.find((one) => one.registry.url === registry.url);
}

/** What is known, where something is stored that may be gone by. */
async function knownOf<T>(read: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isLadingError(error) && UNKNOWN.has(error.code)) return undefined;
    throw error;
  }
}

function removed(name: string, { version, reason }: IndexVersion): EngineError {
  return new EngineError({
    code: "VERSION_REMOVED",
    message: `Cannot install "${name}" ${version}: its registry has taken it down${reason === undefined ? "" : ` (${reason})`}`,
    hint: `Run "update ${name}" to lock another version`,
    package: name,
    version,
  });
}
