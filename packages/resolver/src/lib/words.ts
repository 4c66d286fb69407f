import { ABSENT, complement, countBits, hasBit, isEmpty, isSubset, members, type Bits } from "./bits.ts";
import { nameOf, type FactCause, type Universe } from "./compile.ts";
import { shortRequirement } from "./short-requirement.ts";

/** Versions in words, bound by bound rather than one by one; "" where it is all of them. */
export function rangeText(versions: readonly string[], included: readonly boolean[]): string {
  if (included.every(Boolean)) return "";
  const runs: string[] = [];
  for (let i = 0; i < versions.length; i++) {
    if (included[i] !== true) continue;
    let end = i;
    while (end + 1 < versions.length && included[end + 1] === true) end++;
    runs.push(runText(versions, i, end));
    i = end;
  }
  return runs.join(" || ");
}

function runText(versions: readonly string[], start: number, end: number): string {
  const next = versions[end + 1];
  if (start === end && (start > 0 || next !== undefined)) return versions[start]!;
  if (start === 0) return `<${next}`;
  return next === undefined ? `>=${versions[start]}` : `>=${versions[start]} <${next}`;
}

/** Names and versions of the nodes of one universe, as people read them. */
export class Words {
  readonly #universe: Universe;

  constructor(universe: Universe) {
    this.#universe = universe;
  }

  /** A canonical requirement as the caller's people write it. */
  requirement(canonical: string): string {
    return (this.#universe.input.wording ?? shortRequirement)(canonical);
  }

  name(node: number): string {
    const info = this.#universe.infos[node]!;
    switch (info.type) {
      case "root":
        return info.root.name;
      case "package":
        return this.#universe.displayName(info.info.key);
      case "feature":
        return info.feature.startsWith("dep:")
          ? `${this.name(info.base)} with optional ${info.feature.slice(4)}`
          : `${this.name(info.base)}[${info.feature}]`;
      case "choice":
        return this.#universe.displayName(info.info.key);
      case "soft":
        return `optional ${nameOf(info.dependency)}`;
    }
  }

  /** What each version of a node is called, oldest first, without absence. */
  versions(node: number): string[] {
    const info = this.#universe.infos[node]!;
    switch (info.type) {
      case "root":
        return [info.root.version ?? ""];
      case "package":
        return info.versions.map((index) => info.info.candidates[index]!).map((one) => one.display ?? one.version);
      case "feature":
        return this.versions(info.base);
      case "choice":
        return info.slots.map((slot) => `${slot}.x`);
      case "soft":
        return ["taken"];
    }
  }

  /** `foo >=1.0.0 <2.0.0`; with `every`, "every version of foo" where it is all. */
  set(node: number, bits: Bits, every: string): string {
    const info = this.#universe.infos[node]!;
    if (info.type === "root" || info.type === "soft") return this.name(node);
    const versions = this.versions(node);
    const range = rangeText(
      versions,
      versions.map((_, i) => hasBit(bits, i + 1)),
    );
    if (range !== "") return `${this.name(node)} ${range}`;
    return versions.length === 1 ? `${this.name(node)} ${versions[0]}`.trimEnd() : `${every}${this.name(node)}`;
  }

  /** What must not be, said as a sentence about what follows. */
  conclusion(terms: ReadonlyMap<number, Bits>): string {
    const present: (readonly [number, Bits])[] = [];
    const wanted: string[] = [];
    for (const [node, bits] of terms) {
      if (this.#universe.infos[node]!.type === "root") continue;
      if (hasBit(bits, ABSENT)) wanted.push(this.#wanted(node, bits));
      else present.push([node, bits]);
    }
    const short = present.map(([node, bits]) => this.set(node, bits, ""));
    if (wanted.length === 0) {
      if (short.length === 0) return "there is no solution";
      if (short.length === 1) return `${short[0]} cannot be used`;
      if (short.length === 2) return `${short[0]} is incompatible with ${short[1]}`;
      return `${listed(short, "and")} cannot be used together`;
    }
    const result = listed(wanted, "or");
    if (present.length === 0) return `${result} is required`;
    if (present.length > 1) return `${listed(short, "and")} together require ${result}`;
    const [[node, bits]] = present as [readonly [number, Bits]];
    return `${this.set(node, bits, "every version of ")} requires ${result}`;
  }

  #wanted(node: number, bits: Bits): string {
    const size = this.#universe.solver.nodes[node]!.size;
    const allowed = complement(bits, size);
    return isEmpty(allowed) ? `an impossible ${this.name(node)}` : this.set(node, allowed, "");
  }

  /** A fact of the input in words. */
  fact(cause: FactCause, terms: ReadonlyMap<number, Bits>): string {
    switch (cause.type) {
      case "root":
        return `${this.#universe.input.roots[cause.root]!.name} is what is resolved for`;
      case "excluded":
        return this.#exclusionFact(cause.text, terms);
      case "host": {
        const { text, one } = this.#first(terms);
        return `${text} ${one ? this.demand(cause) : this.demand(cause).replace(/^needs/, "need")}`;
      }
      case "feature":
        return this.#featureFact(cause, terms);
      case "dependency":
        return this.#dependencyFact(cause, terms);
    }
  }

  #dependencyFact(cause: DependencyCause, terms: ReadonlyMap<number, Bits>): string {
    const hopeless = this.#trouble(cause);
    if (!cause.overridden || hopeless === "" || this.#universe.infos[cause.owner]!.type !== "root")
      return `${this.owner(cause, terms)} ${this.demand(cause)}`;
    const to = this.requirement(cause.requirement.canonical);
    return `${this.#universe.displayName(cause.dependency.key)} is overridden to ${to}${hopeless}`;
  }

  #first(terms: ReadonlyMap<number, Bits>): { text: string; one: boolean } {
    const [[node, bits] = []] = terms;
    if (node === undefined || bits === undefined) return { text: "it", one: true };
    return { text: this.set(node, bits, "every version of "), one: countBits(bits) === 1 };
  }

  /** "it was yanked" about one version becomes "foo 1.0.0 exists but was yanked". */
  #exclusionFact(text: string, terms: ReadonlyMap<number, Bits>): string {
    const { text: what } = this.#first(terms);
    return text.startsWith("it ") ? `${what} exists but ${text.slice(3)}` : `${what} is excluded: ${text}`;
  }

  #featureFact(cause: Extract<FactCause, { type: "feature" }>, terms: ReadonlyMap<number, Bits>): string {
    const info = this.#universe.infos[cause.node]!;
    if (info.type !== "feature") return cause.text;
    const bits = terms.get(cause.node) ?? terms.get(info.base);
    const owner =
      bits === undefined || hasBit(bits, ABSENT)
        ? this.name(info.base)
        : this.set(info.base, bits, "every version of ");
    return `${owner} ${cause.text}`;
  }

  /** What a dependency or host requirement asks for, and what is wrong with that where nothing can meet it. */
  demand(cause: DependencyCause | HostCause): string {
    if (cause.type === "host") {
      const several = (this.#universe.input.hosts?.[cause.axis] ?? []).length > 1;
      const given = several ? `one host is ${cause.axis} ${cause.version}` : `the host is ${cause.version}`;
      return `needs ${cause.axis} ${this.requirement(cause.requirement.canonical)} and ${given}`;
    }
    return `${this.verb(cause)} ${this.asked(cause)}${this.#trouble(cause)}`;
  }

  verb({ owner, dependency }: DependencyCause): string {
    const info = this.#universe.infos[owner]!;
    if (info.type === "root" && info.root.verb !== undefined) return info.root.verb;
    return dependency.kind === "peer" ? "expects" : "depends on";
  }

  /** The package and range that a dependency names. */
  asked(cause: DependencyCause): string {
    const { dependency, requirement, overridden } = cause;
    const feature = cause.feature === undefined || cause.feature === "default" ? "" : `[${cause.feature}]`;
    const name = `${this.#universe.displayName(dependency.key)}${feature}`;
    return `${name} ${this.requirement(requirement.canonical)}${overridden ? " (by an override)" : ""}`;
  }

  /** Whether a dependency cannot be met whatever else is chosen. */
  isHopeless(cause: DependencyCause): boolean {
    return this.#trouble(cause) !== "";
  }

  #trouble({ dependency, requirement, feature }: DependencyCause): string {
    const info = this.#universe.packages.get(dependency.key);
    if (info === undefined || feature !== undefined) return "";
    if (info.candidates.length === 0)
      return `, which does not exist${info.missing === undefined ? "" : ` (${info.missing})`}`;
    if (info.candidates.some((one) => this.#universe.accepts(requirement, one.version))) return "";
    return ` and only ${this.#onOffer(dependency.key, requirement)}`;
  }

  #onOffer(key: string, requirement: { matchesWithPrereleases?(version: string): boolean }): string {
    const { candidates } = this.#universe.packages.get(key)!;
    const early = candidates.filter((one) => requirement.matchesWithPrereleases?.(one.version) === true).at(-1);
    if (early !== undefined) return `the pre-release ${early.version} would fit`;
    const first = candidates[0]!.version;
    const last = candidates.at(-1)!.version;
    if (candidates.length === 1) return `${last} exists`;
    return candidates.length === 2 ? `${first} and ${last} exist` : `${first} to ${last} exist`;
  }

  /** Who has a dependency: versions, or the root. */
  owner(cause: DependencyCause, terms: ReadonlyMap<number, Bits>): string {
    const found = this.#ownerTerm(cause, terms);
    return found === undefined ? this.name(cause.owner) : this.set(found[0], found[1], "every version of ");
  }

  #ownerTerm(cause: DependencyCause, terms: ReadonlyMap<number, Bits>): readonly [number, Bits] | undefined {
    return [...terms].find(([node, bits]) => {
      const info = this.#universe.infos[node]!;
      const base = info.type === "feature" ? info.base : node;
      return base === cause.owner && !hasBit(bits, ABSENT);
    });
  }

  /** Whether all that meets the first dependency asks for the second: "a depends on b which depends on c". */
  leadsTo(first: Fact, second: Fact): boolean {
    if (first.cause.type !== "dependency" || this.isHopeless(first.cause) || first.cause.feature !== undefined)
      return false;
    const has = this.#asker(second);
    const target = has && first.terms.get(has[0]);
    if (has === undefined || target === undefined || !hasBit(target, ABSENT)) return false;
    const { size } = this.#universe.solver.nodes[has[0]]!;
    return isSubset(complement(target, size), has[1]);
  }

  #asker({ cause, terms }: Fact): readonly [number, Bits] | undefined {
    if (cause.type === "dependency") return this.#ownerTerm(cause, terms);
    return cause.type === "host" && terms.size === 1 ? [...terms][0] : undefined;
  }
}

type HostCause = Extract<FactCause, { type: "host" }>;
type DependencyCause = Extract<FactCause, { type: "dependency" }>;

/** A fact of the input with the terms that a proof cites of it. */
export interface Fact {
  readonly cause: FactCause;
  readonly terms: ReadonlyMap<number, Bits>;
}

/** The members of a set of versions as text, absence first. */
export function versionList(words: Words, node: number, bits: Bits): string[] {
  const versions = words.versions(node);
  return members(bits)
    .filter((bit) => bit !== ABSENT)
    .map((bit) => versions[bit - 1]!);
}

function listed(parts: readonly string[], last: string): string {
  if (parts.length < 2) return parts.join("");
  return `${parts.slice(0, -1).join(", ")} ${last} ${parts.at(-1)}`;
}
