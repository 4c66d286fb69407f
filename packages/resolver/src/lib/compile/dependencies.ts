import type { Dependency, PackageKey } from "../types.ts";
import { requirementText, signatureOf } from "./facts.ts";
import type { Policy } from "./policy.ts";

/** What the compiler wants to know of a dependency again and again. */
export interface KnownDependency {
  readonly id: number;
  readonly dependency: Dependency;
  /** Whether it counts where a root, or a package, has it; those that only a feature brings do not by themselves. */
  readonly ofRoot: boolean;
  readonly ofPackage: boolean;
  /** Just "this package in this range": a rule of two terms that can be made as soon as both packages are known. */
  readonly isPlain: boolean;
  /** All that is wanted of the same package. */
  readonly on: DependenciesOn;
  /** Node that it demands and the mask of what it refuses there, once they are made. */
  target: number;
  wrong: number;
  /** The last group whose rule is made once the package is in the search; -1 for none. */
  waiting: number;
  /** The last group whose rule counts; -1 for none. */
  ruled: number;
  /** A version that met it when that was last looked at. */
  support: number;
  /** Whether its rule is all that it says: no feature is asked for. */
  isBare: boolean;
}

/** All dependencies on one package. */
export interface DependenciesOn {
  readonly key: PackageKey;
  /** Requirement text -> dependency, of those that say nothing else. */
  readonly plain: Map<string, KnownDependency>;
  readonly all: KnownDependency[];
  /** Whether the package is in the search, or known not to exist. */
  hasArrived: boolean;
}

/** Dependencies by what they say: equal ones are one. */
export class Dependencies {
  readonly #policy: Policy;
  readonly #other = new Map<string, KnownDependency>();
  readonly #byPackage = new Map<PackageKey, DependenciesOn>();
  readonly #all: KnownDependency[] = [];

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  /** Dependency number `id`. */
  at(id: number): KnownDependency {
    return this.#all[id]!;
  }

  /** `near` is one that likely is about the same package: the one in its place in the version before. */
  known(dependency: Dependency, near?: KnownDependency): KnownDependency {
    if (!saysNothingElse(dependency)) return this.#otherwise(dependency);
    const on = near !== undefined && near.on.key === dependency.key ? near.on : this.on(dependency.key);
    const text = requirementText(dependency.requirement);
    let known = on.plain.get(text);
    if (known === undefined) on.plain.set(text, (known = this.#add(on, dependency, true, true)));
    return known;
  }

  /** What is known of the dependencies on a package. */
  on(key: PackageKey): DependenciesOn {
    let on = this.#byPackage.get(key);
    if (on === undefined) this.#byPackage.set(key, (on = { key, plain: new Map(), all: [], hasArrived: false }));
    return on;
  }

  #otherwise(dependency: Dependency): KnownDependency {
    const policy = this.#policy;
    const signature = signatureOf(dependency);
    let known = this.#other.get(signature);
    if (known === undefined) {
      const gated = policy.isGated(dependency);
      const [ofRoot, ofPackage] = [policy.counts(dependency, true), policy.counts(dependency, false)];
      known = this.#add(this.on(dependency.key), dependency, !gated && ofRoot, !gated && ofPackage);
      this.#other.set(signature, known);
    }
    return known;
  }

  #add(on: DependenciesOn, dependency: Dependency, ofRoot: boolean, ofPackage: boolean): KnownDependency {
    const policy = this.#policy;
    const isReadable = policy.isReadable(dependency);
    const known: KnownDependency = {
      id: this.#all.length,
      dependency,
      on,
      ofRoot,
      ofPackage,
      isPlain: isReadable && dependency.ifPossible !== true && !policy.isConditional(dependency),
      target: -1,
      wrong: -1,
      waiting: -1,
      ruled: -1,
      support: 0,
      isBare: false,
    };
    on.all.push(known);
    this.#all.push(known);
    return known;
  }
}

function saysNothingElse(one: Dependency): boolean {
  return (
    one.name === undefined &&
    (one.kind === undefined || one.kind === "normal") &&
    (one.features === undefined || one.features.length === 0) &&
    one.optional !== true &&
    one.ifPossible !== true &&
    one.defaultFeatures !== false &&
    one.targets === undefined &&
    one.hosts === undefined
  );
}
