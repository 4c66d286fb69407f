import { wordsFor, type Bits } from "../bits.ts";
import { Ints } from "./ints.ts";

/** No place, no statement, no event. */
export const NONE = -1;

/** A decision has no statement behind it. */
export const DECIDED = -1;

/** "This package in this range", whoever demands it. */
export interface Demand {
  readonly id: number;
  readonly target: number;
  /** Place of the set of what is refused. */
  readonly wrong: number;
  /** A version that met it when that was last looked at. */
  support: number;
}

/**
 * Everything a search knows, in flat arrays. Values of a node are bits; a node's words start at `offset[node]` in `now` (what
 * is still possible), `ground` (what is possible whatever is decided), `full` and `draft`.
 */
export class State {
  nodeCount = 0;
  readonly offset: Ints = new Ints();
  readonly width: Ints = new Ints();
  readonly size: Ints = new Ints();
  /** How many values are still possible. */
  readonly count: Ints = new Ints();
  /** Last change in the trail, or NONE. */
  readonly last: Ints = new Ints();
  /** Last change in the ground log, or NONE. */
  readonly groundLast: Ints = new Ints();
  /** For a feature: the node whose version it shares; else NONE. */
  readonly base: Ints = new Ints();
  /** Features of a node. */
  readonly pinned: (number[] | undefined)[] = [];
  /** Values best first, where that is not simply the highest first. */
  readonly order: (readonly number[] | undefined)[] = [];
  /** Learned and attached statements that watch a node: statement, a value outside of its set; and so on. */
  readonly watches: number[][] = [];
  /** What is demanded of a node (see propagate.ts). */
  readonly demands: Demand[][] = [];
  /** Value that it had before, or ABSENT. */
  readonly saved: Ints = new Ints();
  /** Conflicts that it took part in. */
  readonly bumps: Ints = new Ints();
  activity: Float64Array = new Float64Array(64);

  now: Int32Array = new Int32Array(128);
  ground: Int32Array = new Int32Array(128);
  full: Int32Array = new Int32Array(128);
  draft: Int32Array = new Int32Array(128);
  words = 0;

  // Statements: "it cannot be that every term holds". A term holds where nothing outside of its set is possible.
  statementCount = 0;
  readonly start: Ints = new Ints(1024);
  readonly termNode: Ints = new Ints(2048);
  /** Place of the term's set in `masks`. */
  readonly termMask: Ints = new Ints(2048);
  readonly masks: Ints = new Ints(4096);
  /** Of a fact, what the compiler calls it; DECIDED for what is derived. */
  readonly cause: Ints = new Ints(1024);
  /** Place in `chains` of what a derived statement comes from, or NONE. */
  readonly chain: Ints = new Ints(1024);
  readonly chains: Ints = new Ints(1024);
  /** Terms that are watched; NONE while it is not. */
  readonly watchA: Ints = new Ints(1024);
  readonly watchB: Ints = new Ints(1024);
  /** Levels that a learned statement spans; 0 for facts, NONE once it is let go. */
  readonly span: Ints = new Ints(1024);

  // Trail of changes above the ground.
  readonly eventNode: Ints = new Ints();
  readonly eventReason: Ints = new Ints();
  readonly eventPrevious: Ints = new Ints();
  readonly eventLevel: Ints = new Ints();
  /** Place in `oldWords` of the words before the change. */
  readonly eventOld: Ints = new Ints();
  readonly oldWords: Ints = new Ints(256);
  readonly levelStart: Ints = new Ints();
  readonly levelNode: Ints = new Ints();
  readonly levelBit: Ints = new Ints();

  // Log of what was ruled out for good: it is never undone.
  readonly groundNode: Ints = new Ints();
  readonly groundReason: Ints = new Ints();
  readonly groundPrevious: Ints = new Ints();
  /** Place in `masks` of the values that went, with any that had gone before. */
  readonly groundGone: Ints = new Ints();

  /** Nodes whose change was not propagated yet. */
  readonly queue: Ints = new Ints();
  queueHead = 0;
  queued: Uint8Array = new Uint8Array(64);

  /** Told whenever a node changes, so that decisions know. */
  changed: (node: number) => void = () => undefined;

  addNode(versions: number, order: readonly number[] | undefined, base: number): number {
    const node = this.nodeCount++;
    const size = versions + 1;
    const width = wordsFor(size);
    this.offset.push(this.words);
    this.width.push(width);
    this.size.push(size);
    this.count.push(size);
    this.last.push(NONE);
    this.groundLast.push(NONE);
    this.base.push(base);
    this.saved.push(0);
    this.bumps.push(0);
    this.order.push(order);
    this.pinned.push(undefined);
    this.watches.push([]);
    this.demands.push([]);
    if (base !== NONE) (this.pinned[base] ??= []).push(node);
    this.#addWords(width, size);
    if (node >= this.activity.length) this.#growNodes();
    return node;
  }

  #addWords(width: number, size: number): void {
    const at = this.words;
    this.words += width;
    if (this.words > this.now.length) this.#growWords();
    const last = at + width - 1;
    this.full.fill(-1, at, last);
    this.full[last] = (size & 31) === 0 ? -1 : (1 << (size & 31)) - 1;
    for (let i = at; i <= last; i++) this.now[i] = this.ground[i] = this.full[i]!;
  }

  #growWords(): void {
    const room = Math.max(this.words, this.now.length * 2);
    const grown = (old: Int32Array): Int32Array => {
      const array = new Int32Array(room);
      array.set(old);
      return array;
    };
    this.now = grown(this.now);
    this.ground = grown(this.ground);
    this.full = grown(this.full);
    this.draft = grown(this.draft);
  }

  #growNodes(): void {
    const activity = new Float64Array(this.activity.length * 2);
    activity.set(this.activity);
    this.activity = activity;
    const queued = new Uint8Array(this.queued.length * 2);
    queued.set(this.queued);
    this.queued = queued;
  }

  // --- sets and statements -------------------------------------------------------------------------------------

  /** Keeps a set for statements to speak of. */
  mask(bits: Bits): number {
    const at = this.masks.reserve(bits.length);
    this.masks.data.set(bits, at);
    return at;
  }

  /** Opens a statement; terms are added with `addTerm`. */
  open(cause: number, chain: number, span: number): number {
    const id = this.statementCount++;
    this.start.push(this.termNode.length);
    this.cause.push(cause);
    this.chain.push(chain);
    this.span.push(span);
    this.watchA.push(NONE);
    this.watchB.push(NONE);
    return id;
  }

  addTerm(node: number, mask: number): void {
    this.termNode.push(node);
    this.termMask.push(mask);
  }

  firstTerm(id: number): number {
    return this.start.data[id]!;
  }

  endTerm(id: number): number {
    return id + 1 < this.statementCount ? this.start.data[id + 1]! : this.termNode.length;
  }

  /** What two sets of a node have in common, kept as a set of its own; NONE where that is nothing. */
  overlap(node: number, left: number, right: number): number {
    const width = this.width.data[node]!;
    const both = this.masks.reserve(width);
    const masks = this.masks.data;
    let any = 0;
    for (let i = 0; i < width; i++) any |= masks[both + i] = masks[left + i]! & masks[right + i]!;
    return any === 0 ? NONE : both;
  }

  // --- questions -----------------------------------------------------------------------------------------------

  get level(): number {
    return this.levelStart.length;
  }

  isPossible(node: number, bit: number): boolean {
    return (this.now[this.offset.data[node]! + (bit >>> 5)]! & (1 << (bit & 31))) !== 0;
  }

  /** The only value, or NONE where there are several. */
  only(node: number): number {
    if (this.count.data[node] !== 1) return NONE;
    const at = this.offset.data[node]!;
    for (let i = 0; ; i++) {
      const word = this.now[at + i]!;
      if (word !== 0) return (i << 5) + 31 - Math.clz32(word);
    }
  }

  isFull(node: number, mask: number): boolean {
    const { masks, full } = this;
    const at = this.offset.data[node]!;
    for (let i = this.width.data[node]! - 1; i >= 0; i--) if (masks.data[mask + i] !== full[at + i]) return false;
    return true;
  }

  /** Whether nothing outside of a set is possible; the set is in `masks`. */
  holds(node: number, mask: number): boolean {
    const { now } = this;
    const masks = this.masks.data;
    const at = this.offset.data[node]!;
    for (let i = this.width.data[node]! - 1; i >= 0; i--) if ((now[at + i]! & ~masks[mask + i]!) !== 0) return false;
    return true;
  }

  /** A possible value outside of a set, or NONE. */
  outside(node: number, mask: number): number {
    const { now } = this;
    const masks = this.masks.data;
    const at = this.offset.data[node]!;
    for (let i = this.width.data[node]! - 1; i >= 0; i--) {
      const word = now[at + i]! & ~masks[mask + i]!;
      if (word !== 0) return (i << 5) + 31 - Math.clz32(word);
    }
    return NONE;
  }

  /** The most preferred value that is possible, absence apart; NONE where there is none. */
  best(node: number): number {
    return this.bestOf(this.now, node);
  }

  bestOf(words: Int32Array, node: number): number {
    const order = this.order[node];
    const at = this.offset.data[node]!;
    if (order === undefined) return highest(words, at, this.width.data[node]!);
    for (const bit of order) if ((words[at + (bit >>> 5)]! & (1 << (bit & 31))) !== 0) return bit;
    return NONE;
  }
}

function highest(words: Int32Array, at: number, width: number): number {
  for (let i = width - 1; i >= 0; i--) {
    const word = i === 0 ? words[at]! & ~1 : words[at + i]!;
    if (word !== 0) return (i << 5) + 31 - Math.clz32(word);
  }
  return NONE;
}
