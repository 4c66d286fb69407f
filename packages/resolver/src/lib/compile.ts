import {
  compareVersions,
  compatibilitySlot,
  isLadingError,
  isPrerelease,
  parseRequirement,
  tryParseVersion,
  type Version,
} from "@lading/core-manifest";
import {
  ABSENT,
  complement,
  emptyBits,
  hasBit,
  intersects,
  isEmpty,
  intersection,
  setBit,
  singleBit,
  type Bits,
} from "./bits.ts";
import { ResolverError } from "./resolver-error.ts";
import { Solver, type RuleSource } from "./solver.ts";
import type {
  Candidate,
  Dependency,
  DependencyProvider,
  Exclusion,
  ExclusionReason,
  PackageKey,
  ResolveInput,
  RootPackage,
  VersionRequirement,
} from "./types.ts";

/** A condition of a rule: the node has one of these values. */
export interface Term {
  readonly node: number;
  readonly set: Bits;
}

/** A fact's reason, as the proof shows it, and what the independent checker needs to test it against the input. */
export type FactCause =
  | { readonly type: "root"; readonly root: number }
  | {
      readonly type: "dependency";
      readonly owner: number;
      readonly dependency: Dependency;
      readonly requirement: VersionRequirement;
      readonly overridden: boolean;
      /** Feature of the target that is asked for; absent: the target itself. */
      readonly feature?: string;
    }
  | { readonly type: "excluded"; readonly node: number; readonly reason: ExclusionReason; readonly text: string }
  | {
      readonly type: "host";
      readonly node: number;
      readonly axis: string;
      readonly version: string;
      readonly requirement: VersionRequirement;
    }
  | { readonly type: "feature"; readonly node: number; readonly feature: string; readonly text: string };

/** One package with everything that is on offer, oldest first. */
export interface PackageInfo {
  readonly key: PackageKey;
  readonly candidates: readonly Candidate[];
  readonly missing: string | undefined;
  /** Slot -> indexes into `candidates`, ascending. With `single` the only slot is "". */
  readonly slots: ReadonlyMap<string, readonly number[]>;
}

/** What a node of the search stands for. */
export type NodeInfo =
  | { readonly type: "root"; readonly root: RootPackage; readonly index: number }
  | {
      readonly type: "package";
      readonly info: PackageInfo;
      readonly slot: string;
      readonly versions: readonly number[];
    }
  | { readonly type: "feature"; readonly base: number; readonly feature: string }
  /** Which slot a requirement that spans several is met in; version i is `slots[i]`. */
  | {
      readonly type: "choice";
      readonly dependency: Dependency;
      readonly info: PackageInfo;
      readonly slots: readonly string[];
    }
  /** Whether an `ifPossible` dependency is taken: one version, "yes". */
  | { readonly type: "soft"; readonly owner: number; readonly dependency: Dependency };

/** Something that follows from a value of a node. */
interface Item {
  /** Equal texts on one node mean equal consequences. */
  readonly signature: string;
  /** Statements, or `undefined` while metadata is missing. */
  readonly make: (conditions: readonly Term[]) => readonly number[] | undefined;
  /** A dependency that is taken where possible. */
  readonly soft?: { readonly owner: number; readonly dependency: Dependency };
}

/** A node that is needed once the value that it follows from is chosen, and `if` holds. */
export interface Follower {
  readonly node: number;
  readonly if: readonly Term[];
}

/** Exclusions that a lock which has the version lifts, unless the exclusion says otherwise. */
const LIFTED_BY_LOCK: ReadonlySet<ExclusionReason> = new Set(["yanked", "cooldown", "exclude-newer"]);

const NOTHING: readonly string[] = [];
const NO_STATEMENTS: readonly number[] = [];

/** The facts of one resolution, made as the search asks for them. Node numbers depend on the search alone, not on arrival. */
export class Universe implements RuleSource {
  readonly solver: Solver;
  readonly infos: NodeInfo[] = [];
  readonly causes: FactCause[] = [];
  readonly input: ResolveInput;
  readonly provider: DependencyProvider;
  /** Packages that were asked for and are not known yet. */
  readonly needs: Set<PackageKey> = new Set();
  readonly packages: Map<PackageKey, PackageInfo> = new Map();

  readonly #nodes = new Map<string, number>();
  readonly #groups: Map<string, Bits>[] = [];
  readonly #made: Map<string, readonly number[]>[] = [];
  readonly #rules: (readonly number[] | undefined)[][] = [];
  readonly #requirements = new Map<string, VersionRequirement>();
  readonly #sets = new Map<PackageKey, Map<string, Bits>>();
  /** Rules for packages that nobody needs yet: "if it is present, then in this range". */
  readonly #ifPresent = new Map<PackageKey, { conditions: readonly Term[]; dependency: Dependency; owner: number }[]>();
  readonly #overrides = new Map<PackageKey, VersionRequirement>();
  readonly #locked = new Map<PackageKey, Set<string>>();
  readonly #direct = new Set<PackageKey>();

  constructor(input: ResolveInput, provider: DependencyProvider) {
    this.input = input;
    this.provider = provider;
    this.solver = new Solver(this);
    for (const { key, requirement } of input.overrides ?? []) this.#overrides.set(key, this.requirement(requirement));
    for (const { key, version } of input.locked ?? []) {
      const known = this.#locked.get(key) ?? new Set();
      this.#locked.set(key, known.add(version));
    }
    for (const root of input.roots) for (const dependency of root.dependencies) this.#direct.add(dependency.key);
    for (const [index, root] of input.roots.entries()) this.#addRoot(root, index);
  }

  // --- what others ask -----------------------------------------------------------------------------------------

  rules(node: number, bit: number): readonly number[] | undefined {
    const known = this.#rules[node]![bit];
    if (known !== undefined) return known;
    const found: number[] = [];
    let complete = true;
    for (const item of this.#items(node, bit)) {
      const made = this.#made[node]!.get(item.signature) ?? this.#make(node, item);
      if (made === undefined) complete = false;
      else found.push(...made);
    }
    if (!complete) return undefined;
    this.#rules[node]![bit] = found;
    return found;
  }

  pinCause(feature: number): number {
    const info = this.infos[feature]!;
    if (info.type !== "feature") throw new Error(`Node ${feature} is no feature`);
    return this.#cause({
      type: "feature",
      node: feature,
      feature: info.feature,
      text: "has the version of its package",
    });
  }

  candidateOf(node: number, bit: number): Candidate | undefined {
    const info = this.infos[node]!;
    return info.type === "package" ? info.info.candidates[info.versions[bit - 1]!] : undefined;
  }

  isLocked(key: PackageKey, version: string): boolean {
    return this.#locked.get(key)?.has(version) ?? false;
  }

  isDirect(key: PackageKey): boolean {
    return this.#direct.has(key);
  }

  /** The requirement that counts for a dependency: the override's, where there is one. */
  effective(dependency: Dependency): VersionRequirement {
    return this.#overrides.get(dependency.key) ?? this.requirement(dependency.requirement);
  }

  isOverridden(key: PackageKey): boolean {
    return this.#overrides.has(key);
  }

  requirement(given: string | VersionRequirement): VersionRequirement {
    if (typeof given !== "string") return given;
    const known = this.#requirements.get(given);
    if (known !== undefined) return known;
    const parsed: VersionRequirement = parseRequirement(given, "canonical");
    this.#requirements.set(given, parsed);
    return parsed;
  }

  accepts(requirement: VersionRequirement, version: string): boolean {
    const mode = this.input.prereleases ?? "named";
    if (mode === "named" || mode === "never" || requirement.matchesWithPrereleases === undefined) {
      return requirement.matches(version);
    }
    return requirement.matchesWithPrereleases(version);
  }

  compare(key: PackageKey, left: string, right: string): number {
    return this.provider.compareVersions?.(left, right, key) ?? compareVersions(left as Version, right as Version);
  }

  isPrerelease(key: PackageKey, version: string): boolean {
    return this.provider.isPrerelease?.(version, key) ?? isPrerelease(version as Version);
  }

  slotOf(key: PackageKey, version: string): string {
    if ((this.input.coexistence ?? "single") === "single") return "";
    return this.provider.slotOf?.(version, key) ?? compatibilitySlot(version as Version);
  }

  /** Whether a dependency of a package, or of a root, counts at all. */
  counts(dependency: Dependency, ofRoot: boolean): boolean {
    if (dependency.kind === "dev" && !ofRoot) return false;
    const { targets, hosts } = this.input;
    if (dependency.targets !== undefined && targets !== undefined) {
      if (!dependency.targets.some((target) => targets.includes(target))) return false;
    }
    if (dependency.hosts === undefined || hosts === undefined) return true;
    return Object.entries(dependency.hosts).every(
      ([axis, asked]) =>
        hosts[axis] === undefined ||
        // A condition that nobody can read holds: better a package too many than one that is missing.
        this.#problemWith(asked) !== undefined ||
        hosts[axis].some((version) => acceptsHost(this.requirement(asked), version)),
    );
  }

  /** Only checked where the package is present anyway. */
  isConditional(dependency: Dependency): boolean {
    return dependency.kind === "peer" && (dependency.optional === true || this.input.peers === "check");
  }

  /** Taken only when a feature asks for it. */
  isGated(dependency: Dependency): boolean {
    return dependency.optional === true && dependency.kind !== "peer";
  }

  /** Every reason why a candidate may not be chosen. */
  exclusionsOf(key: PackageKey, candidate: Candidate): readonly Exclusion[] {
    const given = [...(candidate.excluded ?? []), ...(this.input.exclude?.(key, candidate) ?? [])];
    if (this.input.prereleases === "never" && this.isPrerelease(key, candidate.version)) {
      given.push({ reason: "pre-release", text: "it is a pre-release, and none are allowed" });
    }
    for (const axis of Object.keys(this.input.hosts ?? {})) {
      const asked = candidate.hosts?.[axis];
      const problem = asked === undefined ? undefined : this.#problemWith(asked);
      if (problem !== undefined) {
        given.push({ reason: "policy", text: `its requirement on host ${axis} cannot be read (${problem})` });
      }
    }
    const { pardon } = this.input;
    const counted =
      pardon?.key === key ? given.filter((one) => one.reason !== pardon.reason || one.text !== pardon.text) : given;
    if (!this.isLocked(key, candidate.version)) return counted;
    return counted.filter((one) => !(one.unlessLocked ?? LIFTED_BY_LOCK.has(one.reason)));
  }

  nodeOf(id: string): number | undefined {
    return this.#nodes.get(id);
  }

  packageNode(key: PackageKey, slot: string): number | undefined {
    return this.#nodes.get(`p\0${key}\0${slot}`);
  }

  choiceNode(dependency: Dependency): number | undefined {
    return this.#nodes.get(this.#choiceId(dependency));
  }

  featureNode(base: number, feature: string): number | undefined {
    return this.#nodes.get(`f\0${base}\0${feature}`);
  }

  softNode(owner: number, dependency: Dependency): number | undefined {
    return this.#nodes.get(this.#softId(owner, dependency));
  }

  displayName(key: PackageKey): string {
    return this.provider.displayName?.(key) ?? key;
  }

  /** Packages that the best candidates of open nodes name and that are not known. */
  speculate(needed: readonly PackageKey[]): PackageKey[] {
    const wanted = new Set<PackageKey>();
    for (const [node, info] of this.infos.entries()) {
      if (info.type !== "package" || this.solver.isPossible(node, ABSENT)) continue;
      const bit = this.solver.nodes[node]!.order.find((candidate) => this.solver.isPossible(node, candidate));
      const candidate = bit === undefined ? undefined : this.candidateOf(node, bit);
      for (const dependency of candidate?.dependencies ?? []) {
        if (!this.counts(dependency, false) || this.isGated(dependency) || this.isConditional(dependency)) continue;
        if (!this.packages.has(dependency.key)) wanted.add(dependency.key);
      }
    }
    return [...wanted].filter((key) => !needed.includes(key) && this.provider.get(key) === undefined);
  }

  /** Makes a package's node without anybody asking for it, for whole-universe questions. */
  ensurePackage(key: PackageKey): number | undefined {
    const info = this.#package(key);
    const slot = info?.slots.keys().next();
    return info === undefined || slot === undefined || slot.done === true
      ? undefined
      : this.#slotNode(info, slot.value);
  }

  // --- nodes ---------------------------------------------------------------------------------------------------

  #addNode(id: string, info: NodeInfo, versions: number, order: readonly number[], base?: number): number {
    const node = this.solver.addNode(versions, order, base);
    this.#nodes.set(id, node);
    this.infos[node] = info;
    this.#groups[node] = new Map();
    this.#made[node] = new Map();
    this.#rules[node] = [];
    return node;
  }

  /** Which values of the node have each consequence: rules then speak of whole ranges. */
  #group(node: number, versions: number): void {
    const groups = this.#groups[node]!;
    for (let bit = 1; bit <= versions; bit++) {
      for (const { signature } of this.#items(node, bit)) {
        let set = groups.get(signature);
        if (set === undefined) groups.set(signature, (set = emptyBits(versions + 1)));
        setBit(set, bit);
      }
    }
  }

  #addRoot(root: RootPackage, index: number): void {
    const node = this.#addNode(`r\0${index}`, { type: "root", root, index }, 1, [1]);
    this.solver.forbidAtBirth(node, singleBit(2, ABSENT), this.#cause({ type: "root", root: index }));
    this.#group(node, 1);
    this.solver.open(node);
  }

  #package(key: PackageKey): PackageInfo | undefined {
    const known = this.packages.get(key);
    if (known !== undefined) return known;
    const metadata = this.provider.get(key);
    if (metadata === undefined) {
      this.needs.add(key);
      return undefined;
    }
    const candidates = this.#sorted(key, metadata.candidates);
    const slots = new Map<string, number[]>();
    candidates.forEach((candidate, index) => {
      const slot = this.slotOf(key, candidate.version);
      slots.set(slot, [...(slots.get(slot) ?? []), index]);
    });
    const info: PackageInfo = { key, candidates, slots, missing: metadata.missing };
    this.packages.set(key, info);
    return info;
  }

  #sorted(key: PackageKey, candidates: readonly Candidate[]): Candidate[] {
    if (this.provider.compareVersions === undefined) for (const { version } of candidates) this.#version(key, version);
    const sorted = [...candidates].sort((a, b) => this.compare(key, a.version, b.version));
    const twice = sorted.find((candidate, i) => i > 0 && candidate.version === sorted[i - 1]!.version);
    if (twice !== undefined) {
      throw new ResolverError({
        code: "RESOLVE_METADATA_INVALID",
        message: `Cannot resolve with package "${this.displayName(key)}": version "${twice.version}" is listed twice`,
        package: key,
        version: twice.version,
      });
    }
    return sorted;
  }

  #version(key: PackageKey, text: string): void {
    if (tryParseVersion(text) !== undefined) return;
    throw new ResolverError({
      code: "RESOLVE_METADATA_INVALID",
      message: `Cannot resolve with package "${this.displayName(key)}": "${text}" is not a version, expected MAJOR.MINOR.PATCH`,
      package: key,
      version: text,
    });
  }

  #slotNode(info: PackageInfo, slot: string): number {
    const known = this.packageNode(info.key, slot);
    if (known !== undefined) return known;
    const versions = info.slots.get(slot)!;
    const order = this.#preference(info, versions);
    const node = this.#addNode(
      `p\0${info.key}\0${slot}`,
      { type: "package", info, slot, versions },
      versions.length,
      order,
    );
    this.#excludeAtBirth(node, info, versions);
    this.#excludeByHost(node, info, versions);
    this.#group(node, versions.length);
    for (const waiting of this.#ifPresent.get(info.key) ?? []) {
      const statement = this.#presenceFact(waiting.conditions, waiting.dependency, waiting.owner, info, node);
      if (statement !== -1) this.solver.attach(statement);
    }
    return node;
  }

  /** Locked first, then by policy. */
  #preference(info: PackageInfo, versions: readonly number[]): number[] {
    const { prefer = "newest", prereleases = "named" } = this.input;
    const oldest = prefer === "oldest" || (prefer === "lowest-direct" && this.isDirect(info.key));
    const rank = versions.map((index, i) => {
      const { version } = info.candidates[index]!;
      const late = prereleases !== "allow" && this.isPrerelease(info.key, version) ? 1 : 0;
      return { bit: i + 1, locked: this.isLocked(info.key, version) ? 0 : 1, late };
    });
    rank.sort((a, b) => a.locked - b.locked || a.late - b.late || (oldest ? a.bit - b.bit : b.bit - a.bit));
    return rank.map(({ bit }) => bit);
  }

  #excludeAtBirth(node: number, info: PackageInfo, versions: readonly number[]): void {
    const groups = new Map<string, { exclusion: Exclusion; set: Bits }>();
    versions.forEach((index, i) => {
      for (const exclusion of this.exclusionsOf(info.key, info.candidates[index]!)) {
        const id = `${exclusion.reason}\0${exclusion.text}`;
        const group = groups.get(id) ?? { exclusion, set: emptyBits(versions.length + 1) };
        setBit(group.set, i + 1);
        groups.set(id, group);
      }
    });
    for (const { exclusion, set } of groups.values()) {
      const cause = this.#cause({ type: "excluded", node, reason: exclusion.reason, text: exclusion.text });
      this.solver.forbidAtBirth(node, set, cause);
    }
  }

  #excludeByHost(node: number, info: PackageInfo, versions: readonly number[]): void {
    for (const [axis, given] of Object.entries(this.input.hosts ?? {})) {
      const groups = new Map<string, Bits>();
      versions.forEach((index, i) => {
        const asked = info.candidates[index]!.hosts?.[axis];
        if (asked === undefined || this.#problemWith(asked) !== undefined) return;
        const { canonical } = this.requirement(asked);
        const set = groups.get(canonical) ?? emptyBits(versions.length + 1);
        setBit(set, i + 1);
        groups.set(canonical, set);
        this.#requirements.set(canonical, this.requirement(asked));
      });
      for (const [canonical, set] of groups) {
        const requirement = this.#requirements.get(canonical)!;
        const version = given.find((one) => !acceptsHost(requirement, one));
        if (version === undefined) continue;
        this.solver.forbidAtBirth(node, set, this.#cause({ type: "host", node, axis, version, requirement }));
      }
    }
  }

  #featureNode(base: number, feature: string): number {
    const known = this.featureNode(base, feature);
    if (known !== undefined) return known;
    const { size, order } = this.solver.nodes[base]!;
    const node = this.#addNode(`f\0${base}\0${feature}`, { type: "feature", base, feature }, size - 1, order, base);
    const lacking = emptyBits(size);
    for (let bit = 1; bit < size; bit++) if (!this.#hasFeature(base, bit, feature)) setBit(lacking, bit);
    if (!isEmpty(lacking)) {
      const text = `has no feature "${feature}"`;
      this.solver.forbidAtBirth(node, lacking, this.#cause({ type: "feature", node, feature, text }));
    }
    this.#group(node, size - 1);
    return node;
  }

  /** Nodes that a value makes needed, in the order of the manifest; `if` holds for those with further conditions. */
  followers(node: number, bit: number): Follower[] {
    const found: Follower[] = [];
    for (const item of this.#items(node, bit)) {
      for (const id of this.#made[node]!.get(item.signature) ?? []) {
        const { nodes, sets } = this.solver.statements[id]!;
        const last = nodes.length - 1;
        if (!hasBit(sets[last]!, ABSENT)) continue;
        found.push({ node: nodes[last]!, if: nodes.slice(0, last).map((one, i) => ({ node: one, set: sets[i]! })) });
      }
      if (item.soft !== undefined) found.push({ node: this.#softNode(item.soft.owner, item.soft.dependency), if: [] });
    }
    return found;
  }

  /** The node that a dependency leads to, in a solution; `undefined` where that is none. */
  locate(dependency: Dependency, owner: number, chosen: ReadonlyMap<number, number>): number | undefined {
    const info = this.packages.get(dependency.key);
    if (info === undefined) return undefined;
    const { slots, set } = this.#target(dependency, owner)!;
    const choice = slots.length > 1 ? this.choiceNode(dependency) : undefined;
    const picked = choice === undefined ? undefined : chosen.get(choice);
    if (picked !== undefined) return this.packageNode(dependency.key, slots[picked - 1]!);
    return slots
      .map((slot) => this.packageNode(dependency.key, slot))
      .find((node) => node !== undefined && chosen.has(node) && hasBit(this.#inSlot(set, node), chosen.get(node)!));
  }

  /** Feature table and dependencies of a value of a package or root. */
  table(
    node: number,
    bit: number,
  ): {
    features: Readonly<Record<string, readonly string[]>>;
    dependencies: readonly Dependency[];
    ofRoot: boolean;
  } {
    const info = this.infos[node]!;
    const of = info.type === "root" ? info.root : this.candidateOf(node, bit);
    if (of === undefined) throw new Error(`Node ${node} has no features`);
    return { features: of.features ?? {}, dependencies: of.dependencies, ofRoot: info.type === "root" };
  }

  #hasFeature(base: number, bit: number, feature: string): boolean {
    const { features, dependencies } = this.table(base, bit);
    if (feature === "default" || Object.hasOwn(features, feature)) return true;
    const name = feature.startsWith("dep:") ? feature.slice(4) : feature;
    return dependencies.some((one) => this.isGated(one) && nameOf(one) === name);
  }

  // --- consequences --------------------------------------------------------------------------------------------

  #make(node: number, item: Item): readonly number[] | undefined {
    const set = this.#groups[node]!.get(item.signature);
    if (set === undefined) throw new Error(`Rule "${item.signature}" has no versions`);
    const made = item.make([{ node, set }]);
    if (made !== undefined) this.#made[node]!.set(item.signature, made);
    return made;
  }

  #items(node: number, bit: number): Item[] {
    const info = this.infos[node]!;
    if (info.type === "root" || info.type === "package") return this.#packageItems(node, bit);
    if (info.type === "feature") return this.#featureItems(node, info.base, bit, info.feature);
    if (info.type === "soft") {
      return [{ signature: "soft", make: (conditions) => this.#depend(conditions, info.dependency, info.owner) }];
    }
    const slot = info.slots[bit - 1]!;
    return [{ signature: `slot\0${slot}`, make: (conditions) => this.#dependOnSlot(conditions, info, slot, node) }];
  }

  #packageItems(node: number, bit: number): Item[] {
    const info = this.infos[node]!;
    const { dependencies, ofRoot } = this.table(node, bit);
    const items = dependencies
      .filter((one) => this.counts(one, ofRoot) && !this.isGated(one))
      .map((dependency) => this.#dependencyItem(node, dependency));
    if (info.type !== "root") return items;
    const { enable = NOTHING, defaultFeatures = true, features = {} } = info.root;
    const wanted = new Set(enable);
    if (defaultFeatures && Object.hasOwn(features, "default")) wanted.add("default");
    for (const feature of wanted) items.push(this.#ownFeature(node, feature));
    return items;
  }

  #dependencyItem(node: number, dependency: Dependency): Item {
    const signature = `d\0${signatureOf(dependency)}`;
    if (dependency.ifPossible !== true || this.isConditional(dependency)) {
      return { signature, make: (conditions) => this.#depend(conditions, dependency, node) };
    }
    return { signature, make: () => NO_STATEMENTS, soft: { owner: node, dependency } };
  }

  #softNode(owner: number, dependency: Dependency): number {
    const id = this.#softId(owner, dependency);
    const known = this.#nodes.get(id);
    if (known !== undefined) return known;
    const node = this.#addNode(id, { type: "soft", owner, dependency }, 1, [1]);
    this.#group(node, 1);
    return node;
  }

  #ownFeature(base: number, feature: string): Item {
    return {
      signature: `f\0${feature}`,
      make: (conditions) => {
        const node = this.#featureNode(base, feature);
        const versions = conditions[0]!.set;
        const wrong = complement(versions, this.solver.nodes[node]!.size);
        const text = `asks for its own feature "${feature}"`;
        return this.#facts([...conditions, { node, set: wrong }], { type: "feature", node, feature, text });
      },
    };
  }

  /** What a feature of a package switches on in one version. */
  #featureItems(node: number, base: number, bit: number, feature: string): Item[] {
    const { features, dependencies, ofRoot } = this.table(base, bit);
    if (!feature.startsWith("dep:") && Object.hasOwn(features, feature)) {
      return features[feature]!.map((entry) => this.#entry(node, base, feature, entry, features, dependencies, ofRoot));
    }
    const name = feature.startsWith("dep:") ? feature.slice(4) : feature;
    if (!feature.startsWith("dep:")) {
      return dependencies.some((one) => this.isGated(one) && nameOf(one) === name)
        ? [this.#ownFeature(base, `dep:${name}`)]
        : [];
    }
    return dependencies
      .filter((one) => this.isGated(one) && nameOf(one) === name && this.counts(one, ofRoot))
      .map((one) => this.#dependencyItem(base, { ...one, optional: false }));
  }

  #entry(
    node: number,
    base: number,
    feature: string,
    entry: string,
    features: Readonly<Record<string, readonly string[]>>,
    dependencies: readonly Dependency[],
    ofRoot: boolean,
  ): Item {
    const slash = entry.startsWith("dep:") ? -1 : entry.indexOf("/");
    if (slash !== -1) return this.#foreignFeature(node, base, feature, entry, slash, dependencies, ofRoot);
    const own = entry.startsWith("dep:") || Object.hasOwn(features, entry) ? entry : `dep:${entry}`;
    const known =
      Object.hasOwn(features, own) || dependencies.some((one) => this.isGated(one) && `dep:${nameOf(one)}` === own);
    if (known) return this.#ownFeature(base, own);
    // A feature may list a dependency that is always there: nothing to switch on.
    if (dependencies.some((one) => `dep:${nameOf(one)}` === own)) return { signature: `n\0${entry}`, make: () => [] };
    return this.#unknownEntry(node, feature, entry);
  }

  #unknownEntry(node: number, feature: string, entry: string): Item {
    const text = `lists "${entry}", which is neither a feature nor an optional dependency`;
    return {
      signature: `u\0${entry}`,
      make: (conditions) => this.#facts(conditions, { type: "feature", node, feature, text }),
    };
  }

  /** `name/x` and `name?/x`. */
  #foreignFeature(
    node: number,
    base: number,
    feature: string,
    entry: string,
    slash: number,
    dependencies: readonly Dependency[],
    ofRoot: boolean,
  ): Item {
    const weak = entry[slash - 1] === "?";
    const name = entry.slice(0, weak ? slash - 1 : slash);
    const wanted = entry.slice(slash + 1);
    const found = dependencies.filter((one) => nameOf(one) === name && this.counts(one, ofRoot));
    if (!dependencies.some((one) => nameOf(one) === name)) return this.#unknownEntry(node, feature, entry);
    const signature = `x\0${entry}\0${found.map(signatureOf).join("\0")}`;
    return {
      signature,
      make: (conditions) => {
        const all: number[] = [];
        for (const dependency of found) {
          const made = this.#switchForeign(conditions, base, dependency, wanted, weak);
          if (made === undefined) return undefined;
          all.push(...made);
        }
        return all;
      },
    };
  }

  #switchForeign(
    conditions: readonly Term[],
    base: number,
    dependency: Dependency,
    wanted: string,
    weak: boolean,
  ): readonly number[] | undefined {
    const gated = this.isGated(dependency);
    const switching = gated && !weak ? this.#ownFeature(base, `dep:${nameOf(dependency)}`).make(conditions) : [];
    if (switching === undefined) return undefined;
    const more: Term[] = [...conditions];
    if (gated && weak) {
      const node = this.#featureNode(base, `dep:${nameOf(dependency)}`);
      more.push({ node, set: conditions[0]!.set });
    }
    const plain: Dependency = gated ? { ...dependency, optional: false } : dependency;
    if (this.isConditional(plain)) return switching;
    const made = this.#wantFeature(more, plain, wanted, base);
    return made === undefined ? undefined : [...switching, ...made];
  }

  /** The package that a dependency gets must have a feature on, whichever slot is chosen. */
  #wantFeature(
    conditions: readonly Term[],
    dependency: Dependency,
    feature: string,
    owner: number,
  ): readonly number[] | undefined {
    const target = this.#target(dependency, owner);
    if (target === undefined) return undefined;
    const found: number[] = [];
    for (const slot of target.slots) {
      const terms = [...conditions];
      if (target.slots.length > 1) {
        const choice = this.#choiceNodeFor(dependency, target.info, target.slots);
        terms.push({ node: choice, set: singleBit(target.slots.length + 1, target.slots.indexOf(slot) + 1) });
      }
      found.push(...this.#featureFacts(terms, target, slot, feature, dependency, owner));
    }
    return found;
  }

  #target(dependency: Dependency, owner: number): Target | undefined {
    const info = this.#package(dependency.key);
    if (info === undefined) return undefined;
    const requirement = this.effective(dependency);
    const set = this.#requirementSet(info, requirement);
    const slots = [...info.slots]
      .filter(([, indexes]) => indexes.some((i) => hasBit(set, i + 1)))
      .map(([slot]) => slot);
    return { info, requirement, set, slots, owner };
  }

  /** Versions of a package that a requirement accepts, over all slots; once per package and text. */
  #requirementSet(info: PackageInfo, requirement: VersionRequirement): Bits {
    let known = this.#sets.get(info.key);
    if (known === undefined) this.#sets.set(info.key, (known = new Map()));
    let set = known.get(requirement.canonical);
    if (set === undefined) {
      set = emptyBits(info.candidates.length + 1);
      for (const [i, { version }] of info.candidates.entries())
        if (this.accepts(requirement, version)) setBit(set, i + 1);
      known.set(requirement.canonical, set);
    }
    return set;
  }

  #depend(conditions: readonly Term[], dependency: Dependency, owner: number): readonly number[] | undefined {
    const unreadable = this.#unreadable(dependency);
    if (unreadable !== undefined)
      return this.#facts(conditions, { type: "excluded", node: owner, reason: "policy", text: unreadable });
    if (this.isConditional(dependency)) return this.#dependIfPresent(conditions, dependency, owner);
    const target = this.#target(dependency, owner);
    if (target === undefined) return undefined;
    const { info, slots } = target;
    if (slots.length === 0) return this.#facts(conditions, this.#dependencyCause(target, dependency));
    if (slots.length === 1) return this.#demand(conditions, target, slots[0]!, dependency);
    const choice = this.#choiceNodeFor(dependency, info, slots);
    const absent = singleBit(slots.length + 1, ABSENT);
    const cause = this.#dependencyCause(target, dependency);
    const found = [...this.#facts([...conditions, { node: choice, set: absent }], cause)];
    slots.forEach((slot, i) => {
      const picked = { node: choice, set: singleBit(slots.length + 1, i + 1) };
      found.push(...this.#demandFeatures([...conditions, picked], target, slot, dependency));
    });
    return found;
  }

  /** A record whose requirement nobody can read rules its version out; the others stay usable. */
  #unreadable(dependency: Dependency): string | undefined {
    const problem = this.#problemWith(this.#overrides.get(dependency.key) ?? dependency.requirement);
    return problem === undefined ? undefined : `its requirement on "${dependency.key}" cannot be read (${problem})`;
  }

  #problemWith(requirement: string | VersionRequirement): string | undefined {
    try {
      this.requirement(requirement);
      return undefined;
    } catch (error) {
      if (!isLadingError(error) || error.code !== "REQUIREMENT_INVALID") throw error;
      return error.message;
    }
  }

  #dependIfPresent(conditions: readonly Term[], dependency: Dependency, owner: number): readonly number[] {
    const waiting = this.#ifPresent.get(dependency.key) ?? [];
    waiting.push({ conditions, dependency, owner });
    this.#ifPresent.set(dependency.key, waiting);
    const info = this.packages.get(dependency.key);
    for (const slot of info?.slots.keys() ?? []) {
      const node = this.packageNode(dependency.key, slot);
      if (node === undefined) continue;
      const statement = this.#presenceFact(conditions, dependency, owner, info!, node);
      if (statement !== -1) this.solver.attach(statement);
    }
    return [];
  }

  #presenceFact(
    conditions: readonly Term[],
    dependency: Dependency,
    owner: number,
    info: PackageInfo,
    node: number,
  ): number {
    const requirement = this.effective(dependency);
    const good = this.#inSlot(this.#requirementSet(info, requirement), node);
    // Where several versions may live side by side, one in a slot that is not meant is not this dependent's.
    if (this.input.coexistence === "per-major" && isEmpty(good)) return -1;
    setBit(good, ABSENT);
    const set = complement(good, this.solver.nodes[node]!.size);
    const cause = this.#dependencyCause({ info, requirement, set, slots: [], owner }, dependency);
    return this.#facts([...conditions, { node, set }], cause)[0] ?? -1;
  }

  #dependOnSlot(
    conditions: readonly Term[],
    info: Extract<NodeInfo, { type: "choice" }>,
    slot: string,
    owner: number,
  ): readonly number[] | undefined {
    const target = this.#target(info.dependency, owner);
    return target === undefined ? undefined : this.#demand(conditions, target, slot, info.dependency);
  }

  /** The package in one slot, in range, with the features asked for. */
  #demand(conditions: readonly Term[], target: Target, slot: string, dependency: Dependency): readonly number[] {
    const node = this.#slotNode(target.info, slot);
    const wrong = complement(this.#inSlot(target.set, node), this.solver.nodes[node]!.size);
    const found = [...this.#facts([...conditions, { node, set: wrong }], this.#dependencyCause(target, dependency))];
    found.push(...this.#demandFeatures(conditions, target, slot, dependency));
    return found;
  }

  #demandFeatures(
    conditions: readonly Term[],
    target: Target,
    slot: string,
    dependency: Dependency,
  ): readonly number[] {
    const features = new Set(dependency.features ?? NOTHING);
    if (dependency.defaultFeatures !== false && anyDefault(target.info, slot)) features.add("default");
    return [...features].flatMap((feature) =>
      this.#featureFacts(conditions, target, slot, feature, dependency, target.owner),
    );
  }

  #featureFacts(
    conditions: readonly Term[],
    target: Target,
    slot: string,
    feature: string,
    dependency: Dependency,
    owner: number,
  ): readonly number[] {
    const node = this.#slotNode(target.info, slot);
    const on = this.#featureNode(node, feature);
    const wrong = complement(this.#inSlot(target.set, node), this.solver.nodes[on]!.size);
    return this.#facts([...conditions, { node: on, set: wrong }], {
      ...this.#dependencyCause({ ...target, owner }, dependency),
      feature,
    });
  }

  /** The part of a set over all versions that is in a node's slot. */
  #inSlot(set: Bits, node: number): Bits {
    const info = this.infos[node]!;
    if (info.type !== "package") throw new Error(`Node ${node} is no package`);
    const part = emptyBits(info.versions.length + 1);
    info.versions.forEach((index, i) => hasBit(set, index + 1) && setBit(part, i + 1));
    return part;
  }

  #choiceNodeFor(dependency: Dependency, info: PackageInfo, slots: readonly string[]): number {
    const id = this.#choiceId(dependency);
    const known = this.#nodes.get(id);
    if (known !== undefined) return known;
    const requirement = this.effective(dependency);
    const set = this.#requirementSet(info, requirement);
    const best = slots.map((slot, i) => ({ bit: i + 1, rank: this.#slotRank(info, slot, set) }));
    best.sort((a, b) => a.rank - b.rank);
    const order = best.map(({ bit }) => bit);
    const bare: Dependency = { key: dependency.key, requirement, defaultFeatures: false };
    const node = this.#addNode(id, { type: "choice", dependency: bare, info, slots }, slots.length, order);
    this.#group(node, slots.length);
    return node;
  }

  /** Place of the best version that a requirement accepts in a slot, in the preference over all versions. */
  #slotRank(info: PackageInfo, slot: string, set: Bits): number {
    const all = info.candidates.map((_, i) => i);
    const order = this.#preference(info, all);
    const inSlot = new Set(info.slots.get(slot));
    return order.findIndex((bit) => inSlot.has(bit - 1) && hasBit(set, bit));
  }

  /** All who name one range of a package share its slot: fewer copies, and no solution is lost by it. */
  #choiceId(dependency: Dependency): string {
    return `c\0${dependency.key}\0${this.effective(dependency).canonical}`;
  }

  #softId(owner: number, dependency: Dependency): string {
    return `s\0${owner}\0${signatureOf(dependency)}`;
  }

  // --- facts ---------------------------------------------------------------------------------------------------

  #dependencyCause(target: Target, dependency: Dependency): Extract<FactCause, { type: "dependency" }> {
    const { requirement, owner } = target;
    return { type: "dependency", owner, dependency, requirement, overridden: this.#overrides.has(dependency.key) };
  }

  #cause(cause: FactCause): number {
    return this.causes.push(cause) - 1;
  }

  /** The statement, unless it says nothing: a package that depends on itself meets its own term. */
  #facts(terms: readonly Term[], cause: FactCause): readonly number[] {
    const merged = new Map<number, Bits>();
    for (const { node, set } of terms) {
      const before = merged.get(node);
      if (before !== undefined && !intersects(before, set)) return [];
      merged.set(node, before === undefined ? set : intersection(before, set));
    }
    if ([...merged.values()].some(isEmpty)) return [];
    return [this.solver.addFact([...merged.keys()], [...merged.values()], this.#cause(cause))];
  }
}

interface Target {
  readonly info: PackageInfo;
  readonly requirement: VersionRequirement;
  readonly set: Bits;
  readonly slots: readonly string[];
  readonly owner: number;
}

function anyDefault(info: PackageInfo, slot: string): boolean {
  return info.slots.get(slot)!.some((index) => Object.hasOwn(info.candidates[index]!.features ?? {}, "default"));
}

/** Name that a dependent knows a dependency by. */
export function nameOf(dependency: Dependency): string {
  return dependency.name ?? dependency.key;
}

function requirementText(requirement: string | VersionRequirement): string {
  return typeof requirement === "string" ? requirement : requirement.canonical;
}

function signatureOf(dependency: Dependency): string {
  const { key, requirement, kind = "normal", features = NOTHING, defaultFeatures = true } = dependency;
  const flags = `${dependency.optional === true}${dependency.ifPossible === true}${defaultFeatures}`;
  return [key, requirementText(requirement), kind, flags, [...features].sort().join(",")].join("\0");
}

/** Host versions are written short: `2024` is 2024.0.0. */
export function hostVersion(text: string): string {
  const [main = "", ...rest] = text.split("-");
  const numbers = main.split(".");
  while (numbers.length < 3) numbers.push("0");
  return [numbers.join("."), ...rest].join("-");
}

/** Whether a host of this version meets a requirement; a pre-release of a host counts as what it is. */
export function acceptsHost(requirement: VersionRequirement, version: string): boolean {
  const full = hostVersion(version);
  return requirement.matchesWithPrereleases?.(full) ?? requirement.matches(full);
}
