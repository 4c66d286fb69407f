import { ABSENT } from "../bits.ts";
import type { Policy } from "../compile/policy.ts";
import { Ints } from "../core/ints.ts";
import { ResolverError } from "../resolver-error.ts";
import type { Dependency, VersionRequirement } from "../types.ts";
import type { RegistryTables } from "./registry-tables.ts";

const NONE = -1;
const ACCEPTED = 1;
const REFUSED = 2;

/**
 * Looks at solutions with the provider's own words only: candidates, dependencies, requirements. What it has read of these it
 * keeps, each solution it looks at anew.
 */
export class PackedValidator {
  readonly #tables: RegistryTables;
  readonly #policy: Policy;
  /** Version -> what it needs: places in `#needs`; NONE until it was looked at. Neighbours that need the same share it. */
  readonly #start: Int32Array;
  readonly #end: Int32Array;
  /** Checks, and for each what they ask of which package. */
  readonly #needs = new Ints(4096);
  readonly #known = new Map<Dependency, number>();
  readonly #dependencies: Dependency[] = [];
  readonly #requirements: VersionRequirement[] = [];
  readonly #target = new Ints(1024);
  /** Check -> place in `#verdicts` of what it says of each value of its package, once it was asked. */
  readonly #place = new Ints(1024);
  readonly #verdicts = new Ints(8192);

  constructor(tables: RegistryTables, policy: Policy) {
    this.#tables = tables;
    this.#policy = policy;
    this.#start = new Int32Array(tables.rowStart.length).fill(NONE);
    this.#end = new Int32Array(tables.rowStart.length);
  }

  /** @throws {ResolverError} `RESOLVE_INTERNAL` unless everything that is chosen has what it needs. */
  validate(members: Ints, chosen: Int32Array): void {
    const { firstVersion } = this.#tables;
    for (let i = 0; i < members.length; i++) {
      const one = members.data[i]!;
      const version = firstVersion[one]! + chosen[one]! - 1;
      if (this.#start[version] === NONE) this.#read(one, chosen[one]!);
      this.#look(one, version, chosen);
    }
  }

  #look(one: number, version: number, chosen: Int32Array): void {
    const needs = this.#needs.data;
    const target = this.#target.data;
    const place = this.#place.data;
    const verdicts = this.#verdicts.data;
    for (let need = this.#start[version]!, end = this.#end[version]!; need < end; need++) {
      const check = needs[need]!;
      const value = chosen[target[check]!]!;
      // Of absence there never is a verdict.
      if (verdicts[place[check]! + value] === ACCEPTED) continue;
      if (value === ABSENT || !this.#accepts(check, value))
        throw distrust(`"${this.#dependencies[check]!.key}" is not as "${this.#tables.packages[one]!.key}" needs it`);
    }
  }

  #read(one: number, value: number): void {
    const { packages, firstVersion } = this.#tables;
    const { candidates, key } = packages[one]!;
    const { version: text, dependencies } = candidates[value - 1]!;
    const version = firstVersion[one]! + value - 1;
    if (this.#policy.exclusionsOf(key, candidates[value - 1]!).length > 0)
      throw distrust(`"${key}" ${text} is excluded`);
    const isShared = candidates[value]?.dependencies === dependencies && this.#start[version + 1] !== NONE;
    if (isShared) {
      this.#start[version] = this.#start[version + 1]!;
      this.#end[version] = this.#end[version + 1]!;
      return;
    }
    this.#start[version] = this.#needs.length;
    for (let i = 0; i < dependencies.length; i++)
      this.#needs.push(this.#known.get(dependencies[i]!) ?? this.#add(dependencies[i]!));
    this.#end[version] = this.#needs.length;
  }

  #add(dependency: Dependency): number {
    const check = this.#dependencies.length;
    const target = this.#tables.numbers.get(dependency.key)!;
    this.#known.set(dependency, check);
    this.#dependencies.push(dependency);
    this.#requirements.push(this.#policy.requirement(dependency.requirement));
    this.#target.push(target);
    this.#place.push(this.#verdicts.reserve(this.#tables.packages[target]!.candidates.length + 1));
    return check;
  }

  #accepts(check: number, value: number): boolean {
    const place = this.#place.data[check]! + value;
    const known = this.#verdicts.data[place]!;
    if (known !== 0) return known === ACCEPTED;
    const { version } = this.#tables.packages[this.#target.data[check]!]!.candidates[value - 1]!;
    const isAccepted = this.#policy.accepts(this.#requirements[check]!, version);
    this.#verdicts.data[place] = isAccepted ? ACCEPTED : REFUSED;
    return isAccepted;
  }
}

function distrust(detail: string): ResolverError {
  return new ResolverError({
    code: "RESOLVE_INTERNAL",
    message: `Cannot trust the solution that was found: ${detail}`,
  });
}
