import { isLadingError } from "@lading/core-manifest";
import { solveCanonically } from "./canonical.ts";
import { acceptsHost, nameOf, Universe, type FactCause, type PackageInfo } from "./compile.ts";
import { lifting } from "./lift.ts";
import { closeNames } from "./close-names.ts";
import { pause, type Failure, type Need } from "./question.ts";
import { compatibleRange } from "./short-requirement.ts";
import type {
  Dependency,
  DependencyProvider,
  Exclusion,
  ExclusionReason,
  PackageKey,
  ResolveInput,
  Suggestion,
  VersionRequirement,
} from "./types.ts";
import { Words } from "./words.ts";

type Cause<Type extends FactCause["type"]> = Extract<FactCause, { type: Type }>;
type Attempt = Generator<Need, Suggestion | undefined>;

/** More trials than this cost more time than they are worth. */
const MOST_TRIALS = 32;
/** Steps that one of them may take, and all together: a change that is hard to judge is no quick help. */
const MOST_STEPS = 5_000;
const MOST_STEPS_OF_ALL = 20_000;
/** Versions that a cooldown keeps back are tried one by one, the one that is free first before all. */
const MOST_WAITS = 3;

// Sets go by their text, so these have texts that no requirement has.
/** Reasons that no setting and nobody's wish lifts: what is withdrawn for being dangerous is not suggested. */
const FINAL: ReadonlySet<ExclusionReason> = new Set(["removed", "revoked"]);

const ANYTHING: VersionRequirement = {
  canonical: "(anything)",
  matches: () => true,
  matchesWithPrereleases: () => true,
};
const HELP = "everything resolves";

/** For each cause of the conflict, one change; only those with which a solution was really found are told. */
export function* findSuggestions(failure: Failure, known: Known): Generator<Need, Suggestion[]> {
  const advisor = new Advisor(failure, known);
  const found = new Map<string, Suggestion>();
  const causes = failure.steps.flatMap(({ cause }) => cause ?? []);
  for (const attempt of causes.flatMap((cause) => advisor.forCause(cause))) yield* collect(attempt(), found);
  const named = [...found.values()].some(({ type }) => type === "allow-prerelease");
  if (!named) yield* collect(advisor.allowPrereleases(causes), found);
  // To overrule a package, or to go without it, nearly always helps; it is worth a line only where nothing else does.
  for (const attempts of [advisor.overrules(causes), advisor.removals(causes)]) {
    if (found.size === 0) for (const attempt of attempts) yield* collect(attempt(), found);
  }
  return [...found.values()].sort((left, right) => ORDER.indexOf(left.type) - ORDER.indexOf(right.type));
}

const ORDER: readonly Suggestion["type"][] = [
  "rename-root",
  "loosen-root",
  "allow-prerelease",
  "allow-excluded",
  "allow-reason",
  "change-host",
  "change-override",
  "drop-override",
  "drop-features",
  "add-override",
  "remove-root",
];

function* collect(attempt: Attempt, found: Map<string, Suggestion>): Generator<Need, void> {
  const suggestion = yield* attempt;
  if (suggestion === undefined) return;
  const { type, key, requirement, version, message } = suggestion;
  const id = type === "add-override" ? [type, key, requirement, version].join("\0") : message;
  if (!found.has(id)) found.set(id, suggestion);
}

/** Packages that the original question came to know. */
type Known = ReadonlyMap<PackageKey, PackageInfo>;

/** Version of every package in an answer; under `per-major` the newest of several, unless a range says which is meant. */
interface Answer {
  get(key: PackageKey, requirement?: string): string | undefined;
  readonly versions: readonly (readonly [PackageKey, string])[];
}

class Advisor {
  readonly #universe: Universe;
  readonly #original: ResolveInput;
  readonly #words: Words;
  readonly #known: Known;
  #trials = 0;
  #steps = 0;

  constructor({ universe, original }: Failure, known: Known) {
    this.#universe = universe;
    this.#known = known;
    this.#original = original;
    this.#words = new Words(universe);
  }

  forCause(cause: FactCause): (() => Attempt)[] {
    switch (cause.type) {
      case "dependency":
        return this.#forDependency(cause);
      case "excluded":
        return [() => this.#allow(cause)];
      case "host":
        return this.#hosts(cause).map((host) => () => this.#changeHost(cause, host));
      case "feature":
        return this.#forFeature(cause);
      default:
        return [];
    }
  }

  #forDependency(cause: Cause<"dependency">): (() => Attempt)[] {
    const { key } = cause.dependency;
    if (cause.overridden) return [() => this.#changeOverride(key), () => this.#dropOverride(key)];
    if (!this.#isChangeable(cause.owner)) return [];
    return [() => this.#rename(cause), () => this.#namePrerelease(cause), () => this.#widen(cause)];
  }

  /** Whether a node is a root whose requirements are the user's own lines, rather than the question. */
  #isChangeable(node: number): boolean {
    const info = this.#universe.infos[node]!;
    return info.type === "root" && info.root.verb === undefined;
  }

  // --- trials --------------------------------------------------------------------------------------------------

  /** Solves a changed question; `undefined` where it has no answer, or none that could be found out. */
  *#solve(
    input: ResolveInput,
    provider: DependencyProvider = this.#universe.provider,
  ): Generator<Need, Answer | undefined> {
    const most = Math.min(MOST_STEPS_OF_ALL, this.#original.budget ?? MOST_STEPS_OF_ALL);
    if (this.#trials++ >= MOST_TRIALS || this.#steps >= most) return undefined;
    yield pause(this.#universe);
    let universe: Universe | undefined;
    try {
      const budget = Math.min(input.budget ?? MOST_STEPS, MOST_STEPS);
      universe = new Universe({ ...input, suggest: false, budget }, provider);
      const solving = solveCanonically(universe);
      for (;;) {
        const next = solving.next();
        if (next.done === true) return next.value === undefined ? undefined : answerOf(universe, next.value);
        const asked = [...universe.needs];
        yield { universe, forSuggestions: true };
        // What could not be loaded leaves this suggestion untested, and so untold.
        if (asked.some((key) => provider.get(key) === undefined)) return undefined;
      }
    } catch (error) {
      if (isLadingError(error) && error.code !== "RESOLVE_INTERNAL") return undefined;
      throw error;
    } finally {
      if (universe !== undefined) this.#steps += universe.solver.decisions + universe.solver.conflicts;
    }
  }

  #withRoot(cause: Cause<"dependency">, change: (dependency: Dependency) => readonly Dependency[]): ResolveInput {
    const info = this.#universe.infos[cause.owner]!;
    const isMeant = (one: Dependency): boolean =>
      one.key === cause.dependency.key && nameOf(one) === nameOf(cause.dependency);
    const roots = this.#original.roots.map((root) =>
      info.type === "root" && root.name === info.root.name
        ? { ...root, dependencies: root.dependencies.flatMap((one) => (isMeant(one) ? change(one) : [one])) }
        : root,
    );
    return { ...this.#original, roots };
  }

  #require(cause: Cause<"dependency">, requirement: string | VersionRequirement): ResolveInput {
    return this.#withRoot(cause, (one) => [{ ...one, requirement }]);
  }

  /** The narrowest requirement around a version that resolves when it is really asked for. */
  *#settle(
    key: PackageKey,
    version: string,
    ask: (requirement: string) => ResolveInput,
  ): Generator<Need, { requirement: string; text: string; version: string } | undefined> {
    const range = compatibleRange(version);
    // Versions of another scheme than SemVer have no requirement text that we could write.
    if (range === undefined || this.#universe.provider.compareVersions !== undefined) return undefined;
    const wording = this.#original.wording;
    const exact = { canonical: `=${version}`, text: version };
    for (const { canonical, text } of [range, exact]) {
      const answer = yield* this.#solve(ask(canonical));
      const got = answer?.get(key, canonical);
      if (got !== undefined) return { requirement: canonical, text: wording?.(canonical) ?? text, version: got };
    }
    return undefined;
  }

  // --- kinds of advice -----------------------------------------------------------------------------------------

  *#widen(cause: Cause<"dependency">): Attempt {
    const { key } = cause.dependency;
    const loose = yield* this.#solve(this.#require(cause, this.#anyVersion(key)));
    const version = loose?.get(key);
    if (version === undefined) return undefined;
    const settled = yield* this.#settle(key, version, (requirement) => this.#require(cause, requirement));
    const name = this.#display(key);
    const where = this.#members() > 1 ? ` in ${this.#words.name(cause.owner)}` : "";
    const verb = this.#isNewer(cause, version) ? "widen" : "lower";
    if (settled === undefined) {
      const message = `${verb} ${name}${where} so that it allows ${version}, and ${HELP}`;
      return { type: "loosen-root", key, version, message };
    }
    const message = `${verb} ${name}${where} to ${settled.text} and ${HELP} with ${name} ${settled.version}`;
    return { type: "loosen-root", key, version: settled.version, requirement: settled.requirement, message };
  }

  #isNewer(cause: Cause<"dependency">, version: string): boolean {
    const { candidates } = this.#universe.packages.get(cause.dependency.key)!;
    const accepted = candidates.filter((one) => this.#universe.accepts(cause.requirement, one.version));
    const newest = accepted.at(-1)?.version;
    if (newest !== undefined) return this.#universe.compare(cause.dependency.key, version, newest) > 0;
    // Nothing is in the range: its first number says on which side of it the version is.
    const bound = /\d+\.\d+\.\d+/.exec(cause.requirement.canonical)?.[0];
    return bound === undefined || this.#universe.compare(cause.dependency.key, version, bound) > 0;
  }

  /** Anything; a pre-release only where the policy has it anyway. */
  #anyVersion(key: PackageKey): VersionRequirement {
    const { prereleases = "named" } = this.#original;
    if (prereleases !== "named") return ANYTHING;
    return { canonical: "(any stable version)", matches: (version) => !this.#universe.isPrerelease(key, version) };
  }

  *#namePrerelease(cause: Cause<"dependency">): Attempt {
    const { key } = cause.dependency;
    const { requirement } = cause;
    if ((this.#original.prereleases ?? "named") !== "named" || requirement.matchesWithPrereleases === undefined)
      return undefined;
    const spans = (version: string): boolean => requirement.matchesWithPrereleases?.(version) === true;
    const known = this.#universe.packages.get(key)?.candidates ?? [];
    if (!known.some(({ version }) => spans(version) && !requirement.matches(version))) return undefined;
    const answer = yield* this.#solve(
      this.#require(cause, { canonical: `(${requirement.canonical} and pre-releases)`, matches: spans }),
    );
    const version = answer?.get(key);
    if (version === undefined) return undefined;
    const settled = yield* this.#settle(key, version, (text) => this.#require(cause, text));
    if (settled === undefined) return undefined;
    const name = this.#display(key);
    const message = `ask for the pre-release with ${name} ${settled.text} and ${HELP} with ${name} ${settled.version}`;
    return { type: "allow-prerelease", key, version: settled.version, requirement: settled.requirement, message };
  }

  /** The policy as a whole, for a pre-release that only others ask for. */
  *allowPrereleases(causes: readonly FactCause[]): Attempt {
    const { prereleases = "named" } = this.#original;
    if (prereleases !== "named" && prereleases !== "never") return undefined;
    if (causes.every(({ type }) => type === "root" || type === "host")) return undefined;
    const answer = yield* this.#solve({ ...this.#original, prereleases: "fallback" });
    const early = (answer?.versions ?? []).find(([key, version]) => this.#universe.isPrerelease(key, version));
    if (early === undefined) return undefined;
    const [key, version] = early;
    const message = `allow pre-releases (prereleases = "fallback") and ${HELP} with ${this.#display(key)} ${version}`;
    return { type: "allow-prerelease", key, version, message };
  }

  *#allow(cause: Cause<"excluded">): Attempt {
    const info = this.#universe.infos[cause.node]!;
    if (info.type !== "package") return undefined;
    const { key } = info.info;
    if (FINAL.has(cause.reason)) return undefined;
    for (const version of yield* this.#worthAllowing(key, cause.reason)) {
      const answer = yield* this.#lift(key, cause.reason, (one) => one === version);
      if (answer?.get(key) !== version) continue;
      const exclusion = this.#exclusion(key, version, cause.reason);
      if (exclusion === undefined) continue;
      return {
        type: "allow-excluded",
        key,
        version,
        message: `allow ${this.#display(key)} ${version} and ${HELP} (${exclusion.text})`,
        reason: cause.reason,
        ...(exclusion.until === undefined ? {} : { until: exclusion.until }),
      };
    }
    return yield* this.#allowAll(key, cause.reason);
  }

  /** What is held back for its age often needs what is as young: then the rule as a whole is what must give way. */
  *#allowAll(key: PackageKey, reason: ExclusionReason): Attempt {
    if (reason !== "cooldown" && reason !== "exclude-newer") return undefined;
    const { input, provider } = lifting(this.#original, this.#universe.provider, { reason, which: () => true });
    const answer = yield* this.#solve(input, provider);
    const version = answer?.get(key);
    if (answer === undefined || version === undefined) return undefined;
    const until = answer.versions
      .flatMap(([name, one]) => this.#provided(name, one)?.find((given) => given.reason === reason)?.until ?? [])
      .sort()
      .at(-1);
    const rule = reason === "cooldown" ? "younger versions" : "newer versions";
    const wait = until === undefined ? "" : `, as it does by itself from ${until} on`;
    const message = `allow ${rule} of every package and ${HELP} with ${this.#display(key)} ${version}${wait}`;
    return { type: "allow-reason", key, version, reason, message, ...(until === undefined ? {} : { until }) };
  }

  /** Reasons against any version that is known, whether the conflict has come to it or not. */
  #provided(key: PackageKey, version: string): readonly Exclusion[] | undefined {
    const candidate = this.#universe.provider.get(key)?.candidates.find((one) => one.version === version);
    if (candidate === undefined) return undefined;
    return [...(candidate.excluded ?? []), ...(this.#original.exclude?.(key, candidate) ?? [])];
  }

  /** Versions that an exclusion keeps back: those that are free soonest, or else the one that would be chosen. */
  *#worthAllowing(key: PackageKey, reason: ExclusionReason): Generator<Need, string[]> {
    const { candidates } = this.#universe.packages.get(key)!;
    const waiting = candidates.flatMap(({ version }) => {
      const until = this.#exclusion(key, version, reason)?.until;
      return until === undefined ? [] : [{ version, until }];
    });
    if (waiting.length > 0) {
      return waiting
        .toSorted((left, right) => (left.until < right.until ? -1 : left.until > right.until ? 1 : 0))
        .slice(0, MOST_WAITS)
        .map(({ version }) => version);
    }
    const version = (yield* this.#lift(key, reason, () => true))?.get(key);
    return version === undefined ? [] : [version];
  }

  #lift(
    key: PackageKey,
    reason: ExclusionReason,
    which: (version: string) => boolean,
  ): Generator<Need, Answer | undefined> {
    const { input, provider } = lifting(this.#original, this.#universe.provider, { key, reason, which });
    return this.#solve(input, provider);
  }

  #exclusion(
    key: PackageKey,
    version: string,
    reason: ExclusionReason,
  ): { readonly text: string; readonly until?: string } | undefined {
    const candidate = this.#universe.packages.get(key)?.candidates.find((one) => one.version === version);
    if (candidate === undefined) return undefined;
    return this.#universe.exclusionsOf(key, candidate).find((one) => one.reason === reason);
  }

  /** The versions that a host requirement itself names are the likeliest to meet it. */
  #hosts(cause: Cause<"host">): string[] {
    const named = cause.requirement.canonical.match(/\d+\.\d+\.\d+/g) ?? [];
    return [...new Set(named)].filter((host) => acceptsHost(cause.requirement, host));
  }

  *#changeHost(cause: Cause<"host">, host: string): Attempt {
    const info = this.#universe.infos[cause.node]!;
    if (info.type !== "package") return undefined;
    const versions = (this.#original.hosts?.[cause.axis] ?? []).map((one) => (one === cause.version ? host : one));
    const answer = yield* this.#solve({
      ...this.#original,
      hosts: { ...this.#original.hosts, [cause.axis]: versions },
    });
    if (answer === undefined) return undefined;
    const { key } = info.info;
    const version = answer.get(key);
    const shown = host.split(".").slice(0, cause.version.split(".").length).join(".");
    const got = version === undefined ? "" : ` with ${this.#display(key)} ${version}`;
    const message = `use ${cause.axis} ${shown} instead of ${cause.version} and ${HELP}${got}`;
    return { type: "change-host", key, message, ...(version === undefined ? {} : { version }) };
  }

  *#dropOverride(key: PackageKey): Attempt {
    const overrides = (this.#original.overrides ?? []).filter((one) => one.key !== key);
    const answer = yield* this.#solve({ ...this.#original, overrides });
    if (answer === undefined) return undefined;
    const version = answer.get(key);
    const name = this.#display(key);
    const got = version === undefined ? "" : ` with ${name} ${version}`;
    const message = `drop the override of ${name} and ${HELP}${got}`;
    return { type: "drop-override", key, message, ...(version === undefined ? {} : { version }) };
  }

  *#changeOverride(key: PackageKey): Attempt {
    const found = yield* this.#override(key);
    return found && { type: "change-override", ...found, message: `override ${found.message}` };
  }

  /** The override that helps, in words that complete "override ...". */
  *#override(
    key: PackageKey,
  ): Generator<
    Need,
    (Pick<Suggestion, "requirement"> & { key: string; version: string; message: string }) | undefined
  > {
    const others = (this.#original.overrides ?? []).filter((one) => one.key !== key);
    const ask = (requirement: string | VersionRequirement): ResolveInput => ({
      ...this.#original,
      overrides: [...others, { key, requirement }],
    });
    const version = (yield* this.#solve(ask(this.#anyVersion(key))))?.get(key);
    if (version === undefined) return undefined;
    const settled = yield* this.#settle(key, version, ask);
    const name = this.#display(key);
    if (settled === undefined) return { key, version, message: `${name} so that it allows ${version}, and ${HELP}` };
    const message = `${name} with ${settled.text} and ${HELP} with ${name} ${settled.version}`;
    return { key, version: settled.version, requirement: settled.requirement, message };
  }

  overrules(causes: readonly FactCause[]): (() => Attempt)[] {
    return causes.flatMap((cause) =>
      cause.type === "dependency" && !cause.overridden && this.#universe.infos[cause.owner]!.type !== "root"
        ? [() => this.#overrule(cause)]
        : [],
    );
  }

  *#overrule(cause: Cause<"dependency">): Attempt {
    const found = yield* this.#override(cause.dependency.key);
    // Whose word it goes against is told, rather than one of those that it agrees with.
    if (found === undefined || this.#universe.accepts(cause.requirement, found.version)) return undefined;
    const asked = this.#words.requirement(cause.requirement.canonical);
    const message = `override ${found.message}, against the ${asked} that ${this.#words.name(cause.owner)} asks for`;
    return { type: "add-override", ...found, message };
  }

  #forFeature(cause: Cause<"feature">): (() => Attempt)[] {
    const info = this.#universe.infos[cause.node]!;
    const base = info.type === "feature" ? this.#universe.infos[info.base]! : info;
    const features = cause.beside === undefined ? [cause.feature] : [cause.beside, cause.feature];
    if (base.type === "root") return features.map((feature) => () => this.#switchOff(base.root.name, feature));
    if (base.type !== "package") return [];
    const { key } = base.info;
    const dropped = features.map((feature) => () => this.#dropFeature(key, feature));
    return cause.beside === undefined ? dropped : [...dropped, () => this.#dropDefaults(key)];
  }

  /** The roots' dependencies that a change is for, changed; `undefined` where there is none. */
  #changed(isMeant: (one: Dependency) => boolean, change: (one: Dependency) => Dependency): ResolveInput | undefined {
    const { roots } = this.#original;
    if (!roots.some((root) => root.verb === undefined && root.dependencies.some(isMeant))) return undefined;
    const changed = roots.map((root) => ({
      ...root,
      dependencies: root.dependencies.map((one) => (isMeant(one) ? change(one) : one)),
    }));
    return { ...this.#original, roots: changed };
  }

  *#dropFeature(key: PackageKey, feature: string): Attempt {
    const input = this.#changed(
      (one) => one.key === key && (one.features ?? []).includes(feature),
      (one) => ({ ...one, features: (one.features ?? []).filter((name) => name !== feature) }),
    );
    return input && (yield* this.#without(input, key, `feature "${feature}"`));
  }

  *#dropDefaults(key: PackageKey): Attempt {
    const input = this.#changed(
      (one) => one.key === key && one.defaultFeatures !== false,
      (one) => ({ ...one, defaultFeatures: false }),
    );
    return input && (yield* this.#without(input, key, "the default features"));
  }

  *#without(input: ResolveInput, key: PackageKey, what: string): Attempt {
    const version = (yield* this.#solve(input))?.get(key);
    if (version === undefined) return undefined;
    const name = this.#display(key);
    const message = `go without ${what} of ${name} and ${HELP} with ${name} ${version}`;
    return { type: "drop-features", key, version, message };
  }

  /** A feature of a root that the input switches on. */
  *#switchOff(name: string, feature: string): Attempt {
    const { roots } = this.#original;
    if (!roots.some((root) => root.name === name && (root.enable ?? []).includes(feature))) return undefined;
    const changed = roots.map((root) =>
      root.name === name ? { ...root, enable: (root.enable ?? []).filter((one) => one !== feature) } : root,
    );
    const answer = yield* this.#solve({ ...this.#original, roots: changed });
    if (answer === undefined) return undefined;
    return { type: "drop-features", message: `switch off feature "${feature}" of ${name} and ${HELP}` };
  }

  *#rename(cause: Cause<"dependency">): Attempt {
    const { key } = cause.dependency;
    if ((this.#universe.packages.get(key)?.candidates.length ?? 0) > 0) return undefined;
    const direct = new Set(this.#original.roots.flatMap((root) => root.dependencies.map((one) => one.key)));
    const known = [...this.#known].filter(([, { candidates }]) => candidates.length > 0).map(([name]) => name);
    const names = new Set([...known, ...(this.#universe.provider.names?.() ?? [])].filter((one) => !direct.has(one)));
    for (const other of closeNames(key, [...names])) {
      const answer = yield* this.#solve(this.#withRoot(cause, (one) => [{ ...one, key: other }]));
      const version = answer?.get(other);
      if (version === undefined) continue;
      const name = this.#display(other);
      const message = `did you mean ${name}? with ${name} ${version} ${HELP}`;
      return { type: "rename-root", key: other, version, message };
    }
    return undefined;
  }

  removals(causes: readonly FactCause[]): (() => Attempt)[] {
    return causes.flatMap((cause) =>
      cause.type === "dependency" && this.#isChangeable(cause.owner) ? [() => this.#remove(cause)] : [],
    );
  }

  *#remove(cause: Cause<"dependency">): Attempt {
    const answer = yield* this.#solve(this.#withRoot(cause, () => []));
    if (answer === undefined) return undefined;
    const { key } = cause.dependency;
    const where = this.#members() > 1 ? ` from ${this.#words.name(cause.owner)}` : "";
    return { type: "remove-root", key, message: `remove ${this.#display(key)}${where} and everything else resolves` };
  }

  #members(): number {
    return this.#original.roots.filter(({ verb }) => verb === undefined).length;
  }

  #display(key: PackageKey): string {
    return this.#universe.displayName(key);
  }
}

function answerOf(universe: Universe, chosen: ReadonlyMap<number, number>): Answer {
  const versions: (readonly [PackageKey, string])[] = [];
  for (const [node, bit] of chosen) {
    const info = universe.infos[node]!;
    if (info.type === "package") versions.push([info.info.key, universe.candidateOf(node, bit)!.version]);
  }
  return {
    versions,
    get(key, requirement) {
      const own = versions.filter(([name]) => name === key).map(([, version]) => version);
      own.sort((left, right) => universe.compare(key, right, left));
      if (requirement === undefined || own.length < 2) return own[0];
      const asked = universe.requirement(requirement);
      return own.find((version) => universe.accepts(asked, version));
    },
  };
}
