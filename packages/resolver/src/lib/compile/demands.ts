import {
  ABSENT,
  complement,
  hasBit,
  intersection,
  intersects,
  isEmpty,
  setBit,
  singleBit,
  type Bits,
} from "../bits.ts";
import type { Solver } from "../solver.ts";
import type { Dependency, PackageKey, VersionRequirement } from "../types.ts";
import type { FactCause, NodeInfo, PackageInfo, Term } from "./facts.ts";
import type { Nodes } from "./nodes.ts";
import type { Packages } from "./packages.ts";
import type { Policy } from "./policy.ts";

/** What a dependency leads to: the package, and its slots that have a version in range. */
export interface Target {
  readonly info: PackageInfo;
  readonly requirement: VersionRequirement;
  readonly set: Bits;
  readonly slots: readonly string[];
  readonly owner: number;
}

const NONE: readonly string[] = [];

/** Dependencies as statements: "these versions, and not that package in this range". */
export class Demands {
  readonly #policy: Policy;
  readonly #packages: Packages;
  readonly #nodes: Nodes;
  readonly #solver: Solver;
  readonly #cause: (cause: FactCause) => number;
  /** Rules for packages that nobody needs yet: "if it is present, then in this range". */
  readonly #ifPresent = new Map<PackageKey, { conditions: readonly Term[]; dependency: Dependency; owner: number }[]>();

  constructor(policy: Policy, packages: Packages, nodes: Nodes, solver: Solver, cause: (cause: FactCause) => number) {
    this.#policy = policy;
    this.#packages = packages;
    this.#nodes = nodes;
    this.#solver = solver;
    this.#cause = cause;
  }

  target(dependency: Dependency, owner: number): Target | undefined {
    const info = this.#packages.read(dependency.key);
    if (info === undefined) return undefined;
    const requirement = this.#policy.effective(dependency);
    const set = this.#packages.accepted(info, requirement);
    const slots: string[] = [];
    for (const [slot, indexes] of info.slots) {
      if (info.slots.size === 1 ? !isEmpty(set) : indexes.some((i) => hasBit(set, i + 1))) slots.push(slot);
    }
    return { info, requirement, set, slots, owner };
  }

  depend(conditions: readonly Term[], dependency: Dependency, owner: number): readonly number[] | undefined {
    const unreadable = this.#policy.unreadable(dependency);
    if (unreadable !== undefined)
      return this.facts(conditions, { type: "excluded", node: owner, reason: "policy", text: unreadable });
    if (this.#policy.isConditional(dependency)) return this.#dependIfPresent(conditions, dependency, owner);
    const target = this.target(dependency, owner);
    if (target === undefined) return undefined;
    const { info, slots } = target;
    if (slots.length === 0) return this.facts(conditions, this.cause(target, dependency));
    if (slots.length === 1) return this.#demand(conditions, target, slots[0]!, dependency);
    const choice = this.#nodes.choiceOf(dependency, info, slots);
    const absent = singleBit(slots.length + 1, ABSENT);
    const cause = this.cause(target, dependency);
    const found = [...this.facts([...conditions, { node: choice, set: absent }], cause)];
    slots.forEach((slot, i) => {
      const picked = { node: choice, set: singleBit(slots.length + 1, i + 1) };
      found.push(...this.demandFeatures([...conditions, picked], target, slot, dependency));
    });
    return found;
  }

  dependOnSlot(
    conditions: readonly Term[],
    info: Extract<NodeInfo, { type: "choice" }>,
    slot: string,
    owner: number,
  ): readonly number[] | undefined {
    const target = this.target(info.dependency, owner);
    return target === undefined ? undefined : this.#demand(conditions, target, slot, info.dependency);
  }

  /** The package in one slot, in range, with the features asked for. */
  #demand(conditions: readonly Term[], target: Target, slot: string, dependency: Dependency): readonly number[] {
    const node = this.#nodes.inSlot(target.info, slot);
    const wrong = this.#nodes.refused(target.set, node);
    const found = [...this.facts([...conditions, { node, set: wrong }], this.cause(target, dependency))];
    found.push(...this.demandFeatures(conditions, target, slot, dependency));
    return found;
  }

  demandFeatures(conditions: readonly Term[], target: Target, slot: string, dependency: Dependency): readonly number[] {
    const features = new Set(dependency.features ?? NONE);
    if (dependency.defaultFeatures !== false && anyDefault(target.info, slot)) features.add("default");
    if (features.size === 0) return [];
    return [...features].flatMap((feature) =>
      this.#featureFacts(conditions, target, slot, feature, dependency, target.owner),
    );
  }

  /** The package that a dependency gets must have a feature on, whichever slot is chosen. */
  wantFeature(
    conditions: readonly Term[],
    dependency: Dependency,
    feature: string,
    owner: number,
  ): readonly number[] | undefined {
    const target = this.target(dependency, owner);
    if (target === undefined) return undefined;
    const found: number[] = [];
    for (const slot of target.slots) {
      const terms = [...conditions];
      if (target.slots.length > 1) {
        const choice = this.#nodes.choiceOf(dependency, target.info, target.slots);
        terms.push({ node: choice, set: singleBit(target.slots.length + 1, target.slots.indexOf(slot) + 1) });
      }
      found.push(...this.#featureFacts(terms, target, slot, feature, dependency, owner));
    }
    return found;
  }

  #featureFacts(
    conditions: readonly Term[],
    target: Target,
    slot: string,
    feature: string,
    dependency: Dependency,
    owner: number,
  ): readonly number[] {
    const node = this.#nodes.inSlot(target.info, slot);
    const on = this.#nodes.featureOf(node, feature);
    const wrong = this.#nodes.refused(target.set, node);
    return this.facts([...conditions, { node: on, set: wrong }], {
      ...this.cause({ ...target, owner }, dependency),
      feature,
    });
  }

  // --- only where it is present ------------------------------------------------------------------------------------

  #dependIfPresent(conditions: readonly Term[], dependency: Dependency, owner: number): readonly number[] {
    const waiting = this.#ifPresent.get(dependency.key) ?? [];
    waiting.push({ conditions, dependency, owner });
    this.#ifPresent.set(dependency.key, waiting);
    const info = this.#packages.known.get(dependency.key);
    for (const node of info?.nodes.values() ?? []) this.#attachPresence(conditions, dependency, owner, info!, node);
    return [];
  }

  /** A package is there now: what was said of it "if it is present" counts. */
  nowPresent(info: PackageInfo, node: number): void {
    for (const { conditions, dependency, owner } of this.#ifPresent.get(info.key) ?? []) {
      this.#attachPresence(conditions, dependency, owner, info, node);
    }
  }

  #attachPresence(
    conditions: readonly Term[],
    dependency: Dependency,
    owner: number,
    info: PackageInfo,
    node: number,
  ): void {
    const requirement = this.#policy.effective(dependency);
    const good = this.#nodes.partOf(this.#packages.accepted(info, requirement), node);
    // Where several versions may live side by side, one in a slot that is not meant is not this dependent's.
    if (this.#policy.input.coexistence === "per-major" && isEmpty(good)) return;
    setBit(good, ABSENT);
    const set = complement(good, this.#solver.size(node));
    const cause = this.cause({ info, requirement, set, slots: [], owner }, dependency);
    for (const statement of this.facts([...conditions, { node, set }], cause)) this.#solver.attach(statement);
  }

  // --- facts ---------------------------------------------------------------------------------------------------------

  cause({ requirement, owner }: Target, dependency: Dependency): Extract<FactCause, { type: "dependency" }> {
    const overridden = this.#policy.isOverridden(dependency.key);
    return { type: "dependency", owner, dependency, requirement, overridden };
  }

  /** The statement, unless it says nothing: a package that depends on itself meets its own term. */
  facts(terms: readonly Term[], cause: FactCause): readonly number[] {
    const merged = new Map<number, Bits>();
    for (const { node, set } of terms) {
      const before = merged.get(node);
      if (before !== undefined && !intersects(before, set)) return [];
      merged.set(node, before === undefined ? set : intersection(before, set));
    }
    if ([...merged.values()].some(isEmpty)) return [];
    const masks = [...merged.values()].map((set) => this.#solver.mask(set));
    return [this.#solver.addFact([...merged.keys()], masks, this.#cause(cause))];
  }
}

function anyDefault(info: PackageInfo, slot: string): boolean {
  return info.slots.get(slot)!.some((index) => {
    const { features } = info.candidates[index]!;
    return features !== undefined && Object.hasOwn(features, "default");
  });
}
