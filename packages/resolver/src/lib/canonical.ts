import { ABSENT, hasBit } from "./bits.ts";
import type { Follower, Universe } from "./compile.ts";
import { ResolverError } from "./resolver-error.ts";
import type { Assumption } from "./solver.ts";

/** Node -> value (as bit) of everything that is in the answer. */
export type Chosen = ReadonlyMap<number, number>;

/**
 * The canonical answer (docs/spec/resolution.md §answer): the roots' requirements in manifest order, breadth first; each
 * package that is met gets its most preferred version for which a solution exists with all earlier picks kept. Yields
 * whenever metadata is missing, and when the steps granted are done. Returns `undefined` where there is no solution.
 * @throws {ResolverError} `RESOLVE_BUDGET_EXCEEDED`
 */
export function* solveCanonically(universe: Universe, anyWillDo = false): Generator<void, Chosen | undefined> {
  const walk = new Walk(universe);
  if (!(yield* walk.solve([]))) return undefined;
  if (anyWillDo) return walk.chosen;
  yield* walk.run();
  return walk.chosen;
}

class Walk {
  readonly chosen = new Map<number, number>();
  readonly #universe: Universe;
  readonly #picks: Assumption[] = [];
  readonly #queue: number[] = [];
  readonly #met = new Set<number>();
  #next = 0;
  #conditional: Follower[] = [];
  #values: Int32Array = new Int32Array(0);

  constructor(universe: Universe) {
    this.#universe = universe;
  }

  /** Whether there is a solution with these values. */
  *solve(assumptions: readonly Assumption[]): Generator<void, boolean> {
    const { solver } = this.#universe;
    for (;;) {
      const status = solver.solve(assumptions);
      if (status === "unsat") return false;
      if (status === "exhausted") throw exhausted(this.#universe);
      if (status === "sat") {
        this.#values = solver.values();
        return true;
      }
      yield;
    }
  }

  *run(): Generator<void, void> {
    for (const [node, info] of this.#universe.infos.entries()) if (info.type === "root") this.#meet(node);
    for (;;) {
      const node = this.#queue[this.#next++] ?? this.#nextConditional();
      if (node === undefined) return;
      const value = this.#isBest(node) ? this.#keep(node) : yield* this.#pick(node);
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
      if (yield* this.solve(this.#picks)) return bit;
      this.#picks.pop();
    }
    if (infos[node]!.type !== "soft")
      throw new Error(`Node ${node} is needed, and no value of it is possible any more`);
    return ABSENT;
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
