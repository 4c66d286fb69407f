import { describe, expect, test } from "vitest";
import { Policy } from "../src/lib/compile/policy.ts";
import { Ints } from "../src/lib/core/ints.ts";
import { checkDead, findDead } from "../src/lib/testing/dead-versions.ts";
import { PackedValidator } from "../src/lib/testing/packed-validator.ts";
import { readTables, type RegistryTables } from "../src/lib/testing/registry-tables.ts";
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

function read(builder: UniverseBuilder): { policy: Policy; tables: RegistryTables } {
  const policy = new Policy({ roots: [{ name: "all", dependencies: [] }] }, builder.provider());
  return { policy, tables: readTables(policy, KEYS)! };
}

/** Number of a version in the tables. */
function numberOf(tables: RegistryTables, key: string, version: string): number {
  const one = tables.numbers.get(key)!;
  return tables.firstVersion[one]! + tables.packages[one]!.candidates.findIndex((given) => given.version === version);
}

describe("findDead()", () => {
  test("finds what is excluded, what needs a version that is not there, and what rests on these, in a checked order", () => {
    const { policy, tables } = read(registry);
    const dead = findDead(tables, policy);
    const expected = [
      ["a", "2.0.0"],
      ["c", "1.0.0"],
      ["d", "1.0.0"],
    ].map(([key, version]) => numberOf(tables, key!, version!));
    expect([...dead.order].sort((x, y) => x - y)).toEqual(expected);
    expect(() => checkDead(tables, dead, policy)).not.toThrow();
  });
});

describe("checkDead()", () => {
  const { policy, tables } = read(registry);
  const [one] = [...tables.dependencies.keys()].filter((i) => tables.dependencies[i]!.requirement === "=1.0.0");
  const claim = (version: number, reason: number): (() => void) => {
    const dead = { alive: new Int32Array(0), order: Int32Array.of(version), reasons: Int32Array.of(reason) };
    return () => checkDead(tables, dead, policy);
  };

  test("refuses a dependency that a version left meets", () => {
    expect(claim(numberOf(tables, "a", "1.0.0"), one!)).toThrow(/"a" 1\.0\.0 may be possible/);
  });

  test("refuses a dependency that the version has not", () => {
    expect(claim(numberOf(tables, "b", "1.0.0"), one!)).toThrow(/"b" 1\.0\.0 may be possible/);
  });

  test("refuses an exclusion that nobody made", () => {
    expect(claim(numberOf(tables, "b", "1.0.0"), -1)).toThrow(/"b" 1\.0\.0 may be possible/);
  });

  test("refuses what is shown before that which it rests on", () => {
    const { order, reasons } = findDead(tables, policy);
    const dead = { alive: new Int32Array(0), order: order.toReversed(), reasons: reasons.toReversed() };
    expect(() => checkDead(tables, dead, policy)).toThrow(/"d" 1\.0\.0 may be possible/);
  });
});

describe("PackedValidator", () => {
  const validate = (chosen: Readonly<Record<string, number>>): void => {
    const { policy, tables } = read(registry);
    const values = new Int32Array(tables.packages.length).fill(-1);
    const members = new Ints();
    for (const [key, place] of Object.entries(chosen)) {
      members.push(tables.numbers.get(key)!);
      values[tables.numbers.get(key)!] = place;
    }
    new PackedValidator(tables, policy).validate(members, values);
  };

  test("accepts a solution", () => {
    expect(() => validate({ a: 0, b: 0 })).not.toThrow();
  });

  test.each([
    ["a version out of range", { a: 0, b: 1 }, /"b" is not as "a" needs it/],
    ["a dependency that is not there", { a: 0 }, /"b" is not as "a" needs it/],
    ["an excluded version", { c: 0 }, /"c" 1\.0\.0 is excluded/],
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
