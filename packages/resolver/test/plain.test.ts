import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createResolver, createUniversalResolver, type DependencyProvider, type ResolveInput } from "../src/index.ts";
import { solveConformanceFile, universe, type UniverseBuilder } from "../src/testing.ts";

const KEYS = ["a", "b", "c", "d", "e", "f", "g"];
const VERSIONS = ["1.0.0", "1.1.0", "1.2.0", "2.0.0", "2.1.0-rc.1", "2.1.0"];
/** Narrow ones, so that most questions take some conflicts. */
const REQUIREMENTS = [
  "=1.0.0",
  "=1.2.0",
  "=2.1.0",
  ">=1.1.0 <2.0.0",
  ">=2.0.0",
  "<1.2.0",
  "*",
  "*",
  "*",
  ">=1.1.0",
  ">=2.1.0-rc.0",
];

const dependency = fc.record(
  {
    key: fc.constantFrom(...KEYS, ...KEYS, ...KEYS, "missing"),
    requirement: fc.constantFrom(...REQUIREMENTS),
    targets: fc.constantFrom(["linux"], ["windows"], ["linux", "windows"]),
    hosts: fc.constantFrom({ app: ">=2025.0.0" }, { app: "<2025.0.0" }),
    kind: fc.constantFrom("normal" as const, "build" as const, "dev" as const, "peer" as const),
  },
  { requiredKeys: ["key", "requirement"] },
);

const registry: fc.Arbitrary<UniverseBuilder> = fc
  .array(
    fc.record({
      key: fc.constantFrom(...KEYS),
      version: fc.constantFrom(...VERSIONS),
      dependencies: fc.uniqueArray(dependency, { maxLength: 3, selector: ({ key }) => key }),
      yanked: fc.nat(11).map((n) => n === 0),
      hosts: fc.constantFrom(undefined, undefined, undefined, undefined, { app: ">=2025.0.0" }),
    }),
    { minLength: 12, maxLength: 34 },
  )
  .map((list) => {
    const unique = new Map(list.map((one) => [`${one.key} ${one.version}`, one]));
    return [...unique.values()].reduce(
      (builder, { key, version, dependencies, yanked, hosts }) =>
        builder.package(key, version, {
          dependencies,
          ...(yanked ? { excluded: [{ reason: "yanked" as const, text: "it was yanked" }] } : {}),
          ...(hosts === undefined ? {} : { hosts }),
        }),
      universe(),
    );
  });

const input: fc.Arbitrary<ResolveInput> = fc.record({
  roots: fc
    .uniqueArray(dependency, { minLength: 1, maxLength: 4, selector: ({ key }) => key })
    .map((dependencies) => [{ name: "app", dependencies }]),
  prefer: fc.constantFrom("newest" as const, "oldest" as const, "lowest-direct" as const),
  prereleases: fc.constantFrom("named" as const, "fallback" as const, "allow" as const, "never" as const),
  hosts: fc.constantFrom({}, { app: ["2024"] }, { app: ["2024", "2026"] }),
  locked: fc.uniqueArray(fc.record({ key: fc.constantFrom(...KEYS), version: fc.constantFrom(...VERSIONS) }), {
    maxLength: 3,
    selector: ({ key }) => key,
  }),
  suggest: fc.constant(false),
});

/** What a search costs may differ; nothing else. */
const told = (value: unknown): string =>
  JSON.stringify(value, (key, inner: unknown) => (key === "statistics" ? undefined : inner));

describe("resolve() of plain questions", () => {
  test("gives what the full search gives, which a budget calls for", () => {
    let solved = 0;
    fc.assert(
      fc.property(registry, input, (builder, given) => {
        const quick = createResolver(given, builder.provider()).step();
        const full = createResolver({ ...given, budget: 1_000_000 }, builder.provider()).step();
        expect(told(quick)).toBe(told(full));
        solved += quick.status === "done" && quick.resolution.status === "solved" ? 1 : 0;
      }),
      { numRuns: 120 },
    );
    expect(solved).toBeGreaterThan(5);
    expect(solved).toBeLessThan(115);
  });

  test("gives every environment of a grid what the full search gives it", () => {
    const environments = { hosts: { app: ["2024", "2026"] }, targets: ["linux", "windows"] };
    fc.assert(
      fc.property(registry, input, (builder, given) => {
        const { roots, prefer, prereleases, suggest } = given as Required<ResolveInput>;
        const question = { roots, prefer, prereleases, suggest, environments };
        const quick = createUniversalResolver(question, builder.provider()).step();
        const full = createUniversalResolver({ ...question, budget: 1_000_000 }, builder.provider()).step();
        expect(told(quick)).toBe(told(full));
      }),
      { numRuns: 30 },
    );
  });

  test("leaves a question to the full search after as many steps as were granted", () => {
    // Each version of `a` is refuted by itself.
    const builder = ["1.0.0", "1.1.0", "1.2.0"].reduce(
      (all, version) => all.package("a", version, { b: "*", c: "*" }),
      universe().package("b", "1.0.0", { d: "=1.0.0" }).package("c", "1.0.0", { d: "=2.0.0" }),
    );
    const provider = builder.package("d", "1.0.0").package("d", "2.0.0").package("a", "0.9.0").provider();
    const resolver = createResolver(
      { roots: [{ name: "app", dependencies: [{ key: "a", requirement: "*" }] }] },
      provider,
    );
    let steps = 0;
    let step = resolver.step(1);
    for (; step.status === "working"; steps++) step = resolver.step(1);
    expect(steps).toBeGreaterThan(0);
    expect(step).toMatchObject({ status: "done", resolution: { packages: [{ id: "a 0.9.0" }] } });
  });
});

describe("resolve() of several questions to one provider", () => {
  const ask = (provider: DependencyProvider, key: string, requirement = "*"): unknown => {
    const step = createResolver({ roots: [{ name: "app", dependencies: [{ key, requirement }] }] }, provider).step();
    return step.status === "done" && step.resolution.status === "solved"
      ? step.resolution.packages.map(({ id }) => id)
      : step;
  };

  test("reads again what was read in part only, because it is more than plain", () => {
    const provider = universe()
      .package("a", "1.0.0", { b: "*" })
      .package("b", "1.0.0", { c: "*" })
      .package("b", "2.0.0", { dependencies: [{ key: "c", requirement: "*" }], features: { default: [] } })
      .package("c", "1.0.0")
      .provider();
    const expected = ["a 1.0.0", "b 2.0.0", "c 1.0.0"];
    expect(ask(provider, "a")).toEqual(expected);
    expect(ask(provider, "a")).toEqual(expected);
    expect(ask(provider, "b", "<9.0.0")).toEqual(["b 2.0.0", "c 1.0.0"]);
    expect(ask(provider, "c")).toEqual(["c 1.0.0"]);
    expect(ask(provider, "a")).toEqual(expected);
  });

  test("notices a package that is not what it was", () => {
    const before = universe().package("a", "1.0.0", { b: "*" }).package("b", "1.0.0").metadata();
    const after = universe().package("a", "1.0.0", { b: "*" }).package("b", "1.0.0").package("b", "1.1.0").metadata();
    let now = before;
    const provider: DependencyProvider = { get: (key) => now.get(key), load: () => Promise.resolve() };
    expect(ask(provider, "a")).toEqual(["a 1.0.0", "b 1.0.0"]);
    now = after;
    expect(ask(provider, "a")).toEqual(["a 1.0.0", "b 1.1.0"]);
    now = before;
    expect(ask(provider, "a")).toEqual(["a 1.0.0", "b 1.0.0"]);
  });

  test("keeps what one question says of versions out of the next", () => {
    const provider = universe().package("a", "1.0.0").package("a", "2.0.0").package("a", "3.0.0-rc.1").provider();
    const version = (more: Partial<ResolveInput>): unknown => {
      const input = { roots: [{ name: "app", dependencies: [{ key: "a", requirement: "*" }] }], ...more };
      const step = createResolver(input, provider).step();
      return step.status === "done" && step.resolution.status === "solved"
        ? step.resolution.packages[0]!.version
        : step;
    };
    expect(version({})).toBe("2.0.0");
    expect(version({ locked: [{ key: "a", version: "1.0.0" }] })).toBe("1.0.0");
    expect(version({ prefer: "oldest" })).toBe("1.0.0");
    expect(version({ prereleases: "allow" })).toBe("3.0.0-rc.1");
    expect(version({ overrides: [{ key: "a", requirement: "=1.0.0" }] })).toBe("1.0.0");
    expect(
      version({
        exclude: (_, { version: one }) => (one === "2.0.0" ? [{ reason: "policy", text: "it is not liked" }] : []),
      }),
    ).toBe("1.0.0");
    expect(version({})).toBe("2.0.0");
  });
});

type Table = Readonly<Record<string, number>>;

describe("solveConformanceFile() of a whole registry", () => {
  test("says of every version what a search for it alone says", () => {
    const ranges = [["*", 0, 3], ["low", 0, 0], ["mid", 1, 2], ["high", 3, 3], ["ends", 0, 0, 3, 3], ["none"]];
    const table: fc.Arbitrary<Table> = fc.dictionary(fc.constantFrom("a", "b", "c", "d", "e"), fc.nat(5), {
      maxKeys: 3,
    });
    const packages = fc.tuple(...Array.from({ length: 5 }, () => fc.array(table, { minLength: 4, maxLength: 4 })));
    let impossible = 0;
    fc.assert(
      fc.property(packages, fc.subarray([0, 1, 2, 3]), (tables, yanked) => {
        const names = ["a", "b", "c", "d", "e"];
        const versions = ["1", "2", "3", "4"];
        const one = Object.fromEntries(
          names.map((name, i) => [name, { versions, ranges, deps: tables[i], ...(i === 4 ? { yanked } : {}) }]),
        );
        const roots = Object.fromEntries(names.map((name) => [name, "????"]));
        const cases = names.flatMap((name) =>
          versions.map((version, i) => ({
            name: `${name} ${version}`,
            universe: "one",
            root: { [name]: [`=${version}`, i, i] },
          })),
        );
        const { answers } = solveConformanceFile({ universes: { one }, roots });
        const alone = solveConformanceFile({ universes: { one }, cases }).answers as Record<string, { result: string }>;
        const letters = names.map(
          (name) => [name, versions.map((v) => alone[`${name} ${v}`]!.result.charAt(0)).join("")] as const,
        );
        expect(answers).toEqual(Object.fromEntries(letters));
        impossible += letters.filter(([, text]) => text.includes("u")).length;
      }),
      { numRuns: 20 },
    );
    expect(impossible).toBeGreaterThan(10);
  });
});
