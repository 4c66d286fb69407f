import type {
  CanonicalName,
  Digest,
  PackageKind,
  PackageName,
  PublishedManifest,
  Version,
  VersionStatus,
} from "@lading/core-manifest";

/** What a credential allows. `admin` includes all others. */
export type Scope = "read" | "publish" | "yank" | "owner" | "admin";

/** Every {@link Scope}, weakest first. */
export const SCOPES: readonly Scope[] = ["read", "publish", "yank", "owner", "admin"];

/** An account. Times here and below are milliseconds since the epoch. */
export interface Account {
  readonly id: string;
  readonly username: string;
  readonly email?: string;
  /** Encoded hash with its parameters; empty: no password opens this account. */
  readonly passwordHash: string;
  readonly admin: boolean;
  readonly created: number;
  /** Where the person is known and logs in: `ldap`, or `oidc:` and the issuer; absent: here. */
  readonly origin?: string;
  /** When it was deleted. Nobody acts by it any more; what it published names it. */
  readonly deleted?: number;
}

/** An opaque token, without its secret. */
export interface TokenRecord {
  readonly id: string;
  readonly accountId: string;
  readonly name: string;
  /** SHA-256 of the whole token, lower-case hexadecimal. */
  readonly hash: string;
  readonly scopes: readonly Scope[];
  /** Package patterns that it is limited to; empty: every package. */
  readonly packages: readonly string[];
  /** Networks that its requests must come from, as `formatNetwork` writes them; absent: from anywhere. */
  readonly cidr?: readonly string[];
  readonly created: number;
  readonly expires?: number;
  readonly lastUsed?: number;
}

/** A login; the session token is a JWT whose `jti` is this id. */
export interface SessionRecord {
  readonly id: string;
  readonly accountId: string;
  readonly created: number;
  readonly expires: number;
}

/** A public signing key registered with an account. */
export interface KeyRecord {
  /** `ed25519:` and the key id in hexadecimal. */
  readonly fingerprint: string;
  readonly accountId: string;
  /** SPKI PEM. */
  readonly pem: string;
  /** What its owner calls it. */
  readonly name?: string;
  readonly created: number;
  /** The kind of statement that brought it; absent where it was registered by hand. */
  readonly origin?: "rotation" | "recovery";
}

/** A signed statement about a publisher's key, with its place in the log (`docs/spec/signing.md` §9). */
export interface KeyStatementRecord {
  readonly accountId: string;
  /** User name of the account. */
  readonly account: string;
  readonly kind: "rotation" | "recovery" | "revocation";
  /** Fingerprint of the key that it is about. */
  readonly key: string;
  /** Fingerprint of the key that it follows; absent for a revocation. */
  readonly previous?: string;
  /** Of a revocation: index in the log from which the key is not trusted. */
  readonly fromIndex?: number;
  /** Of a recovery: end of its waiting period. */
  readonly effective?: number;
  /** Digest of {@link bytes}. */
  readonly statement: Digest;
  /** The signed envelope. */
  readonly bytes: Uint8Array;
  /** Index of its entry in the log. */
  readonly leaf: number;
  readonly logged: number;
}

/** What a package's owners demand of its publications, beside what the registry demands. */
export interface PackagePolicy {
  /** How many different keys must have signed; from 1. */
  readonly threshold?: number;
  /** Only these keys count: 32 bytes each, in base64. */
  readonly publicKeys?: readonly string[];
  /** Only these accounts may publish, and only their keys count. */
  readonly trustedPublishers?: readonly string[];
}

/** One published file of a version. */
export interface ArtifactRecord {
  readonly target: string;
  readonly blob: Digest;
  /** Bytes of the file. */
  readonly size: number;
  readonly tree: Digest;
  /** Bytes after decompression. */
  readonly plainSize: number;
  readonly fileCount: number;
  readonly statement?: Digest;
  /** Fingerprints of the keys that signed the statement. */
  readonly signers: readonly string[];
  /** Whether the server verified a signature against a registered key of the publisher. */
  readonly verified: boolean;
  readonly readme?: Digest;
  readonly published: number;
  /** Index of its publication in the log; the metadata store gives it. */
  readonly leaf?: number;
}

/** That nobody may have a version's files any more; its number and digests stay taken. */
export interface VersionRemoval {
  readonly reason: string;
  readonly at: number;
  /** Garbage collection may delete the files: there is no way back then. */
  readonly purge: boolean;
  /** What the version was before, and is again when the removal is undone. */
  readonly before: { readonly status: VersionStatus; readonly reason?: string; readonly replacement?: string };
}

/** A version with everything the API tells of it. */
export interface VersionRecord {
  readonly version: Version;
  readonly kind: PackageKind;
  readonly manifest: PublishedManifest;
  readonly status: VersionStatus;
  readonly reason?: string;
  readonly replacement?: string;
  readonly removed?: VersionRemoval;
  readonly published: number;
  /** User name of the account that published it. */
  readonly publisher: string;
  readonly downloads: number;
  /** When it was downloaded last, to within some seconds, in milliseconds since the epoch. */
  readonly downloaded?: number;
  readonly artifacts: readonly ArtifactRecord[];
}

/** A package as lists and searches show it. */
export interface PackageSummary {
  /** The owner's spelling. */
  readonly name: PackageName;
  readonly canonical: CanonicalName;
  /** Rises by one with every change of the package. */
  readonly sequence: number;
  /** Absent where its owners demand nothing. */
  readonly policy?: PackagePolicy;
  /** Channels that somebody set, name -> version; `latest` is among them where it is not the highest release. */
  readonly channels?: Readonly<Record<string, string>>;
  /** What channel `latest` names; absent where nothing is published. */
  readonly latest?: string;
  readonly title?: string;
  readonly description?: string;
  readonly license?: string;
  readonly keywords: readonly string[];
  readonly categories: readonly string[];
  readonly downloads: number;
  readonly created: number;
  readonly updated: number;
}

/** What was done, by whom, to what: one for every write, in the write's own transaction. */
export interface AuditEntry {
  readonly at: number;
  /** User name; `system` for the server itself. */
  readonly actor: string;
  /** `package.publish`, `token.create`, ... */
  readonly action: string;
  readonly package?: string;
  readonly version?: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly traceId?: string;
  readonly address?: string;
}

/** A stored {@link AuditEntry}. */
export interface AuditRecord extends AuditEntry {
  /** Rises with every record. */
  readonly id: number;
}

/** One change of a package that readers of its index document see. */
export interface FeedEntry {
  /** Rises by one with every entry of the registry, from 1. */
  readonly id: number;
  readonly name: CanonicalName;
  /** The package's sequence after the change. */
  readonly sequence: number;
  readonly at: number;
}

/** One page of a longer list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Number of items on all pages. */
  readonly total: number;
}

/** A package that a search found. */
export interface FoundPackage extends PackageSummary {
  /** The newest version for the hosts that were asked for; absent where none were. */
  readonly fitting?: Version;
}

/** Which page: `page` counts from 1. */
export interface PageRequest {
  readonly page: number;
  readonly perPage: number;
}
