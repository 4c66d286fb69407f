import type { Bits } from "../bits.ts";
import { Ints } from "../core/ints.ts";
import { NONE } from "../core/state.ts";
import type { Solver } from "../solver.ts";
import type { Demands } from "./demands.ts";
import type { Dependency } from "../types.ts";
import type { Dependencies, KnownDependency } from "./dependencies.ts";
import type { FactCause, Follower, NodeInfo } from "./facts.ts";
import type { FeatureRules, Item } from "./features.ts";
import type { Nodes } from "./nodes.ts";
import type { PackageEntry, Packages } from "./packages.ts";
import type { Policy } from "./policy.ts";

const UNMADE = -1;
/** A rule that says nothing: a package that meets its own dependency. */
const EMPTY = -2;

/** Places of a dependency's target before there is one. */
const UNKNOWN = -1;
const NOWHERE = -2;
const SEVERAL = -3;

/** What the collaborators of one resolution are to each other. */
export interface Parts {
  readonly policy: Policy;
  readonly packages: Packages;
  readonly dependencies: Dependencies;
  readonly nodes: Nodes;
  readonly demands: Demands;
  readonly features: FeatureRules;
  readonly solver: Solver;
}

/**
 * Values of a node with one and the same consequence are a group, so that rules speak of ranges. A group becomes statements
 * when a value of it is chosen, or as soon as both packages of a plain dependency are in the search.
 */
export class Groups {
  readonly #parts: Parts;
  readonly #node = new Ints(256);
  readonly #mask = new Ints(256);
  readonly #fact = new Ints(256);
  readonly #known: (KnownDependency | undefined)[] = [];
  readonly #item: (Item | undefined)[] = [];
  readonly #made: (readonly number[] | undefined)[] = [];
  /** Place of a node's first value in the lists below. */
  readonly #first = new Ints(256);
  /** Where the groups of each value begin and end; values that need the same share them. */
  readonly #start = new Ints(1024);
  readonly #end = new Ints(1024);
  readonly #list = new Ints(1024);
  /** How many statements follow from a value, and then these; and so on. */
  readonly ruleIds: Ints = new Ints(1024);
  /** Place of each value's statements there, plus one; 0 until they are made. */
  readonly #rules = new Ints(1024);
  /** Latest group of a dependency. */
  readonly #latest = new Ints(256);
  /** Group -> next group that waits for the same dependency. */
  readonly #nextWaiting = new Ints(256);
  readonly #isSingle: boolean;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#isSingle = (parts.policy.input.coexistence ?? "single") === "single";
  }

  // --- grouping ------------------------------------------------------------------------------------------------------

  add(node: number, info: NodeInfo): void {
    const size = this.#parts.solver.size(node);
    if (node >= this.#first.length) this.#first.reserve(node + 1 - this.#first.length);
    this.#first.data[node] = this.#start.reserve(size);
    this.#end.reserve(size);
    this.#rules.reserve(size);
    const first = this.#node.length;
    if (info.type === "package" || info.type === "root") this.#addVersions(node, size, info);
    else this.#addItems(node, size, (bit) => this.#itemsOf(node, bit, info));
    if (this.#isSingle) this.#meet(first, info);
  }

  #addVersions(node: number, size: number, info: Extract<NodeInfo, { type: "package" | "root" }>): void {
    const { dependencies, features } = this.#parts;
    const list = this.#list;
    const place = this.#first.data[node]!;
    const ofRoot = info.type === "root";
    let before: readonly Dependency[] | undefined;
    for (let bit = 1; bit < size; bit++) {
      const candidate = info.type === "root" ? info.root : info.info.candidates[info.versions[bit - 1]!]!;
      if (candidate.dependencies === before) {
        this.#sameAsBefore(place + bit, bit);
        continue;
      }
      before = candidate.dependencies;
      this.#start.data[place + bit] = list.length;
      for (const dependency of before) {
        const known = dependencies.known(dependency);
        if (ofRoot ? known.ofRoot : known.ofPackage) list.push(this.#groupOf(node, bit, known));
      }
      this.#end.data[place + bit] = list.length;
    }
    if (ofRoot) {
      for (const item of features.rootItems(node)) list.push(this.#newGroup(node, 1, undefined, item));
      this.#end.data[place + 1] = list.length;
    }
  }

  /** A value that needs what the one before it needs. */
  #sameAsBefore(place: number, bit: number): void {
    const masks = this.#parts.solver.state.masks.data;
    const start = this.#start.data[place - 1]!;
    const end = this.#end.data[place - 1]!;
    this.#start.data[place] = start;
    this.#end.data[place] = end;
    for (let i = start; i < end; i++) {
      masks[this.#mask.data[this.#list.data[i]!]! + (bit >>> 5)]! |= 1 << (bit & 31);
    }
  }

  #groupOf(node: number, bit: number, known: KnownDependency): number {
    const latest = this.#latest;
    if (known.id >= latest.length) latest.reserve(known.id + 1 - latest.length);
    const group = latest.data[known.id]! - 1;
    if (group >= 0 && this.#node.data[group] === node) {
      const { masks } = this.#parts.solver.state;
      masks.data[this.#mask.data[group]! + (bit >>> 5)]! |= 1 << (bit & 31);
      return group;
    }
    const made = this.#newGroup(node, bit, known, undefined);
    latest.data[known.id] = made + 1;
    return made;
  }

  #newGroup(node: number, bit: number, known: KnownDependency | undefined, item: Item | undefined): number {
    const { state } = this.#parts.solver;
    const group = this.#node.length;
    const mask = state.masks.reserve(state.width.data[node]!);
    state.masks.data[mask + (bit >>> 5)] = 1 << (bit & 31);
    this.#node.push(node);
    this.#mask.push(mask);
    this.#fact.push(UNMADE);
    this.#nextWaiting.push(UNKNOWN);
    this.#known.push(known);
    this.#item.push(item);
    this.#made.push(undefined);
    return group;
  }

  #addItems(node: number, size: number, itemsOf: (bit: number) => readonly Item[]): void {
    const groups = new Map<string, number>();
    const list = this.#list;
    const place = this.#first.data[node]!;
    for (let bit = 1; bit < size; bit++) {
      const items = itemsOf(bit);
      this.#start.data[place + bit] = list.length;
      for (const item of items) {
        let group = groups.get(item.signature);
        if (group === undefined) groups.set(item.signature, (group = this.#newGroup(node, bit, undefined, item)));
        this.#parts.solver.state.masks.data[this.#mask.data[group]! + (bit >>> 5)]! |= 1 << (bit & 31);
        list.push(group);
      }
      this.#end.data[place + bit] = list.length;
    }
  }

  #itemsOf(node: number, bit: number, info: NodeInfo): Item[] {
    const { features, demands } = this.#parts;
    if (info.type === "feature") return features.featureItems(node, info.base, bit, info.feature);
    if (info.type === "soft") {
      return [{ signature: "soft", make: (conditions) => demands.depend(conditions, info.dependency, info.owner) }];
    }
    if (info.type !== "choice") return [];
    const slot = info.slots[bit - 1]!;
    return [{ signature: `slot\0${slot}`, make: (conditions) => demands.dependOnSlot(conditions, info, slot, node) }];
  }

  // --- plain dependencies between packages that are both in the search -------------------------------------------

  #meet(first: number, info: NodeInfo): void {
    for (let group = first; group < this.#node.length; group++) {
      const known = this.#known[group];
      if (known?.isPlain !== true) continue;
      if (known.on.hasArrived) this.#rule(group, known);
      else {
        this.#nextWaiting.data[group] = known.waiting;
        known.waiting = group;
      }
    }
    if (info.type === "package") this.arrived(info.info.key);
  }

  /** A package is in the search, or known not to exist: rules that waited for it are made. */
  arrived(key: string): void {
    const on = this.#parts.dependencies.on(key);
    on.hasArrived = true;
    for (const known of on.all) {
      let group = known.waiting;
      known.waiting = UNKNOWN;
      for (; group !== UNKNOWN; group = this.#nextWaiting.data[group]!) this.#rule(group, known);
    }
  }

  /** The rule of a plain dependency; EMPTY where it says nothing, UNMADE while metadata is missing. */
  #rule(group: number, known: KnownDependency): number {
    const made = this.#fact.data[group]!;
    if (made !== UNMADE) return made;
    const { solver } = this.#parts;
    const node = this.#node.data[group]!;
    if (known.target === UNKNOWN) this.#aim(known, node);
    // Finding the target may have made this very rule: the package had been waited for.
    if (this.#fact.data[group] !== UNMADE || known.target === UNKNOWN || known.target === SEVERAL)
      return this.#fact.data[group]!;
    const mask = this.#mask.data[group]!;
    const cause = group * 2 + 1;
    let id = EMPTY;
    if (known.target === NOWHERE) id = solver.addFact([node], [mask], cause);
    else if (known.target !== node) id = solver.addRule(node, mask, known.target, known.wrong, cause);
    else {
      const both = solver.state.overlap(node, mask, known.wrong);
      if (both !== UNMADE) id = solver.addFact([node], [both], cause);
    }
    this.#fact.data[group] = id;
    if (id !== EMPTY) solver.demand(id);
    return id;
  }

  /** Finds what a dependency demands: a package's node and what it refuses there. */
  #aim(known: KnownDependency, owner: number): void {
    const { policy, packages } = this.#parts;
    if (!this.#isSingle) return this.#aimAmongSlots(known, owner);
    const entry = packages.read(known.dependency.key);
    if (entry === undefined) return;
    if (entry.candidates.length === 0) {
      known.target = NOWHERE;
      known.isBare = true;
      this.arrived(entry.key);
      return;
    }
    const node = this.#parts.nodes.inSlot(entry, "");
    if (known.target !== UNKNOWN) return;
    const requirement = policy.effective(known.dependency);
    known.wrong = packages.refused(entry, requirement, this.#parts.solver.state);
    known.target = known.wrong === UNKNOWN ? NOWHERE : node;
    known.isBare = known.target === NOWHERE || !this.#asksForFeatures(known, entry);
  }

  #asksForFeatures({ dependency }: KnownDependency, entry: PackageEntry): boolean {
    if (dependency.features !== undefined && dependency.features.length > 0) return true;
    return dependency.defaultFeatures !== false && this.#parts.packages.hasDefault(entry);
  }

  #aimAmongSlots(known: KnownDependency, owner: number): void {
    const { demands, nodes, solver } = this.#parts;
    const target = demands.target(known.dependency, owner);
    if (target === undefined) return;
    if (target.slots.length === 0) known.target = NOWHERE;
    else if (target.slots.length > 1) known.target = SEVERAL;
    else {
      const node = nodes.inSlot(target.info, target.slots[0]!);
      known.wrong = solver.mask(nodes.refused(target.set, node));
      known.target = node;
    }
  }

  // --- statements ----------------------------------------------------------------------------------------------------

  /** Place in `ruleIds` of the statements that follow from choosing a value; NONE while metadata is missing. */
  rules(node: number, bit: number): number {
    const known = this.#rules.data[this.#first.data[node]! + bit]! - 1;
    return known === NONE ? this.#collect(node, bit) : known;
  }

  #collect(node: number, bit: number): number {
    const place = this.#first.data[node]! + bit;
    const end = this.#end.data[place]!;
    const found: number[] = [];
    let complete = true;
    for (let i = this.#start.data[place]!; i < end; i++) {
      const group = this.#list.data[i]!;
      const made = this.#bareRule(group);
      if (made >= 0) found.push(made);
      else if (made === EMPTY) continue;
      else {
        const statements = this.#statements(group);
        if (statements === undefined) complete = false;
        else for (const id of statements) found.push(id);
      }
    }
    if (!complete) return NONE;
    const { ruleIds } = this;
    const at = ruleIds.length;
    this.#rules.data[place] = at + 1;
    ruleIds.push(found.length);
    for (const id of found) ruleIds.push(id);
    return at;
  }

  /** The only statement of a dependency that asks for no features; UNMADE where there may be others. */
  #bareRule(group: number): number {
    const known = this.#known[group];
    if (known?.isPlain !== true) return UNMADE;
    const rule = this.#rule(group, known);
    return known.isBare ? rule : UNMADE;
  }

  #statements(group: number): readonly number[] | undefined {
    const known = this.#made[group];
    if (known !== undefined) return known;
    const made = this.#make(group);
    if (made !== undefined) this.#made[group] = made;
    return made;
  }

  #make(group: number): readonly number[] | undefined {
    const node = this.#node.data[group]!;
    const known = this.#known[group];
    if (known?.isPlain === true) {
      const rule = this.#rule(group, known);
      if (known.target === UNKNOWN) return undefined;
      if (known.target !== SEVERAL) return this.#plainStatements(group, node, known, rule);
    }
    if (known !== undefined) {
      this.#item[group] ??= this.#parts.features.dependencyItem(node, known.dependency);
    }
    return this.#item[group]!.make([{ node, set: this.#set(group) }]);
  }

  #plainStatements(group: number, node: number, known: KnownDependency, rule: number): readonly number[] {
    const found = rule === EMPTY ? [] : [rule];
    const target = this.#parts.demands.target(known.dependency, node)!;
    const [slot] = target.slots;
    if (slot === undefined) return found;
    const conditions = [{ node, set: this.#set(group) }];
    const more = this.#parts.demands.demandFeatures(conditions, target, slot, known.dependency);
    return more.length === 0 ? found : [...found, ...more];
  }

  #set(group: number): Bits {
    const { state } = this.#parts.solver;
    const mask = this.#mask.data[group]!;
    return state.masks.data.slice(mask, mask + state.width.data[this.#node.data[group]!]!);
  }

  /** The cause of a group's plain rule. */
  cause(group: number): FactCause {
    const { policy } = this.#parts;
    const { dependency } = this.#known[group]!;
    const requirement = policy.effective(dependency);
    const overridden = policy.isOverridden(dependency.key);
    return { type: "dependency", owner: this.#node.data[group]!, dependency, requirement, overridden };
  }

  /** Nodes that a value makes needed, in the order of the manifest; `if` holds for those with further conditions. */
  followers(node: number, bit: number): Follower[] {
    const { nodes, solver } = this.#parts;
    const s = solver.state;
    const found: Follower[] = [];
    const place = this.#first.data[node]! + bit;
    const end = this.#end.data[place]!;
    for (let i = this.#start.data[place]!; i < end; i++) {
      const group = this.#list.data[i]!;
      const bare = this.#bareRule(group);
      for (const id of bare >= 0 ? [bare] : (this.#made[group] ?? [])) {
        const last = s.endTerm(id) - 1;
        if (last < s.firstTerm(id) || (s.masks.data[s.termMask.data[last]!]! & 1) === 0) continue;
        found.push({ node: s.termNode.data[last]!, if: this.#conditions(id, node, last) });
      }
      const soft = this.#item[group]?.soft;
      if (soft !== undefined) found.push({ node: nodes.softOf(soft.owner, soft.dependency), if: [] });
    }
    return found;
  }

  #conditions(id: number, node: number, last: number): Follower["if"] {
    const s = this.#parts.solver.state;
    const conditions: { node: number; set: Bits }[] = [];
    for (let term = s.firstTerm(id); term < last; term++) {
      const other = s.termNode.data[term]!;
      if (other === node) continue;
      const mask = s.termMask.data[term]!;
      conditions.push({ node: other, set: s.masks.data.slice(mask, mask + s.width.data[other]!) });
    }
    return conditions;
  }
}
