import { canonicalName, parsePackageName, parseRequirement } from "@lading/core-manifest";
import type { CoexistencePolicy, PrereleasePolicy, VersionPreference } from "@lading/resolver";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { parseVersionSpec } from "./package-spec.ts";
import { ownTable } from "./own-table.ts";
import type { Project } from "./project.ts";
import { readAge, readCutoff, readNames, type AgeRule, type ReleaseRules } from "./release-rules.ts";
import { SETTINGS } from "./settings-table.ts";

/** What a command line says of how versions are chosen; it beats every file. */
export interface PolicyInput {
  /** Default: the setting `resolver.prefer`, else `newest`. */
  readonly prefer?: VersionPreference | undefined;
  /** A duration such as `24h`; `0s` switches the rule off. */
  readonly minimumReleaseAge?: string | undefined;
  /** A date or an RFC 3339 instant. */
  readonly excludeNewer?: string | undefined;
}

/** A requirement that stands in for everybody's on one package. */
export interface ProjectOverride {
  readonly name: string;
  /** Canonical. */
  readonly requirement: string;
}

/** By which rules versions are chosen. */
export interface ResolverPolicy {
  readonly coexistence: CoexistencePolicy;
  readonly prereleases: PrereleasePolicy;
  readonly prefer: VersionPreference;
  readonly release: ReleaseRules;
  /** `name@version` in canonical spelling: versions that may be chosen though they are yanked or too new. */
  readonly allowed: ReadonlySet<string>;
  readonly overrides: readonly ProjectOverride[];
}

/** Values of the policy other than the default. */
const PREFERENCES = ["newest", "oldest", "lowest-direct"] as const;

/**
 * The rules in force: the command line, then the root manifest's `[resolver]` table, then the settings. How old a version
 * must be is different: of manifest and settings the stricter one holds, each with its own exceptions.
 * @throws {EngineError} `CONFIG_VALUE_INVALID`, `CONFIG_KEY_UNKNOWN`
 */
export async function readPolicy(
  context: EngineContext,
  project: Project,
  input: PolicyInput = {},
): Promise<ResolverPolicy> {
  const own = resolverTable(project);
  const settings = await context.settings();
  const value = (key: string): unknown => own[key] ?? settings.string(`resolver.${key}`);
  const coexistence = value("coexistence") ?? context.profile.install.coexistence;
  const prefer = input.prefer ?? value("prefer") ?? "newest";
  const setting = {
    "minimum-release-age": settings.string("resolver.minimum-release-age"),
    "minimum-release-age-exclude": settings.string("resolver.minimum-release-age-exclude"),
    "exclude-newer": settings.string("resolver.exclude-newer"),
    allow: settings.string("resolver.allow"),
  };
  return {
    coexistence: oneOf("resolver.coexistence", coexistence, ["single", "per-major"]),
    prereleases: oneOf("resolver.prereleases", value("prereleases") ?? "named", [
      "named",
      "fallback",
      "allow",
      "never",
    ]),
    prefer: oneOf("resolver.prefer", prefer, PREFERENCES),
    release: releaseRules(context, input, [own, setting], profileRules(context)),
    allowed: new Set([own, setting].flatMap(allowedVersions)),
    overrides: overridesOf(context, project),
  };
}

type Table = Readonly<Record<string, unknown>>;

/** The root manifest's `[resolver]`. A key that is misspelt would switch a rule off without a word. */
function resolverTable(project: Project): Table {
  const table = tableOf(project, "resolver");
  const known = Object.keys(SETTINGS).flatMap((key) => (key.startsWith("resolver.") ? [key.slice(9)] : []));
  const unknown = Object.keys(table).find((key) => !known.includes(key));
  if (unknown === undefined) return table;
  throw new EngineError({
    code: "CONFIG_KEY_UNKNOWN",
    message: `Cannot use "resolver.${unknown}" of ${project.rootFile.display}: known are ${known.join(", ")}`,
    key: `resolver.${unknown}`,
  });
}

function tableOf(project: Project, key: string): Table {
  const value = ownTable(project, key) ?? {};
  if (typeof value === "object" && !Array.isArray(value)) return value as Table;
  throw new EngineError({
    code: "CONFIG_VALUE_INVALID",
    message: `Cannot use ${JSON.stringify(value)} for "${key}" of ${project.rootFile.display}: it is no table`,
    key,
  });
}

function oneOf<Value extends string>(key: string, value: unknown, allowed: readonly Value[]): Value {
  const found = allowed.find((candidate) => candidate === value);
  if (found !== undefined) return found;
  throw new EngineError({
    code: "CONFIG_VALUE_INVALID",
    message: `Cannot use ${JSON.stringify(value)} for "${key}": allowed are ${allowed.map((one) => `"${one}"`).join(", ")}`,
    key,
  });
}

/** What the profile says of ages, in the keys of the other sources. */
function profileRules({ profile: { resolver } }: EngineContext): Table {
  if (resolver?.minimumReleaseAge === undefined) return {};
  return {
    "minimum-release-age": resolver.minimumReleaseAge,
    "minimum-release-age-exclude": resolver.minimumReleaseAgeExclude,
  };
}

/** The profile's rule is what holds where nobody else says anything of ages; its exceptions hold with it alone. */
function releaseRules(
  context: EngineContext,
  input: PolicyInput,
  given: readonly Table[],
  profile: Table,
): ReleaseRules {
  const isSaid = given.some((source) => source["minimum-release-age"] !== undefined);
  const sources = isSaid ? given : [...given, profile];
  const key = "resolver.minimum-release-age";
  const ages: AgeRule[] =
    input.minimumReleaseAge === undefined
      ? sources.flatMap((source) => ageRule(source))
      : [{ minimumAge: readAge("--minimum-release-age", input.minimumReleaseAge), except: exceptions(sources) }];
  const cutoffs =
    input.excludeNewer === undefined
      ? sources.flatMap((source) =>
          source["exclude-newer"] === undefined ? [] : [readCutoff("resolver.exclude-newer", source["exclude-newer"])],
        )
      : [readCutoff("--exclude-newer", input.excludeNewer)];
  const [newest] = cutoffs.toSorted((left, right) => left.instant - right.instant);
  return { now: context.now(), ages: ages.filter(({ minimumAge }) => minimumAge > 0), newest };

  function ageRule(source: Table): AgeRule[] {
    const age = source["minimum-release-age"];
    // Who names exceptions beside the profile's age adds to its own.
    const except = source === profile ? exceptions(sources) : exceptions([source]);
    return age === undefined ? [] : [{ minimumAge: readAge(key, age), except }];
  }

  function exceptions(tables: readonly Table[]): string[] {
    return tables.flatMap((table) =>
      table["minimum-release-age-exclude"] === undefined
        ? []
        : readNames(`${key}-exclude`, table["minimum-release-age-exclude"]),
    );
  }
}

function allowedVersions(source: Table): string[] {
  if (source["allow"] === undefined) return [];
  return readNames("resolver.allow", source["allow"]).map((text) => {
    const { name, version } = parseVersionSpec(text);
    return `${canonicalName(name)}@${version}`;
  });
}

/** The root manifest's `[overrides]`: name -> requirement in the dialect's own syntax. */
function overridesOf(context: EngineContext, project: Project): ProjectOverride[] {
  const table = tableOf(project, "overrides");
  return Object.entries(table)
    .map(([name, value]) => {
      if (typeof value !== "string") throw overrideInvalid(name, value, "expected a requirement as text");
      try {
        const canonical = canonicalName(parsePackageName(name));
        const { canonical: requirement } = parseRequirement(value, context.profile.manifest.requirements);
        return { name: canonical, requirement };
      } catch (error) {
        throw overrideInvalid(name, value, error instanceof Error ? error.message : String(error));
      }
    })
    .sort((left, right) => (left.name < right.name ? -1 : 1));
}

function overrideInvalid(name: string, value: unknown, reason: string): EngineError {
  return new EngineError({
    code: "CONFIG_VALUE_INVALID",
    message: `Cannot use ${JSON.stringify(value)} for "overrides.${name}": ${reason}`,
    key: `overrides.${name}`,
  });
}
