import { acceptsHost, nameOf } from "./compile.ts";
import type { Policy } from "./compile/policy.ts";
import { ResolverError } from "./resolver-error.ts";
import type { Candidate, Dependency, ResolvedDependency, SolvedResolution } from "./types.ts";

type Answer = Pick<SolvedResolution, "packages" | "roots">;

interface Owner {
  readonly id: string;
  readonly features: ReadonlySet<string>;
  readonly table: Readonly<Record<string, readonly string[]>>;
  readonly exclusive: readonly (readonly string[])[] | undefined;
  readonly dependencies: readonly Dependency[];
  readonly edges: readonly ResolvedDependency[];
  readonly ofRoot: boolean;
}

/**
 * Edges that were found good for dependencies which count everywhere, of answers without features: what holds of them in one
 * environment holds in every other.
 */
export type ValidatedEdges = WeakMap<readonly ResolvedDependency[], readonly Dependency[]>;

/**
 * Checks an answer against the input, knowing nothing of how it was found: only what the input says of versions,
 * requirements, features and policies.
 * @throws {ResolverError} `RESOLVE_INTERNAL`
 */
export function validateSolution(universe: Policy, answer: Answer, validated?: ValidatedEdges): void {
  const fault = solutionFault(universe, answer, validated);
  if (fault === undefined) return;
  throw new ResolverError({ code: "RESOLVE_INTERNAL", message: `Cannot trust the solution that was found: ${fault}` });
}

/** What is wrong with an answer; `undefined` where nothing is. */
export function solutionFault(universe: Policy, answer: Answer, validated?: ValidatedEdges): string | undefined {
  const byId = new Map(answer.packages.map((one) => [one.id, one]));
  const slots = new Set<string>();
  for (const { id, key, version, candidate } of answer.packages) {
    const slot = `${key} ${universe.slotOf(key, version)}`;
    if (slots.has(slot)) return `two versions of ${slot}`;
    slots.add(slot);
    if (candidate.version !== version || universe.provider.get(key)?.candidates.includes(candidate) !== true)
      return `${id} is not on offer`;
    const [reason] = universe.exclusionsOf(key, candidate);
    if (reason !== undefined) return `${id} is excluded: ${reason.text}`;
    const host = hostFault(universe, candidate);
    if (host !== undefined) return `${id} does not run on ${host}`;
  }
  const all = ownersOf(universe, answer);
  const owners = all.filter(({ edges, dependencies }) => validated?.get(edges) !== dependencies);
  const astray = all.flatMap(({ edges }) => edges).find(({ id }) => !byId.has(id));
  if (astray !== undefined) return `an edge leads to ${astray.id}, which is not there`;
  const features = new Map(all.map((owner) => [owner.id, owner.features]));
  for (const owner of owners) {
    const fault = ownerFault(universe, owner, byId, features);
    if (fault !== undefined) return fault;
    if (validated !== undefined && isEverywhere(owner)) validated.set(owner.edges, owner.dependencies);
  }
  const reached = reachable(answer);
  const stray = answer.packages.find(({ id }) => !reached.has(id));
  return stray === undefined ? undefined : `nothing needs ${stray.id}`;
}

/** Whether it is the same in every environment which edges an owner has to have. */
function isEverywhere({ features, table, dependencies }: Owner): boolean {
  const plain = features.size === 0 && !Object.hasOwn(table, "default");
  return plain && dependencies.every(({ hosts, targets, kind }) => !hosts && !targets && kind !== "peer");
}

function hostFault(universe: Policy, candidate: Candidate): string | undefined {
  for (const [axis, versions] of Object.entries(universe.input.hosts ?? {})) {
    const asked = candidate.hosts?.[axis];
    if (asked === undefined) continue;
    const wrong = versions.find((version) => !acceptsHost(universe.requirement(asked), version));
    if (wrong !== undefined) return `${axis} ${wrong}`;
  }
  return undefined;
}

function ownersOf(universe: Policy, answer: Answer): Owner[] {
  const roots = universe.input.roots.map((root, i): Owner => {
    const resolved = answer.roots[i]!;
    const wanted = new Set([...(root.enable ?? []), ...resolved.features]);
    const table = root.features ?? {};
    if (root.defaultFeatures !== false && Object.hasOwn(table, "default")) wanted.add("default");
    return {
      id: root.name,
      features: wanted,
      table,
      exclusive: root.exclusiveFeatures,
      dependencies: root.dependencies,
      edges: resolved.dependencies,
      ofRoot: true,
    };
  });
  const packages = answer.packages.map((one): Owner => ({
    id: one.id,
    features: one.features.length === 0 ? NO_FEATURES : new Set(one.features),
    table: one.candidate.features ?? NO_TABLE,
    exclusive: one.candidate.exclusiveFeatures,
    dependencies: one.candidate.dependencies,
    edges: one.dependencies,
    ofRoot: false,
  }));
  return [...roots, ...packages];
}

function ownerFault(
  universe: Policy,
  owner: Owner,
  byId: ReadonlyMap<string, { readonly key: string; readonly version: string; readonly candidate: Candidate }>,
  features: ReadonlyMap<string, ReadonlySet<string>>,
): string | undefined {
  const wanted = switchedOn(owner);
  for (const feature of wanted.own)
    if (!owner.features.has(feature)) return `${owner.id} lacks its feature "${feature}"`;
  const together = (owner.exclusive ?? [])
    .map((group) => [...new Set(group)].filter((feature) => owner.features.has(feature)))
    .find((on) => on.length > 1);
  if (together !== undefined) return `${owner.id} has "${together.join('" and "')}" on together`;
  for (const dependency of owner.dependencies) {
    if (!universe.counts(dependency, owner.ofRoot)) continue;
    const name = nameOf(dependency);
    if (universe.isGated(dependency) && !wanted.dependencies.has(name)) continue;
    if (dependency.ifPossible === true && universe.unreadable(dependency) !== undefined) {
      if (owner.edges.some((edge) => edge.key === dependency.key && edge.requirement === dependency.requirement))
        return `${owner.id} leads to "${dependency.key}" by a requirement that cannot be read`;
      continue;
    }
    const requirement = universe.effective(dependency);
    const edges = owner.edges.filter(
      (edge) => edge.key === dependency.key && edge.requirement === requirement.canonical,
    );
    if (edges.length === 0) {
      const present = [...byId.values()].filter((one) => one.key === dependency.key);
      const bad = universe.isConditional(dependency)
        ? present.length > 0 && !present.some((one) => universe.accepts(requirement, one.version))
        : dependency.ifPossible !== true;
      // Side by side, a version in another slot is not meant by a peer that names none of its slot.
      if (bad && !(universe.isConditional(dependency) && universe.input.coexistence === "per-major")) {
        return `${owner.id} needs "${dependency.key}" ${requirement.canonical}`;
      }
      continue;
    }
    for (const edge of edges) {
      const target = byId.get(edge.id);
      if (target === undefined || target.key !== dependency.key)
        return `${owner.id} leads to ${edge.id}, which is not there`;
      if (!universe.accepts(requirement, target.version)) return `${edge.id} does not meet ${requirement.canonical}`;
      const missing = featuresFor(dependency, wanted.foreign.get(name), target.candidate).find(
        (feature) => !features.get(edge.id)!.has(feature),
      );
      if (missing !== undefined && !universe.isConditional(dependency) && !isLeftOut(universe, owner, dependency))
        return `${edge.id} lacks feature "${missing}"`;
    }
  }
  return undefined;
}

/** An edge may be another dependency's on the same versions, which takes nothing along for this one. */
function isLeftOut(universe: Policy, owner: Owner, dependency: Dependency): boolean {
  if (dependency.ifPossible !== true) return false;
  const { canonical } = universe.effective(dependency);
  return owner.dependencies.some(
    (one) =>
      one !== dependency &&
      one.key === dependency.key &&
      universe.counts(one, owner.ofRoot) &&
      universe.effective(one).canonical === canonical,
  );
}

const NO_FEATURES: ReadonlySet<string> = new Set();
const NO_TABLE: Readonly<Record<string, readonly string[]>> = {};
const NONE_WANTED: readonly string[] = [];

function featuresFor(
  dependency: Dependency,
  foreign: ReadonlySet<string> | undefined,
  target: Candidate,
): readonly string[] {
  if (dependency.features === undefined && foreign === undefined && target.features === undefined) return NONE_WANTED;
  const wanted = [...(dependency.features ?? []), ...(foreign ?? [])];
  if (dependency.defaultFeatures !== false) wanted.push("default");
  // A candidate without the feature `default` simply has none, whoever names it.
  const hasDefault = Object.hasOwn(target.features ?? {}, "default");
  return wanted.filter((feature) => !feature.startsWith("dep:") && (feature !== "default" || hasDefault));
}

interface SwitchedOn {
  readonly own: ReadonlySet<string>;
  readonly dependencies: ReadonlySet<string>;
  readonly foreign: ReadonlyMap<string, ReadonlySet<string>>;
}

const NOTHING: SwitchedOn = { own: new Set(), dependencies: new Set(), foreign: new Map() };

/** What the features that are on switch on in turn. */
function switchedOn(owner: Owner): SwitchedOn {
  if (owner.features.size === 0) return NOTHING;
  const own = new Set<string>();
  const dependencies = new Set<string>();
  const foreign = new Map<string, Set<string>>();
  const names = new Set(owner.dependencies.map(nameOf));
  const weak: [string, string][] = [];
  const want = (name: string, feature: string): void =>
    void foreign.set(name, (foreign.get(name) ?? new Set()).add(feature));
  const queue = [...owner.features];
  for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) {
    const [, weakName, weakFeature] = /^([^?]+)\?\/(.+)$/.exec(entry) ?? [];
    const slash = entry.indexOf("/");
    if (entry.startsWith("dep:")) dependencies.add(entry.slice(4));
    else if (weakName !== undefined) weak.push([weakName, weakFeature!]);
    else if (Object.hasOwn(owner.table, entry)) {
      if (own.has(entry)) continue;
      own.add(entry);
      queue.push(...owner.table[entry]!);
    } else if (names.has(entry)) dependencies.add(entry);
    else if (slash > 0 && names.has(entry.slice(0, slash))) {
      dependencies.add(entry.slice(0, slash));
      want(entry.slice(0, slash), entry.slice(slash + 1));
    }
  }
  const gated = new Set(owner.dependencies.filter((one) => one.optional === true && one.kind !== "peer").map(nameOf));
  for (const [name, feature] of weak) if (!gated.has(name) || dependencies.has(name)) want(name, feature);
  return { own, dependencies, foreign };
}

function reachable(answer: Answer): Set<string> {
  const edges = new Map(answer.packages.map((one) => [one.id, one.dependencies]));
  const reached = new Set<string>();
  const queue = answer.roots.flatMap((root) => root.dependencies.map(({ id }) => id));
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (reached.has(id)) continue;
    reached.add(id);
    queue.push(...(edges.get(id) ?? []).map((edge) => edge.id));
  }
  return reached;
}
