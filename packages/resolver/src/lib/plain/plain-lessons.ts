import { Ints } from "../core/ints.ts";

/** Lessons that are kept for another environment at most: to look at more costs more than to learn them again. */
const MOST_KEPT = 400;

/** Of a lesson that rests on nothing that only some environments have. */
export const EVERYWHERE = -1;

/**
 * What a search has learned: statements "it cannot be that all of these hold", each term a package and a set of its values.
 * Terms of all lessons are in one list. A lesson speaks of rules alone, so that it holds in every environment in which these
 * rules count.
 */
export class Lessons {
  /** Lesson -> its first term. */
  readonly start: Ints = new Ints();
  /** Lesson -> the two terms that are watched; where they are one, nothing is. */
  readonly watchA: Ints = new Ints();
  readonly watchB: Ints = new Ints();
  /** Lesson -> the mode of the rules that it holds in, or EVERYWHERE. */
  readonly mode: Ints = new Ints();
  readonly node: Ints = new Ints(256);
  /** Place of a term's set. */
  readonly mask: Ints = new Ints(256);
  /** Sets of values that lessons speak of. */
  readonly sets: Ints = new Ints(256);

  get count(): number {
    return this.start.length;
  }

  /** Begins a lesson; its terms follow. */
  open(mode: number): number {
    this.start.push(this.node.length);
    this.watchA.push(0);
    this.watchB.push(0);
    this.mode.push(mode);
    return this.start.length - 1;
  }

  /** Adds a term to the latest lesson, and gives its number; its set is to be filled in. */
  addTerm(node: number, width: number): number {
    this.node.push(node);
    this.mask.push(this.sets.reserve(width));
    return this.node.length - 1;
  }

  /** The term behind a lesson's last one. */
  endOf(lesson: number): number {
    return lesson + 1 < this.start.length ? this.start.data[lesson + 1]! : this.node.length;
  }

  holdsIn(lesson: number, mode: number): boolean {
    const own = this.mode.data[lesson]!;
    return own === EVERYWHERE || own === mode;
  }

  /** Lets go of everything where it has become too much. */
  thinOut(): void {
    if (this.count <= MOST_KEPT) return;
    for (const one of [this.start, this.watchA, this.watchB, this.mode, this.node, this.mask, this.sets])
      one.length = 0;
  }
}
