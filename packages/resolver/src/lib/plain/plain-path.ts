import { Ints } from "../core/ints.ts";
import type { RootPackage } from "../types.ts";
import type { PlainRules } from "./plain-rules.ts";
import type { Chosen } from "./plain-search.ts";

const NONE = -1;
const ABSENT = 0;

/**
 * The canonical walk of docs/spec/resolution.md, "Answer", without a search: each package that is met takes its most preferred
 * value against which nothing certain speaks, which is a reason, a requirement of a root or of an earlier pick, or a requirement
 * of its own that these leave nothing for. Where that ends in a solution, it is the answer; where it does not, it says nothing.
 */
export class PlainPath {
  readonly #rules: PlainRules;
  /** What is left of each package that was met. */
  #left: Int32Array = new Int32Array(256);
  /** Package -> its value; ABSENT until it has one, NONE where it was not met. */
  #picked: Int32Array = new Int32Array(0);
  readonly #order = new Ints(256);

  constructor(rules: PlainRules) {
    this.#rules = rules;
  }

  /**
   * What is chosen, where it can be told so; `undefined` where a search has to tell.
   * @throws {BeyondPlain}
   */
  follow(roots: readonly RootPackage[]): Chosen | undefined {
    this.#picked.fill(NONE);
    this.#order.length = 0;
    for (const root of roots) {
      for (const one of root.dependencies) {
        const dependency = this.#rules.dependencyOf(one, true, NONE);
        if (dependency !== NONE && !this.#demand(dependency)) return undefined;
      }
    }
    for (let place = 0; place < this.#order.length; place++)
      if (!this.#pick(this.#order.data[place]!)) return undefined;
    const nodes = this.#order.data.slice(0, this.#order.length);
    return { nodes, values: nodes.map((node) => this.#picked[node]!) };
  }

  #pick(node: number): boolean {
    const { orders, locked, size, firstRow, rowStart, rowEnd, rows, dependency } = this.#rules;
    const order = orders[node];
    const own = locked[node]!;
    const count = size.data[node]! - 1;
    let value = NONE;
    for (let i = 0; i < own.length && value === NONE; i++) if (this.#isGood(node, own[i]!)) value = own[i]!;
    for (let i = 0; i < count && value === NONE; i++) {
      const next = order === undefined ? count - i : order[i]!;
      if (this.#isGood(node, next)) value = next;
    }
    if (value === NONE) return false;
    this.#picked[node] = value;
    const row = firstRow.data[node]! + value;
    for (let i = rowStart.data[row]!, end = rowEnd.data[row]!; i < end; i++)
      if (!this.#demand(dependency.data[rows.data[i]!]!)) return false;
    return true;
  }

  /** Whether a value is left, and something is left for each of its demands. */
  #isGood(node: number, value: number): boolean {
    const { offset, firstRow, rowStart, rowEnd, rows, dependency, isOff, target } = this.#rules;
    if ((this.#left[offset.data[node]! + (value >>> 5)]! & (1 << (value & 31))) === 0) return false;
    const row = firstRow.data[node]! + value;
    for (let i = rowStart.data[row]!, end = rowEnd.data[row]!; i < end; i++) {
      const one = dependency.data[rows.data[i]!]!;
      const to = target.data[one]!;
      if (isOff.data[one] === 1 || to >= this.#picked.length || this.#picked[to] === NONE) continue;
      if (to === node ? !this.#accepts(one, value) : !this.#meets(one, to)) return false;
    }
    return true;
  }

  /** Whether a dependency accepts the value that a package has, or one that it may get. */
  #meets(one: number, to: number): boolean {
    if (this.#picked[to] !== ABSENT) return this.#accepts(one, this.#picked[to]!);
    const { offset, width, accepted, masks } = this.#rules;
    const at = offset.data[to]!;
    const mask = accepted.data[one]!;
    for (let i = width.data[to]! - 1; i >= 0; i--) if ((this.#left[at + i]! & masks.data[mask + i]!) !== 0) return true;
    return false;
  }

  #accepts(one: number, value: number): boolean {
    const { accepted, masks } = this.#rules;
    return (masks.data[accepted.data[one]! + (value >>> 5)]! & (1 << (value & 31))) !== 0;
  }

  /** Takes up what has to hold of a package, and meets it where it is new. */
  #demand(one: number): boolean {
    const { isOff, target, offset, width, accepted, masks } = this.#rules;
    if (isOff.data[one] === 1) return true;
    const to = target.data[one]!;
    if (to >= this.#picked.length || this.#picked[to] === NONE) this.#meet(to);
    if (this.#picked[to] !== ABSENT) return this.#accepts(one, this.#picked[to]!);
    const at = offset.data[to]!;
    const mask = accepted.data[one]!;
    for (let i = width.data[to]! - 1; i >= 0; i--) this.#left[at + i]! &= masks.data[mask + i]!;
    return true;
  }

  #meet(node: number): void {
    const rules = this.#rules;
    rules.open(node);
    if (this.#picked.length < rules.keys.length) {
      const grown = new Int32Array(rules.keys.length + 64).fill(NONE);
      grown.set(this.#picked);
      this.#picked = grown;
    }
    if (this.#left.length < rules.words) {
      const grown = new Int32Array(rules.words * 2);
      grown.set(this.#left);
      this.#left = grown;
    }
    rules.possibleInto(this.#left, node);
    this.#picked[node] = ABSENT;
    this.#order.push(node);
  }
}
