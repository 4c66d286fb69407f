import { solveCanonically } from "./canonical.ts";
import { Universe, nameOf, type FactCause } from "./compile.ts";
import { findSuggestions } from "./suggest.ts";
import { smallerProofs } from "./minimal-proof.ts";
import { checkContradiction, extractProof, type ProofStep } from "./proof.ts";
import { tellProof } from "./report.ts";
import { retell } from "./retell.ts";
import { pause, type Failure, type Need } from "./question.ts";
import { hasBit, ABSENT } from "./bits.ts";
import type {
  Dependency,
  Derivation,
  ProofCause,
  ProofStatement,
  ResolutionStatistics,
  ResolveInput,
  UnsolvableResolution,
} from "./types.ts";
import { Words, versionList } from "./words.ts";

/** From the contradiction to what the caller gets: checked proof, its smallest form in words, tested fixes. */
export function* explainFailure(
  universe: Universe,
  statistics: ResolutionStatistics,
): Generator<Need, UnsolvableResolution> {
  checkedProof(universe);
  const retold = yield* retell(universe);
  const smallest = yield* shortest(yield* minimise(retold.universe, checkedProof(retold.universe)));
  retold.open();
  const proof = publishProof(smallest.universe, smallest.steps);
  const suggestions =
    universe.input.suggest === false ? [] : yield* findSuggestions(smallest, retold.universe.packages);
  return {
    status: "unsolvable",
    proof,
    explanation: proof.lines.join("\n"),
    requirements: requirementsOf(smallest.universe, smallest.steps),
    suggestions,
    statistics,
  };
}

function checkedProof(universe: Universe): ProofStep[] {
  const steps = extractProof(universe, universe.solver.contradiction);
  checkContradiction(steps);
  return steps;
}

/** Of all proofs that rest on a minimal set of facts, the one that takes the fewest words. */
function* shortest(failure: Failure): Generator<Need, Failure> {
  const { universe, steps: found } = failure;
  const smaller = yield* smallerProofs(universe, found);
  const fewest = Math.min(...smaller.map(factsIn));
  const proofs = factsIn(found) <= fewest ? [found, ...smaller] : smaller;
  const told = proofs.map((steps) => ({ steps, length: tellProof(universe, steps).join("\n").length }));
  const { steps } = told.reduce((best, one) => (one.length < best.length ? one : best));
  checkContradiction(steps);
  return { ...failure, steps };
}

function factsIn(steps: readonly ProofStep[]): number {
  return steps.filter(({ left }) => left === -1).length;
}

/** Drops root requirements one by one while there is still no solution, so that only what matters is told. */
function* minimise(universe: Universe, steps: readonly ProofStep[]): Generator<Need, Failure> {
  const original = universe.input;
  let best: Failure = { universe, steps, original };
  const cited = citedByRoots(steps, universe);
  if (cited.size > MOST_MINIMISED) return best;
  const kept = new Set(cited);
  const { budget = Infinity } = original;
  let spent = 0;
  for (const candidate of [undefined, ...cited]) {
    yield pause(universe);
    // An explanation takes no more work than the question was allowed to.
    if (spent >= budget) break;
    const trial = new Set([...kept].filter((one) => one !== candidate));
    const { universe: smaller, steps: taken } = solveKnown(withOnly(original, trial), universe);
    spent += taken;
    if (smaller === undefined) continue;
    if (candidate !== undefined) kept.delete(candidate);
    best = { universe: smaller, steps: checkedProof(smaller), original };
  }
  return best;
}

const MOST_MINIMISED = 40;
/** Steps to find out whether a root requirement matters; where they do not suffice, it is told. */
const MOST_STEPS = 5_000;

function citedByRoots(steps: readonly ProofStep[], universe: Universe): Set<Dependency> {
  const cited = new Set<Dependency>();
  const given = universe.input.roots.flatMap((root) => root.dependencies);
  for (const { cause } of steps) {
    if (cause?.type !== "dependency" || universe.infos[cause.owner]!.type !== "root") continue;
    for (const one of given)
      if (one.key === cause.dependency.key && nameOf(one) === nameOf(cause.dependency)) cited.add(one);
  }
  return cited;
}

/** The input with only some of the roots' dependencies; those that a feature names stay, or the feature would be wrong. */
function withOnly(input: ResolveInput, kept: ReadonlySet<Dependency>): ResolveInput {
  const roots = input.roots.map((root) => {
    const named = new Set(Object.values(root.features ?? {}).flatMap((entries) => entries.map(entryName)));
    return {
      ...root,
      dependencies: root.dependencies.filter((one) => kept.has(one) || one.optional === true || named.has(nameOf(one))),
    };
  });
  return { ...input, roots };
}

function entryName(entry: string): string {
  return entry.replace(/^dep:/, "").replace(/\??\/.*$/s, "");
}

/** The universe of an input that provably has no solution with what is known already, if so, and what it took to find out. */
function solveKnown(
  input: ResolveInput,
  known: Universe,
): { readonly universe: Universe | undefined; readonly steps: number } {
  const universe = new Universe({ ...input, budget: Math.min(input.budget ?? MOST_STEPS, MOST_STEPS) }, known.provider);
  const next = solveCanonically(universe, true).next();
  const { decisions, conflicts, contradiction } = universe.solver;
  const isRefuted = next.done === true && contradiction !== -1;
  return { universe: isRefuted ? universe : undefined, steps: decisions + conflicts };
}

/** Every dependency that the proof rests on. */
function requirementsOf(
  universe: Universe,
  steps: readonly ProofStep[],
): { dependent: string; package: string; requirement: string }[] {
  const words = new Words(universe);
  const found = new Map<string, { dependent: string; package: string; requirement: string }>();
  for (const { cause, terms } of steps) {
    if (cause?.type !== "dependency") continue;
    const bits = terms.get(cause.owner);
    const dependent =
      bits === undefined || hasBit(bits, ABSENT) ? words.name(cause.owner) : words.set(cause.owner, bits, "");
    const one = {
      dependent,
      package: universe.displayName(cause.dependency.key),
      requirement: cause.requirement.canonical,
    };
    found.set(JSON.stringify(one), one);
  }
  return [...found.values()];
}

function publishProof(universe: Universe, steps: readonly ProofStep[]): Derivation {
  const words = new Words(universe);
  const statements = steps.map((step, id): ProofStatement => {
    const terms = [...step.terms].map(([node, bits]) => ({
      package: words.name(node),
      node,
      versions: versionList(words, node, bits),
      absent: hasBit(bits, ABSENT),
    }));
    return { id, terms, cause: publishCause(universe, words, step) };
  });
  return { statements, lines: tellProof(universe, steps) };
}

function publishCause(universe: Universe, words: Words, step: ProofStep): ProofCause {
  const { cause } = step;
  if (cause === undefined) return { type: "derived", left: step.left, right: step.right, pivot: step.pivot };
  switch (cause.type) {
    case "root":
      return { type: "root", root: universe.input.roots[cause.root]!.name };
    case "excluded":
      return { type: "excluded", package: words.name(cause.node), reason: cause.reason, text: cause.text };
    case "host":
      return {
        type: "host",
        from: words.name(cause.node),
        axis: cause.axis,
        version: cause.version,
        requirement: cause.requirement.canonical,
      };
    case "feature":
      return { type: "feature", package: words.name(cause.node), feature: cause.feature, text: cause.text };
    case "dependency":
      return publishDependency(universe, words, cause);
  }
}

function publishDependency(
  universe: Universe,
  words: Words,
  cause: Extract<FactCause, { type: "dependency" }>,
): ProofCause {
  return {
    type: "dependency",
    from: words.name(cause.owner),
    to: universe.displayName(cause.dependency.key),
    requirement: cause.requirement.canonical,
    kind: cause.dependency.kind ?? "normal",
    overridden: cause.overridden,
    root: universe.infos[cause.owner]!.type === "root",
  };
}
