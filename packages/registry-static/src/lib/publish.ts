import {
  LATEST_CHANNEL,
  channelsAfter,
  compareVersions,
  digestHex,
  indexDocumentPath,
  canonicalName,
  latestVersion,
  parseChannel,
  parsePackageName,
  parseVersion,
  withChannel,
  type Channels,
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

/** Member of a document that keeps what `latest` was set to, also while that version is yanked. */
const PINNED_MEMBER = "pinned";

/**
 * The channels that somebody has set. Every document names a `latest`; it was set, by a publication in another channel or by
 * hand, where the document says to what, or, of before documents did, where it is not what the versions alone would make of it.
 */
function setChannels(document: IndexDocument | undefined): Channels {
  const { channels = {}, versions = [], extra = {} } = document ?? {};
  const { [LATEST_CHANNEL]: latest, ...others } = channels;
  const pinned = versions.find(({ version }) => version === extra[PINNED_MEMBER])?.version;
  if (pinned !== undefined) return { ...others, [LATEST_CHANNEL]: pinned };
  return latest === undefined || latest === latestVersion(versions) ? others : channels;
}

/** Whether a channel names a version, and goes on to when another is yanked or restored. */
function isNamed(document: IndexDocument, channel: string, version: string | undefined): boolean {
  const named = document.channels[channel];
  return named === version && (setChannels(document)[channel] ?? named) === version;
}

function withPinned(extra: IndexDocument["extra"], pinned: string | undefined): Pick<IndexDocument, "extra"> {
  const { [PINNED_MEMBER]: _, ...rest } = extra ?? {};
  const next = pinned === undefined ? rest : { ...rest, [PINNED_MEMBER]: pinned };
  return Object.keys(next).length === 0 ? {} : { extra: next };
}

function withVersions(
  name: string,
  document: IndexDocument | undefined,
  { versions, channels }: { readonly versions: readonly IndexVersion[]; readonly channels: Channels },
): IndexDocument {
  const sorted = [...versions].sort((left, right) =>
    compareVersions(parseVersion(left.version), parseVersion(right.version)),
  );
  const pinned = channels[LATEST_CHANNEL];
  const latest = latestVersion(sorted, pinned);
  const { extra, ...kept } = document ?? { schema: 1, name };
  return {
    ...kept,
    ...withPinned(extra, pinned),
    sequence: (document?.sequence ?? 0) + 1,
    channels: latest === undefined ? channels : { ...channels, [LATEST_CHANNEL]: latest },
    versions: sorted,
  };
}

interface Facts {
  readonly time: string;
  readonly publisher?: string | undefined;
  readonly channel?: string | undefined;
}

function actorOf({ publisher }: Pick<Facts, "publisher">): { readonly actor?: string } {
  return publisher === undefined ? {} : { actor: publisher };
}

function channelEvent(name: PackageName, channel: string, version: string | undefined, facts: Facts): LogEvent {
  const named = version === undefined ? {} : { version };
  return { type: "channel", time: facts.time, ...actorOf(facts), name: canonicalName(name), channel, ...named };
}

function addPublication(
  draft: Draft,
  publication: StaticPublication,
  document: IndexDocument | undefined,
  signature: Verified | undefined,
  facts: Facts,
): void {
  const { inspected, statement, file } = publication;
  const { record, blob, size, tree } = inspected;
  const { name, version } = record.manifest;
  const beside = statement === undefined ? {} : { statement: "beside" as const };
  const artifact: IndexArtifact = { target: record.target, blob, size, tree, ...beside };
  const { time, publisher, channel } = facts;
  const signers = signature?.signers ?? [];
  const entry = entryOf(publication, [artifact], { published: time, signers, publisher });
  const before = document?.versions ?? [];
  const old = before.find((one) => one.version === version);
  const merged =
    old === undefined
      ? entry
      : { ...old, artifacts: [...old.artifacts, artifact], signers: [...new Set([...old.signers, ...signers])].sort() };
  const next = withVersions(name, document, {
    versions: [...before.filter((one) => one !== old), merged],
    channels: channelsAfter(
      { channels: setChannels(document), latest: document?.channels[LATEST_CHANNEL] },
      { version, channel },
    ),
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
  draft.events.push({
    type: "publish",
    time,
    ...actorOf(facts),
    name: canonicalName(parsePackageName(name)),
    version,
    kind: record.kind,
    artifacts: [logged],
  });
  if (channel !== undefined) draft.events.push(channelEvent(parsePackageName(name), channel, version, facts));
}

/** A channel for what is published already: the job that was to publish it in the channel is run again. */
function moveChannel(draft: Draft, document: IndexDocument, version: string, facts: Facts): void {
  const { channel } = facts;
  if (channel === undefined || isNamed(document, channel, version)) return;
  const name = parsePackageName(document.name);
  draft.documents.set(indexDocumentPath(name), withChannelSet(document, channel, version));
  draft.events.push(channelEvent(name, channel, version, facts));
}

function withChannelSet(document: IndexDocument, channel: string, version: string | undefined): IndexDocument {
  const { name, versions } = document;
  return withVersions(name, document, { versions, channels: withChannel(setChannels(document), { channel, version }) });
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

function messageOf(published: readonly StaticPublished[], channel: string | undefined): string {
  const list = (some: readonly StaticPublished[]): string =>
    some.map(({ name, version }) => `${name} ${version}`).join(", ");
  const created = published.filter(({ outcome }) => outcome === "created");
  if (created.length === 0) return `Let ${channel} name ${list(published)}`;
  return `Publish ${list(created)}${channel === undefined ? "" : ` as ${channel}`}`;
}

/**
 * Publishes packages together: one update of the metadata for all of them. A version is there whole or not at all.
 * @throws {StaticRegistryError} `STATIC_VERSION_EXISTS`, `STATIC_SIGNATURE_REQUIRED`, `STATIC_STATEMENT_REFUSED`,
 * `STATIC_PUBLISHER_CHANGED`, `STATIC_NOT_DELEGATED`, and those of {@link maintain}; {CoreError} `CHANNEL_INVALID`
 */
export async function publishStatic(
  options: StaticRegistryOptions & {
    readonly publisher?: string | undefined;
    /** Judges them, and publishes nothing. */
    readonly dryRun?: boolean | undefined;
    /** Channel that is to name what is published; `latest` stays where it is then. */
    readonly channel?: string | undefined;
  },
  publications: readonly StaticPublication[],
): Promise<{ readonly published: readonly StaticPublished[]; readonly maintained: Maintained | undefined }> {
  const { publisher } = options;
  const channel = options.channel === undefined ? undefined : parseChannel(options.channel);
  const { result, maintained } = await maintain(options, async (state, nowMs) => {
    const draft: Draft = { files: [], documents: new Map(), events: [] };
    const published: StaticPublished[] = [];
    for (const publication of publications) {
      const { record, blob, size, tree } = publication.inspected;
      const { name, version } = record.manifest;
      const document = await currentDocument(draft, state, parsePackageName(name));
      const entry = document?.versions.find((one) => one.version === version);
      const shownAs = { name, version, kind: record.kind, target: record.target };
      const facts = { time: timeText(nowMs), publisher, channel };
      if (existing(publication, entry)) {
        moveChannel(draft, document!, version, facts);
        const artifact = entry!.artifacts.find(({ target }) => target === record.target)!;
        published.push({
          outcome: "exists",
          ...shownAs,
          blob: artifact.blob,
          size: artifact.size,
          tree,
          signers: entry!.signers,
        });
        continue;
      }
      const signature = await signatureOf(publication, state, document, options);
      addPublication(draft, publication, document, signature, facts);
      published.push({ outcome: "created", ...shownAs, blob, size, tree, signers: signature?.signers ?? [] });
    }
    const change = options.dryRun === true ? undefined : changeOf(draft, messageOf(published, channel));
    return { change, result: published };
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
  const { status, version, reason, replacement } = wanted;
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
    const next = withVersions(document.name, document, {
      versions: document.versions.map((one) => (one === entry ? { ...kept, status, ...said } : one)),
      channels: setChannels(document),
    });
    const event: LogEvent = {
      type: "status",
      time: timeText(nowMs),
      ...actorOf(wanted),
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

/** What a channel is to name from now on. */
export interface StaticChannel {
  readonly name: string;
  readonly channel: string;
  /** Absent: the channel is removed. */
  readonly version?: string | undefined;
  readonly publisher?: string | undefined;
}

interface ChannelProblem {
  readonly code: "STATIC_VERSION_MISSING" | "STATIC_CHANNEL_REFUSED";
  readonly problem: string;
}

function setProblem({ channel, version }: StaticChannel, { versions }: IndexDocument): ChannelProblem | undefined {
  const status = versions.find((one) => one.version === version)?.status;
  if (status === undefined)
    return { code: "STATIC_VERSION_MISSING", problem: `the registry has no version ${version} of it` };
  if (channel !== LATEST_CHANNEL || status === "active" || status === "deprecated") return undefined;
  return { code: "STATIC_CHANNEL_REFUSED", problem: `version ${version} is ${status}` };
}

function removalProblem({ channel }: StaticChannel, { channels }: IndexDocument): ChannelProblem | undefined {
  const code = "STATIC_CHANNEL_REFUSED";
  if (channel === LATEST_CHANNEL) return { code, problem: "it is what the name alone means" };
  if (Object.hasOwn(channels, channel)) return undefined;
  const known = Object.keys(channels).map((one) => `"${one}"`);
  return { code, problem: `it has ${known.join(", ")} only` };
}

/** The document, if its channel can be changed as wanted. */
function checkChannel(wanted: StaticChannel, document: IndexDocument | undefined): IndexDocument {
  const missing = { code: "STATIC_VERSION_MISSING", problem: "the registry has no such package" } as const;
  const { name, channel, version } = wanted;
  const find = version === undefined ? removalProblem : setProblem;
  const found = document === undefined ? missing : find(wanted, document);
  if (document !== undefined && found === undefined) return document;
  const { code, problem } = found ?? missing;
  const action = version === undefined ? "remove" : "set";
  throw new StaticRegistryError({ code, message: `Cannot ${action} channel "${channel}" of "${name}": ${problem}` });
}

/**
 * Lets a channel of a package name a published version, or removes it; logged.
 * @returns all channels of the package as they are then
 * @throws {StaticRegistryError} `STATIC_VERSION_MISSING`; `STATIC_CHANNEL_REFUSED` for a yanked `latest`, its removal, and that
 * of a channel that is not there; those of {@link maintain}; {CoreError} `CHANNEL_INVALID`
 */
export async function setStaticChannel(
  options: StaticRegistryOptions,
  wanted: StaticChannel,
): Promise<{ readonly channels: Channels; readonly maintained: Maintained | undefined }> {
  const channel = parseChannel(wanted.channel);
  const { version } = wanted;
  const { result, maintained } = await maintain(options, async (state, nowMs) => {
    const name = parsePackageName(wanted.name);
    const document = checkChannel(wanted, await readDocument(state, name));
    const { channels } = document;
    if (isNamed(document, channel, version)) return { change: undefined, result: channels };
    const next = withChannelSet(document, channel, version);
    const event = channelEvent(name, channel, version, { ...wanted, time: timeText(nowMs) });
    const message = version === undefined ? `Remove ${channel} of ${name}` : `Let ${channel} name ${name} ${version}`;
    return { change: { files: [], documents: [next], events: [event], message }, result: next.channels };
  });
  return { channels: result, maintained };
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
