import type { Digest, EventListener, LockPackage } from "@lading/core-manifest";
import type { FileProblem, Store } from "./store-types.ts";

/** `copied`: real directories of hard-linked (reflinked, copied) files. `linked`: one relative symlink per package. */
export type InstallLayout = "copied" | "linked";

/** How files of the `copied` layout come from the store. */
export type LinkStrategy = "hardlink" | "reflink" | "copy";

/** Two paths: where generations are kept, and the link that names the current one. */
export interface Environment {
  /** Directory of generations, state and lock: `<project>/.lading`. */
  readonly state: string;
  /** What users and programs see: `<project>/lading_packages`. */
  readonly link: string;
}

/** Where an installed package came from, as its record says (`docs/spec/store.md` §record). */
export interface InstallSource {
  readonly type: "registry" | "git" | "path" | "archive" | "url";
  /** URL, or path relative to the environment's project. */
  readonly url?: string;
  /** Git: the branch, tag or commit that was asked for. */
  readonly ref?: string;
  /** Git: the commit that was checked out. */
  readonly commit?: string;
}

/** One package to install. */
export interface InstallPackage {
  readonly name: string;
  readonly version: string;
  /** Path inside the environment, `/` separated; see `installPath`. */
  readonly path: string;
  readonly source: InstallSource;
  /** Content; absent where `directory` is given. */
  readonly tree?: Digest;
  readonly blob?: Digest;
  /** A path source: absolute directory that is symlinked instead. */
  readonly directory?: string;
  /** Name that this package uses for a dependency -> that dependency's path inside the environment. */
  readonly dependencies: Readonly<Record<string, string>>;
  readonly features: readonly string[];
  /** Fingerprints of the verified signers. */
  readonly signers: readonly string[];
  /** Whether the project names it itself. */
  readonly direct: boolean;
}

/** What is recorded of each package of a generation. */
export interface InstallRecord {
  readonly name: string;
  readonly version: string;
  readonly path: string;
  readonly source: InstallSource;
  /** `sha256:` of the package file. */
  readonly checksum?: Digest;
  readonly tree?: Digest;
  readonly features: readonly string[];
  readonly signers: readonly string[];
  readonly direct: boolean;
  readonly dependencies: Readonly<Record<string, string>>;
  /** RFC 3339, UTC: when this content first came into this environment. */
  readonly installed: string;
}

/** One state of an environment, complete and immutable. */
export interface Generation {
  readonly number: number;
  /** RFC 3339, UTC. */
  readonly created: string;
  /** What made it: `install`, `add tool`. */
  readonly reason: string;
  readonly layout: InstallLayout;
  readonly link: LinkStrategy | "symlink";
  /** Host axis -> version that it was made for. */
  readonly hosts: Readonly<Record<string, string>>;
  /** Sorted by path. */
  readonly packages: readonly InstallRecord[];
  readonly directory: string;
  readonly current: boolean;
}

/** What an installation did. */
export interface InstallResult {
  readonly generation: Generation;
  /** Number of the generation before, where there was one. */
  readonly previous: number | undefined;
  readonly added: readonly InstallRecord[];
  readonly removed: readonly InstallRecord[];
  readonly changed: readonly { readonly from: InstallRecord; readonly to: InstallRecord }[];
  readonly files: number;
  readonly durationMs: number;
  /** Resolves when generations beyond the kept ones are deleted; never rejects. */
  readonly cleanup: Promise<void>;
}

export interface InstallGenerationOptions {
  readonly environment: Environment;
  readonly store: Store;
  readonly layout: InstallLayout;
  readonly packages: readonly InstallPackage[];
  /** Default: `auto`, the first of the platform's ladder that works. */
  readonly link?: LinkStrategy | "auto" | undefined;
  /** How stored files are checked before they are linked. Default: `quick` (sizes and times). */
  readonly verify?: "none" | "quick" | "full" | undefined;
  readonly reason?: string | undefined;
  readonly hosts?: Readonly<Record<string, string>> | undefined;
  /** Generations kept, the new one included. Default: 3. */
  readonly keep?: number | undefined;
  /** How superseded generations are deleted: in this process, or by one that outlives it. Default: `await`. */
  readonly cleanup?: "await" | "detached" | undefined;
  /** Milliseconds since the epoch; a parameter for reproducible records. Default: now. */
  readonly now?: number | undefined;
  readonly onEvent?: EventListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Something wrong with what is installed. */
export interface InstalledProblem {
  readonly package: string;
  readonly version: string;
  /** Path of the package inside the environment. */
  readonly path: string;
  readonly problems: readonly FileProblem[];
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly generation: number;
  readonly packages: number;
  readonly files: number;
  readonly damaged: readonly InstalledProblem[];
  /** Paths in the environment that belong to no package. */
  readonly strangers: readonly string[];
}

/** A package of the plan: everything of {@link InstallPackage}, and what is needed to fetch it. */
export interface PlannedPackage extends InstallPackage {
  readonly lock: LockPackage;
  /** Bytes of the package file where the lock says so. */
  readonly size?: number;
}

export interface PlanOptions {
  /** Directory that the lock's path sources are relative to. */
  readonly project: string;
  /** Targets in order of preference; `any` is always the last. Default: none but `any`. */
  readonly targets?: readonly string[] | undefined;
  /** Kinds to leave out, such as `dev`. */
  readonly omit?: readonly ("dev" | "build" | "peer" | "optional")[] | undefined;
  /** Members whose dependencies are wanted; default: all. */
  readonly members?: readonly string[] | undefined;
}

/** What a lock means for one environment. */
export interface InstallPlan {
  /** Sorted by path. */
  readonly packages: readonly PlannedPackage[];
  readonly skipped: readonly { readonly name: string; readonly version: string; readonly reason: string }[];
}
