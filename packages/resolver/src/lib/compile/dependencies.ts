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
  /** Why it cannot be read; `undefined` where it can. */
  readonly unreadable: string | undefined;
  /** Node that it demands and the mask of what it refuses there, once they are made. */
  target: number;
  wrong: number;
  /** Groups whose rule is made once the package is in the search. */
  waiting: number[] | undefined;
  /** Whether its rule is all that it says: no feature is asked for. */
  isBare: boolean;
}

/** Dependencies by what they say: equal ones are one. */
export class Dependencies {
  readonly all: KnownDependency[] = [];
  readonly #policy: Policy;
  /** Package -> requirement text -> dependency, of those that say nothing else. */
  readonly #plain = new Map<PackageKey, Map<string, KnownDependency>>();
  readonly #other = new Map<string, KnownDependency>();
  readonly #byPackage = new Map<PackageKey, KnownDependency[]>();

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  known(dependency: Dependency): KnownDependency {
    if (!saysNothingElse(dependency)) return this.#otherwise(dependency);
    let texts = this.#plain.get(dependency.key);
    if (texts === undefined) this.#plain.set(dependency.key, (texts = new Map()));
    const text = requirementText(dependency.requirement);
    let known = texts.get(text);
    if (known === undefined) texts.set(text, (known = this.#add(dependency)));
    return known;
  }

  /** All dependencies on a package that were met so far. */
  on(key: PackageKey): readonly KnownDependency[] {
    return this.#byPackage.get(key) ?? [];
  }

  #otherwise(dependency: Dependency): KnownDependency {
    const signature = signatureOf(dependency);
    let known = this.#other.get(signature);
    if (known === undefined) this.#other.set(signature, (known = this.#add(dependency)));
    return known;
  }

  #add(dependency: Dependency): KnownDependency {
    const policy = this.#policy;
    const gated = policy.isGated(dependency);
    const unreadable = policy.unreadable(dependency);
    const known: KnownDependency = {
      id: this.all.length,
      dependency,
      ofRoot: !gated && policy.counts(dependency, true),
      ofPackage: !gated && policy.counts(dependency, false),
      isPlain: unreadable === undefined && dependency.ifPossible !== true && !policy.isConditional(dependency),
      unreadable,
      target: -1,
      wrong: -1,
      waiting: undefined,
      isBare: false,
    };
    this.all.push(known);
    const ofSame = this.#byPackage.get(dependency.key);
    if (ofSame === undefined) this.#byPackage.set(dependency.key, [known]);
    else ofSame.push(known);
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
