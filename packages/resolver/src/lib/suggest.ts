import { solveCanonically, type Chosen } from "./canonical.ts";
import { acceptsHost, nameOf, Universe, type FactCause } from "./compile.ts";
import type { Failure, Need } from "./question.ts";
import type { Dependency, Exclusion, ResolveInput, Suggestion, VersionRequirement } from "./types.ts";

/** One change to the input, and the advice it would make. */
interface Trial {
  readonly input: ResolveInput;
  readonly type: Suggestion["type"];
  readonly key: string;
  readonly message: (version: string) => string;
}

/** More trials than this cost more time than they are worth. */
const MOST_TRIALS = 24;

const ANYTHING: VersionRequirement = { canonical: "*", matches: () => true, matchesWithPrereleases: () => true };

/** For each cause of the conflict, one change; only those with which a solution was really found are told. */
export function* findSuggestions(failure: Failure): Generator<Need, Suggestion[]> {
  const found: Suggestion[] = [];
  for (const trial of trialsFor(failure).slice(0, MOST_TRIALS)) {
    const version = yield* attempt(trial, failure.universe);
    if (version === undefined) continue;
    found.push({ type: trial.type, key: trial.key, version, message: trial.message(version) });
  }
  return found;
}

function* attempt(trial: Trial, known: Universe): Generator<Need, string | undefined> {
  const universe = new Universe({ ...trial.input, suggest: false }, known.provider);
  const solving = solveCanonically(universe);
  for (;;) {
    const next = solving.next();
    if (next.done === true) return next.value === undefined ? undefined : versionOf(universe, next.value, trial.key);
    const asked = [...universe.needs];
    yield { universe, forSuggestions: true };
    // What could not be loaded leaves this suggestion untested, and so untold.
    if (asked.some((key) => universe.provider.get(key) === undefined)) return undefined;
  }
}

function versionOf(universe: Universe, chosen: Chosen, key: string): string | undefined {
  for (const [node, bit] of chosen) {
    const info = universe.infos[node]!;
    if (info.type === "package" && info.info.key === key) return universe.candidateOf(node, bit)!.version;
  }
  return undefined;
}

function trialsFor(failure: Failure): Trial[] {
  const { universe, steps, original } = failure;
  const trials = new Map<string, Trial>();
  for (const { cause } of steps) {
    for (const trial of cause === undefined ? [] : trialsForFact(universe, original, cause)) {
      trials.set(`${trial.type}\0${trial.key}\0${trial.message("")}`, trial);
    }
  }
  const early = prereleaseTrial(original, trials.size > 0 ? [...trials.values()][0]!.key : undefined);
  return [...(early === undefined ? [] : [early]), ...trials.values()];
}

function trialsForFact(universe: Universe, original: ResolveInput, cause: FactCause): Trial[] {
  switch (cause.type) {
    case "dependency":
      return [dependencyTrial(universe, original, cause.owner, cause.dependency, cause.overridden) ?? []].flat();
    case "excluded":
      return [exclusionTrial(universe, original, cause.node, cause.reason, cause.text) ?? []].flat();
    case "host":
      return hostTrials(universe, original, cause);
    default:
      return [];
  }
}

/** The versions that a host requirement itself names are the likeliest to meet it. */
function hostTrials(universe: Universe, original: ResolveInput, cause: Extract<FactCause, { type: "host" }>): Trial[] {
  const info = universe.infos[cause.node]!;
  if (info.type !== "package") return [];
  const { key } = info.info;
  const named = cause.requirement.canonical.match(/\d+\.\d+\.\d+/g) ?? [];
  return named
    .filter((host) => acceptsHost(cause.requirement, host))
    .map((host) => {
      const versions = (original.hosts?.[cause.axis] ?? []).map((one) => (one === cause.version ? host : one));
      const message = (version: string): string =>
        `resolve for ${cause.axis} ${host} instead of ${cause.version}: there is a solution with ${universe.displayName(key)} ${version}`;
      return {
        input: { ...original, hosts: { ...original.hosts, [cause.axis]: versions } },
        type: "change-host",
        key,
        message,
      };
    });
}

function dependencyTrial(
  universe: Universe,
  original: ResolveInput,
  owner: number,
  dependency: Dependency,
  overridden: boolean,
): Trial | undefined {
  const { key } = dependency;
  if (overridden) {
    const overrides = (original.overrides ?? []).filter((one) => one.key !== key);
    const message = (): string => `drop the override of ${universe.displayName(key)}`;
    return { input: { ...original, overrides }, type: "drop-override", key, message };
  }
  const info = universe.infos[owner]!;
  if (info.type !== "root") return undefined;
  const asked = universe.effective(dependency).canonical;
  const loosen = (one: Dependency): Dependency =>
    one.key === key && nameOf(one) === nameOf(dependency)
      ? { ...one, requirement: looseRequirement(universe, key) }
      : one;
  const roots = original.roots.map((root) =>
    root.name === info.root.name ? { ...root, dependencies: root.dependencies.map(loosen) } : root,
  );
  const message = (version: string): string =>
    `loosen ${universe.displayName(key)} ${asked} in ${info.root.name}: with ${version} there is a solution`;
  return { input: { ...original, roots }, type: "loosen-root", key, message };
}

/** Anything; a pre-release only where the policy has it anyway. */
function looseRequirement(universe: Universe, key: string): VersionRequirement {
  if (universe.input.prereleases !== undefined && universe.input.prereleases !== "named") return ANYTHING;
  return { canonical: "*", matches: (version) => !universe.isPrerelease(key, version) };
}

function exclusionTrial(
  universe: Universe,
  original: ResolveInput,
  node: number,
  reason: Exclusion["reason"],
  text: string,
): Trial | undefined {
  const info = universe.infos[node]!;
  if (info.type !== "package") return undefined;
  const { key } = info.info;
  const message = (version: string): string =>
    `allow ${universe.displayName(key)} ${version}, which is excluded: ${text}`;
  return { input: { ...original, pardon: { key, reason, text } }, type: "allow-excluded", key, message };
}

function prereleaseTrial(original: ResolveInput, key: string | undefined): Trial | undefined {
  const { prereleases = "named" } = original;
  if (key === undefined || (prereleases !== "named" && prereleases !== "never")) return undefined;
  const message = (version: string): string => `allow pre-releases: there is a solution with ${key} ${version}`;
  return { input: { ...original, prereleases: "fallback" }, type: "allow-prerelease", key, message };
}
