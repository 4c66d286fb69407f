import { Ints } from "../core/ints.ts";

/** Reasons: a group's rule is its number, a lesson LESSON less its own; an exclusion has none behind it. */
export const EXCLUDED = -1;
export const LESSON = -2;

/**
 * What was derived about the versions of a registry, in order, for a checker to follow. Entries say "the package has none of
 * these values, ever", lessons "it cannot be that all of these hold"; a lesson says how many entries it may rest on.
 */
export class Derivation {
  /** Entry -> package, why, and where the reason is an exclusion, the value. */
  readonly entryOwner: Ints = new Ints(1024);
  readonly entryReason: Ints = new Ints(1024);
  readonly entryValue: Ints = new Ints(1024);

  /** Lesson -> its first term, the first place of its chain, and the number of entries before it. */
  readonly start: Ints = new Ints(256);
  readonly chainStart: Ints = new Ints(256);
  readonly entriesBefore: Ints = new Ints(256);
  /** Term -> package, and place in `sets`. */
  readonly node: Ints = new Ints(512);
  readonly mask: Ints = new Ints(512);
  readonly sets: Ints = new Ints(512);
  /** What lessons come from: the reason of a conflict, then pairs of a reason and the package on which it is resolved with it. */
  readonly chains: Ints = new Ints(1024);

  get entries(): number {
    return this.entryOwner.length;
  }

  get lessons(): number {
    return this.start.length;
  }

  addEntry(owner: number, reason: number, value: number = 0): void {
    this.entryOwner.push(owner);
    this.entryReason.push(reason);
    this.entryValue.push(value);
  }

  /** Opens a lesson whose chain, written since the last one, begins at a place; its terms follow. */
  openLesson(chainStart: number): number {
    this.start.push(this.node.length);
    this.chainStart.push(chainStart);
    this.entriesBefore.push(this.entries);
    return this.lessons - 1;
  }

  /** Adds a term to the latest lesson; gives the place of its set, which is to be filled in. */
  addTerm(node: number, width: number): number {
    const place = this.sets.reserve(width);
    this.node.push(node);
    this.mask.push(place);
    return place;
  }

  /** The term behind a lesson's last one. */
  endOf(lesson: number): number {
    return lesson + 1 < this.lessons ? this.start.data[lesson + 1]! : this.node.length;
  }

  /** The place behind a lesson's chain. */
  chainEnd(lesson: number): number {
    return lesson + 1 < this.lessons ? this.chainStart.data[lesson + 1]! : this.chains.length;
  }
}
