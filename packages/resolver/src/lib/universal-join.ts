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
  return edges.length === others.length && edges.every((edge, i) => isSameEdge(edge, others[i]!));
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

/** Mostly they are in order already. */
function ascending(cells: number[]): number[] {
  for (let i = 1; i < cells.length; i++) if (cells[i - 1]! > cells[i]!) return cells.sort((a, b) => a - b);
  return cells;
}

function edgesOf({ forms, cells: all }: Joined<Owner>): UniversalDependency[] {
  const [{ of: first, cells: own }, ...others] = forms as [(typeof forms)[number], ...typeof forms];
  if (others.every(({ of }) => of.dependencies === first.dependencies))
    return first.dependencies.map((edge) => edgeIn(edge, all));
  const joined = new JoinedEdges(first.dependencies, own);
  for (const { of, cells } of others)
    for (let place = 0; place < of.dependencies.length; place++) joined.add(of.dependencies[place]!, place, cells);
  return joined.sorted();
}

interface JoinedEdge {
  readonly edge: ResolvedDependency;
  readonly cells: number[];
}

/** Edges of an owner in several answers, equal ones once. Mostly they are at the same place in each. */
class JoinedEdges {
  readonly #edges: JoinedEdge[];
  #byText: Map<string, JoinedEdge> | undefined;

  constructor(first: readonly ResolvedDependency[], cells: readonly number[]) {
    this.#edges = first.map((edge) => ({ edge, cells: [...cells] }));
  }

  add(edge: ResolvedDependency, place: number, cells: readonly number[]): void {
    const beside = this.#edges[place];
    const known = beside !== undefined && isSameEdge(beside.edge, edge) ? beside : this.#find(edge);
    known.cells.push(...cells);
  }

  #find(edge: ResolvedDependency): JoinedEdge {
    this.#byText ??= new Map(this.#edges.map((one) => [edgeText(one.edge), one]));
    const text = edgeText(edge);
    let known = this.#byText.get(text);
    if (known === undefined) {
      this.#byText.set(text, (known = { edge, cells: [] }));
      this.#edges.push(known);
    }
    return known;
  }

  sorted(): UniversalDependency[] {
    const edges = this.#edges.map(({ edge, cells }) => edgeIn(edge, ascending(cells)));
    return edges.sort((a, b) => compareText(a.name, b.name) || compareText(a.id, b.id));
  }
}

function isSameEdge(left: ResolvedDependency, right: ResolvedDependency): boolean {
  return (
    left.id === right.id &&
    left.name === right.name &&
    left.kind === right.kind &&
    left.requirement === right.requirement &&
    left.optional === right.optional
  );
}

// Written out: to copy an object and add to the copy takes several times as long, and there are thousands of them.
function edgeIn(edge: ResolvedDependency, cells: readonly number[]): UniversalDependency {
  const { name, key, id, kind, requirement, optional } = edge;
  return { name, key, id, kind, requirement, optional, cells };
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
