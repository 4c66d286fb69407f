import type {
  LockedPackage,
  LockedSlot,
  ResolutionStatistics,
  ResolvedDependency,
  ResolvedPackage,
  ResolvedRoot,
  ResolveInput,
  SolvedResolution,
  Suggestion,
  UnsolvableResolution,
} from "./types.ts";

/**
 * One environment that an answer has to hold in: host axis -> version (`revit` -> `2024`), and under
 * {@link TARGET_AXIS} the target, where targets are told apart.
 */
export type TargetEnvironment = Readonly<Record<string, string>>;

/** Name under which an environment has its target. No host axis may be called so. */
export const TARGET_AXIS = "target";

/** Most environments of one grid. */
export const MOST_ENVIRONMENTS = 1024;

/** The environments that are resolved for: every combination of a version of each axis and a target. */
export interface EnvironmentGrid {
  /** Host axis -> versions, in any order, each once. An axis that is not named constrains nothing. */
  readonly hosts?: Readonly<Record<string, readonly string[]>>;
  /** Absent: targets are not told apart, and every dependency counts, whatever targets it names. */
  readonly targets?: readonly string[];
}

/** A version that the lock has, and where. */
export interface LockedInEnvironments extends LockedPackage {
  /** Whether the lock has it in this environment. Absent: in every one. */
  readonly appliesTo?: (environment: TargetEnvironment) => boolean;
}

/** A slot that the lock has met a requirement in, and where. */
export interface LockedSlotInEnvironments extends LockedSlot {
  /** Whether the lock has met it so in this environment. Absent: in every one. */
  readonly appliesTo?: (environment: TargetEnvironment) => boolean;
}

/** A slot that an answer has met a requirement in: what a lock keeps of it. */
export interface MetSlot extends LockedSlot {
  /** Ascending indexes into `environments`; absent: wherever the version is. */
  readonly cells?: readonly number[];
}

/** What is to be resolved for a grid of environments. */
export interface UniversalInput extends Omit<ResolveInput, "hosts" | "targets" | "locked" | "lockedSlots"> {
  readonly environments: EnvironmentGrid;
  /** `each` (default): environments may differ where they must. `every`: one answer that holds in all of them. */
  readonly mode?: "each" | "every";
  readonly locked?: readonly LockedInEnvironments[];
  /** With `per-major`: slots that are preferred for requirements that span several. See `lockedSlotsOf`. */
  readonly lockedSlots?: readonly LockedSlotInEnvironments[];
}

/** A dependency of the answer, with the environments in which it is there. */
export interface UniversalDependency extends ResolvedDependency {
  /** Ascending indexes into `environments`. */
  readonly cells: readonly number[];
}

/** A package of the answer, with the environments in which it is there. */
export interface UniversalPackage extends Omit<ResolvedPackage, "dependencies"> {
  /** Ascending indexes into `environments`. */
  readonly cells: readonly number[];
  /** Of all environments together, sorted by name, then id. */
  readonly dependencies: readonly UniversalDependency[];
}

/** The direct dependencies of one root, of all environments together. */
export interface UniversalRoot extends Omit<ResolvedRoot, "dependencies"> {
  readonly dependencies: readonly UniversalDependency[];
}

/** Environments that have one and the same answer. */
export interface UniversalAnswer {
  /** Ascending indexes into `environments`; the answer was found for the first of them. */
  readonly cells: readonly number[];
  readonly resolution: SolvedResolution;
}

/** What the work cost, over all environments. */
export interface UniversalStatistics extends ResolutionStatistics {
  readonly environments: number;
  /** Environments that were solved from the beginning. */
  readonly solved: number;
  /**
   * Environments whose answer followed from an earlier one, and was proven to be the one that solving would give, or was found
   * without a conflict on the way that the earlier ones show.
   */
  readonly followed: number;
  /** Environments that differ from an earlier one in nothing that was read. */
  readonly merged: number;
}

/** An answer for every environment; each has passed the validator for itself. */
export interface UniversalSolution {
  readonly status: "solved";
  /** Every environment, in the order of the specification. */
  readonly environments: readonly TargetEnvironment[];
  /** The different answers, by their first environment. */
  readonly answers: readonly UniversalAnswer[];
  /** All packages of all answers, sorted by key, then version; features and kinds are those of all environments together. */
  readonly packages: readonly UniversalPackage[];
  readonly roots: readonly UniversalRoot[];
  readonly statistics: UniversalStatistics;
}

/** At least one environment has no solution. */
export interface UniversalFailure extends Omit<UnsolvableResolution, "statistics" | "suggestions"> {
  readonly environments: readonly TargetEnvironment[];
  /** Indexes of every environment without a solution; the proof is that of the first. */
  readonly failed: readonly number[];
  readonly suggestions: readonly (Suggestion | EnvironmentSuggestion)[];
  readonly statistics: UniversalStatistics;
}

/** Leaving one value of an axis out of the grid leaves only environments that have a solution. */
export interface EnvironmentSuggestion {
  readonly type: "drop-environment";
  readonly message: string;
  readonly axis: string;
  readonly value: string;
}

/** The answer for a grid; both outcomes are values. */
export type UniversalResolution = UniversalSolution | UniversalFailure;
