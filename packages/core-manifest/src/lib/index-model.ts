import type { Digest } from "./digest.ts";
import type { PackageKind, RecordedDependency } from "./recorded-dependency.ts";

/**
 * Whether a version may be chosen. `yanked`: only by a lock that has it. `held`: not yet approved. `removed`: taken down,
 * number and digests stay.
 */
export type VersionStatus = "active" | "yanked" | "deprecated" | "held" | "removed";

/** Where a registry has the statement of an artefact; see {@link IndexArtifact.statement}. */
export type StatementPlace = "beside" | Digest;

/** One file of a version. */
export interface IndexArtifact {
  /** `any`, `source` or a target triple. */
  readonly target: string;
  /** SHA-256 of the file's bytes; also its address below `/blobs/sha256/`. */
  readonly blob: Digest;
  /** Bytes of the file. */
  readonly size: number;
  readonly tree: Digest;
  /**
   * Where the statement's envelope is: `beside` the file, at the file's address and `.sig`, or at the address of its own
   * digest. Absent for an unsigned artefact.
   */
  readonly statement?: StatementPlace;
}

/** One version of a package: what resolution and install need, and no more. */
export interface IndexVersion {
  /** Entry schema; a client that does not know it skips the version. */
  readonly schema: number;
  readonly version: string;
  readonly kind: PackageKind;
  readonly artifacts: readonly IndexArtifact[];
  readonly dependencies: readonly RecordedDependency[];
  readonly features: Readonly<Record<string, readonly string[]>>;
  /** Groups of features of which at most one may be on. */
  readonly exclusiveFeatures?: readonly (readonly string[])[];
  readonly hosts: Readonly<Record<string, string>>;
  /** RFC 3339, UTC, whole seconds. */
  readonly published: string;
  readonly status: VersionStatus;
  readonly reason?: string;
  /** Name of what to use instead, for `deprecated`. */
  readonly replacement?: string;
  readonly license?: string;
  /** Key ids of the statement's signers. */
  readonly signers: readonly string[];
  /** Account that published it. */
  readonly publisher?: string;
  /** Unknown keys, kept as read. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** The sparse index document of one package (`docs/spec/index.md`). */
export interface IndexDocument {
  readonly schema: 1;
  /** The owner's spelling. */
  readonly name: string;
  /** Rises by one with every change of this package. */
  readonly sequence: number;
  /** Channels (dist-tags): name -> version. */
  readonly channels: Readonly<Record<string, string>>;
  /** Ascending by SemVer precedence. */
  readonly versions: readonly IndexVersion[];
  /** Entries of a newer schema than this release reads: never chosen, written back as they were read. */
  readonly newer?: readonly unknown[];
  readonly extra?: Readonly<Record<string, unknown>>;
}
