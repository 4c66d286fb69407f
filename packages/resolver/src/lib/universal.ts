import { isLadingError } from "@lading/core-manifest";
import { solveCanonically } from "./canonical.ts";
import { Universe } from "./compile.ts";
import { Policy } from "./compile/policy.ts";
import { answerAlike, EnvironmentConditions } from "./environment-conditions.ts";
import { axesOf, environmentsOf, environmentText, type Axis } from "./environments.ts";
import { describeSolution } from "./outcome.ts";
import { checkInput } from "./input.ts";
import { plainQuestions, PlainSeries, type PlainQuestions } from "./plain/plain-answer.ts";
import { slotsIn } from "./locked-slots.ts";
import { createResolver, drive, type ResolveOptions } from "./resolve.ts";
import type {
  DependencyProvider,
  LockedPackage,
  LockedSlot,
  PackageKey,
  PackageMetadata,
  Resolution,
  ResolutionStatistics,
  ResolvedPackage,
  ResolveInput,
  ResolverStep,
  ResolverWorking,
  SolvedResolution,
  UnsolvableResolution,
  VersionRequirement,
} from "./types.ts";
import { Following, type CellQuestion, type Preferences } from "./universal-follow.ts";
import { joinAnswers } from "./universal-join.ts";
import { PlainWalk } from "./universal-walk.ts";
import {
  TARGET_AXIS,
  type EnvironmentSuggestion,
  type TargetEnvironment,
  type UniversalFailure,
  type UniversalInput,
  type UniversalResolution,
  type UniversalStatistics,
} from "./universal-types.ts";
import { validateSolution } from "./validate.ts";

type Needs = Extract<ResolverStep, { status: "needs" }>;

/** What one call of `step` came to. */
export type UniversalStep = Needs | { readonly status: "done"; readonly resolution: UniversalResolution };

/** A resolution for a grid under way, without IO: call `step` until it is done, loading what it needs between. */
export interface UniversalResolver {
  /** @throws {ResolverError} `RESOLVE_INPUT_INVALID`, `RESOLVE_METADATA_INVALID`, `RESOLVE_INTERNAL` */
  step(): UniversalStep;
  /** The same, and a pause after about so many steps of a search: `working`, and nothing is needed. */
  step(most: number): UniversalStep | ResolverWorking;
}

/**
 * Starts a resolution for a grid that does no IO of its own: `step` until it is done.
 * @throws {ResolverError} `RESOLVE_INPUT_INVALID`, `RESOLVE_ENVIRONMENTS_TOO_MANY`
 */
export function createUniversalResolver(input: UniversalInput, provider: DependencyProvider): UniversalResolver {
  const axes = axesOf(input.environments);
  const solve = input.mode === "every" ? solveForEvery : solveForEach;
  const pace: Pace = { most: Infinity };
  const work = solve(input, provider, axes, pace);
  function step(): UniversalStep;
  function step(most: number): UniversalStep | ResolverWorking;
  function step(most: number = Infinity): UniversalStep | ResolverWorking {
    pace.most = most;
    const next = work.next();
    return next.done === true ? { status: "done", resolution: next.value } : next.value;
  }
  return { step };
}

/** Steps of a search until its next pause. */
interface Pace {
  most: number;
}

/** What the work stops for. */
type Pause = Needs | ResolverWorking;

/**
 * Finds an answer for every environment of a grid (docs/spec/resolution.md, "Environments"), or proves for one of them that
 * there is none. Both are values; the answer depends on nothing but input and metadata.
 * @throws {ResolverError} `RESOLVE_INPUT_INVALID`, `RESOLVE_ENVIRONMENTS_TOO_MANY`, `RESOLVE_METADATA_INVALID`,
 * `RESOLVE_METADATA_INCOMPLETE`, `RESOLVE_BUDGET_EXCEEDED`, `RESOLVE_INTERNAL`; besides, whatever the provider's `load` or the signal rejects with
 */
export async function resolveUniversal(
  input: UniversalInput,
  provider: DependencyProvider,
  options: ResolveOptions = {},
): Promise<UniversalResolution> {
  const { resolution } = await drive(createUniversalResolver(input, provider), provider, options);
  return resolution;
}

function* solveWhole(input: ResolveInput, provider: DependencyProvider, pace: Pace): Generator<Pause, Resolution> {
  const resolver = createResolver(input, provider);
  for (;;) {
    const step = resolver.step(pace.most);
    if (step.status === "done") return step.resolution;
    yield step;
  }
}

/** Like {@link solveWhole}, but that there is no solution is not explained, nor that none was found within the budget. */
function* trySolve(
  input: ResolveInput,
  provider: DependencyProvider,
  pace: Pace,
): Generator<Pause, SolvedResolution | undefined> {
  const universe = new Universe(input, provider);
  const solving = solveCanonically(universe);
  for (let loads = 0; ;) {
    universe.solver.pauseAfter = pace.most;
    const next = nextWithinBudget(solving);
    if (next === undefined) return undefined;
    if (next.done !== true) {
      if (universe.needs.size === 0) {
        const { decisions, conflicts, solves } = universe.solver;
        yield {
          status: "working",
          statistics: { packages: universe.packages.size, loads, decisions, conflicts, solves },
        };
        continue;
      }
      loads++;
      const packages = [...universe.needs];
      universe.needs.clear();
      yield { status: "needs", packages, speculative: universe.speculate(packages), forSuggestions: false };
      continue;
    }
    if (next.value === undefined) return undefined;
    const answer = describeSolution(universe, next.value);
    validateSolution(universe, answer);
    const { decisions, conflicts, solves } = universe.solver;
    return { ...answer, statistics: { packages: universe.packages.size, loads, decisions, conflicts, solves } };
  }
}

function nextWithinBudget(solving: ReturnType<typeof solveCanonically>): ReturnType<typeof solving.next> | undefined {
  try {
    return solving.next();
  } catch (error) {
    if (isLadingError(error) && error.code === "RESOLVE_BUDGET_EXCEEDED") return undefined;
    throw error;
  }
}

function* solveForEvery(
  input: UniversalInput,
  provider: DependencyProvider,
  axes: readonly Axis[],
  pace: Pace,
): Generator<Pause, UniversalResolution> {
  const { environments: grid, mode: _, locked, lockedSlots, ...rest } = input;
  const environments = environmentsOf(grid);
  const question: ResolveInput = {
    ...rest,
    hosts: grid.hosts ?? {},
    ...(grid.targets === undefined ? {} : { targets: grid.targets }),
    locked: (locked ?? []).map(({ key, version }) => ({ key, version })),
    lockedSlots: (lockedSlots ?? []).map(({ key, requirement, version }) => ({ key, requirement, version })),
  };
  const resolution = yield* solveWhole(question, provider, pace);
  const costs: UniversalStatistics = {
    ...resolution.statistics,
    environments: environments.length,
    solved: 1,
    followed: 0,
    merged: environments.length - 1,
  };
  const cells = environments.map((__, cell) => cell);
  if (resolution.status === "solved") return joinAnswers(environments, [{ cells, resolution }], costs);
  return failure({ input, axes, environments, failed: cells, of: resolution, costs, ofAll: true });
}

/** An environment that was solved, and all that the answer depended on. */
interface Solved {
  readonly cell: number;
  readonly cells: number[];
  readonly locked: string;
  readonly classes: ReturnType<EnvironmentConditions["classes"]>;
  readonly resolution: Resolution;
}

function* solveForEach(
  input: UniversalInput,
  provider: DependencyProvider,
  axes: readonly Axis[],
  pace: Pace,
): Generator<Pause, UniversalResolution> {
  const work = new EachWork(input, provider, axes, pace);
  for (const cell of work.environments.keys()) yield* work.solve(cell);
  return work.result();
}

class EachWork {
  readonly environments: readonly TargetEnvironment[];
  readonly #input: UniversalInput;
  readonly #provider: DependencyProvider;
  readonly #axes: readonly Axis[];
  readonly #conditions: EnvironmentConditions;
  readonly #following: Following;
  readonly #walk: PlainWalk;
  readonly #plain: PlainQuestions;
  readonly #series: PlainSeries;
  readonly #pace: Pace;
  readonly #requirements = new Map<string, VersionRequirement>();
  readonly #solved: Solved[] = [];
  /** Of every package, what the first environment that needed it has. */
  readonly #first = new Map<PackageKey, Set<string>>();
  readonly #everLocked = new Map<PackageKey, Set<string>>();
  readonly #costs = { packages: 0, loads: 0, decisions: 0, conflicts: 0, solves: 0, solved: 0, followed: 0, merged: 0 };

  constructor(input: UniversalInput, provider: DependencyProvider, axes: readonly Axis[], pace: Pace) {
    this.#pace = pace;
    this.#input = input;
    this.#provider = provider;
    this.#axes = axes;
    this.environments = environmentsOf(input.environments);
    this.#conditions = new EnvironmentConditions(axes);
    this.#following = new Following(input, provider, this.#conditions);
    this.#plain = plainQuestions(input, provider);
    const isLocked = (key: PackageKey, version: string): boolean => this.#isLocked(key, version);
    this.#series = new PlainSeries(isLocked);
    this.#walk = new PlainWalk(provider, isLocked);
    for (const { key, version } of input.locked ?? []) put(this.#everLocked, key, version);
  }

  *solve(cell: number): Generator<Pause, void> {
    const environment = this.environments[cell]!;
    const own = (this.#input.locked ?? []).filter(({ appliesTo }) => appliesTo?.(environment) ?? true);
    const here = new Set(own.map(({ key }) => key));
    const slots = slotsIn(this.#input.lockedSlots ?? [], environment, (key) => here.has(key));
    const locked = [
      ...own.map(({ key, version }) => `${key} ${version}`),
      ...slots.map(({ key, requirement, version }) => `${key} ${version} ${requirement}`),
    ].join("\n");
    const twin = this.#solved.find(
      (one) => one.locked === locked && answerAlike(one.classes, this.environments[one.cell]!, environment),
    );
    if (twin !== undefined) {
      twin.cells.push(cell);
      this.#costs.merged++;
      return;
    }
    const read = new Set<PackageKey>();
    const question = this.#question(environment, { own, slots });
    const resolution = yield* this.#answer(question, read);
    if (resolution.status === "solved") this.#prefer(resolution);
    const metadata = [...read].map((key) => this.#provider.get(key)).filter((one) => one !== undefined);
    const classes = this.#conditions.classes(this.#input, metadata);
    this.#solved.push({ cell, cells: [cell], locked, classes, resolution });
  }

  result(): UniversalResolution {
    const costs: UniversalStatistics = { ...this.#costs, environments: this.environments.length };
    const failing = this.#solved.filter(({ resolution }) => resolution.status === "unsolvable");
    const [first] = failing;
    if (first?.resolution.status === "unsolvable") {
      const failed = failing.flatMap(({ cells }) => cells).sort((a, b) => a - b);
      const { resolution: of } = first;
      return failure({ input: this.#input, axes: this.#axes, environments: this.environments, failed, of, costs });
    }
    const answers = this.#solved.map(({ cells, resolution }) => ({
      cells,
      resolution: this.#lockedAsGiven(resolution),
    }));
    return joinAnswers(this.environments, answers, costs);
  }

  /** Answers one environment: from an earlier answer, where that can be proven to be the same; else from the beginning. */
  *#answer(question: CellQuestion, read: Set<PackageKey>): Generator<Pause, Resolution> {
    if (this.#solved.length === 0) checkInput(question.input);
    const isFirst = !this.#solved.some(({ resolution }) => resolution.status === "solved");
    const quick = isFirst
      ? yield* this.#quicklyFirst(question, read)
      : (this.#plainly(question, read, new Set()) ?? this.#walked(question, read, { isFirst, loads: 0 }));
    if (quick !== undefined) return quick;
    if (!isFirst) {
      const followed = yield* trySolve(question.input, noting(this.#following.narrowed(question), read), this.#pace);
      if (followed !== undefined && this.#following.isAnswer(question, followed)) {
        this.#costs.followed++;
        this.#count(followed.statistics);
        return followed;
      }
    }
    // One explanation is enough.
    const told = this.#solved.some(({ resolution }) => resolution.status === "unsolvable");
    const input = told ? { ...question.input, suggest: false } : question.input;
    const resolution = yield* solveWhole(input, noting(this.#provider, read), this.#pace);
    this.#costs.solved++;
    this.#count(resolution.statistics);
    return resolution;
  }

  /** Leaves in `seen` what it has looked at, also where it has no answer. */
  #plainly(question: CellQuestion, read: Set<PackageKey>, seen: Set<PackageKey>): SolvedResolution | undefined {
    const isFirst = !this.#solved.some(({ resolution }) => resolution.status === "solved");
    const policy = this.#policyFor(question.input, noting(this.#provider, seen));
    const answer = this.#plain.answer(policy, this.#pace.most, this.#series);
    if (answer === undefined) return undefined;
    for (const key of seen) read.add(key);
    // Without a conflict it has only gone the way that the earlier answers show.
    if (!isFirst && answer.statistics.conflicts === 0) this.#costs.followed++;
    else this.#costs.solved++;
    this.#count(answer.statistics);
    return answer;
  }

  /** The first environment's answer without the full search, where what that needs can be loaded in a few steps. */
  *#quicklyFirst(question: CellQuestion, read: Set<PackageKey>): Generator<Pause, SolvedResolution | undefined> {
    const asked = new Set<PackageKey>();
    let tried = this.#tryPlainly(question, read);
    // Where all is known there is nothing to load on the way.
    let loads = tried.answer === undefined ? yield* this.#loadOnTheWay(question, asked) : 0;
    if (loads > 0) tried = this.#tryPlainly(question, read);
    for (const most = loads + MORE_LOADS; ; loads++) {
      const { answer, seen } = tried;
      if (answer !== undefined) return { ...answer, statistics: { ...answer.statistics, loads } };
      // What the search stopped at: where the newest versions do not go together, it is what others of them need.
      const speculative = [...seen].filter((key) => this.#provider.get(key) === undefined && !asked.has(key));
      if (speculative.length === 0 || loads === most) return this.#walked(question, read, { isFirst: true, loads });
      yield this.#guess(speculative, asked);
      tried = this.#tryPlainly(question, read);
    }
  }

  #tryPlainly(
    question: CellQuestion,
    read: Set<PackageKey>,
  ): { readonly answer: SolvedResolution | undefined; readonly seen: ReadonlySet<PackageKey> } {
    const seen = new Set<PackageKey>();
    return { answer: this.#plainly(question, read, seen), seen };
  }

  #guess(speculative: readonly PackageKey[], asked: Set<PackageKey>): Needs {
    for (const key of speculative) asked.add(key);
    this.#costs.loads++;
    return { status: "needs", packages: [], speculative, forSuggestions: false };
  }

  /**
   * Loads what a walk without a search comes upon, all of it at once from step to step, until it is at its end; gives the number
   * of loads. These are guesses: of what is really needed a search asks again, and only then a failure counts.
   */
  *#loadOnTheWay({ input, preferred }: CellQuestion, asked: Set<PackageKey>): Generator<Pause, number> {
    for (let loads = 0; ; loads++) {
      const unknown = this.#walk.unknown(this.#policyFor(input), preferred);
      const speculative = [...unknown].filter((key) => !asked.has(key));
      if (speculative.length === 0) return loads;
      yield this.#guess(speculative, asked);
    }
  }

  #walked(
    question: CellQuestion,
    read: Set<PackageKey>,
    { isFirst, loads }: { readonly isFirst: boolean; readonly loads: number },
  ): SolvedResolution | undefined {
    const policy = this.#policyFor(question.input);
    const seen = new Set<PackageKey>();
    const answer = this.#walk.answer(policy, question.preferred, seen);
    if (answer === undefined) return undefined;
    validateSolution(policy, answer, this.#series.validated);
    for (const key of seen) read.add(key);
    if (!isFirst) {
      this.#costs.followed++;
      return { ...answer, statistics: { packages: seen.size, ...NO_SEARCH } };
    }
    const statistics = { packages: seen.size, ...NO_SEARCH, loads, decisions: seen.size };
    this.#costs.solved++;
    this.#count({ ...statistics, loads: 0 });
    return { ...answer, statistics };
  }

  /** The rules of one environment; what a requirement's text means is read once for all of them. */
  #policyFor(input: ResolveInput, provider: DependencyProvider = this.#provider): Policy {
    return new Policy(input, provider, this.#requirements);
  }

  #question(
    environment: TargetEnvironment,
    { own, slots }: { readonly own: readonly LockedPackage[]; readonly slots: readonly LockedSlot[] },
  ): CellQuestion {
    const preferred = this.#preferences(own);
    const { environments: grid, mode: _, locked: __, lockedSlots: ___, ...rest } = this.#input;
    const { [TARGET_AXIS]: target, ...versions } = environment;
    const input: ResolveInput = {
      ...rest,
      hosts: Object.fromEntries(Object.keys(grid.hosts ?? {}).map((axis) => [axis, [versions[axis]!]])),
      ...(target === undefined ? {} : { targets: [target] }),
      locked: [...preferred].flatMap(([key, all]) => [...all].map((version) => ({ key, version }))),
      ...(slots.length === 0 ? {} : { lockedSlots: slots }),
    };
    return { input, environment, preferred };
  }

  /** What the lock has here; else what it has anywhere; else what the first environment with the package has. */
  #preferences(own: readonly LockedPackage[]): Preferences {
    const here = new Map<PackageKey, Set<string>>();
    for (const { key, version } of own) put(here, key, version);
    return new Map([...this.#first, ...this.#everLocked, ...here]);
  }

  /** Several versions of a package in one answer are all preferred; what later answers have besides is not. */
  #prefer({ packages }: SolvedResolution): void {
    const fresh = new Map<PackageKey, Set<string>>();
    for (const { key, version } of packages) if (!this.#first.has(key)) put(fresh, key, version);
    for (const [key, versions] of fresh) this.#first.set(key, versions);
  }

  #count(costs: ResolutionStatistics): void {
    this.#costs.packages = Math.max(this.#costs.packages, costs.packages);
    for (const key of ["loads", "decisions", "conflicts", "solves"] as const) this.#costs[key] += costs[key];
  }

  #isLocked(key: PackageKey, version: string): boolean {
    return this.#everLocked.get(key)?.has(version) ?? false;
  }

  /** An earlier environment's choice is a preference here, but not what the caller calls locked. */
  #lockedAsGiven(resolution: Resolution): SolvedResolution {
    if (resolution.status !== "solved") throw new Error("An environment without a solution has no answer");
    const isRight = ({ key, version, locked }: ResolvedPackage): boolean => locked === this.#isLocked(key, version);
    if (resolution.packages.every(isRight)) return resolution;
    return {
      ...resolution,
      packages: resolution.packages.map((one) => (isRight(one) ? one : { ...one, locked: !one.locked })),
    };
  }
}

/** Loads after which a question is left to the search that asks for more at once. */
const MORE_LOADS = 4;

const NO_SEARCH = { loads: 0, decisions: 0, conflicts: 0, solves: 0 };

function put(into: Map<PackageKey, Set<string>>, key: PackageKey, version: string): void {
  const known = into.get(key);
  if (known === undefined) into.set(key, new Set([version]));
  else known.add(version);
}

/** A provider that notes what was read through it. */
function noting(provider: DependencyProvider, read: Set<PackageKey>): DependencyProvider {
  return {
    ...provider,
    get(key): PackageMetadata | undefined {
      read.add(key);
      return provider.get(key);
    },
    load: (keys, options) => provider.load(keys, options),
  };
}

function failure(made: {
  readonly input: UniversalInput;
  readonly axes: readonly Axis[];
  readonly environments: readonly TargetEnvironment[];
  readonly failed: readonly number[];
  readonly of: UnsolvableResolution;
  readonly costs: UniversalStatistics;
  /** Whether the proof speaks of all environments at once. */
  readonly ofAll?: boolean;
}): UniversalFailure {
  const { input, axes, environments, failed, of, costs, ofAll = false } = made;
  const known = of.suggestions.filter(
    ({ type }) => type !== "change-host" || axes.every(({ values }) => values.length < 2),
  );
  const dropping = ofAll || input.suggest === false ? [] : droppable(axes, environments, failed);
  const suggestions = [...known, ...dropping];
  const where = ofAll ? "" : environmentText(environments[failed[0]!]!, axes);
  const explanation = where === "" ? of.explanation : `For ${where}:\n\n${of.explanation}`;
  return { ...of, explanation, suggestions, environments, failed, statistics: costs };
}

/** Values of axes that all failing environments share, and the others do not need. */
function droppable(
  axes: readonly Axis[],
  environments: readonly TargetEnvironment[],
  failed: readonly number[],
): EnvironmentSuggestion[] {
  return axes.flatMap(({ name, values }) => {
    const value = environments[failed[0]!]![name]!;
    if (values.length < 2 || failed.some((cell) => environments[cell]![name] !== value)) return [];
    const message = `leave out ${name} ${value}: every other environment has a solution`;
    return [{ type: "drop-environment" as const, message, axis: name, value }];
  });
}
