import { ABSENT } from "../bits.ts";
import type { Ints } from "./ints.ts";
import { NONE, type Demand, type State } from "./state.ts";
import { remove } from "./trail.ts";

/** Where the facts come from, when the search needs them. */
export interface RuleSource {
  /** Place in `ruleIds` of the statements that follow from choosing `bit`; NONE while metadata is missing. */
  rules(node: number, bit: number): number;
  /** Lists of statements: how many, and then these. */
  readonly ruleIds: Ints;
  /**
   * Groups of values that demand one of these and have something to lose, in the order in which they came: their nodes, their
   * values and the statements that say so.
   */
  losing(demands: readonly number[]): readonly number[];
  nodeOf(group: number): number;
  maskOf(group: number): number;
  statement(group: number): number;
  /** Cause of the fact that a feature is on only in the version of its package that is chosen. */
  pinCause(feature: number): number;
}

/** Metadata is missing: nothing is violated, and nothing more can be said. */
export const WAITING = -2;

/** A fact came in that holds whatever is decided: it is to be said at the ground, first of all. */
export const AT_GROUND = -3;

/** Draws every consequence of what is decided: rules of chosen values, watched statements, demands that nothing meets. */
export class Propagation {
  /** Whether a demand that nothing meets any more rules out who demands it, above the ground too. */
  deep = false;
  /** A statement that was violated as it came in. */
  violated: number = NONE;
  /** Demands that nothing can ever meet, found above the ground. */
  readonly dead: number[] = [];

  readonly #s: State;
  readonly #source: RuleSource;
  readonly #attached: number[] = [];
  #pending: number[] = [];
  #groundFirst = false;

  constructor(state: State, source: RuleSource) {
    this.#s = state;
    this.#source = source;
  }

  /** Starts a node's rules whose value is given from the beginning (a root). */
  await(node: number): void {
    this.#pending.push(node);
  }

  /** Makes a fact of any number of terms take part from now on. */
  attach(id: number): void {
    const s = this.#s;
    if (s.endTerm(id) - s.firstTerm(id) === 1) {
      this.dead.push(id);
      this.#groundFirst = true;
    } else if (s.watchA.data[id] === NONE) this.#attached.push(id);
  }

  /** Says of a rule "first term demands something of the second" that nothing can satisfy it. */
  demand(id: number): void {
    const s = this.#s;
    const first = s.firstTerm(id);
    if (s.level > 0) this.dead.push(id);
    if (!remove(s, s.termNode.data[first]!, s.termMask.data[first]!, id)) this.violated = id;
  }

  /** Keeps an eye on a demand: those who make it are ruled out when nothing meets it any more. */
  watchDemand(demand: Demand): void {
    this.#s.demands[demand.target]!.push(demand);
  }

  /** Whether something meets a demand now. */
  isMet(demand: Demand): boolean {
    const s = this.#s;
    const { support, target } = demand;
    if (support !== ABSENT && s.isPossible(target, support)) return true;
    const other = s.outside(target, demand.wrong);
    if (other === NONE) return false;
    demand.support = other;
    return true;
  }

  /** What was found above the ground is said again at it; a violated statement, or NONE. */
  bury(): number {
    const s = this.#s;
    this.#groundFirst = false;
    for (let id = this.dead.pop(); id !== undefined; id = this.dead.pop()) {
      const first = s.firstTerm(id);
      // What had no support above the ground may have some at it.
      if (s.endTerm(id) - first > 1 && !s.holds(s.termNode.data[first + 1]!, s.termMask.data[first + 1]!)) continue;
      if (!remove(s, s.termNode.data[first]!, s.termMask.data[first]!, id)) return id;
    }
    return NONE;
  }

  /** After decisions were undone: only what still has one value waits for its rules. */
  undone(): void {
    this.violated = NONE;
    if (this.#pending.length > 0) this.#pending = this.#pending.filter((node) => this.#s.only(node) > ABSENT);
  }

  /** Whether something has changed since it was at rest. */
  get hasWork(): boolean {
    const s = this.#s;
    return s.queueHead < s.queue.length || this.violated !== NONE || this.#groundFirst || this.#attached.length > 0;
  }

  /** NONE: at rest; WAITING: metadata is missing; AT_GROUND: go back to the ground; otherwise the statement that is violated. */
  run(): number {
    const s = this.#s;
    for (;;) {
      const conflict = this.#drain();
      if (conflict !== NONE) return conflict;
      if (this.#pending.length === 0) return NONE;
      const waiting = this.#pending;
      this.#pending = [];
      for (let i = 0; i < waiting.length; i++) {
        const found = this.#expand(waiting[i]!);
        if (found === NONE) continue;
        this.#pending.push(...waiting.slice(i + 1));
        return found;
      }
      // Nothing moved: every node that is left waits for metadata.
      const idle = s.queueHead === s.queue.length && this.#attached.length === 0 && this.violated === NONE;
      if (this.#pending.length > 0 && idle) return WAITING;
    }
  }

  #drain(): number {
    const s = this.#s;
    for (;;) {
      if (this.violated !== NONE) return this.violated;
      if (this.#groundFirst) return AT_GROUND;
      while (this.#attached.length > 0) {
        const conflict = this.watchAsItStands(this.#attached.pop()!);
        if (conflict !== NONE) return conflict;
      }
      if (s.queueHead === s.queue.length) {
        s.queueHead = s.queue.length = 0;
        return NONE;
      }
      const node = s.queue.data[s.queueHead++]!;
      s.queued[node] = 0;
      const conflict = this.#visitNode(node);
      if (conflict !== NONE) return conflict;
    }
  }

  #visitNode(node: number): number {
    const s = this.#s;
    if (s.base.data[node] !== NONE || s.pinned[node] !== undefined) {
      const conflict = this.#checkPins(node);
      if (conflict !== NONE) return conflict;
    }
    if (s.watches[node]!.length > 0) {
      const conflict = this.#checkWatches(node);
      if (conflict !== NONE) return conflict;
    }
    if (s.only(node) > ABSENT) {
      const conflict = this.#expand(node);
      if (conflict !== NONE) return conflict;
    }
    return (this.deep || s.level === 0) && s.demands[node]!.length > 0 ? this.#checkDemands(node) : NONE;
  }

  /** Applies the rules of a node's only value. */
  #expand(node: number): number {
    const s = this.#s;
    const bit = s.only(node);
    if (bit <= ABSENT) return NONE;
    const rules = this.#source.rules(node, bit);
    if (rules === NONE) {
      if (!this.#pending.includes(node)) this.#pending.push(node);
      return NONE;
    }
    const ids = this.#source.ruleIds.data;
    const end = rules + ids[rules]!;
    for (let i = rules + 1; i <= end; i++) {
      const id = ids[i]!;
      const first = s.firstTerm(id);
      const terms = s.endTerm(id) - first;
      // Only "node, therefore target" is checked forward; everything else is watched.
      if (terms === 2 && s.termNode.data[first] === node) {
        if (!remove(s, s.termNode.data[first + 1]!, s.termMask.data[first + 1]!, id)) return id;
      } else if (terms === 1 && s.holds(s.termNode.data[first]!, s.termMask.data[first]!)) return id;
      else if (terms > 1) this.attach(id);
    }
    return NONE;
  }

  /** Whether a value's own rules are met by what is possible now; cheaper than to choose it and see. */
  fits(node: number, bit: number): boolean {
    const s = this.#s;
    const rules = this.#source.rules(node, bit);
    if (rules === NONE) return true;
    const ids = this.#source.ruleIds.data;
    const end = rules + ids[rules]!;
    for (let i = rules + 1; i <= end; i++) {
      const id = ids[i]!;
      const first = s.firstTerm(id);
      const terms = s.endTerm(id) - first;
      if (s.termNode.data[first] !== node || terms > 2) continue;
      if (terms === 1) {
        // Of a package that depends on itself, only the versions outside of its own range.
        const word = s.masks.data[s.termMask.data[first]! + (bit >>> 5)]!;
        if ((word & (1 << (bit & 31))) !== 0) return false;
        continue;
      }
      if (s.holds(s.termNode.data[first + 1]!, s.termMask.data[first + 1]!)) return false;
    }
    return true;
  }

  #checkDemands(node: number): number {
    const s = this.#s;
    const { now } = s;
    const list = s.demands[node]!;
    const at = s.offset.data[node]!;
    const lost: number[] = [];
    for (let i = 0; i < list.length; i++) {
      const demand = list[i]!;
      const { support } = demand;
      if (support !== ABSENT && (now[at + (support >>> 5)]! & (1 << (support & 31))) !== 0) continue;
      const other = s.outside(node, demand.wrong);
      if (other === NONE) lost.push(demand.id);
      else demand.support = other;
    }
    if (lost.length === 0) return NONE;
    const groups = this.#source.losing(lost);
    for (let i = 0; i < groups.length; i++) {
      const group = groups[i]!;
      const demander = this.#source.nodeOf(group);
      if (s.count.data[demander] === 1) continue;
      const id = this.#source.statement(group);
      if (!remove(s, demander, this.#source.maskOf(group), id)) return id;
    }
    return NONE;
  }

  /** A feature and its package agree on the version, in both directions. */
  #checkPins(node: number): number {
    const s = this.#s;
    const base = s.base.data[node]!;
    if (base !== NONE) {
      const conflict = this.#pin(node, base);
      if (conflict !== NONE) return conflict;
    }
    for (const feature of s.pinned[node] ?? []) {
      const conflict = this.#pin(feature, node);
      if (conflict !== NONE) return conflict;
    }
    return NONE;
  }

  #pin(feature: number, base: number): number {
    const s = this.#s;
    if (!s.isPossible(feature, ABSENT) && this.#differs(base, feature)) {
      const id = this.#pinFact(base, feature, feature);
      if (!remove(s, base, s.termMask.data[s.firstTerm(id) + 1]!, id)) return id;
    }
    if (!s.isPossible(base, ABSENT) && this.#differs(feature, base)) {
      const id = this.#pinFact(feature, base, feature);
      if (!remove(s, feature, s.termMask.data[s.firstTerm(id) + 1]!, id)) return id;
    }
    return NONE;
  }

  /** "While `other` has one of the versions that it may have, `target` has none of the rest." */
  #pinFact(target: number, other: number, feature: number): number {
    const s = this.#s;
    const width = s.width.data[other]!;
    const [have, rest] = [s.masks.reserve(width), s.masks.reserve(width)];
    const [from, to] = [s.offset.data[other]!, s.offset.data[target]!];
    for (let i = 0; i < width; i++) {
      s.masks.data[have + i] = s.now[from + i]!;
      s.masks.data[rest + i] = s.full[to + i]! & ~s.now[from + i]!;
    }
    if (target === feature) s.masks.data[rest]! &= ~(1 << ABSENT);
    const id = s.open(this.#source.pinCause(feature), NONE, 0);
    s.addTerm(other, have);
    s.addTerm(target, rest);
    return id;
  }

  /** Whether `left` may have a version (or, for a package, be absent) that `right` may not have. */
  #differs(left: number, right: number): boolean {
    const s = this.#s;
    const [a, b] = [s.offset.data[left]!, s.offset.data[right]!];
    const ignored = s.base.data[left] === right ? 1 : 0;
    for (let i = s.width.data[left]! - 1; i >= 0; i--) {
      if ((s.now[a + i]! & ~s.now[b + i]! & ~(i === 0 ? ignored : 0)) !== 0) return true;
    }
    return false;
  }

  // --- watched statements --------------------------------------------------------------------------------------

  #checkWatches(node: number): number {
    const s = this.#s;
    const list = s.watches[node]!;
    const at = s.offset.data[node]!;
    let kept = 0;
    for (let i = 0; i < list.length; i += 2) {
      const id = list[i]!;
      const bit = list[i + 1]!;
      if ((s.now[at + (bit >>> 5)]! & (1 << (bit & 31))) !== 0) {
        list[kept] = id;
        list[kept + 1] = bit;
        kept += 2;
        continue;
      }
      const outcome = this.#visit(id, node);
      if (outcome === MOVED) continue;
      list[kept] = id;
      list[kept + 1] = outcome >= 0 ? outcome : bit;
      kept += 2;
      if (outcome === VIOLATED) {
        for (i += 2; i < list.length; i++) list[kept++] = list[i]!;
        list.length = kept;
        return id;
      }
    }
    list.length = kept;
    return NONE;
  }

  /** A value outside of the term's set, or one of the outcomes below. */
  #visit(id: number, node: number): number {
    const s = this.#s;
    if (s.span.data[id] === NONE) return MOVED;
    const a = s.watchA.data[id]!;
    const b = s.watchB.data[id]!;
    const nodes = s.termNode.data;
    const mine = nodes[a] === node ? a : b;
    const bit = s.outside(node, s.termMask.data[mine]!);
    if (bit !== NONE) return bit;
    const end = s.endTerm(id);
    for (let i = s.start.data[id]!; i < end; i++) {
      if (i === a || i === b) continue;
      const free = s.outside(nodes[i]!, s.termMask.data[i]!);
      if (free === NONE) continue;
      if (mine === a) s.watchA.data[id] = i;
      else s.watchB.data[id] = i;
      s.watches[nodes[i]!]!.push(id, free);
      return MOVED;
    }
    const other = a + b - mine;
    return remove(s, nodes[other]!, s.termMask.data[other]!, id) ? KEPT : VIOLATED;
  }

  /** Watches a statement by two of its terms. */
  watch(id: number, a: number, b: number): void {
    const s = this.#s;
    s.watchA.data[id] = a;
    s.watchB.data[id] = b;
    for (const term of [a, b]) {
      const node = s.termNode.data[term]!;
      s.watches[node]!.push(id, Math.max(s.outside(node, s.termMask.data[term]!), 0));
    }
  }

  /** Watches the terms that do not hold, else those that came to hold last; a violated statement, or NONE. */
  watchAsItStands(id: number): number {
    const s = this.#s;
    if (s.watchA.data[id] !== NONE) return NONE;
    const first = s.firstTerm(id);
    const end = s.endTerm(id);
    if (first === end) throw new Error("Cannot watch the empty statement");
    let [a, b, sinceA, sinceB] = [NONE, NONE, -2, -2];
    for (let i = first; i < end; i++) {
      const since = this.#since(i);
      if (since > sinceA) [a, sinceA, b, sinceB] = [i, since, a, sinceA];
      else if (since > sinceB) [b, sinceB] = [i, since];
    }
    if (b !== NONE) this.watch(id, a, b);
    if (sinceB === Infinity) return NONE;
    return remove(s, s.termNode.data[a]!, s.termMask.data[a]!, id) ? NONE : id;
  }

  /** Place in the trail since when a term holds; -1: from the ground up; Infinity: it does not hold. */
  #since(term: number): number {
    const s = this.#s;
    const node = s.termNode.data[term]!;
    const mask = s.termMask.data[term]!;
    if (!s.holds(node, mask)) return Infinity;
    let event = s.last.data[node]!;
    while (event !== NONE && this.#heldBefore(event, node, mask)) event = s.eventPrevious.data[event]!;
    return event;
  }

  #heldBefore(event: number, node: number, mask: number): boolean {
    const s = this.#s;
    const old = s.eventOld.data[event]!;
    for (let i = s.width.data[node]! - 1; i >= 0; i--) {
      if ((s.oldWords.data[old + i]! & ~s.masks.data[mask + i]!) !== 0) return false;
    }
    return true;
  }
}

const KEPT = -1;
const MOVED = -2;
const VIOLATED = -3;
