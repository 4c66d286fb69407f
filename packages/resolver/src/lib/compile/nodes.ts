import { ABSENT, complement, emptyBits, hasBit, isEmpty, setBit, singleBit, type Bits } from "../bits.ts";
import type { Solver } from "../solver.ts";
import type { Dependency, Exclusion, RootPackage } from "../types.ts";
import { acceptsHost, nameOf, signatureOf, type FactCause, type NodeInfo, type PackageInfo } from "./facts.ts";
import type { Packages } from "./packages.ts";
import type { Policy } from "./policy.ts";

/** Told of a node that was made: its consequences are to be grouped. */
export type NodeListener = (node: number, info: NodeInfo) => void;

const NO_GROUPS: readonly (readonly string[])[] = [];

/** The nodes of one resolution: what they stand for, and which of their values are ruled out from the beginning. */
export class Nodes {
  readonly infos: NodeInfo[] = [];
  readonly #policy: Policy;
  readonly #packages: Packages;
  readonly #solver: Solver;
  readonly #cause: (cause: FactCause) => number;
  readonly #made: NodeListener;
  readonly #features: (Map<string, number> | undefined)[] = [];
  readonly #choices = new Map<string, number>();
  readonly #softs = new Map<string, number>();

  constructor(
    policy: Policy,
    packages: Packages,
    solver: Solver,
    cause: (cause: FactCause) => number,
    made: NodeListener,
  ) {
    this.#policy = policy;
    this.#packages = packages;
    this.#solver = solver;
    this.#cause = cause;
    this.#made = made;
  }

  // --- those that are there ----------------------------------------------------------------------------------------

  package(key: string, slot: string): number | undefined {
    return this.#packages.known.get(key)?.nodes.get(slot);
  }

  feature(base: number, feature: string): number | undefined {
    return this.#features[base]?.get(feature);
  }

  choice(dependency: Dependency): number | undefined {
    return this.#choices.get(this.#choiceId(dependency));
  }

  soft(owner: number, dependency: Dependency): number | undefined {
    return this.#softs.get(`${owner}\0${signatureOf(dependency)}`);
  }

  // --- making them -------------------------------------------------------------------------------------------------

  #add(info: NodeInfo, versions: number, order: readonly number[] | undefined, base?: number): number {
    const node = this.#solver.addNode(versions, order, base);
    this.infos[node] = info;
    return node;
  }

  addRoot(root: RootPackage, index: number): void {
    const info: NodeInfo = { type: "root", root, index };
    const node = this.#add(info, 1, undefined);
    this.#forbid(node, singleBit(2, ABSENT), { type: "root", root: index });
    this.#made(node, info);
    this.#solver.open(node);
  }

  /** The node of a package in one slot. */
  inSlot(info: PackageInfo, slot: string): number {
    const entry = this.#packages.known.get(info.key)!;
    const known = entry.nodes.get(slot);
    if (known !== undefined) return known;
    const versions = info.slots.get(slot)!;
    const made: NodeInfo = { type: "package", info, slot, versions };
    const node = this.#add(made, versions.length, this.#policy.preference(info, versions));
    entry.nodes.set(slot, node);
    this.#excludeAtBirth(node, info, versions);
    this.#excludeByHost(node, info, versions);
    this.#made(node, made);
    return node;
  }

  #forbid(node: number, set: Bits, cause: FactCause): void {
    this.#solver.forbidAtBirth(node, this.#solver.mask(set), this.#cause(cause));
  }

  #excludeAtBirth(node: number, info: PackageInfo, versions: readonly number[]): void {
    let groups: Map<string, { exclusion: Exclusion; set: Bits }> | undefined;
    for (let i = 0; i < versions.length; i++) {
      const exclusions = this.#policy.exclusionsOf(info.key, info.candidates[versions[i]!]!);
      for (const exclusion of exclusions) {
        groups ??= new Map();
        const id = `${exclusion.reason}\0${exclusion.text}`;
        const group = groups.get(id) ?? { exclusion, set: emptyBits(versions.length + 1) };
        setBit(group.set, i + 1);
        groups.set(id, group);
      }
    }
    for (const { exclusion, set } of groups?.values() ?? []) {
      this.#forbid(node, set, { type: "excluded", node, reason: exclusion.reason, text: exclusion.text });
    }
  }

  #excludeByHost(node: number, info: PackageInfo, versions: readonly number[]): void {
    const policy = this.#policy;
    if (policy.input.hosts === undefined) return;
    for (const [axis, given] of Object.entries(policy.input.hosts)) {
      const groups = new Map<string, { requirement: ReturnType<Policy["requirement"]>; set: Bits }>();
      versions.forEach((index, i) => {
        const asked = info.candidates[index]!.hosts?.[axis];
        if (asked === undefined || policy.problemWith(asked) !== undefined) return;
        const requirement = policy.requirement(asked);
        const group = groups.get(requirement.canonical) ?? { requirement, set: emptyBits(versions.length + 1) };
        setBit(group.set, i + 1);
        groups.set(requirement.canonical, group);
      });
      for (const { requirement, set } of groups.values()) {
        const version = given.find((one) => !acceptsHost(requirement, one));
        if (version !== undefined) this.#forbid(node, set, { type: "host", node, axis, version, requirement });
      }
    }
  }

  featureOf(base: number, feature: string): number {
    const known = this.feature(base, feature);
    if (known !== undefined) return known;
    const size = this.#solver.size(base);
    const info: NodeInfo = { type: "feature", base, feature };
    const node = this.#add(info, size - 1, this.#solver.state.order[base], base);
    (this.#features[base] ??= new Map()).set(feature, node);
    const lacking = emptyBits(size);
    for (let bit = 1; bit < size; bit++) if (!this.#hasFeature(base, bit, feature)) setBit(lacking, bit);
    if (!isEmpty(lacking)) {
      this.#forbid(node, lacking, { type: "feature", node, feature, text: `has no feature "${feature}"` });
    }
    this.#made(node, info);
    return node;
  }

  #hasFeature(base: number, bit: number, feature: string): boolean {
    const { features, dependencies } = this.table(base, bit);
    if (feature === "default" || Object.hasOwn(features, feature)) return true;
    const name = feature.startsWith("dep:") ? feature.slice(4) : feature;
    return dependencies.some((one) => this.#policy.isGated(one) && nameOf(one) === name);
  }

  /** Feature table and dependencies of a value of a package or root. */
  table(
    node: number,
    bit: number,
  ): {
    features: Readonly<Record<string, readonly string[]>>;
    dependencies: readonly Dependency[];
    exclusive: readonly (readonly string[])[];
    ofRoot: boolean;
  } {
    const info = this.infos[node]!;
    const of = info.type === "root" ? info.root : info.type === "package" ? candidateIn(info, bit) : undefined;
    if (of === undefined) throw new Error(`Node ${node} has no features`);
    const { features = {}, dependencies, exclusiveFeatures: exclusive = NO_GROUPS } = of;
    return { features, dependencies, exclusive, ofRoot: info.type === "root" };
  }

  choiceOf(dependency: Dependency, info: PackageInfo, slots: readonly string[]): number {
    const id = this.#choiceId(dependency);
    const known = this.#choices.get(id);
    if (known !== undefined) return known;
    const requirement = this.#policy.effective(dependency);
    const set = this.#packages.accepted(info, requirement);
    const kept = this.#policy.lockedSlot(dependency.key, requirement);
    const best = slots.map((slot, i) => ({
      bit: i + 1,
      rank: slot === kept ? -1 : this.#slotRank(info, slot, set),
    }));
    best.sort((a, b) => a.rank - b.rank);
    const order = best.map(({ bit }) => bit);
    const bare: Dependency = { key: dependency.key, requirement, defaultFeatures: false };
    const made: NodeInfo = { type: "choice", dependency: bare, info, slots };
    const node = this.#add(made, slots.length, order);
    this.#choices.set(id, node);
    this.#made(node, made);
    return node;
  }

  /** Place of the best version that a requirement accepts in a slot, in the preference over all versions. */
  #slotRank(info: PackageInfo, slot: string, set: Bits): number {
    const all = info.candidates.map((_, i) => i);
    const order = this.#policy.preference(info, all) ?? all.map((i) => all.length - i);
    const inSlot = new Set(info.slots.get(slot));
    return order.findIndex((bit) => inSlot.has(bit - 1) && hasBit(set, bit));
  }

  /** All who name one range of a package share its slot: fewer copies, and no solution is lost by it. */
  #choiceId(dependency: Dependency): string {
    return `${dependency.key}\0${this.#policy.effective(dependency).canonical}`;
  }

  softOf(owner: number, dependency: Dependency): number {
    const known = this.soft(owner, dependency);
    if (known !== undefined) return known;
    const made: NodeInfo = { type: "soft", owner, dependency };
    const node = this.#add(made, 1, undefined);
    this.#softs.set(`${owner}\0${signatureOf(dependency)}`, node);
    this.#made(node, made);
    return node;
  }

  /** The part of a set over all versions of a package that is in a node's slot. */
  partOf(set: Bits, node: number): Bits {
    const info = this.infos[node]!;
    if (info.type !== "package") throw new Error(`Node ${node} is no package`);
    if (info.versions.length === info.info.candidates.length) return set.slice();
    const part = emptyBits(info.versions.length + 1);
    info.versions.forEach((index, i) => hasBit(set, index + 1) && setBit(part, i + 1));
    return part;
  }

  /** What a set over all versions leaves out of a node: the other versions, and absence. */
  refused(set: Bits, node: number): Bits {
    return complement(this.partOf(set, node), this.#solver.size(node));
  }
}

/** The candidate that is one version of a package's node. */
export function candidateIn(info: Extract<NodeInfo, { type: "package" }>, bit: number): ReturnType<typeof at> {
  return at(info, bit);
}

function at(info: Extract<NodeInfo, { type: "package" }>, bit: number): PackageInfo["candidates"][number] | undefined {
  return info.info.candidates[info.versions[bit - 1]!];
}
