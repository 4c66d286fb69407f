import { ABSENT, hasBit } from "./bits.ts";
import type { Follower, Universe } from "./compile.ts";
import type { Assumption, SolveStatus } from "./solver.ts";

/** Node -> value (as bit) of everything that is in the answer. */
export type Chosen = ReadonlyMap<number, number>;

/**
 * The canonical answer (docs/spec/resolution.md §answer): the roots' requirements in manifest order, breadth first; each
 * package that is met gets its most preferred version for which a solution exists with all earlier picks kept. Yields
 * whenever metadata is missing. Returns `undefined` where there is no solution.
 */
export function* solveCanonically(universe: Universe, anyWillDo = false): Generator<void, Chosen | undefined> {
  const walk = new Walk(universe);
  if ((yield* walk.solve([])) === "unsat") return undefined;
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
  #conditional: Follower[] = [];
  #values: readonly number[] = [];

  constructor(universe: Universe) {
    this.#universe = universe;
  }

  *solve(assumptions: readonly Assumption[]): Generator<void, Exclude<SolveStatus, "needs">> {
    const { solver } = this.#universe;
    for (;;) {
      const status = solver.solve(assumptions);
      if (status === "sat") this.#values = solver.nodes.map((_, node) => solver.value(node));
      if (status !== "needs") return status;
      yield;
    }
  }

  *run(): Generator<void, void> {
    for (const [node, info] of this.#universe.infos.entries()) if (info.type === "root") this.#meet(node);
    for (;;) {
      const node = this.#queue.shift() ?? this.#nextConditional();
      if (node === undefined) return;
      const value = yield* this.#pick(node);
      if (value === ABSENT) continue;
      this.chosen.set(node, value);
      for (const follower of this.#universe.followers(node, value)) {
        if (follower.if.every((term) => term.node === node)) this.#meet(follower.node);
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
    const ready = this.#conditional.filter((follower) =>
      follower.if.every(({ node, set }) => this.chosen.has(node) && hasBit(set, this.chosen.get(node)!)),
    );
    this.#conditional = this.#conditional.filter((follower) => !ready.includes(follower));
    for (const { node } of ready) this.#meet(node);
    return this.#queue.shift();
  }

  /** The best value for which a solution exists, given the earlier picks. */
  *#pick(node: number): Generator<void, number> {
    const { solver, infos } = this.#universe;
    const info = infos[node]!;
    // A feature has the version of its package, which was met before it or is settled by the pin.
    if (info.type === "feature") return this.#values[node]!;
    for (const bit of solver.nodes[node]!.order) {
      const assumption = { node, bit };
      if (this.#values[node] !== bit) {
        solver.retreat(this.#picks);
        if (!solver.isPossible(node, bit)) continue;
        if ((yield* this.solve([...this.#picks, assumption])) === "unsat") continue;
      }
      this.#picks.push(assumption);
      return bit;
    }
    if (info.type !== "soft") throw new Error(`Node ${node} is needed, and no value of it is possible any more`);
    return ABSENT;
  }
}
