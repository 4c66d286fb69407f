import { ABSENT, hasBit } from "./bits.ts";
import type { Follower, Universe } from "./compile.ts";
import { NONE } from "./core/state.ts";
import { ResolverError } from "./resolver-error.ts";
import type { Assumption } from "./solver.ts";

/** Node -> value (as bit) of everything that is in the answer. */
export type Chosen = ReadonlyMap<number, number>;

/**
 * The canonical answer (docs/spec/resolution.md §answer): the roots' requirements in manifest order, breadth first; each
 * package that is met gets its most preferred version for which a solution exists with all earlier picks kept. Yields
 * whenever metadata is missing, and when the steps granted are done. Returns `undefined` where there is no solution; with
 * `anyWillDo`, also where the budget did not suffice to know, and then the solver has no contradiction.
 * @throws {ResolverError} `RESOLVE_BUDGET_EXCEEDED`
 */
export function* solveCanonically(universe: Universe, anyWillDo = false): Generator<void, Chosen | undefined> {
  const walk = new Walk(universe, anyWillDo);
  if (!(yield* walk.search())) return undefined;
  if (!anyWillDo) yield* walk.run();
  return walk.chosen;
}

/** Conflicts after which the search is let go where it likes, and then those that the canonical order may cost once more. */
const FIRST_TRY = 100;
const SECOND_TRY = 1000;

class Walk {
  readonly chosen = new Map<number, number>();
  readonly #universe: Universe;
  readonly #anyWillDo: boolean;
  readonly #picks: Assumption[] = [];
  readonly #queue: number[] = [];
  readonly #met = new Set<number>();
  #next = 0;
  #conditional: Follower[] = [];
  #values: Int32Array = new Int32Array(0);
  /** How many places of the order have their best value because the search went by it. */
  #guided = 0;

  constructor(universe: Universe, anyWillDo: boolean) {
    this.#universe = universe;
    this.#anyWillDo = anyWillDo;
  }

  /**
   * Whether there is a solution. A search that decides in canonical order, best values first, comes to the canonical answer
   * by itself; only where that is hard, a free search comes first.
   */
  *search(): Generator<void, boolean> {
    const anyWillDo = this.#anyWillDo;
    const { solver } = this.#universe;
    const order = new CanonicalOrder(this.#universe);
    for (const most of anyWillDo ? [Infinity] : [FIRST_TRY, Infinity, SECOND_TRY]) {
      solver.guide = anyWillDo || most === Infinity ? undefined : () => order.next();
      if (most === SECOND_TRY) solver.retreat([]);
      const status = yield* this.#attempt([], most);
      this.#guided = status === "sat" && solver.guide !== undefined ? order.settled : 0;
      solver.guide = undefined;
      if (status === "unsat") return false;
      if (this.#guided > 0) return true;
    }
    return true;
  }

  *#attempt(assumptions: readonly Assumption[], most: number): Generator<void, "sat" | "unsat" | "gave up"> {
    const { solver } = this.#universe;
    const last = solver.conflicts + most;
    for (;;) {
      const status = solver.solve(assumptions, last - solver.conflicts);
      if (status === "unsat") return status;
      if (status === "exhausted") {
        if (this.#anyWillDo) return "unsat";
        throw exhausted(this.#universe);
      }
      if (status === "sat") {
        this.#values = solver.values();
        return status;
      }
      if (status === "paused" && solver.conflicts >= last) return "gave up";
      yield;
    }
  }

  *run(): Generator<void, void> {
    for (const [node, info] of this.#universe.infos.entries()) if (info.type === "root") this.#meet(node);
    for (;;) {
      const node = this.#queue[this.#next++] ?? this.#nextConditional();
      if (node === undefined) return;
      const value = this.#next <= this.#guided || this.#isBest(node) ? this.#keep(node) : yield* this.#pick(node);
      if (value === ABSENT) continue;
      this.chosen.set(node, value);
      for (const follower of this.#universe.followers(node, value)) {
        if (follower.if.length === 0) this.#meet(follower.node);
        else this.#conditional.push(follower);
      }
    }
  }

  #meet(node: number): void {
    if (this.#met.has(node)) return;
    this.#met.add(node);
    this.#queue.push(node);
  }

  /** What is needed only together with something else, once all of it has been met. */
  #nextConditional(): number | undefined {
    const ready = new Set(
      this.#conditional.filter((follower) =>
        follower.if.every(({ node, set }) => this.chosen.has(node) && hasBit(set, this.chosen.get(node)!)),
      ),
    );
    this.#conditional = this.#conditional.filter((follower) => !ready.has(follower));
    this.#next = this.#queue.length;
    for (const { node } of ready) this.#meet(node);
    return this.#queue[this.#next++];
  }

  /** Whether the solution at hand has the best value there can be. */
  #isBest(node: number): boolean {
    const { solver, infos } = this.#universe;
    const value = this.#values[node]!;
    // A feature has the version of its package, which was met before it or is settled by the pin.
    return infos[node]!.type === "feature" || (value !== ABSENT && solver.bestAlive(node) === value);
  }

  #keep(node: number): number {
    const bit = this.#values[node]!;
    if (this.#universe.infos[node]!.type !== "feature") this.#picks.push({ node, bit });
    return bit;
  }

  /** The best value for which a solution exists, given the earlier picks. */
  *#pick(node: number): Generator<void, number> {
    const { solver, infos } = this.#universe;
    for (const bit of solver.preference(node)) {
      if (this.#values[node] === bit) return this.#keep(node);
      if (!solver.isAlive(node, bit)) continue;
      solver.retreat(this.#picks);
      if (!solver.isPossible(node, bit)) continue;
      this.#picks.push({ node, bit });
      if ((yield* this.#attempt(this.#picks, Infinity)) === "sat") return bit;
      this.#picks.pop();
    }
    if (infos[node]!.type !== "soft")
      throw new Error(`Node ${node} is needed, and no value of it is possible any more`);
    return ABSENT;
  }
}

/**
 * The canonical order as far as the search has come: what was met, and the values that it got. Decisions that are undone take
 * back what followed from them. It stops at what is not simply needed: a choice of "if possible", or a joint condition.
 */
class CanonicalOrder {
  /** How many places have a value. */
  settled = 0;
  readonly #universe: Universe;
  readonly #queue: number[] = [];
  readonly #met = new Set<number>();
  readonly #values: number[] = [];
  /** Length of the queue after each place. */
  readonly #lengths: number[] = [];
  #undone = 0;
  #stopped = false;

  constructor(universe: Universe) {
    this.#universe = universe;
    for (const [node, info] of universe.infos.entries()) if (info.type === "root") this.#meet(node);
  }

  /** The next node that is open; NONE where there is none, or it goes on from here in another way. */
  next(): number {
    const { solver, infos } = this.#universe;
    if (solver.undone !== this.#undone) this.#takeBack();
    // What the search decided by itself since then must not be taken for the order's own.
    if (this.#stopped) return NONE;
    for (; this.settled < this.#queue.length; this.settled++) {
      const node = this.#queue[this.settled]!;
      const value = solver.value(node);
      if (value === ABSENT) {
        const { type } = infos[node]!;
        const isOpen = (type === "package" || type === "choice") && !solver.isPossible(node, ABSENT);
        return isOpen ? node : this.#stop();
      }
      const followers = this.#universe.followers(node, value);
      if (followers.some((follower) => follower.if.length > 0)) return this.#stop();
      this.#values[this.settled] = value;
      for (const follower of followers) this.#meet(follower.node);
      this.#lengths[this.settled] = this.#queue.length;
    }
    return this.#stop();
  }

  #stop(): number {
    this.#stopped = true;
    return NONE;
  }

  #meet(node: number): void {
    if (this.#met.has(node)) return;
    this.#met.add(node);
    this.#queue.push(node);
  }

  #takeBack(): void {
    const { solver } = this.#universe;
    this.#undone = solver.undone;
    let place = 0;
    while (place < this.settled && solver.value(this.#queue[place]!) === this.#values[place]) place++;
    if (place === this.settled) return;
    this.#stopped = false;
    this.settled = place;
    const length = place === 0 ? this.#universe.input.roots.length : this.#lengths[place - 1]!;
    for (const node of this.#queue.splice(length)) this.#met.delete(node);
  }
}

function exhausted({ solver }: Universe): ResolverError {
  return new ResolverError({
    code: "RESOLVE_BUDGET_EXCEEDED",
    message: `Cannot resolve within the work budget of ${solver.budget} steps: ${solver.conflicts} conflicts, and no end in sight`,
    hint: "Narrow the requirements, or raise the budget",
    budget: solver.budget,
    conflicts: solver.conflicts,
  });
}
