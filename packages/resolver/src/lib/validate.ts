import { acceptsHost, nameOf } from "./compile.ts";
import type { Policy } from "./compile/policy.ts";
import { ResolverError } from "./resolver-error.ts";
import type {
  Candidate,
  Dependency,
  ResolvedDependency,
  ResolvedPackage,
  ResolvedRoot,
  RootPackage,
  SolvedResolution,
  VersionRequirement,
} from "./types.ts";

type Answer = Pick<SolvedResolution, "packages" | "roots">;

interface Owner {
  readonly id: string;
  readonly features: ReadonlySet<string>;
  readonly table: Readonly<Record<string, readonly string[]>>;
  readonly exclusive: readonly (readonly string[])[] | undefined;
  readonly dependencies: readonly Dependency[];
  readonly edges: readonly ResolvedDependency[];
  /** Place of the first edge's target. */
  readonly start: number;
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
  const places = new Map<string, number>();
  for (const one of answer.packages) places.set(one.id, places.size);
  const fault = packagesFault(universe, answer);
  if (fault !== undefined) return fault;
  const targets: number[] = [];
  const starts: number[] = [];
  for (const owners of [answer.roots, answer.packages]) {
    for (const { dependencies } of owners) {
      starts.push(targets.length);
      for (const { id } of dependencies) {
        const place = places.get(id);
        if (place === undefined) return `an edge leads to ${id}, which is not there`;
        targets.push(place);
      }
    }
  }
  starts.push(targets.length);
  const placed = { answer, starts, targets };
  return ownersFault(universe, placed, validated) ?? strayFault(placed);
}

function packagesFault(universe: Policy, { packages }: Answer): string | undefined {
  const slots = new Set<string>();
  const isSingle = (universe.input.coexistence ?? "single") === "single";
  for (const { id, key, version, candidate } of packages) {
    const slot = isSingle ? key : `${key} ${universe.slotOf(key, version)}`;
    if (slots.has(slot)) return `two versions of ${slot}`;
    slots.add(slot);
    if (candidate.version !== version || universe.provider.get(key)?.candidates.includes(candidate) !== true)
      return `${id} is not on offer`;
    const [reason] = universe.exclusionsOf(key, candidate);
    if (reason !== undefined) return `${id} is excluded: ${reason.text}`;
    const host = candidate.hosts === undefined ? undefined : hostFault(universe, candidate);
    if (host !== undefined) return `${id} does not run on ${host}`;
  }
  return undefined;
}

/**
 * An answer, and the places of the packages that its edges lead to: those of the roots' edges first, then those of the packages'.
 * The ones of each owner begin at its start; one more at the end.
 */
interface Placed {
  readonly answer: Answer;
  readonly starts: readonly number[];
  readonly targets: readonly number[];
}

function ownersFault(universe: Policy, placed: Placed, validated: ValidatedEdges | undefined): string | undefined {
  const { roots } = universe.input;
  const { packages, roots: resolved } = placed.answer;
  for (let i = 0; i < roots.length + packages.length; i++) {
    const root = roots[i];
    const one = packages[i - roots.length];
    const edges = (root === undefined ? one! : resolved[i]!).dependencies;
    const { dependencies } = root ?? one!.candidate;
    if (validated?.get(edges) === dependencies) continue;
    const start = placed.starts[root === undefined ? resolved.length + i - roots.length : i]!;
    const owner = root === undefined ? packageOwner(one!, start) : rootOwner(root, resolved[i]!, start);
    const fault = ownerFault(universe, owner, placed);
    if (fault !== undefined) return fault;
    if (validated !== undefined && isEverywhere(owner)) validated.set(edges, dependencies);
  }
  return undefined;
}

/** A package that the roots do not lead to. */
function strayFault({ answer: { packages, roots }, starts, targets }: Placed): string | undefined {
  const isReached = new Uint8Array(packages.length);
  const queue = targets.slice(0, starts[roots.length]);
  for (let place = queue.pop(); place !== undefined; place = queue.pop()) {
    if (isReached[place] === 1) continue;
    isReached[place] = 1;
    const owner = roots.length + place;
    for (let i = starts[owner]!; i < starts[owner + 1]!; i++) queue.push(targets[i]!);
  }
  const stray = isReached.indexOf(0);
  return stray === -1 ? undefined : `nothing needs ${packages[stray]!.id}`;
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

function rootOwner(root: RootPackage, resolved: ResolvedRoot, start: number): Owner {
  const wanted = new Set([...(root.enable ?? []), ...resolved.features]);
  const table = root.features ?? NO_TABLE;
  if (root.defaultFeatures !== false && Object.hasOwn(table, "default")) wanted.add("default");
  return {
    id: root.name,
    features: wanted,
    table,
    exclusive: root.exclusiveFeatures,
    dependencies: root.dependencies,
    edges: resolved.dependencies,
    start,
    ofRoot: true,
  };
}

function packageOwner({ id, features, candidate, dependencies }: ResolvedPackage, start: number): Owner {
  return {
    id,
    features: features.length === 0 ? NO_FEATURES : new Set(features),
    table: candidate.features ?? NO_TABLE,
    exclusive: candidate.exclusiveFeatures,
    dependencies: candidate.dependencies,
    edges: dependencies,
    start,
    ofRoot: false,
  };
}

function ownerFault(universe: Policy, owner: Owner, placed: Placed): string | undefined {
  const wanted = switchedOn(owner);
  const fault = owner.features.size === 0 ? undefined : featuresFault(owner, wanted);
  if (fault !== undefined) return fault;
  for (const dependency of owner.dependencies) {
    if (!universe.counts(dependency, owner.ofRoot)) continue;
    if (universe.isGated(dependency) && !wanted.dependencies.has(nameOf(dependency))) continue;
    const found = dependencyFault(universe, owner, dependency, wanted, placed);
    if (found !== undefined) return found;
  }
  return undefined;
}

function featuresFault(owner: Owner, wanted: SwitchedOn): string | undefined {
  for (const feature of wanted.own)
    if (!owner.features.has(feature)) return `${owner.id} lacks its feature "${feature}"`;
  const together = (owner.exclusive ?? [])
    .map((group) => [...new Set(group)].filter((feature) => owner.features.has(feature)))
    .find((on) => on.length > 1);
  return together === undefined ? undefined : `${owner.id} has "${together.join('" and "')}" on together`;
}

function dependencyFault(
  universe: Policy,
  owner: Owner,
  dependency: Dependency,
  wanted: SwitchedOn,
  placed: Placed,
): string | undefined {
  if (dependency.ifPossible === true && universe.unreadable(dependency) !== undefined) {
    return owner.edges.some((edge) => edge.key === dependency.key && edge.requirement === dependency.requirement)
      ? `${owner.id} leads to "${dependency.key}" by a requirement that cannot be read`
      : undefined;
  }
  const { packages } = placed.answer;
  const requirement = universe.effective(dependency);
  let isThere = false;
  for (let i = 0; i < owner.edges.length; i++) {
    const edge = owner.edges[i]!;
    if (edge.key !== dependency.key || edge.requirement !== requirement.canonical) continue;
    isThere = true;
    const target = packages[placed.targets[owner.start + i]!]!;
    if (target.key !== dependency.key) return `${owner.id} leads to ${edge.id}, which is not there`;
    if (!universe.accepts(requirement, target.version)) return `${edge.id} does not meet ${requirement.canonical}`;
    const missing = missingFeature(dependency, wanted, target);
    if (missing !== undefined && !universe.isConditional(dependency) && !isLeftOut(universe, owner, dependency))
      return `${edge.id} lacks feature "${missing}"`;
  }
  return isThere ? undefined : absenceFault(universe, owner, dependency, requirement, packages);
}

function missingFeature(dependency: Dependency, wanted: SwitchedOn, target: ResolvedPackage): string | undefined {
  const foreign = wanted.foreign.size === 0 ? undefined : wanted.foreign.get(nameOf(dependency));
  const asked = featuresFor(dependency, foreign, target.candidate);
  return asked.length === 0 ? undefined : asked.find((feature) => !target.features.includes(feature));
}

/** No edge is there for a dependency that counts. */
function absenceFault(
  universe: Policy,
  owner: Owner,
  dependency: Dependency,
  requirement: VersionRequirement,
  packages: readonly ResolvedPackage[],
): string | undefined {
  const present = packages.filter((one) => one.key === dependency.key);
  const bad = universe.isConditional(dependency)
    ? present.length > 0 && !present.some((one) => universe.accepts(requirement, one.version))
    : dependency.ifPossible !== true;
  // Side by side, a version in another slot is not meant by a peer that names none of its slot.
  const isMeant = !(universe.isConditional(dependency) && universe.input.coexistence === "per-major");
  return bad && isMeant ? `${owner.id} needs "${dependency.key}" ${requirement.canonical}` : undefined;
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
