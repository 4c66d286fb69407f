import { isLadingError, parseRequirement } from "@lading/core-manifest";
import type { LockedSlot, PackageKey, ResolvedDependency } from "./types.ts";
import type { LockedSlotInEnvironments, MetSlot, TargetEnvironment } from "./universal-types.ts";

/** Without cells, the one environment of the answer. */
interface InCells {
  readonly cells?: readonly number[];
}

/** An answer, or that of several environments, as far as who leads to what goes. */
interface Edges {
  readonly packages: readonly (InCells & {
    readonly id: string;
    readonly key: PackageKey;
    readonly version: string;
    readonly dependencies: readonly (ResolvedDependency & InCells)[];
  })[];
  readonly roots: readonly { readonly dependencies: readonly (ResolvedDependency & InCells)[] }[];
}

type Place = Pick<LockedSlot, "key" | "requirement"> & { readonly met: Map<string, Set<number>> };
type Versions = readonly { readonly version: string; readonly cells: ReadonlySet<number> }[];

const ONE_CELL: readonly number[] = [0];

/**
 * What a lock has to say besides the versions, so that an answer under `per-major` given back is the answer again: for each
 * requirement that several versions of the answer meet, the one that met it, and where environments met it in different
 * ones, in which of them that must be told. Sorted; empty under `single`.
 */
export function lockedSlotsOf(answer: Edges): MetSlot[] {
  const byKey = new Map<PackageKey, { version: string; cells: ReadonlySet<number> }[]>();
  for (const { key, version, cells = ONE_CELL } of answer.packages)
    byKey.set(key, [...(byKey.get(key) ?? []), { version, cells: new Set(cells) }]);
  const places = placesOf(answer, (key) => byKey.get(key)!.length > 1);
  return [...places]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([, place]) => slotsOf(place, byKey.get(place.key)!));
}

/** Every requirement on packages that are there in several versions, with the environments in which each met it. */
function placesOf({ roots, packages }: Edges, isMany: (key: PackageKey) => boolean): Map<string, Place> {
  const versionOf = new Map(packages.map(({ id, version }) => [id, version]));
  const places = new Map<string, Place>();
  for (const edge of [...roots, ...packages].flatMap(({ dependencies }) => dependencies)) {
    const { key, requirement, id, cells = ONE_CELL } = edge;
    const version = versionOf.get(id)!;
    if (!isMany(key)) continue;
    const text = `${key}\0${requirement}`;
    const place = places.get(text) ?? { key, requirement, met: new Map<string, Set<number>>() };
    places.set(text, place);
    const known = place.met.get(version) ?? new Set();
    place.met.set(version, known);
    for (const cell of cells) known.add(cell);
  }
  return places;
}

function slotsOf({ key, requirement, met }: Place, versions: Versions): MetSlot[] {
  const meeting = versions.filter(({ version }) => meets(requirement, version));
  if (met.size === 1) {
    const [version] = met.keys();
    return meeting.length > 1 ? [{ key, requirement, version: version! }] : [];
  }
  return versions.flatMap(({ version }) => {
    const others = meeting.filter((one) => one.version !== version);
    const cells = [...(met.get(version) ?? [])].filter((cell) => others.some((one) => one.cells.has(cell)));
    return cells.length === 0 ? [] : [{ key, requirement, version, cells: cells.sort((a, b) => a - b) }];
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

/**
 * What a lock prefers in one environment: how it has met a requirement there; where it says nothing of that and has none of the
 * package there, how it has met it anywhere.
 */
export function slotsIn(
  slots: readonly LockedSlotInEnvironments[],
  environment: TargetEnvironment,
  isHere: (key: PackageKey) => boolean,
): LockedSlot[] {
  const found = new Map<string, LockedSlot>();
  const put = ({ key, requirement, version }: LockedSlot): unknown =>
    found.set(`${key}\0${requirement}`, { key, requirement, version });
  const applies = ({ appliesTo }: LockedSlotInEnvironments): boolean => appliesTo?.(environment) ?? true;
  for (const slot of slots) if (!applies(slot) && !isHere(slot.key)) put(slot);
  for (const slot of slots) if (applies(slot)) put(slot);
  return [...found.values()];
}
