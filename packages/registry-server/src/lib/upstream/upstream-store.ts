import type { Digest } from "@lading/core-manifest";
import type { AuditEntry } from "../records.ts";

/** A file of an upstream registry, by the path that it has below the upstream's address. */
export interface UpstreamFile {
  /** Without leading slash: `metadata/timestamp.json`, `blobs/sha256/<hex>`. */
  readonly path: string;
  readonly digest: Digest;
  /** Whether its bytes are in the blob store; without them it is known what they must be. */
  readonly held: boolean;
  /** Canonical name of the package that it belongs to; absent for what belongs to none. */
  readonly package?: string;
  readonly version?: string;
  /** When the upstream published it, in milliseconds since the epoch; 0 where that does not matter. */
  readonly published: number;
}

/** A step of what is known of an upstream: all of it or nothing. */
export interface UpstreamUpdate {
  readonly upstream: string;
  /** New files, and other ones in place of those of the same path. A file that is held stays held under the same digest. */
  readonly put: readonly UpstreamFile[];
  /** Paths that are gone at once. */
  readonly removed?: readonly string[];
  /** Paths that readers of a moment ago still ask for: kept until {@link UpstreamUpdate.forgetBefore} is past `at`. */
  readonly superseded?: readonly string[];
  /** The state from now on, where the one before is still the one that it follows. */
  readonly state?: { readonly text: string; readonly follows: string | undefined };
  readonly at: number;
  /** Files superseded before this time are forgotten. */
  readonly forgetBefore?: number;
}

/** A package version that may be fetched from an upstream before it has the age that is demanded. */
export interface AgeException {
  readonly upstream: string;
  /** Canonical name. */
  readonly package: string;
  readonly version: string;
  readonly reason: string;
  /** User name of who granted it. */
  readonly by: string;
  readonly created: number;
  readonly expires: number;
}

/**
 * What a registry holds of the upstream registries that it mirrors or stands before: paths, and the digests of their
 * bytes, which are in the blob store. Each change is one transaction, and survives a power failure when it resolves.
 */
export interface UpstreamStore {
  /** The text last put as the upstream's state. */
  state(upstream: string): Promise<string | undefined>;
  file(upstream: string, path: string): Promise<UpstreamFile | undefined>;
  /** Files whose paths begin so, those that are superseded left out; by path. */
  files(upstream: string, prefix: string): Promise<readonly UpstreamFile[]>;
  /** `false`, and nothing changed, where another server put a state since. */
  update(update: UpstreamUpdate): Promise<boolean>;
  /** Grants an exception, in place of one for the same version; `entry` is appended to the log with it. */
  grant(exception: AgeException, audit: AuditEntry, entry?: Uint8Array): Promise<void>;
  /** Whether there was one. */
  revoke(wanted: Pick<AgeException, "upstream" | "package" | "version">, audit: AuditEntry): Promise<boolean>;
  /** All that were granted and not revoked, expired ones included; by upstream, package and version. */
  exceptions(): Promise<readonly AgeException[]>;
}
