import type { Digest } from "./digest.ts";

/** Where a locked package came from. */
export type LockSource =
  | { readonly type: "registry"; /** Canonical URL. */ readonly url: string }
  | { readonly type: "path"; /** Relative to the lock file, `/` separated. */ readonly path: string }
  | { readonly type: "git"; readonly url: string; readonly commit: string };

/** One artefact of a locked version, where there are several. */
export interface LockArtifact {
  readonly target: string;
  readonly checksum: Digest;
  readonly tree: Digest;
  readonly size: number;
}

/** One `[[packages]]` block. */
export interface LockPackage {
  readonly name: string;
  readonly version: string;
  /** Absent in GAL's short form: the default registry. */
  readonly source?: LockSource;
  /** `sha256:` of the package file; absent for path sources. */
  readonly checksum?: Digest;
  readonly tree?: Digest;
  /** Sorted. */
  readonly features: readonly string[];
  /**
   * `name`, or `name version`, or `name version source` where the shorter form is ambiguous; after a condition in brackets
   * where it holds in fewer environments than both packages are for; sorted.
   */
  readonly dependencies: readonly string[];
  /** Pinned signer: `ed25519:` and the key id's hexadecimal digits. */
  readonly publisher?: string;
  /** Kinds through which only this package is reached; absent means it is a normal dependency. */
  readonly kinds?: readonly ("dev" | "build" | "peer" | "optional")[];
  /**
   * Canonical requirements that are met by this version though other versions of the lock would meet them as well; sorted.
   * One that holds in some of its environments only has their condition before it, as a reference has.
   */
  readonly ranges?: readonly string[];
  /** Conditions that name the environments that it is for, in canonical form (`revit=2024`); absent: all of the lock's. */
  readonly environments?: readonly string[];
  readonly artifacts?: readonly LockArtifact[];
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** A lock file (`docs/spec/lockfile.md`), GAL's schema and what was added to it. */
export interface Lockfile {
  readonly version: 1;
  /** Name of the root package, or of the workspace directory where the root has none. */
  readonly root: string;
  /** Digest of the resolution inputs; a lock whose `inputs` equal the manifest's is fresh. */
  readonly inputs?: Digest;
  /** Axis (a host, or `target`) -> values that the lock is valid for, every combination of them; see `lockGrid`. */
  readonly environment?: Readonly<Record<string, readonly string[]>>;
  /** Requirements that stood in for everybody's: name -> canonical requirement. Told, not read: `inputs` covers them. */
  readonly overrides?: Readonly<Record<string, string>>;
  /** What stood in for packages of registries: name -> source, with the version or requirement where a registry is it. */
  readonly patches?: Readonly<Record<string, string>>;
  /** Direct dependencies of the root and of workspace members: member name -> dependency references. */
  readonly members?: Readonly<Record<string, readonly string[]>>;
  /** Sorted by name, then version, then source. */
  readonly packages: readonly LockPackage[];
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** A source as lock files and dependency references write it: `registry+URL`, `git+URL#COMMIT`, `path+RELATIVE`. */
export function lockSourceString(source: LockSource): string {
  switch (source.type) {
    case "registry":
      return `registry+${source.url}`;
    case "git":
      return `git+${source.url}#${source.commit}`;
    case "path":
      return `path+${source.path}`;
  }
}
