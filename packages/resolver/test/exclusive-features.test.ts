import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { resolve, type Candidate, type Dependency } from "../src/index.ts";
import { bruteForce, universe, type UniverseBuilder } from "../src/testing.ts";
import { ask, ids, need, solved, unsolvable } from "./support.ts";

const torch = { features: { cpu: [], cuda: [], default: ["cpu"] }, exclusiveFeatures: [["cpu", "cuda"]] };

describe("exclusive features", () => {
  it("lets one of them be on", async () => {
    const world = universe().package("torch", "1.0.0", torch);
    const { packages } = await solved(world, [
      need("torch", ">=1.0.0", { features: ["cuda"], defaultFeatures: false }),
    ]);
    expect(packages[0]!.features).toEqual(["cuda"]);
  });

  it("refuses two that one dependent asks for, and names them", async () => {
    const world = universe().package("torch", "1.0.0", torch);
    const failed = await unsolvable(world, [need("torch", ">=1.0.0", { features: ["cuda"] })]);
    expect(failed.explanation).toContain('torch 1.0.0 cannot have "cpu" and "cuda" on together');
    expect(failed.suggestions.map(({ message }) => message)).toEqual([
      'go without feature "cuda" of torch and everything resolves with torch 1.0.0',
      "go without the default features of torch and everything resolves with torch 1.0.0",
    ]);
  });

  it("refuses two that different dependents ask for, and names who asks", async () => {
    const world = universe()
      .package("torch", "1.0.0", torch)
      .package("left", "1.0.0", {
        dependencies: [need("torch", ">=1.0.0", { features: ["cuda"], defaultFeatures: false })],
      })
      .package("right", "1.0.0", {
        dependencies: [need("torch", ">=1.0.0", { features: ["cpu"], defaultFeatures: false })],
      });
    const { explanation, proof } = await unsolvable(world, { left: ">=1.0.0", right: ">=1.0.0" });
    for (const part of ["left", "right", '"cpu" and "cuda" on together']) expect(explanation).toContain(part);
    expect(proof.statements.some(({ cause }) => cause.type === "feature" && cause.text.includes("together"))).toBe(
      true,
    );
  });

  it("prefers an older version that lets both be on to no solution", async () => {
    const world = universe()
      .package("torch", "1.0.0", { features: { cpu: [], cuda: [] } })
      .package("torch", "2.0.0", { features: { cpu: [], cuda: [] }, exclusiveFeatures: [["cuda", "cpu"]] });
    expect(await ids(world, [need("torch", ">=1.0.0", { features: ["cpu", "cuda"] })])).toEqual(["torch 1.0.0"]);
  });

  it("holds for the features of a root, and for those that features bring", async () => {
    const root = {
      name: "myapp",
      dependencies: [],
      features: { fast: ["simd"], simd: [], plain: [] },
      exclusiveFeatures: [["simd", "plain"]],
    };
    const provider = universe().provider();
    const alone = await resolve({ roots: [{ ...root, enable: ["fast"] }] }, provider);
    expect(alone.status).toBe("solved");
    const both = await resolve({ roots: [{ ...root, enable: ["fast", "plain"] }] }, provider);
    if (both.status !== "unsolvable") throw new Error("expected none");
    expect(both.explanation).toContain('myapp cannot have "plain" and "simd" on together');
    expect(both.suggestions.map(({ message }) => message)).toEqual([
      'switch off feature "plain" of myapp and everything resolves',
      'switch off feature "fast" of myapp and everything resolves',
    ]);
  });

  it("explains a feature of a root that brings a dependency without a version, and what helps", async () => {
    const failed = await resolve(
      {
        roots: [
          {
            name: "myapp",
            dependencies: [need("x", ">=2.0.0", { optional: true })],
            features: { more: ["dep:x"] },
            enable: ["more"],
          },
        ],
      },
      universe().package("x", "1.0.0").provider(),
    );
    if (failed.status !== "unsolvable") throw new Error("expected none");
    expect(failed.explanation).toBe(
      'Because myapp brings its optional dependency "x" and myapp with optional x depends on x >=2.0.0 and only 1.0.0 exists, myapp[more] cannot be used.\n' +
        'So, because myapp asks for its own feature "more", there is no solution.',
    );
  });

  it("applies to one slot at a time under per-major", async () => {
    const world = universe()
      .package("torch", "1.0.0", torch)
      .package("torch", "2.0.0", torch)
      .package("left", "1.0.0", {
        dependencies: [need("torch", ">=1.0.0 <2.0.0-0", { features: ["cuda"], defaultFeatures: false })],
      })
      .package("right", "1.0.0", { dependencies: [need("torch", ">=2.0.0 <3.0.0-0")] });
    const { packages } = await solved(world, { left: ">=1.0.0", right: ">=1.0.0" }, { coexistence: "per-major" });
    expect(packages.filter(({ key }) => key === "torch").map(({ features }) => features)).toEqual([
      ["cuda"],
      ["cpu", "default"],
    ]);
  });
});

const KEYS = ["a", "b", "c"] as const;
const FEATURES = ["f", "g", "h"] as const;

const dependency: fc.Arbitrary<Dependency> = fc.record({
  key: fc.constantFrom(...KEYS),
  requirement: fc.constantFrom(">=1.0.0", ">=2.0.0", "<2.0.0"),
  features: fc.uniqueArray(fc.constantFrom(...FEATURES), { maxLength: 2 }),
});
const dependencies = fc.uniqueArray(dependency, { selector: ({ key }) => key, maxLength: 2 });
const candidate: fc.Arbitrary<Omit<Candidate, "version">> = fc.record({
  dependencies,
  features: fc
    .dictionary(fc.constantFrom(...FEATURES), fc.uniqueArray(fc.constantFrom(...FEATURES), { maxLength: 1 }), {
      maxKeys: 3,
    })
    // What a list names has to be there, or the version is no candidate for another reason.
    .map((table) =>
      Object.fromEntries(
        Object.entries(table).map(([name, list]) => [name, list.filter((one) => Object.hasOwn(table, one))]),
      ),
    ),
  exclusiveFeatures: fc.array(fc.uniqueArray(fc.constantFrom(...FEATURES), { minLength: 2, maxLength: 3 }), {
    maxLength: 2,
  }),
});
const worlds: fc.Arbitrary<UniverseBuilder> = fc
  .array(fc.tuple(fc.constantFrom(...KEYS), fc.array(candidate, { minLength: 1, maxLength: 3 })), { maxLength: 3 })
  .map((entries) => {
    let world = universe();
    for (const [key, candidates] of new Map(entries))
      candidates.forEach((one, i) => (world = world.package(key, `${i + 1}.0.0`, one)));
    return world;
  });

it("resolve() finds what exhaustive search finds where features exclude each other", async () => {
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(worlds, dependencies, async (world, wanted) => {
      const answer = await ask(world, wanted, { suggest: false });
      const expected = bruteForce({ roots: [{ name: "myapp", dependencies: wanted }] }, world.metadata());
      const refuses = answer.status === "unsolvable";
      if (refuses && answer.explanation.includes("together")) refused++;
      const found = refuses ? undefined : new Map(answer.packages.map(({ key, version }) => [key, version]));
      expect(found && Object.fromEntries(found)).toEqual(expected && Object.fromEntries(expected));
    }),
    { numRuns: 400, seed: 3 },
  );
  // The rule has to have mattered.
  expect(refused).toBeGreaterThan(5);
});
