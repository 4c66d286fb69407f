import { ABSENT } from "../bits.ts";
import type { Policy } from "../compile/policy.ts";
import type { Ints } from "../core/ints.ts";
import { ResolverError } from "../resolver-error.ts";
import type { Dependency, VersionRequirement } from "../types.ts";
import type { RegistryTables } from "./registry-tables.ts";

/** What a dependency asks of a package: what the requirement says of each of its versions, once it was asked. */
interface Check {
  readonly dependency: Dependency;
  readonly requirement: VersionRequirement;
  readonly target: number;
  readonly verdicts: Uint8Array;
}

const ACCEPTED = 1;
const REFUSED = 2;

/** Looks at a solution with the provider's own words only: candidates, dependencies, requirements. */
export class PackedValidator {
  readonly #tables: RegistryTables;
  readonly #policy: Policy;
  /** Version -> what it needs, once it was looked at; neighbours that need the same share it. */
  readonly #checks: (readonly Check[] | undefined)[];
  readonly #known = new Map<Dependency, Check>();

  constructor(tables: RegistryTables, policy: Policy) {
    this.#tables = tables;
    this.#policy = policy;
    this.#checks = Array.from<readonly Check[] | undefined>({ length: tables.rowStart.length });
  }

  /** @throws {ResolverError} `RESOLVE_INTERNAL` unless everything that is chosen has what it needs. */
  validate(members: Ints, chosen: Int32Array): void {
    const { firstVersion } = this.#tables;
    for (let i = 0; i < members.length; i++) {
      const one = members.data[i]!;
      const number = firstVersion[one]! + chosen[one]! - 1;
      const checks = this.#checks[number] ?? this.#find(one, chosen[one]!);
      for (let j = 0; j < checks.length; j++) {
        const check = checks[j]!;
        const value = chosen[check.target]!;
        if (value === ABSENT || (check.verdicts[value] !== ACCEPTED && !this.#accepts(check, value)))
          throw broken(check, this.#tables.packages[one]!.key);
      }
    }
  }

  #find(one: number, value: number): readonly Check[] {
    const { packages, firstVersion } = this.#tables;
    const { candidates, key } = packages[one]!;
    const candidate = candidates[value - 1]!;
    const number = firstVersion[one]! + value - 1;
    if (this.#policy.exclusionsOf(key, candidate).length > 0) throw excluded(key, candidate.version);
    const isSame = candidates[value]?.dependencies === candidate.dependencies;
    const shared = isSame ? this.#checks[number + 1] : undefined;
    return (this.#checks[number] = shared ?? candidate.dependencies.map((dependency) => this.#checkOf(dependency)));
  }

  #checkOf(dependency: Dependency): Check {
    let check = this.#known.get(dependency);
    if (check === undefined) {
      const target = this.#tables.numbers.get(dependency.key)!;
      const verdicts = new Uint8Array(this.#tables.packages[target]!.candidates.length + 1);
      const requirement = this.#policy.requirement(dependency.requirement);
      this.#known.set(dependency, (check = { dependency, requirement, target, verdicts }));
    }
    return check;
  }

  #accepts({ requirement, target, verdicts }: Check, value: number): boolean {
    if (verdicts[value] === REFUSED) return false;
    const { version } = this.#tables.packages[target]!.candidates[value - 1]!;
    const isAccepted = this.#policy.accepts(requirement, version);
    verdicts[value] = isAccepted ? ACCEPTED : REFUSED;
    return isAccepted;
  }
}

function broken({ dependency }: Check, key: string): ResolverError {
  return distrust(`"${dependency.key}" is not as "${key}" needs it`);
}

function excluded(key: string, version: string): ResolverError {
  return distrust(`"${key}" ${version} is excluded`);
}

function distrust(detail: string): ResolverError {
  return new ResolverError({
    code: "RESOLVE_INTERNAL",
    message: `Cannot trust the solution that was found: ${detail}`,
  });
}
