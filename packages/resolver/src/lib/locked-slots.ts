import { isLadingError, parseRequirement } from "@lading/core-manifest";
import type { LockedSlot, PackageKey, ResolvedDependency } from "./types.ts";

/** An answer, or that of several environments, as far as who leads to what goes. */
interface Edges {
  readonly packages: readonly {
    readonly id: string;
    readonly key: PackageKey;
    readonly version: string;
    readonly dependencies: readonly ResolvedDependency[];
  }[];
  readonly roots: readonly { readonly dependencies: readonly ResolvedDependency[] }[];
}

/**
 * What a lock has to say besides the versions, so that an answer under `per-major` given back is the answer again: for each
 * requirement that several versions of the answer meet, the one that met it. Sorted; empty under `single`. A requirement that
 * different environments meet in different slots is left out: there each goes by the order of preference.
 */
export function lockedSlotsOf({ packages, roots }: Edges): LockedSlot[] {
  const byKey = new Map<PackageKey, string[]>();
  for (const { key, version } of packages) byKey.set(key, [...(byKey.get(key) ?? []), version]);
  const versionOf = new Map(packages.map(({ id, version }) => [id, version]));
  const found = new Map<string, Set<string>>();
  for (const { key, requirement, id } of [...roots, ...packages].flatMap(({ dependencies }) => dependencies)) {
    if ((byKey.get(key)?.length ?? 0) < 2) continue;
    const place = `${key}\0${requirement}`;
    found.set(place, (found.get(place) ?? new Set()).add(versionOf.get(id)!));
  }
  return [...found]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([place, versions]) => {
      const [key, requirement] = place.split("\0") as [string, string];
      const [version, ...others] = versions;
      const isAmbiguous = byKey.get(key)!.filter((one) => meets(requirement, one)).length > 1;
      return others.length > 0 || !isAmbiguous ? [] : [{ key, requirement, version: version! }];
    });
}

/** A requirement of a scheme of its own may mean any version. */
function meets(requirement: string, version: string): boolean {
  try {
    return parseRequirement(requirement, "canonical").matchesWithPrereleases(version as never);
  } catch (error) {
    if (isLadingError(error)) return true;
    throw error;
  }
}
