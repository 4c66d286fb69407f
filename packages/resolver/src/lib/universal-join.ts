import { compareVersions, tryParseVersion, type Version } from "@lading/core-manifest";
import type { ResolvedDependency, ResolvedPackage, SolvedResolution } from "./types.ts";
import type {
  TargetEnvironment,
  UniversalAnswer,
  UniversalDependency,
  UniversalPackage,
  UniversalRoot,
  UniversalSolution,
  UniversalStatistics,
} from "./universal-types.ts";

/** Puts the answers of all environments together: equal ones become one, and every package and edge says where it is. */
export function joinAnswers(
  environments: readonly TargetEnvironment[],
  found: readonly UniversalAnswer[],
  statistics: UniversalStatistics,
): UniversalSolution {
  const answers = mergeEqual(found);
  return {
    status: "solved",
    environments,
    answers,
    packages: joinPackages(answers),
    roots: joinRoots(answers),
    statistics,
  };
}

function mergeEqual(found: readonly UniversalAnswer[]): UniversalAnswer[] {
  const merged = new Map<string, { cells: number[]; resolution: SolvedResolution }>();
  const edges = new WeakMap<readonly ResolvedDependency[], string>();
  for (const { cells, resolution } of found) {
    const text = textOf(resolution, edges);
    const known = merged.get(text);
    if (known === undefined) merged.set(text, { cells: [...cells], resolution });
    else known.cells.push(...cells);
  }
  for (const { cells } of merged.values()) cells.sort((a, b) => a - b);
  return [...merged.values()].sort((a, b) => a.cells[0]! - b.cells[0]!);
}

/** Everything of an answer that a lock says; equal lists of edges are mostly one list, and told once. */
function textOf({ packages, roots }: SolvedResolution, known: WeakMap<readonly ResolvedDependency[], string>): string {
  const edges = (list: readonly ResolvedDependency[]): string => {
    let text = known.get(list);
    if (text === undefined) known.set(list, (text = list.map(edgeText).join("\n")));
    return text;
  };
  const parts = packages.map(
    ({ id, features, kinds, dependencies }) => `${id}\0${features.join()}\0${kinds.join()}\n${edges(dependencies)}`,
  );
  return [...parts, ...roots.map(({ features, dependencies }) => `${features.join()}\n${edges(dependencies)}`)].join(
    "\f",
  );
}

function edgeText({ name, id, kind, requirement, optional }: ResolvedDependency): string {
  return `${name}\0${id}\0${kind}\0${requirement}\0${optional}`;
}

interface Joined<Of> {
  readonly of: Of;
  readonly cells: number[];
  /** The lists of edges that it has, each with its environments. */
  readonly edges: Map<readonly ResolvedDependency[], number[]>;
  readonly features: Set<string>;
}

function join<Of extends { features: readonly string[]; dependencies: readonly ResolvedDependency[] }>(
  into: Map<string, Joined<Of>>,
  id: string,
  of: Of,
  cells: readonly number[],
): Joined<Of> {
  let joined = into.get(id);
  if (joined === undefined) into.set(id, (joined = { of, cells: [], edges: new Map(), features: new Set() }));
  joined.cells.push(...cells);
  for (const feature of of.features) joined.features.add(feature);
  const known = joined.edges.get(of.dependencies);
  if (known === undefined) joined.edges.set(of.dependencies, [...cells]);
  else known.push(...cells);
  return joined;
}

const ascending = (cells: number[]): number[] => cells.sort((a, b) => a - b);

function edgesOf({ edges }: Joined<unknown>): UniversalDependency[] {
  const lists = [...edges];
  const [only] = lists;
  if (lists.length === 1 && only !== undefined) {
    const cells = ascending(only[1]);
    return only[0].map((edge) => ({ ...edge, cells }));
  }
  const joined = new Map<string, { readonly edge: ResolvedDependency; readonly cells: number[] }>();
  for (const [list, cells] of lists) {
    for (const edge of list) {
      const text = edgeText(edge);
      const known = joined.get(text);
      if (known === undefined) joined.set(text, { edge, cells: [...cells] });
      else known.cells.push(...cells);
    }
  }
  const all = [...joined.values()].map(({ edge, cells }) => ({ ...edge, cells: ascending(cells) }));
  return all.sort((a, b) => compareText(a.name, b.name) || compareText(a.id, b.id));
}

function joinPackages(answers: readonly UniversalAnswer[]): UniversalPackage[] {
  const joined = new Map<string, Joined<ResolvedPackage>>();
  const all = new Map<string, { kinds: Set<ResolvedPackage["kinds"][number]>; direct: boolean }>();
  for (const { cells, resolution } of answers) {
    for (const one of resolution.packages) {
      join(joined, one.id, one, cells);
      const known = all.get(one.id) ?? { kinds: new Set(), direct: false };
      for (const kind of one.kinds) known.kinds.add(kind);
      all.set(one.id, { kinds: known.kinds, direct: known.direct || one.direct });
    }
  }
  const packages = [...joined.values()].map((one): UniversalPackage => {
    const { kinds, direct } = all.get(one.of.id)!;
    const cells = ascending(one.cells);
    const features = [...one.features].sort();
    return { ...one.of, features, kinds: [...kinds].sort(), direct, cells, dependencies: edgesOf(one) };
  });
  return packages.sort((a, b) => compareText(a.key, b.key) || compareVersion(a.version, b.version));
}

function joinRoots(answers: readonly UniversalAnswer[]): UniversalRoot[] {
  const joined = new Map<string, Joined<SolvedResolution["roots"][number]>>();
  for (const { cells, resolution } of answers)
    for (const root of resolution.roots) join(joined, root.name, root, cells);
  return [...joined.values()].map((one) => ({
    name: one.of.name,
    features: [...one.features].sort(),
    dependencies: edgesOf(one),
  }));
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

function compareVersion(left: string, right: string): number {
  if (tryParseVersion(left) === undefined || tryParseVersion(right) === undefined) return compareText(left, right);
  return compareVersions(left as Version, right as Version) || compareText(left, right);
}
