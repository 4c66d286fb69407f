import { isLadingError, type IndexVersion } from "@lading/core-manifest";
import type { PlannedPackage, Store } from "@lading/installer";
import type { RegistryClient } from "@lading/registry-client";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
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
}

type OpenStored = (context: EngineContext, urls: Iterable<string>) => Promise<KnownRegistries>;

/** What of a plan comes from the store, was signed, and was not verified anew by this installation. */
export function storedPackages(
  planned: readonly PlannedPackage[],
  store: Store,
  verified: ReadonlySet<PlannedPackage>,
): StoredPackage[] {
  return planned.flatMap((one) => {
    const { source, tree } = one;
    if (source.type !== "registry" || source.url === undefined || tree === undefined || verified.has(one)) return [];
    return (store.get(tree)?.signers ?? []).length === 0 ? [] : [{ planned: one, registry: source.url }];
  });
}

/**
 * Holds packages of the store to what their registries have stated since they came: a key that was revoked before it signed
 * them, a version that was taken down. Asks nobody while the state that is stored has not expired; then the registry is
 * asked once, and where it does not answer, what it stated last counts, with a warning.
 * @throws {EngineError} `PUBLISHER_KEY_REVOKED`, `VERSION_REMOVED`
 */
export async function refuseWithdrawn(
  context: EngineContext,
  packages: readonly StoredPackage[],
  open: OpenStored = async (...given) => (await import("./stored-registries.ts")).openStored(...given),
): Promise<void> {
  if (packages.length === 0) return;
  const stored = await open(
    context,
    packages.map(({ registry }) => registry),
  );
  try {
    for (const client of stored.clients) {
      const own = packages.filter(({ registry }) => registry === client.registry.url);
      const fresh = await renewed(context, client);
      if (fresh !== undefined) await refuseFrom(context, fresh, own);
    }
  } finally {
    await stored.close();
  }
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
): Promise<void> {
  await Promise.all(
    packages.map(async ({ planned }) => {
      const { name, version } = planned.lock;
      const found = await entryOf(context, client, name, version);
      if (found === undefined) return;
      if (found.entry.status === "removed") throw removed(name, found.entry);
      const { refuseEndedKey, revocationsOf } = await import("./revocations.ts");
      const ended = (await revocationsOf(context, client, found.document))(found.entry);
      if (ended !== undefined) refuseEndedKey(name, version, ended);
    }),
  );
}

async function entryOf(context: EngineContext, client: RegistryClient, name: string, version: string) {
  try {
    const document = await client.packageDocument(name, { signal: context.signal });
    const entry = document?.versions.find((one) => one.version === version);
    return document === undefined || entry === undefined ? undefined : { document, entry };
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
