import {
  compareVersions,
  digestHex,
  indexDocumentPath,
  isPrerelease,
  canonicalName,
  parsePackageName,
  parseVersion,
  type Digest,
  type IndexArtifact,
  type IndexDocument,
  type IndexVersion,
  type PackageName,
  type VersionStatus,
} from "@lading/core-manifest";
import { encodeRecord } from "@lading/archive";
import type { InspectedPackage } from "@lading/archive/node";
import {
  PUBLIC_KEY_BYTES,
  createTrustPolicy,
  decodeEnvelope,
  namesRegistry,
  fingerprint,
  spkiOf,
  verifyEnvelope,
  type Verifier,
} from "@lading/signing";
import type { LogEvent, LoggedArtifact } from "@lading/signing/log";
import { nameDelegationFor, readNameDelegations, type NameDelegation } from "@lading/signing/metadata";
import { maintain, timeText, type Maintained, type RegistryChange, type StaticRegistryOptions } from "./maintain.ts";
import { blobPath, readDocument, sha256, type RegistryState } from "./state.ts";
import { StaticRegistryError } from "./static-error.ts";
import type { PlacedFile } from "./store.ts";

/** A package file to publish. */
export interface StaticPublication {
  /** The file on disk. */
  readonly file: string;
  /** What the strict reader said of that file. */
  readonly inspected: InspectedPackage;
  /** Its statement's envelope. */
  readonly statement?: Uint8Array | undefined;
  /** 32-byte public keys that may sign it, beside those that signed the package before. */
  readonly publicKeys?: readonly Uint8Array[] | undefined;
  /** Addresses that readers use, where they are known: a statement that names another registry was not made for this one. */
  readonly addresses?: readonly string[] | undefined;
  /** Take a signature by none of the keys that signed the package before. */
  readonly acceptKey?: boolean | undefined;
}

/** What became of one publication. */
export interface StaticPublished {
  readonly outcome: "created" | "exists";
  readonly name: string;
  readonly version: string;
  readonly kind: string;
  readonly target: string;
  readonly blob: Digest;
  readonly size: number;
  readonly tree: Digest;
  readonly signers: readonly string[];
}

interface Draft {
  readonly files: PlacedFile[];
  readonly documents: Map<string, IndexDocument>;
  readonly events: LogEvent[];
}

interface Verified {
  readonly signers: readonly string[];
  readonly publicKeys: readonly Uint8Array[];
}

/** An Ed25519 public key as SubjectPublicKeyInfo (RFC 8410): 12 bytes of head, and the key. */
const SPKI_BYTES = 44;

const shown = ({ inspected }: StaticPublication): string =>
  `"${inspected.record.manifest.name}" ${inspected.record.manifest.version}`;

function refusedStatement(publication: StaticPublication, problem: string): StaticRegistryError {
  return new StaticRegistryError({
    code: "STATIC_STATEMENT_REFUSED",
    message: `Cannot publish ${shown(publication)}: ${problem}`,
  });
}

/** Public keys of those that signed the package before, which are blobs under their key ids. */
async function knownKeys(state: RegistryState, document: IndexDocument | undefined): Promise<Uint8Array[]> {
  const signers = new Set(document?.versions.flatMap((version) => version.signers));
  const keys: Uint8Array[] = [];
  for (const signer of signers) {
    const bytes = await state.read(`blobs/sha256/${signer.replace("ed25519:", "")}`);
    // Whoever may write to the place could put another key there; its name is its digest.
    if (bytes?.length === SPKI_BYTES && `ed25519:${digestHex(sha256(bytes))}` === signer)
      keys.push(bytes.subarray(SPKI_BYTES - PUBLIC_KEY_BYTES));
  }
  return keys;
}

interface Judged {
  readonly verdict: ReturnType<typeof verifyEnvelope>;
  /** By fingerprint, the keys that could have signed. */
  readonly keys: ReadonlyMap<string, Uint8Array>;
}

/** What a publication's statement says of its bytes, and whether enough of some keys have signed it. */
function judge(
  { statement, inspected, addresses = [] }: StaticPublication,
  publicKeys: readonly Uint8Array[],
  { threshold, verifier }: { readonly threshold?: number | undefined; readonly verifier: Verifier | undefined },
): Judged {
  const { record, blob, tree } = inspected;
  const { name, version } = record.manifest;
  const manifestDigest = sha256(encodeRecord(record));
  const expect = { name, version, kind: record.kind, target: record.target, blob, tree, manifestDigest };
  const registry = (named: string): boolean => addresses.some((address) => namesRegistry(named, address));
  const policy = createTrustPolicy(
    publicKeys.map((publicKey) => ({ publicKey })),
    { threshold },
  );
  const verdict = verifyEnvelope(statement, {
    policy,
    expect: addresses.length === 0 ? expect : { ...expect, registry },
    verifier,
  });
  return { verdict, keys: new Map(publicKeys.map((publicKey) => [fingerprint(publicKey), publicKey])) };
}

function verifiedBy(signers: readonly string[], keys: ReadonlyMap<string, Uint8Array>): Verified {
  return { signers, publicKeys: signers.map((signer) => keys.get(signer)!) };
}

/** The signature of a publication, by a key that is given or that signed the package before. */
async function verifyStatement(
  publication: StaticPublication,
  state: RegistryState,
  document: IndexDocument | undefined,
  verifier: Verifier | undefined,
): Promise<Verified> {
  const { statement, publicKeys = [], acceptKey } = publication;
  const known = [...(await knownKeys(state, document)), ...publicKeys];
  if (known.length === 0) {
    const [first] = decodeEnvelope(statement!).envelope.signatures;
    throw refusedStatement(publication, `no key is known for it; it is signed by "ed25519:${first?.keyid}"`);
  }
  const { verdict, keys } = judge(publication, known, { verifier });
  if (!verdict.ok) throw refusedStatement(publication, verdict.reason);
  const before = document?.versions.flatMap(({ signers }) => signers) ?? [];
  if (before.length > 0 && acceptKey !== true && !verdict.signers.some((signer) => before.includes(signer))) {
    throw new StaticRegistryError({
      code: "STATIC_PUBLISHER_CHANGED",
      message: `Cannot publish ${shown(publication)}: it is signed by "${verdict.signers[0]}", earlier versions by "${before[0]}"`,
      signers: verdict.signers,
    });
  }
  return verifiedBy(verdict.signers, keys);
}

/** The signatures of a publication whose name was delegated: those that the delegation names, and nobody else's. */
function verifyDelegated(
  publication: StaticPublication,
  { pattern, keys: delegated, threshold }: NameDelegation,
  verifier: Verifier | undefined,
): Verified {
  const refuse = (problem: string): StaticRegistryError =>
    new StaticRegistryError({
      code: "STATIC_NOT_DELEGATED",
      message: `Cannot publish ${shown(publication)}: ${problem}; packages "${pattern}" are signed by ${threshold} of ${delegated.map((key) => `"${fingerprint(key)}"`).join(", ")}`,
      pattern,
    });
  if (publication.statement === undefined) throw refuse("it is not signed");
  const { verdict, keys } = judge(publication, delegated, { threshold, verifier });
  if (!verdict.ok) throw refuse(verdict.reason);
  return verifiedBy(verdict.signers, keys);
}

async function signatureOf(
  publication: StaticPublication,
  state: RegistryState,
  document: IndexDocument | undefined,
  options: StaticRegistryOptions,
): Promise<Verified | undefined> {
  const { trust } = options;
  const delegations = readNameDelegations(state.repository.targets.body.raw);
  const delegation = nameDelegationFor(delegations, publication.inspected.record.manifest.name);
  if (delegation !== undefined) return verifyDelegated(publication, delegation, trust.verifier);
  if (publication.statement !== undefined) return verifyStatement(publication, state, document, trust.verifier);
  const signedBefore = document?.versions.some(({ signers }) => signers.length > 0) === true;
  if (trust.settings.signatures === "optional" && !signedBefore) return undefined;
  throw new StaticRegistryError({
    code: "STATIC_SIGNATURE_REQUIRED",
    message: `Cannot publish ${shown(publication)}: it is not signed, and ${signedBefore ? "earlier versions are" : "the registry takes signed packages only"}`,
  });
}

/** The same content again changes nothing; other content under one version and target is refused. */
function existing(publication: StaticPublication, entry: IndexVersion | undefined): boolean {
  const { record, tree } = publication.inspected;
  const artifact = entry?.artifacts.find(({ target }) => target === record.target);
  if (entry !== undefined && entry.kind === record.kind && artifact?.tree === tree) return true;
  if (entry === undefined || (entry.kind === record.kind && artifact === undefined)) return false;
  throw new StaticRegistryError({
    code: "STATIC_VERSION_EXISTS",
    message: `Cannot publish ${shown(publication)}: it is published with other content`,
    version: entry.version,
  });
}

function entryOf(
  { inspected: { record } }: StaticPublication,
  artifacts: readonly IndexArtifact[],
  facts: { readonly published: string; readonly signers: readonly string[]; readonly publisher?: string | undefined },
): IndexVersion {
  const { manifest, kind } = record;
  return {
    schema: 1,
    version: manifest.version,
    kind,
    artifacts,
    dependencies: manifest.dependencies ?? [],
    features: manifest.features ?? {},
    ...(manifest.exclusiveFeatures === undefined ? {} : { exclusiveFeatures: manifest.exclusiveFeatures }),
    hosts: manifest.hosts ?? {},
    published: facts.published,
    status: "active",
    ...(manifest.license === undefined ? {} : { license: manifest.license }),
    signers: facts.signers,
    ...(facts.publisher === undefined ? {} : { publisher: facts.publisher }),
  };
}

/** Highest active release, else highest active, else highest of all: what a bare request means. */
function latestOf(versions: readonly IndexVersion[]): string {
  const descending = versions.toReversed();
  const choosable = descending.filter(({ status }) => status === "active" || status === "deprecated");
  const best = choosable.find(({ version }) => !isPrerelease(parseVersion(version))) ?? choosable[0] ?? descending[0];
  return best!.version;
}

function withVersion(
  name: string,
  document: IndexDocument | undefined,
  change: (versions: readonly IndexVersion[]) => readonly IndexVersion[],
): IndexDocument {
  const versions = [...change(document?.versions ?? [])].sort((left, right) =>
    compareVersions(parseVersion(left.version), parseVersion(right.version)),
  );
  const latest = versions.length === 0 ? {} : { latest: latestOf(versions) };
  return {
    ...(document ?? { schema: 1, name }),
    sequence: (document?.sequence ?? 0) + 1,
    channels: { ...document?.channels, ...latest },
    versions,
  };
}

function addPublication(
  draft: Draft,
  publication: StaticPublication,
  document: IndexDocument | undefined,
  signature: Verified | undefined,
  facts: { readonly time: string; readonly publisher?: string | undefined },
): void {
  const { inspected, statement, file } = publication;
  const { record, blob, size, tree } = inspected;
  const { name, version } = record.manifest;
  const canonical = canonicalName(parsePackageName(name));
  const beside = statement === undefined ? {} : { statement: "beside" as const };
  const artifact: IndexArtifact = { target: record.target, blob, size, tree, ...beside };
  const { time, publisher } = facts;
  const signers = signature?.signers ?? [];
  const entry = entryOf(publication, [artifact], { published: time, signers, publisher });
  const next = withVersion(name, document, (versions) => {
    const old = versions.find((one) => one.version === version);
    const merged =
      old === undefined
        ? entry
        : {
            ...old,
            artifacts: [...old.artifacts, artifact],
            signers: [...new Set([...old.signers, ...signers])].sort(),
          };
    return [...versions.filter((one) => one !== old), merged];
  });
  draft.documents.set(indexDocumentPath(parsePackageName(name)), next);
  draft.files.push({ path: blobPath(blob), content: { file } });
  if (statement !== undefined) draft.files.push({ path: `${blobPath(blob)}.sig`, content: statement });
  for (const key of signature?.publicKeys ?? [])
    draft.files.push({ path: blobPath(sha256(spkiOf(key))), content: spkiOf(key) });
  const logged: LoggedArtifact = {
    target: record.target,
    blob,
    tree,
    ...(statement === undefined ? {} : { envelope: sha256(statement) }),
    ...(signers.length === 0 ? {} : { signers: [...signers].sort() }),
  };
  const actor = publisher === undefined ? {} : { actor: publisher };
  draft.events.push({
    type: "publish",
    time,
    ...actor,
    name: canonical,
    version,
    kind: record.kind,
    artifacts: [logged],
  });
}

async function currentDocument(
  draft: Draft,
  state: RegistryState,
  name: PackageName,
): Promise<IndexDocument | undefined> {
  return draft.documents.get(indexDocumentPath(name)) ?? readDocument(state, name);
}

function changeOf({ files, documents, events }: Draft, message: string): RegistryChange | undefined {
  return events.length === 0 ? undefined : { files, documents: [...documents.values()], events, message };
}

/**
 * Publishes packages together: one update of the metadata for all of them. A version is there whole or not at all.
 * @throws {StaticRegistryError} `STATIC_VERSION_EXISTS`, `STATIC_SIGNATURE_REQUIRED`, `STATIC_STATEMENT_REFUSED`,
 * `STATIC_PUBLISHER_CHANGED`, `STATIC_NOT_DELEGATED`, and those of {@link maintain}
 */
export async function publishStatic(
  options: StaticRegistryOptions & {
    readonly publisher?: string | undefined;
    /** Judges them, and publishes nothing. */
    readonly dryRun?: boolean | undefined;
  },
  publications: readonly StaticPublication[],
): Promise<{ readonly published: readonly StaticPublished[]; readonly maintained: Maintained | undefined }> {
  const { result, maintained } = await maintain(options, async (state, nowMs) => {
    const draft: Draft = { files: [], documents: new Map(), events: [] };
    const published: StaticPublished[] = [];
    for (const publication of publications) {
      const { record, blob, size, tree } = publication.inspected;
      const { name, version } = record.manifest;
      const document = await currentDocument(draft, state, parsePackageName(name));
      const entry = document?.versions.find((one) => one.version === version);
      const facts = { name, version, kind: record.kind, target: record.target };
      if (existing(publication, entry)) {
        const artifact = entry!.artifacts.find(({ target }) => target === record.target)!;
        published.push({
          outcome: "exists",
          ...facts,
          blob: artifact.blob,
          size: artifact.size,
          tree,
          signers: entry!.signers,
        });
        continue;
      }
      const signature = await signatureOf(publication, state, document, options);
      addPublication(draft, publication, document, signature, { time: timeText(nowMs), publisher: options.publisher });
      published.push({ outcome: "created", ...facts, blob, size, tree, signers: signature?.signers ?? [] });
    }
    const created = published.filter(({ outcome }) => outcome === "created");
    const message = `Publish ${created.map(({ name, version }) => `${name} ${version}`).join(", ")}`;
    return { change: options.dryRun === true ? undefined : changeOf(draft, message), result: published };
  });
  return { published: result, maintained };
}

/** What is said of a version from now on. */
export interface StaticStatus {
  readonly name: string;
  readonly version: string;
  readonly status: Exclude<VersionStatus, "held" | "removed">;
  readonly reason?: string | undefined;
  /** Of a deprecated version: what to use instead. */
  readonly replacement?: string | undefined;
  readonly publisher?: string | undefined;
}

/**
 * Yanks a version, deprecates it, or takes that back; logged.
 * @returns whether anything changed
 * @throws {StaticRegistryError} `STATIC_VERSION_MISSING`, and those of {@link maintain}
 */
export async function setStaticStatus(
  options: StaticRegistryOptions,
  wanted: StaticStatus,
): Promise<{ readonly changed: boolean; readonly maintained: Maintained | undefined }> {
  const { status, version, reason, replacement, publisher } = wanted;
  const { result, maintained } = await maintain(options, async (state, nowMs) => {
    const name = parsePackageName(wanted.name);
    const document = await readDocument(state, name);
    const entry = document?.versions.find((one) => one.version === version);
    if (document === undefined || entry === undefined) {
      throw new StaticRegistryError({
        code: "STATIC_VERSION_MISSING",
        message: `Cannot change "${wanted.name}" ${version}: the registry has no such version`,
      });
    }
    if (entry.status === status && entry.reason === reason && entry.replacement === replacement)
      return { change: undefined, result: false };
    const { reason: _reason, replacement: _replacement, ...kept } = entry;
    const said = { ...(reason === undefined ? {} : { reason }), ...(replacement === undefined ? {} : { replacement }) };
    const next = withVersion(document.name, document, (versions) =>
      versions.map((one) => (one === entry ? { ...kept, status, ...said } : one)),
    );
    const event: LogEvent = {
      type: "status",
      time: timeText(nowMs),
      ...(publisher === undefined ? {} : { actor: publisher }),
      name: canonicalName(name),
      version,
      status,
      ...(reason === undefined ? {} : { reason }),
    };
    const message = `${status === "active" ? "Restore" : status === "yanked" ? "Yank" : "Deprecate"} ${wanted.name} ${version}`;
    return { change: { files: [], documents: [next], events: [event], message }, result: true };
  });
  return { changed: result, maintained };
}

/**
 * Signs again what is due, the timestamp always, and puts a new root into force where the key directory has one.
 * @throws {StaticRegistryError} those of {@link maintain}
 */
export async function refreshStatic(options: StaticRegistryOptions): Promise<Maintained> {
  const { maintained } = await maintain(options, () =>
    Promise.resolve({
      change: { files: [], documents: [], events: [], message: "Renew the signatures" },
      result: undefined,
    }),
  );
  return maintained!;
}
