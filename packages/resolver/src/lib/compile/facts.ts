import type { Bits } from "../bits.ts";
import type { Candidate, Dependency, ExclusionReason, PackageKey, RootPackage, VersionRequirement } from "../types.ts";

/** A condition of a rule: the node has one of these values. */
export interface Term {
  readonly node: number;
  readonly set: Bits;
}

/** A fact's reason, as the proof shows it, and what the independent checker needs to test it against the input. */
export type FactCause =
  | { readonly type: "root"; readonly root: number }
  | {
      readonly type: "dependency";
      readonly owner: number;
      readonly dependency: Dependency;
      readonly requirement: VersionRequirement;
      readonly overridden: boolean;
      /** Feature of the target that is asked for; absent: the target itself. */
      readonly feature?: string;
    }
  | { readonly type: "excluded"; readonly node: number; readonly reason: ExclusionReason; readonly text: string }
  | {
      readonly type: "host";
      readonly node: number;
      readonly axis: string;
      readonly version: string;
      readonly requirement: VersionRequirement;
    }
  | {
      readonly type: "feature";
      readonly node: number;
      readonly feature: string;
      readonly text: string;
      /** The feature of the same package that may not be on beside it. */
      readonly beside?: string;
    };

/** One package with everything that is on offer, oldest first. */
export interface PackageInfo {
  readonly key: PackageKey;
  readonly candidates: readonly Candidate[];
  readonly missing: string | undefined;
  /** Slot -> indexes into `candidates`, ascending. With `single` the only slot is "". */
  readonly slots: ReadonlyMap<string, readonly number[]>;
}

/** What a node of the search stands for. */
export type NodeInfo =
  | { readonly type: "root"; readonly root: RootPackage; readonly index: number }
  | {
      readonly type: "package";
      readonly info: PackageInfo;
      readonly slot: string;
      readonly versions: readonly number[];
    }
  | { readonly type: "feature"; readonly base: number; readonly feature: string }
  /** Which slot a requirement that spans several is met in; version i is `slots[i]`. */
  | {
      readonly type: "choice";
      readonly dependency: Dependency;
      readonly info: PackageInfo;
      readonly slots: readonly string[];
    }
  /** Whether an `ifPossible` dependency is taken: one version, "yes". */
  | { readonly type: "soft"; readonly owner: number; readonly dependency: Dependency };

/** A node that is needed once the value that it follows from is chosen, and `if` holds. */
export interface Follower {
  readonly node: number;
  readonly if: readonly Term[];
}

/** Name that a dependent knows a dependency by. */
export function nameOf(dependency: Dependency): string {
  return dependency.name ?? dependency.key;
}

export function requirementText(requirement: string | VersionRequirement): string {
  return typeof requirement === "string" ? requirement : requirement.canonical;
}

/** Equal texts mean equal consequences. */
export function signatureOf(dependency: Dependency): string {
  const { key, name, requirement, kind = "normal", features = [], defaultFeatures = true, targets } = dependency;
  const flags = `${dependency.optional === true}${dependency.ifPossible === true}${defaultFeatures}`;
  const hosts = Object.entries(dependency.hosts ?? {}).map(([axis, asked]) => `${axis} ${requirementText(asked)}`);
  const rest = [[...features].sort().join(","), name ?? "", targets?.join(",") ?? "*", hosts.join(",")];
  return [key, requirementText(requirement), kind, flags, ...rest].join("\0");
}

/** Host versions are written short: `2024` is 2024.0.0. */
export function hostVersion(text: string): string {
  const [main = "", ...rest] = text.split("-");
  const numbers = main.split(".");
  while (numbers.length < 3) numbers.push("0");
  return [numbers.join("."), ...rest].join("-");
}

/** Whether a host of this version meets a requirement; a pre-release of a host counts as what it is. */
export function acceptsHost(requirement: VersionRequirement, version: string): boolean {
  const full = hostVersion(version);
  return requirement.matchesWithPrereleases?.(full) ?? requirement.matches(full);
}
