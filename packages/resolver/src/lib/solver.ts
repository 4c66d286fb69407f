import {
  ABSENT,
  countBits,
  difference,
  equalBits,
  fullBits,
  hasBit,
  intersection,
  isEmpty,
  isSubset,
  onlyBit,
  singleBit,
  union,
  type Bits,
} from "./bits.ts";

/** "It cannot be that every `nodes[i]` is in `sets[i]`." */
export interface Statement {
  readonly id: number;
  readonly nodes: readonly number[];
  readonly sets: readonly Bits[];
  /**
   * Of a fact: index of the compiler's cause. Of a derived statement: -1, and `chain` holds the first statement and
   * then pairs (statement, node) that it was resolved with, one after the other.
   */
  readonly cause: number;
  readonly chain: readonly number[] | undefined;
}

/** One thing that gets exactly one value: a package, a feature of one, a root, a choice of slot. */
interface Node {
  readonly size: number;
  readonly full: Bits;
  /** Values still possible. */
  domain: Bits;
  /** Values possible whatever is decided. */
  ground: Bits;
  /** Statement that rules out everything outside of `ground`; -1 while that is nothing. */
  groundStatement: number;
  /** Versions (as bits), best first. */
  readonly order: readonly number[];
  /** Place in the trail of the last change, or -1. */
  lastEvent: number;
  activity: number;
  /** Learned statements that watch this node. */
  readonly watches: number[];
  /** For a feature: the node whose version it shares. */
  readonly base: number;
  /** Features of this node. */
  readonly pinned: number[];
}

/** Where the solver gets its facts from, when it needs them. */
export interface RuleSource {
  /** Statements that follow from choosing `bit`, or `undefined` while metadata is missing. */
  rules(node: number, bit: number): readonly number[] | undefined;
  /** Fact: a feature is on only in the version of its package that is chosen. */
  pinCause(feature: number, base: number): number;
}

export type SolveStatus = "sat" | "unsat" | "needs";

/** A decision that is taken before every other. */
export interface Assumption {
  readonly node: number;
  readonly bit: number;
}

const NO_REASON = -1;

/**
 * Conflict-driven search over many-valued nodes (design: bitset domains with an absent bit, nogood learning by resolution).
 * Complete: `unsat` comes with a derivation of the empty statement, or, under assumptions, of one that rules them out.
 */
export class Solver {
  readonly nodes: Node[] = [];
  readonly statements: Statement[] = [];
  decisions = 0;
  conflicts = 0;
  solves = 0;
  /** The empty statement, once it is derived. */
  contradiction = -1;

  readonly #source: RuleSource;
  readonly #eventNode: number[] = [];
  readonly #eventOld: Bits[] = [];
  readonly #eventReason: number[] = [];
  readonly #eventPrevious: number[] = [];
  readonly #eventLevel: number[] = [];
  readonly #levelStart: number[] = [];
  readonly #levelNode: number[] = [];
  readonly #levelBit: number[] = [];
  readonly #watchPair = new Map<number, [number, number]>();
  readonly #attached: number[] = [];
  #head = 0;
  #pending: number[] = [];
  #bump = 1;
  #assumptions: readonly Assumption[] = [];

  constructor(source: RuleSource) {
    this.#source = source;
  }

  /** Adds a node of `versions` versions; its first facts come from `forbid`. May be called in mid-search. */
  addNode(versions: number, order: readonly number[], base: number = -1): number {
    const full = fullBits(versions + 1);
    const id = this.nodes.length;
    this.nodes.push({
      size: versions + 1,
      full,
      domain: full,
      ground: full,
      groundStatement: -1,
      order,
      lastEvent: -1,
      activity: 0,
      watches: [],
      base,
      pinned: [],
    });
    if (base !== -1) this.nodes[base]!.pinned.push(id);
    return id;
  }

  /** Records a fact; terms that hold whatever is chosen are left out of it. */
  addFact(nodes: readonly number[], sets: readonly Bits[], cause: number): number {
    const kept = nodes.map((_, i) => i).filter((i) => !equalBits(sets[i]!, this.nodes[nodes[i]!]!.full));
    return this.#record(
      kept.map((i) => nodes[i]!),
      kept.map((i) => sets[i]!),
      cause,
      undefined,
    );
  }

  /** Takes `values` away from a node that nothing has happened to yet. */
  forbidAtBirth(node: number, values: Bits, cause: number): void {
    const target = this.nodes[node]!;
    if (target.lastEvent !== -1) throw new Error(`Node ${node} is already in the search`);
    if (isSubset(target.ground, values)) {
      // Even "absent" is ruled out: no search is needed.
      this.#concludeFrom(this.addFact([node], [values], cause));
      return;
    }
    this.#ground(node, this.addFact([node], [values], cause));
    target.domain = target.ground;
  }

  /** Makes a fact of any number of terms take part in propagation from now on. */
  attach(statement: number): void {
    if (!this.#watchPair.has(statement)) this.#attached.push(statement);
  }

  value(node: number): number {
    const only = onlyBit(this.nodes[node]!.domain);
    return only === -1 ? ABSENT : only;
  }

  isPossible(node: number, bit: number): boolean {
    return hasBit(this.nodes[node]!.domain, bit);
  }

  /** Starts a node's rules whose value is given from the beginning (a root). */
  open(node: number): void {
    this.#pending.push(node);
  }

  /** Forgets every decision that is not among `assumptions`, taken in this order. */
  retreat(assumptions: readonly Assumption[]): void {
    const level = this.#sharedLevels(assumptions);
    if (this.#levelStart.length > level) this.#backjump(level);
  }

  #sharedLevels(assumptions: readonly Assumption[]): number {
    let level = 0;
    while (level < assumptions.length && level < this.#levelStart.length) {
      const { node, bit } = assumptions[level]!;
      if (this.#levelNode[level] !== node || this.#levelBit[level] !== bit) break;
      level++;
    }
    return level;
  }

  /**
   * Searches on. `needs`: the source lacks metadata; call again when it has it. `unsat` with an empty
   * `contradiction` means: under these assumptions.
   */
  solve(assumptions: readonly Assumption[]): SolveStatus {
    const shared = this.#sharedLevels(assumptions);
    if (shared < assumptions.length && shared < this.#levelStart.length) this.#backjump(shared);
    this.#assumptions = assumptions;
    this.solves++;
    for (;;) {
      if (this.contradiction !== -1) return "unsat";
      const conflict = this.#propagateAll();
      if (conflict === -2) return "needs";
      if (conflict !== -1) {
        this.#learn(conflict);
        continue;
      }
      const status = this.#decide();
      if (status !== undefined) return status;
    }
  }

  // --- propagation ---------------------------------------------------------------------------------------------

  /** -1: at rest; -2: metadata is missing; otherwise the statement that is violated. */
  #propagateAll(): number {
    for (;;) {
      const conflict = this.#drainAttached() ?? this.#drainEvents();
      if (conflict !== undefined) return conflict;
      if (this.#attached.length > 0) continue;
      if (this.#pending.length === 0) return -1;
      const waiting = this.#pending;
      this.#pending = [];
      for (let i = 0; i < waiting.length; i++) {
        const found = this.#expand(waiting[i]!);
        if (found === undefined) continue;
        this.#pending.push(...waiting.slice(i + 1));
        return found;
      }
      // Nothing moved: every node that is left waits for metadata.
      if (this.#pending.length > 0 && this.#head === this.#eventNode.length && this.#attached.length === 0) return -2;
    }
  }

  #drainEvents(): number | undefined {
    while (this.#head < this.#eventNode.length) {
      const node = this.#eventNode[this.#head++]!;
      const conflict = this.#checkPins(node) ?? this.#checkWatches(node);
      if (conflict !== undefined) return conflict;
      if (onlyBit(this.nodes[node]!.domain) > ABSENT) {
        const violated = this.#expand(node);
        if (violated !== undefined) return violated;
      }
    }
    return undefined;
  }

  #drainAttached(): number | undefined {
    while (this.#attached.length > 0) {
      const conflict = this.#watch(this.#attached.pop()!);
      if (conflict !== undefined) return conflict;
    }
    return undefined;
  }

  /** Applies the rules of a node's only value. */
  #expand(node: number): number | undefined {
    const bit = onlyBit(this.nodes[node]!.domain);
    if (bit <= ABSENT) return undefined;
    const rules = this.#source.rules(node, bit);
    if (rules === undefined) {
      if (!this.#pending.includes(node)) this.#pending.push(node);
      return undefined;
    }
    for (const rule of rules) {
      const { nodes } = this.statements[rule]!;
      // Only "node, therefore target" is checked forward; everything else is watched.
      if (nodes.length !== 2 || nodes[0] !== node) {
        if (nodes.length === 1 && this.#holds(this.statements[rule]!, 0)) return rule;
        this.attach(rule);
        continue;
      }
      const conflict = this.#remove(nodes[1]!, this.statements[rule]!.sets[1]!, rule);
      if (conflict !== undefined) return conflict;
    }
    return undefined;
  }

  /** A feature and its package agree on the version, in both directions. */
  #checkPins(node: number): number | undefined {
    const { base, pinned } = this.nodes[node]!;
    if (base !== -1) {
      const conflict = this.#pin(node, base);
      if (conflict !== undefined) return conflict;
    }
    for (const feature of pinned) {
      const conflict = this.#pin(feature, node);
      if (conflict !== undefined) return conflict;
    }
    return undefined;
  }

  #pin(feature: number, base: number): number | undefined {
    const on = this.nodes[feature]!;
    const below = this.nodes[base]!;
    if (!hasBit(on.domain, ABSENT)) {
      const outside = difference(below.full, on.domain);
      const conflict = this.#removeBecause(base, outside, feature, on.domain, feature, base);
      if (conflict !== undefined) return conflict;
    }
    if (hasBit(below.domain, ABSENT)) return undefined;
    const outside = difference(on.full, union(below.domain, singleBit(on.size, ABSENT)));
    return this.#removeBecause(feature, outside, base, below.domain, feature, base);
  }

  #removeBecause(
    target: number,
    values: Bits,
    other: number,
    otherSet: Bits,
    feature: number,
    base: number,
  ): number | undefined {
    const { domain } = this.nodes[target]!;
    if (isEmpty(intersection(domain, values))) return undefined;
    const fact = this.addFact([other, target], [otherSet, values], this.#source.pinCause(feature, base));
    return this.#remove(target, values, fact);
  }

  #checkWatches(node: number): number | undefined {
    const { watches } = this.nodes[node]!;
    let kept = 0;
    for (let i = 0; i < watches.length; i++) {
      const id = watches[i]!;
      const outcome = this.#visit(id, node);
      if (outcome === "moved") continue;
      watches[kept++] = id;
      if (outcome === "violated") {
        while (++i < watches.length) watches[kept++] = watches[i]!;
        watches.length = kept;
        return id;
      }
    }
    watches.length = kept;
    return undefined;
  }

  #visit(id: number, node: number): "kept" | "moved" | "violated" {
    const statement = this.statements[id]!;
    const pair = this.#watchPair.get(id)!;
    const mine = statement.nodes[pair[0]] === node ? 0 : 1;
    const place = pair[mine];
    if (statement.nodes[place] !== node || !this.#holds(statement, place)) return "kept";
    for (let i = 0; i < statement.nodes.length; i++) {
      if (i === pair[0] || i === pair[1] || this.#holds(statement, i)) continue;
      pair[mine] = i;
      this.nodes[statement.nodes[i]!]!.watches.push(id);
      return "moved";
    }
    const other = pair[1 - mine]!;
    return this.#remove(statement.nodes[other]!, statement.sets[other]!, id) === undefined ? "kept" : "violated";
  }

  #holds(statement: Statement, place: number): boolean {
    return isSubset(this.nodes[statement.nodes[place]!]!.domain, statement.sets[place]!);
  }

  /** Takes values away; gives `reason` back where none would be left. */
  #remove(node: number, values: Bits, reason: number): number | undefined {
    const target = this.nodes[node]!;
    const rest = difference(target.domain, values);
    if (equalBits(rest, target.domain)) return undefined;
    if (isEmpty(rest)) return reason;
    this.#push(node, rest, reason);
    if (this.#levelStart.length === 0) this.#ground(node, this.#reduce(reason, node));
    return undefined;
  }

  #push(node: number, domain: Bits, reason: number): void {
    const target = this.nodes[node]!;
    this.#eventNode.push(node);
    this.#eventOld.push(target.domain);
    this.#eventReason.push(reason);
    this.#eventPrevious.push(target.lastEvent);
    this.#eventLevel.push(this.#levelStart.length);
    target.lastEvent = this.#eventNode.length - 1;
    target.domain = domain;
  }

  /** Watches two terms of a statement: those that do not hold, else those that came to hold last. */
  #watch(id: number): number | undefined {
    const statement = this.statements[id]!;
    const ranked = statement.nodes.map((_, i) => ({ i, since: this.#since(statement, i) }));
    ranked.sort((a, b) => b.since - a.since || a.i - b.i);
    const [first, second] = ranked;
    if (first === undefined) throw new Error("Cannot watch the empty statement");
    if (second !== undefined) {
      this.#watchPair.set(id, [first.i, second.i]);
      this.nodes[statement.nodes[first.i]!]!.watches.push(id);
      this.nodes[statement.nodes[second.i]!]!.watches.push(id);
    }
    if (second !== undefined && second.since === Infinity) return undefined;
    return this.#remove(statement.nodes[first.i]!, statement.sets[first.i]!, id);
  }

  /** Place in the trail since when a term holds; -1: from the ground up; Infinity: it does not hold. */
  #since(statement: Statement, place: number): number {
    const node = this.nodes[statement.nodes[place]!]!;
    const set = statement.sets[place]!;
    if (!isSubset(node.domain, set)) return Infinity;
    let event = node.lastEvent;
    while (event !== -1 && isSubset(this.#eventOld[event]!, set)) event = this.#eventPrevious[event]!;
    return event;
  }

  // --- learning ------------------------------------------------------------------------------------------------

  #record(
    nodes: readonly number[],
    sets: readonly Bits[],
    cause: number,
    chain: readonly number[] | undefined,
  ): number {
    const id = this.statements.length;
    this.statements.push({ id, nodes, sets, cause, chain });
    return id;
  }

  /** Takes what a one-term statement rules out off the ground of a node. */
  #ground(node: number, statement: number): void {
    const target = this.nodes[node]!;
    const merged = target.groundStatement === -1 ? statement : this.#merge(target.groundStatement, statement, node);
    target.groundStatement = merged;
    target.ground = difference(target.full, this.statements[merged]!.sets[0]!);
  }

  #merge(left: number, right: number, node: number): number {
    const set = union(this.statements[left]!.sets[0]!, this.statements[right]!.sets[0]!);
    return this.#record([node], [set], NO_REASON, [left, right, node]);
  }

  /** The statement without the terms that hold from the ground up, except that of `keep`. */
  #reduce(id: number, keep: number): number {
    const draft = new Draft(this, id);
    for (const node of this.statements[id]!.nodes) {
      if (node !== keep) draft.resolve(this.nodes[node]!.groundStatement, node);
    }
    return this.#finish(draft);
  }

  #finish(draft: Draft): number {
    if (draft.chain.length === 1) return draft.chain[0]!;
    return this.#record([...draft.terms.keys()], [...draft.terms.values()], NO_REASON, draft.chain);
  }

  #concludeFrom(id: number): void {
    const draft = new Draft(this, id);
    for (const node of this.statements[id]!.nodes) {
      if (draft.terms.has(node)) draft.resolve(this.nodes[node]!.groundStatement, node);
    }
    if (draft.terms.size > 0) throw new Error("A conflict at the ground left terms behind");
    this.contradiction = this.#finish(draft);
  }

  /** First unique implication point by resolution, then back to where the learned statement bites. */
  #learn(conflict: number): void {
    this.conflicts++;
    const draft = new Draft(this, conflict);
    for (;;) {
      const top = this.#topTerms(draft);
      if (top === undefined) {
        this.contradiction = this.#finish(draft);
        return;
      }
      const reason = this.#eventReason[top.event]!;
      if (reason === NO_REASON || top.secondLevel < this.#eventLevel[top.event]!) {
        this.#adopt(draft, top.secondLevel);
        return;
      }
      draft.resolve(reason, this.#eventNode[top.event]!);
    }
  }

  /** The event by which the last term came to hold, and the level of the one before; ground terms are resolved away. */
  #topTerms(draft: Draft): { event: number; secondLevel: number } | undefined {
    let event = -1;
    let second = -1;
    for (const [node, set] of draft.terms) {
      if (isSubset(this.nodes[node]!.ground, set)) {
        draft.resolve(this.nodes[node]!.groundStatement, node);
        continue;
      }
      let at = this.nodes[node]!.lastEvent;
      while (at !== -1 && isSubset(this.#eventOld[at]!, set)) at = this.#eventPrevious[at]!;
      if (at > event) {
        second = event;
        event = at;
      } else if (at > second) second = at;
    }
    if (event === -1) return undefined;
    return { event, secondLevel: second === -1 ? 0 : this.#eventLevel[second]! };
  }

  #adopt(draft: Draft, level: number): void {
    const id = this.#finish(draft);
    for (const node of draft.terms.keys()) this.nodes[node]!.activity += this.#bump;
    this.#bump *= 1.05;
    if (this.#bump > 1e100) this.#rescale();
    this.#backjump(level);
    const conflict = this.#watchPair.has(id) ? this.#again(id) : this.#watch(id);
    if (conflict !== undefined) throw new Error("A learned statement is violated where it should bite");
  }

  /** A fact or an old statement that was violated as it stands: it bites without being learned anew. */
  #again(id: number): number | undefined {
    const statement = this.statements[id]!;
    const open = statement.nodes.findIndex((_, i) => !this.#holds(statement, i));
    return open === -1 ? id : this.#remove(statement.nodes[open]!, statement.sets[open]!, id);
  }

  #rescale(): void {
    for (const node of this.nodes) node.activity *= 1e-100;
    this.#bump *= 1e-100;
  }

  #backjump(level: number): void {
    const start = this.#levelStart[level];
    if (start === undefined) return;
    for (let event = this.#eventNode.length - 1; event >= start; event--) {
      const node = this.nodes[this.#eventNode[event]!]!;
      node.domain = this.#eventOld[event]!;
      node.lastEvent = this.#eventPrevious[event]!;
    }
    for (const list of [this.#eventNode, this.#eventReason, this.#eventPrevious, this.#eventLevel]) list.length = start;
    this.#eventOld.length = start;
    for (const list of [this.#levelStart, this.#levelNode, this.#levelBit]) list.length = level;
    this.#head = Math.min(this.#head, start);
    this.#pending = this.#pending.filter((node) => onlyBit(this.nodes[node]!.domain) > ABSENT);
  }

  // --- decisions -----------------------------------------------------------------------------------------------

  #decide(): SolveStatus | undefined {
    const level = this.#levelStart.length;
    const assumption = this.#assumptions[level];
    if (assumption !== undefined) {
      if (!this.isPossible(assumption.node, assumption.bit)) return "unsat";
      this.#choose(assumption.node, assumption.bit);
      return undefined;
    }
    const node = this.#nextNode();
    if (node === -1) return "sat";
    const target = this.nodes[node]!;
    const bit = target.order.find((candidate) => hasBit(target.domain, candidate));
    if (bit === undefined) throw new Error(`Node ${node} has no version left`);
    this.#choose(node, bit);
    return undefined;
  }

  #choose(node: number, bit: number): void {
    this.decisions++;
    this.#levelStart.push(this.#eventNode.length);
    this.#levelNode.push(node);
    this.#levelBit.push(bit);
    const { size, domain } = this.nodes[node]!;
    const value = singleBit(size, bit);
    // An assumption that already holds still opens its level, so that levels and assumptions count alike.
    if (!equalBits(domain, value)) this.#push(node, value, NO_REASON);
  }

  /** Among the nodes that must be present and are open: most conflicts, then fewest candidates, then first met. */
  #nextNode(): number {
    let best = -1;
    let bestActivity = -1;
    let bestCount = 0;
    for (let id = 0; id < this.nodes.length; id++) {
      const { domain, activity } = this.nodes[id]!;
      if (hasBit(domain, ABSENT) || activity < bestActivity || onlyBit(domain) !== -1) continue;
      const count = countBits(domain);
      if (activity === bestActivity && count >= bestCount) continue;
      best = id;
      bestActivity = activity;
      bestCount = count;
    }
    return best;
  }
}

/** A statement being derived: the terms so far, and how they came about. */
class Draft {
  readonly terms = new Map<number, Bits>();
  readonly chain: number[];
  readonly #solver: Solver;

  constructor(solver: Solver, start: number) {
    this.#solver = solver;
    this.chain = [start];
    const { nodes, sets } = solver.statements[start]!;
    nodes.forEach((node, i) => this.terms.set(node, sets[i]!));
  }

  /** Resolves with a statement on `pivot`: union there, intersection elsewhere; a term that always holds goes. */
  resolve(statement: number, pivot: number): void {
    const { nodes, sets } = this.#solver.statements[statement]!;
    nodes.forEach((node, i) => {
      const mine = this.terms.get(node);
      if (node !== pivot) this.terms.set(node, mine === undefined ? sets[i]! : intersection(mine, sets[i]!));
      else if (mine !== undefined) this.terms.set(node, union(mine, sets[i]!));
    });
    if (equalBits(this.terms.get(pivot)!, this.#solver.nodes[pivot]!.full)) this.terms.delete(pivot);
    this.chain.push(statement, pivot);
  }
}
