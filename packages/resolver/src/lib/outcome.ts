import type { Chosen } from "./canonical.ts";
import { nameOf, type Universe } from "./compile.ts";
import { findCycles } from "./cycles.ts";
import { ResolverError } from "./resolver-error.ts";
import type {
  Dependency,
  ReachKind,
  ResolutionNote,
  ResolvedDependency,
  ResolvedPackage,
  ResolvedRoot,
  SolvedResolution,
} from "./types.ts";

type Answer = Omit<SolvedResolution, "statistics">;

/** Words the values of a solution as the answer that callers get. */
export function describeSolution(universe: Universe, chosen: Chosen): Answer {
  const notes: ResolutionNote[] = [];
  const edges = new Map<number, ResolvedDependency[]>();
  for (const node of chosen.keys()) {
    const { type } = universe.infos[node]!;
    if (type === "root" || type === "package") edges.set(node, edgesOf(universe, chosen, node, notes));
  }
  const features = featureNodes(universe, chosen);
  const roots: ResolvedRoot[] = [];
  const packages: ResolvedPackage[] = [];
  for (const [node, dependencies] of edges) {
    const info = universe.infos[node]!;
    const own = features.get(node) ?? [];
    if (info.type === "root") {
      roots.push({ name: info.root.name, features: featuresOf(universe, chosen, node, own), dependencies });
    }
    if (info.type !== "package") continue;
    const candidate = universe.candidateOf(node, chosen.get(node)!)!;
    packages.push({
      id: idOf(universe, chosen, node),
      key: info.info.key,
      name: universe.displayName(info.info.key),
      version: candidate.version,
      ...(info.slot === "" ? {} : { slot: info.slot }),
      features: featuresOf(universe, chosen, node, own),
      dependencies,
      kinds: [],
      direct: false,
      locked: universe.isLocked(info.info.key, candidate.version),
      candidate,
    });
  }
  const reached = markReach(roots, packages);
  reached.sort((a, b) => compareText(a.key, b.key) || universe.compare(a.key, a.version, b.version));
  return { status: "solved", packages: reached, roots, cycles: findCycles(reached), notes };
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

function idOf(universe: Universe, chosen: Chosen, node: number): string {
  const info = universe.infos[node]!;
  if (info.type === "root") return info.root.name;
  if (info.type !== "package") throw new Error(`Node ${node} is no package`);
  return `${info.info.key} ${universe.candidateOf(node, chosen.get(node)!)!.version}`;
}

function textOf({ requirement }: Dependency): string {
  return typeof requirement === "string" ? requirement : requirement.canonical;
}

function featureNodes(universe: Universe, chosen: Chosen): Map<number, { readonly feature: string }[]> {
  const found = new Map<number, { readonly feature: string }[]>();
  for (const node of chosen.keys()) {
    const info = universe.infos[node]!;
    if (info.type === "feature") found.set(info.base, [...(found.get(info.base) ?? []), info]);
  }
  return found;
}

function featuresOf(
  universe: Universe,
  chosen: Chosen,
  base: number,
  own: readonly { readonly feature: string }[],
): string[] {
  const found = own.map(({ feature }) => feature).filter((feature) => !feature.startsWith("dep:"));
  if (found.length === 0) return found;
  const { features } = universe.table(base, chosen.get(base)!);
  // `default` is asked of every version where one of them has it; only those that have it show it.
  return found.filter((feature) => feature !== "default" || Object.hasOwn(features, feature)).sort();
}

function edgesOf(universe: Universe, chosen: Chosen, node: number, notes: ResolutionNote[]): ResolvedDependency[] {
  const { dependencies, ofRoot } = universe.table(node, chosen.get(node)!);
  const edges: ResolvedDependency[] = [];
  for (const dependency of dependencies) {
    if (!universe.counts(dependency, ofRoot)) continue;
    const edge = edgeOf(universe, chosen, node, dependency, notes);
    if (edge !== undefined) edges.push(edge);
  }
  return uniqueEdges(edges);
}

/** Edges sorted by name, then id. */
export function uniqueEdges(edges: ResolvedDependency[]): ResolvedDependency[] {
  if (areInOrder(edges)) return edges;
  const sorted = edges.toSorted(byTarget);
  if (!sorted.some((edge, i) => i > 0 && byTarget(sorted[i - 1]!, edge) === 0)) return sorted;
  // Of two that say the same, the one that cannot be left out counts.
  const unique = new Map(
    edges
      .toSorted((a, b) => Number(b.optional) - Number(a.optional))
      .map((edge) => [`${edge.name}\0${edge.id}\0${edge.kind}\0${edge.requirement}`, edge]),
  );
  return [...unique.values()].sort(byTarget);
}

/** Whether they are sorted, and no two the same. */
function areInOrder(edges: readonly ResolvedDependency[]): boolean {
  for (let i = 1; i < edges.length; i++) if (byTarget(edges[i - 1]!, edges[i]!) >= 0) return false;
  return true;
}

function byTarget(left: ResolvedDependency, right: ResolvedDependency): number {
  return compareText(left.name, right.name) || compareText(left.id, right.id);
}

function edgeOf(
  universe: Universe,
  chosen: Chosen,
  node: number,
  given: Dependency,
  notes: ResolutionNote[],
): ResolvedDependency | undefined {
  const gated = universe.isGated(given);
  if (gated) {
    const feature = universe.featureNode(node, `dep:${nameOf(given)}`);
    if (feature === undefined || !chosen.has(feature)) return undefined;
  }
  const dependency = gated ? { ...given, optional: false } : given;
  const unreadable = universe.isReadable(dependency) ? undefined : universe.unreadable(dependency);
  const requirement = unreadable === undefined ? universe.effective(dependency).canonical : textOf(dependency);
  const about = { dependent: idOf(universe, chosen, node), key: dependency.key, requirement };
  const name = universe.displayName(dependency.key);
  if (dependency.ifPossible === true && !universe.isConditional(dependency)) {
    const soft = universe.softNode(node, dependency);
    if (soft === undefined || !chosen.has(soft)) {
      const reason = unreadable ?? "no solution has it";
      const message = `Left out optional "${name}" ${requirement} of ${about.dependent}: ${reason}`;
      notes.push({ type: "optional-left-out", ...about, message });
      return undefined;
    }
  }
  const target = universe.locate(dependency, node, chosen);
  if (target === undefined) {
    if (!universe.isConditional(dependency)) throw missing(dependency.key, about.dependent);
    if (dependency.optional === true) return undefined;
    const message = `${about.dependent} expects "${name}" ${requirement} beside it, and nothing brings it`;
    notes.push({ type: "peer-missing", ...about, message });
    return undefined;
  }
  return {
    name: nameOf(dependency),
    key: dependency.key,
    id: idOf(universe, chosen, target),
    kind: dependency.kind ?? "normal",
    requirement,
    optional: given.optional === true || given.ifPossible === true,
  };
}

function missing(key: string, dependent: string): ResolverError {
  return new ResolverError({
    code: "RESOLVE_INTERNAL",
    message: `Cannot trust the solution that was found: "${key}" is needed by ${dependent}, and missing`,
  });
}

/** Which kinds of ways lead to each package: the label of a way is its weakest edge's. */
export function markReach(roots: readonly ResolvedRoot[], packages: readonly ResolvedPackage[]): ResolvedPackage[] {
  const places = new Map<string, number>();
  for (let i = 0; i < packages.length; i++) places.set(packages[i]!.id, i);
  /** Package -> a bit for each kind of way that leads to it. */
  const reach = new Uint8Array(packages.length);
  const isDirect = new Uint8Array(packages.length);
  const queue: number[] = [];
  const visit = (edge: ResolvedDependency, from: number): number => {
    const own = WEAKNESS.indexOf(edge.optional ? "optional" : edge.kind);
    const kind = Math.max(own, from);
    const place = places.get(edge.id)!;
    if ((reach[place]! & (1 << kind)) === 0) {
      reach[place]! |= 1 << kind;
      queue.push(place, kind);
    }
    return place;
  };
  for (const root of roots) for (const edge of root.dependencies) isDirect[visit(edge, 0)] = 1;
  for (let i = 0; i < queue.length; i += 2) {
    for (const edge of packages[queue[i]!]!.dependencies) visit(edge, queue[i + 1]!);
  }
  return packages.map((one, i) => ({ ...one, kinds: kindsOf(reach[i]!), direct: isDirect[i] === 1 }));
}

function kindsOf(reach: number): ReachKind[] {
  if (reach === 1) return ["normal"];
  return WEAKNESS.filter((_, kind) => (reach & (1 << kind)) !== 0).sort();
}

const WEAKNESS: readonly ReachKind[] = ["normal", "peer", "build", "optional", "dev"];
