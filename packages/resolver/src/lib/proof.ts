import { equalBits, fullBits, intersection, union, type Bits } from "./bits.ts";
import type { FactCause, Universe } from "./compile.ts";
import { ProofReader, type RecordedStatement } from "./core/read-proof.ts";
import { factFault } from "./proof-facts.ts";
import { ResolverError } from "./resolver-error.ts";

/** One step of a proof: a fact of the input, or the resolution of two earlier steps on a node. */
export interface ProofStep {
  readonly terms: ReadonlyMap<number, Bits>;
  readonly cause: FactCause | undefined;
  /** Indexes of earlier steps, for a derived one. */
  readonly left: number;
  readonly right: number;
  readonly pivot: number;
}

/**
 * Takes the proof of a statement out of the solver and checks it on the way: every derived statement must be what resolution
 * gives, every fact must be in the input.
 * @throws {ResolverError} `RESOLVE_INTERNAL`
 */
export function extractProof(universe: Universe, goal: number): ProofStep[] {
  const steps: ProofStep[] = [];
  new ProofChecker(universe, steps).check(new ProofReader(universe.solver.state).statement(goal));
  return steps;
}

/** Throws unless the last step is the contradiction. */
export function checkContradiction(steps: readonly ProofStep[]): void {
  if (steps.at(-1)?.terms.size !== 0) throw unsound("its last statement is no contradiction");
}

function unsound(detail: string): ResolverError {
  return new ResolverError({
    code: "RESOLVE_INTERNAL",
    message: `Cannot trust the proof that there is no solution: ${detail}`,
  });
}

/**
 * Checks recorded statements one after the other, knowing nothing of how they were found. Keeps those that it has accepted,
 * so that proofs may share parts.
 */
export class ProofChecker {
  readonly #universe: Universe;
  readonly #steps: ProofStep[] | undefined;
  readonly #accepted = new Map<number, { readonly terms: ReadonlyMap<number, Bits>; readonly place: number }>();

  /** With `steps`, each single resolution is noted there. */
  constructor(universe: Universe, steps?: ProofStep[]) {
    this.#universe = universe;
    this.#steps = steps;
  }

  /** @throws {ResolverError} `RESOLVE_INTERNAL` */
  check(statements: readonly RecordedStatement[]): void {
    for (const one of statements) {
      if (one.chain.length === 0) this.#checkFact(one);
      else this.#checkDerived(one);
    }
  }

  /** @throws {ResolverError} `RESOLVE_INTERNAL` unless a statement that was accepted says that a value cannot be chosen. */
  checkRuledOut(statement: number, node: number, bit: number): void {
    const terms = this.#accepted.get(statement)?.terms;
    const set = terms?.get(node);
    const isRuledOut = terms?.size === 1 && set !== undefined && (set[bit >>> 5]! & (1 << (bit & 31))) !== 0;
    if (!isRuledOut) throw unsound(`its last statement does not rule out value ${bit} of node ${node}`);
  }

  #checkFact({ id, nodes, sets, cause: named }: RecordedStatement): void {
    const terms = new Map(nodes.map((node, i) => [node, sets[i]!]));
    const cause = this.#universe.causeOf(named);
    const fault = factFault(this.#universe, cause, terms);
    if (fault !== undefined) throw unsound(`statement ${id} is not in the input: ${fault}`);
    this.#accepted.set(id, { terms, place: this.#note({ terms, cause, left: -1, right: -1, pivot: -1 }) });
  }

  #checkDerived({ id, nodes, sets, chain }: RecordedStatement): void {
    const first = this.#cited(id, chain[0]!);
    const terms = new Map(first.terms);
    let { place } = first;
    for (let i = 1; i < chain.length; i += 2) {
      const cited = this.#cited(id, chain[i]!);
      const pivot = chain[i + 1]!;
      resolveInto(this.#universe, terms, cited.terms, pivot);
      place = this.#note({ terms, cause: undefined, left: place, right: cited.place, pivot });
    }
    const isClaimed =
      terms.size === nodes.length && nodes.every((node, i) => terms.has(node) && equalBits(sets[i]!, terms.get(node)!));
    if (!isClaimed) throw unsound(`statement ${id} does not follow from what it cites`);
    this.#accepted.set(id, { terms, place });
  }

  #cited(by: number, id: number): { readonly terms: ReadonlyMap<number, Bits>; readonly place: number } {
    const cited = this.#accepted.get(id);
    if (cited === undefined) throw unsound(`statement ${by} cites ${id}, which was not shown before`);
    return cited;
  }

  #note(step: ProofStep): number {
    if (this.#steps === undefined) return -1;
    return this.#steps.push({ ...step, terms: new Map(step.terms) }) - 1;
  }
}

export function resolveTerms(
  universe: Universe,
  left: ReadonlyMap<number, Bits>,
  right: ReadonlyMap<number, Bits>,
  pivot: number,
): Map<number, Bits> {
  const terms = new Map(left);
  resolveInto(universe, terms, right, pivot);
  return terms;
}

/** Union on the pivot, intersection elsewhere; a term that always holds goes. */
function resolveInto(
  universe: Universe,
  terms: Map<number, Bits>,
  right: ReadonlyMap<number, Bits>,
  pivot: number,
): void {
  const before = terms.get(pivot);
  for (const [node, set] of right) {
    if (node === pivot) continue;
    const mine = terms.get(node);
    terms.set(node, mine === undefined ? set : intersection(mine, set));
  }
  const other = right.get(pivot);
  // A side that does not speak of the pivot speaks of all its values.
  if (before === undefined || other === undefined) terms.delete(pivot);
  else {
    const both = union(before, other);
    if (equalBits(both, fullBits(universe.solver.size(pivot)))) terms.delete(pivot);
    else terms.set(pivot, both);
  }
}
