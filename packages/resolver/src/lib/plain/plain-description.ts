import { nameOf } from "../compile/facts.ts";
import type { Policy } from "../compile/policy.ts";
import { findCycles } from "../cycles.ts";
import { compareText, markReach, uniqueEdges } from "../outcome.ts";
import type {
  Dependency,
  PackageKey,
  ReachKind,
  ResolvedDependency,
  ResolvedPackage,
  ResolvedRoot,
  SolvedResolution,
} from "../types.ts";
import type { PlainRules } from "./plain-rules.ts";
import type { Chosen } from "./plain-search.ts";

/** What a package was described as when it was last chosen, and what its dependencies led to. */
interface Described {
  readonly value: number;
  /** Values of the packages that its row names; ABSENT for those that do not count. */
  readonly leads: Int32Array;
  readonly package: ResolvedPackage;
}

const NORMAL_ONLY: readonly ReachKind[] = ["normal"];
const ABSENT = 0;

/** Words what a plain search has chosen; what is said of a package is the same object again while all of it is the same. */
export class PlainDescriber {
  readonly #rules: PlainRules;
  readonly #isLocked: (key: PackageKey, version: string) => boolean;
  readonly #described: (Described | undefined)[] = [];
  #sorted: readonly number[] = [];
  /** Package -> its value in the answer that is described. */
  #values: Int32Array = new Int32Array(0);

  constructor(rules: PlainRules, isLocked: (key: PackageKey, version: string) => boolean) {
    this.#rules = rules;
    this.#isLocked = isLocked;
  }

  describe(policy: Policy, { nodes, values }: Chosen): Omit<SolvedResolution, "statistics"> {
    this.#values = new Int32Array(this.#rules.keys.length);
    for (let i = 0; i < nodes.length; i++) this.#values[nodes[i]!] = values[i]!;
    const roots = policy.input.roots.map(({ name, dependencies }): ResolvedRoot => ({
      name,
      features: [],
      dependencies: this.#edges(policy, dependencies, true),
    }));
    const direct = new Set(roots.flatMap(({ dependencies }) => dependencies.map(({ key }) => key)));
    const packages: ResolvedPackage[] = [];
    for (const node of this.#sort(nodes))
      packages.push(this.#package(policy, node, direct.has(this.#rules.keys[node]!)));
    // Where every edge is a normal one, so is every way.
    const reached = roots.every(isNormal) && packages.every(isNormal) ? packages : markReach(roots, packages);
    return {
      status: "solved",
      packages: reached,
      roots,
      cycles: this.#hasCycle(nodes) ? findCycles(reached) : [],
      notes: [],
    };
  }

  /** Packages by key; mostly they are those of the answer before. */
  #sort(nodes: Int32Array): readonly number[] {
    const known = this.#sorted;
    if (known.length === nodes.length && known.every((node) => this.#values[node] !== ABSENT)) return known;
    const { keys } = this.#rules;
    return (this.#sorted = [...nodes].sort((a, b) => compareText(keys[a]!, keys[b]!)));
  }

  #package(policy: Policy, node: number, isDirect: boolean): ResolvedPackage {
    const known = this.#described[node];
    const leads = this.#leads(node);
    if (known !== undefined && known.value === this.#values[node] && areEqual(known.leads, leads))
      return known.package.direct === isDirect ? known.package : { ...known.package, direct: isDirect };
    const value = this.#values[node]!;
    const { key, candidates } = this.#rules.entries[node]!;
    const candidate = candidates[value - 1]!;
    const { version, dependencies } = candidate;
    const made: ResolvedPackage = {
      id: `${key} ${version}`,
      key,
      name: policy.displayName(key),
      version,
      features: [],
      dependencies: this.#edges(policy, dependencies, false),
      kinds: NORMAL_ONLY,
      direct: isDirect,
      locked: this.#isLocked(key, version),
      candidate,
    };
    this.#described[node] = { value, leads, package: made };
    return made;
  }

  #leads(node: number): Int32Array {
    const { firstRow, rowStart, rowEnd, rows, dependency, isOff, target } = this.#rules;
    const row = firstRow.data[node]! + this.#values[node]!;
    const leads = rows.data.slice(rowStart.data[row], rowEnd.data[row]);
    for (let i = 0; i < leads.length; i++) {
      const one = dependency.data[leads[i]!]!;
      leads[i] = isOff.data[one] === 1 ? ABSENT : this.#values[target.data[one]!]!;
    }
    return leads;
  }

  #edges(policy: Policy, dependencies: readonly Dependency[], ofRoot: boolean): ResolvedDependency[] {
    const edges: ResolvedDependency[] = [];
    for (const one of dependencies) {
      if (policy.isGated(one) || !policy.counts(one, ofRoot)) continue;
      const { key, kind = "normal" } = one;
      const node = this.#rules.numberOf(key);
      const { version } = this.#rules.entries[node]!.candidates[this.#values[node]! - 1]!;
      const requirement = policy.effective(one).canonical;
      edges.push({ name: nameOf(one), key, id: `${key} ${version}`, kind, requirement, optional: false });
    }
    return uniqueEdges(edges);
  }

  /** Whether taking away again and again what nothing leads to leaves something. */
  #hasCycle(nodes: Int32Array): boolean {
    const { firstRow, rowStart, rowEnd, rows, dependency, isOff, target } = this.#rules;
    const incoming = new Int32Array(this.#values.length);
    const eachTarget = (node: number, visit: (target: number) => void): void => {
      const row = firstRow.data[node]! + this.#values[node]!;
      for (let i = rowStart.data[row]!; i < rowEnd.data[row]!; i++) {
        const one = dependency.data[rows.data[i]!]!;
        if (isOff.data[one] === 0) visit(target.data[one]!);
      }
    };
    for (const node of nodes) eachTarget(node, (to) => void incoming[to]!++);
    const free: number[] = [];
    for (const node of nodes) if (incoming[node] === 0) free.push(node);
    for (const node of free) eachTarget(node, (to) => void (--incoming[to]! === 0 && free.push(to)));
    return free.length < nodes.length;
  }
}

function isNormal({ dependencies }: { readonly dependencies: readonly ResolvedDependency[] }): boolean {
  return dependencies.every(({ kind }) => kind === "normal");
}

function areEqual(left: Int32Array, right: Int32Array): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}
