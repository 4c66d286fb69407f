import { describe, expect, it } from "vitest";
import { solveConformanceFile, tallySuggestions } from "../src/testing.ts";

type CaseAnswer = { readonly solution?: Readonly<Record<string, string>> };

type Table = Readonly<Record<string, number>>;

/** `a` has one version for each table; `b` and `c` have three versions, and ranges for all of them, and each by itself. */
function universe(tables: readonly Table[]): object {
  const versions = ["1", "2", "3"];
  const ranges = [["*", 0, 2], ...versions.map((version, i) => [`=${version}`, i, i])];
  const leaf = { versions, ranges, deps: [{}, {}, {}] };
  const own = tables.map((_, i) => `${i + 1}`);
  return { a: { versions: own, ranges: [], deps: tables }, b: leaf, c: leaf };
}

function solve(tables: readonly Table[], version: number): unknown {
  const cases = [{ name: "one", universe: "u", root: { a: [`=${version}`, version - 1, version - 1] } }];
  const { answers } = solveConformanceFile({ universes: { u: universe(tables) }, cases });
  return answers["one"];
}

describe("solveConformanceFile()", () => {
  const tables = [{ b: 0, c: 1 }, { b: 0, c: 1 }, { b: 0 }, { b: 2, c: 1 }, { c: 2, b: 2 }, {}, { c: 3 }];
  const wanted = [
    { b: "3", c: "1" },
    { b: "3", c: "1" },
    { b: "3" },
    { b: "2", c: "1" },
    { b: "2", c: "2" },
    {},
    { c: "3" },
  ];

  it.each(wanted.map((rest, i) => [i + 1, rest] as const))(
    "reads the table of version %i by itself, whatever the versions beside it need",
    (version, rest) => {
      expect(solve(tables, version)).toEqual({ result: "sat", solution: { a: `${version}`, ...rest } });
    },
  );

  it("says of every version whether it can be installed, where neighbours share what they need", () => {
    const shared = { d: 0 };
    const data = {
      universes: {
        u: {
          a: {
            versions: ["1", "2", "3", "4"],
            ranges: [["*", 0, 3]],
            deps: [{ b: 0 }, { ...shared }, { ...shared }, {}],
          },
          b: { versions: ["1"], ranges: [["*", 0, 0]], deps: [{ a: 0 }] },
          d: { versions: [], ranges: [["*"]], deps: [] },
        },
      },
      roots: { a: "suus", b: "s" },
    };
    expect(solveConformanceFile(data).answers).toEqual({ a: "suus", b: "s" });
  });

  it("answers for a package that is called like a part of every object", () => {
    const odd = '{ "__proto__": { "versions": ["1"], "ranges": [["*", 0, 0]], "deps": [{}] } }';
    const roots = `{ "universes": { "u": ${odd} }, "roots": { "__proto__": "s" } }`;
    expect(Object.entries(solveConformanceFile(JSON.parse(roots)).answers)).toEqual([["__proto__", "s"]]);
    const one = '{ "name": "one", "universe": "u", "root": { "__proto__": ["*", 0, 0] } }';
    const { answers } = solveConformanceFile(JSON.parse(`{ "universes": { "u": ${odd} }, "cases": [${one}] }`));
    expect(Object.entries((answers["one"] as CaseAnswer).solution!)).toEqual([["__proto__", "1"]]);
  });

  it("refuses a version that is listed twice", () => {
    const twice = { a: { versions: ["1", "1"], ranges: [["*", 0, 1]], deps: [{}, {}] } };
    const cases = [{ name: "one", universe: "u", root: { a: ["*", 0, 1] } }];
    expect(() => solveConformanceFile({ universes: { u: twice }, cases })).toThrow(/listed twice/);
  });
});

describe("tallySuggestions()", () => {
  const base = {
    versions: ["1", "2", "3"],
    ranges: [
      ["=1", 0, 0],
      ["=3", 2, 2],
    ],
    deps: [{}, {}, {}],
  };
  const universes = {
    u: {
      left: { versions: ["1"], ranges: [["*", 0, 0]], deps: [{ base: 0 }] },
      right: { versions: ["1"], ranges: [["*", 0, 0]], deps: [{ base: 1 }] },
      old: { versions: ["1", "2"], yanked: [0, 1], ranges: [["*", 0, 1]], deps: [{}, {}] },
      base,
    },
  };
  const one = (name: string, root: object): object => ({ name, universe: "u", root });

  it("counts the cases that advice solves, and those that no single change would", () => {
    const cases = [
      one("a range", { left: ["*", 0, 0], base: ["=3", 2, 2] }),
      one("two dependents", { left: ["*", 0, 0], right: ["*", 0, 0] }),
      one("only yanked", { old: ["*", 0, 1] }),
      one("two at once", { gone: ["*"], lost: ["*"] }),
      one("solvable", { left: ["*", 0, 0] }),
    ];
    expect(tallySuggestions({ universes, cases })).toEqual({
      unsolvable: 4,
      fixable: 3,
      helped: 3,
      without: [],
      misleading: [],
    });
  });

  it("names a universe that is not there", () => {
    const cases = [{ name: "one", universe: "v", root: {} }];
    expect(() => tallySuggestions({ universes, cases })).toThrow(/universe "v", which is not there/);
  });
});
