import { KNOWN_FAULTS } from "../chaos.ts";
import type {
  BuildProfile,
  ChaosProfile,
  ManifestDependency,
  ManifestPatch,
  PackageManifest,
  SecurityPolicy,
} from "../manifest.ts";
import type { RequirementSyntax } from "../requirement.ts";
import { formatDuration } from "../units.ts";
import { parseCondition } from "./cfg.ts";
import { isProblem, sameCondition, type Condition } from "./condition-algebra.ts";
import { DIALECTS } from "./dialect.ts";
import { canonicalOf } from "./values.ts";

/** What a writer makes: nested plain values in the order they are to appear; `undefined` is left out. */
export type PlainTable = Record<string, unknown>;

/** A table without its `undefined`s, or `undefined` where nothing is left. */
export function some(table: PlainTable): PlainTable | undefined {
  const entries = Object.entries(table).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

export function list<T>(values: readonly T[]): readonly T[] | undefined {
  return values.length === 0 ? undefined : values;
}

/** A canonical requirement in a dialect's syntax, or `undefined` where that syntax cannot say it. */
export function respell(canonical: string, syntax: RequirementSyntax): string | undefined {
  for (const candidate of spellings(canonical, syntax)) {
    const result = canonicalOf(candidate, syntax);
    if ("canonical" in result && result.canonical === canonical) return candidate;
  }
  return undefined;
}

function spellings(canonical: string, syntax: RequirementSyntax): string[] {
  const commas = canonical.replaceAll(/ (?=[<>=])/g, ", ");
  if (syntax !== "pep440")
    return [shortCaret(canonical, syntax), commas, canonical].filter((text) => text !== undefined);
  // PEP 440 excludes pre-releases of an upper bound by itself and has `==` for one version.
  const python = commas.replaceAll(/-0\b/g, "").replaceAll(/(^|\s)=(?=\d)/g, "$1==");
  return [python, compatible(canonical), unequal(canonical), ""].filter((text) => text !== undefined);
}

/** `>=1.2.0 <2.0.0-0` is `^1.2.0`. */
function shortCaret(canonical: string, syntax: RequirementSyntax): string | undefined {
  const bounds = /^>=(\S+) <\S+-0$/.exec(canonical);
  if (bounds === null) return undefined;
  const caret = `^${bounds[1]!}`;
  const result = canonicalOf(caret, syntax);
  return "canonical" in result && result.canonical === canonical ? caret : undefined;
}

/** `>=1.4.2 <1.5.0-0` is `~=1.4.2`, and `>=1.4.0 <2.0.0-0` is `~=1.4`. */
function compatible(canonical: string): string | undefined {
  const bounds = /^>=(\d+)\.(\d+)\.(\d+) <(\d+)\.(\d+)\.0-0$/.exec(canonical);
  if (bounds === null) return undefined;
  const [major, minor, patch, highMajor, highMinor] = bounds.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  if (highMajor === major && highMinor === minor + 1)
    return patch === 0 ? `==${major}.${minor}.*` : `~=${major}.${minor}.${patch}`;
  if (highMajor !== major + 1 || highMinor !== 0) return undefined;
  if (patch === 0) return minor === 0 ? `==${major}.*` : `~=${major}.${minor}`;
  return `>=${major}.${minor}.${patch}, ==${major}.*`;
}

function unequal(canonical: string): string | undefined {
  const sides = /^<(\S+) \|\| >(\S+)$/.exec(canonical);
  return sides !== null && sides[1] === sides[2] ? `!=${sides[1]!}` : undefined;
}

/** A dependency's requirement as `syntax` says it: the author's own words where the syntax is the same. */
export function requirementIn(
  dependency: ManifestDependency,
  from: RequirementSyntax,
  syntax: RequirementSyntax,
): string | undefined {
  const { requirement, canonicalRequirement } = dependency;
  if (canonicalRequirement === undefined) return requirement;
  if (requirement !== undefined && from === syntax) return requirement;
  if (canonicalRequirement === "*") return "*";
  return respell(canonicalRequirement, syntax);
}

export function syntaxOf(manifest: PackageManifest): RequirementSyntax {
  return DIALECTS[manifest.dialect].syntax;
}

/** Keys of a dependency's source as they are spelled in every dialect. */
export function sourceKeys(dependency: ManifestDependency): PlainTable {
  const { source } = dependency;
  if (source.type === "path") return { path: source.path };
  if (source.type === "git") return { git: source.url, tag: source.tag, branch: source.branch, rev: source.rev };
  return { registry: source.registry };
}

/** The table form of a dependency, every key that is not at its default; hosts are spelled in `syntax`. */
export function dependencyTable(
  dependency: ManifestDependency,
  requirement: string | undefined,
  syntax: RequirementSyntax = "caret",
): PlainTable {
  const source = dependency.workspace
    ? { workspace: true }
    : { version: requirement, package: dependency.package, ...sourceKeys(dependency) };
  return (
    some({
      ...source,
      features: list(dependency.features),
      "default-features": dependency.defaultFeatures ? undefined : false,
      optional: dependency.optional ? true : undefined,
      targets: dependency.targets,
      hosts: dependency.hosts === undefined ? undefined : hostsTable(dependency.hosts, syntax),
    }) ?? {}
  );
}

/** A dependency without its conditions, for a place that says them already. */
export function withoutCondition(dependency: ManifestDependency): ManifestDependency {
  const { targets: _targets, hosts: _hosts, condition: _condition, ...rest } = dependency;
  return rest;
}

/**
 * Dependencies that need a table under their condition, by that condition: those that stood in one, and those that a plain
 * table has already under the same key.
 */
export function splitConditional(dependencies: readonly ManifestDependency[]): {
  readonly plain: readonly ManifestDependency[];
  readonly conditional: ReadonlyMap<string, readonly ManifestDependency[]>;
} {
  const plain = new Map<string, ManifestDependency>();
  const conditional = new Map<string, ManifestDependency[]>();
  for (const dependency of dependencies) {
    const key = `${dependency.kind} ${dependency.name}`;
    if (dependency.condition === undefined && !plain.has(key)) {
      plain.set(key, dependency);
      continue;
    }
    const { targets = [], hosts = {} } = dependency;
    const text = conditionTextOf(dependency.condition, { targets, hosts });
    conditional.set(text, [...(conditional.get(text) ?? []), dependency]);
  }
  return { plain: [...plain.values()], conditional };
}

/** The key of a `[target.KEY]` table that says a condition. */
export function conditionText({ targets, hosts }: Condition): string {
  const positive = targets.filter((item) => !item.startsWith("!"));
  const [only, ...more] = positive;
  if (only !== undefined && more.length === 0 && targets.length === 1 && Object.keys(hosts).length === 0) return only;
  const name = (item: string): string => `target = "${item}"`;
  const parts = [
    ...(only === undefined ? [] : [more.length === 0 ? name(only) : `any(${positive.map(name).join(", ")})`]),
    ...targets.filter((item) => item.startsWith("!")).map((item) => `not(${name(item.slice(1))})`),
    ...Object.entries(hosts)
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([axis, canonical]) => `${axis} = "${respell(canonical, "caret") ?? canonical}"`),
  ];
  return `cfg(${parts.length === 1 ? parts[0]! : `all(${parts.join(", ")})`})`;
}

/** The author's own words where they say all of it. */
function conditionTextOf(written: string | undefined, condition: Condition): string {
  const known = written === undefined ? undefined : parseCondition(written);
  return known !== undefined && !isProblem(known) && sameCondition(known, condition)
    ? written!
    : conditionText(condition);
}

function buildProfileTable(profile: BuildProfile): PlainTable {
  return {
    optimization_level: profile.optimizationLevel,
    debug: profile.debug,
    lto: profile.lto,
    inherits: profile.inherits,
    chaos_profile: profile.chaosProfile,
    features: profile.features,
    ...profile.extra,
  };
}

function chaosProfileTable(profile: ChaosProfile): PlainTable {
  const all = KNOWN_FAULTS.every((fault) => profile.allowedFaults.includes(fault));
  return {
    fault_injection_rate: profile.faultInjectionRate,
    allowed_faults: all ? ["all"] : list(profile.allowedFaults),
    chaos_seed: profile.chaosSeed,
    max_fault_duration:
      profile.maxFaultDurationMs === undefined ? undefined : formatDuration(profile.maxFaultDurationMs),
    network_partition_probability: profile.networkPartitionProbability,
    message_drop_rate: profile.messageDropRate,
    ...profile.extra,
    fault_schedule: list(
      profile.faultSchedule.map((entry) => ({
        fault_type: entry.faultType,
        trigger: entry.trigger,
        probability: entry.probability,
        ...(entry.durationMs === undefined ? {} : { duration: formatDuration(entry.durationMs) }),
      })),
    ),
  };
}

function securityTable(policy: SecurityPolicy): PlainTable {
  return {
    require_signatures: policy.requireSignatures,
    max_risk_level: policy.maxRiskLevel,
    vulnerability_scan: policy.vulnerabilityScan,
    dependency_audit: policy.dependencyAudit,
    allowed_licenses: policy.allowedLicenses,
    allow_self_modifying: policy.allowSelfModifying,
    ...policy.extra,
  };
}

function mapValues<T>(record: Readonly<Record<string, T>>, convert: (value: T) => PlainTable): PlainTable | undefined {
  return some(Object.fromEntries(Object.entries(record).map(([name, value]) => [name, some(convert(value)) ?? {}])));
}

/** `[patch]`, as plain tables that `inline` puts on one line. */
export function patchTable(
  manifest: PackageManifest,
  syntax: RequirementSyntax,
  inline: (table: PlainTable) => unknown,
): PlainTable | undefined {
  const valueOf = (patch: ManifestPatch): unknown => {
    const dependency = { ...PLAIN_DEPENDENCY, ...patch };
    const requirement = requirementIn(dependency, syntaxOf(manifest), syntax);
    const table = some({ version: requirement, ...sourceKeys(dependency) }) ?? {};
    return Object.keys(table).length === 1 && requirement !== undefined ? requirement : inline(table);
  };
  const patches = manifest.patches ?? [];
  const tableOf = (registry: string | undefined): PlainTable =>
    Object.fromEntries(patches.filter(({ of }) => of === registry).map((patch) => [patch.name, valueOf(patch)]));
  const registries = [...new Set(patches.flatMap(({ of }) => (of === undefined ? [] : [of])))];
  return some({ ...tableOf(undefined), ...Object.fromEntries(registries.map((name) => [name, tableOf(name)])) });
}

const PLAIN_DEPENDENCY = {
  kind: "normal",
  features: [],
  defaultFeatures: true,
  optional: false,
  workspace: false,
} as const;

/** `runtimes` as `python3>=3.8`. */
export function runtimeTexts(manifest: PackageManifest): readonly string[] | undefined {
  return list(manifest.runtimes.map(({ runtime, requirement }) => `${runtime}${requirement ?? ""}`));
}

/** `[hosts]` in the comma syntax. */
export function hostsTable(hosts: Readonly<Record<string, string>>, syntax: RequirementSyntax): PlainTable | undefined {
  const spelled = syntax === "pep440" ? "caret" : syntax;
  return some(
    Object.fromEntries(
      Object.entries(hosts).map(([axis, canonical]) => [
        axis,
        canonical === "*" ? "*" : (respell(canonical, spelled) ?? canonical),
      ]),
    ),
  );
}

/** The tables that are spelled alike under any root. */
export function commonTables(manifest: PackageManifest): {
  profile: PlainTable | undefined;
  "chaos-profile": PlainTable | undefined;
  security: PlainTable | undefined;
} {
  return {
    profile: mapValues(manifest.profiles, buildProfileTable),
    "chaos-profile": mapValues(manifest.chaosProfiles, chaosProfileTable),
    security: manifest.security === undefined ? undefined : (some(securityTable(manifest.security)) ?? {}),
  };
}
