import type { Policy } from "../compile/policy.ts";
import { Ints } from "../core/ints.ts";
import { ResolverError } from "../resolver-error.ts";
import type { RegistryTables } from "./registry-tables.ts";

/** Versions that nothing can install, each after those that it fails for. */
export interface DeadVersions {
  /** Words of the versions that are left, by package. */
  readonly alive: Int32Array;
  readonly order: Int32Array;
  /** For each of these the dependency that nothing can meet, or EXCLUDED. */
  readonly reasons: Int32Array;
}

const EXCLUDED = -1;

/** Takes versions away that are excluded or have a dependency that no version left meets, until nothing changes. */
export function findDead(tables: RegistryTables, policy: Policy): DeadVersions {
  return new Burial(tables).run(policy);
}

class Burial {
  readonly #tables: RegistryTables;
  readonly #alive: Int32Array;
  readonly #order = new Ints();
  readonly #reasons = new Ints();
  /** Dependency -> versions that have it: places in `users`. */
  readonly #firstUser: Int32Array;
  readonly #users: Int32Array;
  /** Dependency -> one more that wants the same package. */
  readonly #nextOn: Int32Array;
  readonly #firstOn: Int32Array;
  readonly #isDead: Uint8Array;
  readonly #queue = new Ints();

  constructor(tables: RegistryTables) {
    this.#tables = tables;
    const { packages, firstWord, firstVersion, target } = tables;
    this.#alive = new Int32Array(firstWord[packages.length]!);
    for (let one = 0; one < packages.length; one++) {
      const count = firstVersion[one + 1]! - firstVersion[one]!;
      for (let word = firstWord[one]!, left = count; left > 0; word++, left -= 32)
        this.#alive[word] = left >= 32 ? -1 : (1 << left) - 1;
    }
    this.#isDead = new Uint8Array(target.length);
    this.#firstOn = new Int32Array(packages.length).fill(-1);
    this.#nextOn = new Int32Array(target.length);
    for (let one = target.length - 1; one >= 0; one--) {
      this.#nextOn[one] = this.#firstOn[target[one]!]!;
      this.#firstOn[target[one]!] = one;
    }
    [this.#firstUser, this.#users] = usersOf(tables);
  }

  run(policy: Policy): DeadVersions {
    const { packages, firstVersion, target } = this.#tables;
    for (let number = 0; number < packages.length; number++) {
      const { key, candidates } = packages[number]!;
      for (let i = 0; i < candidates.length; i++)
        if (policy.exclusionsOf(key, candidates[i]!).length > 0) this.#bury(firstVersion[number]! + i, EXCLUDED);
    }
    for (let dependency = 0; dependency < target.length; dependency++) this.#look(dependency);
    for (let place = 0; place < this.#queue.length; place++) {
      const on = this.#firstOn[this.#queue.data[place]!]!;
      for (let dependency = on; dependency >= 0; dependency = this.#nextOn[dependency]!) this.#look(dependency);
    }
    const filled = ({ data, length }: Ints): Int32Array => data.subarray(0, length);
    return { alive: this.#alive, order: filled(this.#order), reasons: filled(this.#reasons) };
  }

  #look(dependency: number): void {
    if (this.#isDead[dependency] === 1) return;
    const { target, mask, masks, firstWord } = this.#tables;
    const to = target[dependency]!;
    let at = mask[dependency]!;
    for (let word = firstWord[to]!; word < firstWord[to + 1]!; word++)
      if ((this.#alive[word]! & masks[at++]!) !== 0) return;
    this.#isDead[dependency] = 1;
    const end = this.#firstUser[dependency + 1]!;
    for (let i = this.#firstUser[dependency]!; i < end; i++) this.#bury(this.#users[i]!, dependency);
  }

  #bury(version: number, reason: number): void {
    const { ownerOf, firstVersion, firstWord } = this.#tables;
    const owner = ownerOf[version]!;
    const place = version - firstVersion[owner]!;
    const word = firstWord[owner]! + (place >>> 5);
    const bit = 1 << (place & 31);
    if ((this.#alive[word]! & bit) === 0) return;
    this.#alive[word]! &= ~bit;
    this.#order.push(version);
    this.#reasons.push(reason);
    this.#queue.push(owner);
  }
}

function usersOf({ ownerOf, rowStart, rowEnd, rows, target }: RegistryTables): [Int32Array, Int32Array] {
  const first = new Int32Array(target.length + 1);
  let count = 0;
  for (let version = 0; version < ownerOf.length; version++) {
    for (let i = rowStart[version]!; i < rowEnd[version]!; i++) first[rows[i]! + 1]!++;
    count += rowEnd[version]! - rowStart[version]!;
  }
  for (let one = 0; one < target.length; one++) first[one + 1]! += first[one]!;
  const users = new Int32Array(count);
  const next = first.slice();
  for (let version = 0; version < ownerOf.length; version++)
    for (let i = rowStart[version]!; i < rowEnd[version]!; i++) users[next[rows[i]!]!++] = version;
  return [first, users];
}

/**
 * Checks in the order given that each version is excluded, or has a dependency whose every version in range was shown to be
 * dead before; reads candidates and requirements anew.
 * @throws {ResolverError} `RESOLVE_INTERNAL`
 */
export function checkDead(tables: RegistryTables, dead: DeadVersions, policy: Policy): void {
  const { packages, ownerOf, firstVersion, dependencies, numbers } = tables;
  const shown = new Uint8Array(ownerOf.length);
  const hopeless = new Uint8Array(dependencies.length);
  for (let i = 0; i < dead.order.length; i++) {
    const version = dead.order[i]!;
    const owner = packages[ownerOf[version]!]!;
    const candidate = owner.candidates[version - firstVersion[ownerOf[version]!]!]!;
    const reason = dead.reasons[i]!;
    if (reason === EXCLUDED) {
      if (policy.exclusionsOf(owner.key, candidate).length === 0) throw unsound(owner.key, candidate.version);
    } else {
      const dependency = dependencies[reason]!;
      if (!candidate.dependencies.includes(dependency)) throw unsound(owner.key, candidate.version);
      if (hopeless[reason] === 0) {
        const requirement = policy.effective(dependency);
        const to = numbers.get(dependency.key)!;
        packages[to]!.candidates.forEach((one, place) => {
          if (shown[firstVersion[to]! + place] === 0 && policy.accepts(requirement, one.version))
            throw unsound(owner.key, candidate.version);
        });
        hopeless[reason] = 1;
      }
    }
    shown[version] = 1;
  }
}

function unsound(key: string, version: string): ResolverError {
  return new ResolverError({
    code: "RESOLVE_INTERNAL",
    message: `Cannot trust the proof that was found: "${key}" ${version} may be possible`,
  });
}
