import { isLadingError } from "@lading/core-manifest";
import { nameOf } from "./compile.ts";
import { acceptsHost } from "./compile/facts.ts";
import { Packages } from "./compile/packages.ts";
import type { Policy } from "./compile/policy.ts";
import { findCycles } from "./cycles.ts";
import { markReach } from "./outcome.ts";
import type {
  Candidate,
  Dependency,
  DependencyProvider,
  PackageKey,
  PackageMetadata,
  ResolvedDependency,
  ResolvedPackage,
  RootPackage,
  SolvedResolution,
  VersionRequirement,
} from "./types.ts";
import type { Preferences } from "./universal-follow.ts";

type Answer = Omit<SolvedResolution, "statistics">;

/** Where a dependency leads, one slot of a package, as far as that is the same in every environment. */
interface Target {
  readonly dependency: Dependency;
  readonly place: string;
  readonly slot: string;
  readonly requirement: VersionRequirement;
  /** Whether it counts in some environments only. */
  readonly sometimes: boolean;
  /** The version that was asked about last, and the answer: mostly it is asked about again. */
  version: string;
  accepted: boolean;
}

/** A package that was met, and what has to hold for it. */
interface Pick {
  readonly key: PackageKey;
  readonly slot: string;
  readonly constraints: Target[];
  candidate?: Candidate;
}

/** A candidate as it was described when it was last chosen, and what its dependencies led to. */
interface Described {
  readonly leads: readonly (Candidate | undefined)[];
  readonly package: ResolvedPackage;
}

const ONE_SLOT: ReadonlySet<string> = new Set([""]);
const NORMAL_ONLY: readonly ["normal"] = ["normal"];

/** Whether the lock that was given has a version anywhere. */
type IsLocked = (key: PackageKey, version: string) => boolean;

/** What the walk cannot tell, and a search can. */
class BeyondWalking extends Error {}

/**
 * The canonical walk of docs/spec/resolution.md, "Answer", without a search: every package that is met takes the most
 * preferred version against which nothing certain speaks, which is a reason, or a requirement of a root or of an earlier
 * pick. Where that ends in a solution, it is the answer, since each version that was passed over has no solution with the
 * earlier picks. Where it does not, or where features, choices of a slot or things taken if possible play a part, it says
 * nothing. What it has read of metadata serves all environments.
 */
export class PlainWalk {
  readonly #provider: DependencyProvider;
  readonly #isLocked: IsLocked;
  readonly #sound = new WeakSet<PackageMetadata>();
  readonly #byVersion = new WeakMap<PackageMetadata, ReadonlyMap<string, Candidate>>();
  readonly #slots = new Map<string, ReadonlySet<string>>();
  readonly #described = new WeakMap<Candidate, Described>();
  readonly #targets = new WeakMap<readonly Dependency[], readonly Target[] | "beyond">();

  constructor(provider: DependencyProvider, isLocked: IsLocked) {
    this.#provider = provider;
    this.#isLocked = isLocked;
  }

  /** The answer, or `undefined` where a search has to tell. Notes every package that it reads. */
  answer(policy: Policy, preferred: Preferences, read: Set<PackageKey>): Answer | undefined {
    try {
      return new Walking({ shared: this, policy, preferred, read, isLocked: this.#isLocked }).answer();
    } catch (error) {
      if (error instanceof BeyondWalking) return undefined;
      throw error;
    }
  }

  /**
   * Packages of which nothing is known yet and which the walk comes upon, as far as it comes without them; none where a search
   * has to tell anyway.
   */
  unknown(policy: Policy, preferred: Preferences): ReadonlySet<PackageKey> {
    const walking = new Walking({ shared: this, policy, preferred, read: new Set(), isLocked: this.#isLocked });
    try {
      return walking.unknown();
    } catch (error) {
      if (error instanceof BeyondWalking) return new Set();
      throw error;
    }
  }

  isKnown(key: PackageKey): boolean {
    return this.#provider.get(key) !== undefined;
  }

  /** What is known of a package; of one that is not as it should be, a search has to say whether it has to be read at all. */
  metadata(policy: Policy, key: PackageKey): PackageMetadata {
    const metadata = this.#provider.get(key);
    if (metadata === undefined) throw new BeyondWalking();
    if (!this.#sound.has(metadata)) {
      requireSound(policy, key);
      this.#sound.add(metadata);
    }
    return metadata;
  }

  version(metadata: PackageMetadata, version: string): Candidate | undefined {
    let known = this.#byVersion.get(metadata);
    if (known === undefined) {
      known = new Map(metadata.candidates.map((candidate) => [candidate.version, candidate]));
      this.#byVersion.set(metadata, known);
    }
    return known.get(version);
  }

  /** Slots that a requirement spans; the same in every environment. */
  slots(policy: Policy, key: PackageKey, requirement: VersionRequirement): ReadonlySet<string> {
    if ((policy.input.coexistence ?? "single") === "single") return ONE_SLOT;
    const id = `${key}\0${requirement.canonical}`;
    let known = this.#slots.get(id);
    if (known === undefined) {
      const accepted = this.metadata(policy, key).candidates.filter(({ version }) =>
        policy.accepts(requirement, version),
      );
      this.#slots.set(id, (known = new Set(accepted.map(({ version }) => policy.slotOf(key, version)))));
    }
    return known;
  }

  /** Where dependencies lead that may count; those of roots and of packages are told apart. */
  targets(policy: Policy, dependencies: readonly Dependency[], ofRoot: boolean): readonly Target[] {
    let known = this.#targets.get(dependencies);
    if (known === undefined) this.#targets.set(dependencies, (known = this.#find(policy, dependencies, ofRoot)));
    if (known === "beyond") throw new BeyondWalking();
    return known;
  }

  #find(policy: Policy, dependencies: readonly Dependency[], ofRoot: boolean): Target[] | "beyond" {
    const targets: Target[] = [];
    for (const dependency of dependencies) {
      const target = this.target(policy, dependency, ofRoot);
      if (target === "beyond") return target;
      if (target !== undefined) targets.push(target);
    }
    return targets;
  }

  /** Where one dependency leads; `undefined` where it never counts. */
  target(policy: Policy, dependency: Dependency, ofRoot: boolean): Target | "beyond" | undefined {
    if (!this.mayCount(policy, dependency, ofRoot)) return undefined;
    const { key, features = [], ifPossible, hosts, targets: places } = dependency;
    if (ifPossible === true || features.length > 0 || policy.isConditional(dependency)) return "beyond";
    if (policy.unreadable(dependency) !== undefined) return "beyond";
    const requirement = policy.effective(dependency);
    const slots = this.slots(policy, key, requirement);
    if (slots.size !== 1) return "beyond";
    const [slot = ""] = slots;
    const sometimes = hosts !== undefined || places !== undefined;
    const place = slot === "" ? key : `${key}\0${slot}`;
    return { dependency, place, slot, requirement, sometimes, version: "", accepted: false };
  }

  mayCount(policy: Policy, dependency: Dependency, ofRoot: boolean): boolean {
    return !(dependency.kind === "dev" && !ofRoot) && !policy.isGated(dependency);
  }

  /** A candidate in the answer; the same object again while all that it says is the same. */
  described(
    candidate: Candidate,
    leads: readonly (Candidate | undefined)[],
    make: () => ResolvedPackage,
  ): ResolvedPackage {
    const known = this.#described.get(candidate);
    if (known !== undefined && leads.every((one, i) => one === known.leads[i])) return known.package;
    const made = make();
    this.#described.set(candidate, { leads, package: made });
    return made;
  }
}

class Walking {
  readonly #shared: PlainWalk;
  readonly #policy: Policy;
  readonly #preferred: Preferences;
  readonly #read: Set<PackageKey>;
  readonly #picks = new Map<string, Pick>();
  readonly #queue: Pick[] = [];

  readonly #isLocked: IsLocked;

  constructor(made: {
    readonly shared: PlainWalk;
    readonly policy: Policy;
    readonly preferred: Preferences;
    readonly read: Set<PackageKey>;
    readonly isLocked: IsLocked;
  }) {
    this.#shared = made.shared;
    this.#policy = made.policy;
    this.#preferred = made.preferred;
    this.#read = made.read;
    this.#isLocked = made.isLocked;
  }

  answer(): Answer {
    const roots = this.#roots();
    for (const root of roots) this.#follow(root.dependencies, true);
    for (const pick of this.#queue) {
      pick.candidate = this.#choose(pick);
      this.#follow(pick.candidate.dependencies, false);
    }
    return this.#describe();
  }

  #roots(): readonly RootPackage[] {
    const { roots } = this.#policy.input;
    for (const { enable = [], features = {}, defaultFeatures } of roots) {
      if (enable.length > 0 || (defaultFeatures !== false && Object.hasOwn(features, "default")))
        throw new BeyondWalking();
    }
    return roots;
  }

  /**
   * The packages that are in the way. What they will ask of others is not known yet, so that a choice made here may be another
   * in the end: it only says what will probably be read next.
   */
  unknown(): ReadonlySet<PackageKey> {
    const unknown = new Set<PackageKey>();
    for (const root of this.#roots()) this.#explore(root.dependencies, true, unknown);
    for (const pick of this.#queue) {
      const candidate = this.#best(pick);
      if (candidate === undefined) continue;
      pick.candidate = this.#plain(candidate);
      this.#explore(candidate.dependencies, false, unknown);
    }
    return unknown;
  }

  #explore(dependencies: readonly Dependency[], ofRoot: boolean, unknown: Set<PackageKey>): void {
    for (const dependency of dependencies) {
      const { key } = dependency;
      if (!this.#shared.mayCount(this.#policy, dependency, ofRoot) || !this.#policy.counts(dependency, ofRoot))
        continue;
      if (!this.#shared.isKnown(key)) {
        unknown.add(key);
        continue;
      }
      const target = this.#shared.target(this.#policy, dependency, ofRoot);
      if (target === "beyond") throw new BeyondWalking();
      if (target === undefined) continue;
      const pick = this.#picks.get(target.place);
      if (pick === undefined) {
        const met: Pick = { key, slot: target.slot, constraints: [target] };
        this.#picks.set(target.place, met);
        this.#queue.push(met);
      } else if (pick.candidate === undefined) pick.constraints.push(target);
    }
  }

  /** Notes what has to hold of the packages that are depended on, and meets those that are new. */
  #follow(dependencies: readonly Dependency[], ofRoot: boolean): void {
    for (const target of this.#shared.targets(this.#policy, dependencies, ofRoot)) {
      if (target.sometimes && !this.#policy.counts(target.dependency, ofRoot)) continue;
      const pick = this.#picks.get(target.place);
      if (pick === undefined) {
        const { key } = target.dependency;
        const met: Pick = { key, slot: target.slot, constraints: [target] };
        this.#picks.set(target.place, met);
        this.#queue.push(met);
        this.#read.add(key);
      } else if (pick.candidate === undefined) pick.constraints.push(target);
      else if (!this.#accepts(target, pick.candidate.version)) throw new BeyondWalking();
    }
  }

  #accepts(target: Target, version: string): boolean {
    if (target.version === version) return target.accepted;
    target.version = version;
    return (target.accepted = this.#policy.accepts(target.requirement, version));
  }

  #choose(pick: Pick): Candidate {
    const best = this.#best(pick);
    if (best === undefined) throw new BeyondWalking();
    return this.#plain(best);
  }

  /** The most preferred version against which nothing certain speaks. */
  #best(pick: Pick): Candidate | undefined {
    const metadata = this.#shared.metadata(this.#policy, pick.key);
    const preferred = this.#preferred.get(pick.key);
    // Mostly there is one preferred version, and it will do.
    if (preferred?.size === 1) {
      const [version] = preferred as ReadonlySet<string> & Iterable<string>;
      const candidate = this.#shared.version(metadata, version!);
      if (candidate !== undefined && this.#isPossible(pick, candidate)) return candidate;
    }
    let best: Candidate | undefined;
    for (const candidate of metadata.candidates) {
      if (best !== undefined && !this.#isBetter(pick.key, candidate, best)) continue;
      if (this.#isPossible(pick, candidate)) best = candidate;
    }
    return best;
  }

  /** Whether nothing certain speaks against a version. */
  #isPossible({ key, slot, constraints }: Pick, candidate: Candidate): boolean {
    const policy = this.#policy;
    if (policy.slotOf(key, candidate.version) !== slot) return false;
    if (!constraints.every((target) => this.#accepts(target, candidate.version))) return false;
    return policy.exclusionsOf(key, candidate).length === 0 && this.#hasHosts(candidate);
  }

  #hasHosts({ hosts }: Candidate): boolean {
    for (const axis in hosts) {
      const versions = this.#policy.input.hosts?.[axis];
      if (versions === undefined) continue;
      const requirement = this.#policy.requirement(hosts[axis]!);
      if (!versions.every((version) => acceptsHost(requirement, version))) return false;
    }
    return true;
  }

  #isBetter(key: PackageKey, left: Candidate, right: Candidate): boolean {
    const policy = this.#policy;
    const { prefer, prereleases } = policy.input;
    const [a, b] = [policy.isLocked(key, left.version), policy.isLocked(key, right.version)];
    if (a !== b) return a;
    if (prereleases !== "allow") {
      const [late, early] = [policy.isPrerelease(key, left.version), policy.isPrerelease(key, right.version)];
      if (late !== early) return early;
    }
    const order = policy.compare(key, left.version, right.version);
    return prefer === "oldest" || (prefer === "lowest-direct" && policy.isDirect(key)) ? order < 0 : order > 0;
  }

  #plain(candidate: Candidate): Candidate {
    if (candidate.features !== undefined && Object.hasOwn(candidate.features, "default")) throw new BeyondWalking();
    return candidate;
  }

  #describe(): Answer {
    const policy = this.#policy;
    const roots = policy.input.roots.map((root) => ({
      name: root.name,
      features: [],
      dependencies: this.#edges(root.dependencies, true),
    }));
    const direct = new Set(roots.flatMap((root) => root.dependencies.map(({ id }) => id)));
    const packages = this.#queue.map((pick) => this.#packageOf(pick, direct));
    const isNormal = ({ dependencies }: { readonly dependencies: readonly ResolvedDependency[] }): boolean =>
      dependencies.every(({ kind }) => kind === "normal");
    // Where every edge is a normal one, so is every way.
    const reached = roots.every(isNormal) && packages.every(isNormal) ? packages : markReach(roots, packages);
    reached.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : policy.compare(a.key, a.version, b.version)));
    const cycles = isAcyclic(reached) ? [] : findCycles(reached);
    return { status: "solved", packages: reached, roots, cycles, notes: [] };
  }

  #packageOf(pick: Pick, direct: ReadonlySet<string>): ResolvedPackage {
    const { key, slot } = pick;
    const candidate = pick.candidate!;
    const { version, dependencies } = candidate;
    const targets = this.#shared.targets(this.#policy, dependencies, false);
    const leads = targets.map((target) =>
      target.sometimes && !this.#policy.counts(target.dependency, false)
        ? undefined
        : this.#picks.get(target.place)!.candidate,
    );
    const id = `${key} ${version}`;
    const found = this.#shared.described(candidate, leads, () => ({
      id,
      key,
      name: this.#policy.displayName(key),
      version,
      ...(slot === "" ? {} : { slot }),
      features: [],
      dependencies: this.#edges(dependencies, false),
      kinds: NORMAL_ONLY,
      direct: direct.has(id),
      locked: this.#isLocked(key, version),
      candidate,
    }));
    return found.direct === direct.has(id) ? found : { ...found, direct: !found.direct };
  }

  #edges(dependencies: readonly Dependency[], ofRoot: boolean): ResolvedDependency[] {
    const edges = new Map<string, ResolvedDependency>();
    for (const target of this.#shared.targets(this.#policy, dependencies, ofRoot)) {
      const { dependency } = target;
      if (target.sometimes && !this.#policy.counts(dependency, ofRoot)) continue;
      const { key, kind = "normal" } = dependency;
      const id = `${key} ${this.#picks.get(target.place)!.candidate!.version}`;
      const name = nameOf(dependency);
      const requirement = target.requirement.canonical;
      edges.set(`${name}\0${id}\0${kind}\0${requirement}`, { name, key, id, kind, requirement, optional: false });
    }
    return [...edges.values()].sort((a, b) => compareText(a.name, b.name) || compareText(a.id, b.id));
  }
}

function requireSound(policy: Policy, key: PackageKey): void {
  try {
    new Packages(policy).read(key);
  } catch (error) {
    if (isLadingError(error) && error.code === "RESOLVE_METADATA_INVALID") throw new BeyondWalking();
    throw error;
  }
}

/** Whether taking away again and again what nothing leads to leaves nothing. */
function isAcyclic(packages: readonly ResolvedPackage[]): boolean {
  const place = new Map(packages.map(({ id }, index) => [id, index]));
  const edges = packages.map(({ dependencies }) => dependencies.map(({ id }) => place.get(id)!));
  const incoming = new Int32Array(packages.length);
  for (const targets of edges) for (const target of targets) incoming[target]!++;
  const free = [...incoming.keys()].filter((index) => incoming[index] === 0);
  for (const index of free) for (const target of edges[index]!) if (--incoming[target]! === 0) free.push(target);
  return free.length === packages.length;
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
