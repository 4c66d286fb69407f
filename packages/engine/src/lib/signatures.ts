import {
  canonicalName,
  isLadingError,
  parsePackageName,
  tryParseDigest,
  type Digest,
  type IndexArtifact,
  type IndexVersion,
  type LockPackage,
} from "@lading/core-manifest";
import type { RegistryClient, RegistryConfig } from "@lading/registry-client";
import type { SignatureRequirement, SignatureVerdict, TrustedKey } from "@lading/signing";
import type { NameDelegation } from "@lading/signing/metadata";
import path from "node:path";
import { delegatedKeys } from "./delegated-keys.ts";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { exists } from "./files.ts";
import { asFingerprint } from "./signer-text.ts";
import {
  holdSigners,
  ledgerKeys,
  predecessorsOf,
  publisherHistory,
  successorsOf,
  type HistorySource,
  type PublisherHistory,
} from "./publisher-history.ts";
import type { Project } from "./project.ts";

/** Who has statements and keys: a registry, which also knows what became of keys, or files in its place. */
export type StatementSource = Pick<RegistryClient, "statementOf" | "statement"> &
  Partial<HistorySource> &
  Partial<Pick<RegistryClient, "describe" | "registry">>;

/** What is to be verified before it is downloaded. */
export interface VerifyRequest {
  /** The registry that serves the package. */
  readonly client: StatementSource;
  /** Every registry whose policy counts, the one that the lock names first; see {@link policiesFor}. */
  readonly policies: readonly RegistryConfig[];
  readonly entry: IndexVersion;
  readonly artifact: IndexArtifact;
  readonly name: string;
  readonly version: string;
  /** Fingerprint that the lock has pinned. */
  readonly pinned: string | undefined;
  readonly requirement: SignatureRequirement;
}

/**
 * The registries whose policies count for a package: the one that the lock names, the one that serves the package, and,
 * where `--registry` puts another in the place of the default one, the default one. What a mirror is allowed to leave out
 * is not the mirror's to say.
 */
export function policiesFor(
  source: RegistryConfig | undefined,
  serving: RegistryConfig | undefined,
  replaced: RegistryConfig | undefined,
): RegistryConfig[] {
  const all = [source, serving, replaced].filter((one) => one !== undefined);
  return all.filter((one, index) => all.findIndex(({ name, url }) => name === one.name && url === one.url) === index);
}

/** What server, client and manifest together demand of signatures; the strictest wins. */
export async function signatureRequirement(
  context: EngineContext,
  policies: readonly RegistryConfig[],
  project: Project | undefined,
): Promise<SignatureRequirement> {
  const { strictestSignaturePolicy } = await import("@lading/signing");
  const settings = await context.settings();
  const manifests = project === undefined ? [] : [project.rootFile, ...project.members];
  const wish = (required: boolean | undefined, source: string) =>
    required === true ? { requirement: "required" as const, source } : undefined;
  return strictestSignaturePolicy([
    wish(settings.boolean("security.verify_signatures"), "setting security.verify_signatures"),
    ...policies.map(({ verifySignatures, name }) => wish(verifySignatures, `registry "${name}"`)),
    ...manifests.map(({ manifest, display }) => wish(manifest.security?.requireSignatures, `${display} [security]`)),
  ]).requirement;
}

/** File of the keys that this user trusts. */
export function trustFile(context: EngineContext): string {
  return path.join(context.directories.keys, "trusted.json");
}

/**
 * Verifies the statement of one artefact by the keys that count for it, before a byte of it is downloaded: the registry's
 * `public_keys` where it lists any, else the user's trusted keys and the key that the lock has pinned, or on first use the
 * key that the index names. The key that the lock has pinned must have signed in any case. Answers the fingerprints that
 * signed; none where it is unsigned and that is allowed.
 * @throws {EngineError} `SIGNATURE_REQUIRED`, `PUBLISHER_CHANGED`, `PUBLISHER_NOT_TRUSTED`, `PUBLISHER_NOT_DELEGATED`; {SigningError} what is wrong with the signature; {RegistryClientError} `REGISTRY_KEY_CHANGE_WITHHELD`
 */
export async function verifyStatement(context: EngineContext, request: VerifyRequest): Promise<readonly string[]> {
  const signers = await verifiedSigners(context, request);
  const { client, entry, name } = request;
  const source = signers.length === 0 ? undefined : historySource(client);
  const document = await source?.packageDocument(name, { signal: context.signal });
  if (source !== undefined && document !== undefined) await holdSigners(source, { document, entry }, signers);
  return signers;
}

async function verifiedSigners(context: EngineContext, request: VerifyRequest): Promise<readonly string[]> {
  const { artifact, client, requirement } = request;
  checkPublisher(request);
  if (requirement === "off") return artifact.statement === undefined ? unsigned(context, request) : [];
  const delegation = await delegationOf(request);
  if (artifact.statement === undefined) {
    if (delegation !== undefined) throw await notDelegated(request, delegation, "it is not signed");
    return unsigned(context, request);
  }
  const { verdictError } = await import("@lading/signing");
  const trusted = await trustedKeys(context, request);
  const source = historySource(client);
  const history = source && (await publisherHistory(context, source, request.name));
  const { keys, logIndex, followed } = await withHistory(history, trusted, request);
  const signed = { blob: artifact.blob, statement: artifact.statement };
  let envelope = await client.statementOf(signed, { signal: context.signal });
  let verdict = await judge(envelope, keys, request, { logIndex });
  if (!verdict.ok) {
    // What an earlier run has kept of a broken registry must not outlive the repair.
    envelope = await client.statementOf(signed, { signal: context.signal, refresh: true });
    verdict = await judge(envelope, keys, request, { logIndex });
  }
  if (!verdict.ok) {
    await refuseEnded(request, keys, logIndex);
    throw verdictError(verdict, `${request.name} ${request.version}`);
  }
  if (requirement === "required") await requireMetadata(request);
  const delegated = delegation === undefined ? [] : await checkDelegated(envelope, delegation, request);
  const signers = [...new Set([...verdict.signers, ...delegated])].sort();
  const { pinned } = request;
  if (pinned === undefined || verdict.signers.some((signer) => followed(pinned).has(signer))) return signers;
  // Whom the index names as signers is signed by nobody: only the pinned key's own signature keeps the lock's promise.
  const key = await registryKey(request, pinned);
  const kept =
    key === undefined
      ? undefined
      : await judge(envelope, await keysOf(keys, followed(pinned), key), request, { logIndex });
  if (kept?.ok !== true) throw publisherChanged(request, pinned, verdict.signers);
  return [...new Set([...signers, pinned])].sort();
}

/** The delegation that a version is held to: what was published before its name was delegated is held to none. */
async function delegationOf({ client, name, entry }: VerifyRequest): Promise<NameDelegation | undefined> {
  const delegation = await client.trust?.delegation(name);
  return delegation === undefined || Date.parse(entry.published) < delegation.sinceMs ? undefined : delegation;
}

/**
 * Demands the signatures of those that a name was delegated to: of enough of the keys that are named now, or were when the
 * version was published.
 * @returns fingerprints of those that have signed
 * @throws {EngineError} `PUBLISHER_NOT_DELEGATED`
 */
async function checkDelegated(
  envelope: Uint8Array,
  delegation: NameDelegation,
  request: VerifyRequest,
): Promise<readonly string[]> {
  const { threshold } = delegation;
  const counting = delegatedKeys(delegation, request.entry.published).map((publicKey): TrustedKey => ({ publicKey }));
  const verdict = await judge(envelope, counting, request, { threshold });
  if (!verdict.ok) throw await notDelegated(request, delegation, verdict.reason);
  return verdict.signers;
}

async function notDelegated(
  { name, version }: VerifyRequest,
  { pattern, keys, threshold }: NameDelegation,
  problem: string,
): Promise<EngineError> {
  const { fingerprint } = await import("@lading/signing");
  return new EngineError({
    code: "PUBLISHER_NOT_DELEGATED",
    message: `Cannot use "${name}" ${version}: ${problem}; its registry lets ${threshold} of ${keys.map((key) => `"${fingerprint(key)}"`).join(", ")} sign "${pattern}"`,
    package: name,
    pattern,
  });
}

/**
 * Signatures without signed metadata say who made a version, and not that it is the newest one that there is: who demands
 * signatures demands both.
 * @throws {EngineError} `REGISTRY_UNSIGNED`
 */
async function requireMetadata({ client, name }: VerifyRequest): Promise<void> {
  if (client.trust === undefined || (await client.trust.report()) !== undefined) return;
  throw new EngineError({
    code: "REGISTRY_UNSIGNED",
    message: `Cannot use "${name}": signatures are demanded, and its registry has no signed metadata`,
    package: name,
  });
}

function historySource(client: StatementSource): HistorySource | undefined {
  const { packageDocument, trust, offline, statement } = client;
  if (packageDocument === undefined || trust === undefined || offline === undefined) return undefined;
  return { packageDocument, trust, offline, statement };
}

/** Keys with the part of the log that each is trusted for, and those that followed by what was logged. */
async function withHistory(
  history: PublisherHistory | undefined,
  trusted: readonly TrustedKey[],
  request: VerifyRequest,
): Promise<{
  readonly keys: readonly TrustedKey[];
  readonly logIndex: number | undefined;
  readonly followed: (fingerprint: string) => ReadonlySet<string>;
}> {
  if (history === undefined) return { keys: trusted, logIndex: undefined, followed: (print) => new Set([print]) };
  const { fingerprint } = await import("@lading/signing");
  const { entry, artifact, version } = request;
  const offered = await Promise.all(entry.signers.map((print) => registryKey(request, asFingerprint(print))));
  const known = offered.filter((key) => key !== undefined).map(({ publicKey }) => publicKey);
  const ledger = await history.ledger(
    trusted.map(({ publicKey }) => publicKey),
    known,
  );
  const prints = trusted.map(({ publicKey }) => fingerprint(publicKey));
  return {
    keys: ledgerKeys(ledger, trusted, prints),
    logIndex: history.entryOf(version, entry.artifacts.indexOf(artifact)),
    followed: (print) => successorsOf(ledger, print),
  };
}

/** The keys of a chain; of one that is not among them, the key alone. */
async function keysOf(
  keys: readonly TrustedKey[],
  chain: ReadonlySet<string>,
  first: TrustedKey,
): Promise<readonly TrustedKey[]> {
  const { fingerprint } = await import("@lading/signing");
  const own = keys.filter(({ publicKey }) => chain.has(fingerprint(publicKey)));
  return own.length === 0 ? [first] : own;
}

/** @throws {EngineError} `PUBLISHER_KEY_REVOKED` where a signer's key had been replaced or revoked by then */
async function refuseEnded(
  { entry, name, version }: VerifyRequest,
  keys: readonly TrustedKey[],
  logIndex: number | undefined,
): Promise<void> {
  const { fingerprint } = await import("@lading/signing");
  const signers = new Set(entry.signers.map(asFingerprint));
  const ended = keys.find(
    ({ publicKey, untilIndex }) =>
      untilIndex !== undefined &&
      logIndex !== undefined &&
      untilIndex <= logIndex &&
      signers.has(fingerprint(publicKey)),
  );
  if (ended === undefined) return;
  throw keyEnded(name, version, fingerprint(ended.publicKey), ended.untilIndex!, logIndex!);
}

async function judge(
  envelope: Uint8Array,
  keys: readonly TrustedKey[],
  request: VerifyRequest,
  { logIndex, threshold }: { readonly logIndex?: number | undefined; readonly threshold?: number },
): Promise<SignatureVerdict> {
  const { entry, artifact, name, version } = request;
  const registry = await namesOf(request);
  const { blob, tree } = artifact;
  const subject = { name, version, kind: entry.kind, target: artifact.target, blob, tree };
  const { verifyEnvelope, createTrustPolicy } = await import("@lading/signing");
  const { nodeVerifier } = await import("@lading/signing/node");
  return verifyEnvelope(envelope, {
    policy: createTrustPolicy(keys, { threshold }),
    verifier: nodeVerifier,
    publishedMs: Date.parse(entry.published),
    ...(logIndex === undefined ? {} : { logIndex }),
    expect: registry === undefined ? subject : { ...subject, registry },
  });
}

/**
 * Which registries a statement may name: the one that the lock names, which a mirror stands in for, by its address, by the
 * one where it says that its index is, and by what its user calls it. Nothing is compared of files in a registry's place:
 * the lock's digests are what those are held to.
 */
async function namesOf({ client, policies }: VerifyRequest): Promise<((named: string) => boolean) | undefined> {
  const [source] = policies;
  if (source === undefined || client.describe === undefined) return undefined;
  const { namesRegistry } = await import("@lading/signing");
  const addresses = [source.url, ...source.aliases];
  if (client.registry?.url === source.url) addresses.push(...(await ownAddresses(client.describe, client.trust)));
  return (named) => addresses.some((address) => namesRegistry(named, address));
}

/**
 * Where a registry says that its index is: what is read is read from there, so that one that names another's address reads
 * that one's documents. Of a mirror, what it is a mirror of, but only where its user has given the root by which it is
 * trusted: that is the other's, which nobody else can answer with.
 */
async function ownAddresses(
  describe: RegistryClient["describe"],
  trust: RegistryClient["trust"] | undefined,
): Promise<string[]> {
  try {
    const { index, mirrorOf } = await describe();
    if (mirrorOf === undefined) return [index];
    const how = (await trust?.report())?.anchor.how;
    return how === undefined || how === "first-use" ? [index] : [index, mirrorOf];
  } catch (error) {
    if (isLadingError(error) && error.code === "REGISTRY_OFFLINE") return [];
    throw error;
  }
}

function keyEnded(name: string, version: string, key: string, until: number, leaf: number): EngineError {
  return new EngineError({
    code: "PUBLISHER_KEY_REVOKED",
    message: `Cannot use "${name}" ${version}: its key "${key}" is not trusted from entry ${until} of the log on, and this is entry ${leaf}`,
    package: name,
    key,
  });
}

/** Public keys by their fingerprints, from the registry; those that it does not have are left out. */
export async function publicKeysOf(
  client: Pick<StatementSource, "statement">,
  prints: readonly string[],
): Promise<Uint8Array[]> {
  const keys = await Promise.all(prints.map((print) => registryKey({ client }, print)));
  return keys.flatMap((key) => (key === undefined ? [] : [key.publicKey]));
}

/**
 * Fingerprints of a key, of those that took its place, and of those whose place it took, by what is in the registry's log:
 * an older version that is gone back to was signed by a key that this one followed, which it has signed itself.
 */
export async function followKey(
  context: EngineContext,
  client: RegistryClient,
  name: string,
  print: string,
): Promise<ReadonlySet<string>> {
  const history = await publisherHistory(context, client, name);
  const key = history === undefined ? undefined : await registryKey({ client }, print);
  if (history === undefined || key === undefined) return new Set();
  const after = successorsOf(await history.ledger([key.publicKey], []), print);
  const begun = await publicKeysOf(
    client,
    history.first.filter((one) => one !== print),
  );
  return new Set([...after, ...predecessorsOf(await history.ledger(begun, []), print)]);
}

function publisherChanged({ name, version }: VerifyRequest, pinned: string, signers: readonly string[]): EngineError {
  return new EngineError({
    code: "PUBLISHER_CHANGED",
    message: `Cannot use "${name}" ${version}: it is signed by "${signers.join('", "')}", the lock has pinned "${pinned}"`,
    hint: `If the owner changed the key on purpose, run update with --accept-publisher ${name}`,
    package: name,
    pinned,
    signers,
  });
}

function checkPublisher({ policies, entry, name, version }: VerifyRequest): void {
  for (const { trustedPublishers, name: registry } of policies) {
    if (trustedPublishers.length === 0) continue;
    if (entry.publisher !== undefined && trustedPublishers.includes(entry.publisher)) continue;
    throw new EngineError({
      code: "PUBLISHER_NOT_TRUSTED",
      message: `Cannot use "${name}" ${version}: it was published by "${entry.publisher ?? "unknown"}", trusted_publishers of registry "${registry}" allows ${trustedPublishers.map((one) => `"${one}"`).join(", ")}`,
    });
  }
}

/** The keys that count: those of the first registry that lists any. */
function listedKeys(policies: readonly RegistryConfig[]): readonly string[] {
  return policies.find(({ publicKeys }) => publicKeys.length > 0)?.publicKeys ?? [];
}

async function unsigned(context: EngineContext, request: VerifyRequest): Promise<readonly string[]> {
  const { name, version, requirement, pinned, policies } = request;
  // Who names keys for a package wants their signature: leaving it out must not be a way around them.
  const named = requirement !== "off" && (await userKeys(context, name)).decided;
  const needed = requirement === "required" || listedKeys(policies).length > 0 || named;
  if (needed || pinned !== undefined) {
    throw new EngineError({
      code: pinned === undefined ? "SIGNATURE_REQUIRED" : "PUBLISHER_CHANGED",
      message: `Cannot use "${name}" ${version}: it is not signed${pinned === undefined ? "" : `, and the lock has pinned "${pinned}"`}`,
      package: name,
    });
  }
  context.onEvent({
    type: "warning",
    code: "SIGNATURE_MISSING",
    message: `${name} ${version} is not signed; only its checksum was verified`,
  });
  return [];
}

async function trustedKeys(context: EngineContext, request: VerifyRequest): Promise<TrustedKey[]> {
  const { policies, entry, name, pinned } = request;
  const { isFingerprint, parsePublicKey } = await import("@lading/signing");
  const listed = listedKeys(policies);
  if (listed.length > 0) {
    const keys = await Promise.all(
      listed.map(async (text) =>
        isFingerprint(text) ? registryKey(request, text) : { publicKey: parsePublicKey(text).publicKey },
      ),
    );
    return keys.filter((key) => key !== undefined);
  }
  const { keys, decided } = await userKeys(context, name);
  const own = [...keys.values()];
  if (decided) return own;
  const wanted = pinned === undefined ? entry.signers.map(asFingerprint) : [pinned];
  const offered = await Promise.all(
    wanted.filter((print) => !keys.has(print)).map((print) => registryKey(request, print)),
  );
  return [...own, ...offered.filter((key) => key !== undefined)];
}

/**
 * The keys that this user trusts for a package. A user who has named keys for it (`decided`) trusts those and no key that
 * a registry offers.
 */
async function userKeys(
  context: EngineContext,
  name: string,
): Promise<{ readonly keys: ReadonlyMap<string, TrustedKey>; readonly decided: boolean }> {
  const file = trustFile(context);
  if (!(await exists(file))) return { keys: new Map(), decided: false };
  const { openTrustStore } = await import("@lading/signing/node");
  const { keys } = await openTrustStore(file).policyFor(name);
  return { keys, decided: [...keys.values()].some(({ names }) => names !== undefined) };
}

/**
 * A key by its fingerprint, from the registry: the key id is the SHA-256 of the key's SubjectPublicKeyInfo, so the
 * registry keeps it as a blob of that digest, and nobody can answer with another one.
 */
async function registryKey(
  { client }: { readonly client: Pick<StatementSource, "statement"> },
  print: string,
): Promise<TrustedKey | undefined> {
  const digest = tryParseDigest(`sha256:${print.slice("ed25519:".length)}`);
  if (digest === undefined) return undefined;
  const { fingerprint } = await import("@lading/signing");
  const spki = await keyBlob(client, digest);
  const publicKey = spki?.slice(-32);
  return publicKey !== undefined && fingerprint(publicKey) === print ? { publicKey } : undefined;
}

/** A registry that does not have a signer's key leaves the signature unverifiable, which the verdict then says. */
async function keyBlob(client: Pick<StatementSource, "statement">, digest: Digest): Promise<Uint8Array | undefined> {
  try {
    return await client.statement(digest);
  } catch (error) {
    if (isLadingError(error) && error.code === "DOWNLOAD_NOT_FOUND") return undefined;
    throw error;
  }
}

/** A package that the store has, with who was found to have signed it when it came. */
export interface StoredSignature {
  readonly entry: LockPackage;
  readonly signers: readonly string[];
  /** The registries whose policies count, as far as `registries.toml` says more of them than their addresses. */
  readonly policies: readonly RegistryConfig[];
}

/**
 * Whether the statement of a stored package must be looked at again: it was verified by what another project, or this one
 * at another time, demanded, and now somebody demands what that does not answer.
 */
export async function needsVerification(
  context: EngineContext,
  project: Project,
  { entry, signers, policies }: StoredSignature,
): Promise<boolean> {
  if (entry.publisher !== undefined && !signers.includes(entry.publisher)) return true;
  // The store knows keys, not accounts.
  if (policies.some(({ trustedPublishers }) => trustedPublishers.length > 0)) return true;
  const requirement = await signatureRequirement(context, policies, project);
  if (requirement === "required" && signers.length === 0) return true;
  const decisive = await decisiveKeys(context, policies, entry.name);
  return decisive !== undefined && !signers.some((signer) => decisive.has(signer));
}

async function decisiveKeys(
  context: EngineContext,
  policies: readonly RegistryConfig[],
  name: string,
): Promise<ReadonlySet<string> | undefined> {
  const listed = listedKeys(policies);
  if (listed.length > 0) {
    const { fingerprint, isFingerprint, parsePublicKey } = await import("@lading/signing");
    return new Set(listed.map((text) => (isFingerprint(text) ? text : fingerprint(parsePublicKey(text).publicKey))));
  }
  const { keys, decided } = await userKeys(context, name);
  return decided ? new Set(keys.keys()) : undefined;
}

/** Fingerprints of the keys that somebody here has named: the registry's configuration for it, else the user for anything. */
export async function namedKeys(
  context: EngineContext,
  policies: readonly RegistryConfig[],
  name: string,
): Promise<ReadonlySet<string>> {
  const decisive = await decisiveKeys(context, policies, name);
  return decisive ?? new Set((await userKeys(context, name)).keys.keys());
}

/**
 * Holds what a package file says it is against what was asked for: an index that lists the content of an old version
 * under a new number would else roll a package back, or swap it for another, with content that is in the store and was
 * verified long ago.
 * @throws {EngineError} `PACKAGE_MISMATCH`
 */
export function checkIdentity(wanted: PackageIdentity, found: PackageIdentity): void {
  if (fold(found.name) === fold(wanted.name) && found.version === wanted.version) return;
  throw new EngineError({
    code: "PACKAGE_MISMATCH",
    message: `Cannot use "${wanted.name}" ${wanted.version}: the package file that is listed for it is "${found.name}" ${found.version}`,
    hint: "Tell the registry's operator: its index lists one package as another",
    package: wanted.name,
    found: found.name,
    foundVersion: found.version,
  });
}

interface PackageIdentity {
  readonly name: string;
  readonly version: string;
}

const fold = (name: string): string => canonicalName(parsePackageName(name));
