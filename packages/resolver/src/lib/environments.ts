import { compareVersions, tryParseVersion, type Version } from "@lading/core-manifest";
import { hostVersion } from "./compile.ts";
import { ResolverError } from "./resolver-error.ts";
import { MOST_ENVIRONMENTS, TARGET_AXIS, type EnvironmentGrid, type TargetEnvironment } from "./universal-types.ts";

/** One axis with its values in the order of the specification. */
export interface Axis {
  readonly name: string;
  readonly values: readonly string[];
}

/**
 * The axes of a grid: host axes by name, each with its newest version first, then targets by name.
 * @throws {ResolverError} `RESOLVE_INPUT_INVALID`, `RESOLVE_ENVIRONMENTS_TOO_MANY`
 */
export function axesOf({ hosts = {}, targets }: EnvironmentGrid): Axis[] {
  const axes = Object.keys(hosts)
    .sort()
    .map((name) => ({ name, values: hostValues(name, hosts[name]!) }));
  if (targets !== undefined) axes.push({ name: TARGET_AXIS, values: targetValues(targets) });
  const product = axes.reduce((count, { values }) => count * values.length, 1);
  if (product > MOST_ENVIRONMENTS) throw tooMany(axes, product);
  return axes;
}

/**
 * Every environment of a grid, the first axis changing slowest: a grid without axes has one environment.
 * @throws {ResolverError} `RESOLVE_INPUT_INVALID`, `RESOLVE_ENVIRONMENTS_TOO_MANY`
 */
export function environmentsOf(grid: EnvironmentGrid): TargetEnvironment[] {
  let cells: TargetEnvironment[] = [{}];
  for (const { name, values } of axesOf(grid)) {
    cells = cells.flatMap((cell) => values.map((value) => ({ ...cell, [name]: value })));
  }
  return cells;
}

/** `revit 2024, target x86_64-linux`: the axes named, of those that the environment has. */
export function environmentText(environment: TargetEnvironment, axes: readonly Axis[]): string {
  const shown = axes.filter(({ name, values }) => values.length > 1 && environment[name] !== undefined);
  return shown.map(({ name }) => `${name} ${environment[name]!}`).join(", ");
}

function hostValues(name: string, versions: readonly string[]): string[] {
  if (name === TARGET_AXIS) throw invalid(`a host axis cannot be called "${TARGET_AXIS}"`);
  if (versions.length === 0) throw invalid(`host "${name}" has no version`);
  const full = new Map<string, string>();
  for (const version of versions) {
    const key = hostVersion(version);
    if (tryParseVersion(key) === undefined)
      throw invalid(`host "${name}" has version "${version}", expected numbers such as "2024" or "3.11"`);
    const twin = full.get(key);
    if (twin !== undefined) throw invalid(`host "${name}" has version "${version}" twice`);
    full.set(key, version);
  }
  return [...full]
    .sort(([left], [right]) => compareVersions(right as Version, left as Version))
    .map(([, text]) => text);
}

function targetValues(targets: readonly string[]): string[] {
  if (targets.length === 0) throw invalid("the grid has no target");
  const sorted = [...targets].sort();
  const twice = sorted.find((target, i) => target === sorted[i - 1]);
  if (twice !== undefined) throw invalid(`target "${twice}" is listed twice`);
  return sorted;
}

function invalid(detail: string): ResolverError {
  return new ResolverError({ code: "RESOLVE_INPUT_INVALID", message: `Cannot resolve: ${detail}` });
}

function tooMany(axes: readonly Axis[], product: number): ResolverError {
  const factors = axes.map(({ name, values }) => `${values.length} of ${name}`).join(" x ");
  return new ResolverError({
    code: "RESOLVE_ENVIRONMENTS_TOO_MANY",
    message: `Cannot resolve for ${product} environments (${factors}): the limit is ${MOST_ENVIRONMENTS}`,
    environments: product,
    limit: MOST_ENVIRONMENTS,
  });
}
