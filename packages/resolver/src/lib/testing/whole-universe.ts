import { Policy } from "../compile/policy.ts";
import type { DependencyProvider, PackageKey } from "../types.ts";
import { checkDead, findDead } from "./dead-versions.ts";
import { PackedValidator } from "./packed-validator.ts";
import { packSolutions } from "./packing.ts";
import { readTables, type RegistryTables } from "./registry-tables.ts";
import { OPEN, searchRoots, SOLVED, UNSOLVABLE, type Verdicts } from "./searched-roots.ts";

/** Package -> one letter a version, oldest first: `s` where a solution has it, `u` where none does. */
export type SolvedRoots = Readonly<Record<PackageKey, string>>;

/**
 * Asks of every version of every package whether it can be installed by itself. First those go that have a dependency which
 * nothing meets, then solutions are filled with as many versions as fit without a search, and what is left is searched for.
 * Every `s` is in a solution that was validated, every `u` comes with a checked proof.
 */
export function solveRoots(provider: DependencyProvider, keys: readonly PackageKey[]): SolvedRoots {
  const policy = new Policy({ roots: [{ name: "all", dependencies: [] }] }, provider);
  const tables = tablesOf(policy, keys);
  if (tables === undefined) return letters(searchRoots(provider, keys));
  const verdicts = withoutSearch(tables, policy, keys);
  const left = keys.filter((key) => verdicts.get(key)!.includes(OPEN));
  const searched = left.length === 0 ? verdicts : searchRoots(provider, left, verdicts, reachable(tables, left));
  return letters(new Map([...verdicts, ...searched]));
}

/** Registries that were read, by provider: what a provider in memory tells does not change. */
const registries = new WeakMap<
  DependencyProvider,
  { readonly keys: string; readonly tables: RegistryTables | undefined }
>();

function tablesOf(policy: Policy, keys: readonly PackageKey[]): RegistryTables | undefined {
  const id = keys.join("\0");
  let known = registries.get(policy.provider);
  if (known?.keys !== id) registries.set(policy.provider, (known = { keys: id, tables: readTables(policy, keys) }));
  return known.tables;
}

/** Verdicts by version, as far as they can be had without a search. */
function withoutSearch(tables: RegistryTables, policy: Policy, keys: readonly PackageKey[]): Verdicts {
  const { firstVersion } = tables;
  const verdicts = new Uint8Array(tables.ownerOf.length);
  const dead = findDead(tables, policy);
  checkDead(tables, dead, policy);
  for (const version of dead.order) verdicts[version] = UNSOLVABLE;
  const validator = new PackedValidator(tables, policy);
  packSolutions(tables, dead.alive, [...keys.keys()], (members, chosen) => {
    validator.validate(members, chosen);
    for (let i = 0; i < members.length; i++) {
      const one = members.data[i]!;
      verdicts[firstVersion[one]! + chosen[one]!] = SOLVED;
    }
  });
  return new Map(keys.map((key, i) => [key, verdicts.subarray(firstVersion[i], firstVersion[i + 1])]));
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

function letters(verdicts: Verdicts): SolvedRoots {
  const texts: [PackageKey, string][] = [];
  for (const [key, of] of verdicts) {
    let text = "";
    for (const verdict of of) text += verdict === SOLVED ? "s" : "u";
    texts.push([key, text]);
  }
  return Object.fromEntries(texts);
}
