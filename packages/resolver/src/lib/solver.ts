import type { Bits } from "./bits.ts";
import { ABSENT } from "./bits.ts";
import { Decisions } from "./core/decide.ts";
import { Learner, type Lesson } from "./core/learn.ts";
import { AT_GROUND, Propagation, WAITING, type RuleSource } from "./core/propagate.ts";
import { NONE, State, type Demand } from "./core/state.ts";
import { backjump, choose, remove, removeForGood } from "./core/trail.ts";
import { forgetStatements } from "./core/forget.ts";
import { RestartSchedule } from "./core/restart.ts";

export type { RuleSource } from "./core/propagate.ts";

/** `paused`: as many steps as were granted are done; ask again to go on. `exhausted`: the budget is spent. */
export type SolveStatus = "sat" | "unsat" | "needs" | "paused" | "exhausted";

/** A decision that is taken before every other. */
export interface Assumption {
  readonly node: number;
  readonly bit: number;
}

/** From here on a search is a hard one: demands are followed backwards too, and values that did well before come first. */
const HARD = 12;

/** Learned statements that are kept before the worst half is let go, and how many more each time. */
const FIRST_LEARNED = 3000;
const MORE_LEARNED = 600;

/**
 * Conflict-driven search over many-valued nodes (design: bitset domains with an absent bit, nogood learning by resolution).
 * Complete: `unsat` comes with a derivation of the empty statement, or, under assumptions, of one that rules them out.
 */
export class Solver {
  readonly state: State = new State();
  /** What is said of each node: how many values it has, absence among them. */
  readonly nodes: { readonly size: number }[] = [];
  decisions = 0;
  conflicts = 0;
  solves = 0;
  /** The empty statement, once it is derived. */
  contradiction: number = NONE;
  /** Steps (decisions and conflicts) after which `solve` comes back with `paused`. */
  pauseAfter: number = Infinity;
  /** Most steps of all. */
  budget: number = Infinity;
  /** Names the node that is to be decided next, or NONE to leave it to the search. */
  guide: (() => number) | undefined;
  /** Times that decisions were undone. */
  undone = 0;
  /** Whether a conflict undoes one decision at a time: where most decisions have nothing to do with it. */
  stepBack = false;
  /** Conflicts in one solve after which demands are followed backwards too. */
  deepAfter: number = HARD;
  /** What may be decided when nothing must be: `true` where it decided something. */
  optional: (() => boolean) | undefined;

  readonly #propagation: Propagation;
  readonly #learner: Learner;
  readonly #decisions: Decisions;
  readonly #restarts = new RestartSchedule();
  #assumptions: readonly Assumption[] = [];
  #conflictsOfSolve = 0;
  #learned: number[] = [];
  #mostLearned = FIRST_LEARNED;

  constructor(source: RuleSource) {
    this.#propagation = new Propagation(this.state, source);
    this.#learner = new Learner(this.state);
    this.#decisions = new Decisions(this.state);
  }

  // --- facts -----------------------------------------------------------------------------------------------------

  /** Adds a node of `versions` versions, best first by `order` (absent: the highest first). May be called in mid-search. */
  addNode(versions: number, order: readonly number[] | undefined, base: number = NONE): number {
    this.nodes.push({ size: versions + 1 });
    return this.state.addNode(versions, order, base);
  }

  mask(bits: Bits): number {
    return this.state.mask(bits);
  }

  /** Records a fact; terms that hold whatever is chosen are left out of it. Sets are given as places in the masks. */
  addFact(nodes: readonly number[], masks: readonly number[], cause: number): number {
    const s = this.state;
    const id = s.open(cause, NONE, 0);
    for (let i = 0; i < nodes.length; i++) if (!s.isFull(nodes[i]!, masks[i]!)) s.addTerm(nodes[i]!, masks[i]!);
    return id;
  }

  /** The same for one condition and one demand, which are two nodes. */
  addRule(node: number, mask: number, target: number, wrong: number, cause: number): number {
    const s = this.state;
    const id = s.open(cause, NONE, 0);
    s.addTerm(node, mask);
    if (!s.isFull(target, wrong)) s.addTerm(target, wrong);
    return id;
  }

  /** Takes values away from a node that nothing has happened to yet. */
  forbidAtBirth(node: number, mask: number, cause: number): void {
    const s = this.state;
    const id = this.addFact([node], [mask], cause);
    // Even "absent" is ruled out: no search is needed.
    if (s.holds(node, mask)) this.contradiction = this.#learner.learn(id).id;
    else removeForGood(s, node, mask, id);
  }

  /** Makes a fact of any number of terms take part in propagation from now on. */
  attach(statement: number): void {
    this.#propagation.attach(statement);
  }

  /** Rules out versions whose demand cannot be met by anything. */
  demand(statement: number): void {
    this.#propagation.demand(statement);
  }

  /** From now on, versions whose demand nothing meets any more are ruled out. */
  watchDemand(demand: Demand): void {
    this.#propagation.watchDemand(demand);
  }

  isMet(demand: Demand): boolean {
    return this.#propagation.isMet(demand);
  }

  /** Starts a node's rules whose value is given from the beginning (a root). */
  open(node: number): void {
    this.#propagation.await(node);
  }

  // --- state -----------------------------------------------------------------------------------------------------

  size(node: number): number {
    return this.state.size.data[node]!;
  }

  value(node: number): number {
    return Math.max(this.state.only(node), ABSENT);
  }

  /** Nodes that have one value, other than absence; those that had it from the beginning last. */
  present(): number[] {
    const s = this.state;
    const found: number[] = [];
    for (let event = 0; event < s.eventNode.length; event++) {
      const node = s.eventNode.data[event]!;
      if (s.last.data[node] === event && s.only(node) > ABSENT) found.push(node);
    }
    for (const node of this.#settled()) found.push(node);
    return found;
  }

  /** Nodes with one value at the ground. */
  #settled(): number[] {
    const s = this.state;
    const found: number[] = [];
    for (let entry = 0; entry < s.groundNode.length; entry++) {
      const node = s.groundNode.data[entry]!;
      if (s.groundLast.data[node] === entry && s.last.data[node] === NONE && s.only(node) > ABSENT) found.push(node);
    }
    return found;
  }

  /** Values of all nodes; those that are not needed have none. */
  values(): Int32Array {
    const values = new Int32Array(this.state.nodeCount);
    for (let node = 0; node < values.length; node++) values[node] = this.value(node);
    return values;
  }

  /** Values best first, absence apart. */
  preference(node: number): readonly number[] {
    const size = this.size(node);
    return this.state.order[node] ?? Array.from({ length: size - 1 }, (_, i) => size - 1 - i);
  }

  /** The best value that is possible whatever is decided, as far as is known. */
  bestAlive(node: number): number {
    return this.state.bestOf(this.state.ground, node);
  }

  isPossible(node: number, bit: number): boolean {
    return this.state.isPossible(node, bit);
  }

  /** Whether a value is possible whatever is decided, as far as is known. */
  isAlive(node: number, bit: number): boolean {
    const s = this.state;
    return (s.ground[s.offset.data[node]! + (bit >>> 5)]! & (1 << (bit & 31))) !== 0;
  }

  /** Decides a value that is possible; for `optional`. */
  decide(node: number, bit: number): void {
    this.decisions++;
    choose(this.state, node, bit);
  }

  /** Forgets every decision that is not among `assumptions`, taken in this order. */
  retreat(assumptions: readonly Assumption[]): void {
    this.#backTo(this.#sharedLevels(assumptions));
  }

  #backTo(level: number): void {
    if (level >= this.state.level) return;
    this.undone++;
    backjump(this.state, level);
    this.#propagation.undone();
  }

  #sharedLevels(assumptions: readonly Assumption[]): number {
    const { levelNode, levelBit, level: levels } = this.state;
    let level = 0;
    while (level < assumptions.length && level < levels) {
      const { node, bit } = assumptions[level]!;
      if (levelNode.data[level] !== node || levelBit.data[level] !== bit) break;
      level++;
    }
    return level;
  }

  // --- search ----------------------------------------------------------------------------------------------------

  /**
   * Searches on. `needs`: the source lacks metadata; call again when it has it. `unsat` with an empty
   * `contradiction` means: under these assumptions.
   */
  solve(assumptions: readonly Assumption[], mostConflicts: number = Infinity): SolveStatus {
    const shared = this.#sharedLevels(assumptions);
    if (shared < assumptions.length) this.#backTo(shared);
    this.#assumptions = assumptions;
    this.solves++;
    this.#conflictsOfSolve = 0;
    this.#propagation.deep = false;
    const pause = this.decisions + this.conflicts + this.pauseAfter;
    for (;;) {
      if (this.contradiction !== NONE) return "unsat";
      const conflict = this.#propagate();
      if (conflict === WAITING) return "needs";
      if (conflict === AT_GROUND) {
        this.#backTo(0);
        continue;
      }
      if (conflict !== NONE) {
        this.#learn(conflict);
        continue;
      }
      const steps = this.decisions + this.conflicts;
      if (steps >= this.budget) return "exhausted";
      if (steps >= pause || this.#conflictsOfSolve >= mostConflicts) return "paused";
      if (this.#restarts.isDue()) this.#restart();
      else {
        const status = this.#decide();
        if (status !== undefined) return status;
      }
    }
  }

  #propagate(): number {
    if (this.state.level === 0 && this.#propagation.dead.length > 0) {
      const conflict = this.#propagation.bury();
      if (conflict !== NONE) return conflict;
    }
    return this.#propagation.run();
  }

  #learn(conflict: number): void {
    this.conflicts++;
    this.#conflictsOfSolve++;
    this.#restarts.conflict();
    if (this.#conflictsOfSolve === this.deepAfter) this.#propagation.deep = true;
    const lesson = this.#learner.learn(conflict);
    if (lesson.level === NONE) {
      this.contradiction = lesson.id;
      return;
    }
    this.#bump();
    this.#backTo(this.stepBack ? Math.max(lesson.level, lesson.from - 1) : lesson.level);
    this.#apply(lesson);
  }

  #bump(): void {
    const { touched } = this.#learner;
    for (let i = 0; i < touched.length; i++) this.#decisions.bump(touched.data[i]!);
    this.#decisions.decay();
  }

  #apply({ id, term, second }: Lesson): void {
    const s = this.state;
    const isNew = s.chain.data[id] !== NONE && s.watchA.data[id] === NONE;
    if (isNew && second !== NONE) {
      this.#propagation.watch(id, term, second);
      this.#learned.push(id);
    }
    if (!remove(s, s.termNode.data[term]!, s.termMask.data[term]!, id)) {
      throw new Error("A learned statement is violated where it should bite");
    }
  }

  #restart(): void {
    this.#restarts.restarted();
    this.#backTo(Math.min(this.#assumptions.length, this.state.level));
    if (this.#learned.length < this.#mostLearned) return;
    this.#learned = forgetStatements(this.state, this.#learned);
    this.#mostLearned = Math.max(this.#mostLearned + MORE_LEARNED, this.#learned.length + MORE_LEARNED);
  }

  #decide(): SolveStatus | undefined {
    const assumption = this.#assumptions[this.state.level];
    if (assumption !== undefined) {
      if (!this.isPossible(assumption.node, assumption.bit)) return "unsat";
      this.decide(assumption.node, assumption.bit);
      return undefined;
    }
    const guided = this.guide?.() ?? NONE;
    const node = guided === NONE ? this.#decisions.next() : guided;
    if (node === NONE) return this.optional?.() === true ? undefined : "sat";
    const bit = guided === NONE ? this.#valueFor(node) : this.#bestFor(node);
    // To look at a value's rules may bring in packages, and with them facts that come before any decision.
    if (!this.#propagation.hasWork) this.decide(node, bit);
    return undefined;
  }

  /** In a hard search the version that it had before, where that can be. */
  #valueFor(node: number): number {
    const s = this.state;
    const before = s.saved.data[node]!;
    if (this.#conflictsOfSolve >= HARD && before > ABSENT && s.isPossible(node, before)) return before;
    return this.#bestFor(node);
  }

  /** The best version whose own demands can be met; where that is none, the best. */
  #bestFor(node: number): number {
    const s = this.state;
    const best = s.best(node);
    if (best === NONE) throw new Error(`Node ${node} has no version left`);
    if (this.#propagation.deep || this.#propagation.fits(node, best)) return best;
    return this.preference(node).find((bit) => s.isPossible(node, bit) && this.#propagation.fits(node, bit)) ?? best;
  }

  /** Whether a value is possible and what it needs by itself is, too. */
  fits(node: number, bit: number): boolean {
    return this.state.isPossible(node, bit) && this.#propagation.fits(node, bit);
  }
}
