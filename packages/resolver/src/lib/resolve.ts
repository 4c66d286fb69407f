import type { EventListener } from "@lading/core-manifest";
import { solveCanonically } from "./canonical.ts";
import { Universe } from "./compile.ts";
import { explainFailure } from "./failure.ts";
import type { Need } from "./question.ts";
import { checkInput } from "./input.ts";
import { describeSolution } from "./outcome.ts";
import { ResolverError } from "./resolver-error.ts";
import type {
  DependencyProvider,
  Resolution,
  ResolutionStatistics,
  ResolveInput,
  Resolver,
  ResolverStep,
} from "./types.ts";
import { validateSolution } from "./validate.ts";

/** What surrounds a resolution. */
export interface ResolveOptions {
  /** Aborts between two steps and is handed to the provider's `load`. */
  readonly signal?: AbortSignal;
  /** Receives `resolving` with the number of packages known and of loads so far. */
  readonly onEvent?: EventListener;
}

/**
 * Starts a resolution that does no IO of its own: `step` until it is done.
 * @throws {ResolverError} `RESOLVE_INPUT_INVALID`
 */
export function createResolver(input: ResolveInput, provider: DependencyProvider): Resolver {
  checkInput(input);
  const work = run(input, provider);
  let waiting: Need | undefined;
  let asked: readonly string[] = [];
  return {
    step(): ResolverStep {
      if (waiting !== undefined && !waiting.forSuggestions) checkLoaded(asked, provider);
      const next = work.next();
      if (next.done === true) return { status: "done", resolution: next.value };
      waiting = next.value;
      const { universe, forSuggestions } = waiting;
      const packages = [...universe.needs];
      universe.needs.clear();
      asked = packages;
      return { status: "needs", packages, speculative: universe.speculate(packages), forSuggestions };
    },
  };
}

function checkLoaded(asked: readonly string[], provider: DependencyProvider): void {
  const missing = asked.filter((key) => provider.get(key) === undefined);
  if (missing.length === 0) return;
  throw new ResolverError({
    code: "RESOLVE_METADATA_INCOMPLETE",
    message: `Cannot resolve: the provider did not load ${missing.map((key) => `"${key}"`).join(", ")}`,
    packages: missing,
  });
}

function* run(input: ResolveInput, provider: DependencyProvider): Generator<Need, Resolution> {
  const universe = new Universe(input, provider);
  let loads = 0;
  const solving = solveCanonically(universe);
  for (;;) {
    const next = solving.next();
    if (next.done !== true) {
      loads++;
      yield { universe, forSuggestions: false };
      continue;
    }
    if (next.value === undefined) return yield* explainFailure(universe, statistics(universe, loads));
    const answer = describeSolution(universe, next.value);
    validateSolution(universe, answer);
    return { ...answer, statistics: statistics(universe, loads) };
  }
}

function statistics(universe: Universe, loads: number): ResolutionStatistics {
  const { decisions, conflicts, solves } = universe.solver;
  return { packages: universe.packages.size, loads, decisions, conflicts, solves };
}

/**
 * Finds a set of versions that satisfies everything, or proves that there is none (docs/spec/resolution.md). Both are values;
 * equal inputs and metadata give equal answers, whatever order metadata arrives in.
 * @throws {ResolverError} `RESOLVE_INPUT_INVALID`, `RESOLVE_METADATA_INVALID`, `RESOLVE_METADATA_INCOMPLETE`, `RESOLVE_INTERNAL`;
 * besides, whatever the provider's `load` or the signal rejects with
 */
export async function resolve(
  input: ResolveInput,
  provider: DependencyProvider,
  options: ResolveOptions = {},
): Promise<Resolution> {
  const { signal, onEvent } = options;
  const resolver = createResolver(input, provider);
  const asked = new Set<string>();
  for (let requests = 0; ; requests++) {
    signal?.throwIfAborted();
    const step = resolver.step();
    if (step.status === "done") return step.resolution;
    for (const key of step.packages) asked.add(key);
    onEvent?.({ type: "resolving", packages: asked.size, requests: requests + 1 });
    try {
      await provider.load(step.packages, {
        speculative: step.speculative,
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      if (!step.forSuggestions || signal?.aborted === true) throw error;
    }
  }
}
