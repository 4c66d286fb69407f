import { compareVersions, parseRequirement, type Version } from "@lading/core-manifest";
import type { Candidate, Dependency, PackageKey, PackageMetadata, ResolveInput, VersionRequirement } from "../types.ts";

/** What exhaustive search found: the canonical answer, or nothing. */
export type BruteForceAnswer = ReadonlyMap<PackageKey, string> | undefined;

/**
 * The oracle of the property tests: tries every assignment in canonical order, without learning and without cleverness. For
 * small universes of plain, peer and optional-peer dependencies under `single`, with exclusions, overrides, locks, and
 * features that list features (`x`, `name/x`); those that bring dependencies along are beyond it.
 */
export function bruteForce(input: ResolveInput, packages: ReadonlyMap<PackageKey, PackageMetadata>): BruteForceAnswer {
  const oracle = new Oracle(input, packages);
  if (!oracle.isSolvable(new Map())) return undefined;
  return oracle.canonical();
}

class Oracle {
  readonly #input: ResolveInput;
  readonly #packages: ReadonlyMap<PackageKey, PackageMetadata>;

  constructor(input: ResolveInput, packages: ReadonlyMap<PackageKey, PackageMetadata>) {
    this.#input = input;
    this.#packages = packages;
  }

  canonical(): Map<PackageKey, string> {
    const picks = new Map<PackageKey, string>();
    const queue = this.#rootDependencies()
      .filter(isRequired)
      .map((one) => one.key);
    for (const key of queue) {
      if (picks.has(key)) continue;
      const best = this.#candidates(key).find(({ version }) => this.isSolvable(new Map([...picks, [key, version]])));
      if (best === undefined) throw new Error(`The oracle lost its solution at "${key}"`);
      picks.set(key, best.version);
      queue.push(
        ...dependenciesOf(best)
          .filter(isRequired)
          .map((one) => one.key),
      );
    }
    return picks;
  }

  /** Whether some solution has these versions, where the packages are needed at all. */
  isSolvable(fixed: ReadonlyMap<PackageKey, string>): boolean {
    return this.#search(new Map(), fixed);
  }

  #search(chosen: Map<PackageKey, Candidate>, fixed: ReadonlyMap<PackageKey, string>): boolean {
    const rules = [...this.#rootDependencies(), ...[...chosen.values()].flatMap(dependenciesOf)];
    for (const rule of rules) {
      const candidate = chosen.get(rule.key);
      if (candidate !== undefined && !this.#accepts(rule, candidate.version)) return false;
    }
    const open = rules.find((rule) => isRequired(rule) && !chosen.has(rule.key));
    if (open === undefined) return this.#featuresHold(chosen);
    const wanted = fixed.get(open.key);
    return this.#candidates(open.key)
      .filter(({ version }) => wanted === undefined || version === wanted)
      .some((candidate) => this.#search(new Map([...chosen, [open.key, candidate]]), fixed));
  }

  /** Whether every feature that is asked for is there, and no two are on that exclude each other. */
  #featuresHold(chosen: ReadonlyMap<PackageKey, Candidate>): boolean {
    const on = new Map<Candidate, Set<string>>();
    const queue: (readonly [Candidate, string])[] = [];
    for (const rule of [...this.#rootDependencies(), ...[...chosen.values()].flatMap(dependenciesOf)]) {
      const candidate = chosen.get(rule.key);
      if (candidate === undefined) continue;
      for (const feature of rule.features ?? []) queue.push([candidate, feature]);
      if (rule.defaultFeatures !== false && candidate.features?.["default"] !== undefined)
        queue.push([candidate, "default"]);
    }
    for (const [candidate, feature] of queue) {
      const known = on.get(candidate) ?? new Set();
      if (known.has(feature)) continue;
      const entries = candidate.features?.[feature];
      if (entries === undefined && feature !== "default") return false;
      on.set(candidate, known.add(feature));
      for (const entry of entries ?? []) {
        const [name, other] = entry.split("/") as [string, string | undefined];
        const target = other === undefined ? candidate : chosen.get(name);
        if (target !== undefined) queue.push([target, other ?? name]);
      }
    }
    return [...on].every(([{ exclusiveFeatures = [] }, features]) =>
      exclusiveFeatures.every((group) => group.filter((feature) => features.has(feature)).length < 2),
    );
  }

  #rootDependencies(): Dependency[] {
    return this.#input.roots.flatMap((root) => root.dependencies);
  }

  #accepts(dependency: Dependency, version: string): boolean {
    const override = this.#input.overrides?.find((one) => one.key === dependency.key);
    const text = (override ?? dependency).requirement;
    const requirement: VersionRequirement = typeof text === "string" ? parseRequirement(text, "canonical") : text;
    return requirement.matches(version);
  }

  /** Those that may be chosen, best first. */
  #candidates(key: PackageKey): Candidate[] {
    const locked = (version: string): boolean =>
      this.#input.locked?.some((one) => one.key === key && one.version === version) ?? false;
    const direction = this.#input.prefer === "oldest" ? 1 : -1;
    return [...(this.#packages.get(key)?.candidates ?? [])]
      .filter((one) => (one.excluded ?? []).every(({ reason }) => reason === "yanked" && locked(one.version)))
      .sort(
        (a, b) =>
          Number(locked(b.version)) - Number(locked(a.version)) ||
          Number(a.version.includes("-")) - Number(b.version.includes("-")) ||
          direction * compareVersions(a.version as Version, b.version as Version),
      );
  }
}

function dependenciesOf(candidate: Candidate): Dependency[] {
  return candidate.dependencies.filter((one) => one.kind !== "dev");
}

function isRequired(dependency: Dependency): boolean {
  return !(dependency.kind === "peer" && dependency.optional === true);
}
