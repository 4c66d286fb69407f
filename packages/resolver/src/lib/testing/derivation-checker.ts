import type { Policy } from "../compile/policy.ts";
import { Ints } from "../core/ints.ts";
import { ResolverError } from "../resolver-error.ts";
import type { Dependency } from "../types.ts";
import { EXCLUDED, LESSON, type Derivation } from "./derivation.ts";
import type { RegistryTables } from "./registry-tables.ts";

const NONE = -1;

/**
 * Follows a derivation from its beginning, knowing nothing of how it was found: rules must be what the provider's candidates and
 * requirements say, lessons what resolution gives, entries what follows at once.
 */
export class DerivationChecker {
  readonly #tables: RegistryTables;
  readonly #policy: Policy;
  readonly #derivation: Derivation;
  /** Values that were shown to be impossible. */
  readonly #impossible: Int32Array;
  /** What the resolution at hand has come to: words of the packages that are touched. */
  readonly #draft: Int32Array;
  readonly #isTouched: Uint8Array;
  readonly #touched = new Ints();
  readonly #isGroupRead: Uint8Array;
  readonly #isDependencyRead: Uint8Array;
  #entries = 0;
  #lessons = 0;

  constructor(tables: RegistryTables, policy: Policy, derivation: Derivation) {
    this.#tables = tables;
    this.#policy = policy;
    this.#derivation = derivation;
    this.#impossible = new Int32Array(tables.all.length);
    this.#draft = new Int32Array(tables.all.length);
    this.#isTouched = new Uint8Array(tables.packages.length);
    this.#isGroupRead = new Uint8Array(tables.owner.length);
    this.#isDependencyRead = new Uint8Array(tables.target.length);
  }

  /**
   * Checks what was derived since the last time.
   * @throws {ResolverError} `RESOLVE_INTERNAL`
   */
  check(): void {
    const { lessons, entries, entriesBefore } = this.#derivation;
    for (; this.#lessons < lessons; this.#lessons++) {
      while (this.#entries < entriesBefore.data[this.#lessons]!) this.#checkEntry(this.#entries++);
      this.#checkLesson(this.#lessons);
    }
    while (this.#entries < entries) this.#checkEntry(this.#entries++);
  }

  /** Whether what was checked says that no solution has a value. */
  isRuledOut(one: number, value: number): boolean {
    return (this.#impossible[this.#tables.firstWord[one]! + (value >>> 5)]! & (1 << (value & 31))) !== 0;
  }

  /** Whether it says so of any value of a package. */
  hasRuledOut(one: number): boolean {
    const { firstWord } = this.#tables;
    for (let word = firstWord[one]!; word < firstWord[one + 1]!; word++) if (this.#impossible[word] !== 0) return true;
    return false;
  }

  // --- entries -------------------------------------------------------------------------------------------------------

  #checkEntry(entry: number): void {
    const { entryOwner, entryReason, entryValue } = this.#derivation;
    const one = entryOwner.data[entry]!;
    const reason = entryReason.data[entry]!;
    if (reason === EXCLUDED) this.#checkExclusion(one, entryValue.data[entry]!);
    else if (reason >= 0) this.#checkBurial(one, reason);
    else this.#checkUnit(one, LESSON - reason);
  }

  #checkExclusion(one: number, value: number): void {
    const { key, candidates } = this.#tables.packages[one]!;
    const candidate = candidates[value - 1];
    if (candidate === undefined || this.#policy.exclusionsOf(key, candidate).length === 0)
      throw this.#unsound(one, "nothing excludes it");
    this.#impossible[this.#tables.firstWord[one]! + (value >>> 5)]! |= 1 << (value & 31);
  }

  /** Nothing that a dependency accepts is possible, so nothing that has it is. */
  #checkBurial(one: number, group: number): void {
    const { owner, dependency, target, mask, masks, firstWord, having } = this.#tables;
    this.#readGroup(group);
    const to = target[dependency[group]!]!;
    if (owner[group] !== one || !this.#hasOnly(to, masks, mask[dependency[group]!]!, 0))
      throw this.#unsound(one, "a dependency of it can be met");
    let at = having[group]!;
    for (let word = firstWord[one]!; word < firstWord[one + 1]!; word++) this.#impossible[word]! |= masks[at++]!;
  }

  /** All terms of a lesson but one hold whatever is chosen. */
  #checkUnit(one: number, lesson: number): void {
    const { start, node, mask, sets } = this.#derivation;
    if (lesson >= this.#lessons) throw this.#unsound(one, "it cites what was not shown before");
    let own = NONE;
    for (let term = start.data[lesson]!; term < this.#derivation.endOf(lesson); term++) {
      const other = node.data[term]!;
      if (other === one) own = mask.data[term]!;
      else if (!this.#hasOnly(other, sets.data, mask.data[term]!, -1))
        throw this.#unsound(one, `it rests on "${this.#tables.packages[other]!.key}"`);
    }
    if (own === NONE) throw this.#unsound(one, "what it cites does not speak of it");
    for (let word = this.#tables.firstWord[one]!; word < this.#tables.firstWord[one + 1]!; word++)
      this.#impossible[word]! |= sets.data[own++]!;
  }

  /** Whether each value in a set, or with `flip` -1 each that is not in it, is impossible. */
  #hasOnly(one: number, sets: Int32Array, place: number, flip: number): boolean {
    const { all, firstWord } = this.#tables;
    let at = place;
    for (let word = firstWord[one]!; word < firstWord[one + 1]!; word++)
      if ((all[word]! & (sets[at++]! ^ flip) & ~this.#impossible[word]!) !== 0) return false;
    return true;
  }

  // --- rules ---------------------------------------------------------------------------------------------------------

  /** A rule as the provider has it: each version in the group has the dependency, and that accepts nothing that is not in its set. */
  #readGroup(group: number): void {
    if (this.#isGroupRead[group] === 1) return;
    const { owner, having, dependency, dependencies, packages, masks, firstWord } = this.#tables;
    const one = dependencies[dependency[group]!]!;
    const { candidates } = packages[owner[group]!]!;
    if ((masks[having[group]!]! & 1) !== 0) throw this.#unsound(owner[group]!, "absence has no dependency");
    let before: readonly Dependency[] | undefined;
    const words = firstWord[owner[group]! + 1]! - firstWord[owner[group]!]!;
    for (let word = 0; word < words; word++) {
      for (let left = masks[having[group]! + word]!; left !== 0; left &= left - 1) {
        const candidate = candidates[(word << 5) + 30 - Math.clz32(left & -left)];
        // Neighbours share their list.
        if (candidate !== undefined && candidate.dependencies === before) continue;
        if (candidate?.dependencies.includes(one) !== true)
          throw this.#unsound(owner[group]!, `${candidate?.version ?? "a version"} has no such dependency`);
        before = candidate.dependencies;
      }
    }
    this.#readDependency(dependency[group]!);
    this.#isGroupRead[group] = 1;
  }

  #readDependency(number: number): void {
    if (this.#isDependencyRead[number] === 1) return;
    const { dependencies, target, mask, masks, packages } = this.#tables;
    const requirement = this.#policy.effective(dependencies[number]!);
    const { candidates, key } = packages[target[number]!]!;
    if (key !== dependencies[number]!.key) throw this.#unsound(target[number]!, "another package is asked for");
    for (let i = 0; i < candidates.length; i++) {
      const isIn = (masks[mask[number]! + ((i + 1) >>> 5)]! & (1 << ((i + 1) & 31))) !== 0;
      if (!isIn && this.#policy.accepts(requirement, candidates[i]!.version))
        throw this.#unsound(target[number]!, `${candidates[i]!.version} meets ${requirement.canonical}`);
    }
    this.#isDependencyRead[number] = 1;
  }

  // --- lessons -------------------------------------------------------------------------------------------------------

  #checkLesson(lesson: number): void {
    const { chains, chainStart, start, node, mask, sets } = this.#derivation;
    const first = chainStart.data[lesson]!;
    this.#absorb(chains.data[first]!, NONE, lesson);
    const end = this.#derivation.chainEnd(lesson);
    for (let i = first + 1; i < end; i += 2) this.#absorb(chains.data[i]!, chains.data[i + 1]!, lesson);
    // Where the claim holds, so must what it was resolved to; on what the claim does not speak of, by what is impossible.
    for (let term = start.data[lesson]!; term < this.#derivation.endOf(lesson); term++) {
      const one = node.data[term]!;
      // The parts of a lesson are about a package each: what follows from one that names a package twice is not what is read of it.
      for (let other = start.data[lesson]!; other < term; other++)
        if (node.data[other] === one) throw this.#unsound(one, `lesson ${lesson} speaks of it twice`);
      this.#touch(one);
      const words = this.#tables.firstWord;
      let at = mask.data[term]!;
      for (let word = words[one]!; word < words[one + 1]!; word++) this.#draft[word]! |= ~sets.data[at++]!;
    }
    for (let i = 0; i < this.#touched.length; i++) {
      const one = this.#touched.data[i]!;
      if (!this.#hasOnly(one, this.#draft, this.#tables.firstWord[one]!, -1))
        throw this.#unsound(one, `lesson ${lesson} does not follow from what it cites`);
      this.#isTouched[one] = 0;
    }
    this.#touched.length = 0;
  }

  /** Union on the pivot, intersection elsewhere. */
  #absorb(reason: number, pivot: number, by: number): void {
    if (reason >= 0) return this.#absorbGroup(reason, pivot);
    const lesson = LESSON - reason;
    const { start, node, mask, sets } = this.#derivation;
    if (reason === EXCLUDED || lesson >= by) throw this.#unsound(pivot, `lesson ${by} cites what was not shown before`);
    for (let term = start.data[lesson]!; term < this.#derivation.endOf(lesson); term++) {
      const one = node.data[term]!;
      this.#touch(one);
      const { firstWord } = this.#tables;
      let at = mask.data[term]!;
      for (let word = firstWord[one]!; word < firstWord[one + 1]!; word++)
        this.#combine(word, sets.data[at++]!, one === pivot);
    }
  }

  #absorbGroup(group: number, pivot: number): void {
    const { owner, having, dependency, target, mask, masks, firstWord } = this.#tables;
    this.#readGroup(group);
    const from = owner[group]!;
    const to = target[dependency[group]!]!;
    let at = having[group]!;
    let refused = mask[dependency[group]!]!;
    this.#touch(from);
    this.#touch(to);
    for (let word = firstWord[from]!; word < firstWord[from + 1]!; word++)
      this.#combine(word, masks[at++]! & (from === to ? ~masks[refused++]! : -1), from === pivot);
    if (from === to) return;
    for (let word = firstWord[to]!; word < firstWord[to + 1]!; word++)
      this.#combine(word, ~masks[refused++]!, to === pivot);
  }

  /** A package that was not spoken of may have all of its values. */
  #touch(one: number): void {
    if (this.#isTouched[one] === 1) return;
    this.#isTouched[one] = 1;
    this.#touched.push(one);
    const { all, firstWord } = this.#tables;
    for (let word = firstWord[one]!; word < firstWord[one + 1]!; word++) this.#draft[word] = all[word]!;
  }

  #combine(word: number, set: number, isPivot: boolean): void {
    if (isPivot) this.#draft[word]! |= set;
    else this.#draft[word]! &= set;
  }

  #unsound(one: number, detail: string): ResolverError {
    const key = this.#tables.packages[one]?.key ?? "";
    return new ResolverError({
      code: "RESOLVE_INTERNAL",
      message: `Cannot trust the proof that was found: of "${key}", ${detail}`,
    });
  }
}
