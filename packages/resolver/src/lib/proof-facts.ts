import { ABSENT, hasBit, intersects, members, type Bits } from "./bits.ts";
import { acceptsHost, nameOf, type FactCause, type NodeInfo, type Universe } from "./compile.ts";
import type { Dependency } from "./types.ts";

/** What is wrong with a fact, by the input's own words; `undefined` where nothing is. */
export function factFault(universe: Universe, cause: FactCause, terms: ReadonlyMap<number, Bits>): string | undefined {
  switch (cause.type) {
    case "root":
      return rootFault(universe, terms);
    case "excluded":
      return exclusionFault(universe, cause, terms);
    case "host":
      return hostFault(universe, cause, terms);
    case "feature":
      return featureFault(universe, cause, terms);
    case "dependency":
      return dependencyFault(universe, cause, terms);
  }
}

function rootFault(universe: Universe, terms: ReadonlyMap<number, Bits>): string | undefined {
  const [[node, set] = []] = terms;
  if (terms.size !== 1 || universe.infos[node!]!.type !== "root") return "only a root is needed by itself";
  return members(set!).join() === `${ABSENT}` ? undefined : "a root has one version";
}

function exclusionFault(
  universe: Universe,
  cause: Extract<FactCause, { type: "excluded" }>,
  terms: ReadonlyMap<number, Bits>,
): string | undefined {
  for (const [node, set] of terms) {
    const owner = ownerOf(universe, node);
    for (const bit of members(set)) {
      if (bit === ABSENT) return "absence cannot be excluded";
      const given = universe.candidateOf(owner, bit);
      const key = keyOf(universe.infos[owner]!);
      const reasons = given === undefined || key === undefined ? [] : universe.exclusionsOf(key, given);
      if (reasons.some((one) => one.reason === cause.reason && one.text === cause.text)) continue;
      if (!universe.table(owner, bit).dependencies.some((one) => isUnreadable(universe, one)))
        return `nothing excludes ${bit}`;
    }
  }
  return undefined;
}

function isUnreadable(universe: Universe, dependency: Dependency): boolean {
  try {
    universe.effective(dependency);
    return false;
  } catch {
    return true;
  }
}

function hostFault(
  universe: Universe,
  cause: Extract<FactCause, { type: "host" }>,
  terms: ReadonlyMap<number, Bits>,
): string | undefined {
  if (!universe.input.hosts?.[cause.axis]?.includes(cause.version))
    return `host ${cause.axis} ${cause.version} is not given`;
  for (const bit of members(terms.get(cause.node)!)) {
    const asked = bit === ABSENT ? undefined : universe.candidateOf(cause.node, bit)?.hosts?.[cause.axis];
    if (asked === undefined) return `version ${bit} asks nothing of host ${cause.axis}`;
    if (acceptsHost(universe.requirement(asked), cause.version))
      return `version ${bit} accepts ${cause.axis} ${cause.version}`;
  }
  return undefined;
}

function featureFault(
  universe: Universe,
  cause: Extract<FactCause, { type: "feature" }>,
  terms: ReadonlyMap<number, Bits>,
): string | undefined {
  const info = universe.infos[cause.node]!;
  if (info.type !== "feature") return "it is about no feature";
  if (cause.beside !== undefined) return exclusiveFault(universe, info, cause.beside, terms);
  const mine = terms.get(cause.node);
  const below = terms.get(info.base);
  if (mine !== undefined && below !== undefined) {
    if (intersects(mine, below)) return "a feature and its package may have these versions";
    return hasBit(mine, ABSENT) && !isSwitchedOn(universe, info) ? "a feature may be off" : undefined;
  }
  for (const [node, set] of terms) {
    if (node !== cause.node && ownerOf(universe, node) !== info.base) return "it mixes packages";
    if (node === cause.node && terms.size === 1 && hasBit(set, ABSENT)) return "a feature may be off";
  }
  return undefined;
}

/** Whether the input itself switches a feature of a root on. */
function isSwitchedOn(universe: Universe, { base, feature }: Extract<NodeInfo, { type: "feature" }>): boolean {
  const owner = universe.infos[base]!;
  if (owner.type !== "root") return false;
  const { enable = [], defaultFeatures = true, features = {} } = owner.root;
  return enable.includes(feature) || (feature === "default" && defaultFeatures && Object.hasOwn(features, feature));
}

function exclusiveFault(
  universe: Universe,
  { base, feature }: Extract<NodeInfo, { type: "feature" }>,
  beside: string,
  terms: ReadonlyMap<number, Bits>,
): string | undefined {
  const expected = [feature, beside].map((name) => universe.featureNode(base, name));
  if (terms.size !== 2 || !expected.every((node) => node !== undefined && terms.has(node)))
    return "it is not about these two features";
  for (const set of terms.values()) {
    for (const bit of members(set)) {
      if (bit === ABSENT) return "a feature may be off";
      const groups = universe.table(base, bit).exclusive;
      if (!groups.some((group) => group.includes(feature) && group.includes(beside)))
        return `version ${bit} lets "${feature}" and "${beside}" be on together`;
    }
  }
  return undefined;
}

function dependencyFault(
  universe: Universe,
  cause: Extract<FactCause, { type: "dependency" }>,
  terms: ReadonlyMap<number, Bits>,
): string | undefined {
  const info = universe.packages.get(cause.dependency.key);
  if (info === undefined) return `package "${cause.dependency.key}" was never read`;
  let targets = 0;
  for (const [node, set] of terms) {
    const { type } = universe.infos[node]!;
    const owner = ownerOf(universe, node);
    const absent = hasBit(set, ABSENT);
    // A condition says which versions have the dependency; only what is demanded can be absent.
    const isCondition = owner === cause.owner && type !== "choice" && !absent;
    if (isCondition && !members(set).every((bit) => hasDependency(universe, owner, bit, cause.dependency))) {
      return `not every version has the dependency on "${info.key}"`;
    }
    if (keyOf(universe.infos[owner]!) !== info.key || (type === "choice" && !absent)) continue;
    const met = type === "choice" ? undefined : metVersion(universe, cause, owner, set);
    if (met === undefined) targets++;
    else if (!isCondition) return `"${info.key}" ${met} meets ${cause.requirement.canonical}`;
  }
  const none = targets === 0 && info.candidates.some((one) => universe.accepts(cause.requirement, one.version));
  return none ? `versions of "${info.key}" meet ${cause.requirement.canonical}` : undefined;
}

function metVersion(
  universe: Universe,
  cause: Extract<FactCause, { type: "dependency" }>,
  owner: number,
  set: Bits,
): string | undefined {
  const versions = members(set).map((bit) => universe.candidateOf(owner, bit)?.version);
  return versions.find((version) => version !== undefined && universe.accepts(cause.requirement, version));
}

function hasDependency(universe: Universe, owner: number, bit: number, wanted: Dependency): boolean {
  if (bit === ABSENT) return false;
  const canonical = universe.effective(wanted).canonical;
  return universe
    .table(owner, bit)
    .dependencies.some(
      (one) =>
        one.key === wanted.key &&
        nameOf(one) === nameOf(wanted) &&
        !isUnreadable(universe, one) &&
        universe.effective(one).canonical === canonical,
    );
}

/** The package or root behind a feature or a taken option; the node itself otherwise. */
function ownerOf(universe: Universe, node: number): number {
  const info = universe.infos[node]!;
  if (info.type === "feature") return info.base;
  return info.type === "soft" ? info.owner : node;
}

function keyOf(info: NodeInfo): string | undefined {
  if (info.type === "package" || info.type === "choice") return info.info.key;
  return undefined;
}
