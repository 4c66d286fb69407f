import type {
  CanonicalName,
  Digest,
  IndexDocument,
  PackageKind,
  PackageName,
  PackageRecord,
  Version,
  VersionStatus,
} from "@lading/core-manifest";
import type { PublisherRule } from "@lading/signing/publisher";
import type { ReviewStore } from "./governance/review-store.ts";
import type { Publication, PublishOutcome } from "./publication.ts";
import type { AccountStore } from "./identity/account-store.ts";
import type { DeliveryStore } from "./deliveries/delivery-store.ts";
import type { ReportStore } from "./reports/report-store.ts";
import type { WebhookStore } from "./webhooks/webhook-store.ts";
import type { ConfigurationStore } from "./configurations/configuration-store.ts";
import type { IdentityStore } from "./identity/identity-store.ts";
import type { AuditFilter, AuditTrailStore } from "./governance/audit-trail.ts";
import type { UploadSessionStore } from "./uploads/upload-store.ts";
import type { QuotaStore, Usage, UsageScope } from "./quotas/quota.ts";
import type { UpstreamStore } from "./upstream/upstream-store.ts";
import type { OwnershipStore } from "./organisations/ownership-store.ts";
import type { OrganisationStore } from "./organisations/organisation-store.ts";
import type { OwnerOutcome, OwnersCheck } from "./organisations/package-owners.ts";
import type {
  Account,
  AuditEntry,
  AuditRecord,
  FeedEntry,
  FoundPackage,
  KeyRecord,
  KeyStatementRecord,
  Page,
  PackagePolicy,
  PackageSummary,
  PageRequest,
  SessionRecord,
  TokenRecord,
  VersionRecord,
  VersionRemoval,
} from "./records.ts";

export type { Publication, PublishOutcome } from "./publication.ts";

/** Wall clock. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

/** A counter as {@link Cache.count} leaves it. */
export interface WindowCount {
  /** With the one that was just counted. */
  readonly count: number;
  /** Milliseconds until the counter begins again. */
  readonly endsInMs: number;
}

/**
 * A shared memory of short-lived strings. Losing an entry early is allowed at any time; returning one
 * after its time is not.
 */
export interface Cache {
  /** The value, or `undefined` where there is none or its time is over. */
  get(key: string): Promise<string | undefined>;
  /** Keeps `value` for at most `ttlMs` milliseconds. */
  set(key: string, value: string, ttlMs: number): Promise<void>;
  /** Forgets the key; absence is no error. */
  delete(key: string): Promise<void>;
  /** Adds one to a counter, which begins with the first and ends `windowMs` after it. Counters and values share no names. */
  count(key: string, windowMs: number): Promise<WindowCount>;
  /** Resolves when the cache works; rejects with the reason when it does not. */
  check(): Promise<void>;
}

/** A byte range of a blob: first and last byte, both included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** A stored blob, opened for reading. */
export interface StoredBlob {
  /** Bytes of the whole blob. */
  readonly size: number;
  /** Path of a local file with exactly these bytes, for adapters that have one: lets the socket read it directly. */
  readonly file?: string;
  /** The bytes, or those of `range`, which must lie within the blob. */
  stream(range?: ByteRange): ReadableStream<Uint8Array>;
}

/**
 * A blob on its way in: invisible until {@link StagedBlob.commit} resolves. Exactly one of `commit` and
 * `discard` ends it; whatever a crash leaves is removed by {@link BlobStore.recover}.
 */
export interface StagedBlob {
  /** Appends bytes; resolves when the next may be given (back-pressure). */
  write(chunk: Uint8Array): Promise<void>;
  /** Ends writing. Digest and size are those of all bytes written. */
  seal(): Promise<{ readonly digest: Digest; readonly size: number }>;
  /** Path of a local file with the sealed bytes, for adapters that have one; valid until `commit` or `discard`. */
  readonly file?: string | undefined;
  /** The sealed bytes, for adapters that hold few of them in memory; until `commit` or `discard`. */
  readonly bytes?: Uint8Array | undefined;
  /** The sealed bytes, from the start; may be called more than once. */
  read(): AsyncIterable<Uint8Array>;
  /**
   * Makes the sealed bytes readable under their digest. When it resolves, they survive a power failure.
   * Committing bytes that are stored already succeeds with the same promise.
   */
  commit(): Promise<void>;
  /** Forgets the bytes; safe at any time, also twice, after `commit`, or while that runs: they are stored then, or nothing is. */
  discard(): Promise<void>;
}

/** Immutable bytes addressed by their SHA-256. */
export interface BlobStore {
  stage(): Promise<StagedBlob>;
  /** The blob, or `undefined` where there is none. */
  open(digest: Digest): Promise<StoredBlob | undefined>;
  /** Every stored digest, in no order. */
  list(): AsyncIterable<Digest>;
  /** Forgets a blob; absence is no error. */
  remove(digest: Digest): Promise<void>;
  /**
   * An address from which whoever has it may fetch the blob for `seconds`, for stores that readers can be sent to; it is not
   * looked up whether the blob is there.
   */
  readonly downloadUrl?: (digest: Digest, seconds: number) => Promise<string>;
  /** Removes what crashed uploads left; called once, before the first request. */
  recover(): Promise<void>;
  /** Resolves when blobs can be written; rejects with the reason when they cannot. */
  check(): Promise<void>;
}

/**
 * Rendered documents by path: derived data, rebuilt from the metadata store at will.
 */
export interface DocumentStore {
  /** The bytes last put, or `undefined`. */
  get(path: string): Promise<Uint8Array | undefined>;
  /** Replaces the document at once for readers, and durably. */
  put(path: string, bytes: Uint8Array): Promise<void>;
  /** Removes every document. */
  clear(): Promise<void>;
}

/** Hashes and checks passwords with a memory-hard function (argon2id). */
export interface PasswordHasher {
  /** An encoded hash that carries salt and parameters. */
  hash(password: string): Promise<string>;
  /** Whether `password` is the one; constant effort also for an empty or unreadable `encoded`. */
  verify(password: string, encoded: string): Promise<boolean>;
}

/** Who a name and password belong to. The local adapter asks the metadata store; a directory server can stand in. */
export interface IdentityProvider {
  /** The account, or `undefined` where name and password do not match; never says which of the two is wrong. */
  authenticate(username: string, password: string): Promise<Account | undefined>;
}

/** What the strict reader found in an uploaded file. */
export interface InspectedUpload {
  readonly record: PackageRecord;
  /** SHA-256 of the record's bytes, which a statement binds as its manifest. */
  readonly recordDigest: Digest;
  readonly tree: Digest;
  /** Bytes after decompression. */
  readonly plainSize: number;
  readonly fileCount: number;
  /** The readme that the record names, where the package has it. */
  readonly readme?: Uint8Array;
}

/** Reads an uploaded package strictly, without writing it anywhere. */
export interface PackageInspector {
  /**
   * @throws {RegistryError} `PACKAGE_REFUSED` with the archive rule as `reason`
   */
  inspect(
    source: Pick<StagedBlob, "read" | "file">,
    options: { readonly size: number; readonly signal?: AbortSignal },
  ): Promise<InspectedUpload>;
}

/** What the statement beside a package must say. */
export interface StatementSubject {
  readonly name: PackageName;
  readonly version: Version;
  readonly kind: PackageKind;
  readonly target: string;
  readonly blob: Digest;
  readonly tree: Digest;
  readonly manifestDigest: Digest;
  /** Address of the registry that it is published to: a statement that names another was not made for it. */
  readonly registry: string;
}

/** Who signed a statement, and whether the server could check it. */
export interface StatementVerdict {
  /** Fingerprints of the keys that signed; where `verified`, only those that were checked. */
  readonly signers: readonly string[];
  readonly verified: boolean;
  /**
   * SubjectPublicKeyInfo (DER) of every verified signer. Its SHA-256 is the signer's key id, so that stored as a blob it is
   * found by the fingerprint that index and lock files name, and nobody can answer with another key.
   */
  readonly publicKeys?: readonly Uint8Array[];
}

/** A key that may sign, and whose it is. */
export interface SignerKey extends KeyRecord {
  /** User name of its account. */
  readonly publisher: string;
}

/** Checks signed statements and public keys. */
export interface StatementVerifier {
  /**
   * Checks that the envelope speaks of `subject` and that its signatures by any of `keys` hold. Of `rules` all hold: they
   * narrow which of the keys count, and say how many of them must have signed.
   * @throws {RegistryError} `STATEMENT_REFUSED`: malformed, another subject, too few signers, or a known key's signature
   * fails
   */
  verify(
    envelope: Uint8Array,
    subject: StatementSubject,
    keys: readonly SignerKey[],
    rules?: readonly PublisherRule[],
  ): Promise<StatementVerdict>;
  /**
   * The fingerprint and canonical PEM of a public key.
   * @throws {RegistryError} `KEY_REFUSED`, also for a private key
   */
  readPublicKey(text: string): Promise<{ readonly fingerprint: string; readonly pem: string }>;
}

/** Which packages to list. */
export interface SearchQuery extends PageRequest {
  /** Words that must all occur (as prefixes) in name, title, description or keywords; empty: all packages. */
  readonly text: string;
  readonly category?: string;
  readonly keyword?: string;
  /**
   * Host axis -> version: only packages with a version that may be chosen and is for all of them, told at the newest such
   * version. An axis that a version names no range of holds nothing back.
   */
  readonly hosts?: Readonly<Record<string, string>>;
  /** Leave out names that have no version yet. */
  readonly publishedOnly: boolean;
  readonly sort: "relevance" | "downloads" | "updated" | "name";
}

/** Which audit records; all conditions hold. Newest first. */
export interface AuditQuery extends AuditFilter, PageRequest {}

/** A file of signed metadata, or a version of an index document that it names. */
export interface SignedFile {
  /** As it is served, without leading slash: `metadata/timestamp.json`, `index/_/to/<sha256>.tool.json`. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** What is stored of a {@link SignedFile}. */
export interface StoredSignedFile extends SignedFile {
  /** SHA-256 of the bytes when they were stored, in hexadecimal. */
  readonly sha256: string;
  /** When another took its place, in milliseconds since the epoch; absent while it is current. */
  readonly superseded?: number;
}

/** One step of the signed metadata. */
export interface SignedFilesUpdate {
  /** Files that are new, or whose bytes changed. */
  readonly put: readonly SignedFile[];
  /** Paths whose files are served for a while longer. */
  readonly superseded: readonly string[];
  /** Updates that these files show; unknown ids are no error. */
  readonly completed: readonly number[];
  /**
   * The SHA-256 that the file at this path must have for the update to be made, `undefined` where there must be none: of
   * several servers, one goes on from what it knows, and the others learn that they know too little.
   */
  readonly follows?: { readonly path: string; readonly sha256: string | undefined };
  readonly at: number;
  /** Files superseded before this time are forgotten. */
  readonly forgetBefore: number;
}

/** A package whose index document must be rendered again. */
export interface PendingIndexUpdate {
  readonly id: number;
  readonly canonical: CanonicalName;
}

/** The keys of an account, as a change of them finds them. */
export interface AccountKeys {
  readonly keys: readonly KeyRecord[];
  /** In order of the log. */
  readonly statements: readonly KeyStatementRecord[];
  /** Index that the next entry of the log gets. */
  readonly next: number;
}

/** A statement about a key that is to take effect. */
export interface KeyStatementChange {
  readonly statement: Omit<KeyStatementRecord, "leaf">;
  /** The new key of a rotation or recovery. */
  readonly newKey?: KeyRecord;
  readonly audit: AuditEntry;
  /** Called in the transaction with the keys as they are; what it throws ends the transaction without a change. */
  readonly check?: (current: AccountKeys) => void;
}

/** How a statement about a key was taken. `leaf` is its index in the log. */
export type KeyStatementOutcome =
  | { readonly status: "logged" | "same"; readonly leaf: number; readonly packages: readonly CanonicalName[] }
  | { readonly status: "taken" };

/** A change of what a package's owners demand; without `policy` they demand nothing any more. */
export interface PolicyChange {
  readonly canonical: CanonicalName;
  readonly policy?: PackagePolicy;
  /** Digest of the policy's canonical JSON, which the log states. */
  readonly digest: Digest;
  readonly audit: AuditEntry;
  /** Called in the transaction with the package as it is; what it throws ends the transaction without a change. */
  readonly check?: (current: PackageSummary) => void;
}

/** A channel that is to name another version, or without `version` nothing any more. */
export interface ChannelChange {
  readonly canonical: CanonicalName;
  readonly channel: string;
  readonly version?: Version;
  readonly audit: AuditEntry;
  /**
   * Called in the transaction with the package as it is, and the version where there is one; what it throws ends the
   * transaction without a change.
   */
  readonly check?: (current: PackageSummary, version: VersionRecord | undefined) => void;
}

/** A change of a version's status. */
export interface StatusChange {
  readonly canonical: CanonicalName;
  readonly version: Version;
  readonly status: VersionStatus;
  readonly reason?: string;
  readonly replacement?: string;
  /** Removes the version's files from what may be read, or, `null`, undoes that; absent: as it was. */
  readonly removal?: VersionRemoval | null;
  readonly audit: AuditEntry;
  /** Called in the transaction with version and package as they are; what it throws ends the transaction without a change. */
  readonly check?: (current: VersionRecord, summary: PackageSummary) => void;
}

/**
 * Everything the registry knows besides bytes.
 *
 * Every method that changes something is one transaction that includes its audit record, and when it
 * resolves, the change survives a power failure. Every change of a package's versions raises its sequence by one and
 * leaves a {@link PendingIndexUpdate} (for documents and for metadata) and a {@link FeedEntry} in the same transaction.
 * Every publication, change of status, of owners, of keys and of policies appends exactly one entry to the log in its transaction: indices
 * start at 0, have no gaps, and are never given twice. "Not found" is `undefined`, never an error.
 */
export interface MetadataStore {
  /** Who people and builds are beside their passwords and tokens; changed in transactions of the same store. */
  readonly identities: IdentityStore;
  /** Logins of accounts, and the end of accounts; changed in transactions of the same store. */
  readonly accounts: AccountStore;
  /** Publications that wait for a reviewer; changed in transactions of the same store. */
  readonly reviews: ReviewStore;
  /** What is held of upstream registries; changed in transactions of the same store. */
  readonly upstreams: UpstreamStore;
  /** Organisations, and what belongs to them; changed in transactions of the same store. */
  readonly organisations: OrganisationStore;
  /** Packages that change hands; changed in transactions of the same store. */
  readonly ownership: OwnershipStore;
  /** The audit records as a chain; changed in transactions of the same store. */
  readonly auditTrail: AuditTrailStore;
  /** Uploads that are under way; changed in transactions of the same store. */
  readonly uploads: UploadSessionStore;
  /** Configurations that organisations share; changed in transactions of the same store. */
  readonly configurations: ConfigurationStore;
  /** What is to be sent because of changes; changed in transactions of the same store. */
  readonly deliveries: DeliveryStore;
  /** Who is told of events; changed in transactions of the same store. */
  readonly webhooks: WebhookStore;
  /** Limits of what may be stored; changed in transactions of the same store. */
  readonly quotas: QuotaStore;
  /** What reports are made of. */
  readonly reports: ReportStore;

  /** Creates an account, with a first token where one is given, unless one of that name (ignoring case) exists. */
  createAccount(account: Account, audit: AuditEntry, token?: TokenRecord): Promise<"created" | "exists">;
  /** Deleted accounts too: what they published is looked up by their names. */
  accountByName(username: string): Promise<Account | undefined>;
  accountById(id: string): Promise<Account | undefined>;
  accountCount(): Promise<number>;
  setPassword(accountId: string, passwordHash: string, audit: AuditEntry): Promise<void>;

  createToken(token: TokenRecord, audit: AuditEntry): Promise<void>;
  /** The token, unless revoked; an expired one is returned with its `expires`. */
  tokenByHash(hash: string): Promise<TokenRecord | undefined>;
  tokensOf(accountId: string): Promise<readonly TokenRecord[]>;
  /** The hash of the revoked token, or `undefined` where the account has none of that id. */
  revokeToken(accountId: string, id: string, audit: AuditEntry): Promise<string | undefined>;
  /** Records last uses (token id -> time); derived data without audit record, may be lost in a crash. */
  touchTokens(uses: ReadonlyMap<string, number>): Promise<void>;

  createSession(session: SessionRecord, audit: AuditEntry): Promise<void>;
  /** The session, unless ended. */
  session(id: string): Promise<SessionRecord | undefined>;
  endSession(id: string, audit: AuditEntry): Promise<void>;

  /** Registers a key; `taken` where another account has it. Registering one's own again is `created`. */
  addKey(key: KeyRecord, audit: AuditEntry): Promise<"created" | "taken">;
  keysOf(accountId: string): Promise<readonly KeyRecord[]>;
  removeKey(accountId: string, fingerprint: string, audit: AuditEntry): Promise<boolean>;
  /**
   * Logs a statement about a key of an account and registers its new key; `same` where this very statement is logged
   * already, `taken` where the new key is registered with any account. Every package with a version that the account
   * published, or that a key of it signed, changes with it, as by a change of its versions; `packages` are their names.
   */
  addKeyStatement(change: KeyStatementChange): Promise<KeyStatementOutcome>;
  /** Ascending by their place in the log. */
  keyStatementsOf(accountId: string): Promise<readonly KeyStatementRecord[]>;

  package(canonical: CanonicalName): Promise<PackageSummary | undefined>;
  /** Creates a name without versions, owned by `account`; `exists` where it is there already. */
  createPackage(
    entry: {
      readonly name: PackageName;
      readonly canonical: CanonicalName;
      readonly skeleton: string;
      readonly account: Account;
    },
    audit: AuditEntry,
  ): Promise<"created" | "exists">;
  /** Names with that skeleton, other than `canonical` itself. */
  similarNames(skeleton: string, canonical: CanonicalName): Promise<readonly CanonicalName[]>;
  /** Whether a package of the namespace exists, and whether the account owns one. */
  namespaceAccess(namespace: string, accountId: string): Promise<{ readonly exists: boolean; readonly owned: boolean }>;
  /**
   * The one transaction of a publication: makes package (where new, owned by the account), version and
   * artefact visible together. Of two racing calls for one version and target with different trees,
   * exactly one is `created`.
   * @throws {RegistryError} `QUOTA_EXCEEDED` where it breaks one of `publication.quotas`; nothing is changed then
   */
  publish(publication: Publication): Promise<PublishOutcome>;
  /** `undefined` where the package or version is missing. */
  setStatus(change: StatusChange): Promise<VersionRecord | undefined>;
  /** `undefined` where the package is missing. Changes the package as a change of its versions does. */
  setPolicy(change: PolicyChange): Promise<PackageSummary | undefined>;
  /** `undefined` where the package or the version is missing. A change that changes nothing leaves no trace. */
  setChannel(change: ChannelChange): Promise<PackageSummary | undefined>;
  /** Ascending by SemVer precedence. */
  versions(canonical: CanonicalName): Promise<readonly VersionRecord[]>;
  version(canonical: CanonicalName, version: Version): Promise<VersionRecord | undefined>;
  search(query: SearchQuery): Promise<Page<FoundPackage>>;
  /** Finds out anew, from their manifests, for which hosts versions are: what {@link SearchQuery.hosts} goes by. */
  rebuildHosts(): Promise<void>;

  /** User names, in order of their addition. */
  owners(canonical: CanonicalName): Promise<readonly string[]>;
  /** `check` is called in the transaction with the owners as they are; what it throws ends it without a change. */
  addOwner(canonical: CanonicalName, account: Account, audit: AuditEntry, check?: OwnersCheck): Promise<OwnerOutcome>;
  removeOwner(
    canonical: CanonicalName,
    account: Account,
    audit: AuditEntry,
    check?: OwnersCheck,
  ): Promise<OwnerOutcome>;

  /** The package's index document as of now, or `undefined` where no version is published. */
  indexDocument(canonical: CanonicalName): Promise<IndexDocument | undefined>;
  /** Canonical names of all packages, in order. */
  packageNames(): Promise<readonly CanonicalName[]>;
  /** Oldest first. */
  pendingIndexUpdates(limit: number): Promise<readonly PendingIndexUpdate[]>;
  /** Forgets updates; unknown ids are no error. */
  completeIndexUpdates(ids: readonly number[]): Promise<void>;

  /**
   * Changes with an id from `first` to `last`, ascending, and the id of the latest change of all (0 where there is none).
   * Entries are added in the transaction of their change, and never altered or removed.
   */
  feed(first: number, last: number): Promise<{ readonly entries: readonly FeedEntry[]; readonly latest: number }>;

  /** Changes that the signed metadata does not show yet, oldest first. */
  pendingMetadataUpdates(limit: number): Promise<readonly PendingIndexUpdate[]>;
  /** Entries of the log from index `from` on, at most `limit`, in order. */
  logEntries(from: number, limit: number): Promise<readonly Uint8Array[]>;
  /** Appends an entry that is no change of a package, with its audit record. */
  appendLog(entry: Uint8Array, audit: AuditEntry): Promise<void>;
  /** Paths of all signed files, superseded ones included; in no order. */
  signedFilePaths(): Promise<readonly string[]>;
  signedFile(path: string): Promise<StoredSignedFile | undefined>;
  /** All of the update or nothing of it; `false` where it does not follow what is stored. */
  putSignedFiles(update: SignedFilesUpdate): Promise<boolean>;
  /** Forgets signed files of these paths, so that they can be made anew. */
  dropSignedFiles(paths: readonly string[]): Promise<void>;

  /**
   * Adds to the download counts of the versions that own these blobs, the last of which was at `at`, and to those of their
   * packages on its day; unknown blobs are ignored.
   */
  addDownloads(counts: ReadonlyMap<Digest, number>, at: number): Promise<void>;
  /** How much is stored of what `scope` names. */
  usage(scope: UsageScope): Promise<Usage>;
  /** The digest of the statement about a published package file, where there is one. It never changes. */
  statementOf(blob: Digest): Promise<Digest | undefined>;
  /** Files of removed versions that no other version has, with the reason. */
  removedBlobs(): Promise<readonly { readonly digest: Digest; readonly reason: string }[]>;
  /**
   * Digests that versions (published, waiting or rejected; of removed ones that are to be deleted, only what proves them) and statements about keys need: packages, statements, readmes, keys of verified signers
   * and of statements; and what is held of upstream registries.
   */
  referencedBlobs(): Promise<ReadonlySet<Digest>>;
  audits(query: AuditQuery): Promise<Page<AuditRecord>>;
  counts(): Promise<{ readonly packages: number; readonly versions: number; readonly accounts: number }>;

  /** Resolves when reads and writes work; rejects with the reason when they do not. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/**
 * What several servers over the same stores agree by. A registry without it is the only one over its stores.
 */
export interface Coordination {
  /**
   * Takes a lease for `ttlMs` from now, or prolongs one's own; `false` where another server has it. At most one server has it
   * at any time; that of a server that died ends by itself.
   */
  lease(name: string, ttlMs: number): Promise<boolean>;
  /** Gives one's own lease back; that of another stays. */
  release(name: string): Promise<void>;
  /**
   * Calls `listener` soon after any server, this one included, committed a change to the metadata store. It may be called
   * without a change; after a lost connection it is called for all that was missed.
   */
  watch(listener: () => void): Promise<void>;
  close(): Promise<void>;
}

/** One line of the server's log: an event with fields, never a secret. */
export type LogListener = (
  level: "info" | "warn" | "error",
  message: string,
  fields: Readonly<Record<string, unknown>>,
) => void;
