import type { CanonicalName, LockSource, PackageManifest } from "@lading/core-manifest";

/** A package whose content is on this disk: a path dependency, or a checked out commit. */
export interface LocalPackage {
  readonly name: string;
  readonly canonical: CanonicalName;
  readonly version: string;
  /** Absolute. */
  readonly directory: string;
  readonly source: Exclude<LockSource, { type: "registry" }>;
  readonly manifest: PackageManifest;
}
