import { ABSENT } from "../bits.ts";
import { NONE, type State } from "./state.ts";

/** Open nodes in a heap: most conflicts first, then fewest values, then first met. */
export class Decisions {
  readonly #s: State;
  readonly #heap: number[] = [];
  #place: Int32Array = new Int32Array(64).fill(NONE);
  #bump = 1;

  constructor(state: State) {
    this.#s = state;
    state.changed = (node) => this.#changed(node);
  }

  /** A node that must be present and has several values; NONE where all are settled. */
  next(): number {
    for (;;) {
      const node = this.#heap[0];
      if (node === undefined) return NONE;
      if (this.#isOpen(node)) return node;
      this.#pop();
    }
  }

  /** Remembers that a node took part in a conflict. */
  bump(node: number): void {
    const { activity, bumps } = this.#s;
    bumps.data[node]!++;
    activity[node]! += this.#bump;
    if (activity[node]! > 1e100) this.#rescale();
    const place = this.#place[node];
    if (place !== undefined && place !== NONE) this.#up(place);
  }

  /** Makes what comes weigh more than what was. */
  decay(): void {
    this.#bump *= 1.05;
  }

  #rescale(): void {
    const { activity } = this.#s;
    for (let i = 0; i < activity.length; i++) activity[i]! *= 1e-100;
    this.#bump *= 1e-100;
  }

  #isOpen(node: number): boolean {
    const s = this.#s;
    return s.count.data[node]! > 1 && (s.now[s.offset.data[node]!]! & (1 << ABSENT)) === 0;
  }

  #changed(node: number): void {
    if (node >= this.#place.length) this.#grow(node);
    const place = this.#place[node]!;
    if (place === NONE) {
      if (!this.#isOpen(node)) return;
      this.#place[node] = this.#heap.length;
      this.#heap.push(node);
      this.#up(this.#heap.length - 1);
      return;
    }
    this.#up(place);
    this.#down(this.#place[node]!);
  }

  #grow(node: number): void {
    const grown = new Int32Array(Math.max(node + 1, this.#place.length * 2)).fill(NONE);
    grown.set(this.#place);
    this.#place = grown;
  }

  #before(left: number, right: number): boolean {
    const s = this.#s;
    const activity = s.activity[left]! - s.activity[right]!;
    if (activity !== 0) return activity > 0;
    const count = s.count.data[left]! - s.count.data[right]!;
    return count !== 0 ? count < 0 : left < right;
  }

  #pop(): void {
    const heap = this.#heap;
    this.#place[heap[0]!] = NONE;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    heap[0] = last;
    this.#place[last] = 0;
    this.#down(0);
  }

  #up(from: number): void {
    const heap = this.#heap;
    const node = heap[from]!;
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.#before(node, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      this.#place[heap[place]!] = place;
      place = parent;
    }
    heap[place] = node;
    this.#place[node] = place;
  }

  #down(from: number): void {
    const heap = this.#heap;
    const node = heap[from]!;
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#before(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#before(heap[child]!, node)) break;
      heap[place] = heap[child]!;
      this.#place[heap[place]!] = place;
      place = child;
    }
    heap[place] = node;
    this.#place[node] = place;
  }
}
