import { describe, expect, test } from "vitest";
import { Policy } from "../src/lib/compile/policy.ts";
import { Ints } from "../src/lib/core/ints.ts";
import { findDead } from "../src/lib/testing/dead-versions.ts";
import { DerivationChecker } from "../src/lib/testing/derivation-checker.ts";
import { Derivation, EXCLUDED, LESSON } from "../src/lib/testing/derivation.ts";
import { PackedValidator } from "../src/lib/testing/packed-validator.ts";
import { readTables, type RegistryTables } from "../src/lib/testing/registry-tables.ts";
import { OPEN, RootSearch, SOLVED, UNSOLVABLE } from "../src/lib/testing/root-search.ts";
import { universe, type UniverseBuilder } from "../src/testing.ts";

/** `a` 1.0.0 needs a `b` that is there, `a` 2.0.0 one that is not; `c` is yanked, and so `d` cannot be had. */
const registry = universe()
  .package("a", "1.0.0", { b: "=1.0.0" })
  .package("a", "2.0.0", { b: "=9.0.0" })
  .package("b", "1.0.0")
  .package("b", "2.0.0")
  .package("c", "1.0.0", { dependencies: [], excluded: [{ reason: "yanked", text: "it was yanked" }] })
  .package("d", "1.0.0", { c: "*" });

const KEYS = ["a", "b", "c", "d"];

function read(builder: UniverseBuilder, keys: readonly string[] = KEYS): { policy: Policy; tables: RegistryTables } {
  const policy = new Policy({ roots: [{ name: "all", dependencies: [] }] }, builder.provider());
  return { policy, tables: readTables(policy, keys)! };
}

/** Package and value of a version in the tables. */
function placeOf(tables: RegistryTables, key: string, version: string): [one: number, value: number] {
  const one = tables.numbers.get(key)!;
  return [one, tables.packages[one]!.candidates.findIndex((given) => given.version === version) + 1];
}

describe("findDead()", () => {
  test("finds what is excluded, what needs a version that is not there, and what rests on these, in a checked order", () => {
    const { policy, tables } = read(registry);
    const derivation = new Derivation();
    const alive = findDead(tables, policy, derivation);
    const checker = new DerivationChecker(tables, policy, derivation);
    checker.check();
    const isRuledOut = (key: string, version: string): boolean => checker.isRuledOut(...placeOf(tables, key, version));
    expect([isRuledOut("a", "2.0.0"), isRuledOut("c", "1.0.0"), isRuledOut("d", "1.0.0")]).toEqual([true, true, true]);
    expect([isRuledOut("a", "1.0.0"), isRuledOut("b", "1.0.0"), isRuledOut("b", "2.0.0")]).toEqual([
      false,
      false,
      false,
    ]);
    expect([...alive]).toEqual([0b10, 0b110, 0, 0]);
  });
});

describe("DerivationChecker", () => {
  const { policy, tables } = read(registry);
  const groupOf = (key: string, requirement: string): number =>
    [...tables.owner.keys()].find(
      (group) =>
        tables.packages[tables.owner[group]!]!.key === key &&
        tables.dependencies[tables.dependency[group]!]!.requirement === requirement,
    )!;
  const claim = (...entries: readonly [key: string, reason: number, value?: number][]): (() => void) => {
    const derivation = new Derivation();
    for (const [key, reason, value] of entries) derivation.addEntry(tables.numbers.get(key)!, reason, value);
    return () => new DerivationChecker(tables, policy, derivation).check();
  };

  test("refuses a dependency that a version left meets", () => {
    expect(claim(["a", groupOf("a", "=1.0.0")])).toThrow(/of "a", a dependency of it can be met/);
  });

  test("refuses a dependency that another package has", () => {
    expect(claim(["b", groupOf("a", "=9.0.0")])).toThrow(/of "b", a dependency of it can be met/);
  });

  test("refuses an exclusion that nobody made", () => {
    expect(claim(["b", EXCLUDED, 1])).toThrow(/of "b", nothing excludes it/);
  });

  test("refuses what is shown before that which it rests on", () => {
    const [c, d]: [string, number, number?][] = [
      ["c", EXCLUDED, 1],
      ["d", groupOf("d", "*")],
    ];
    expect(claim(c!, d!)).not.toThrow();
    expect(claim(d!, c!)).toThrow(/of "d", a dependency of it can be met/);
  });

  test("refuses a lesson that was not shown before", () => {
    expect(claim(["b", LESSON])).toThrow(/of "b", it cites what was not shown before/);
  });

  test.each([
    ["a version that has no such dependency", "having", 0b110, /of "a", 2\.0\.0 has no such dependency/],
    ["that absence has a dependency", "having", 0b11, /of "a", absence has no dependency/],
  ] as const)("refuses %s", (_, table, words, message) => {
    const group = groupOf("a", "=1.0.0");
    const masks = tables.masks.slice();
    masks[tables[table][group]!] = words;
    const derivation = new Derivation();
    derivation.addEntry(tables.numbers.get("a")!, group);
    expect(() => new DerivationChecker({ ...tables, masks }, policy, derivation).check()).toThrow(message);
  });

  test("refuses a set that leaves out what a requirement accepts", () => {
    const group = groupOf("a", "=1.0.0");
    const masks = tables.masks.slice();
    masks[tables.mask[tables.dependency[group]!]!] = 0;
    const derivation = new Derivation();
    derivation.addEntry(tables.numbers.get("a")!, group);
    expect(() => new DerivationChecker({ ...tables, masks }, policy, derivation).check()).toThrow(
      /of "b", 1\.0\.0 meets =1\.0\.0/,
    );
  });
});

describe("RootSearch", () => {
  /** `a` 2.0.0 needs `b` and `c`, which need different versions of `d`; `a` 1.0.0 needs a `b` that takes any. */
  const twisted = universe()
    .package("a", "1.0.0", { b: "=1.0.0" })
    .package("a", "2.0.0", { b: "=2.0.0", c: "*" })
    .package("a", "3.0.0", { a: "=1.0.0" })
    .package("b", "1.0.0", { d: "*" })
    .package("b", "2.0.0", { e: "*" })
    .package("c", "1.0.0", { d: "=2.0.0" })
    .package("c", "2.0.0", { d: "=2.0.0" })
    .package("d", "1.0.0")
    .package("d", "2.0.0")
    .package("e", "1.0.0", { d: "=1.0.0" })
    .package("e", "2.0.0", { d: "=1.0.0" });
  const keys = ["a", "b", "c", "d", "e"];

  function search(): {
    readonly derivation: Derivation;
    readonly tables: RegistryTables;
    readonly policy: Policy;
    readonly solve: (version: string, most?: number) => number;
    readonly found: RootSearch;
  } {
    const { policy, tables } = read(twisted, keys);
    const derivation = new Derivation();
    const found = new RootSearch(tables, derivation, findDead(tables, policy, derivation));
    const solve = (version: string, most = 100): number => {
      const [one, value] = placeOf(tables, "a", version);
      return found.solve(one, value, most);
    };
    return { derivation, tables, policy, solve, found };
  }

  test("finds a solution for a version, with everything that it needs and nothing else", () => {
    const { solve, found, tables } = search();
    expect(solve("1.0.0")).toBe(SOLVED);
    const chosen = [...found.members.data.subarray(0, found.members.length)].map(
      (one) => `${tables.packages[one]!.key} ${tables.packages[one]!.candidates[found.chosen[one]! - 1]!.version}`,
    );
    expect(chosen).toEqual(["a 1.0.0", "b 1.0.0", "d 2.0.0"]);
  });

  test.each(["2.0.0", "3.0.0"])("derives that there is none for %s, so that it can be checked", (version) => {
    const { solve, derivation, tables, policy } = search();
    expect(solve(version)).toBe(UNSOLVABLE);
    const checker = new DerivationChecker(tables, policy, derivation);
    checker.check();
    expect(checker.isRuledOut(...placeOf(tables, "a", version))).toBe(true);
    expect(checker.isRuledOut(...placeOf(tables, "a", "1.0.0"))).toBe(false);
  });

  test("gives a question back that takes more conflicts than allowed", () => {
    expect(search().solve("2.0.0", 0)).toBe(OPEN);
  });

  test("derives nothing that a checker lets pass once a set in it is changed", () => {
    const { solve, derivation, tables, policy } = search();
    solve("2.0.0");
    expect(derivation.lessons).toBeGreaterThan(0);
    const first = derivation.mask.data[derivation.start.data[0]!]!;
    derivation.sets.data[first] = tables.all[tables.firstWord[derivation.node.data[0]!]!]!;
    expect(() => new DerivationChecker(tables, policy, derivation).check()).toThrow(
      /does not follow from what it cites/,
    );
  });
});

describe("PackedValidator", () => {
  const validate = (chosen: Readonly<Record<string, number>>): void => {
    const { policy, tables } = read(registry);
    const values = new Int32Array(tables.packages.length);
    const members = new Ints();
    for (const [key, value] of Object.entries(chosen)) {
      members.push(tables.numbers.get(key)!);
      values[tables.numbers.get(key)!] = value;
    }
    new PackedValidator(tables, policy).validate(members, values);
  };

  test("accepts a solution", () => {
    expect(() => validate({ a: 1, b: 1 })).not.toThrow();
  });

  test.each([
    ["a version out of range", { a: 1, b: 2 }, /"b" is not as "a" needs it/],
    ["a dependency that is not there", { a: 1 }, /"b" is not as "a" needs it/],
    ["an excluded version", { c: 1 }, /"c" 1\.0\.0 is excluded/],
  ])("refuses %s", (_, chosen: Readonly<Record<string, number>>, message) => {
    expect(() => validate(chosen)).toThrow(message);
  });
});

describe("readTables()", () => {
  test.each([
    ["an optional peer", { dependencies: [{ key: "b", requirement: "*", kind: "peer" as const, optional: true }] }],
    ["a feature that is asked for", { dependencies: [{ key: "b", requirement: "*", features: ["x"] }] }],
    ["default features", { dependencies: [], features: { default: [] } }],
    ["a requirement that nobody can read", { dependencies: [{ key: "b", requirement: "nonsense ^" }] }],
  ])("leaves a registry with %s to a search", (_, candidate) => {
    const policy = new Policy(
      { roots: [{ name: "all", dependencies: [] }] },
      registry.package("e", "1.0.0", candidate).provider(),
    );
    expect(readTables(policy, [...KEYS, "e"])).toBeUndefined();
  });
});
