import type { DependencyKind } from "@lading/core-manifest";

/**
 * Identity of a package for the resolver: the canonical name, with whatever tag the caller needs to tell two
 * sources of one name apart (`foo`, `foo@https://other.example/`, `path:../foo`). Compared as text, never taken apart.
 */
export type PackageKey = string;

/**
 * A set of versions. `Requirement` of core-manifest is one. Two requirements of the same `canonical`
 * text are the same set: the answer is computed once per package and text.
 */
export interface VersionRequirement {
  /** What is shown in explanations and what identifies the set. */
  readonly canonical: string;
  /** Whether `version` is in the set; a pre-release only where the requirement names one of its tuple. */
  matches(version: string): boolean;
  /** Whether `version` is in the set when every pre-release is acceptable. Absent: the same as `matches`. */
  matchesWithPrereleases?(version: string): boolean;
  /**
   * The same as `matches` for all versions of a package at once, where that is quicker: `versions` are oldest first; those in
   * the set as inclusive intervals of places, `[from, to, from, to, ...]`. Absent, or `undefined`: each version is tested.
   */
  intervals?(versions: readonly string[]): readonly number[] | undefined;
}

/** One dependency of a candidate, or of a root. */
export interface Dependency {
  /** The package that is wanted. */
  readonly key: PackageKey;
  /** Name that the dependent knows it by, where it is not the key; features refer to it by this name. */
  readonly name?: string;
  /** Canonical requirement text (read with core-manifest's `canonical` syntax), or an object. */
  readonly requirement: string | VersionRequirement;
  /** Absent: `normal`. `dev` counts for roots only. `peer`: see {@link PeerPolicy}. */
  readonly kind?: DependencyKind;
  /** Features of the package that are wanted. */
  readonly features?: readonly string[];
  /** Whether its feature `default` is wanted; absent: true. */
  readonly defaultFeatures?: boolean;
  /** Taken only when a feature of the dependent asks for it; an optional peer is only checked where present. */
  readonly optional?: boolean;
  /** Taken where a solution with it exists, left out with a note where none does. Never makes a resolution fail. */
  readonly ifPossible?: boolean;
  /**
   * Counts only for these targets: names, patterns in which `*` stands for any text, and `!` in front of what is left out
   * (`targetsInclude` of core-manifest). Absent: for all. See `ResolveInput.targets`.
   */
  readonly targets?: readonly string[];
  /**
   * Counts only where each of these host axes has a declared version in range; absent: everywhere. An axis that the
   * input does not declare holds back nothing.
   */
  readonly hosts?: Readonly<Record<string, string | VersionRequirement>>;
}

/** Why a version that exists may not be chosen. */
export type ExclusionReason =
  | "yanked"
  | "held"
  | "removed"
  | "revoked"
  | "cooldown"
  | "exclude-newer"
  | "pre-release"
  | "host"
  | "advisory"
  | "policy";

/** One reason against one version, as the provider or the caller's policy found it. */
export interface Exclusion {
  readonly reason: ExclusionReason;
  /** Completes "foo 2.1.0 is excluded: ...": `it is 3 hours old, the cooldown is 24 hours`. */
  readonly text: string;
  /** Whether a lock that has exactly this version may keep it. Absent: true for `yanked`, `cooldown` and `exclude-newer`. */
  readonly unlessLocked?: boolean;
  /** Instant (RFC 3339) from which the reason is gone: when a cooldown ends. */
  readonly until?: string;
}

/** One version of a package on offer. */
export interface Candidate {
  readonly version: string;
  /** In the order of the manifest: the order decides which package is met first. */
  readonly dependencies: readonly Dependency[];
  /**
   * Feature -> what it switches on: another feature `x`, an optional dependency `name` or `dep:name`, a
   * dependency's feature `name/x`, or `name?/x` (only where something else switches `name` on).
   */
  readonly features?: Readonly<Record<string, readonly string[]>>;
  /** Groups of features of which at most one may be on, whoever asks for them. */
  readonly exclusiveFeatures?: readonly (readonly string[])[];
  /** Host axis -> canonical requirement that each declared host version must meet. */
  readonly hosts?: Readonly<Record<string, string | VersionRequirement>>;
  /** Reasons why it may not be chosen; empty or absent: it may. */
  readonly excluded?: readonly Exclusion[];
  /** How to show the version, where it is not the version itself: `1.2.3 (git 0f3e...)`. */
  readonly display?: string;
  /** Anything of the provider's own, handed back untouched on {@link ResolvedPackage}. */
  readonly data?: unknown;
}

/** All that is known of one package. */
export interface PackageMetadata {
  /** In any order, each version once; the resolver sorts. */
  readonly candidates: readonly Candidate[];
  /** Why there is no such package: `not found in registry "main"`. Only read where `candidates` is empty. */
  readonly missing?: string;
}

/**
 * Where packages come from. The resolver reads what is known through `get`, which must be cheap, and asks
 * for what is not through `load`. Answers must not change during one resolution.
 */
export interface DependencyProvider {
  /** What is known; `undefined`: not loaded yet. A package that does not exist has no candidates. */
  get(key: PackageKey): PackageMetadata | undefined;
  /**
   * Loads all of `keys`, in parallel where it can. When it has returned, `get` knows every one of them.
   * `speculative` keys may be needed soon and may be left out. A rejection ends the resolution with that error.
   */
  load(
    keys: readonly PackageKey[],
    options: { readonly signal?: AbortSignal; readonly speculative: readonly PackageKey[] },
  ): Promise<void>;
  /** Name of a package in explanations; absent: the key. */
  displayName?(key: PackageKey): string;
  /** Packages that exist, as far as that is known without loading: what may have been meant by a name that does not. */
  names?(): Iterable<PackageKey>;
  /** Order of versions, oldest first; absent: SemVer precedence. */
  compareVersions?(left: string, right: string, key: PackageKey): number;
  /** Whether a version is a pre-release; absent: by SemVer. */
  isPrerelease?(version: string, key: PackageKey): boolean;
  /** Slot of a version for `per-major`; absent: `compatibilitySlot` of core-manifest. */
  slotOf?(version: string, key: PackageKey): string;
}

/** `single`: one version of each package. `per-major`: one version of each package and compatibility slot. */
export type CoexistencePolicy = "single" | "per-major";

/** Which versions are preferred: `lowest-direct` takes the oldest of what the roots name and the newest below. */
export type VersionPreference = "newest" | "oldest" | "lowest-direct";

/**
 * `named`: a pre-release is a candidate only for a requirement that names one of its tuple, and comes after every
 * stable version. `fallback`: of any requirement that spans it, after every stable version. `allow`: of any
 * requirement that spans it, in plain version order. `never`: not at all.
 */
export type PrereleasePolicy = "named" | "fallback" | "allow" | "never";

/** `provide`: a required peer is installed like any dependency. `check`: it is only checked where it is present. */
export type PeerPolicy = "provide" | "check";

/** Something to be resolved for: the project, or one member of a workspace. */
export interface RootPackage {
  /** Shown in explanations, unique among the roots. */
  readonly name: string;
  /**
   * What it does with its dependencies in a sentence; absent: `depends on`. A root with a verb of its own stands for a
   * question (`you`, `ask for`): no suggestion changes what it asks.
   */
  readonly verb?: string;
  readonly version?: string;
  /** In manifest order. */
  readonly dependencies: readonly Dependency[];
  /** The root's own feature table. */
  readonly features?: Readonly<Record<string, readonly string[]>>;
  /** Groups of its features of which at most one may be on. */
  readonly exclusiveFeatures?: readonly (readonly string[])[];
  /** Features of the root that are switched on. */
  readonly enable?: readonly string[];
  /** Whether the root's feature `default` is on; absent: true. */
  readonly defaultFeatures?: boolean;
}

/** A version that the lock has. */
export interface LockedPackage {
  readonly key: PackageKey;
  readonly version: string;
}

/**
 * Which slot a requirement was met in that several locked versions meet: without it, the newest of them would be preferred, and
 * an answer given back as the lock might be another one.
 */
export interface LockedSlot {
  readonly key: PackageKey;
  /** Canonical text. */
  readonly requirement: string;
  /** The locked version that met it. */
  readonly version: string;
}

/** Replaces the requirement of every dependency on a package, whoever has it. */
export interface Override {
  readonly key: PackageKey;
  readonly requirement: string | VersionRequirement;
}

/** What is to be resolved, and by which rules. */
export interface ResolveInput {
  /** At least one. */
  readonly roots: readonly RootPackage[];
  /** Absent: `single`. */
  readonly coexistence?: CoexistencePolicy;
  /** Absent: `newest`. */
  readonly prefer?: VersionPreference;
  /** Absent: `named`. */
  readonly prereleases?: PrereleasePolicy;
  /** Absent: `provide`. */
  readonly peers?: PeerPolicy;
  /** Preferences: kept wherever a solution allows it. To update a package, leave it out. */
  readonly locked?: readonly LockedPackage[];
  /** With `per-major`: slots that are preferred for requirements that span several. See `lockedSlotsOf`. */
  readonly lockedSlots?: readonly LockedSlot[];
  readonly overrides?: readonly Override[];
  /**
   * Host axis -> the versions that the answer must hold for, every one of them (`2024`, `3.11` and `3.11.0` are
   * all accepted). An axis that is not named here constrains nothing.
   */
  readonly hosts?: Readonly<Record<string, readonly string[]>>;
  /** Targets whose dependencies count; absent: all. */
  readonly targets?: readonly string[];
  /** The caller's policy: reasons against a candidate beyond the candidate's own. Must be a pure function. */
  readonly exclude?: (key: PackageKey, candidate: Candidate) => readonly Exclusion[];
  /**
   * Most steps (decisions and conflicts of the search) before it is given up with `RESOLVE_BUDGET_EXCEEDED`; absent: 1,000,000.
   * Counted in steps and not in seconds, so that equal inputs have equal outcomes on every machine.
   */
  readonly budget?: number;
  /** Whether tested single-change fixes are looked for when there is no solution; absent: true. */
  readonly suggest?: boolean;
  /** How canonical requirement text is written for people; absent: the short caret form (`^1.2.0`, `any`). */
  readonly wording?: (canonical: string) => string;
}

/** How a package is reached from the roots. */
export type ReachKind = DependencyKind | "optional";

/** One dependency of the answer. */
export interface ResolvedDependency {
  /** Name that the dependent knows it by. */
  readonly name: string;
  readonly key: PackageKey;
  /** `id` of the package that was chosen. */
  readonly id: string;
  readonly kind: DependencyKind;
  /** Canonical text of the requirement that was applied (the override's, where there is one). */
  readonly requirement: string;
  readonly optional: boolean;
}

/** One package of the answer. */
export interface ResolvedPackage {
  /** `<key> <version>`, unique. */
  readonly id: string;
  readonly key: PackageKey;
  /** The provider's display name. */
  readonly name: string;
  readonly version: string;
  /** Compatibility slot, with `per-major`. */
  readonly slot?: string;
  /** Features that are on, the union of what all dependents ask, sorted; `default` is among them. */
  readonly features: readonly string[];
  /** Sorted by name, then id. */
  readonly dependencies: readonly ResolvedDependency[];
  /** Kinds of the ways that lead here from the roots, sorted; with `normal` among them it is a normal dependency. */
  readonly kinds: readonly ReachKind[];
  /** Whether a root names it. */
  readonly direct: boolean;
  /** Whether it is the version that the lock had. */
  readonly locked: boolean;
  readonly candidate: Candidate;
}

/** The direct dependencies of one root, in the answer. */
export interface ResolvedRoot {
  readonly name: string;
  readonly features: readonly string[];
  readonly dependencies: readonly ResolvedDependency[];
}

/** Something that was left out of a solution on purpose. */
export interface ResolutionNote {
  readonly type: "optional-left-out" | "peer-missing";
  /** `id` of the dependent, or the root's name. */
  readonly dependent: string;
  readonly key: PackageKey;
  readonly requirement: string;
  /** A sentence without final period. */
  readonly message: string;
}

/** What the work cost. */
export interface ResolutionStatistics {
  /** Packages whose metadata was read. */
  readonly packages: number;
  /** Times that `load` was awaited. */
  readonly loads: number;
  readonly decisions: number;
  readonly conflicts: number;
  readonly solves: number;
}

/** A set of versions that satisfies everything; it has passed an independent validator. */
export interface SolvedResolution {
  readonly status: "solved";
  /** Sorted by key, then version. */
  readonly packages: readonly ResolvedPackage[];
  readonly roots: readonly ResolvedRoot[];
  /** Each as ids, first repeated at the end: `["a 1.0.0", "b 1.0.0", "a 1.0.0"]`. Legal; refusing them is the caller's policy. */
  readonly cycles: readonly (readonly string[])[];
  readonly notes: readonly ResolutionNote[];
  readonly statistics: ResolutionStatistics;
}

/** Versions of one package within a statement of a proof. */
export interface ProofTerm {
  /** Package, `name[feature]`, root or host as shown. */
  readonly package: string;
  /** Number of the node in the proof's own universe. */
  readonly node: number;
  /** The versions meant, `absent` for "not installed", oldest first. */
  readonly versions: readonly string[];
  readonly absent: boolean;
}

/** What a statement of a proof rests on: a fact of the input, or two earlier statements. */
export type ProofCause =
  | {
      readonly type: "dependency";
      readonly from: string;
      readonly to: string;
      readonly requirement: string;
      readonly kind: DependencyKind;
      readonly overridden: boolean;
      /** Whether `from` is a root: a line that the user can change. */
      readonly root: boolean;
    }
  | { readonly type: "root"; readonly root: string }
  | { readonly type: "excluded"; readonly package: string; readonly reason: ExclusionReason; readonly text: string }
  | {
      readonly type: "host";
      readonly from: string;
      readonly axis: string;
      readonly version: string;
      readonly requirement: string;
    }
  | { readonly type: "feature"; readonly package: string; readonly feature: string; readonly text: string }
  | { readonly type: "derived"; readonly left: number; readonly right: number; readonly pivot: number };

/** "It cannot be that all these terms hold." No terms: a contradiction. */
export interface ProofStatement {
  readonly id: number;
  readonly terms: readonly ProofTerm[];
  readonly cause: ProofCause;
}

/**
 * A checked proof that no solution exists: statements in an order in which each rests on earlier ones; the last has
 * no terms. A derived statement is the resolution of two others on one package: union there, intersection elsewhere.
 */
export interface Derivation {
  readonly statements: readonly ProofStatement[];
  /** The same in words, one sentence a line; shared parts are numbered. */
  readonly lines: readonly string[];
}

/** One change to the input with which a solution was really found. */
export interface Suggestion {
  /**
   * `rename-root`: the package does not exist, another of a similar name does. `add-override`, which goes against a
   * package's own word, and `remove-root` are only tried where nothing else helps.
   */
  readonly type:
    | "rename-root"
    | "loosen-root"
    | "drop-features"
    | "drop-override"
    | "change-override"
    | "add-override"
    | "allow-prerelease"
    | "allow-excluded"
    | "allow-reason"
    | "change-host"
    | "remove-root";
  /** The advice as a sentence without final period. */
  readonly message: string;
  readonly key?: PackageKey;
  /** Version that `key` then gets. */
  readonly version?: string;
  /** The root, host axis or feature list that is to be changed is in `message`; this is the new requirement, canonical. */
  readonly requirement?: string;
  /** For `allow-excluded` and `allow-reason`: what kind of reason is to be lifted, from one version or from all. */
  readonly reason?: ExclusionReason;
  /** For an exclusion that ends by itself: when (RFC 3339). */
  readonly until?: string;
}

/** There is no solution; the proof has passed an independent checker. */
export interface UnsolvableResolution {
  readonly status: "unsolvable";
  readonly proof: Derivation;
  /** The conflict in words, several lines. */
  readonly explanation: string;
  /** Every requirement that the proof cites: who asks for what. */
  readonly requirements: readonly {
    readonly dependent: string;
    readonly package: string;
    readonly requirement: string;
  }[];
  readonly suggestions: readonly Suggestion[];
  readonly statistics: ResolutionStatistics;
}

/** The answer; both outcomes are values. */
export type Resolution = SolvedResolution | UnsolvableResolution;

/** What one call of `step` came to. */
export type ResolverStep =
  | {
      readonly status: "needs";
      /** Packages without which it cannot go on; all at once. */
      readonly packages: readonly PackageKey[];
      /** Packages that will probably be needed next. */
      readonly speculative: readonly PackageKey[];
      /** The answer is settled: what cannot be loaded now only costs a suggestion. */
      readonly forSuggestions: boolean;
    }
  | { readonly status: "done"; readonly resolution: Resolution };

/** The steps that were granted are done, and neither an answer nor a need has come of them. */
export interface ResolverWorking {
  readonly status: "working";
  /** What it has cost so far. */
  readonly statistics: ResolutionStatistics;
}

/** A resolution under way, without IO: call `step` until it is done, loading what it needs between. */
export interface Resolver {
  /**
   * Goes on until it is done or needs something.
   * @throws {ResolverError} `RESOLVE_INPUT_INVALID`, `RESOLVE_METADATA_INVALID`, `RESOLVE_BUDGET_EXCEEDED`, `RESOLVE_INTERNAL`
   */
  step(): ResolverStep;
  /** The same, but comes back with `working` after about `most` steps of the search: to show progress, or to stop. */
  step(most: number): ResolverStep | ResolverWorking;
}
