import { ABSENT } from "../bits.ts";
import { Universe } from "../compile.ts";
import { ProofReader } from "../core/read-proof.ts";
import { ProofChecker } from "../proof.ts";
import { ResolverError } from "../resolver-error.ts";
import type { Dependency, DependencyProvider, PackageKey } from "../types.ts";
import { OPEN, SOLVED, UNSOLVABLE } from "./root-search.ts";

/** Package -> what is known of each of its versions, oldest first. */
export type Verdicts = ReadonlyMap<PackageKey, Uint8Array>;

/**
 * Searches for a solution with each version of `keys` by itself, but for those that `known` has a verdict of. A solution for
 * one is a solution for all that it contains, so each search goes on with as many open questions as it can take along. Every
 * version that is SOLVED is in a solution that was validated, every one that is UNSOLVABLE comes with a checked proof. It is
 * quicker where `beside` names what will be met: what is known from the beginning need not be learned in mid-search.
 */
export function searchRoots(
  provider: DependencyProvider,
  keys: readonly PackageKey[],
  known: Verdicts = new Map(),
  beside: Iterable<PackageKey> = [],
): Verdicts {
  return new SearchedRoots(provider, keys, known, beside).solve();
}

/** Conflicts of one solution after which it is searched for more thoroughly. */
const HARD_FOR_ONE = 1;

/** Questions that do not fit in a row, after which a solution takes no more along. */
const MOST_MISSES = 8;

class SearchedRoots {
  readonly #universe: Universe;
  readonly #keys: readonly PackageKey[];
  /** Nodes of `keys`; a package without versions has none. */
  readonly #nodes: readonly (number | undefined)[];
  /** Node -> value -> OPEN, SOLVED or UNSOLVABLE. */
  readonly #marks: Uint8Array[] = [];
  /** Node -> highest value that may be open. */
  readonly #highest: number[] = [];
  #open: number[] = [];
  /** How much of the ground log was read. */
  #read = 0;
  #place = 0;
  #misses = 0;
  readonly #reader: ProofReader;
  readonly #checker: ProofChecker;
  readonly #validator: ModelValidator;

  constructor(
    provider: DependencyProvider,
    keys: readonly PackageKey[],
    known: Verdicts,
    beside: Iterable<PackageKey>,
  ) {
    const universe = new Universe({ roots: [{ name: "all", dependencies: [] }] }, provider);
    this.#universe = universe;
    this.#keys = keys;
    this.#nodes = keys.map((key) => universe.ensurePackage(key));
    for (const key of beside) universe.ensurePackage(key);
    for (const [i, node] of this.#nodes.entries()) {
      if (node === undefined) continue;
      const size = universe.solver.size(node);
      this.#marks[node] = new Uint8Array(size);
      this.#marks[node].set(known.get(keys[i]!) ?? [], 1);
      this.#highest[node] = size - 1;
      if (this.#skipAnswered(node)) this.#open.push(node);
    }
    universe.solver.deepAfter = HARD_FOR_ONE;
    universe.solver.stepBack = false;
    universe.solver.optional = () => this.#takeAlong();
    this.#reader = new ProofReader(universe.solver.state);
    this.#checker = new ProofChecker(universe);
    this.#validator = new ModelValidator(universe);
  }

  solve(): Verdicts {
    const { solver } = this.#universe;
    while (this.#open.length > 0) {
      solver.retreat([]);
      this.#place = this.#misses = 0;
      const status = solver.solve([]);
      if (status !== "sat") throw new Error(`A universe in memory came to "${status}"`);
      this.#mark(this.#validator.validate());
      this.#proveRuledOut();
      this.#close();
    }
    return new Map(this.#keys.map((key, i) => [key, this.#verdicts(this.#nodes[i])]));
  }

  /** Decides the next open question that fits into the solution so far; the first one at all costs. */
  #takeAlong(): boolean {
    const { solver } = this.#universe;
    if (solver.state.level === 0) this.#place = 0;
    const open = this.#open;
    while (this.#misses < MOST_MISSES && this.#place < open.length) {
      const node = open[this.#place++]!;
      const bit = this.#openValue(node);
      if (bit === ABSENT) this.#misses++;
      else {
        this.#misses = 0;
        solver.decide(node, bit);
        return true;
      }
    }
    return false;
  }

  /** The newest version of a node that has no answer yet, if it fits; where nothing is decided, it need not. */
  #openValue(node: number): number {
    const { solver } = this.#universe;
    if (solver.state.count.data[node] === 1) return ABSENT;
    const marks = this.#marks[node]!;
    for (let bit = this.#highest[node]!; bit > ABSENT; bit--) {
      if (marks[bit] !== OPEN || !solver.isPossible(node, bit)) continue;
      if (solver.state.level === 0) return bit;
      return solver.fits(node, bit) ? bit : ABSENT;
    }
    return ABSENT;
  }

  #mark(model: readonly number[]): void {
    for (const node of model) {
      const marks = this.#marks[node];
      if (marks !== undefined) marks[this.#universe.solver.value(node)] = SOLVED;
    }
  }

  /** Proves what was ruled out for good since the last time. */
  #proveRuledOut(): void {
    const { state } = this.#universe.solver;
    for (; this.#read < state.groundNode.length; this.#read++) {
      const node = state.groundNode.data[this.#read]!;
      const marks = this.#marks[node];
      if (marks === undefined) continue;
      for (let bit = 1; bit < marks.length; bit++) {
        if (marks[bit] !== OPEN || this.#universe.solver.isAlive(node, bit)) continue;
        const { goal, statements } = this.#reader.ruledOut(node, bit);
        this.#checker.check(statements);
        this.#checker.checkRuledOut(goal, node, bit);
        marks[bit] = UNSOLVABLE;
      }
    }
  }

  /** Takes packages off the list that have no open question at its front, and skips values with an answer. */
  #close(): void {
    const open = this.#open;
    let kept = 0;
    for (let i = 0; i < open.length; i++) {
      const node = open[i]!;
      // Only those that were looked at can have changed much; the rest is found when its turn comes.
      if (i >= this.#place && kept < i) open[kept++] = node;
      else if (i >= this.#place) return;
      else if (this.#skipAnswered(node)) open[kept++] = node;
    }
    open.length = kept;
  }

  #skipAnswered(node: number): boolean {
    const marks = this.#marks[node]!;
    let bit = this.#highest[node]!;
    while (bit > ABSENT && marks[bit] !== OPEN) bit--;
    this.#highest[node] = bit;
    return bit > ABSENT;
  }

  #verdicts(node: number | undefined): Uint8Array {
    return node === undefined ? new Uint8Array(0) : this.#marks[node]!.subarray(1);
  }
}

/** What a dependency asks of a package: what the requirement says of each of its values, once it was asked. */
interface Check {
  readonly dependency: Dependency;
  readonly node: number | undefined;
  readonly isConditional: boolean;
  readonly verdicts: Uint8Array;
}

const ACCEPTED = 1;
const REFUSED = 2;

/** Looks at a solution with the provider's own words only: candidates, dependencies, requirements. */
class ModelValidator {
  readonly #universe: Universe;
  /** Node -> value in the solution that is looked at; ABSENT for those that are not in it. */
  #chosen: Int32Array = new Int32Array(0);
  readonly #lists = new Map<readonly Dependency[], readonly Check[]>();
  readonly #checks = new Map<Dependency, Check>();

  constructor(universe: Universe) {
    this.#universe = universe;
  }

  /** Nodes of all packages of the solution that the solver is at; each has everything that it needs. */
  validate(): readonly number[] {
    const universe = this.#universe;
    const { solver, infos } = universe;
    const present = solver.present();
    if (this.#chosen.length < infos.length) this.#chosen = new Int32Array(infos.length * 2);
    for (const node of present) this.#chosen[node] = solver.value(node);
    for (const node of present) if (infos[node]!.type === "package") this.#checkOne(node);
    for (const node of present) this.#chosen[node] = ABSENT;
    return present;
  }

  #checkOne(node: number): void {
    const candidate = this.#universe.candidateOf(node, this.#chosen[node]!)!;
    for (const check of this.#checksOf(candidate.dependencies)) {
      const value = check.node === undefined ? ABSENT : this.#chosen[check.node]!;
      if (value === ABSENT ? check.isConditional : this.#accepts(check, value)) continue;
      throw broken(`"${check.dependency.key}" is not as "${candidate.version}" needs it`);
    }
  }

  #checksOf(dependencies: readonly Dependency[]): readonly Check[] {
    const known = this.#lists.get(dependencies);
    if (known !== undefined) return known;
    const checks = dependencies.map((one) => this.#checkOf(one));
    // Of a package that is not in the search yet nothing can be kept.
    if (checks.every(({ node }) => node !== undefined)) this.#lists.set(dependencies, checks);
    return checks;
  }

  #checkOf(dependency: Dependency): Check {
    const known = this.#checks.get(dependency);
    if (known !== undefined) return known;
    const universe = this.#universe;
    const node = universe.packageNode(dependency.key, "");
    const verdicts = new Uint8Array(node === undefined ? 0 : universe.solver.size(node));
    const check = { dependency, node, isConditional: universe.isConditional(dependency), verdicts };
    if (node !== undefined) this.#checks.set(dependency, check);
    return check;
  }

  #accepts({ dependency, node, verdicts }: Check, value: number): boolean {
    const known = verdicts[value]!;
    if (known !== 0) return known === ACCEPTED;
    const { version } = this.#universe.candidateOf(node!, value)!;
    const verdict = this.#universe.accepts(this.#universe.effective(dependency), version);
    verdicts[value] = verdict ? ACCEPTED : REFUSED;
    return verdict;
  }
}

function broken(detail: string): ResolverError {
  return new ResolverError({
    code: "RESOLVE_INTERNAL",
    message: `Cannot trust the solution that was found: ${detail}`,
  });
}
