import { ABSENT } from "../bits.ts";
import { Universe } from "../compile.ts";
import { ProofReader } from "../core/read-proof.ts";
import { ProofChecker } from "../proof.ts";
import { ResolverError } from "../resolver-error.ts";
import type { DependencyProvider, PackageKey, VersionRequirement } from "../types.ts";

/** Package -> one letter a version, oldest first: `s` where a solution has it, `u` where none does. */
export type SolvedRoots = Readonly<Record<PackageKey, string>>;

const OPEN = 0;
const SOLVED = 1;
const UNSOLVABLE = 2;

/**
 * Asks of every version of every package whether it can be installed by itself. A solution for one is a solution for all that
 * it contains, so each search goes on with as many open questions as it can take along. Every `s` is in a solution that was
 * validated, every `u` comes with a checked proof.
 */
export function solveRoots(provider: DependencyProvider, keys: readonly PackageKey[]): SolvedRoots {
  return new WholeUniverse(provider, keys).solve();
}

class WholeUniverse {
  readonly #universe: Universe;
  readonly #keys: readonly PackageKey[];
  /** Nodes of `keys`; a package without versions has none. */
  readonly #nodes: readonly (number | undefined)[];
  /** Node -> value -> OPEN, SOLVED or UNSOLVABLE. */
  readonly #marks: Uint8Array[] = [];
  readonly #reader: ProofReader;
  readonly #checker: ProofChecker;
  readonly #validator: ModelValidator;

  constructor(provider: DependencyProvider, keys: readonly PackageKey[]) {
    const universe = new Universe({ roots: [{ name: "all", dependencies: [] }] }, provider);
    this.#universe = universe;
    this.#keys = keys;
    this.#nodes = keys.map((key) => universe.ensurePackage(key));
    for (const node of this.#nodes)
      if (node !== undefined) this.#marks[node] = new Uint8Array(universe.solver.size(node));
    this.#reader = new ProofReader(universe.solver.state);
    this.#checker = new ProofChecker(universe);
    this.#validator = new ModelValidator(universe);
  }

  solve(): SolvedRoots {
    let open = this.#nodes.filter((node) => node !== undefined);
    while (open.length > 0) {
      this.#takeAlong(open);
      open = open.filter((node) => this.#settle(node));
    }
    return Object.fromEntries(this.#keys.map((key, i) => [key, this.#letters(this.#nodes[i])]));
  }

  /** One solution with as many open questions as it can hold; the first of them is in it, or is ruled out by it. */
  #takeAlong(open: readonly number[]): void {
    const { solver } = this.#universe;
    let place = 0;
    let { conflicts } = solver;
    solver.optional = () => {
      if (solver.conflicts !== conflicts) {
        conflicts = solver.conflicts;
        if (solver.state.level === 0) place = 0;
      }
      for (; place < open.length; place++) {
        const node = open[place]!;
        const bit = this.#firstOpen(node);
        if (bit === ABSENT) continue;
        solver.decide(node, bit);
        return true;
      }
      return false;
    };
    solver.retreat([]);
    const status = solver.solve([]);
    if (status !== "sat") throw new Error(`A universe in memory came to "${status}"`);
    this.#mark(this.#validator.validate());
  }

  /** The newest version of a node that is possible and has no answer yet. */
  #firstOpen(node: number): number {
    const { solver } = this.#universe;
    if (solver.state.count.data[node] === 1) return ABSENT;
    const marks = this.#marks[node]!;
    for (let bit = marks.length - 1; bit > ABSENT; bit--) {
      if (marks[bit] === OPEN && solver.isPossible(node, bit)) return bit;
    }
    return ABSENT;
  }

  #mark(model: readonly number[]): void {
    for (const node of model) {
      const marks = this.#marks[node];
      if (marks !== undefined) marks[this.#universe.solver.value(node)] = SOLVED;
    }
  }

  /** Proves what is ruled out by now; whether questions are left. */
  #settle(node: number): boolean {
    const { solver } = this.#universe;
    const marks = this.#marks[node]!;
    let isOpen = false;
    for (let bit = 1; bit < marks.length; bit++) {
      if (marks[bit] !== OPEN) continue;
      if (solver.isAlive(node, bit)) isOpen = true;
      else {
        this.#prove(node, bit);
        marks[bit] = UNSOLVABLE;
      }
    }
    return isOpen;
  }

  #prove(node: number, bit: number): void {
    const { goal, statements } = this.#reader.ruledOut(node, bit);
    this.#checker.check(statements);
    this.#checker.checkRuledOut(goal, node, bit);
  }

  #letters(node: number | undefined): string {
    if (node === undefined) return "";
    return Array.from(this.#marks[node]!.subarray(1), (mark) => (mark === SOLVED ? "s" : "u")).join("");
  }
}

/** Looks at a solution with the provider's own words only: candidates, dependencies, requirements. */
class ModelValidator {
  readonly #universe: Universe;
  /** Requirement -> what it says of each version of its package: 0 not asked yet, 1 yes, 2 no. */
  readonly #verdicts = new Map<VersionRequirement, Map<string, boolean>>();

  constructor(universe: Universe) {
    this.#universe = universe;
  }

  /** Nodes of all packages of the solution that the solver is at; each has everything that it needs. */
  validate(): number[] {
    const universe = this.#universe;
    const present: number[] = [];
    const chosen = new Map<string, string>();
    for (const [node, info] of universe.infos.entries()) {
      const bit = info.type === "package" ? universe.solver.value(node) : ABSENT;
      if (info.type !== "package" || bit === ABSENT) continue;
      present.push(node);
      chosen.set(info.info.key, universe.candidateOf(node, bit)!.version);
    }
    for (const node of present) this.#checkOne(node, chosen);
    return present;
  }

  #checkOne(node: number, chosen: ReadonlyMap<string, string>): void {
    const universe = this.#universe;
    const candidate = universe.candidateOf(node, universe.solver.value(node))!;
    for (const dependency of candidate.dependencies) {
      const version = chosen.get(dependency.key);
      if (version === undefined && universe.isConditional(dependency)) continue;
      if (version === undefined || !this.#accepts(universe.effective(dependency), version))
        throw broken(`"${dependency.key}" is not as "${candidate.version}" needs it`);
    }
  }

  #accepts(requirement: VersionRequirement, version: string): boolean {
    let verdicts = this.#verdicts.get(requirement);
    if (verdicts === undefined) this.#verdicts.set(requirement, (verdicts = new Map()));
    let verdict = verdicts.get(version);
    if (verdict === undefined) verdicts.set(version, (verdict = this.#universe.accepts(requirement, version)));
    return verdict;
  }
}

function broken(detail: string): ResolverError {
  return new ResolverError({
    code: "RESOLVE_INTERNAL",
    message: `Cannot trust the solution that was found: ${detail}`,
  });
}
