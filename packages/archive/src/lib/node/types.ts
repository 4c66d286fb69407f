import type { Digest, PackageRecord } from "@lading/core-manifest";
import type { ArchiveCodec } from "../format.ts";
import type { TreeFile } from "../tree-digest.ts";

/** One file of a package. */
export interface PackageFile extends TreeFile {
  /** Bytes of its content. */
  readonly size: number;
}

/** A package that was just packed. */
export interface PackedArtifact {
  /** Where it is. */
  readonly path: string;
  /** SHA-256 of the file. */
  readonly blob: Digest;
  /** Bytes of the file. */
  readonly size: number;
  /** Identity of what is in it. */
  readonly tree: Digest;
  /** Bytes of the tar inside. */
  readonly plainSize: number;
  readonly codec: ArchiveCodec;
  /** The record as it was written, with `executables` complete. */
  readonly record: PackageRecord;
  /** All members in their order, `.lading/package.json` first. */
  readonly files: readonly PackageFile[];
}

/** A package that passed the strict reader. */
export interface InspectedPackage {
  readonly record: PackageRecord;
  readonly tree: Digest;
  readonly blob: Digest;
  /** Stored bytes. */
  readonly size: number;
  /** Bytes of the tar inside. */
  readonly plainSize: number;
  readonly codec: ArchiveCodec;
  /** All members in their order, `.lading/package.json` first. */
  readonly files: readonly PackageFile[];
  /** Contents of the members that were asked for with `keep`. */
  readonly members: ReadonlyMap<string, Uint8Array>;
}

/** What a package must be; what is absent is not asked. */
export interface ExpectedPackage {
  readonly blob?: Digest | undefined;
  /** Stored bytes. */
  readonly size?: number | undefined;
  readonly tree?: Digest | undefined;
}
