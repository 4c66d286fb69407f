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

const NOTHING: readonly Dependency[] = [];

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
 * Values of a node with one and the same consequence are a group, so that rules speak of ranges. A group's rule counts when a
 * value of it is chosen, or as soon as both packages of a plain dependency are in the search; it becomes a statement only when
 * one is chosen, or when it takes something away.
 */
export class Groups {
  readonly #parts: Parts;
  readonly #node = new Ints(256);
  readonly #mask = new Ints(256);
  readonly #fact = new Ints(256);
  /** Number of the dependency; UNKNOWN where it is another item. */
  readonly #known = new Ints(256);
  /** When the rule came to count; UNMADE before. */
  readonly #since = new Ints(256);
  /** Group -> another one of the same dependency that waits, too, or counts, too. */
  readonly #next = new Ints(256);
  readonly #item = new Map<number, Item>();
  readonly #made = new Map<number, readonly number[]>();
  #clock = 0;
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
  /** Latest group of a dependency, plus one. */
  readonly #latest = new Ints(256);
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
    if (info.type === "package") this.#addVersions(node, info);
    else if (info.type === "root") this.#addRoot(node, info);
    else this.#addItems(node, size, (bit) => this.#itemsOf(node, bit, info));
    if (this.#isSingle) this.#meet(first, info);
  }

  #addRoot(node: number, { root }: Extract<NodeInfo, { type: "root" }>): void {
    const { dependencies, features } = this.#parts;
    const list = this.#list;
    const place = this.#first.data[node]! + 1;
    this.#start.data[place] = list.length;
    for (const dependency of root.dependencies) {
      const known = dependencies.known(dependency);
      if (known.ofRoot) list.push(this.#groupOf(node, 1, known));
    }
    for (const item of features.rootItems(node)) list.push(this.#itemGroup(node, 1, item));
    this.#end.data[place] = list.length;
  }

  #addVersions(node: number, info: Extract<NodeInfo, { type: "package" }>): void {
    const { versions } = info;
    const { candidates } = info.info;
    const list = this.#list;
    const place = this.#first.data[node]!;
    this.#makeRoom(node, info);
    let before: readonly Dependency[] = NOTHING;
    // What the version before made of its dependencies, place by place.
    const nears: KnownDependency[] = [];
    for (let i = 0; i < versions.length; i++) {
      const bit = i + 1;
      const { dependencies } = candidates[versions[i]!]!;
      if (dependencies === before) {
        this.#sameAsBefore(place + bit, bit);
        continue;
      }
      this.#start.data[place + bit] = list.length;
      for (let j = 0; j < dependencies.length; j++) {
        const dependency = dependencies[j]!;
        const near = nears[j];
        const known = dependency === before[j] ? near! : (nears[j] = this.#parts.dependencies.known(dependency, near));
        if (known.ofPackage) list.data[list.length++] = this.#groupOf(node, bit, known);
      }
      this.#end.data[place + bit] = list.length;
      before = dependencies;
    }
  }

  /** For all that the versions of a node can need, so that nothing grows bit by bit. */
  #makeRoom(node: number, { info, versions }: Extract<NodeInfo, { type: "package" }>): void {
    let most = 0;
    let before: readonly Dependency[] | undefined;
    for (const index of versions) {
      const { dependencies } = info.candidates[index]!;
      if (dependencies !== before) most += dependencies.length;
      before = dependencies;
    }
    const { state } = this.#parts.solver;
    for (const one of [this.#node, this.#mask, this.#fact, this.#known, this.#since, this.#next, this.#list])
      one.room(most);
    state.masks.room(most * state.width.data[node]!);
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

  #groupOf(node: number, bit: number, { id }: KnownDependency): number {
    const latest = this.#latest;
    if (id >= latest.length) latest.reserve(id + 1 - latest.length);
    const group = latest.data[id]! - 1;
    if (group >= 0 && this.#node.data[group] === node) {
      this.#parts.solver.state.masks.data[this.#mask.data[group]! + (bit >>> 5)]! |= 1 << (bit & 31);
      return group;
    }
    const made = this.#newGroup(node, bit, id);
    latest.data[id] = made + 1;
    return made;
  }

  #newGroup(node: number, bit: number, known: number): number {
    const { state } = this.#parts.solver;
    const group = this.#node.length;
    const mask = state.masks.reserve(state.width.data[node]!);
    state.masks.data[mask + (bit >>> 5)] = 1 << (bit & 31);
    this.#node.push(node);
    this.#mask.push(mask);
    this.#fact.push(UNMADE);
    this.#known.push(known);
    this.#since.push(UNMADE);
    this.#next.push(UNKNOWN);
    return group;
  }

  #itemGroup(node: number, bit: number, item: Item): number {
    const group = this.#newGroup(node, bit, UNKNOWN);
    this.#item.set(group, item);
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
        if (group === undefined) groups.set(item.signature, (group = this.#itemGroup(node, bit, item)));
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

  #dependency(group: number): KnownDependency | undefined {
    const id = this.#known.data[group]!;
    return id === UNKNOWN ? undefined : this.#parts.dependencies.at(id);
  }

  #meet(first: number, info: NodeInfo): void {
    for (let group = first; group < this.#node.length; group++) {
      const known = this.#dependency(group);
      if (known?.isPlain !== true) continue;
      if (known.on.hasArrived) this.#rule(group, known);
      else {
        this.#next.data[group] = known.waiting;
        known.waiting = group;
      }
    }
    if (info.type === "package") this.arrived(info.info.key);
  }

  /** A package is in the search, or known not to exist: rules that waited for it count from now on. */
  arrived(key: string): void {
    const on = this.#parts.dependencies.on(key);
    on.hasArrived = true;
    for (const known of on.all) {
      let group = known.waiting;
      known.waiting = UNKNOWN;
      while (group !== UNKNOWN) {
        const next = this.#next.data[group]!;
        this.#rule(group, known);
        group = next;
      }
    }
  }

  /** Makes the rule of a plain dependency count, unless metadata is missing. */
  #rule(group: number, known: KnownDependency): void {
    if (this.#since.data[group] !== UNMADE) return;
    if (known.target === UNKNOWN) this.#aim(known, this.#node.data[group]!);
    // Finding the target may have made this very rule count: the package had been waited for.
    if (this.#since.data[group] !== UNMADE || known.target === UNKNOWN || known.target === SEVERAL) return;
    this.#since.data[group] = this.#clock++;
    if (known.target === NOWHERE || known.target === this.#node.data[group]) {
      const id = this.#statementOf(group, known);
      if (id !== EMPTY) this.#parts.solver.demand(id);
      return;
    }
    this.#next.data[group] = known.ruled;
    known.ruled = group;
    if (!this.#parts.solver.isMet(known)) this.#parts.solver.demand(this.#statementOf(group, known));
  }

  /** The statement of a rule that counts; EMPTY where it says nothing. */
  #statementOf(group: number, known: KnownDependency): number {
    const made = this.#fact.data[group]!;
    if (made !== UNMADE) return made;
    const { solver } = this.#parts;
    const node = this.#node.data[group]!;
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
    return id;
  }

  /** The groups of dependencies that have something to lose, in the order in which their rules came to count. */
  losing(dependencies: readonly number[]): readonly number[] {
    const s = this.#parts.solver.state;
    const masks = s.masks.data;
    const found: number[] = [];
    for (const id of dependencies) {
      let group = this.#parts.dependencies.at(id).ruled;
      for (; group !== UNKNOWN; group = this.#next.data[group]!) {
        const node = this.#node.data[group]!;
        // What it has chosen was followed forward.
        if (s.count.data[node] === 1) continue;
        const at = s.offset.data[node]!;
        const mask = this.#mask.data[group]!;
        let common = 0;
        for (let i = s.width.data[node]! - 1; i >= 0; i--) common |= s.now[at + i]! & masks[mask + i]!;
        if (common !== 0) found.push(group);
      }
    }
    return found.length < 2 ? found : found.sort((a, b) => this.#since.data[a]! - this.#since.data[b]!);
  }

  nodeOf(group: number): number {
    return this.#node.data[group]!;
  }

  maskOf(group: number): number {
    return this.#mask.data[group]!;
  }

  /** The statement of a group's plain rule. */
  statement(group: number): number {
    return this.#statementOf(group, this.#dependency(group)!);
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
    known.isBare = known.wrong === UNKNOWN || !this.#asksForFeatures(known, entry);
    this.#lead(known, known.wrong === UNKNOWN ? NOWHERE : node);
  }

  #lead(known: KnownDependency, target: number): void {
    known.target = target;
    if (target >= 0) this.#parts.solver.watchDemand(known);
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
      this.#lead(known, node);
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
    const known = this.#dependency(group);
    if (known?.isPlain !== true) return UNMADE;
    this.#rule(group, known);
    return known.isBare && this.#since.data[group] !== UNMADE ? this.#statementOf(group, known) : UNMADE;
  }

  #statements(group: number): readonly number[] | undefined {
    const known = this.#made.get(group);
    if (known !== undefined) return known;
    const made = this.#make(group);
    if (made !== undefined) this.#made.set(group, made);
    return made;
  }

  #make(group: number): readonly number[] | undefined {
    const node = this.#node.data[group]!;
    const known = this.#dependency(group);
    if (known?.isPlain === true) {
      this.#rule(group, known);
      if (known.target === UNKNOWN) return undefined;
      if (known.target !== SEVERAL) return this.#plainStatements(group, node, known, this.#statementOf(group, known));
    }
    let item = this.#item.get(group);
    if (item === undefined) {
      item = this.#parts.features.dependencyItem(node, known!.dependency);
      this.#item.set(group, item);
    }
    return item.make([{ node, set: this.#set(group) }]);
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
    const { dependency } = this.#dependency(group)!;
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
      for (const id of bare >= 0 ? [bare] : (this.#made.get(group) ?? [])) {
        const last = s.endTerm(id) - 1;
        if (last < s.firstTerm(id) || (s.masks.data[s.termMask.data[last]!]! & 1) === 0) continue;
        found.push({ node: s.termNode.data[last]!, if: this.#conditions(id, node, last) });
      }
      const soft = this.#item.get(group)?.soft;
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
