import type { Policy } from "../compile/policy.ts";
import { Ints } from "../core/ints.ts";
import { EXCLUDED, type Derivation } from "./derivation.ts";
import type { RegistryTables } from "./registry-tables.ts";

const NONE = -1;

/**
 * Takes versions away that are excluded or have a dependency that no version left meets, until nothing changes. Gives the words
 * of the values that are left, absence not among them; why the others went is added to `derivation`.
 */
export function findDead(tables: RegistryTables, policy: Policy, derivation: Derivation): Int32Array {
  return new Burial(tables, derivation).run(policy);
}

class Burial {
  readonly #tables: RegistryTables;
  readonly #derivation: Derivation;
  readonly #alive: Int32Array;
  readonly #isHopeless: Uint8Array;
  readonly #queue = new Ints();

  constructor(tables: RegistryTables, derivation: Derivation) {
    this.#tables = tables;
    this.#derivation = derivation;
    this.#alive = tables.all.slice();
    this.#isHopeless = new Uint8Array(tables.target.length);
  }

  run(policy: Policy): Int32Array {
    const { packages, firstWord, target, firstOn, on, doubtfulOwner, doubtfulValue } = this.#tables;
    for (let number = 0; number < packages.length; number++) this.#alive[firstWord[number]!]! &= ~1;
    for (let i = 0; i < doubtfulOwner.length; i++) {
      const { key, candidates } = packages[doubtfulOwner[i]!]!;
      if (policy.exclusionsOf(key, candidates[doubtfulValue[i]! - 1]!).length > 0)
        this.#exclude(doubtfulOwner[i]!, doubtfulValue[i]!);
    }
    for (let dependency = 0; dependency < target.length; dependency++) this.#look(dependency);
    for (let place = 0; place < this.#queue.length; place++) {
      const buried = this.#queue.data[place]!;
      for (let i = firstOn[buried]!; i < firstOn[buried + 1]!; i++) this.#look(on[i]!);
    }
    return this.#alive;
  }

  #exclude(number: number, value: number): void {
    this.#alive[this.#tables.firstWord[number]! + (value >>> 5)]! &= ~(1 << (value & 31));
    this.#derivation.addEntry(number, EXCLUDED, value);
  }

  /** Buries who has a dependency that no version left meets. */
  #look(dependency: number): void {
    if (this.#isHopeless[dependency] === 1) return;
    const { target, mask, masks, firstWord, firstGroup, nextGroup } = this.#tables;
    const to = target[dependency]!;
    let at = mask[dependency]!;
    for (let word = firstWord[to]!; word < firstWord[to + 1]!; word++)
      if ((this.#alive[word]! & masks[at++]!) !== 0) return;
    this.#isHopeless[dependency] = 1;
    for (let group = firstGroup[dependency]!; group !== NONE; group = nextGroup[group]!) this.#bury(group);
  }

  #bury(group: number): void {
    const { owner, having, masks, firstWord } = this.#tables;
    const from = owner[group]!;
    let at = having[group]!;
    let gone = 0;
    for (let word = firstWord[from]!; word < firstWord[from + 1]!; word++) {
      gone |= this.#alive[word]! & masks[at]!;
      this.#alive[word]! &= ~masks[at++]!;
    }
    if (gone === 0) return;
    this.#derivation.addEntry(from, group);
    this.#queue.push(from);
  }
}
