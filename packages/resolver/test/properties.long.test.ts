import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createResolver, resolve, type Dependency, type Resolution, type ResolveInput } from "../src/index.ts";
import { bruteForce, memoryProvider, universe, type UniverseBuilder } from "../src/testing.ts";

const KEYS = ["a", "b", "c", "d", "e"];
const VERSIONS = ["1.0.0", "1.1.0", "2.0.0", "2.1.0-rc.1", "3.0.0"];
const REQUIREMENTS = ["*", ">=1.0.0 <2.0.0", ">=2.0.0", "<3.0.0", "=1.0.0", "=3.0.0", ">=2.1.0-rc.0", ">=9.0.0"];
const RUNS = { numRuns: 120 };

const dependency = (peers: boolean): fc.Arbitrary<Dependency> =>
  fc.record({
    key: fc.constantFrom(...KEYS),
    requirement: fc.constantFrom(...REQUIREMENTS, "*", "*", ">=1.0.0"),
    ...(peers
      ? { kind: fc.constantFrom("normal" as const, "normal" as const, "peer" as const), optional: fc.boolean() }
      : {}),
  });

/** Optional means optional peer here: the oracle knows no features. */
const plain = (one: Dependency): Dependency => (one.kind === "peer" ? one : { ...one, optional: false });

const oncePerKey = (list: readonly Dependency[]): Dependency[] => [
  ...new Map(list.map((one) => [one.key, plain(one)])).values(),
];

const world: fc.Arbitrary<UniverseBuilder> = fc
  .array(
    fc.record({
      key: fc.constantFrom(...KEYS),
      version: fc.constantFrom(...VERSIONS),
      dependencies: fc.array(dependency(true), { maxLength: 3 }),
      yanked: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    }),
    { maxLength: 16 },
  )
  // Mostly every package exists at all; where one does not, that is a case of its own.
  .map((list) => [
    ...KEYS.slice(list.length % 4 === 0 ? 1 : 0).map((key) => ({
      key,
      version: "1.1.0",
      dependencies: [],
      yanked: false,
    })),
    ...list,
  ])
  .map((list) => {
    const unique = new Map(list.map((one) => [`${one.key} ${one.version}`, one]));
    return [...unique.values()].reduce(
      (builder, { key, version, dependencies, yanked }) =>
        builder.package(key, version, {
          dependencies: oncePerKey(dependencies),
          excluded: yanked ? [{ reason: "yanked", text: "it was yanked" }] : [],
        }),
      universe(),
    );
  });

const input: fc.Arbitrary<ResolveInput> = fc.record({
  roots: fc
    .array(dependency(false), { minLength: 1, maxLength: 4 })
    .map((dependencies) => [{ name: "myapp", dependencies: oncePerKey(dependencies) }]),
  prefer: fc.constantFrom("newest" as const, "oldest" as const),
  locked: fc.uniqueArray(fc.record({ key: fc.constantFrom(...KEYS), version: fc.constantFrom(...VERSIONS) }), {
    maxLength: 3,
    selector: ({ key }) => key,
  }),
  overrides: fc
    .option(fc.record({ key: fc.constantFrom(...KEYS), requirement: fc.constantFrom(...REQUIREMENTS) }), { freq: 5 })
    .map((one) => (one === null ? [] : [one])),
  suggest: fc.constant(false),
});

function solve(given: ResolveInput, builder: UniverseBuilder): Resolution {
  const step = createResolver(given, builder.provider()).step();
  if (step.status === "needs") throw new Error("an eager provider needs no loading");
  return step.resolution;
}

function versions(resolution: Resolution): Record<string, string> | "none" {
  if (resolution.status === "unsolvable") return "none";
  return Object.fromEntries(resolution.packages.map((one) => [one.key, one.version]));
}

describe("resolve() against exhaustive search", () => {
  test("finds the canonical answer wherever there is one, and proves that there is none elsewhere", () => {
    let solvable = 0;
    fc.assert(
      fc.property(world, input, (builder, given) => {
        const oracle = bruteForce(given, builder.metadata());
        solvable += oracle === undefined ? 0 : 1;
        expect(versions(solve(given, builder))).toEqual(oracle === undefined ? "none" : Object.fromEntries(oracle));
      }),
      { numRuns: 400 },
    );
    expect(solvable).toBeGreaterThan(40);
    expect(solvable).toBeLessThan(360);
  });

  test("per-major has a solution exactly where exhaustive search has one", () => {
    fc.assert(
      fc.property(world, input, (builder, given) => {
        const perMajor: ResolveInput = { ...given, coexistence: "per-major", overrides: [], locked: [] };
        const withoutPeers = mapDependencies(builder, (one) => (one.kind === "peer" ? [] : [one]));
        expect(solve(perMajor, withoutPeers).status === "solved").toBe(solvablePerMajor(perMajor, withoutPeers));
      }),
      RUNS,
    );
  });
});

/** What may tell in which steps metadata came: the cost, and which of several proofs was found. */
const OF_THE_WAY = { statistics: null, proof: null, explanation: null, requirements: null };

describe("resolve()", () => {
  test("gives one answer whatever the order of versions and the latency of metadata", async () => {
    await fc.assert(
      fc.asyncProperty(world, input, fc.array(fc.nat(5), { minLength: 8 }), async (builder, given, delays) => {
        const eager = solve(given, builder);
        const shuffled = new Map(
          [...builder.metadata()].map(([key, { candidates }]) => [key, { candidates: [...candidates].reverse() }]),
        );
        let next = 0;
        const latency = async (): Promise<void> => {
          for (let i = delays[next++ % delays.length]!; i > 0; i--) await Promise.resolve();
        };
        const slow = await resolve(given, memoryProvider(shuffled, false, { latency }));
        const quick = await resolve(given, builder.lazyProvider());
        expect(slow).toEqual(quick);
        expect({ ...slow, ...OF_THE_WAY }).toEqual({ ...eager, ...OF_THE_WAY });
      }),
      RUNS,
    );
  });

  test("does not depend on whether speculative metadata arrives", async () => {
    await fc.assert(
      fc.asyncProperty(world, input, async (builder, given) => {
        const inner = builder.lazyProvider();
        const lean = { ...inner, load: (keys: readonly string[]) => inner.load(keys, { speculative: [] }) };
        expect(versions(await resolve(given, lean))).toEqual(versions(await resolve(given, builder.lazyProvider())));
      }),
      RUNS,
    );
  });

  test("still has a solution when a requirement is removed", () => {
    fc.assert(
      fc.property(world, input, fc.nat(3), (builder, given, which) => {
        const [root] = given.roots;
        const fewer = {
          ...given,
          roots: [{ ...root!, dependencies: root!.dependencies.filter((_, i) => i !== which) }],
        };
        fc.pre(solve(given, builder).status === "solved");
        expect(solve(fewer, builder).status).toBe("solved");
      }),
      RUNS,
    );
  });

  test("does not heed versions that nobody can choose", () => {
    fc.assert(
      fc.property(world, input, fc.constantFrom(...KEYS), (builder, given, key) => {
        const dead = builder
          .package(key, "9.0.0", { gone: "*" })
          .package(key, "9.1.0", { [key]: "=9.0.0" })
          .package(key, "0.0.1", { excluded: [{ reason: "held", text: "not approved" }] });
        // What the old versions cannot be told from is left alone: an override or a lock may name the new ones.
        fc.pre((given.overrides ?? []).every((one) => one.key !== key));
        expect(versions(solve(given, dead))).toEqual(versions(solve(given, builder)));
      }),
      RUNS,
    );
  });

  test("gives the same answer when a version that was not chosen is removed", () => {
    fc.assert(
      fc.property(world, input, fc.nat(), (builder, given, which) => {
        const answer = solve(given, builder);
        fc.pre(answer.status === "solved");
        const chosen = new Set(answer.packages.map(({ id }) => id));
        const all = [...builder.metadata()].flatMap(([key, { candidates }]) =>
          candidates.map((candidate) => ({ key, candidate })),
        );
        const spare = all.filter(({ key, candidate }) => !chosen.has(`${key} ${candidate.version}`));
        const gone = spare[which % Math.max(spare.length, 1)];
        const fewer = all
          .filter((one) => one !== gone)
          .reduce((made, { key, candidate }) => made.package(key, candidate.version, candidate), universe());
        expect(versions(solve(given, fewer))).toEqual(versions(answer));
      }),
      RUNS,
    );
  });

  test("gives its own answer again when that is the lock", () => {
    fc.assert(
      fc.property(world, input, (builder, given) => {
        const first = solve(given, builder);
        if (first.status === "unsolvable") return;
        const locked = first.packages.map(({ key, version }) => ({ key, version }));
        expect(versions(solve({ ...given, locked }, builder))).toEqual(versions(first));
      }),
      RUNS,
    );
  });

  test("explains every failure in bounded words, whose proof ends in the contradiction", () => {
    fc.assert(
      fc.property(world, input, (builder, given) => {
        const answer = solve({ ...given, suggest: true }, builder);
        if (answer.status === "solved") return;
        expect(answer.explanation).toContain("there is no solution");
        expect(answer.explanation).not.toMatch(/undefined|\[object|impossible/);
        expect(answer.proof.statements.at(-1)!.terms).toEqual([]);
      }),
      RUNS,
    );
  });
});

describe("every combination of policies", () => {
  test("passes the validator and the proof checker, which throw RESOLVE_INTERNAL", () => {
    fc.assert(
      fc.property(
        world,
        input,
        fc.record({
          coexistence: fc.constantFrom("single" as const, "per-major" as const),
          prefer: fc.constantFrom("newest" as const, "oldest" as const, "lowest-direct" as const),
          prereleases: fc.constantFrom("named" as const, "fallback" as const, "allow" as const, "never" as const),
          peers: fc.constantFrom("provide" as const, "check" as const),
        }),
        (builder, given, policies) => {
          const soft = mapDependencies(builder, (one) => [
            one.requirement === ">=2.0.0" ? { ...one, ifPossible: true } : one,
          ]);
          const answer = solve({ ...given, ...policies }, soft);
          expect(["solved", "unsolvable"]).toContain(answer.status);
        },
      ),
      RUNS,
    );
  });
});

describe("features against exhaustive search", () => {
  const FEATURES = ["x", "y"];
  const featured: fc.Arbitrary<UniverseBuilder> = fc
    .array(
      fc.record({
        key: fc.constantFrom("a", "b", "c"),
        version: fc.constantFrom("1.0.0", "2.0.0", "3.0.0"),
        dependencies: fc.array(
          fc.record({
            key: fc.constantFrom("a", "b", "c"),
            requirement: fc.constantFrom("*", "*", ">=2.0.0", "<3.0.0"),
            features: fc.subarray(FEATURES),
            optional: fc.boolean(),
          }),
          { maxLength: 2 },
        ),
        features: fc.dictionary(
          fc.constantFrom(...FEATURES, "default"),
          fc.array(fc.constantFrom("x", "y", "dep:a", "b", "c/x", "a?/y", "b?/x"), { maxLength: 2 }),
        ),
      }),
      { maxLength: 8 },
    )
    .map((list) => {
      const unique = new Map(list.map((one) => [`${one.key} ${one.version}`, one]));
      return [...unique.values()].reduce(
        (builder, { key, version, dependencies, features }) =>
          builder.package(key, version, {
            dependencies: [...new Map(dependencies.map((one) => [one.key, one])).values()],
            features: { ...features },
          }),
        universe(),
      );
    });
  const wanted = fc.array(
    fc.record({
      key: fc.constantFrom("a", "b"),
      requirement: fc.constantFrom("*", ">=2.0.0"),
      features: fc.subarray(FEATURES),
    }),
    { minLength: 1, maxLength: 2 },
  );

  test("a solution is found exactly where one of all assignments closes under features", () => {
    let solvable = 0;
    fc.assert(
      fc.property(featured, wanted, (builder, dependencies) => {
        const expected = solvableWithFeatures(dependencies, builder);
        solvable += expected ? 1 : 0;
        const given: ResolveInput = { roots: [{ name: "myapp", dependencies }], suggest: false };
        expect(solve(given, builder).status === "solved").toBe(expected);
        // Side by side there are more solutions, never fewer.
        const perMajor = solve({ ...given, coexistence: "per-major" }, builder).status;
        expect(perMajor === "solved" || !expected).toBe(true);
      }),
      { numRuns: 400 },
    );
    expect(solvable).toBeGreaterThan(8);
  });
});

// --- oracles ---------------------------------------------------------------------------------------------------------

function mapDependencies(builder: UniverseBuilder, change: (one: Dependency) => Dependency[]): UniverseBuilder {
  let result = universe();
  for (const [key, { candidates }] of builder.metadata()) {
    for (const { version, ...rest } of candidates) {
      result = result.package(key, version, { ...rest, dependencies: rest.dependencies.flatMap(change) });
    }
  }
  return result;
}

const MATCHES: Readonly<Record<string, (version: string) => boolean>> = {
  "*": (v) => !v.includes("-"),
  ">=1.0.0": (v) => !v.includes("-"),
  ">=1.0.0 <2.0.0": (v) => v.startsWith("1."),
  ">=2.0.0": (v) => v === "2.0.0" || v === "3.0.0",
  "<3.0.0": (v) => v.startsWith("1.") || v === "2.0.0",
  "=1.0.0": (v) => v === "1.0.0",
  "=3.0.0": (v) => v === "3.0.0",
  ">=2.1.0-rc.0": (v) => v === "2.1.0-rc.1" || v === "3.0.0",
  ">=9.0.0": () => false,
};

function accepts(one: Dependency, version: string): boolean {
  return MATCHES[one.requirement as string]!(version);
}

/** Any number of versions of a package, at most one for each major. */
function solvablePerMajor(given: ResolveInput, builder: UniverseBuilder): boolean {
  const packages = builder.metadata();
  const search = (chosen: ReadonlyMap<string, Dependency[]>): boolean => {
    const rules = [...given.roots.flatMap((root) => root.dependencies), ...[...chosen.values()].flat()];
    const has = (rule: Dependency): boolean =>
      [...chosen.keys()].some((id) => id.startsWith(`${rule.key} `) && accepts(rule, id.slice(rule.key.length + 1)));
    const open = rules.find((rule) => !has(rule));
    if (open === undefined) return true;
    return (packages.get(open.key)?.candidates ?? [])
      .filter(({ version, excluded }) => (excluded ?? []).length === 0 && accepts(open, version))
      .filter(({ version }) => ![...chosen.keys()].some((id) => id.startsWith(`${open.key} ${version.split(".")[0]}.`)))
      .some(({ version, dependencies }) => search(new Map([...chosen, [`${open.key} ${version}`, [...dependencies]]])));
  };
  return search(new Map());
}

/** Tries every assignment of one version to each package; what is needed is worked out from scratch. */
function solvableWithFeatures(dependencies: readonly Dependency[], builder: UniverseBuilder): boolean {
  const packages = [...builder.metadata()];
  const assign = (index: number, chosen: Map<string, string>): boolean => {
    if (index === packages.length) return closes(dependencies, chosen, builder);
    const [key, { candidates }] = packages[index]!;
    return candidates.some(({ version }) => assign(index + 1, new Map([...chosen, [key, version]])));
  };
  return assign(0, new Map());
}

function closes(
  dependencies: readonly Dependency[],
  chosen: ReadonlyMap<string, string>,
  builder: UniverseBuilder,
): boolean {
  const metadata = builder.metadata();
  const features = new Map<string, Set<string>>();
  const active = new Map<string, Set<string>>();
  const candidateOf = (key: string) => metadata.get(key)?.candidates.find(({ version }) => version === chosen.get(key));
  let changed = true;
  let possible = true;
  const add = <K>(map: Map<K, Set<string>>, key: K, value: string): void => {
    const set = map.get(key) ?? new Set();
    map.set(key, set);
    changed ||= !set.has(value);
    set.add(value);
  };
  const demand = (one: Dependency): void => {
    const candidate = candidateOf(one.key);
    if (candidate === undefined || !accepts(one, candidate.version)) {
      possible = false;
      return;
    }
    if (!features.has(one.key)) changed = true;
    features.set(one.key, features.get(one.key) ?? new Set());
    for (const feature of one.features ?? []) add(features, one.key, feature);
    if (one.defaultFeatures !== false && Object.hasOwn(candidate.features ?? {}, "default"))
      add(features, one.key, "default");
  };
  while (changed && possible) {
    changed = false;
    for (const one of dependencies) demand(one);
    for (const [key, on] of features) {
      const { dependencies: own, features: table = {} } = candidateOf(key)!;
      for (const one of own) if (one.optional !== true || active.get(key)?.has(one.key)) demand(one);
      for (const feature of on) {
        if (!Object.hasOwn(table, feature)) {
          if (own.some((one) => one.optional === true && one.key === feature)) add(active, key, feature);
          else possible = false;
          continue;
        }
        for (const entry of table[feature]!) {
          const [, name = "", weak, foreign] = /^(?:dep:)?([a-z]+)(\?)?(?:\/(.*))?$/.exec(entry)!;
          if (foreign === undefined && !entry.startsWith("dep:") && Object.hasOwn(table, name)) {
            add(features, key, name);
            continue;
          }
          const target = own.find((one) => one.key === name);
          if (target === undefined) {
            possible = false;
            continue;
          }
          if (target.optional === true && weak === undefined) add(active, key, name);
          if (foreign !== undefined && (target.optional !== true || active.get(key)?.has(name))) {
            demand(target);
            if (possible) add(features, name, foreign);
          }
        }
      }
    }
  }
  return possible;
}
