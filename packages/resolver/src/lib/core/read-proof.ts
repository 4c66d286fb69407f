import type { Bits } from "../bits.ts";
import { GROUND } from "./learn.ts";
import { NONE, type State } from "./state.ts";

/** A statement as the search recorded it: a claim, and what it is said to follow from. */
export interface RecordedStatement {
  /** What identifies it in one search. */
  readonly id: number;
  readonly nodes: readonly number[];
  readonly sets: readonly Bits[];
  /** Of a fact, what the compiler calls it; NONE for what is derived. */
  readonly cause: number;
  /** Of what is derived: the first statement, then pairs of a statement and the node on which it is resolved with it. */
  readonly chain: readonly number[];
}

/**
 * Reads what statements rest on, each after what it rests on itself. What was ruled out for good is a statement of its own
 * here: even numbers are statements, odd ones entries of the ground log.
 */
export class ProofReader {
  readonly #s: State;
  readonly #done = new Set<number>();

  constructor(state: State) {
    this.#s = state;
  }

  /** The proof of a statement; what an earlier call gave is not given again. */
  statement(id: number): RecordedStatement[] {
    return this.#inOrder(this.#ofStatement(id * 2));
  }

  /** The proof that a value of a node is ruled out for good, and the statement that says so. */
  ruledOut(node: number, bit: number): { readonly goal: number; readonly statements: RecordedStatement[] } {
    const s = this.#s;
    for (let entry = s.groundLast.data[node]!; entry !== NONE; entry = s.groundPrevious.data[entry]!) {
      const gone = s.groundGone.data[entry]!;
      if ((s.masks.data[gone + (bit >>> 5)]! & (1 << (bit & 31))) !== 0) {
        return { goal: entry * 2 + 1, statements: this.#inOrder(this.#ofEntry(entry)) };
      }
    }
    throw new Error(`Value ${bit} of node ${node} is not ruled out`);
  }

  #inOrder(goal: RecordedStatement): RecordedStatement[] {
    const order: RecordedStatement[] = [];
    const stack: { one: RecordedStatement; open: boolean }[] = [{ one: goal, open: true }];
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
      const { one, open } = top;
      if (this.#done.has(one.id)) continue;
      if (!open || one.chain.length === 0) {
        this.#done.add(one.id);
        order.push(one);
        continue;
      }
      stack.push({ one, open: false });
      for (let i = one.chain.length - 2; i >= -1; i -= 2) {
        const id = one.chain[Math.max(i, 0)]!;
        if (!this.#done.has(id)) stack.push({ one: this.#of(id), open: true });
      }
    }
    return order;
  }

  #of(id: number): RecordedStatement {
    return (id & 1) === 0 ? this.#ofStatement(id) : this.#ofEntry(id >> 1);
  }

  #ofStatement(id: number): RecordedStatement {
    const s = this.#s;
    const statement = id >> 1;
    const nodes: number[] = [];
    const sets: Bits[] = [];
    for (let term = s.firstTerm(statement); term < s.endTerm(statement); term++) {
      nodes.push(s.termNode.data[term]!);
      sets.push(this.#set(s.termNode.data[term]!, s.termMask.data[term]!));
    }
    const place = s.chain.data[statement]!;
    if (place === NONE) return { id, nodes, sets, cause: s.cause.data[statement]!, chain: [] };
    const length = s.chains.data[place]!;
    return { id, nodes, sets, cause: NONE, chain: this.#expanded(place + 1, length) };
  }

  #set(node: number, mask: number): Bits {
    return this.#s.masks.data.slice(mask, mask + this.#s.width.data[node]!);
  }

  /** The chain with references to the ground log replaced by the entries that matter. */
  #expanded(place: number, length: number): number[] {
    const { chains } = this.#s;
    const first = chains.data[place]!;
    const draft = new Draft(this.#s, first);
    const chain = [first * 2];
    for (let i = 1; i < length; i += 2) {
      const reference = chains.data[place + i]!;
      const pivot = chains.data[place + i + 1]!;
      if (reference >= 0) {
        draft.resolve(reference, pivot);
        chain.push(reference * 2, pivot);
      } else this.#completeBy(draft, pivot, GROUND - reference, chain);
    }
    return chain;
  }

  /** Resolves a node away by what was ruled out of it for good before a place in the log. */
  #completeBy(draft: Draft, node: number, before: number, chain: number[]): void {
    const s = this.#s;
    const entries: number[] = [];
    for (let entry = s.groundLast.data[node]!; entry !== NONE; entry = s.groundPrevious.data[entry]!) {
      if (entry < before) entries.push(entry);
    }
    for (const entry of entries.reverse()) {
      if (!draft.has(node)) return;
      if (!draft.lacks(node, s.groundGone.data[entry]!)) continue;
      const reason = s.groundReason.data[entry]!;
      draft.unite(node, this.#maskIn(reason, node));
      chain.push(entry * 2 + 1, node);
    }
    if (draft.has(node)) throw new Error(`Node ${node} is not ruled out at the ground`);
  }

  #maskIn(statement: number, node: number): number {
    const s = this.#s;
    for (let term = s.firstTerm(statement); term < s.endTerm(statement); term++) {
      if (s.termNode.data[term] === node) return s.termMask.data[term]!;
    }
    throw new Error(`Statement ${statement} does not speak of node ${node}`);
  }

  /** "The node has none of these values": a statement whose other terms hold from the ground up. */
  #ofEntry(entry: number): RecordedStatement {
    const s = this.#s;
    const node = s.groundNode.data[entry]!;
    const reason = s.groundReason.data[entry]!;
    const draft = new Draft(s, reason);
    const chain = [reason * 2];
    for (let term = s.firstTerm(reason); term < s.endTerm(reason); term++) {
      const other = s.termNode.data[term]!;
      if (other !== node) this.#completeBy(draft, other, entry, chain);
    }
    const sets = [this.#set(node, this.#maskIn(reason, node))];
    return { id: entry * 2 + 1, nodes: [node], sets, cause: NONE, chain };
  }
}

/** What a chain of resolutions has come to. */
class Draft {
  readonly #s: State;
  readonly #terms = new Map<number, Bits>();

  constructor(state: State, statement: number) {
    this.#s = state;
    this.#each(statement, (node, mask) => this.#terms.set(node, this.#copy(node, mask)));
  }

  #each(statement: number, visit: (node: number, mask: number) => void): void {
    const s = this.#s;
    for (let term = s.firstTerm(statement); term < s.endTerm(statement); term++) {
      visit(s.termNode.data[term]!, s.termMask.data[term]!);
    }
  }

  #copy(node: number, mask: number): Bits {
    return this.#s.masks.data.slice(mask, mask + this.#s.width.data[node]!);
  }

  has(node: number): boolean {
    return this.#terms.has(node);
  }

  resolve(statement: number, pivot: number): void {
    this.#each(statement, (node, mask) => {
      const mine = this.#terms.get(node);
      if (node === pivot) this.unite(node, mask);
      else if (mine === undefined) this.#terms.set(node, this.#copy(node, mask));
      else for (let i = 0; i < mine.length; i++) mine[i]! &= this.#s.masks.data[mask + i]!;
    });
  }

  unite(node: number, mask: number): void {
    const s = this.#s;
    const mine = this.#terms.get(node)!;
    const at = s.offset.data[node]!;
    let isFull = true;
    for (let i = 0; i < mine.length; i++) {
      mine[i]! |= s.masks.data[mask + i]!;
      if (mine[i] !== s.full[at + i]) isFull = false;
    }
    if (isFull) this.#terms.delete(node);
  }

  /** Whether a set has a value that the term has not. */
  lacks(node: number, mask: number): boolean {
    const mine = this.#terms.get(node)!;
    return mine.some((word, i) => (this.#s.masks.data[mask + i]! & ~word) !== 0);
  }
}
