import type { Digest, PackageRecord } from "@lading/core-manifest";

/** One file of a stored package. */
export interface StoredFile {
  /** Relative, `/` separated. */
  readonly path: string;
  readonly size: number;
  readonly sha256: Digest;
  readonly executable: boolean;
  /** Modification time when it was stored, whole milliseconds since the epoch. */
  readonly mtimeMs: number;
}

/** A package in the store. */
export interface StoredPackage {
  readonly tree: Digest;
  /** Digest of the package file that it came from. */
  readonly blob: Digest;
  readonly name: string;
  readonly version: string;
  /** Bytes of its files. */
  readonly size: number;
  readonly fileCount: number;
  /** Milliseconds since the epoch. */
  readonly storedAt: number;
  readonly lastUsedAt: number;
  /** Fingerprints of the signers that were verified when it was stored or later; empty: none was. */
  readonly signers: readonly string[];
}

export interface IngestExpectation {
  readonly blob?: Digest | undefined;
  readonly size?: number | undefined;
  readonly tree?: Digest | undefined;
}

export interface IngestOptions {
  /** Recorded with the package. */
  readonly signers?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Something about a file that is not as it should be. */
export interface FileProblem {
  readonly kind: "missing" | "changed" | "extra";
  readonly path: string;
}

export interface GarbageOptions {
  /** Least recently used packages go until the store is no larger. */
  readonly maxBytes?: number | undefined;
  /** Packages that were not used for this long go. */
  readonly maxAgeMs?: number | undefined;
  /** Only say what would go. */
  readonly dryRun?: boolean | undefined;
  /** Packages used within this time stay: an installation may be linking them. Default: 10 minutes. */
  readonly graceMs?: number | undefined;
  /** Whether packages that living environments use may go as well. Default: false. */
  readonly includeInUse?: boolean | undefined;
}

export interface GarbageReport {
  readonly removed: readonly StoredPackage[];
  readonly freedBytes: number;
  readonly keptBytes: number;
  readonly keptPackages: number;
}

/**
 * Packages unpacked once, read-only, addressed by tree digest (`docs/spec/store.md`).
 * Several processes may use one store at a time.
 */
export interface Store {
  readonly directory: string;
  /** Rises whenever something is removed: what was linked before may be gone. */
  readonly epoch: string;
  /**
   * Verifies and unpacks a package file. A package that is there already is not unpacked again.
   * @throws {ArchiveError} when the file is not what is expected or not a safe package; nothing is kept then
   */
  ingest(file: string, expect: IngestExpectation, options?: IngestOptions): Promise<StoredPackage>;
  has(tree: Digest): boolean;
  get(tree: Digest): StoredPackage | undefined;
  /** By the digest of the package file. */
  byBlob(blob: Digest): StoredPackage | undefined;
  /** Directory of the package's files, whether it is there or not. */
  path(tree: Digest): string;
  /** Files in path order. @throws {InstallerError} `STORE_PACKAGE_MISSING` */
  files(tree: Digest): readonly StoredFile[];
  /**
   * The record that a package carries, as it was checked when the package came: read once, not parsed strictly again.
   * @throws {InstallerError} `STORE_PACKAGE_DAMAGED` where the file is gone or no longer JSON
   */
  record(tree: Digest): PackageRecord;
  list(): readonly StoredPackage[];
  /** Sum over all packages. */
  size(): { readonly packages: number; readonly bytes: number; readonly files: number };
  /** Marks packages as used now. */
  touch(trees: readonly Digest[]): void;
  /** Records signers that were verified for a package. */
  setSigners(tree: Digest, signers: readonly string[]): void;
  /** What is wrong with a stored package; `full` reads every byte, else sizes and times are compared. */
  verify(tree: Digest, options?: { readonly full?: boolean }): Promise<readonly FileProblem[]>;
  /** Those of `trees` that are absent or damaged; damaged ones are removed, so that they can be stored anew. */
  missing(trees: readonly Digest[], options?: { readonly verify?: "none" | "quick" | "full" }): Promise<Digest[]>;
  /** Declares that an environment needs `trees` as long as `directory` exists. Replaces its earlier declaration. */
  retain(directory: string, trees: readonly Digest[]): void;
  remove(trees: readonly Digest[]): Promise<GarbageReport>;
  gc(options: GarbageOptions): Promise<GarbageReport>;
  close(): void;
}
