import { isLadingError } from "@lading/core-manifest";
import { requirementText } from "../compile/facts.ts";
import { Policy } from "../compile/policy.ts";
import type { DependencyProvider, PackageKey, ResolveInput, SolvedResolution } from "../types.ts";
import { validateSolution, type ValidatedEdges } from "../validate.ts";
import { PlainDescriber } from "./plain-description.ts";
import { BeyondPlain, PlainRules } from "./plain-rules.ts";
import { PlainSearch, type Chosen } from "./plain-search.ts";
import { PlainPath } from "./plain-path.ts";

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

  /** As {@link answerPlainly} does. What earlier answers of a series came to makes this one quicker, and is never seen in it. */
  answer(policy: Policy, most: number, series?: PlainSeries): SolvedResolution | undefined {
    if (!mayBePlain(policy.input)) return undefined;
    const known = this.#rules?.isBroken === false ? this.#rules : undefined;
    known?.begin(policy);
    const answer = known === undefined ? undefined : answerBy(known, policy, most, series);
    if (known?.isStale === false) return answer;
    return answerBy((this.#rules = new PlainRules(policy)), policy, most, series);
  }
}

/** What the answers by one set of rules have in common. */
interface Kept {
  readonly rules: PlainRules;
  readonly search: PlainSearch;
  readonly describer: PlainDescriber;
  /** Only where there are earlier answers. */
  readonly path?: PlainPath;
}

/** Answers of one registry for several environments: they share lessons, descriptions, and what was found good. */
export class PlainSeries {
  readonly validated: ValidatedEdges = new WeakMap();
  readonly #isLocked: (key: PackageKey, version: string) => boolean;
  #kept: Kept | undefined;

  constructor(isLocked: (key: PackageKey, version: string) => boolean) {
    this.#isLocked = isLocked;
  }

  /** What was kept for these rules, of which there is one set unless a package has changed. */
  of(rules: PlainRules): Kept {
    if (this.#kept?.rules !== rules)
      this.#kept = {
        rules,
        search: new PlainSearch(rules, true),
        describer: new PlainDescriber(rules, this.#isLocked, true),
      };
    else this.#kept = { ...this.#kept, path: this.#kept.path ?? new PlainPath(rules) };
    return this.#kept;
  }
}

function answerBy(
  rules: PlainRules,
  policy: Policy,
  most: number,
  series: PlainSeries | undefined,
): SolvedResolution | undefined {
  const { search, describer, path } = series?.of(rules) ?? {
    search: new PlainSearch(rules),
    describer: new PlainDescriber(rules, (key, version) => policy.isLocked(key, version), false),
    path: undefined,
  };
  const { roots } = policy.input;
  const walked = ifPlain(() => path?.follow(roots));
  const chosen = walked ?? ifPlain(() => search.solve(roots, Math.min(most, MOST_STEPS)));
  if (chosen === undefined) return undefined;
  const answer = describer.describe(policy, chosen);
  validateSolution(policy, answer, series?.validated);
  const packages = chosen.nodes.length;
  if (walked !== undefined) return { ...answer, statistics: { packages, ...NO_SEARCH } };
  const { decisions, conflicts, packages: opened } = search;
  return { ...answer, statistics: { packages: opened, loads: 0, decisions, conflicts, solves: 1 } };
}

const NO_SEARCH = { loads: 0, decisions: 0, conflicts: 0, solves: 0 };

function mayBePlain({ coexistence = "single", budget, roots }: ResolveInput): boolean {
  // Within how many steps a given budget suffices is for the full search to say.
  if (coexistence !== "single" || budget !== undefined) return false;
  return roots.every(
    ({ enable = [], features = {}, defaultFeatures }) =>
      enable.length === 0 && (defaultFeatures === false || !Object.hasOwn(features, "default")),
  );
}

/** What is found, unless it is another kind of question. */
function ifPlain(find: () => Chosen | undefined): Chosen | undefined {
  try {
    return find();
  } catch (error) {
    if (error instanceof BeyondPlain) return undefined;
    // Whether a package that is not as it should be has to be read at all is for the full search to say.
    if (isLadingError(error) && error.code === "RESOLVE_METADATA_INVALID") return undefined;
    throw error;
  }
}
