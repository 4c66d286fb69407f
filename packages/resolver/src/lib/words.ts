import { ABSENT, complement, countBits, hasBit, isEmpty, members, type Bits } from "./bits.ts";
import { nameOf, type FactCause, type Universe } from "./compile.ts";

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
    return versions.length === 1 ? `${this.name(node)} ${versions[0]}` : `${every}${this.name(node)}`;
  }

  /** What must not be, said as a sentence about what follows. */
  conclusion(terms: ReadonlyMap<number, Bits>): string {
    const present: string[] = [];
    const wanted: string[] = [];
    for (const [node, bits] of terms) {
      const info = this.#universe.infos[node]!;
      if (info.type === "root") continue;
      if (!hasBit(bits, ABSENT)) present.push(this.set(node, bits, "every version of "));
      else wanted.push(this.#wanted(node, bits));
    }
    if (wanted.length === 0) {
      if (present.length === 0) return "there is no solution";
      if (present.length === 1) return `${present[0]} cannot be used`;
      return `${listed(present, "and")} cannot be used together`;
    }
    const result = listed(wanted, "or");
    if (present.length === 0) return `${result} is required`;
    return `${listed(present, "and")} ${present.length === 1 ? "requires" : "together require"} ${result}`;
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
        return `${this.#first(terms)} is excluded: ${cause.text}`;
      case "host": {
        const asks = countBits([...terms.values()][0] ?? new Int32Array(1)) === 1 ? "needs" : "need";
        return `${this.#first(terms)} ${asks} ${cause.axis} ${cause.requirement.canonical}, and the host is ${cause.axis} ${cause.version}`;
      }
      case "feature":
        return this.#featureFact(cause, terms);
      case "dependency":
        return this.#dependencyFact(cause, terms);
    }
  }

  #first(terms: ReadonlyMap<number, Bits>): string {
    const [[node, bits] = []] = terms;
    return node === undefined || bits === undefined ? "it" : this.set(node, bits, "every version of ");
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

  #dependencyFact(cause: Extract<FactCause, { type: "dependency" }>, terms: ReadonlyMap<number, Bits>): string {
    const { dependency, requirement, overridden } = cause;
    const info = this.#universe.packages.get(dependency.key);
    const feature = cause.feature === undefined || cause.feature === "default" ? "" : `[${cause.feature}]`;
    const asked = `${this.#universe.displayName(dependency.key)}${feature} ${requirement.canonical}`;
    const verb = dependency.kind === "peer" ? "expects" : "depends on";
    const sentence = `${this.#owner(cause, terms)} ${verb} ${asked}${overridden ? " (by an override)" : ""}`;
    if (info === undefined || cause.feature !== undefined) return sentence;
    if (info.candidates.length === 0)
      return `${sentence}, which does not exist${info.missing === undefined ? "" : ` (${info.missing})`}`;
    if (info.candidates.some((one) => this.#universe.accepts(requirement, one.version))) return sentence;
    return `${sentence}, which no version matches (${this.#onOffer(dependency.key, requirement)})`;
  }

  #onOffer(key: string, requirement: { matchesWithPrereleases?(version: string): boolean }): string {
    const { candidates } = this.#universe.packages.get(key)!;
    const early = candidates.filter((one) => requirement.matchesWithPrereleases?.(one.version) === true).at(-1);
    if (early !== undefined) return `only the pre-release ${early.version} would`;
    const first = candidates[0]!.version;
    const last = candidates.at(-1)!.version;
    return candidates.length === 1
      ? `there is only ${last}`
      : `there are ${candidates.length}, from ${first} to ${last}`;
  }

  #owner(cause: Extract<FactCause, { type: "dependency" }>, terms: ReadonlyMap<number, Bits>): string {
    for (const [node, bits] of terms) {
      const info = this.#universe.infos[node]!;
      const base = info.type === "feature" ? info.base : node;
      if (base === cause.owner && !hasBit(bits, ABSENT)) return this.set(node, bits, "every version of ");
    }
    return this.name(cause.owner);
  }
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
