import { conditionKey } from "./dialects/condition-algebra.ts";
import type { ManifestDependency, PackageManifest } from "./manifest.ts";

function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value === "bigint") return `bigint:${value}`;
  if (typeof value !== "object" || value === null) return value;
  const json = value as { toJSON?: unknown };
  if (typeof json.toJSON === "function") return String((json.toJSON as () => unknown).call(value));
  const entries = Object.entries(value).filter(([key, inner]) => inner !== undefined && key !== "location");
  return Object.fromEntries(
    entries.toSorted(([left], [right]) => (left < right ? -1 : 1)).map(([key, inner]) => [key, normal(inner)]),
  );
}

/** Whether two values say the same, places apart and whatever the order of keys. */
export function same(left: unknown, right: unknown): boolean {
  return JSON.stringify(normal(left)) === JSON.stringify(normal(right));
}

/** A dependency without what differs between dialects: the words of its requirement, its place. */
export function comparableDependency(dependency: ManifestDependency): unknown {
  const {
    requirement,
    location: _location,
    condition: _condition,
    canonicalRequirement,
    targets,
    ...rest
  } = dependency;
  return {
    ...rest,
    ...(targets === undefined ? {} : { targets: [...targets].sort() }),
    requirement: canonicalRequirement ?? requirement,
  };
}

function compareRecords(
  left: Readonly<Record<string, unknown>>,
  right: Readonly<Record<string, unknown>>,
  prefix: string,
  keys: string[],
): void {
  for (const [key, value] of Object.entries(left)) {
    if (value !== undefined && !same(value, Object.hasOwn(right, key) ? right[key] : undefined))
      keys.push(`${prefix}.${key}`);
  }
}

function byKindAndName(dependencies: readonly ManifestDependency[]): Record<string, unknown> {
  return Object.fromEntries(
    dependencies.map((dependency) => [identityOf(dependency), comparableDependency(dependency)]),
  );
}

/** A package may be there several times, under different conditions. */
function identityOf(dependency: ManifestDependency): string {
  return `${dependency.kind}:${dependency.name}:${conditionKey(dependency)}`;
}

function patchesByName({ patches = [] }: PackageManifest): Record<string, unknown> {
  return Object.fromEntries(
    patches.map(({ requirement, canonicalRequirement, location: _location, ...rest }) => [
      `${rest.of === undefined ? "" : `${rest.of}.`}${rest.name}`,
      { ...rest, requirement: canonicalRequirement ?? requirement },
    ]),
  );
}

function asSets(features: PackageManifest["features"]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(features).map(([name, items]) => [name, [...new Set(items)].toSorted()]));
}

/** Keys of what `before` has and `after` has not, or has otherwise. */
export function differences(before: PackageManifest, after: PackageManifest): string[] {
  const keys: string[] = [];
  const { extra: beforeExtra, ...info } = before.package ?? { extra: undefined };
  const { extra: afterExtra, ...otherInfo } = after.package ?? { extra: undefined };
  compareRecords(info, otherInfo, "package", keys);
  compareRecords(beforeExtra ?? {}, afterExtra ?? {}, "package", keys);
  const otherDependencies = byKindAndName(after.dependencies);
  for (const dependency of before.dependencies) {
    const { kind, name } = dependency;
    if (!same(comparableDependency(dependency), otherDependencies[identityOf(dependency)]))
      keys.push(`${kind === "normal" ? "" : `${kind}-`}dependencies.${name}`);
  }
  compareRecords(patchesByName(before), patchesByName(after), "patch", keys);
  compareRecords(asSets(before.features), asSets(after.features), "features", keys);
  compareRecords(before.profiles, after.profiles, "profile", keys);
  compareRecords(before.chaosProfiles, after.chaosProfiles, "chaos-profile", keys);
  compareRecords({ ...before.security }, { ...after.security }, "security", keys);
  compareRecords(before.hosts, after.hosts, "hosts", keys);
  if (!same(before.runtimes, after.runtimes)) keys.push("runtimes");
  if (!same(comparableWorkspace(before), comparableWorkspace(after))) keys.push("workspace");
  compareRecords(before.extra, after.extra, "extra", keys);
  return keys;
}

function comparableWorkspace(manifest: PackageManifest): unknown {
  const { workspace } = manifest;
  return workspace === undefined
    ? undefined
    : { ...workspace, dependencies: workspace.dependencies.map(comparableDependency) };
}
