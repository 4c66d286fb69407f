import type { EventListener } from "@lading/core-manifest";
import { solveCanonically } from "./canonical.ts";
import { Universe } from "./compile.ts";
import { explainFailure } from "./failure.ts";
import type { Need } from "./question.ts";
import { checkInput } from "./input.ts";
import { describeSolution } from "./outcome.ts";
import { answerPlainly } from "./plain/plain-answer.ts";
import { ResolverError } from "./resolver-error.ts";
import type {
  DependencyProvider,
  Resolution,
  ResolutionStatistics,
  ResolveInput,
  Resolver,
  ResolverStep,
  ResolverWorking,
} from "./types.ts";
import { validateSolution } from "./validate.ts";

/** What surrounds a resolution. */
export interface ResolveOptions {
  /** Aborts at the next load, or within a long search at its next pause, and is handed to the provider's `load`. */
  readonly signal?: AbortSignal;
  /** Receives `resolving` with the number of packages asked for and of loads so far: at each load, and now and then in a long search. */
  readonly onEvent?: EventListener;
}

/** Steps of the search between two looks at the signal: some milliseconds, in hard cases some hundred. */
const SLICE = 1000;

/** Others get a turn when so much time has passed since the last one. Says when, never what, is answered. */
const TURN_MS = 5;

/**
 * Starts a resolution that does no IO of its own: `step` until it is done.
 * @throws {ResolverError} `RESOLVE_INPUT_INVALID`
 */
export function createResolver(input: ResolveInput, provider: DependencyProvider): Resolver {
  checkInput(input);
  let started: { readonly universe: Universe; readonly work: Generator<Need, Resolution> } | undefined;
  let waiting: Need | undefined;
  let asked: readonly string[] = [];
  function step(): ResolverStep;
  function step(most: number): ResolverStep | ResolverWorking;
  function step(most: number = Infinity): ResolverStep | ResolverWorking {
    if (waiting !== undefined && !waiting.forSuggestions) checkLoaded(asked, provider);
    if (started === undefined) {
      const resolution = answerPlainly(input, provider, most);
      if (resolution !== undefined) return { status: "done", resolution };
      const universe = new Universe(input, provider);
      started = { universe, work: run(universe) };
    }
    const { universe, work } = started;
    universe.solver.pauseAfter = most;
    const next = nextStop(work, most === Infinity);
    if (next.done === true) return { status: "done", resolution: next.value };
    waiting = next.value;
    const { needs } = waiting.universe;
    const packages = waiting.isPause === true ? [] : [...needs];
    if (waiting.isPause !== true) needs.clear();
    asked = packages;
    if (packages.length === 0) return { status: "working", statistics: statistics(universe, 0) };
    const { forSuggestions } = waiting;
    return { status: "needs", packages, speculative: waiting.universe.speculate(packages), forSuggestions };
  }
  return { step };
}

/** Who grants no number of steps is not asked for another turn between two parts of an explanation. */
function nextStop(work: Generator<Need, Resolution>, isPatient: boolean): IteratorResult<Need, Resolution> {
  for (;;) {
    const next = work.next();
    if (!isPatient || next.done === true || next.value.isPause !== true) return next;
  }
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

function* run(universe: Universe): Generator<Need, Resolution> {
  let loads = 0;
  const solving = solveCanonically(universe);
  for (;;) {
    const next = solving.next();
    if (next.done !== true) {
      if (universe.needs.size > 0) loads++;
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
 * equal inputs and metadata give equal answers, whatever order metadata arrives in. A long search lets others run now and then.
 * @throws {ResolverError} `RESOLVE_INPUT_INVALID`, `RESOLVE_METADATA_INVALID`, `RESOLVE_METADATA_INCOMPLETE`,
 * `RESOLVE_BUDGET_EXCEEDED`, `RESOLVE_INTERNAL`; besides, whatever the provider's `load` or the signal rejects with
 */
export async function resolve(
  input: ResolveInput,
  provider: DependencyProvider,
  options: ResolveOptions = {},
): Promise<Resolution> {
  const { resolution } = await drive(createResolver(input, provider), provider, options);
  return resolution;
}

/** Something that is stepped until it is done: a resolver for one environment or for many. */
interface Stepper<Done extends { readonly status: "done" }> {
  step(most: number): Done | Exclude<ResolverStep, { status: "done" }> | ResolverWorking;
}

/** Steps until it is done, loads what is needed between, and lets others run in a long search. */
export async function drive<Done extends { readonly status: "done" }>(
  resolver: Stepper<Done>,
  provider: DependencyProvider,
  { signal, onEvent }: ResolveOptions,
): Promise<Done> {
  const asked = new Set<string>();
  let turn = performance.now();
  for (let requests = 0; ;) {
    signal?.throwIfAborted();
    const step = resolver.step(SLICE);
    if (step.status === "done") return step;
    if (step.status === "working") {
      // The parts of an explanation are short; a turn for each would take longer than they do.
      if (performance.now() - turn < TURN_MS) continue;
      onEvent?.({ type: "resolving", packages: asked.size, requests });
      await nextTurn();
      turn = performance.now();
      continue;
    }
    for (const key of [...step.packages, ...(step.packages.length === 0 ? step.speculative : [])]) asked.add(key);
    onEvent?.({ type: "resolving", packages: asked.size, requests: ++requests });
    turn = performance.now();
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

/** A whole turn of the event loop: a promise alone would let no timer, and so no deadline, run. */
function nextTurn(): Promise<void> {
  return new Promise((done) => {
    setTimeout(done, 0);
  });
}
