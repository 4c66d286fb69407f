import type { Solver } from "../solver.ts";
import { complement } from "../bits.ts";
import type { Dependency } from "../types.ts";
import type { Demands } from "./demands.ts";
import { nameOf, signatureOf, type Term } from "./facts.ts";
import type { Nodes } from "./nodes.ts";
import type { Policy } from "./policy.ts";

/** Something that follows from a value of a node. */
export interface Item {
  /** Equal texts on one node mean equal consequences. */
  readonly signature: string;
  /** Statements, or `undefined` while metadata is missing. */
  readonly make: (conditions: readonly Term[]) => readonly number[] | undefined;
  /** A dependency that is taken where possible. */
  readonly soft?: { readonly owner: number; readonly dependency: Dependency };
}

/** One entry of a feature's list, and where it stands. */
interface Listed {
  /** The feature's node, and its package's. */
  readonly node: number;
  readonly base: number;
  readonly feature: string;
  readonly entry: string;
  readonly features: Readonly<Record<string, readonly string[]>>;
  readonly dependencies: readonly Dependency[];
  readonly ofRoot: boolean;
}

const NO_STATEMENTS: readonly number[] = [];

/** What features switch on. */
export class FeatureRules {
  readonly #policy: Policy;
  readonly #nodes: Nodes;
  readonly #demands: Demands;
  readonly #solver: Solver;

  constructor(policy: Policy, nodes: Nodes, demands: Demands, solver: Solver) {
    this.#policy = policy;
    this.#nodes = nodes;
    this.#demands = demands;
    this.#solver = solver;
  }

  dependencyItem(node: number, dependency: Dependency): Item {
    const signature = `d\0${signatureOf(dependency)}`;
    if (dependency.ifPossible !== true || this.#policy.isConditional(dependency)) {
      return { signature, make: (conditions) => this.#demands.depend(conditions, dependency, node) };
    }
    return { signature, make: () => NO_STATEMENTS, soft: { owner: node, dependency } };
  }

  /** Features of a root that are switched on by the input. */
  rootItems(node: number): Item[] {
    const info = this.#nodes.infos[node]!;
    if (info.type !== "root") return [];
    const { enable = [], defaultFeatures = true, features = {} } = info.root;
    const wanted = new Set(enable);
    if (defaultFeatures && Object.hasOwn(features, "default")) wanted.add("default");
    return [...wanted].map((feature) => this.ownFeature(node, feature));
  }

  ownFeature(base: number, feature: string): Item {
    return {
      signature: `f\0${feature}`,
      make: (conditions) => {
        const node = this.#nodes.featureOf(base, feature);
        const wrong = complement(conditions[0]!.set, this.#solver.size(node));
        const text = feature.startsWith("dep:")
          ? `brings its optional dependency "${feature.slice(4)}"`
          : `asks for its own feature "${feature}"`;
        return this.#demands.facts([...conditions, { node, set: wrong }], { type: "feature", node, feature, text });
      },
    };
  }

  /** What a feature of a package switches on in one version. */
  featureItems(node: number, base: number, bit: number, feature: string): Item[] {
    const { exclusive } = this.#nodes.table(base, bit);
    const switched = this.#switchedOn(node, base, bit, feature);
    return exclusive.length === 0 ? switched : [...this.#exclusions(node, base, exclusive, feature), ...switched];
  }

  /** Features that may not be on beside this one. Each pair is told once, by the first of the two. */
  #exclusions(node: number, base: number, groups: readonly (readonly string[])[], feature: string): Item[] {
    const others = new Set(groups.filter((group) => group.includes(feature)).flat());
    return [...others]
      .filter((beside) => feature < beside)
      .map((beside) => ({
        signature: `e\0${beside}`,
        make: (conditions) => {
          const both = [...conditions, { node: this.#nodes.featureOf(base, beside), set: conditions[0]!.set }];
          const text = `cannot have "${feature}" and "${beside}" on together`;
          return this.#demands.facts(both, { type: "feature", node, feature, text, beside });
        },
      }));
  }

  #switchedOn(node: number, base: number, bit: number, feature: string): Item[] {
    const { features, dependencies, ofRoot } = this.#nodes.table(base, bit);
    if (!feature.startsWith("dep:") && Object.hasOwn(features, feature)) {
      return features[feature]!.map((entry) =>
        this.#entry({ node, base, feature, entry, features, dependencies, ofRoot }),
      );
    }
    const name = feature.startsWith("dep:") ? feature.slice(4) : feature;
    const named = dependencies.filter((one) => this.#policy.isGated(one) && nameOf(one) === name);
    if (!feature.startsWith("dep:")) return named.length === 0 ? [] : [this.ownFeature(base, `dep:${name}`)];
    return named
      .filter((one) => this.#policy.counts(one, ofRoot))
      .map((one) => this.dependencyItem(base, { ...one, optional: false }));
  }

  #entry(listed: Listed): Item {
    const { entry, features, dependencies } = listed;
    if (!entry.startsWith("dep:") && entry.includes("/")) return this.#foreignFeature(listed);
    const own = entry.startsWith("dep:") || Object.hasOwn(features, entry) ? entry : `dep:${entry}`;
    const named = dependencies.filter((one) => `dep:${nameOf(one)}` === own);
    if (Object.hasOwn(features, own) || named.some((one) => this.#policy.isGated(one)))
      return this.ownFeature(listed.base, own);
    // A feature may list a dependency that is always there: nothing to switch on.
    if (named.length > 0) return { signature: `n\0${entry}`, make: () => NO_STATEMENTS };
    return this.#unknownEntry(listed);
  }

  #unknownEntry({ node, feature, entry }: Listed): Item {
    const text = `lists "${entry}", which is neither a feature nor an optional dependency`;
    return {
      signature: `u\0${entry}`,
      make: (conditions) => this.#demands.facts(conditions, { type: "feature", node, feature, text }),
    };
  }

  /** `name/x` and `name?/x`. */
  #foreignFeature(listed: Listed): Item {
    const { entry, dependencies, ofRoot, base } = listed;
    const slash = entry.indexOf("/");
    const weak = entry[slash - 1] === "?";
    const name = entry.slice(0, weak ? slash - 1 : slash);
    const wanted = entry.slice(slash + 1);
    const named = dependencies.filter((one) => nameOf(one) === name);
    if (named.length === 0) return this.#unknownEntry(listed);
    const found = named.filter((one) => this.#policy.counts(one, ofRoot));
    const make = (conditions: readonly Term[]): readonly number[] | undefined => {
      const all: number[] = [];
      for (const dependency of found) {
        const made = this.#switchForeign(conditions, base, dependency, wanted, weak);
        if (made === undefined) return undefined;
        all.push(...made);
      }
      return all;
    };
    return { signature: `x\0${entry}\0${found.map(signatureOf).join("\0")}`, make };
  }

  #switchForeign(
    conditions: readonly Term[],
    base: number,
    dependency: Dependency,
    wanted: string,
    weak: boolean,
  ): readonly number[] | undefined {
    const gated = this.#policy.isGated(dependency);
    const switching = gated && !weak ? this.ownFeature(base, `dep:${nameOf(dependency)}`).make(conditions) : [];
    if (switching === undefined) return undefined;
    const more: Term[] = [...conditions];
    if (gated && weak) {
      const node = this.#nodes.featureOf(base, `dep:${nameOf(dependency)}`);
      more.push({ node, set: conditions[0]!.set });
    }
    const plain: Dependency = gated ? { ...dependency, optional: false } : dependency;
    if (this.#policy.isConditional(plain)) return switching;
    const made = this.#demands.wantFeature(more, plain, wanted, base);
    return made === undefined ? undefined : [...switching, ...made];
  }
}
