import type { Bits } from "./bits.ts";
import type { FactCause, Universe } from "./compile.ts";
import type { ProofStep } from "./proof.ts";
import { Words, type Fact } from "./words.ts";

/** A step of the proof as it is told: steps that say nothing to a reader are folded away. */
interface Told {
  readonly terms: ReadonlyMap<number, Bits>;
  readonly cause: FactCause | undefined;
  readonly left: Told | undefined;
  readonly right: Told | undefined;
}

/** Beyond this a derivation is listed by its requirements: nobody reads two hundred lines. */
const LONGEST_STORY = 60;

/** The proof in words: shared parts are told once and numbered. */
export function tellProof(universe: Universe, steps: readonly ProofStep[]): string[] {
  const words = new Words(universe);
  const story = fold(universe, steps);
  const uses = countUses(story);
  if (story.left === undefined || story.right === undefined) {
    const fact = story.cause === undefined ? "the input contradicts itself" : words.fact(story.cause, story.terms);
    return [`Because ${fact}, there is no solution.`];
  }
  const derived = [...uses.keys()].filter((one) => one.left !== undefined).length;
  if (derived > LONGEST_STORY) return summary(words, uses, derived);
  return new Teller(words, uses).tell(story);
}

function summary(words: Words, uses: ReadonlyMap<Told, number>, derived: number): string[] {
  const facts = [...uses.keys()].filter((one) => one.cause !== undefined && one.cause.type !== "root");
  const lines = [...new Set(facts.map((one) => words.fact(one.cause!, one.terms)))];
  const shown = lines.slice(0, LONGEST_STORY).map((line) => `  - ${line}`);
  const rest = lines.length - shown.length;
  return [
    `There is no solution. A proof of ${derived} steps rests on these facts:`,
    ...shown,
    ...(rest > 0 ? [`  - and ${rest} more`] : []),
  ];
}

function fold(universe: Universe, steps: readonly ProofStep[]): Told {
  const told: Told[] = [];
  for (const step of steps) {
    if (step.left === -1) {
      told.push({ terms: step.terms, cause: step.cause, left: undefined, right: undefined });
      continue;
    }
    const left = told[step.left]!;
    const right = told[step.right]!;
    if (isSilent(universe, right)) told.push({ ...left, terms: step.terms });
    else if (isSilent(universe, left)) told.push({ ...right, terms: step.terms });
    else if (isLater(left, right)) told.push({ terms: step.terms, cause: undefined, left, right });
    else told.push({ terms: step.terms, cause: undefined, left: right, right: left });
  }
  return told.at(-1)!;
}

/** Facts come second in a sentence, after what was derived. */
function isLater(left: Told, right: Told): boolean {
  return left.left !== undefined || right.left === undefined;
}

function isSilent(universe: Universe, told: Told): boolean {
  if (told.left !== undefined) return false;
  if (told.cause?.type === "root") return true;
  if (told.cause?.type !== "feature") return false;
  return told.cause.text === "has the version of its package" || universe.infos[told.cause.node]!.type !== "feature";
}

function countUses(story: Told): Map<Told, number> {
  const uses = new Map<Told, number>();
  const stack = [story];
  for (let one = stack.pop(); one !== undefined; one = stack.pop()) {
    uses.set(one, (uses.get(one) ?? 0) + 1);
    if (uses.get(one) !== 1) continue;
    for (const part of [one.left, one.right]) if (part !== undefined) stack.push(part);
  }
  return uses;
}

/** The narration of PubGrub's error reporting: derived causes first, numbered where they are needed again. */
class Teller {
  readonly #words: Words;
  readonly #uses: ReadonlyMap<Told, number>;
  readonly #numbers = new Map<Told, number>();
  readonly #lines: string[] = [];

  constructor(words: Words, uses: ReadonlyMap<Told, number>) {
    this.#words = words;
    this.#uses = uses;
  }

  tell(story: Told): string[] {
    this.#visit(story, false);
    return this.#lines;
  }

  #visit(told: Told, mustNumber: boolean): void {
    if (this.#numbers.has(told)) return;
    const { left, right } = told;
    if (left === undefined || right === undefined) return;
    if (left.left !== undefined && right.left !== undefined) this.#visitBoth(told, left, right, mustNumber);
    else if (left.left !== undefined) this.#visitOne(told, left, right, mustNumber);
    else this.#line(told, `Because ${this.#both(left, right)}`, mustNumber);
  }

  #visitBoth(told: Told, left: Told, right: Told, mustNumber: boolean): void {
    const [known, open] = this.#numbers.has(right) ? [right, left] : [left, right];
    if (this.#numbers.has(known)) {
      this.#visit(open, false);
      const start = this.#numbers.has(open) ? `Because ${this.#reference(open)} and` : "And because";
      this.#line(told, `${start} ${this.#reference(known)}`, mustNumber);
      return;
    }
    if (this.#isShort(left) || this.#isShort(right)) {
      const [first, second] = this.#isShort(right) ? [left, right] : [right, left];
      this.#visit(first, false);
      this.#visit(second, false);
      this.#line(told, "Thus", mustNumber);
      return;
    }
    this.#visit(left, true);
    this.#visit(right, false);
    this.#line(told, `And because ${this.#reference(left)}`, mustNumber);
  }

  #visitOne(told: Told, derived: Told, fact: Told, mustNumber: boolean): void {
    if (this.#numbers.has(derived)) {
      this.#line(told, `Because ${this.#fact(fact)} and ${this.#reference(derived)}`, mustNumber);
      return;
    }
    const { left: inner, right: innerFact } = derived;
    const once = (this.#uses.get(derived) ?? 0) < 2;
    if (
      once &&
      inner?.left !== undefined &&
      innerFact !== undefined &&
      innerFact.left === undefined &&
      !this.#numbers.has(inner)
    ) {
      this.#visit(inner, false);
      this.#line(told, `And because ${this.#both(innerFact, fact)}`, mustNumber);
      return;
    }
    this.#visit(derived, false);
    this.#line(told, `And because ${this.#fact(fact)}`, mustNumber);
  }

  #isShort(told: Told): boolean {
    return told.left?.left === undefined && told.right?.left === undefined;
  }

  #fact(told: Told): string {
    return told.cause === undefined ? this.#words.conclusion(told.terms) : this.#words.fact(told.cause, told.terms);
  }

  /** Two facts in one breath: "a depends on both b and c", "a depends on b which depends on c". */
  #both(left: Told, right: Told): string {
    const words = this.#words;
    if (isFact(left) && isFact(right)) {
      if (words.leadsTo(left, right)) return this.#chain(left, right);
      if (words.leadsTo(right, left)) return this.#chain(right, left);
      const together = this.#shared(left, right) ?? this.#shared(right, left);
      if (together !== undefined) return together;
    }
    return `${this.#fact(left)} and ${this.#fact(right)}`;
  }

  #chain(first: Fact, second: Fact): string {
    const { type } = second.cause;
    const rest = type === "dependency" || type === "host" ? this.#words.demand(second.cause) : "";
    return `${this.#words.fact(first.cause, first.terms)} which ${rest}`;
  }

  #shared(left: Fact, right: Fact): string | undefined {
    if (left.cause.type !== "dependency" || right.cause.type !== "dependency") return undefined;
    const words = this.#words;
    const [subject, other] = [left, right].map(
      ({ cause, terms }) => cause.type === "dependency" && `${words.owner(cause, terms)} ${words.verb(cause)}`,
    );
    if (subject !== other || words.isHopeless(left.cause) || words.isHopeless(right.cause)) return undefined;
    return `${subject} both ${words.asked(left.cause)} and ${words.asked(right.cause)}`;
  }

  #reference(told: Told): string {
    return `${this.#words.conclusion(told.terms)} (${this.#numbers.get(told)})`;
  }

  #line(told: Told, because: string, mustNumber: boolean): void {
    const conclusion = this.#words.conclusion(told.terms);
    const start = conclusion === NONE ? because.replace(/^And because/, "So, because") : because;
    let line = `${start}, ${conclusion}.`;
    if (mustNumber || (this.#uses.get(told) ?? 0) > 1) {
      const number = this.#numbers.size + 1;
      this.#numbers.set(told, number);
      line = `${line} (${number})`;
    }
    this.#lines.push(line);
  }
}

const NONE = "there is no solution";

function isFact(told: Told): told is Told & Fact {
  return told.cause !== undefined;
}
