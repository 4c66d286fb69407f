import { describe, expect, test } from "vitest";
import { createResolver, explainDerivation, RESOLVER_ERRORS, resolve, type SolvedResolution } from "../src/index.ts";
import { solveCanonically } from "../src/lib/canonical.ts";
import { Universe } from "../src/lib/compile.ts";
import { findCycles } from "../src/lib/cycles.ts";
import { describeSolution } from "../src/lib/outcome.ts";
import { fullBits } from "../src/lib/bits.ts";
import { ProofReader, type RecordedStatement } from "../src/lib/core/read-proof.ts";
import { extractProof, ProofChecker } from "../src/lib/proof.ts";
import { solutionFault } from "../src/lib/validate.ts";
import { rangeText } from "../src/lib/words.ts";
import {
  recordProvider,
  replayProvider,
  solveConformanceFile,
  universe,
  type ProviderRecording,
} from "../src/testing.ts";
import { need, unsolvable } from "./support.ts";

const world = universe()
  .package("a", "1.0.0", {
    dependencies: [need("b", ">=2.0.0"), need("c", "*", { optional: true })],
    features: { f: ["c"] },
  })
  .package("a", "2.0.0", { excluded: [{ reason: "held", text: "not approved" }] })
  .package("b", "1.0.0", { hosts: { revit: "<2025.0.0" } })
  .package("b", "2.0.0", { hosts: { revit: ">=2025.0.0" } })
  .package("c", "1.0.0");
const roots = [{ name: "myapp", dependencies: [need("a", "*", { features: ["f"] })] }];

function answer(): { universe: Universe; solution: Pick<SolvedResolution, "packages" | "roots"> } {
  const made = new Universe({ roots, hosts: { revit: ["2025"] } }, world.provider());
  const { value } = solveCanonically(made).next();
  return { universe: made, solution: describeSolution(made, value!) };
}

describe("solutionFault()", () => {
  type Solution = Pick<SolvedResolution, "packages" | "roots">;
  type Package = Solution["packages"][number];
  const change =
    (key: string, by: (one: Package) => Package | undefined) =>
    (solution: Solution): Solution => ({
      ...solution,
      packages: solution.packages.flatMap((one) => (one.key === key ? (by(one) ?? []) : one)),
    });
  const candidates = (key: string) => world.metadata().get(key)!.candidates;

  test("finds nothing in the answer as it is", () => {
    const { universe: made, solution } = answer();
    expect(solution.packages.map(({ id }) => id)).toEqual(["a 1.0.0", "b 2.0.0", "c 1.0.0"]);
    expect(solutionFault(made, solution)).toBeUndefined();
  });

  test.each([
    ["a missing package", change("b", () => undefined), "b 2.0.0, which is not there"],
    ["a missing edge", change("a", (one) => ({ ...one, dependencies: [] })), 'a 1.0.0 needs "b" >=2.0.0'],
    ["a missing feature", change("a", (one) => ({ ...one, features: [] })), 'a 1.0.0 lacks feature "f"'],
    [
      "an excluded version",
      change("a", (one) => ({ ...one, id: "a 2.0.0", version: "2.0.0", candidate: candidates("a")[1]! })),
      "not approved",
    ],
    [
      "a wrong host",
      change("b", (one) => ({ ...one, version: "1.0.0", candidate: candidates("b")[0]! })),
      "does not run on revit 2025",
    ],
    ["a version that is not on offer", change("c", (one) => ({ ...one, version: "9.0.0" })), "is not on offer"],
    [
      "two versions",
      (one: Solution) => ({ ...one, packages: [...one.packages, one.packages[0]!] }),
      "two versions of a",
    ],
    [
      "a stray package",
      (one: Solution) => ({
        ...one,
        packages: one.packages.map((each) =>
          each.key === "a"
            ? { ...each, dependencies: each.dependencies.filter(({ key }) => key !== "c"), candidate: each.candidate }
            : each,
        ),
      }),
      'a 1.0.0 needs "c"',
    ],
  ])("finds %s", (_, corrupt, message) => {
    const { universe: made, solution } = answer();
    expect(solutionFault(made, corrupt(solution))).toContain(message);
  });
});

describe("ProofChecker", () => {
  function contradiction(): { made: Universe; proof: RecordedStatement[] } {
    const made = new Universe(
      { roots: [{ name: "myapp", dependencies: [need("a", "*"), need("b", "=1.0.0")] }] },
      world.provider(),
    );
    solveCanonically(made).next();
    return { made, proof: new ProofReader(made.solver.state).statement(made.solver.contradiction) };
  }

  /** Checks the proof with one statement replaced. */
  function checkWith(made: Universe, proof: readonly RecordedStatement[], changed: RecordedStatement): void {
    new ProofChecker(made).check(proof.map((one) => (one.id === changed.id ? changed : one)));
  }

  test("accepts what the solver proved", () => {
    const { made } = contradiction();
    expect(extractProof(made, made.solver.contradiction).at(-1)!.terms.size).toBe(0);
  });

  test("refuses every derived statement that claims more than follows", () => {
    const { made, proof } = contradiction();
    const derived = proof.filter(({ chain, nodes }) => chain.length > 0 && nodes.length > 0);
    expect(derived.length).toBeGreaterThan(0);
    for (const one of derived) {
      const stronger = { ...one, nodes: one.nodes.slice(1), sets: one.sets.slice(1) };
      expect(() => checkWith(made, proof, stronger)).toThrow("does not follow from what it cites");
    }
  });

  test("refuses facts that the input does not hold", () => {
    const { made, proof } = contradiction();
    const facts = proof.filter(({ chain }) => chain.length === 0);
    expect(facts.length).toBeGreaterThan(2);
    for (const one of facts) {
      // Every value of every node at once: no dependency, exclusion or root says that.
      const wider = { ...one, sets: one.nodes.map((node) => fullBits(made.solver.size(node))) };
      expect(() => checkWith(made, proof, wider)).toThrow("is not in the input");
    }
  });

  test("refuses a statement that rests on what was not shown, and one resolved on another package", () => {
    const { made, proof } = contradiction();
    const last = proof.at(-1)!;
    expect(() => new ProofChecker(made).check([last])).toThrow("was not shown before");
    const elsewhere = { ...last, chain: last.chain.map((part, i) => (i > 0 && i % 2 === 0 ? part + 1 : part)) };
    expect(() => checkWith(made, proof, elsewhere)).toThrow("does not follow from what it cites");
  });
});

describe("explanations", () => {
  test("number a statement that is used twice", async () => {
    const branching = universe()
      .package("foo", "1.0.0", { a: ">=1.0.0 <2.0.0", b: ">=1.0.0 <2.0.0" })
      .package("foo", "1.1.0", { x: ">=1.0.0 <2.0.0", y: ">=1.0.0 <2.0.0" })
      .package("a", "1.0.0", { b: ">=2.0.0 <3.0.0" })
      .package("b", "1.0.0")
      .package("b", "2.0.0")
      .package("x", "1.0.0", { y: ">=2.0.0 <3.0.0" })
      .package("y", "1.0.0")
      .package("y", "2.0.0");
    const { explanation, proof } = await unsolvable(branching, { foo: ">=1.0.0 <2.0.0" });
    expect(explanation).toMatch(/\. \(1\)$/m);
    expect(explanation).toContain("(1),");
    expect(explainDerivation(proof)).toBe(explanation);
  });

  test("speak of ranges where many versions have the same dependency", async () => {
    let many = universe().package("b", "1.0.0").package("b", "2.0.0");
    for (let i = 0; i < 20; i++) many = many.package("a", `1.${i}.0`, { b: "=1.0.0" });
    const { explanation } = await unsolvable(many, { a: "*", b: ">=2.0.0" });
    expect(explanation).toContain("myapp depends on a any which depends on b 1.0.0");
    expect(explanation.length).toBeLessThan(300);
  });

  test("wrap to a width", async () => {
    const { proof } = await unsolvable(universe(), { gone: "*" });
    const lines = explainDerivation(proof, { width: 40 }).split("\n");
    expect(lines.length).toBeGreaterThan(1);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(40);
  });

  test.each([
    [[true, true, true], ""],
    [[true, false, false], "<2.0.0"],
    [[false, true, false], "2.0.0"],
    [[false, true, true], ">=2.0.0"],
    [[true, false, true], "1.0.0 || 3.0.0"],
  ])("word %j as %j", (included, text) => {
    const expected = text === "<2.0.0" ? "1.0.0" : text;
    expect(rangeText(["1.0.0", "2.0.0", "3.0.0"], included)).toBe(expected);
  });

  test("every code has an explanation", () => {
    expect(Object.keys(RESOLVER_ERRORS)).toEqual([
      "RESOLVE_INPUT_INVALID",
      "RESOLVE_ENVIRONMENTS_TOO_MANY",
      "RESOLVE_METADATA_INVALID",
      "RESOLVE_METADATA_INCOMPLETE",
      "RESOLVE_BUDGET_EXCEEDED",
      "RESOLVE_RECORDING_INVALID",
      "RESOLVE_INTERNAL",
    ]);
  });
});

describe("findCycles()", () => {
  const graph = (edges: Record<string, string[]>) =>
    findCycles(Object.entries(edges).map(([id, to]) => ({ id, dependencies: to.map((one) => ({ id: one })) })));

  test("gives one shortest path a part, from its smallest member", () => {
    expect(graph({ c: ["a"], b: ["c", "a"], a: ["b"], d: ["a"], e: ["e"] })).toEqual([
      ["a", "b", "a"],
      ["e", "e"],
    ]);
    expect(graph({ a: ["b"], b: ["c"], c: [] })).toEqual([]);
  });

  test("survives chains of any depth", () => {
    const chain = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`${i}`, [`${(i + 1) % 5_000}`]]));
    expect(graph(chain)[0]).toHaveLength(5_001);
  });
});

describe("recordProvider() and replayProvider()", () => {
  test("a recording survives JSON and gives the same answer", async () => {
    const recorder = recordProvider(world.lazyProvider());
    const input = { roots, hosts: { revit: ["2025"] } };
    const first = await resolve(input, recorder.provider);
    const text = JSON.stringify(recorder.recording());
    const second = await resolve(input, replayProvider(JSON.parse(text) as ProviderRecording));
    expect({ ...second, statistics: null }).toEqual({ ...first, statistics: null });
  });

  test("another format is refused", () => {
    expect(() => replayProvider({ format: "other" } as unknown as ProviderRecording)).toThrow('format is "other"');
  });
});

describe("solveConformanceFile()", () => {
  const file = {
    format: "resolver-cases/1",
    universes: {
      u: {
        a: { versions: ["x", "y", "z"], pre: [2], yanked: [], ranges: [["any", 0, 2]], deps: [{}, { b: 0 }, { b: 1 }] },
        b: {
          versions: ["1", "2"],
          ranges: [["one", 0, 0], ["none"], ["two", 1, 1]],
          deps: [{}, {}],
          optional: [null, { a: 0 }],
        },
      },
    },
  };

  test("answers cases by name", () => {
    const cases = [
      { name: "newest stable", universe: "u", root: { a: ["any", 0, 2] } },
      { name: "oldest", universe: "u", root: { a: ["any", 0, 2] }, prefer: "oldest" },
      { name: "pre-release", universe: "u", root: { a: ["z", 2, 2] } },
      { name: "overridden", universe: "u", root: { a: ["y", 1, 1] }, overrides: { b: ["two", 1, 1] } },
      { name: "locked", universe: "u", root: { a: ["any", 0, 2] }, locked: { a: "x" } },
      { name: "if present", universe: "u", root: { a: ["y", 1, 1] }, rootOptional: { b: ["two", 1, 1] } },
    ];
    const { answers } = solveConformanceFile({ ...file, cases });
    expect(answers).toMatchObject({
      "newest stable": { result: "sat", solution: { a: "y", b: "1" } },
      oldest: { result: "sat", solution: { a: "x" } },
      "pre-release": { result: "unsat" },
      overridden: { result: "sat", solution: { a: "y", b: "2" } },
      locked: { result: "sat", solution: { a: "x" } },
      "if present": { result: "unsat" },
    });
  });

  test("answers roots with one letter a version", () => {
    expect(solveConformanceFile({ ...file, roots: { a: "", b: "" } }).answers).toEqual({ a: "ssu", b: "ss" });
  });

  test.each([
    [null, "expected an object"],
    [{ format: "other/1" }, 'format is "other/1"'],
    [{}, '"universes" is missing'],
    [{ universes: {}, cases: {} }, '"cases" is not a list'],
    [{ universes: {}, cases: [{ name: "n", universe: "u" }] }, 'names universe "u"'],
  ])("refuses %j", (data, message) => {
    expect(() => solveConformanceFile(data)).toThrow(message);
  });
});

describe("large inputs", () => {
  test("a chain of 2,000 packages neither overflows a stack nor takes long", () => {
    let chain = new Map<
      string,
      { candidates: { version: string; dependencies: { key: string; requirement: string }[] }[] }
    >();
    for (let i = 0; i < 2000; i++) {
      const dependencies = i < 1999 ? [{ key: `p${i + 1}`, requirement: "*" }] : [];
      chain = chain.set(`p${i}`, { candidates: [{ version: "1.0.0", dependencies }] });
    }
    const provider = { get: (key: string) => chain.get(key)!, load: () => Promise.resolve() };
    const step = createResolver({ roots: [{ name: "myapp", dependencies: [need("p0", "*")] }] }, provider).step();
    expect(step.status === "done" && step.resolution.status === "solved" && step.resolution.packages.length).toBe(2000);
  });
});
