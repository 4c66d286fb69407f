import { ABSENT } from "../bits.ts";
import { Ints, popcount } from "../core/ints.ts";
import { LESSON, type Derivation } from "./derivation.ts";
import type { RegistryTables } from "./registry-tables.ts";

const NONE = -1;
/** Reason of a change that was decided; others are those of a derivation. */
const DECIDED = -1;

/** Numbers of a change: its package, its reason, the change of the package before it, its level, and where its old words are. */
const EVENT = 5;
const NODE = 0;
const REASON = 1;
const PREVIOUS = 2;
const LEVEL = 3;
const OLD = 4;

/** What is known of a version. */
export const OPEN = 0;
export const SOLVED = 1;
export const UNSOLVABLE = 2;

/**
 * Searches for a solution with one version by itself, after the other, and keeps what it learns. That a version is in no
 * solution is derived in a way that a checker can follow.
 */
export class RootSearch {
  /** The packages of the last solution, and their values. */
  readonly members: Ints = new Ints(256);
  readonly chosen: Int32Array;

  readonly #tables: RegistryTables;
  readonly #derivation: Derivation;
  /** What is possible now, and whatever is decided. */
  readonly #now: Int32Array;
  readonly #ground: Int32Array;
  readonly #draft: Int32Array;
  readonly #count: Int32Array;
  /** Latest change of a package in the trail, or NONE. */
  readonly #last: Int32Array;
  readonly #activity: Float64Array;
  /** Package -> its value in the latest solution that it was in, or ABSENT. */
  readonly #phase: Int32Array;
  readonly #isQueued: Uint8Array;
  /** 1 for packages that the question at hand may lead to. */
  readonly #isNear: Uint8Array;
  readonly #changed = new Ints(256);
  /** Dependencies that nothing meets, in the order in which that came to be, as places in the tables' `on`; 1 for each of them. */
  readonly #unmet = new Ints(256);
  readonly #isUnmet: Uint8Array;

  /** Changes that can be undone, one after the other: EVENT numbers each. */
  readonly #events = new Ints(2048);
  readonly #oldWords = new Ints(512);
  readonly #levelStart = new Ints();
  readonly #levelRequired = new Ints();
  readonly #levelUnmet = new Ints();
  /** Packages that cannot be absent, in the order in which that came to be. */
  readonly #required = new Ints(256);

  readonly #watchA = new Ints(256);
  readonly #watchB = new Ints(256);
  readonly #watches: (number[] | undefined)[] = [];

  readonly #drafted = new Ints();
  /** Place in `drafted`, plus one; change since when the term holds. */
  readonly #draftPlace: Int32Array;
  readonly #since: Int32Array;
  #bump = 1;
  #conflicts = 0;

  constructor(tables: RegistryTables, derivation: Derivation, alive: Int32Array) {
    const { packages, firstWord } = tables;
    this.#tables = tables;
    this.#derivation = derivation;
    this.#now = alive.slice();
    this.#count = new Int32Array(packages.length);
    for (let one = 0; one < packages.length; one++) {
      this.#now[firstWord[one]!]! |= 1 << ABSENT;
      for (let word = firstWord[one]!; word < firstWord[one + 1]!; word++)
        this.#count[one]! += popcount(this.#now[word]!);
    }
    this.#ground = this.#now.slice();
    this.#draft = new Int32Array(this.#now.length);
    this.#last = new Int32Array(packages.length).fill(NONE);
    this.#activity = new Float64Array(packages.length);
    this.#isQueued = new Uint8Array(packages.length);
    this.#isNear = new Uint8Array(packages.length);
    this.#isUnmet = new Uint8Array(tables.on.length);
    this.#phase = new Int32Array(packages.length);
    this.#draftPlace = new Int32Array(packages.length);
    this.#since = new Int32Array(packages.length);
    this.chosen = new Int32Array(packages.length);
  }

  /** SOLVED: the solution is in `members` and `chosen`; OPEN: not known after `most` conflicts. */
  solve(one: number, value: number, most: number): typeof OPEN | typeof SOLVED | typeof UNSOLVABLE {
    this.#conflicts = 0;
    this.#backjump(0);
    this.#lookAround(one);
    for (;;) {
      const conflict = this.#propagate();
      if (conflict !== NONE) {
        if (++this.#conflicts > most) return OPEN;
        this.#learn(conflict);
      } else if (this.#levelStart.length === 0) {
        if (!this.#isPossible(one, value)) return UNSOLVABLE;
        this.#decide(one, value);
      } else {
        const next = this.#next();
        if (next === NONE) return this.#keep();
        this.#decide(next, this.#bestOf(next));
      }
    }
  }

  /** Finds what some version of a package may lead to; where an earlier question has led to it, that is enough. */
  #lookAround(one: number): void {
    if (this.#isNear[one] === 1) return;
    const { firstGroupOf, dependency, target } = this.#tables;
    this.#isNear.fill(0);
    this.#isNear[one] = 1;
    const near = [one];
    for (let i = 0; i < near.length; i++) {
      for (let group = firstGroupOf[near[i]!]!; group < firstGroupOf[near[i]! + 1]!; group++) {
        const to = target[dependency[group]!]!;
        if (this.#isNear[to] === 1) continue;
        this.#isNear[to] = 1;
        near.push(to);
      }
    }
  }

  #keep(): typeof SOLVED {
    const { members, chosen } = this;
    for (let i = 0; i < members.length; i++) chosen[members.data[i]!] = ABSENT;
    members.length = 0;
    for (let i = 0; i < this.#required.length; i++) {
      const one = this.#required.data[i]!;
      members.push(one);
      chosen[one] = this.#phase[one] = this.#only(one);
    }
    return SOLVED;
  }

  // --- decisions -----------------------------------------------------------------------------------------------------

  /** Of the packages that are needed and have several values, the one with most conflicts, else with fewest values. */
  #next(): number {
    let best = NONE;
    for (let i = 0; i < this.#required.length; i++) {
      const one = this.#required.data[i]!;
      if (this.#count[one] === 1) continue;
      const lead = best === NONE ? 1 : this.#activity[one]! - this.#activity[best]!;
      if (lead > 0 || (lead === 0 && this.#count[one]! < this.#count[best]!)) best = one;
    }
    return best;
  }

  /** The value of the solution before, else the newest, whose own demands can be met; where that is none, the newest. */
  #bestOf(one: number): number {
    const { firstWord } = this.#tables;
    const before = this.#phase[one]!;
    if (before !== ABSENT && this.#isPossible(one, before) && this.#fits(one, before)) return before;
    const start = firstWord[one]!;
    let newest = NONE;
    for (let word = firstWord[one + 1]! - 1; word >= start; word--) {
      for (let left = this.#now[word]!; left !== 0;) {
        const bit = 31 - Math.clz32(left);
        left &= ~(1 << bit);
        const value = ((word - start) << 5) + bit;
        if (this.#fits(one, value)) return value;
        if (newest === NONE) newest = value;
      }
    }
    return newest;
  }

  #fits(one: number, value: number): boolean {
    const { firstVersion, rowStart, rowEnd, rows, target, mask, masks, firstWord } = this.#tables;
    const version = firstVersion[one]! + value - 1;
    const now = this.#now;
    for (let i = rowStart[version]!, end = rowEnd[version]!; i < end; i++) {
      const to = target[rows[i]!]!;
      let at = mask[rows[i]!]!;
      let any = 0;
      for (let word = firstWord[to]!, last = firstWord[to + 1]!; word < last; word++) any |= now[word]! & masks[at++]!;
      if (any === 0) return false;
    }
    return true;
  }

  #decide(one: number, value: number): void {
    const start = this.#tables.firstWord[one]!;
    const end = this.#tables.firstWord[one + 1]!;
    this.#levelRequired.push(this.#required.length);
    this.#levelUnmet.push(this.#unmet.length);
    this.#levelStart.push(this.#events.length);
    this.#record(one, DECIDED);
    if ((this.#now[start]! & 1) !== 0) this.#required.push(one);
    for (let word = start; word < end; word++) this.#now[word] = 0;
    this.#now[start + (value >>> 5)] = 1 << (value & 31);
    this.#moved(one, 1);
  }

  // --- values --------------------------------------------------------------------------------------------------------

  #isPossible(one: number, value: number): boolean {
    return (this.#now[this.#tables.firstWord[one]! + (value >>> 5)]! & (1 << (value & 31))) !== 0;
  }

  /** The only value, or NONE where there are several. */
  #only(one: number): number {
    if (this.#count[one] !== 1) return NONE;
    const start = this.#tables.firstWord[one]!;
    for (let word = start; ; word++) {
      const left = this.#now[word]!;
      if (left !== 0) return ((word - start) << 5) + 31 - Math.clz32(left);
    }
  }

  /**
   * Takes away the values of a set that begins at a place, or with `flip` -1 all others; false where none would be left.
   * Above the ground it can be undone.
   */
  #remove(one: number, sets: Int32Array, place: number, flip: number, reason: number): boolean {
    const start = this.#tables.firstWord[one]!;
    const end = this.#tables.firstWord[one + 1]!;
    const now = this.#now;
    let gone = 0;
    let left = 0;
    for (let word = start, at = place; word < end; word++, at++) {
      const set = sets[at]! ^ flip;
      gone |= now[word]! & set;
      left |= now[word]! & ~set;
    }
    if (gone === 0) return true;
    if (left === 0) return false;
    if (this.#levelStart.length > 0) this.#record(one, reason);
    else this.#derivation.addEntry(one, reason);
    const wasOptional = now[start]! & 1;
    let count = 0;
    for (let word = start, at = place; word < end; word++, at++)
      count += popcount((now[word] = now[word]! & ~(sets[at]! ^ flip)));
    if (wasOptional !== (now[start]! & 1)) this.#required.push(one);
    this.#moved(one, count);
    return true;
  }

  #record(one: number, reason: number): void {
    const { firstWord } = this.#tables;
    const events = this.#events;
    const oldWords = this.#oldWords;
    const first = firstWord[one]!;
    const end = firstWord[one + 1]!;
    events.room(EVENT);
    oldWords.room(end - first);
    const at = events.length;
    events.data[at + NODE] = one;
    events.data[at + REASON] = reason;
    events.data[at + PREVIOUS] = this.#last[one]!;
    events.data[at + LEVEL] = this.#levelStart.length;
    events.data[at + OLD] = oldWords.length;
    events.length = at + EVENT;
    for (let word = first; word < end; word++) oldWords.data[oldWords.length++] = this.#now[word]!;
    this.#last[one] = at;
  }

  #moved(one: number, count: number): void {
    this.#count[one] = count;
    if (this.#levelStart.length === 0) {
      const { firstWord } = this.#tables;
      for (let word = firstWord[one]!; word < firstWord[one + 1]!; word++) this.#ground[word] = this.#now[word]!;
    }
    if (this.#isQueued[one] === 1) return;
    this.#isQueued[one] = 1;
    this.#changed.push(one);
  }

  #backjump(level: number): void {
    if (level >= this.#levelStart.length) return;
    const { firstWord } = this.#tables;
    const { data: events, length } = this.#events;
    const start = this.#levelStart.data[level]!;
    for (let event = length - EVENT; event >= start; event -= EVENT) {
      const one = events[event + NODE]!;
      let old = events[event + OLD]!;
      let count = 0;
      for (let word = firstWord[one]!; word < firstWord[one + 1]!; word++)
        count += popcount((this.#now[word] = this.#oldWords.data[old++]!));
      this.#count[one] = count;
      this.#last[one] = events[event + PREVIOUS]!;
    }
    if (start < length) this.#oldWords.length = events[start + OLD]!;
    this.#events.length = start;
    this.#required.length = this.#levelRequired.data[level]!;
    const unmet = this.#levelUnmet.data[level]!;
    for (let i = unmet; i < this.#unmet.length; i++) this.#isUnmet[this.#unmet.data[i]!] = 0;
    this.#unmet.length = unmet;
    this.#levelStart.length = this.#levelRequired.length = this.#levelUnmet.length = level;
    this.#forgetChanges(0);
  }

  #forgetChanges(from: number): void {
    for (let i = from; i < this.#changed.length; i++) this.#isQueued[this.#changed.data[i]!] = 0;
    this.#changed.length = 0;
  }

  // --- propagation ---------------------------------------------------------------------------------------------------

  /** The reason of a conflict, or NONE. */
  #propagate(): number {
    for (let place = 0; place < this.#changed.length; place++) {
      const one = this.#changed.data[place]!;
      this.#isQueued[one] = 0;
      const conflict = this.#visit(one);
      if (conflict === NONE) continue;
      this.#forgetChanges(place + 1);
      return conflict;
    }
    this.#changed.length = 0;
    return NONE;
  }

  #visit(one: number): number {
    const watches = this.#watches[one];
    if (watches !== undefined) {
      const conflict = this.#checkWatches(one, watches);
      if (conflict !== NONE) return conflict;
    }
    const value = this.#only(one);
    if (value > ABSENT) {
      const conflict = this.#expand(one, value);
      if (conflict !== NONE) return conflict;
    }
    return this.#checkDemands(one);
  }

  /** What a chosen value needs. */
  #expand(one: number, value: number): number {
    const { firstVersion, rowStart, rowEnd, rows, rowGroups, target, mask, masks } = this.#tables;
    const version = firstVersion[one]! + value - 1;
    for (let i = rowStart[version]!, end = rowEnd[version]!; i < end; i++) {
      const dependency = rows[i]!;
      const isKept = this.#remove(target[dependency]!, masks, mask[dependency]!, -1, rowGroups[i]!);
      if (!isKept) return rowGroups[i]!;
    }
    return NONE;
  }

  /** Rules out whose demands nothing meets any more. */
  #checkDemands(one: number): number {
    const { firstOn, on, firstMask, firstWord, masks } = this.#tables;
    const now = this.#now;
    const start = firstWord[one]!;
    const end = firstWord[one + 1]!;
    let at = firstMask[one]!;
    for (let i = firstOn[one]!, last = firstOn[one + 1]!; i < last; i++) {
      let any = 0;
      for (let word = start; word < end; word++) any |= now[word]! & masks[at++]!;
      if (any !== 0 || this.#isUnmet[i] === 1) continue;
      const conflict = this.#ruleOut(one, on[i]!);
      if (conflict !== NONE) return conflict;
      // Who has it is ruled out as long as nothing meets it, and need not be looked at again.
      this.#isUnmet[i] = 1;
      this.#unmet.push(i);
    }
    return NONE;
  }

  /** Rules out what has a dependency on a package that nothing meets; above the ground, where it can play a part. */
  #ruleOut(one: number, dependency: number): number {
    const { firstGroup, nextGroup, owner, having, masks } = this.#tables;
    const isGround = this.#levelStart.length === 0;
    for (let group = firstGroup[dependency]!; group !== NONE; group = nextGroup[group]!) {
      const from = owner[group]!;
      // What has one value has made its demands already.
      if (from === one || this.#count[from] === 1 || (!isGround && this.#isNear[from] === 0)) continue;
      if (!this.#remove(from, masks, having[group]!, 0, group)) return group;
    }
    return NONE;
  }

  #watch(lesson: number, a: number, b: number): void {
    const { node } = this.#derivation;
    this.#watchA.data[lesson] = a;
    this.#watchB.data[lesson] = b;
    (this.#watches[node.data[a]!] ??= []).push(lesson);
    (this.#watches[node.data[b]!] ??= []).push(lesson);
  }

  #checkWatches(one: number, list: number[]): number {
    let kept = 0;
    for (let i = 0; i < list.length; i++) {
      const lesson = list[i]!;
      const outcome = this.#look(lesson, one);
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

  #look(lesson: number, one: number): number {
    const { start, node, mask, sets } = this.#derivation;
    const a = this.#watchA.data[lesson]!;
    const b = this.#watchB.data[lesson]!;
    const mine = node.data[a] === one ? a : b;
    if (!this.#holds(mine)) return KEPT;
    const end = this.#derivation.endOf(lesson);
    for (let term = start.data[lesson]!; term < end; term++) {
      if (term === a || term === b || this.#holds(term)) continue;
      if (mine === a) this.#watchA.data[lesson] = term;
      else this.#watchB.data[lesson] = term;
      (this.#watches[node.data[term]!] ??= []).push(lesson);
      return MOVED;
    }
    const other = a + b - mine;
    return this.#remove(node.data[other]!, sets.data, mask.data[other]!, 0, LESSON - lesson) ? KEPT : VIOLATED;
  }

  /** Whether nothing outside of a term's set is possible. */
  #holds(term: number): boolean {
    const { node, mask, sets } = this.#derivation;
    const { firstWord } = this.#tables;
    const one = node.data[term]!;
    let at = mask.data[term]!;
    for (let word = firstWord[one]!, end = firstWord[one + 1]!; word < end; word++)
      if ((this.#now[word]! & ~sets.data[at++]!) !== 0) return false;
    return true;
  }

  // --- learning ------------------------------------------------------------------------------------------------------

  /** Learns why there is a conflict, and goes back to where that bites. */
  #learn(conflict: number): void {
    const { chains } = this.#derivation;
    const chain = chains.length;
    this.#drafted.length = 0;
    chains.push(conflict);
    this.#absorb(conflict, NONE);
    for (;;) {
      const drafted = this.#drafted;
      let top = NONE;
      let event = NONE;
      let second = NONE;
      for (let i = 0; i < drafted.length; i++) {
        const since = this.#since[drafted.data[i]!]!;
        if (since > event) {
          second = event;
          event = since;
          top = drafted.data[i]!;
        } else if (since > second) second = since;
      }
      // To install nothing at all is always possible.
      if (top === NONE) throw new Error("A registry cannot contradict itself");
      const level = second === NONE ? 0 : this.#events.data[second + LEVEL]!;
      const reason = this.#events.data[event + REASON]!;
      if (reason === DECIDED || level < this.#events.data[event + LEVEL]!)
        return this.#apply(chain, top, second, level);
      chains.push(reason);
      chains.push(top);
      this.#absorb(reason, top);
    }
  }

  /** Union on the pivot, intersection elsewhere. */
  #absorb(reason: number, pivot: number): void {
    if (reason >= 0) {
      const { owner, having, dependency, target, mask, masks } = this.#tables;
      this.#absorbTerm(owner[reason]!, masks, having[reason]!, 0, pivot);
      this.#absorbTerm(target[dependency[reason]!]!, masks, mask[dependency[reason]!]!, -1, pivot);
      return;
    }
    const lesson = LESSON - reason;
    const { start, node, mask, sets } = this.#derivation;
    for (let term = start.data[lesson]!, end = this.#derivation.endOf(lesson); term < end; term++)
      this.#absorbTerm(node.data[term]!, sets.data, mask.data[term]!, 0, pivot);
  }

  /** With `flip` -1 the set is all but what is given. */
  #absorbTerm(one: number, sets: Int32Array, place: number, flip: number, pivot: number): void {
    const start = this.#tables.firstWord[one]!;
    const end = this.#tables.firstWord[one + 1]!;
    const isNew = this.#draftPlace[one] === 0;
    for (let word = start, at = place; word < end; word++, at++) {
      const set = sets[at]! ^ flip;
      if (isNew) this.#draft[word] = set;
      else if (one === pivot) this.#draft[word]! |= set;
      else this.#draft[word]! &= set;
    }
    if (isNew) {
      this.#drafted.push(one);
      this.#draftPlace[one] = this.#drafted.length;
      this.#activity[one]! += this.#bump;
    }
    this.#settle(one, start, end);
  }

  /** Leaves out a term that holds from the ground up; finds since when another holds. */
  #settle(one: number, start: number, end: number): void {
    let outside = 0;
    for (let word = start; word < end; word++) outside |= this.#ground[word]! & ~this.#draft[word]!;
    if (outside === 0) return this.#drop(one);
    let event = this.#last[one]!;
    while (event !== NONE) {
      let old = this.#events.data[event + OLD]!;
      outside = 0;
      for (let word = start; word < end; word++) outside |= this.#oldWords.data[old++]! & ~this.#draft[word]!;
      if (outside !== 0) break;
      event = this.#events.data[event + PREVIOUS]!;
    }
    this.#since[one] = event;
  }

  #drop(one: number): void {
    const drafted = this.#drafted;
    const place = this.#draftPlace[one]! - 1;
    const moved = drafted.data[--drafted.length]!;
    drafted.data[place] = moved;
    this.#draftPlace[moved] = place + 1;
    this.#draftPlace[one] = 0;
  }

  #apply(chain: number, top: number, second: number, level: number): void {
    const derivation = this.#derivation;
    const { firstWord } = this.#tables;
    const lesson = derivation.openLesson(chain);
    this.#watchA.push(NONE);
    this.#watchB.push(NONE);
    let [mine, other] = [NONE, NONE];
    for (let i = 0; i < this.#drafted.length; i++) {
      const one = this.#drafted.data[i]!;
      const term = derivation.node.length;
      let at = derivation.addTerm(one, firstWord[one + 1]! - firstWord[one]!);
      for (let word = firstWord[one]!; word < firstWord[one + 1]!; word++)
        derivation.sets.data[at++] = this.#draft[word]!;
      if (one === top) mine = term;
      else if (second !== NONE && this.#since[one] === second) other = term;
      this.#draftPlace[one] = 0;
    }
    if (other !== NONE) this.#watch(lesson, mine, other);
    this.#backjump(level);
    this.#weigh();
    if (!this.#remove(top, derivation.sets.data, derivation.mask.data[mine]!, 0, LESSON - lesson))
      throw new Error("A learned statement is violated where it should bite");
  }

  /** Makes conflicts that come weigh more than those that were. */
  #weigh(): void {
    this.#bump *= 1.05;
    if (this.#bump < 1e100) return;
    for (let i = 0; i < this.#activity.length; i++) this.#activity[i]! *= 1e-100;
    this.#bump *= 1e-100;
  }
}

const KEPT = 0;
const MOVED = 1;
const VIOLATED = 2;
