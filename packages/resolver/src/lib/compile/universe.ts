import { ABSENT, hasBit } from "../bits.ts";
import type { Ints } from "../core/ints.ts";
import { Solver, type RuleSource } from "../solver.ts";
import type { Candidate, Dependency, DependencyProvider, PackageKey, ResolveInput } from "../types.ts";
import { Demands } from "./demands.ts";
import { Dependencies } from "./dependencies.ts";
import type { FactCause, Follower, NodeInfo, PackageInfo } from "./facts.ts";
import { FeatureRules } from "./features.ts";
import { Groups } from "./groups.ts";
import { candidateIn, Nodes } from "./nodes.ts";
import { Packages } from "./packages.ts";
import { Policy } from "./policy.ts";

/** Most steps of a search where the input names no other number. */
const BUDGET = 1_000_000;

/** The facts of one resolution, made as the search asks for them. */
export class Universe extends Policy implements RuleSource {
  readonly solver: Solver;
  readonly #causes: FactCause[] = [];
  readonly #packages: Packages;
  readonly #nodes: Nodes;
  readonly #demands: Demands;
  readonly #groups: Groups;

  constructor(input: ResolveInput, provider: DependencyProvider) {
    super(input, provider);
    const cause = (given: FactCause): number => (this.#causes.push(given) - 1) * 2;
    const solver = new Solver(this);
    const packages = new Packages(this);
    const nodes = new Nodes(this, packages, solver, cause, (node, info) => this.#added(node, info));
    const demands = new Demands(this, packages, nodes, solver, cause);
    const features = new FeatureRules(this, nodes, demands, solver);
    const dependencies = new Dependencies(this);
    solver.budget = input.budget ?? BUDGET;
    this.solver = solver;
    this.#packages = packages;
    this.#nodes = nodes;
    this.#demands = demands;
    this.#groups = new Groups({ policy: this, packages, dependencies, nodes, demands, features, solver });
    for (const [index, root] of input.roots.entries()) nodes.addRoot(root, index);
  }

  #added(node: number, info: NodeInfo): void {
    this.#groups.add(node, info);
    if (info.type === "package") this.#demands.nowPresent(info.info, node);
  }

  // --- what the search asks ------------------------------------------------------------------------------------------

  rules(node: number, bit: number): number {
    return this.#groups.rules(node, bit);
  }

  losing(demands: readonly number[]): readonly number[] {
    return this.#groups.losing(demands);
  }

  nodeOf(group: number): number {
    return this.#groups.nodeOf(group);
  }

  maskOf(group: number): number {
    return this.#groups.maskOf(group);
  }

  statement(group: number): number {
    return this.#groups.statement(group);
  }

  get ruleIds(): Ints {
    return this.#groups.ruleIds;
  }

  pinCause(node: number): number {
    const info = this.infos[node]!;
    if (info.type !== "feature") throw new Error(`Node ${node} is no feature`);
    const text = "has the version of its package";
    return (this.#causes.push({ type: "feature", node, feature: info.feature, text }) - 1) * 2;
  }

  // --- what others ask -----------------------------------------------------------------------------------------------

  get infos(): readonly NodeInfo[] {
    return this.#nodes.infos;
  }

  /** Packages that were read. */
  get packages(): ReadonlyMap<PackageKey, PackageInfo> {
    return this.#packages.known;
  }

  /** Packages that were asked for and are not known yet. */
  get needs(): Set<PackageKey> {
    return this.#packages.needs;
  }

  /** What a fact of the solver says. */
  causeOf(cause: number): FactCause {
    return (cause & 1) === 1 ? this.#groups.cause(cause >> 1) : this.#causes[cause >> 1]!;
  }

  candidateOf(node: number, bit: number): Candidate | undefined {
    const info = this.infos[node]!;
    return info.type === "package" ? candidateIn(info, bit) : undefined;
  }

  packageNode(key: PackageKey, slot: string): number | undefined {
    return this.#nodes.package(key, slot);
  }

  choiceNode(dependency: Dependency): number | undefined {
    return this.#nodes.choice(dependency);
  }

  featureNode(base: number, feature: string): number | undefined {
    return this.#nodes.feature(base, feature);
  }

  softNode(owner: number, dependency: Dependency): number | undefined {
    return this.#nodes.soft(owner, dependency);
  }

  /** Feature table and dependencies of a value of a package or root. */
  table(node: number, bit: number): ReturnType<Nodes["table"]> {
    return this.#nodes.table(node, bit);
  }

  /** Nodes that a value makes needed, in the order of the manifest; `if` holds for those with further conditions. */
  followers(node: number, bit: number): Follower[] {
    return this.#groups.followers(node, bit);
  }

  /** Makes a package's node without anybody asking for it, for whole-universe questions. */
  ensurePackage(key: PackageKey): number | undefined {
    const info = this.#packages.read(key);
    const slot = info?.slots.keys().next();
    return info === undefined || slot === undefined || slot.done === true
      ? undefined
      : this.#nodes.inSlot(info, slot.value);
  }

  /** The node that a dependency leads to, in a solution; `undefined` where that is none. */
  locate(dependency: Dependency, owner: number, chosen: ReadonlyMap<number, number>): number | undefined {
    const info = this.packages.get(dependency.key);
    if (info === undefined) return undefined;
    if ((this.input.coexistence ?? "single") === "single") return this.#locateOnly(dependency, chosen);
    const { slots, set } = this.#demands.target(dependency, owner)!;
    const choice = slots.length > 1 ? this.choiceNode(dependency) : undefined;
    const picked = choice === undefined ? undefined : chosen.get(choice);
    if (picked !== undefined) return this.packageNode(dependency.key, slots[picked - 1]!);
    return slots
      .map((slot) => this.packageNode(dependency.key, slot))
      .find((node) => {
        const value = node === undefined ? undefined : chosen.get(node);
        const one = value === undefined ? undefined : (this.infos[node!] as PackageNode).versions[value - 1];
        return one !== undefined && hasBit(set, one + 1);
      });
  }

  /** The same where a package has one version at most. */
  #locateOnly(dependency: Dependency, chosen: ReadonlyMap<number, number>): number | undefined {
    const node = this.packageNode(dependency.key, "");
    const value = node === undefined ? undefined : chosen.get(node);
    if (value === undefined) return undefined;
    const { version } = this.candidateOf(node!, value)!;
    return this.accepts(this.effective(dependency), version) ? node : undefined;
  }

  /** Packages that the best candidates of open nodes name and that are not known; the more fail, the farther it looks. */
  speculate(needed: readonly PackageKey[]): PackageKey[] {
    const wanted = new Set<PackageKey>();
    for (const [node, info] of this.infos.entries()) {
      if (info.type !== "package" || this.solver.isPossible(node, ABSENT)) continue;
      for (const candidate of this.#next(node, info)) this.#addUnknown(candidate, wanted);
    }
    const asked = new Set(needed);
    return [...wanted].filter((key) => !asked.has(key) && this.provider.get(key) === undefined);
  }

  #addUnknown(candidate: Candidate, wanted: Set<PackageKey>): void {
    for (const dependency of candidate.dependencies) {
      if (!this.counts(dependency, false) || this.isGated(dependency) || this.isConditional(dependency)) continue;
      if (!this.packages.has(dependency.key)) wanted.add(dependency.key);
    }
  }

  /** The candidates that are likely to be tried next. */
  #next(node: number, info: PackageNode): Candidate[] {
    const most = lookahead(this.solver.state.bumps.data[node]!);
    const order = this.solver.state.order[node] ?? info.versions.map((_, i) => info.versions.length - i);
    const found: Candidate[] = [];
    for (const bit of order) {
      if (found.length === most) break;
      if (this.solver.isPossible(node, bit)) found.push(candidateIn(info, bit)!);
    }
    return found;
  }
}

type PackageNode = Extract<NodeInfo, { type: "package" }>;

/** How many candidates of a package to look ahead after so many conflicts about it. */
function lookahead(conflicts: number): number {
  if (conflicts < 3) return 1;
  if (conflicts < 11) return 8;
  return conflicts < 75 ? 64 : Infinity;
}
