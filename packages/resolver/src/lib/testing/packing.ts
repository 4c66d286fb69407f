import { ABSENT } from "../bits.ts";
import { Ints } from "../core/ints.ts";
import type { RegistryTables } from "./registry-tables.ts";

const NONE = -1;
/** Versions in a row that do not fit into a solution, after which it takes no more along. */
const MOST_MISSES = 12;
/** Times that a version by itself is tried again with the package in front that had no choice left. */
const MOST_RETRIES = 4;

/** Told of each solution: the packages that are in it; their values are in `chosen`, ABSENT for all others. */
export type SolutionListener = (members: Ints, chosen: Int32Array) => void;

/**
 * Fills solutions with versions of packages that have no answer yet, newest first and without ever going back on a choice: each
 * version that is asked about comes with all that it needs, or not at all. Gives the versions that even by themselves could not
 * be had so, which says nothing about them, as packages and values.
 */
export function packSolutions(
  tables: RegistryTables,
  alive: Int32Array,
  asked: number,
  found: SolutionListener,
): [one: number, value: number][] {
  return new Packing(tables, alive, asked, found).run();
}

const OPEN = 0;
const ANSWERED = 1;

class Packing {
  readonly #tables: RegistryTables;
  readonly #domains: Int32Array;
  readonly #chosen: Int32Array;
  readonly #marks: Uint8Array;
  /** Span -> the newest of its values that may be open. */
  readonly #newest: Int32Array;
  readonly #members = new Ints(1024);
  /** Pairs of a place in `#domains` and what was there. */
  readonly #undone = new Ints(2048);
  readonly #required = new Ints(256);
  readonly #first = new Ints(16);
  readonly #given: [one: number, value: number][] = [];
  readonly #found: SolutionListener;
  /** Spans with open values, the next ones at the end. */
  readonly #open: Ints;
  /** The package that had no choice left. */
  #stuck = NONE;

  constructor(tables: RegistryTables, alive: Int32Array, asked: number, found: SolutionListener) {
    this.#tables = tables;
    this.#found = found;
    this.#domains = alive.slice();
    this.#chosen = new Int32Array(tables.packages.length);
    this.#marks = new Uint8Array(tables.rowStart.length);
    this.#passDead(alive);
    this.#newest = tables.spanNewest.slice();
    this.#open = new Ints(this.#newest.length);
    for (let i = 0; i < this.#newest.length; i++) if (tables.spanOwner[i]! < asked && this.#skip(i)) this.#open.push(i);
  }

  /** To what is not alive nothing more can be said. */
  #passDead(alive: Int32Array): void {
    const { firstVersion, firstWord, packages } = this.#tables;
    for (let one = 0; one < packages.length; one++) {
      const before = firstVersion[one]! - 1;
      const word = firstWord[one]!;
      for (let value = firstVersion[one + 1]! - firstVersion[one]!; value > ABSENT; value--)
        if ((alive[word + (value >>> 5)]! & (1 << (value & 31))) === 0) this.#marks[before + value] = ANSWERED;
    }
  }

  run(): [one: number, value: number][] {
    while (this.#open.length > 0) {
      const from = this.#fill();
      if (this.#members.length > 0) this.#keep();
      this.#undo(0, 0);
      this.#close(from);
    }
    return this.#given;
  }

  /** Place of the last of the open spans that was looked at, from the end of their list on. */
  #fill(): number {
    const { spanOwner, spanHub } = this.#tables;
    const { data: open, length } = this.#open;
    let misses = 0;
    let place = length;
    while (place > 0 && misses < MOST_MISSES) {
      place--;
      const span = open[place]!;
      const one = spanOwner[span]!;
      const isOpen = this.#chosen[one] === ABSENT && (spanHub[span] === NONE || this.#canMeet(spanHub[span]!));
      const value = isOpen ? this.#openValue(one, span) : ABSENT;
      if (value !== ABSENT && (this.#take(one, value) || (this.#members.length === 0 && this.#insist(one, value))))
        misses = 0;
      else misses++;
    }
    return place;
  }

  /** Whether something that a dependency accepts is possible. */
  #canMeet(dependency: number): boolean {
    const { target, mask, masks, firstWord } = this.#tables;
    const to = target[dependency]!;
    let at = mask[dependency]!;
    for (let word = firstWord[to]!, last = firstWord[to + 1]!; word < last; word++)
      if ((this.#domains[word]! & masks[at++]!) !== 0) return true;
    return false;
  }

  /** The newest open value of a span that is possible beside what is chosen. */
  #openValue(one: number, span: number): number {
    const before = this.#tables.firstVersion[one]! - 1;
    const word = this.#tables.firstWord[one]!;
    const oldest = this.#tables.spanOldest[span]!;
    for (let value = this.#newest[span]!; value >= oldest; value--) {
      if (this.#marks[before + value] !== OPEN) continue;
      if ((this.#domains[word + (value >>> 5)]! & (1 << (value & 31))) !== 0) return value;
    }
    return ABSENT;
  }

  /** A version by itself, once more, with those in front that were stuck; one that cannot be had so is given back. */
  #insist(one: number, value: number): boolean {
    let left = MOST_RETRIES;
    while (left-- > 0 && this.#stuck !== NONE) {
      this.#putFirst(this.#stuck);
      if (this.#take(one, value)) {
        this.#first.length = 0;
        return true;
      }
    }
    this.#first.length = 0;
    this.#marks[this.#tables.firstVersion[one]! + value - 1] = ANSWERED;
    this.#given.push([one, value]);
    return false;
  }

  #putFirst(one: number): void {
    const { data, length } = this.#first;
    let place = 0;
    while (place < length && data[place] !== one) place++;
    if (place === length) this.#first.push(one);
    for (; place > 0; place--) this.#first.data[place] = this.#first.data[place - 1]!;
    this.#first.data[0] = one;
  }

  /** Chooses a value and all that it needs; where that fails, nothing is changed. */
  #take(one: number, value: number): boolean {
    const members = this.#members.length;
    const undone = this.#undone.length;
    this.#required.length = 0;
    this.#stuck = NONE;
    let ok = this.#choose(one, value);
    for (let place = 0; ok && place < this.#required.length; place++) {
      while (this.#first.length > 0 && ok) {
        const front = this.#inFront();
        if (front === NONE) break;
        ok = this.#chooseFor(front);
      }
      const next = this.#required.data[place]!;
      if (ok && this.#chosen[next] === ABSENT) ok = this.#chooseFor(next);
    }
    if (!ok) this.#undo(members, undone);
    return ok;
  }

  #inFront(): number {
    const { data, length } = this.#first;
    for (let i = 0; i < length; i++) {
      if (this.#chosen[data[i]!] !== ABSENT) continue;
      for (let j = 0; j < this.#required.length; j++) if (this.#required.data[j] === data[i]) return data[i]!;
    }
    return NONE;
  }

  #chooseFor(one: number): boolean {
    const { firstWord } = this.#tables;
    const start = firstWord[one]!;
    for (let word = firstWord[one + 1]! - 1; word >= start; word--) {
      for (let left = this.#domains[word]!; left !== 0;) {
        const bit = 31 - Math.clz32(left);
        left &= ~(1 << bit);
        const value = ((word - start) << 5) + bit;
        if (this.#choose(one, value)) return true;
      }
    }
    this.#stuck = one;
    return false;
  }

  /** Chooses a value and notes what it needs; where nothing is left of that, nothing is changed. */
  #choose(one: number, value: number): boolean {
    const { firstVersion, rowStart, rowEnd, rows, target, mask, masks, firstWord } = this.#tables;
    const domains = this.#domains;
    const members = this.#members.length;
    const undone = this.#undone.length;
    const required = this.#required.length;
    this.#chosen[one] = value;
    this.#members.push(one);
    for (let word = firstWord[one]!, at = 0, last = firstWord[one + 1]!; word < last; word++, at++)
      this.#narrow(word, at === value >>> 5 ? 1 << (value & 31) : 0);
    const version = firstVersion[one]! + value - 1;
    for (let i = rowStart[version]!, end = rowEnd[version]!; i < end; i++) {
      const dependency = rows[i]!;
      const to = target[dependency]!;
      let at = mask[dependency]!;
      let any = 0;
      for (let word = firstWord[to]!, last = firstWord[to + 1]!; word < last; word++) {
        const rest = domains[word]! & masks[at++]!;
        any |= rest;
        if (rest !== domains[word]) this.#narrow(word, rest);
      }
      if (any === 0) {
        this.#undo(members, undone);
        this.#required.length = required;
        return false;
      }
      if (this.#chosen[to] === ABSENT) this.#required.push(to);
    }
    return true;
  }

  #narrow(word: number, rest: number): void {
    const undone = this.#undone;
    undone.room(2);
    undone.data[undone.length++] = word;
    undone.data[undone.length++] = this.#domains[word]!;
    this.#domains[word] = rest;
  }

  #undo(members: number, undone: number): void {
    const { data, length } = this.#undone;
    for (let i = length - 2; i >= undone; i -= 2) this.#domains[data[i]!] = data[i + 1]!;
    this.#undone.length = undone;
    for (let i = this.#members.length - 1; i >= members; i--) this.#chosen[this.#members.data[i]!] = ABSENT;
    this.#members.length = members;
  }

  #keep(): void {
    this.#found(this.#members, this.#chosen);
    for (let i = 0; i < this.#members.length; i++) {
      const one = this.#members.data[i]!;
      this.#marks[this.#tables.firstVersion[one]! + this.#chosen[one]! - 1] = ANSWERED;
    }
  }

  /** Takes spans off the list that have no open version; those before `from` are left for their turn. */
  #close(from: number): void {
    const { data: open, length } = this.#open;
    let kept = from;
    for (let i = from; i < length; i++) if (this.#skip(open[i]!)) open[kept++] = open[i]!;
    this.#open.length = kept;
  }

  /** Skips the newest values that have an answer; whether one is left. */
  #skip(span: number): boolean {
    const before = this.#tables.firstVersion[this.#tables.spanOwner[span]!]! - 1;
    const oldest = this.#tables.spanOldest[span]!;
    let value = this.#newest[span]!;
    while (value >= oldest && this.#marks[before + value] !== OPEN) value--;
    this.#newest[span] = value;
    return value >= oldest;
  }
}
