import { ABSENT } from "../bits.ts";
import { Universe } from "../compile.ts";
import { extractProof } from "../proof.ts";
import { ResolverError } from "../resolver-error.ts";
import type { DependencyProvider, PackageKey } from "../types.ts";

/** Package -> one letter a version, oldest first: `s` where a solution has it, `u` where none does. */
export type SolvedRoots = Readonly<Record<PackageKey, string>>;

/**
 * Asks of every version of every package whether it can be installed by itself, keeping what is learned from one question to
 * the next. Every `s` is validated, every `u` comes with a checked proof.
 */
export function solveRoots(provider: DependencyProvider, keys: readonly PackageKey[]): SolvedRoots {
  const universe = new Universe({ roots: [{ name: "all", dependencies: [] }] }, provider);
  return Object.fromEntries(keys.map((key) => [key, letters(universe, key)]));
}

function letters(universe: Universe, key: PackageKey): string {
  const node = universe.ensurePackage(key);
  if (node === undefined) return "";
  const { solver } = universe;
  let text = "";
  for (let bit = 1; bit < solver.nodes[node]!.size; bit++) {
    const status = solver.solve([{ node, bit }]);
    if (status === "needs") throw new Error(`A package that "${key}" needs is not loaded`);
    if (status === "sat") checkModel(universe, node);
    else extractProof(universe, solver.nodes[node]!.groundStatement);
    text += status === "sat" ? "s" : "u";
  }
  return text;
}

/** Everything that is needed from `start` on is there, in range. */
function checkModel(universe: Universe, start: number): void {
  const seen = new Set<number>([start]);
  for (const node of seen) {
    const bit = universe.solver.value(node);
    const candidate = bit === ABSENT ? undefined : universe.candidateOf(node, bit);
    if (candidate === undefined) throw broken("a package that is needed is missing");
    for (const dependency of candidate.dependencies) {
      const target = universe.packageNode(dependency.key, "");
      const value = target === undefined ? ABSENT : universe.solver.value(target);
      const conditional = universe.isConditional(dependency);
      if (value === ABSENT && conditional) continue;
      const version = value === ABSENT ? undefined : universe.candidateOf(target!, value)!.version;
      const fits = version !== undefined && universe.accepts(universe.effective(dependency), version);
      if (!fits) throw broken(`"${dependency.key}" is not as "${candidate.version}" needs it`);
      if (!conditional) seen.add(target!);
    }
  }
}

function broken(detail: string): ResolverError {
  return new ResolverError({
    code: "RESOLVE_INTERNAL",
    message: `Cannot trust the solution that was found: ${detail}`,
  });
}
