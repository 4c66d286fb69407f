import { isLadingError } from "@lading/core-manifest";
import { nameOf, requirementText } from "../compile/facts.ts";
import { Policy } from "../compile/policy.ts";
import { findCycles } from "../cycles.ts";
import { compareText, markReach, uniqueEdges } from "../outcome.ts";
import type {
  Candidate,
  Dependency,
  DependencyProvider,
  PackageKey,
  ResolvedDependency,
  ResolvedPackage,
  ResolvedRoot,
  ResolveInput,
  SolvedResolution,
} from "../types.ts";
import { validateSolution } from "../validate.ts";
import { BeyondPlain, PlainRules } from "./plain-rules.ts";
import { PlainSearch } from "./plain-search.ts";

type Answer = Omit<SolvedResolution, "statistics">;

/** Steps after which a question is left to the search that can do more: it begins again, forgets, and proves. */
const MOST_STEPS = 5000;

/**
 * The answer to a question of which everything is known and nothing is special: one version of each package, no features, no
 * conditions. `undefined` where it is another question, where there is no solution, or where it is hard to find; the full search
 * has the last word there, as it has beyond `most` steps. Where there is an answer, it is the one that the full search would give.
 */
export function answerPlainly(
  input: ResolveInput,
  provider: DependencyProvider,
  most: number,
): SolvedResolution | undefined {
  if (!mayBePlain(input)) return undefined;
  return plainQuestions(input, provider).answer(new Policy(input, provider), most);
}

/** Questions to a provider by the rules of an input, which share what is read of the registry. */
export function plainQuestions(
  input: Pick<ResolveInput, "prereleases" | "peers" | "overrides">,
  provider: DependencyProvider,
): PlainQuestions {
  const id = JSON.stringify([input.prereleases, input.peers, overridesOf(input)]);
  let known = registries.get(provider);
  if (known?.id !== id) registries.set(provider, (known = { id, questions: new PlainQuestions() }));
  return known.questions;
}

/** What was read of a provider's packages, and by which rules; a package that has changed since is noticed, and all is read anew. */
const registries = new WeakMap<DependencyProvider, { readonly id: string; readonly questions: PlainQuestions }>();

function overridesOf({ overrides = [] }: Pick<ResolveInput, "overrides">): unknown[] {
  return overrides.map(({ key, requirement }) => [key, requirementText(requirement)]);
}

/** Questions of one registry that differ in environment and lock only: what was read for one serves the next. */
export class PlainQuestions {
  #rules: PlainRules | undefined;

  /** As {@link answerPlainly} does. */
  answer(policy: Policy, most: number): SolvedResolution | undefined {
    if (!mayBePlain(policy.input)) return undefined;
    const known = this.#rules?.isBroken === false ? this.#rules : undefined;
    known?.begin(policy);
    const answer = known === undefined ? undefined : answerBy(known, policy, most);
    if (known?.isStale === false) return answer;
    return answerBy((this.#rules = new PlainRules(policy)), policy, most);
  }
}

function answerBy(rules: PlainRules, policy: Policy, most: number): SolvedResolution | undefined {
  const search = new PlainSearch(rules);
  const chosen = solveIfPlain(search, policy.input, Math.min(most, MOST_STEPS));
  if (chosen === undefined) return undefined;
  const candidates = new Map<PackageKey, Candidate>();
  for (const [node, value] of chosen) {
    const { key, candidates: all } = rules.entries[node]!;
    candidates.set(key, all[value - 1]!);
  }
  const answer = describe(policy, candidates);
  validateSolution(policy, answer);
  const { decisions, conflicts, packages } = search;
  return { ...answer, statistics: { packages, loads: 0, decisions, conflicts, solves: 1 } };
}

function mayBePlain({ coexistence = "single", budget, roots }: ResolveInput): boolean {
  // Within how many steps a given budget suffices is for the full search to say.
  if (coexistence !== "single" || budget !== undefined) return false;
  return roots.every(
    ({ enable = [], features = {}, defaultFeatures }) =>
      enable.length === 0 && (defaultFeatures === false || !Object.hasOwn(features, "default")),
  );
}

function solveIfPlain(
  search: PlainSearch,
  { roots }: ResolveInput,
  most: number,
): ReadonlyMap<number, number> | undefined {
  try {
    return search.solve(roots, most);
  } catch (error) {
    if (error instanceof BeyondPlain) return undefined;
    // Whether a package that is not as it should be has to be read at all is for the full search to say.
    if (isLadingError(error) && error.code === "RESOLVE_METADATA_INVALID") return undefined;
    throw error;
  }
}

function describe(policy: Policy, chosen: ReadonlyMap<PackageKey, Candidate>): Answer {
  const ids = new Map<PackageKey, string>();
  for (const [key, { version }] of chosen) ids.set(key, `${key} ${version}`);
  const roots = policy.input.roots.map(({ name, dependencies }): ResolvedRoot => ({
    name,
    features: [],
    dependencies: edgesOf(policy, ids, dependencies, true),
  }));
  const packages: ResolvedPackage[] = [];
  for (const [key, candidate] of chosen) {
    const { version, dependencies } = candidate;
    packages.push({
      id: ids.get(key)!,
      key,
      name: policy.displayName(key),
      version,
      features: [],
      dependencies: edgesOf(policy, ids, dependencies, false),
      kinds: [],
      direct: false,
      locked: policy.isLocked(key, version),
      candidate,
    });
  }
  const reached = markReach(roots, packages);
  reached.sort((a, b) => compareText(a.key, b.key));
  return { status: "solved", packages: reached, roots, cycles: findCycles(reached), notes: [] };
}

function edgesOf(
  policy: Policy,
  ids: ReadonlyMap<PackageKey, string>,
  dependencies: readonly Dependency[],
  ofRoot: boolean,
): ResolvedDependency[] {
  const edges: ResolvedDependency[] = [];
  for (const one of dependencies) {
    if (policy.isGated(one) || !policy.counts(one, ofRoot)) continue;
    const { key, kind = "normal" } = one;
    const requirement = policy.effective(one).canonical;
    edges.push({ name: nameOf(one), key, id: ids.get(key)!, kind, requirement, optional: false });
  }
  return uniqueEdges(edges);
}
