import type { ManagementCall, ManagementInputs } from "./management-inputs.ts";
import type { Digest, EventListener, IndexArtifact, IndexDocument } from "@lading/core-manifest";
import type { Credential, RegistryDescription } from "./ports.ts";
import type { RegistryConfig } from "./registry-config.ts";
import type { TrustClient } from "./trust/trust-client-types.ts";

export interface CallOptions {
  /** Aborts the operation, which rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Where a package file is and what it must be. */
export interface DownloadArtifact {
  readonly blob: Digest;
  /** Exact bytes; where it is unknown, `maxBytes` bounds the download. */
  readonly size?: number | undefined;
  /** Shown in events and messages. */
  readonly package?: string | undefined;
}

export interface DownloadOptions extends CallOptions {
  readonly onEvent?: EventListener | undefined;
  /** Most bytes accepted where the size is unknown. Default: 2 GiB. */
  readonly maxBytes?: number | undefined;
}

export interface Download {
  readonly artifact: DownloadArtifact;
  /** File to make; its directory must exist, the file itself is replaced. */
  readonly destination: string;
}

export interface DownloadManyOptions extends DownloadOptions {
  /** Downloads at a time. Default: 16. */
  readonly concurrency?: number | undefined;
  /** Called as each file is complete, in order of completion; a rejection stops the rest. */
  readonly onFile?: ((download: Download) => void | Promise<void>) | undefined;
}

export interface PublishInput extends CallOptions {
  /** Path of the package file. */
  readonly artifact: string;
  readonly blob: Digest;
  /** Bytes of the file. */
  readonly size: number;
  readonly tree?: Digest | undefined;
  /** What the file says that it is, for registries that take it in parts; without it, it is sent in one request. */
  readonly package?: { readonly name: string; readonly version: string; readonly target: string } | undefined;
  /** Channel that is to name the version; default: `latest`, by its rules. */
  readonly channel?: string | undefined;
  /** The statement's envelope. */
  readonly statement?: Uint8Array | undefined;
  /** Whether to return only when the version is in the index. Default: true. */
  readonly wait?: boolean | undefined;
  /** How long to wait for that, milliseconds. Default: 30000. */
  readonly waitTimeoutMs?: number | undefined;
  readonly onEvent?: EventListener | undefined;
}

/** What the registry answered to a publication. */
export interface PublishResult {
  /**
   * `exists`: the same tree, kind and target was there already; nothing changed. `held`: it waits for a reviewer, and nothing
   * of it is public.
   */
  readonly outcome: "created" | "exists" | "held";
  /** Id of the review in which it waits. */
  readonly review?: string;
  readonly name: string;
  readonly version: string;
  readonly kind: string;
  readonly target: string;
  readonly artifact: {
    readonly blob: Digest;
    readonly size: number;
    readonly tree?: Digest;
    readonly statement?: Digest;
  };
  readonly signers: readonly string[];
  readonly status: string;
  readonly published: string;
  readonly sequence: number;
  /** Whether the version is in the index document, as the registry said or as was waited for. */
  readonly visible: boolean;
  readonly links: Readonly<Record<string, string>>;
  /** Address of the private packages of the registry among which it is: a registry of its own. */
  readonly tree?: string;
  /** Where the publication is in the registry's log; absent where the registry has none. */
  readonly log?: PublishReceipt;
}

/** That a publication is in the log: verified, and checkable without the network. */
export interface PublishReceipt {
  readonly origin: string;
  readonly index: number;
  /** Entries of the log that the proof is against. */
  readonly size: number;
  /** `c2sp.org/tlog-proof@v1` with the entry. */
  readonly proof: string;
}

export interface SearchOptions extends CallOptions {
  /** From 1. */
  readonly page?: number | undefined;
  readonly perPage?: number | undefined;
  readonly category?: string | undefined;
  readonly keyword?: string | undefined;
  readonly sort?: string | undefined;
  /** Host axis -> version: only packages with a version for all of them, told at the newest such one. See {@link SearchPage}. */
  readonly hosts?: Readonly<Record<string, string>> | undefined;
}

export interface SearchItem {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly keywords: readonly string[];
  readonly downloads?: number;
  /** Every key of the answer, as sent. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** One page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly page: number;
  readonly perPage: number;
  readonly total: number;
}

/** One page of what a search found. */
export interface SearchPage extends Page<SearchItem> {
  /** The hosts that the registry chose the items for; absent where it knows no such filter, or none was asked for. */
  readonly hosts?: Readonly<Record<string, string>>;
}

/** A JSON object of the registry's API, as `docs/spec/http-api.md` describes it. */
export type ApiObject = Readonly<Record<string, unknown>>;

/** Which reviews are listed. */
export interface ReviewQuery {
  readonly state?: string | undefined;
  readonly package?: string | undefined;
  /** From 1. */
  readonly page?: number | undefined;
  readonly perPage?: number | undefined;
}

/** A configuration by its organisation and name. */
export interface WantedConfiguration {
  readonly organisation: string;
  readonly name: string;
  /** The newest one unless given. */
  readonly revision?: number | undefined;
}

/** A revision of a configuration that an organisation shares with its projects. */
export interface SharedConfiguration {
  readonly organisation: string;
  readonly name: string;
  readonly revision: number;
  /** TOML. */
  readonly text: string;
  readonly digest: Digest;
  readonly public: boolean;
  readonly author: string;
  readonly created: string;
  /** Index of the entry of the log that states it; absent where the registry has no log. */
  readonly index?: number;
}

/** What can be done about a publication that waits: by a reviewer, or, for `appeal`, by its publisher. */
export type ReviewStep = "approve" | "reject" | "appeal";

/** A publication that waits for a reviewer, or did. */
export interface PublicationReview {
  readonly id: string;
  /** `held`, `rejected`, `appealed` or `published`. */
  readonly state: string;
  readonly name: string;
  readonly version: string;
  readonly target: string;
  readonly publisher: string;
  /** Why it waits. */
  readonly findings: readonly { readonly rule: string; readonly problem: string }[];
  readonly artifact: { readonly blob: Digest; readonly size: number };
  readonly signers: readonly string[];
  readonly submitted: string;
  readonly updated: string;
  readonly decidedBy?: string;
  /** Of a rejection. */
  readonly reason?: string;
  /** What the publisher answered to it. */
  readonly appeal?: string;
}

export interface Account {
  readonly username: string;
  readonly raw: ApiObject;
}

export interface TokenRequest {
  readonly name: string;
  readonly scopes: readonly string[];
  /** Patterns of package names. */
  readonly packages?: readonly string[];
  /** Addresses and ranges that its requests must come from: `192.0.2.0/24`. */
  readonly cidr?: readonly string[];
  readonly expiresInDays?: number;
}

export interface TokenInfo {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly expires?: string;
  /** Only in the answer to its creation. */
  readonly token?: string;
  readonly raw: ApiObject;
}

export interface Health {
  readonly ok: boolean;
  /** Time to the answer, milliseconds. */
  readonly durationMs: number;
  readonly raw: ApiObject;
}

/** Counters since the client was made. */
export interface ClientMetrics {
  /** Exchanges with the registry, attempts included. */
  readonly requests: number;
  readonly retries: number;
  /** Answers "not modified". */
  readonly notModified: number;
  /** Documents served from this process's memory. */
  readonly memoryHits: number;
  /** Reads of the metadata cache, whatever their outcome. */
  readonly cacheReads: number;
  /** Documents that the metadata cache had. */
  readonly cacheHits: number;
  /** Cache entries that were found damaged and fetched again. */
  readonly cacheCorrupt: number;
  readonly downloads: number;
  readonly downloadedBytes: number;
  readonly uploadedBytes: number;
}

export interface DocumentOptions extends CallOptions {
  /** Ask the registry even when this process has asked before. Default: false. */
  readonly refresh?: boolean | undefined;
}

/** The part of an index document's artefact that says where its statement is. */
export type SignedArtifact = Pick<IndexArtifact, "blob"> & Required<Pick<IndexArtifact, "statement">>;

/** An OpenID provider as a registry names it. */
export interface IdentityProviderInfo {
  readonly issuer: string;
  /** A public client of the provider. */
  readonly clientId: string;
  readonly scopes: readonly string[];
  /** Whether logins on machines without a browser are accepted. */
  readonly deviceFlow: boolean;
}

/** What a provider said of somebody. */
export interface IdentityProof {
  readonly idToken: string;
  /** What the login's nonce was made of, with the registry's URL. */
  readonly nonceSecret?: string;
}

/** One registry. Safe for concurrent use. */
export interface RegistryClient {
  readonly registry: RegistryConfig;
  readonly offline: boolean;
  /** What the registry is trusted by, and its log. */
  readonly trust: TrustClient;
  /** What the registry says of itself; cached for an hour. */
  describe(options?: CallOptions): Promise<RegistryDescription>;
  /** The index document of a package; `undefined` where the registry says that there is none. */
  packageDocument(name: string, options?: DocumentOptions): Promise<IndexDocument | undefined>;
  /** Several documents at once, in the order of `names`. */
  packageDocuments(names: readonly string[], options?: DocumentOptions): Promise<(IndexDocument | undefined)[]>;
  /** Downloads to a file that exists afterwards only if length and digest are right. */
  download(artifact: DownloadArtifact, destination: string, options?: DownloadOptions): Promise<void>;
  downloadMany(downloads: readonly Download[], options?: DownloadManyOptions): Promise<void>;
  /** A statement's envelope (at most 1 MiB), verified against its digest. */
  statement(digest: Digest, options?: CallOptions): Promise<Uint8Array>;
  /**
   * The envelope of the statement about an artefact of an index document, wherever the registry has it. One beside its
   * file is checked to speak of that file, and no more: whose word it is, its signatures say. `refresh` asks the registry
   * also where the cache has it.
   */
  statementOf(artifact: SignedArtifact, options?: DocumentOptions): Promise<Uint8Array>;
  publish(input: PublishInput): Promise<PublishResult>;
  /** Creates the name only. */
  createPackage(name: string, options?: CallOptions): Promise<"created" | "exists">;
  search(query: string, options?: SearchOptions): Promise<SearchPage>;
  list(options?: SearchOptions & { readonly query?: string }): Promise<Page<ApiObject & { readonly name: string }>>;
  /** Details of a package or of one version; `undefined` where there is none. */
  info(name: string, version?: string, options?: CallOptions): Promise<ApiObject | undefined>;
  /** Versions in ascending order; `undefined` where there is no such package. */
  versions(
    name: string,
    options?: CallOptions,
  ): Promise<readonly (ApiObject & { readonly version: string })[] | undefined>;
  readme(name: string, version: string, options?: CallOptions): Promise<string | undefined>;
  yank(name: string, version: string, reason: string, options?: CallOptions): Promise<void>;
  unyank(name: string, version: string, options?: CallOptions): Promise<void>;
  deprecate(
    name: string,
    version: string,
    details: { readonly reason: string; readonly replacement?: string },
    options?: CallOptions,
  ): Promise<void>;
  undeprecate(name: string, version: string, options?: CallOptions): Promise<void>;
  /** Channels (dist-tags) with the version that each names, `latest` among them. */
  channels(name: string, options?: CallOptions): Promise<Readonly<Record<string, string>>>;
  /** Lets a channel name a published version; answers with all channels as they are now. */
  setChannel(
    name: string,
    channel: string,
    version: string,
    options?: CallOptions,
  ): Promise<Readonly<Record<string, string>>>;
  removeChannel(name: string, channel: string, options?: CallOptions): Promise<Readonly<Record<string, string>>>;
  /** Removes a version's files from what the registry sends; with `purge` for ever. For admins. */
  takeDown(
    name: string,
    version: string,
    details: { readonly reason: string; readonly purge: boolean },
    options?: CallOptions,
  ): Promise<void>;
  /** Undoes {@link takeDown}. */
  bringBack(name: string, version: string, options?: CallOptions): Promise<void>;
  owners(name: string, options?: CallOptions): Promise<readonly ApiObject[]>;
  addOwner(name: string, user: string, options?: CallOptions): Promise<void>;
  removeOwner(name: string, user: string, options?: CallOptions): Promise<void>;
  /** Publications that wait for a reviewer, or did: those that concern the caller, newest first. */
  reviews(query?: ReviewQuery, options?: CallOptions): Promise<Page<PublicationReview>>;
  review(id: string, options?: CallOptions): Promise<PublicationReview>;
  /** Downloads the package file that waits, and gives it its name when length and digest are right. */
  downloadReviewed(review: PublicationReview, destination: string, options?: DownloadOptions): Promise<void>;
  /** A step of a review; `text` is the reason of a rejection, or what its publisher answers. */
  decideReview(id: string, step: ReviewStep, text?: string, options?: CallOptions): Promise<PublicationReview>;
  /**
   * Manages organisations, teams, namespaces, invitations, trusted publishers and one's own account: one request, named by
   * `call`. Answers the registry's JSON object, `undefined` where there is nothing to tell.
   */
  manage<Name extends ManagementCall>(
    call: Name,
    input: ManagementInputs[Name],
    options?: CallOptions,
  ): Promise<ApiObject | undefined>;
  /**
   * A configuration that an organisation shares: the newest revision, or the one that is asked for. Where the registry has a
   * log, the log states the text that is answered, or the call fails.
   */
  sharedConfiguration(wanted: WantedConfiguration, options?: CallOptions): Promise<SharedConfiguration>;
  register(account: { username: string; password: string; email?: string }, options?: CallOptions): Promise<Account>;
  /** Proves the credential to the registry and stores it; a password becomes a session token where the registry gives one. */
  login(credential: Credential, options?: CallOptions): Promise<Account>;
  /** The provider that people log in through. Throws `REGISTRY_REFUSED` where the registry has none. */
  identityProvider(options?: CallOptions): Promise<IdentityProviderInfo>;
  /** Gives the registry what its provider says of somebody, and stores the session. */
  loginWithIdentity(proof: IdentityProof, options?: CallOptions): Promise<Account>;
  /** Uses the credential in this client alone, without asking or storing. */
  authenticate(credential: Credential): void;
  /** Forgets the stored credential; whether there was one. */
  logout(options?: CallOptions): Promise<boolean>;
  whoami(options?: CallOptions): Promise<Account>;
  tokens(options?: CallOptions): Promise<readonly TokenInfo[]>;
  createToken(request: TokenRequest, options?: CallOptions): Promise<TokenInfo>;
  revokeToken(id: string, options?: CallOptions): Promise<void>;
  keys(options?: CallOptions): Promise<readonly ApiObject[]>;
  addKey(publicKeyPem: string, options?: CallOptions & { readonly name?: string }): Promise<ApiObject>;
  removeKey(id: string, options?: CallOptions): Promise<void>;
  /** Gives the registry a signed statement about a signing key: a rotation, recovery or revocation. */
  sendKeyStatement(envelope: Uint8Array, options?: CallOptions): Promise<ApiObject>;
  /** Signing keys of a publisher, their states, the statements that made it so, and the log that they count in. */
  publisherKeys(account: string, options?: CallOptions): Promise<ApiObject>;
  audit(query?: Readonly<Record<string, string | number | undefined>>, options?: CallOptions): Promise<Page<ApiObject>>;
  health(options?: CallOptions): Promise<Health>;
  metrics(): ClientMetrics;
  close(): Promise<void>;
}
