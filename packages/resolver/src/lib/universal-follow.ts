import { compareVersions, isPrerelease, type Version } from "@lading/core-manifest";
import { nameOf } from "./compile.ts";
import type { EnvironmentConditions } from "./environment-conditions.ts";
import type {
  Candidate,
  Dependency,
  DependencyProvider,
  PackageKey,
  PackageMetadata,
  ResolvedDependency,
  ResolveInput,
  SolvedResolution,
  VersionRequirement,
} from "./types.ts";
import type { TargetEnvironment } from "./universal-types.ts";

/** Package -> versions that are preferred in an environment. */
export type Preferences = ReadonlyMap<PackageKey, ReadonlySet<string>>;

/** One environment's question: `input.locked` holds what `preferred` says. */
export interface CellQuestion {
  readonly input: ResolveInput;
  readonly environment: TargetEnvironment;
  readonly preferred: Preferences;
}

/**
 * Follows an earlier environment's answer into another one (docs/spec/resolution.md, "Environments"): a small question is
 * asked in which every package has its preferred versions only, unless something in sight speaks against them. Its answer
 * counts only where `isAnswer` proves that the whole question has the same one.
 */
export class Following {
  readonly #provider: DependencyProvider;
  readonly #conditions: EnvironmentConditions;
  readonly #overrides: ReadonlyMap<PackageKey, string | VersionRequirement>;
  readonly #narrow = new Map<string, { readonly of: PackageMetadata; readonly metadata: PackageMetadata }>();

  constructor(input: Pick<ResolveInput, "overrides">, provider: DependencyProvider, conditions: EnvironmentConditions) {
    this.#provider = provider;
    this.#conditions = conditions;
    this.#overrides = new Map((input.overrides ?? []).map(({ key, requirement }) => [key, requirement]));
  }

  /** The provider of the small question. */
  narrowed(question: CellQuestion): DependencyProvider {
    const open = this.#openKeys(question);
    const provider = this.#provider;
    return {
      ...provider,
      get: (key) => {
        const metadata = provider.get(key);
        const versions = open.has(key) ? undefined : question.preferred.get(key);
        return metadata === undefined || versions === undefined ? metadata : this.#only(key, metadata, versions);
      },
      load: (keys, options) => provider.load(keys, options),
    };
  }

  /**
   * Whether a solution of the small question is the answer of the whole one. It is where every version that is preferred
   * to a chosen one is refuted by what is certain before its package is met: a reason against it, a root's requirement,
   * or the requirements of all who lead to the package, one of whom was there first.
   */
  isAnswer(question: CellQuestion, solution: SolvedResolution): boolean {
    // Something may be possible after all with versions that were not on offer.
    if (solution.notes.some(({ type }) => type === "optional-left-out")) return false;
    const leads = this.#leads(question, solution);
    return solution.packages.every(({ key, version, candidate, id }) => {
      const { fromRoots, all } = leads.get(id) ?? { fromRoots: [], all: [] };
      const metadata = this.#provider.get(key)!;
      return metadata.candidates.every(
        (other) =>
          other.version === version ||
          !this.#isPreferred(question, key, other, candidate) ||
          this.#isExcluded(question, key, other) ||
          all.every((one) => !this.#accepts(question, one, other.version)) ||
          (question.input.coexistence !== "per-major" &&
            fromRoots.some((one) => !this.#accepts(question, one, other.version))),
      );
    });
  }

  #only(key: PackageKey, metadata: PackageMetadata, versions: ReadonlySet<string>): PackageMetadata {
    const id = `${key}\0${[...versions].join("\0")}`;
    const known = this.#narrow.get(id);
    if (known?.of === metadata) return known.metadata;
    const candidates = metadata.candidates.filter(({ version }) => versions.has(version));
    const made = candidates.length === 0 ? metadata : { candidates };
    this.#narrow.set(id, { of: metadata, metadata: made });
    return made;
  }

  /** Packages whose preferred versions will hardly do here. A bad guess costs time, never the answer. */
  #openKeys(question: CellQuestion): Set<PackageKey> {
    const { input, environment, preferred } = question;
    const open = new Set<PackageKey>();
    const queue: PackageKey[] = [];
    const openUp = (key: PackageKey): void => {
      if (!preferred.has(key) || open.has(key)) return;
      open.add(key);
      queue.push(key);
    };
    const follow = (dependencies: readonly Dependency[]): void => {
      for (const dependency of dependencies) {
        const versions = preferred.get(dependency.key);
        if (versions === undefined || dependency.optional === true || dependency.kind === "dev") continue;
        if (!this.#conditions.counts(dependency, environment)) continue;
        const requirement = this.#effective(dependency);
        if (requirement === undefined) continue;
        if (![...versions].some((version) => this.#accepts(question, requirement, version))) openUp(dependency.key);
      }
    };
    for (const root of input.roots) follow(root.dependencies);
    for (const [key, versions] of preferred) {
      const chosen = this.#provider.get(key)?.candidates.filter(({ version }) => versions.has(version)) ?? [];
      const able = chosen.filter((candidate) => this.#conditions.supports(candidate, environment));
      if (able.length === 0) openUp(key);
      for (const candidate of able) follow(candidate.dependencies);
    }
    for (const key of queue) follow(this.#best(question, key)?.dependencies ?? []);
    return open;
  }

  #best(question: CellQuestion, key: PackageKey): Candidate | undefined {
    let best: Candidate | undefined;
    for (const candidate of this.#provider.get(key)?.candidates ?? []) {
      if (this.#isExcluded(question, key, candidate)) continue;
      if (best === undefined || this.#isPreferred(question, key, candidate, best)) best = candidate;
    }
    return best;
  }

  /** The requirements of everybody who leads to a package. */
  #leads(
    question: CellQuestion,
    solution: SolvedResolution,
  ): Map<string, { fromRoots: VersionRequirement[]; all: VersionRequirement[] }> {
    const leads = new Map<string, { fromRoots: VersionRequirement[]; all: VersionRequirement[] }>();
    const lead = (edges: readonly ResolvedDependency[], given: readonly Dependency[], root: boolean): void => {
      for (const edge of edges) {
        const requirement = this.#requirementOf(edge, given);
        const entry = leads.get(edge.id) ?? { fromRoots: [], all: [] };
        leads.set(edge.id, entry);
        entry.all.push(requirement);
        if (root && !edge.optional && edge.kind !== "peer") entry.fromRoots.push(requirement);
      }
    };
    for (const [i, root] of question.input.roots.entries())
      lead(solution.roots[i]!.dependencies, root.dependencies, true);
    for (const { dependencies, candidate } of solution.packages) lead(dependencies, candidate.dependencies, false);
    return leads;
  }

  #requirementOf(edge: ResolvedDependency, given: readonly Dependency[]): VersionRequirement {
    for (const dependency of given) {
      if (dependency.key !== edge.key || nameOf(dependency) !== edge.name) continue;
      const requirement = this.#effective(dependency);
      if (requirement?.canonical === edge.requirement) return requirement;
    }
    // Nobody's requirement: it refutes nothing, so that the whole question is asked.
    return { canonical: edge.requirement, matches: () => true };
  }

  #effective(dependency: Dependency): VersionRequirement | undefined {
    return this.#conditions.requirement(this.#overrides.get(dependency.key) ?? dependency.requirement);
  }

  #accepts({ input }: CellQuestion, requirement: VersionRequirement, version: string): boolean {
    const mode = input.prereleases ?? "named";
    if (mode === "named" || mode === "never") return requirement.matches(version);
    return requirement.matchesWithPrereleases?.(version) ?? requirement.matches(version);
  }

  #isExcluded({ input, environment, preferred }: CellQuestion, key: PackageKey, candidate: Candidate): boolean {
    if (!this.#conditions.supports(candidate, environment)) return true;
    // What a lock lifts is the solver's to say.
    if (preferred.get(key)?.has(candidate.version) === true) return false;
    if ((candidate.excluded ?? []).length > 0 || (input.exclude?.(key, candidate) ?? []).length > 0) return true;
    return input.prereleases === "never" && this.#isPrerelease(key, candidate.version);
  }

  /** Preference order of docs/spec/resolution.md, "Answer". */
  #isPreferred({ input, preferred }: CellQuestion, key: PackageKey, left: Candidate, right: Candidate): boolean {
    const locked = ({ version }: Candidate): number => (preferred.get(key)?.has(version) === true ? 0 : 1);
    if (locked(left) !== locked(right)) return locked(left) < locked(right);
    if (input.prereleases !== "allow") {
      const [late, early] = [left, right].map(({ version }) => this.#isPrerelease(key, version));
      if (late !== early) return late !== true;
    }
    const order =
      this.#provider.compareVersions?.(left.version, right.version, key) ??
      compareVersions(left.version as Version, right.version as Version);
    const direct = input.roots.some(({ dependencies }) => dependencies.some((one) => one.key === key));
    const oldest = input.prefer === "oldest" || (input.prefer === "lowest-direct" && direct);
    return oldest ? order < 0 : order > 0;
  }

  #isPrerelease(key: PackageKey, version: string): boolean {
    return this.#provider.isPrerelease?.(version, key) ?? isPrerelease(version as Version);
  }
}
