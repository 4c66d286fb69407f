import { Ints } from "./ints.ts";
import { DECIDED, NONE, type State } from "./state.ts";

/** In a chain: "and with what was ruled out of the node for good", by the first `GROUND - statement` entries of the log. */
export const GROUND = -2;

/** What is learned from a conflict. */
export interface Lesson {
  /** The statement that bites after going back to `level`; the empty one where it is a contradiction. */
  readonly id: number;
  /** Level at which it bites; NONE for a contradiction. */
  readonly level: number;
  /** Level of the decision that it undoes. */
  readonly from: number;
  /** Term that it rules out, and the one that came to hold before; NONE where there is none. */
  readonly term: number;
  readonly second: number;
}

/**
 * Derives, by resolution, the statement that explains a conflict: up to the first unique implication point. What the draft says
 * of a node is in `state.draft`.
 */
export class Learner {
  /** Nodes of the last lesson, and of what it was derived from. */
  readonly touched: Ints = new Ints();

  readonly #s: State;
  readonly #nodes = new Ints();
  readonly #chain = new Ints();
  #place: Int32Array = new Int32Array(64);
  #since: Int32Array = new Int32Array(64);

  constructor(state: State) {
    this.#s = state;
  }

  learn(conflict: number): Lesson {
    const s = this.#s;
    this.#start(conflict);
    for (;;) {
      const nodes = this.#nodes;
      let top = NONE;
      let event = NONE;
      let second = NONE;
      for (let i = 0; i < nodes.length; i++) {
        const since = this.#since[nodes.data[i]!]!;
        if (since > event) {
          second = event;
          event = since;
          top = nodes.data[i]!;
        } else if (since > second) second = since;
      }
      if (top === NONE) return { id: this.#finish(NONE), level: NONE, from: NONE, term: NONE, second: NONE };
      const level = second === NONE ? 0 : s.eventLevel.data[second]!;
      const reason = s.eventReason.data[event]!;
      if (reason === DECIDED || level < s.eventLevel.data[event]!)
        return this.#lesson(conflict, top, second, level, s.eventLevel.data[event]!);
      this.#absorb(reason, top);
      this.#chain.push(reason);
      this.#chain.push(top);
      this.#settle(top);
    }
  }

  #start(conflict: number): void {
    if (this.#place.length < this.#s.nodeCount) {
      this.#place = new Int32Array(this.#s.nodeCount * 2);
      this.#since = new Int32Array(this.#s.nodeCount * 2);
    }
    for (let i = 0; i < this.#nodes.length; i++) this.#place[this.#nodes.data[i]!] = 0;
    this.#nodes.length = this.#chain.length = this.touched.length = 0;
    this.#chain.push(conflict);
    this.#absorb(conflict, NONE);
  }

  /** Union on the pivot, intersection elsewhere. */
  #absorb(id: number, pivot: number): void {
    const s = this.#s;
    const end = s.endTerm(id);
    for (let term = s.firstTerm(id); term < end; term++) {
      const node = s.termNode.data[term]!;
      const mask = s.termMask.data[term]!;
      const at = s.offset.data[node]!;
      const width = s.width.data[node]!;
      if (this.#place[node] === 0) {
        this.#nodes.push(node);
        this.touched.push(node);
        this.#place[node] = this.#nodes.length;
        for (let i = 0; i < width; i++) s.draft[at + i] = s.masks.data[mask + i]!;
      } else if (node === pivot) {
        for (let i = 0; i < width; i++) s.draft[at + i]! |= s.masks.data[mask + i]!;
        continue;
      } else {
        for (let i = 0; i < width; i++) s.draft[at + i]! &= s.masks.data[mask + i]!;
      }
      if (pivot === NONE || node !== pivot) this.#later.push(node);
    }
    if (pivot === NONE) this.#settleLater();
  }

  readonly #later: number[] = [];

  #settleLater(): void {
    for (let node = this.#later.pop(); node !== undefined; node = this.#later.pop()) this.#settleOne(node);
  }

  #settle(pivot: number): void {
    this.#settleOne(pivot);
    this.#settleLater();
  }

  /** Leaves out a term that always holds, or holds from the ground up; finds since when the others hold. */
  #settleOne(node: number): void {
    const s = this.#s;
    const at = s.offset.data[node]!;
    const width = s.width.data[node]!;
    let [isFull, isGround] = [true, true];
    for (let i = 0; i < width; i++) {
      const said = ~s.draft[at + i]!;
      if ((s.full[at + i]! & said) !== 0) isFull = false;
      if ((s.ground[at + i]! & said) !== 0) isGround = false;
    }
    if (isGround) {
      if (!isFull) {
        this.#chain.push(GROUND - s.groundNode.length);
        this.#chain.push(node);
      }
      this.#drop(node);
      return;
    }
    let event = s.last.data[node]!;
    while (event !== NONE) {
      const old = s.eventOld.data[event]!;
      let held = true;
      for (let i = 0; i < width && held; i++) held = (s.oldWords.data[old + i]! & ~s.draft[at + i]!) === 0;
      if (!held) break;
      event = s.eventPrevious.data[event]!;
    }
    this.#since[node] = event;
  }

  #drop(node: number): void {
    const nodes = this.#nodes;
    const place = this.#place[node]! - 1;
    const moved = nodes.data[--nodes.length]!;
    nodes.data[place] = moved;
    this.#place[moved] = place + 1;
    this.#place[node] = 0;
  }

  #lesson(conflict: number, top: number, second: number, level: number, from: number): Lesson {
    const s = this.#s;
    const id = this.#chain.length === 1 ? conflict : this.#finish(this.#span());
    let [term, other] = [NONE, NONE];
    const end = s.endTerm(id);
    for (let i = s.firstTerm(id); i < end; i++) {
      const node = s.termNode.data[i]!;
      if (node === top) term = i;
      else if (this.#since[node] === second) other = i;
    }
    return { id, level, from, term, second: other };
  }

  /** How many levels the draft spans: the fewer, the more useful it is. */
  #span(): number {
    const levels = new Set<number>();
    for (let i = 0; i < this.#nodes.length; i++) {
      levels.add(this.#s.eventLevel.data[this.#since[this.#nodes.data[i]!]!]!);
    }
    return levels.size;
  }

  #finish(span: number): number {
    const s = this.#s;
    const place = s.chains.length;
    s.chains.push(this.#chain.length);
    for (let i = 0; i < this.#chain.length; i++) s.chains.push(this.#chain.data[i]!);
    const id = s.open(DECIDED, place, Math.max(span, 0));
    for (let i = 0; i < this.#nodes.length; i++) {
      const node = this.#nodes.data[i]!;
      const at = s.offset.data[node]!;
      const mask = s.masks.reserve(s.width.data[node]!);
      s.masks.data.set(s.draft.subarray(at, at + s.width.data[node]!), mask);
      s.addTerm(node, mask);
    }
    return id;
  }
}
