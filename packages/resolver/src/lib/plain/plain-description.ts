import { nameOf } from "../compile/facts.ts";
import type { Policy } from "../compile/policy.ts";
import { findCycles } from "../cycles.ts";
import { markReach, uniqueEdges } from "../outcome.ts";
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

/** Words what a plain search has chosen; what is said of a package is the same object again while all of it is the same, if kept. */
export class PlainDescriber {
  readonly #rules: PlainRules;
  readonly #isLocked: (key: PackageKey, version: string) => boolean;
  /** Whether several answers are to be described. */
  readonly #keeps: boolean;
  readonly #described: (Described | undefined)[] = [];
  #sorted: readonly number[] = [];
  /** Package -> its value in the answer that is described. */
  #values: Int32Array = new Int32Array(0);

  constructor(rules: PlainRules, isLocked: (key: PackageKey, version: string) => boolean, keeps: boolean) {
    this.#rules = rules;
    this.#isLocked = isLocked;
    this.#keeps = keeps;
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

  /** Packages by key; most of them are those of the answer before. */
  #sort(nodes: Int32Array): readonly number[] {
    const kept = this.#sorted.filter((node) => this.#values[node] !== ABSENT);
    if (kept.length < nodes.length) {
      const known = new Set(kept);
      this.#sorted = this.#merged(kept, this.#byKey(nodes.filter((node) => !known.has(node))));
    } else this.#sorted = kept;
    return this.#sorted;
  }

  #byKey(nodes: Int32Array): readonly number[] {
    const { keys } = this.#rules;
    // Sorted as texts, so that no comparison calls back.
    const names = Array.from(nodes, (node) => keys[node]!).sort();
    return names.map((key) => this.#rules.numberOf(key));
  }

  #merged(left: readonly number[], right: readonly number[]): readonly number[] {
    if (left.length === 0) return right;
    const { keys } = this.#rules;
    const merged: number[] = [];
    let [i, j] = [0, 0];
    while (i < left.length && j < right.length)
      merged.push(keys[left[i]!]! < keys[right[j]!]! ? left[i++]! : right[j++]!);
    return [...merged, ...left.slice(i), ...right.slice(j)];
  }

  #package(policy: Policy, node: number, isDirect: boolean): ResolvedPackage {
    if (!this.#keeps) return this.#made(policy, node, isDirect);
    const known = this.#described[node];
    const leads = this.#leads(node);
    if (known !== undefined && known.value === this.#values[node] && areEqual(known.leads, leads))
      return known.package.direct === isDirect ? known.package : { ...known.package, direct: isDirect };
    const made = this.#made(policy, node, isDirect);
    this.#described[node] = { value: this.#values[node]!, leads, package: made };
    return made;
  }

  #made(policy: Policy, node: number, isDirect: boolean): ResolvedPackage {
    const { key, candidates } = this.#rules.entries[node]!;
    const candidate = candidates[this.#values[node]! - 1]!;
    const { version, dependencies } = candidate;
    return {
      id: this.#rules.idOf(node, this.#values[node]!),
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
      const id = this.#rules.idOf(node, this.#values[node]!);
      const requirement = policy.effective(one).canonical;
      edges.push({ name: nameOf(one), key, id, kind, requirement, optional: false });
    }
    return uniqueEdges(edges);
  }

  /** Whether taking away again and again what nothing leads to leaves something. */
  #hasCycle(nodes: Int32Array): boolean {
    const incoming = new Int32Array(this.#values.length);
    for (let i = 0; i < nodes.length; i++) this.#countEdges(nodes[i]!, 1, incoming);
    const free: number[] = [];
    for (let i = 0; i < nodes.length; i++) if (incoming[nodes[i]!] === 0) free.push(nodes[i]!);
    for (let i = 0; i < free.length; i++) this.#countEdges(free[i]!, -1, incoming, free);
    return free.length < nodes.length;
  }

  /** Adds to the targets of a package's edges; those that come to zero are noted. */
  #countEdges(node: number, by: number, incoming: Int32Array, zero?: number[]): void {
    const { firstRow, rowStart, rowEnd, rows, dependency, isOff, target } = this.#rules;
    const row = firstRow.data[node]! + this.#values[node]!;
    for (let i = rowStart.data[row]!; i < rowEnd.data[row]!; i++) {
      const one = dependency.data[rows.data[i]!]!;
      if (isOff.data[one] !== 0) continue;
      const to = target.data[one]!;
      if ((incoming[to]! += by) === 0) zero?.push(to);
    }
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
