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
  const merged: { cells: number[]; resolution: SolvedResolution }[] = [];
  for (const { cells, resolution } of found) {
    const known = merged.find((one) => areEqual(one.resolution, resolution));
    if (known === undefined) merged.push({ cells: [...cells], resolution });
    else known.cells.push(...cells);
  }
  for (const { cells } of merged) ascending(cells);
  return merged.sort((a, b) => a.cells[0]! - b.cells[0]!);
}

/** Whether everything is equal that a lock says of two answers. What is the same object mostly says so. */
function areEqual(left: SolvedResolution, right: SolvedResolution): boolean {
  const { packages, roots } = left;
  if (packages.length !== right.packages.length) return false;
  for (let i = 0; i < packages.length; i++) {
    const [one, other] = [packages[i]!, right.packages[i]!];
    if (one === other) continue;
    if (one.id !== other.id || !areSame(one.kinds, other.kinds) || !haveEqualEdges(one, other)) return false;
  }
  return roots.every((root, i) => haveEqualEdges(root, right.roots[i]!));
}

function haveEqualEdges(left: Owner, right: Owner): boolean {
  if (!areSame(left.features, right.features)) return false;
  const [edges, others] = [left.dependencies, right.dependencies];
  if (edges === others) return true;
  return edges.length === others.length && edges.every((edge, i) => edgeText(edge) === edgeText(others[i]!));
}

interface Owner {
  readonly features: readonly string[];
  readonly dependencies: readonly ResolvedDependency[];
}

function areSame(left: readonly string[], right: readonly string[]): boolean {
  return left === right || (left.length === right.length && left.every((one, i) => one === right[i]));
}

function edgeText({ name, id, kind, requirement, optional }: ResolvedDependency): string {
  return `${name}\0${id}\0${kind}\0${requirement}\0${optional}`;
}

interface Joined<Of> {
  /** What it is in each of the answers that have it, the same object once. */
  readonly forms: { readonly of: Of; readonly cells: number[] }[];
  readonly cells: number[];
}

function join<Of>(into: Map<string, Joined<Of>>, id: string, of: Of, cells: readonly number[]): void {
  const joined = into.get(id);
  if (joined === undefined) {
    into.set(id, { forms: [{ of, cells: [...cells] }], cells: [...cells] });
    return;
  }
  joined.cells.push(...cells);
  const known = joined.forms.find((form) => form.of === of);
  if (known === undefined) joined.forms.push({ of, cells: [...cells] });
  else known.cells.push(...cells);
}

const ascending = (cells: number[]): number[] => cells.sort((a, b) => a - b);

function edgesOf({ forms, cells: all }: Joined<Owner>): UniversalDependency[] {
  const [{ of: first }] = forms as [(typeof forms)[number]];
  if (forms.every(({ of }) => of.dependencies === first.dependencies))
    return first.dependencies.map((edge) => ({ ...edge, cells: all }));
  const joined = new Map<string, { readonly edge: ResolvedDependency; readonly cells: number[] }>();
  for (const { of, cells } of forms) {
    for (const edge of of.dependencies) {
      const text = edgeText(edge);
      const known = joined.get(text);
      if (known === undefined) joined.set(text, { edge, cells: [...cells] });
      else known.cells.push(...cells);
    }
  }
  const edges = [...joined.values()].map(({ edge, cells }) => ({ ...edge, cells: ascending(cells) }));
  return edges.sort((a, b) => compareText(a.name, b.name) || compareText(a.id, b.id));
}

function featuresOf({ forms }: Joined<Owner>): readonly string[] {
  if (forms.every(({ of }) => of.features.length === 0)) return [];
  return [...new Set(forms.flatMap(({ of }) => of.features))].sort();
}

function joinPackages(answers: readonly UniversalAnswer[]): UniversalPackage[] {
  const joined = new Map<string, Joined<ResolvedPackage>>();
  for (const { cells, resolution } of answers) for (const one of resolution.packages) join(joined, one.id, one, cells);
  const packages: UniversalPackage[] = [];
  for (const one of joined.values()) {
    const cells = ascending(one.cells);
    const { of } = one.forms[0]!;
    const kinds = one.forms.length === 1 ? of.kinds : [...new Set(one.forms.flatMap((form) => form.of.kinds))].sort();
    const direct = one.forms.some((form) => form.of.direct);
    packages.push({ ...of, features: featuresOf(one), kinds, direct, cells, dependencies: edgesOf(one) });
  }
  const order = (a: UniversalPackage, b: UniversalPackage): number =>
    compareText(a.key, b.key) || compareVersion(a.version, b.version);
  // Each answer is in order; mostly the first has all that the others have.
  return packages.every((one, i) => i === 0 || order(packages[i - 1]!, one) < 0) ? packages : packages.sort(order);
}

function joinRoots(answers: readonly UniversalAnswer[]): UniversalRoot[] {
  const joined = new Map<string, Joined<SolvedResolution["roots"][number]>>();
  for (const { cells, resolution } of answers)
    for (const root of resolution.roots) join(joined, root.name, root, cells);
  return [...joined].map(([name, one]) => {
    ascending(one.cells);
    return { name, features: featuresOf(one), dependencies: edgesOf(one) };
  });
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

function compareVersion(left: string, right: string): number {
  if (tryParseVersion(left) === undefined || tryParseVersion(right) === undefined) return compareText(left, right);
  return compareVersions(left as Version, right as Version) || compareText(left, right);
}
