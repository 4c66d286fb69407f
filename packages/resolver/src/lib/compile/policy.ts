import {
  compareVersions,
  compatibilitySlot,
  isLadingError,
  isPrerelease,
  parseRequirement,
  targetsInclude,
  type Version,
} from "@lading/core-manifest";
import type {
  Candidate,
  Dependency,
  DependencyProvider,
  Exclusion,
  ExclusionReason,
  PackageKey,
  ResolveInput,
  VersionRequirement,
} from "../types.ts";
import { acceptsHost, type PackageInfo } from "./facts.ts";
import { simpleRange } from "./simple-range.ts";

/** Exclusions that a lock which has the version lifts, unless the exclusion says otherwise. */
const LIFTED_BY_LOCK: ReadonlySet<ExclusionReason> = new Set(["yanked", "cooldown", "exclude-newer"]);

const NO_EXCLUSIONS: readonly Exclusion[] = [];

/** What the input and the provider rule on versions, requirements and reasons: questions with one answer each. */
export class Policy {
  readonly input: ResolveInput;
  readonly provider: DependencyProvider;
  readonly #requirements: Map<string, VersionRequirement>;
  readonly #overrides = new Map<PackageKey, VersionRequirement>();
  readonly #locked = new Map<PackageKey, Set<string>>();
  readonly #lockedSlots = new Map<string, string>();
  readonly #direct = new Set<PackageKey>();
  readonly #namedOnly: boolean;
  readonly #axes: readonly string[];

  /** With `requirements`, what texts mean is read once for all policies that share them. */
  constructor(
    input: ResolveInput,
    provider: DependencyProvider,
    requirements: Map<string, VersionRequirement> = new Map<string, VersionRequirement>(),
  ) {
    this.input = input;
    this.provider = provider;
    this.#requirements = requirements;
    this.#namedOnly = ["named", "never"].includes(input.prereleases ?? "named");
    this.#axes = Object.keys(input.hosts ?? {});
    for (const { key, requirement } of input.overrides ?? []) this.#overrides.set(key, this.requirement(requirement));
    for (const { key, version } of input.locked ?? []) {
      const known = this.#locked.get(key) ?? new Set();
      this.#locked.set(key, known.add(version));
    }
    for (const { key, requirement, version } of input.lockedSlots ?? [])
      this.#lockedSlots.set(`${key}\0${requirement}`, version);
    for (const root of input.roots) for (const dependency of root.dependencies) this.#direct.add(dependency.key);
  }

  isLocked(key: PackageKey, version: string): boolean {
    return this.#locked.get(key)?.has(version) ?? false;
  }

  /** The slot in which the lock has met a requirement that spans several. */
  lockedSlot(key: PackageKey, requirement: VersionRequirement): string | undefined {
    const version = this.#lockedSlots.get(`${key}\0${requirement.canonical}`);
    return version === undefined ? undefined : this.slotOf(key, version);
  }

  isDirect(key: PackageKey): boolean {
    return this.#direct.has(key);
  }

  /** The requirement that counts for a dependency: the override's, where there is one. */
  effective(dependency: Dependency): VersionRequirement {
    return this.#overrides.get(dependency.key) ?? this.requirement(dependency.requirement);
  }

  isOverridden(key: PackageKey): boolean {
    return this.#overrides.has(key);
  }

  requirement(given: string | VersionRequirement): VersionRequirement {
    if (typeof given !== "string") return given;
    const known = this.#requirements.get(given);
    if (known !== undefined) return known;
    const parsed = simpleRange(given) ?? (parseRequirement(given, "canonical") satisfies VersionRequirement);
    this.#requirements.set(given, parsed);
    return parsed;
  }

  /** What makes a requirement unreadable; `undefined` where nothing does. */
  problemWith(requirement: string | VersionRequirement): string | undefined {
    try {
      this.requirement(requirement);
      return undefined;
    } catch (error) {
      if (!isLadingError(error) || error.code !== "REQUIREMENT_INVALID") throw error;
      return error.message;
    }
  }

  isReadable(dependency: Dependency): boolean {
    const { requirement } = dependency;
    if (typeof requirement !== "string" || this.#requirements.has(requirement)) return true;
    return this.unreadable(dependency) === undefined;
  }

  /** A record whose requirement nobody can read rules its version out; the others stay usable. */
  unreadable(dependency: Dependency): string | undefined {
    if (this.#overrides.has(dependency.key)) return undefined;
    const problem = this.problemWith(dependency.requirement);
    return problem === undefined ? undefined : `its requirement on "${dependency.key}" cannot be read (${problem})`;
  }

  accepts(requirement: VersionRequirement, version: string): boolean {
    if (this.acceptsAsMatched(requirement)) return requirement.matches(version);
    return requirement.matchesWithPrereleases!(version);
  }

  /** Whether what a requirement accepts is what it matches, by its own rule for pre-releases. */
  acceptsAsMatched(requirement: VersionRequirement): boolean {
    return this.#namedOnly || requirement.matchesWithPrereleases === undefined;
  }

  compare(key: PackageKey, left: string, right: string): number {
    return this.provider.compareVersions?.(left, right, key) ?? compareVersions(left as Version, right as Version);
  }

  isPrerelease(key: PackageKey, version: string): boolean {
    return this.provider.isPrerelease?.(version, key) ?? (version.includes("-") && isPrerelease(version as Version));
  }

  slotOf(key: PackageKey, version: string): string {
    if ((this.input.coexistence ?? "single") === "single") return "";
    return this.provider.slotOf?.(version, key) ?? compatibilitySlot(version as Version);
  }

  displayName(key: PackageKey): string {
    return this.provider.displayName?.(key) ?? key;
  }

  /** Whether a dependency of a package, or of a root, counts at all. */
  counts(dependency: Dependency, ofRoot: boolean): boolean {
    if (dependency.kind === "dev" && !ofRoot) return false;
    const { targets, hosts } = this.input;
    if (dependency.targets !== undefined && targets !== undefined) {
      const { targets: asked } = dependency;
      if (!targets.some((target) => targetsInclude(asked, target))) return false;
    }
    if (dependency.hosts === undefined || hosts === undefined) return true;
    return Object.entries(dependency.hosts).every(
      ([axis, asked]) =>
        hosts[axis] === undefined ||
        // A condition that nobody can read holds: better a package too many than one that is missing.
        this.problemWith(asked) !== undefined ||
        hosts[axis].some((version) => acceptsHost(this.requirement(asked), version)),
    );
  }

  /** Only checked where the package is present anyway. */
  isConditional(dependency: Dependency): boolean {
    return dependency.kind === "peer" && (dependency.optional === true || this.input.peers === "check");
  }

  /** Taken only when a feature asks for it. */
  isGated(dependency: Dependency): boolean {
    return dependency.optional === true && dependency.kind !== "peer";
  }

  /** Every reason why a candidate may not be chosen. */
  exclusionsOf(key: PackageKey, candidate: Candidate): readonly Exclusion[] {
    const { exclude, prereleases } = this.input;
    const own = candidate.excluded ?? NO_EXCLUSIONS;
    const asksHosts = candidate.hosts !== undefined && this.#axes.length > 0;
    if (own.length === 0 && !asksHosts && !this.excludesAny) return own;
    const given = [...own, ...(exclude?.(key, candidate) ?? NO_EXCLUSIONS)];
    if (prereleases === "never" && this.isPrerelease(key, candidate.version)) {
      given.push({ reason: "pre-release", text: "it is a pre-release, and none are allowed" });
    }
    for (const axis of this.#axes) {
      const asked = candidate.hosts?.[axis];
      const problem = asked === undefined ? undefined : this.problemWith(asked);
      if (problem !== undefined) {
        given.push({ reason: "policy", text: `its requirement on host ${axis} cannot be read (${problem})` });
      }
    }
    if (!this.isLocked(key, candidate.version)) return given;
    return given.filter((one) => !(one.unlessLocked ?? LIFTED_BY_LOCK.has(one.reason)));
  }

  /** Whether the input has reasons of its own against versions. */
  get excludesAny(): boolean {
    return this.input.exclude !== undefined || this.input.prereleases === "never";
  }

  lockedVersions(key: PackageKey): ReadonlySet<string> | undefined {
    return this.#locked.get(key);
  }

  prefersOldest(key: PackageKey): boolean {
    const { prefer = "newest" } = this.input;
    return prefer === "oldest" || (prefer === "lowest-direct" && this.isDirect(key));
  }

  /** Values best first: locked, then by policy; `undefined` where that is simply the highest first. */
  preference(info: PackageInfo, versions: readonly number[]): number[] | undefined {
    const order = this.order(info, versions);
    const locked = this.#locked.get(info.key);
    if (locked === undefined) return order;
    const isLocked = (bit: number): boolean => locked.has(info.candidates[versions[bit - 1]!]!.version);
    const bits = order ?? versions.map((_, i) => versions.length - i);
    return [...bits.filter(isLocked), ...bits.filter((bit) => !isLocked(bit))];
  }

  /** Values best first, whatever the lock has; `undefined` where that is simply the highest first. */
  order({ key, candidates }: PackageInfo, versions: readonly number[]): number[] | undefined {
    const oldest = this.prefersOldest(key);
    const isLate = (index: number): boolean =>
      this.input.prereleases !== "allow" && this.isPrerelease(key, candidates[index]!.version);
    if (!oldest && !versions.some(isLate)) return undefined;
    const rank = versions.map((index, i) => ({ bit: i + 1, late: isLate(index) ? 1 : 0 }));
    rank.sort((a, b) => a.late - b.late || (oldest ? a.bit - b.bit : b.bit - a.bit));
    return rank.map(({ bit }) => bit);
  }
}
