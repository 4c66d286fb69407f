import { Policy } from "../compile/policy.ts";
import type { Ints } from "../core/ints.ts";
import { ResolverError } from "../resolver-error.ts";
import type { DependencyProvider, PackageKey } from "../types.ts";
import { findDead } from "./dead-versions.ts";
import { DerivationChecker } from "./derivation-checker.ts";
import { Derivation } from "./derivation.ts";
import { PackedValidator } from "./packed-validator.ts";
import { packSolutions } from "./packing.ts";
import { readTables, type RegistryTables } from "./registry-tables.ts";
import { OPEN, RootSearch, SOLVED, UNSOLVABLE } from "./root-search.ts";
import { searchRoots, type Verdicts } from "./searched-roots.ts";

/** Package -> one letter a version, oldest first: `s` where a solution has it, `u` where none does. */
export type SolvedRoots = Readonly<Record<PackageKey, string>>;

/** Conflicts of one question after which it is left to the search that can do more: it begins again, and forgets. */
const MOST_CONFLICTS = 5000;

/**
 * Asks of every version of every package whether it can be installed by itself. First those go that have a dependency which
 * nothing meets, then solutions are filled with as many versions as fit without a search, and what is left is searched for.
 * Every `s` is in a solution that was validated, every `u` comes with a checked proof.
 */
export function solveRoots(provider: DependencyProvider, keys: readonly PackageKey[]): SolvedRoots {
  const policy = new Policy({ roots: [{ name: "all", dependencies: [] }] }, provider);
  const { plain } = readOnce(policy, keys);
  if (plain === undefined) return letters(searchRoots(provider, keys));
  const { tables, validator } = plain;
  const verdicts = new WholeRegistry(tables, policy, validator, keys.length).answer();
  if (!verdicts.subarray(0, tables.firstVersion[keys.length]).includes(OPEN)) return lettersOf(keys, tables, verdicts);
  const known: Verdicts = new Map(
    keys.map((key, i) => [key, verdicts.subarray(tables.firstVersion[i], tables.firstVersion[i + 1])]),
  );
  const left = keys.filter((key) => known.get(key)!.includes(OPEN));
  return letters(new Map([...known, ...searchRoots(provider, left, known, reachable(tables, left))]));
}

/** A registry as it was read, once for the search and once for the validator; `undefined` where it is not plain. */
interface Read {
  readonly keys: readonly PackageKey[];
  readonly plain: { readonly tables: RegistryTables; readonly validator: PackedValidator } | undefined;
}

/** Registries that were read, by provider: what a provider in memory tells does not change. */
const registries = new WeakMap<DependencyProvider, Read>();

function readOnce(policy: Policy, keys: readonly PackageKey[]): Read {
  const known = registries.get(policy.provider);
  if (known !== undefined && areSame(known.keys, keys)) return known;
  const tables = readTables(policy, keys);
  const plain = tables === undefined ? undefined : { tables, validator: new PackedValidator(tables, policy) };
  const read = { keys: [...keys], plain };
  registries.set(policy.provider, read);
  return read;
}

function areSame(left: readonly PackageKey[], right: readonly PackageKey[]): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}

/** The questions about one registry, which share what is derived. */
class WholeRegistry {
  readonly #tables: RegistryTables;
  readonly #policy: Policy;
  readonly #asked: number;
  readonly #verdicts: Uint8Array;
  readonly #validator: PackedValidator;

  /** The first `asked` packages are asked about. */
  constructor(tables: RegistryTables, policy: Policy, validator: PackedValidator, asked: number) {
    this.#tables = tables;
    this.#policy = policy;
    this.#asked = asked;
    this.#verdicts = new Uint8Array(tables.rowStart.length);
    this.#validator = validator;
  }

  /** Verdicts by version, OPEN where a question was too hard. */
  answer(): Uint8Array {
    const derivation = new Derivation();
    const alive = findDead(this.#tables, this.#policy, derivation);
    const left = packSolutions(this.#tables, alive, this.#asked, (members, chosen) => this.#solved(members, chosen));
    const search = new RootSearch(this.#tables, derivation, alive);
    for (const [one, value] of left) {
      if (this.#verdicts[this.#tables.firstVersion[one]! + value - 1] !== OPEN) continue;
      if (search.solve(one, value, MOST_CONFLICTS) === SOLVED) this.#solved(search.members, search.chosen);
    }
    this.#markRuledOut(derivation);
    return this.#verdicts;
  }

  #solved(members: Ints, chosen: Int32Array): void {
    const { firstVersion } = this.#tables;
    this.#validator.validate(members, chosen);
    for (let i = 0; i < members.length; i++) {
      const one = members.data[i]!;
      this.#verdicts[firstVersion[one]! + chosen[one]! - 1] = SOLVED;
    }
  }

  #markRuledOut(derivation: Derivation): void {
    const { packages, firstVersion } = this.#tables;
    const checker = new DerivationChecker(this.#tables, this.#policy, derivation);
    checker.check();
    for (let one = 0; one < packages.length; one++) {
      if (!checker.hasRuledOut(one)) continue;
      for (let version = firstVersion[one]!; version < firstVersion[one + 1]!; version++) {
        if (!checker.isRuledOut(one, version - firstVersion[one]! + 1)) continue;
        if (this.#verdicts[version] === SOLVED) throw contradiction(packages[one]!.key);
        this.#verdicts[version] = UNSOLVABLE;
      }
    }
  }
}

function contradiction(key: string): ResolverError {
  return new ResolverError({
    code: "RESOLVE_INTERNAL",
    message: `Cannot trust the answers that were found: a version of "${key}" is both possible and impossible`,
  });
}

/** Everything that some version of a package may lead to. */
function reachable(tables: RegistryTables, keys: readonly PackageKey[]): Set<PackageKey> {
  const reached = new Set(keys.map((key) => tables.numbers.get(key)!));
  for (const one of reached) {
    const end = tables.rowEnd[tables.firstVersion[one + 1]! - 1] ?? 0;
    const start = tables.rowStart[tables.firstVersion[one]!] ?? 0;
    for (let i = start; i < end; i++) reached.add(tables.target[tables.rows[i]!]!);
  }
  return new Set([...reached].map((one) => tables.packages[one]!.key));
}

const LETTERS = new TextDecoder("latin1");
const [S, U] = [115, 117];

/** The same as {@link letters}, of all versions in one go. */
function lettersOf(keys: readonly PackageKey[], { firstVersion }: RegistryTables, verdicts: Uint8Array): SolvedRoots {
  const codes = new Uint8Array(verdicts.length);
  for (let i = 0; i < codes.length; i++) codes[i] = verdicts[i] === SOLVED ? S : U;
  const all = LETTERS.decode(codes);
  // Without a prototype nothing is special about a package that is called like a part of one.
  const found: Record<PackageKey, string> = Object.create(null);
  for (let i = 0; i < keys.length; i++) found[keys[i]!] = all.slice(firstVersion[i], firstVersion[i + 1]);
  return found;
}

function letters(verdicts: Verdicts): SolvedRoots {
  return Object.fromEntries(
    [...verdicts].map(([key, of]) => [key, Array.from(of, (one) => (one === SOLVED ? "s" : "u")).join("")]),
  );
}
