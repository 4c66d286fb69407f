import type { DependencyKind } from "./manifest.ts";

/** Binary (`.lpk`, `.vitpkg`) or source (`.lmod`, `.vitmod`) package. */
export type PackageKind = "binary" | "source";

/** A dependency as a published package records it: registry sources only, requirement canonical. */
export interface RecordedDependency {
  readonly name: string;
  /** The package's real name where `name` is an alias. */
  readonly package?: string;
  readonly kind: DependencyKind;
  /** Canonical requirement syntax. */
  readonly requirement: string;
  readonly features?: readonly string[];
  /** Absent means true. */
  readonly defaultFeatures?: boolean;
  /** Absent means false. */
  readonly optional?: boolean;
  readonly targets?: readonly string[];
  /** Canonical URL of the registry that answers for it, where it is not the one the package is in. */
  readonly registry?: string;
}

/** What a published version says of itself: the normalised manifest, free of dialects. */
export interface PublishedManifest {
  readonly name: string;
  readonly version: string;
  readonly title?: string;
  readonly authors?: readonly string[];
  readonly description?: string;
  readonly license?: string;
  readonly repository?: string;
  readonly homepage?: string;
  readonly documentation?: string;
  /** Path of the readme inside the package. */
  readonly readme?: string;
  readonly keywords?: readonly string[];
  readonly categories?: readonly string[];
  readonly edition?: string;
  readonly dependencies?: readonly RecordedDependency[];
  readonly features?: Readonly<Record<string, readonly string[]>>;
  readonly hosts?: Readonly<Record<string, string>>;
  readonly runtimes?: readonly { readonly runtime: string; readonly requirement?: string }[];
  /** Names of the build and chaos profiles and other tables that travel along, as the author wrote them. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/**
 * `.lading/package.json`, the first member of every package (`docs/spec/archive.md` §record). Written as
 * canonical JSON, see `encodeCanonicalJson`.
 */
export interface PackageRecord {
  readonly format: 1;
  readonly kind: PackageKind;
  /** `any`, or a target triple such as `x86_64-linux`. */
  readonly target: string;
  /** Path of the author's own manifest inside the package. */
  readonly manifestFile: string;
  /** Sorted paths of executable members. */
  readonly executables: readonly string[];
  readonly manifest: PublishedManifest;
}
