import { ABSENT } from "../bits.ts";
import { Ints, popcount } from "../core/ints.ts";
import type { Dependency, RootPackage } from "../types.ts";
import { EVERYWHERE, Lessons } from "./plain-lessons.ts";
import type { PlainRules } from "./plain-rules.ts";

const NONE = -1;
const DECIDED = -1;
/** Reasons: a group's rule is its number, a lesson LESSON less its own. */
const LESSON = -2;

/** From here on what nothing meets any more is followed back to those who demand it, after decisions too. */
const HARD = 3;

/** All that is chosen, in canonical order. */
export interface Chosen {
  readonly nodes: Int32Array;
  readonly values: Int32Array;
}

/**
 * The search for the canonical answer to a plain question: decides in canonical order, best values first, and learns from each
 * conflict. What it decides is the answer, since a value is passed over only where rules and earlier picks exclude it.
 */
export class PlainSearch {
  decisions = 0;
  conflicts = 0;
  /** Packages that were opened. */
  packages = 0;

  readonly #rules: PlainRules;
  /** What is possible now, and whatever is decided. */
  #now: Int32Array = new Int32Array(256);
  #ground: Int32Array = new Int32Array(256);
  #draft: Int32Array = new Int32Array(256);
  readonly #count = new Ints(256);
  readonly #last = new Ints(256);
  readonly #draftPlace = new Ints(256);
  readonly #since = new Ints(256);
  /** Whether a package takes part; is in the queue of those that have changed; is in the canonical order. */
  readonly #isOpen = new Ints(256);
  readonly #isQueued = new Ints(256);
  readonly #isMet = new Ints(256);
  /** 1 for packages of which a value is ruled out whatever is decided. */
  readonly #isCut = new Ints(256);
  readonly #perNode: readonly Ints[] = [
    this.#count,
    this.#last,
    this.#draftPlace,
    this.#since,
    this.#isOpen,
    this.#isQueued,
    this.#isMet,
    this.#isCut,
  ];
  readonly #watches: (number[] | undefined)[] = [];

  readonly #eventNode = new Ints();
  readonly #eventReason = new Ints();
  readonly #eventPrevious = new Ints();
  readonly #eventLevel = new Ints();
  readonly #eventOld = new Ints();
  readonly #oldWords = new Ints(256);
  readonly #levelStart = new Ints();
  /** Canonical order: packages met, how many of them are settled, and both at the beginning of each level. */
  readonly #order = new Ints(256);
  #settled = 0;
  readonly #levelSettled = new Ints();
  readonly #levelMet = new Ints();

  readonly #changed = new Ints(256);
  /** Groups that are ruled out whatever is decided, found above the ground. */
  readonly #dead = new Ints();

  /** Values of one package that are to go together. */
  #doomed: Int32Array = new Int32Array(16);

  readonly #lessons = new Lessons();
  readonly #drafted = new Ints();
  /** What the lesson in the making holds in. */
  #draftMode = EVERYWHERE;
  /** Whether it is asked about several environments, and lessons may rest on nothing that is so in one of them. */
  readonly #isForSeveral: boolean;

  constructor(rules: PlainRules, isForSeveral: boolean = false) {
    this.#rules = rules;
    this.#isForSeveral = isForSeveral;
  }

  /**
   * What is chosen; `undefined` where there is no solution, or none is found within
   * `most` steps (decisions and conflicts). What an earlier call has learned is used again, if it was for several environments.
   * @throws {BeyondPlain}
   */
  solve(roots: readonly RootPackage[], most: number): Chosen | undefined {
    this.#begin();
    for (const root of roots) for (const one of root.dependencies) if (!this.#demandOfRoot(one)) return undefined;
    if (!this.#recall()) return undefined;
    while (this.conflicts + this.decisions <= most) {
      const conflict = this.#propagate();
      if (conflict !== NONE && this.#levelStart.length === 0) return undefined;
      if (this.#dead.length > 0) {
        if (!this.#bury()) return undefined;
        continue;
      }
      if (conflict !== NONE) {
        if (!this.#learn(conflict)) return undefined;
        continue;
      }
      const next = this.#nextOpen();
      if (next === NONE) return this.#chosen();
      this.#decide(next);
    }
    return undefined;
  }

  #chosen(): Chosen {
    const nodes = this.#order.data.slice(0, this.#order.length);
    return { nodes, values: nodes.map((node) => this.#only(node)) };
  }

  /** Forgets everything but lessons. */
  #begin(): void {
    this.#backjump(0);
    this.#forgetOrder(0, 0);
    for (const flags of [this.#isOpen, this.#isQueued, this.#draftPlace]) flags.data.fill(0);
    this.#dead.length = this.#changed.length = 0;
    this.decisions = this.conflicts = this.packages = 0;
    for (const list of this.#watches) if (list !== undefined) list.length = 0;
    this.#lessons.thinOut();
  }

  /** Takes up what was learned in other environments; whether there may still be a solution. */
  #recall(): boolean {
    const { node, mask, sets, count } = this.#lessons;
    for (let lesson = 0; lesson < count; lesson++) {
      if (!this.#lessons.holdsIn(lesson, this.#rules.mode)) continue;
      const [a, b] = this.#twoOpen(lesson);
      if (a === NONE) return false;
      if (b !== NONE) this.#watch(lesson, a, b);
      else if (!this.#remove(node.data[a]!, sets.data, mask.data[a]!, DECIDED)) return false;
    }
    return true;
  }

  /** The first two terms of a lesson that do not hold. */
  #twoOpen(lesson: number): [first: number, second: number] {
    const { start, node } = this.#lessons;
    const end = this.#lessons.endOf(lesson);
    let first = NONE;
    for (let term = start.data[lesson]!; term < end; term++) {
      this.#open(node.data[term]!);
      if (this.#holds(term)) continue;
      if (first !== NONE) return [first, term];
      first = term;
    }
    return [first, NONE];
  }

  #watch(lesson: number, a: number, b: number): void {
    const { watchA, watchB, node } = this.#lessons;
    watchA.data[lesson] = a;
    watchB.data[lesson] = b;
    (this.#watches[node.data[a]!] ??= []).push(lesson);
    (this.#watches[node.data[b]!] ??= []).push(lesson);
  }

  #demandOfRoot(one: Dependency): boolean {
    const { target, accepted } = this.#rules;
    const dependency = this.#rules.dependencyOf(one, true, NONE);
    if (dependency === NONE || this.#rules.isOff.data[dependency] === 1) return true;
    const node = target.data[dependency]!;
    this.#open(node);
    this.#meet(node);
    return this.#keep(node, accepted.data[dependency]!, DECIDED);
  }

  // --- packages ------------------------------------------------------------------------------------------------------

  #open(node: number): void {
    const rules = this.#rules;
    if (node < this.#isOpen.length && this.#isOpen.data[node] === 1) return;
    rules.open(node);
    this.#makeRoom();
    this.#isOpen.data[node] = 1;
    this.packages++;
    const at = rules.offset.data[node]!;
    const words = rules.width.data[node]!;
    rules.possibleInto(this.#ground, node);
    let count = 0;
    for (let i = at; i < at + words; i++) count += popcount((this.#now[i] = this.#ground[i]!));
    this.#count.data[node] = count;
    this.#last.data[node] = NONE;
    this.#isCut.data[node] = rules.isWhole(node) ? 0 : 1;
    this.#meetDemands(node);
  }

  #makeRoom(): void {
    const rules = this.#rules;
    if (this.#isOpen.length < rules.keys.length) {
      const more = rules.keys.length - this.#isOpen.length;
      for (const one of this.#perNode) one.reserve(more);
    }
    if (rules.words <= this.#now.length) return;
    const grown = (old: Int32Array): Int32Array => {
      const array = new Int32Array(Math.max(rules.words, old.length * 2));
      array.set(old);
      return array;
    };
    this.#now = grown(this.#now);
    this.#ground = grown(this.#ground);
    this.#draft = grown(this.#draft);
  }

  /** Rules of and about a package that has come in: those that nothing can ever meet are to be buried. */
  #meetDemands(node: number): void {
    const { isOnItself, firstGroupOf, endGroupOf, dependency, target } = this.#rules;
    if (this.#mayFail(node) || isOnItself.data[node] === 1) this.#meetDemandsOn(node);
    for (let group = firstGroupOf.data[node]!; group < endGroupOf.data[node]!; group++) {
      const one = dependency.data[group]!;
      const to = target.data[one]!;
      if (to !== node && this.#isOpen.data[to] === 1 && this.#mayFail(to) && !this.#hasSupport(one, this.#ground))
        this.#dead.push(group);
    }
  }

  /** Whether there may be a dependency on a package that nothing can ever meet. */
  #mayFail(node: number): boolean {
    return this.#isCut.data[node] === 1 || this.#rules.isOnNothing.data[node] === 1;
  }

  #meetDemandsOn(node: number): void {
    const { firstOn, nextOn, firstGroup, nextGroup, owner } = this.#rules;
    for (let one = firstOn.data[node]!; one !== NONE; one = nextOn.data[one]!) {
      const isHopeless = !this.#hasSupport(one, this.#ground);
      for (let group = firstGroup.data[one]!; group !== NONE; group = nextGroup.data[group]!) {
        const from = owner.data[group]!;
        if (from === node ? !this.#isOffGroup(group) : isHopeless && this.#isOpen.data[from] === 1)
          this.#dead.push(group);
      }
    }
  }

  #isOffGroup(group: number): boolean {
    return this.#rules.isOff.data[this.#rules.dependency.data[group]!] === 1;
  }

  #hasSupport(dependency: number, words: Int32Array): boolean {
    const { target, accepted, offset, width, masks, support, isOff } = this.#rules;
    if (isOff.data[dependency] === 1) return true;
    const node = target.data[dependency]!;
    const at = offset.data[node]!;
    const known = support.data[dependency]!;
    if (known !== ABSENT && (words[at + (known >>> 5)]! & (1 << (known & 31))) !== 0) return true;
    const mask = accepted.data[dependency]!;
    for (let i = width.data[node]! - 1; i >= 0; i--) {
      const both = words[at + i]! & masks.data[mask + i]!;
      if (both === 0) continue;
      support.data[dependency] = (i << 5) + 31 - Math.clz32(both);
      return true;
    }
    return false;
  }

  /** Takes away for good what has no support; whether there may still be a solution. */
  #bury(): boolean {
    this.#backjump(0);
    const { owner } = this.#rules;
    const dead = this.#dead;
    for (let i = 0; i < dead.length;) {
      const node = owner.data[dead.data[i]!]!;
      this.#beginDoom(node);
      for (; i < dead.length && owner.data[dead.data[i]!] === node; i++) this.#doom(dead.data[i]!);
      if (!this.#remove(node, this.#doomed, 0, DECIDED)) return false;
    }
    dead.length = 0;
    return true;
  }

  /** At the ground no reasons are kept, so that the values of a package that are to go can go together. */
  #beginDoom(node: number): void {
    const words = this.#rules.width.data[node]!;
    if (this.#doomed.length < words) this.#doomed = new Int32Array(words * 2);
    else this.#doomed.fill(0, 0, words);
  }

  /** Adds those of a group, if nothing meets what they demand. */
  #doom(group: number): void {
    const { owner, having, dependency, target, accepted, masks, width } = this.#rules;
    const node = owner.data[group]!;
    const one = dependency.data[group]!;
    const mask = having.data[group]!;
    const isOwn = target.data[one] === node;
    if (!isOwn && this.#hasSupport(one, this.#ground)) return;
    const kept = accepted.data[one]!;
    // A package that depends on itself: only the versions outside of its own range are ruled out.
    for (let i = width.data[node]! - 1; i >= 0; i--)
      this.#doomed[i]! |= isOwn ? masks.data[mask + i]! & ~masks.data[kept + i]! : masks.data[mask + i]!;
  }

  // --- state ---------------------------------------------------------------------------------------------------------

  #only(node: number): number {
    if (this.#count.data[node] !== 1) return NONE;
    const at = this.#rules.offset.data[node]!;
    for (let i = 0; ; i++) {
      const word = this.#now[at + i]!;
      if (word !== 0) return (i << 5) + 31 - Math.clz32(word);
    }
  }

  /** Keeps only the values of a set; false where none would be left. */
  #keep(node: number, mask: number, reason: number): boolean {
    const { offset, width, masks } = this.#rules;
    const at = offset.data[node]!;
    const words = width.data[node]!;
    let gone = 0;
    let left = 0;
    for (let i = 0; i < words; i++) {
      gone |= this.#now[at + i]! & ~masks.data[mask + i]!;
      left |= this.#now[at + i]! & masks.data[mask + i]!;
    }
    if (gone === 0) return true;
    if (left === 0) return false;
    this.#record(node, at, words, reason);
    let count = 0;
    for (let i = 0; i < words; i++) count += popcount((this.#now[at + i]! &= masks.data[mask + i]!));
    this.#moved(node, at, words, count);
    return true;
  }

  /** Takes the values of a set away; false where none would be left. */
  #remove(node: number, sets: Int32Array, mask: number, reason: number): boolean {
    const { offset, width } = this.#rules;
    const at = offset.data[node]!;
    const words = width.data[node]!;
    let gone = 0;
    let left = 0;
    for (let i = 0; i < words; i++) {
      gone |= this.#now[at + i]! & sets[mask + i]!;
      left |= this.#now[at + i]! & ~sets[mask + i]!;
    }
    if (gone === 0) return true;
    if (left === 0) return false;
    this.#record(node, at, words, reason);
    let count = 0;
    for (let i = 0; i < words; i++) count += popcount((this.#now[at + i]! &= ~sets[mask + i]!));
    this.#moved(node, at, words, count);
    return true;
  }

  #record(node: number, at: number, words: number, reason: number): void {
    if (this.#levelStart.length === 0) return;
    this.#eventOld.push(this.#oldWords.length);
    for (let i = 0; i < words; i++) this.#oldWords.push(this.#now[at + i]!);
    this.#eventPrevious.push(this.#last.data[node]!);
    this.#last.data[node] = this.#eventNode.length;
    this.#eventNode.push(node);
    this.#eventReason.push(reason);
    this.#eventLevel.push(this.#levelStart.length);
  }

  #moved(node: number, at: number, words: number, count: number): void {
    this.#count.data[node] = count;
    if (this.#levelStart.length === 0) {
      for (let i = 0; i < words; i++) this.#ground[at + i] = this.#now[at + i]!;
      this.#isCut.data[node] = 1;
    }
    if (this.#isQueued.data[node] === 1) return;
    this.#isQueued.data[node] = 1;
    this.#changed.push(node);
  }

  #backjump(level: number): void {
    if (level >= this.#levelStart.length) return;
    const { offset, width } = this.#rules;
    const start = this.#levelStart.data[level]!;
    for (let event = this.#eventNode.length - 1; event >= start; event--) {
      const node = this.#eventNode.data[event]!;
      const at = offset.data[node]!;
      const old = this.#eventOld.data[event]!;
      let count = 0;
      for (let i = width.data[node]! - 1; i >= 0; i--)
        count += popcount((this.#now[at + i] = this.#oldWords.data[old + i]!));
      this.#count.data[node] = count;
      this.#last.data[node] = this.#eventPrevious.data[event]!;
    }
    if (start < this.#eventNode.length) this.#oldWords.length = this.#eventOld.data[start]!;
    this.#eventNode.length = this.#eventReason.length = this.#eventPrevious.length = start;
    this.#eventLevel.length = this.#eventOld.length = start;
    this.#forgetOrder(this.#levelSettled.data[level]!, this.#levelMet.data[level]!);
    this.#levelStart.length = this.#levelSettled.length = this.#levelMet.length = level;
    for (let i = 0; i < this.#changed.length; i++) this.#isQueued.data[this.#changed.data[i]!] = 0;
    this.#changed.length = 0;
  }

  #forgetOrder(settled: number, met: number): void {
    for (let i = met; i < this.#order.length; i++) this.#isMet.data[this.#order.data[i]!] = 0;
    this.#order.length = met;
    this.#settled = settled;
  }

  // --- canonical order -----------------------------------------------------------------------------------------------

  #meet(node: number): void {
    if (this.#isMet.data[node] === 1) return;
    this.#isMet.data[node] = 1;
    this.#order.push(node);
  }

  /** The next package in canonical order that has several values; NONE where all are settled. */
  #nextOpen(): number {
    const { rowStart, rowEnd, rows, dependency, target, firstRow, isOff } = this.#rules;
    for (; this.#settled < this.#order.length; this.#settled++) {
      const node = this.#order.data[this.#settled]!;
      const value = this.#only(node);
      if (value === NONE) return node;
      const row = firstRow.data[node]! + value;
      for (let i = rowStart.data[row]!; i < rowEnd.data[row]!; i++) {
        const one = dependency.data[rows.data[i]!]!;
        if (isOff.data[one] === 0) this.#meet(target.data[one]!);
      }
    }
    return NONE;
  }

  /** The best value whose own demands can be met; where that is none, the best. */
  #decide(node: number): void {
    const { offset, width } = this.#rules;
    const value = this.#bestOf(node);
    this.decisions++;
    this.#levelSettled.push(this.#settled);
    this.#levelMet.push(this.#order.length);
    this.#levelStart.push(this.#eventNode.length);
    const at = offset.data[node]!;
    const words = width.data[node]!;
    this.#record(node, at, words, DECIDED);
    for (let i = 0; i < words; i++) this.#now[at + i] = 0;
    this.#now[at + (value >>> 5)] = 1 << (value & 31);
    this.#moved(node, at, words, 1);
  }

  #bestOf(node: number): number {
    const { orders, locked, size } = this.#rules;
    const order = orders[node];
    let best = NONE;
    for (const value of locked[node]!) {
      if (!this.#isPossible(node, value)) continue;
      if (this.#fits(node, value)) return value;
      if (best === NONE) best = value;
    }
    const length = order?.length ?? size.data[node]! - 1;
    for (let i = 0; i < length; i++) {
      const value = order === undefined ? length - i : order[i]!;
      if (!this.#isPossible(node, value)) continue;
      if (this.#fits(node, value)) return value;
      if (best === NONE) best = value;
    }
    return best;
  }

  #isPossible(node: number, value: number): boolean {
    return (this.#now[this.#rules.offset.data[node]! + (value >>> 5)]! & (1 << (value & 31))) !== 0;
  }

  #fits(node: number, value: number): boolean {
    const { rowStart, rowEnd, rows, dependency, target, firstRow, offset, width, accepted, masks, isOff } = this.#rules;
    const row = firstRow.data[node]! + value;
    for (let i = rowStart.data[row]!; i < rowEnd.data[row]!; i++) {
      const one = dependency.data[rows.data[i]!]!;
      const to = target.data[one]!;
      const at = offset.data[to]!;
      if (isOff.data[one] === 1 || this.#isOpen.data[to] !== 1) continue;
      const mask = accepted.data[one]!;
      let any = 0;
      for (let j = width.data[to]! - 1; j >= 0; j--) any |= this.#now[at + j]! & masks.data[mask + j]!;
      if (any === 0) return false;
    }
    return true;
  }

  // --- propagation ---------------------------------------------------------------------------------------------------

  /** The reason of a conflict, or NONE. Stops as soon as something is found that holds whatever is decided. */
  #propagate(): number {
    for (let place = 0; place < this.#changed.length; place++) {
      const node = this.#changed.data[place]!;
      this.#isQueued.data[node] = 0;
      const conflict = this.#visit(node);
      if (conflict !== NONE || this.#dead.length > 0) {
        for (let i = place + 1; i < this.#changed.length; i++) this.#isQueued.data[this.#changed.data[i]!] = 0;
        // At the ground what has not been looked at would be lost.
        if (this.#levelStart.length === 0 && conflict === NONE) this.#lookAgain(place);
        else this.#changed.length = 0;
        return conflict;
      }
    }
    this.#changed.length = 0;
    return NONE;
  }

  #lookAgain(from: number): void {
    const rest = this.#changed.data.slice(from, this.#changed.length);
    this.#changed.length = 0;
    for (const node of rest) {
      if (this.#isQueued.data[node] === 1) continue;
      this.#isQueued.data[node] = 1;
      this.#changed.push(node);
    }
  }

  #visit(node: number): number {
    const watches = this.#watches[node];
    if (watches !== undefined) {
      const conflict = this.#checkWatches(node, watches);
      if (conflict !== NONE) return conflict;
    }
    const value = this.#only(node);
    if (value > ABSENT) {
      const conflict = this.#expand(node, value);
      if (conflict !== NONE || this.#dead.length > 0) return conflict;
    }
    return this.#levelStart.length === 0 || this.conflicts >= HARD ? this.#checkDemands(node) : NONE;
  }

  /** What a chosen value needs. */
  #expand(node: number, value: number): number {
    const { rowStart, rowEnd, rows, dependency, target, firstRow, accepted, isOff } = this.#rules;
    const row = firstRow.data[node]! + value;
    const end = rowEnd.data[row]!;
    for (let i = rowStart.data[row]!; i < end; i++) {
      const group = rows.data[i]!;
      const one = dependency.data[group]!;
      if (isOff.data[one] === 1) continue;
      const to = target.data[one]!;
      this.#open(to);
      if (!this.#keep(to, accepted.data[one]!, group)) return group;
    }
    return NONE;
  }

  /** Rules out whose demands nothing meets any more. */
  #checkDemands(node: number): number {
    const { firstPair, nextPair, pairOwner, pairGroup, nextOfPair, dependency, having, masks } = this.#rules;
    for (let pair = firstPair.data[node]!; pair !== NONE; pair = nextPair.data[pair]!) {
      const demander = pairOwner.data[pair]!;
      // What has one value has made its demands already.
      if (demander === node || this.#isOpen.data[demander] !== 1 || this.#count.data[demander] === 1) continue;
      if (this.#levelStart.length === 0) {
        this.#beginDoom(demander);
        for (let group = pairGroup.data[pair]!; group !== NONE; group = nextOfPair.data[group]!) this.#doom(group);
        if (!this.#remove(demander, this.#doomed, 0, DECIDED)) return pairGroup.data[pair]!;
        continue;
      }
      for (let group = pairGroup.data[pair]!; group !== NONE; group = nextOfPair.data[group]!) {
        if (!this.#isLeft(demander, having.data[group]!) || this.#hasSupport(dependency.data[group]!, this.#now))
          continue;
        if (!this.#remove(demander, masks.data, having.data[group]!, group)) return group;
      }
    }
    return NONE;
  }

  /** Whether a value of a set is possible. */
  #isLeft(node: number, mask: number): boolean {
    const { offset, width, masks } = this.#rules;
    const at = offset.data[node]!;
    for (let i = width.data[node]! - 1; i >= 0; i--)
      if ((this.#now[at + i]! & masks.data[mask + i]!) !== 0) return true;
    return false;
  }

  #checkWatches(node: number, list: number[]): number {
    let kept = 0;
    for (let i = 0; i < list.length; i++) {
      const lesson = list[i]!;
      const outcome = this.#look(lesson, node);
      if (outcome === MOVED) continue;
      list[kept++] = lesson;
      if (outcome === KEPT) continue;
      for (i++; i < list.length; i++) list[kept++] = list[i]!;
      list.length = kept;
      return LESSON - lesson;
    }
    list.length = kept;
    return NONE;
  }

  #look(lesson: number, node: number): number {
    const { watchA, watchB, start, node: nodes, mask, sets } = this.#lessons;
    const a = watchA.data[lesson]!;
    const b = watchB.data[lesson]!;
    const mine = nodes.data[a] === node ? a : b;
    if (!this.#holds(mine)) return KEPT;
    const end = this.#lessons.endOf(lesson);
    for (let term = start.data[lesson]!; term < end; term++) {
      if (term === a || term === b || this.#holds(term)) continue;
      if (mine === a) watchA.data[lesson] = term;
      else watchB.data[lesson] = term;
      (this.#watches[nodes.data[term]!] ??= []).push(lesson);
      return MOVED;
    }
    const other = a + b - mine;
    return this.#remove(nodes.data[other]!, sets.data, mask.data[other]!, LESSON - lesson) ? KEPT : VIOLATED;
  }

  /** Whether nothing outside of a term's set is possible. */
  #holds(term: number): boolean {
    const { offset, width } = this.#rules;
    const { node: nodes, mask: masks, sets } = this.#lessons;
    const node = nodes.data[term]!;
    const mask = masks.data[term]!;
    const at = offset.data[node]!;
    for (let i = width.data[node]! - 1; i >= 0; i--)
      if ((this.#now[at + i]! & ~sets.data[mask + i]!) !== 0) return false;
    return true;
  }

  // --- learning ------------------------------------------------------------------------------------------------------

  /** Learns why there is a conflict, and goes back to where that bites; false where it rules out every solution. */
  #learn(conflict: number): boolean {
    this.conflicts++;
    this.#draftMode = EVERYWHERE;
    this.#drafted.length = 0;
    this.#absorb(conflict, NONE);
    for (;;) {
      const drafted = this.#drafted;
      let [top, event, second] = [NONE, NONE, NONE];
      for (let i = 0; i < drafted.length; i++) {
        const since = this.#since.data[drafted.data[i]!]!;
        if (since > event) [top, event, second] = [drafted.data[i]!, since, event];
        else if (since > second) second = since;
      }
      if (top === NONE) return false;
      const level = second === NONE ? 0 : this.#eventLevel.data[second]!;
      const reason = this.#eventReason.data[event]!;
      if (reason === DECIDED || level < this.#eventLevel.data[event]!) return this.#apply(top, second, level);
      this.#absorb(reason, top);
    }
  }

  /** Union on the pivot, intersection elsewhere. */
  #absorb(reason: number, pivot: number): void {
    const { owner, having, dependency, target, accepted, masks, isSometimes, mode } = this.#rules;
    if (reason >= 0) {
      const one = dependency.data[reason]!;
      if (isSometimes.data[one] === 1) this.#draftMode = mode;
      this.#absorbTerm(owner.data[reason]!, masks.data, having.data[reason]!, 0, pivot);
      this.#absorbTerm(target.data[one]!, masks.data, accepted.data[one]!, -1, pivot);
      return;
    }
    const lesson = LESSON - reason;
    const { start, node, mask, sets, mode: modes } = this.#lessons;
    if (modes.data[lesson] !== EVERYWHERE) this.#draftMode = mode;
    for (let term = start.data[lesson]!, end = this.#lessons.endOf(lesson); term < end; term++)
      this.#absorbTerm(node.data[term]!, sets.data, mask.data[term]!, 0, pivot);
  }

  /** With `flip` -1 the set is all but what is given. */
  #absorbTerm(node: number, sets: Int32Array, mask: number, flip: number, pivot: number): void {
    const { offset, width } = this.#rules;
    const at = offset.data[node]!;
    const words = width.data[node]!;
    const isNew = this.#draftPlace.data[node] === 0;
    for (let i = 0; i < words; i++) {
      const word = sets[mask + i]! ^ flip;
      if (isNew) this.#draft[at + i] = word;
      else if (node === pivot) this.#draft[at + i]! |= word;
      else this.#draft[at + i]! &= word;
    }
    if (isNew) {
      this.#drafted.push(node);
      this.#draftPlace.data[node] = this.#drafted.length;
    }
    this.#settle(node, at, words);
  }

  /** Leaves out a term that holds from the ground up, in every environment; finds since when another holds. */
  #settle(node: number, at: number, words: number): void {
    const ground = this.#isForSeveral ? this.#rules.all.data : this.#ground;
    let isGround = true;
    for (let i = at; i < at + words; i++) if ((ground[i]! & ~this.#draft[i]!) !== 0) isGround = false;
    if (isGround) return this.#drop(node);
    let event = this.#last.data[node]!;
    while (event !== NONE) {
      const old = this.#eventOld.data[event]!;
      let held = true;
      for (let i = 0; i < words && held; i++) held = (this.#oldWords.data[old + i]! & ~this.#draft[at + i]!) === 0;
      if (!held) break;
      event = this.#eventPrevious.data[event]!;
    }
    this.#since.data[node] = event;
  }

  #drop(node: number): void {
    const drafted = this.#drafted;
    const place = this.#draftPlace.data[node]! - 1;
    const moved = drafted.data[--drafted.length]!;
    drafted.data[place] = moved;
    this.#draftPlace.data[moved] = place + 1;
    this.#draftPlace.data[node] = 0;
  }

  #apply(top: number, second: number, level: number): boolean {
    const { offset, width } = this.#rules;
    const { sets, mask } = this.#lessons;
    const lesson = this.#lessons.open(this.#draftMode);
    let [mine, other] = [NONE, NONE];
    for (let i = 0; i < this.#drafted.length; i++) {
      const node = this.#drafted.data[i]!;
      const at = offset.data[node]!;
      const words = width.data[node]!;
      const term = this.#lessons.addTerm(node, words);
      const set = mask.data[term]!;
      for (let j = 0; j < words; j++) sets.data[set + j] = this.#draft[at + j]!;
      if (node === top) mine = term;
      else if (second !== NONE && this.#since.data[node] === second) other = term;
      this.#draftPlace.data[node] = 0;
    }
    if (other !== NONE) this.#watch(lesson, mine, other);
    this.#backjump(level);
    return this.#remove(top, sets.data, mask.data[mine]!, LESSON - lesson);
  }
}

const KEPT = 0;
const MOVED = 1;
const VIOLATED = 2;
