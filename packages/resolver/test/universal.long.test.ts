import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createResolver,
  createUniversalResolver,
  environmentsOf,
  resolveUniversal,
  type Dependency,
  type ResolveInput,
  type TargetEnvironment,
  type UniversalInput,
  type UniversalResolution,
  type UniversalSolution,
} from "../src/index.ts";
import { dependencyList, universe, type UniverseBuilder } from "../src/testing.ts";
import { need } from "./support.ts";

const app = (wanted: Readonly<Record<string, string>> | readonly Dependency[]): ResolveInput["roots"] => [
  { name: "app", dependencies: dependencyList(wanted) },
];

function ask(
  world: UniverseBuilder,
  input: Omit<UniversalInput, "environments"> & Partial<UniversalInput>,
): Promise<UniversalResolution> {
  return resolveUniversal({ environments: { hosts: { revit: ["2024", "2025"] } }, ...input }, world.lazyProvider());
}

async function solved(...given: Parameters<typeof ask>): Promise<UniversalSolution> {
  const resolution = await ask(...given);
  if (resolution.status === "unsolvable") throw new Error(resolution.explanation);
  return resolution;
}

/** `id` -> the environments that it is in, as `2024 2025`. */
function where(resolution: UniversalSolution): Record<string, string> {
  const name = (cell: number): string => Object.values(resolution.environments[cell]!).join("/");
  return Object.fromEntries(resolution.packages.map(({ id, cells }) => [id, cells.map(name).join(" ")]));
}

const range = (from: number, to: number): { revit: string } => ({ revit: `>=${from}.0.0 <${to + 1}.0.0` });

describe("environmentsOf()", () => {
  test("lists every combination, newest host versions first, targets by name and last", () => {
    expect(
      environmentsOf({ hosts: { revit: ["2024", "2025"], python: ["3.9", "3.10"] }, targets: ["b", "a"] }),
    ).toEqual(
      ["3.10", "3.9"].flatMap((python) =>
        ["2025", "2024"].flatMap((revit) => ["a", "b"].map((target) => ({ python, revit, target }))),
      ),
    );
    expect(environmentsOf({})).toEqual([{}]);
  });

  test.each([
    [{ hosts: { revit: [] } }, "has no version"],
    [{ hosts: { revit: ["new"] } }, '"new"'],
    [{ hosts: { revit: ["2024", "2024.0"] } }, "twice"],
    [{ hosts: { target: ["1"] } }, '"target"'],
    [{ targets: [] }, "no target"],
    [{ targets: ["a", "a"] }, '"a"'],
  ])("refuses %j", (grid, text) => {
    expect(() => environmentsOf(grid)).toThrow(
      expect.objectContaining({
        code: "RESOLVE_INPUT_INVALID",
        message: expect.stringContaining(text) as string,
      }) as Error,
    );
  });

  test("refuses a grid that is too large, and names the product", () => {
    const years = Array.from({ length: 33 }, (_, i) => String(2000 + i));
    expect(() => environmentsOf({ hosts: { a: years, b: years } })).toThrow(
      expect.objectContaining({
        code: "RESOLVE_ENVIRONMENTS_TOO_MANY",
        message: "Cannot resolve for 1089 environments (33 of a x 33 of b): the limit is 1024",
      }) as Error,
    );
  });
});

describe("resolveUniversal()", () => {
  const world = universe()
    .package("geometry", "1.0.0", { hosts: range(2021, 2024), dependencies: { core: ">=1.0.0 <2.0.0" } })
    .package("geometry", "2.0.0", { hosts: range(2025, 2026), dependencies: { core: ">=1.0.0 <2.0.0" } })
    .package("core", "1.4.0");

  test("gives each environment the version that supports it, and shares the rest", async () => {
    const resolution = await solved(world, { roots: app({ geometry: "*" }) });
    expect(where(resolution)).toEqual({
      "core 1.4.0": "2025 2024",
      "geometry 1.0.0": "2024",
      "geometry 2.0.0": "2025",
    });
    expect(resolution.roots[0]!.dependencies.map(({ id, cells }) => [id, cells])).toEqual([
      ["geometry 1.0.0", [1]],
      ["geometry 2.0.0", [0]],
    ]);
    expect(resolution.statistics).toMatchObject({ environments: 2, solved: 1, followed: 1, merged: 0 });
  });

  test("solves environments once that differ in nothing that is asked", async () => {
    const hosts = { python: ["3.9", "3.10", "3.11", "3.12"], revit: ["2023", "2024", "2025", "2026"] };
    const { answers, statistics } = await solved(world, { roots: app({ geometry: "*" }), environments: { hosts } });
    expect(answers).toHaveLength(2);
    expect(statistics).toMatchObject({ environments: 16, solved: 1, followed: 1, merged: 14 });
  });

  test("keeps one environment's choice in the others where it can", async () => {
    const other = universe()
      .package("lib", "2.0.0", { hosts: range(2025, 2025) })
      .package("lib", "1.0.0", { hosts: range(2023, 2025) })
      .package("lib", "1.1.0", { hosts: range(2024, 2024) });
    const years = { revit: ["2023", "2024", "2025"] };
    const free = await solved(other, { roots: app({ lib: "*" }), environments: { hosts: years } });
    expect(where(free)).toEqual({ "lib 1.0.0": "2023", "lib 1.1.0": "2024", "lib 2.0.0": "2025" });
    const locked = [{ key: "lib", version: "1.0.0", appliesTo: ({ revit }: TargetEnvironment) => revit === "2023" }];
    const kept = await solved(other, { roots: app({ lib: "*" }), environments: { hosts: years }, locked });
    expect(where(kept)).toEqual({ "lib 1.0.0": "2025 2024 2023" });
    expect(kept.packages[0]!.locked).toBe(true);
  });

  test("mode every gives one answer that holds everywhere", async () => {
    const both = world.package("geometry", "0.9.0", { dependencies: { core: "*" } });
    const resolution = await solved(both, { roots: app({ geometry: "*" }), mode: "every" });
    expect(where(resolution)).toEqual({ "core 1.4.0": "2025 2024", "geometry 0.9.0": "2025 2024" });
    expect((await ask(world, { roots: app({ geometry: "*" }), mode: "every" })).status).toBe("unsolvable");
  });

  test("counts a dependency only for its targets and hosts", async () => {
    const plain = universe().package("posix", "1.0.0").package("wine", "1.0.0").package("legacy", "1.0.0");
    const dependencies = [
      need("posix", "*", { targets: ["arm64-linux", "x86_64-linux"] }),
      need("wine", "*", { targets: ["x86_64-windows"] }),
      need("legacy", "*", { hosts: { revit: "<2025.0.0" } }),
    ];
    const environments = { hosts: { revit: ["2024", "2025"] }, targets: ["x86_64-linux", "x86_64-windows"] };
    const resolution = await solved(plain, { roots: app(dependencies), environments });
    expect(where(resolution)).toEqual({
      "legacy 1.0.0": "2024/x86_64-linux 2024/x86_64-windows",
      "posix 1.0.0": "2025/x86_64-linux 2024/x86_64-linux",
      "wine 1.0.0": "2025/x86_64-windows 2024/x86_64-windows",
    });
  });

  test("says for which environment there is no solution, and which one to leave out", async () => {
    const hosts = { revit: ["2024", "2025", "2027"] };
    const failure = await ask(world, { roots: app({ geometry: "*" }), environments: { hosts } });
    if (failure.status === "solved") throw new Error("expected none");
    expect(failure.failed.map((cell) => failure.environments[cell])).toEqual([{ revit: "2027" }]);
    expect(failure.explanation).toMatch(/^For revit 2027:\n/);
    expect(failure.suggestions).toContainEqual({
      type: "drop-environment",
      message: "leave out revit 2027: every other environment has a solution",
      axis: "revit",
      value: "2027",
    });
  });

  test("suggests leaving out nothing where one value is not enough", async () => {
    const hosts = { revit: ["2019", "2024", "2027"] };
    const failure = await ask(world, { roots: app({ geometry: "*" }), environments: { hosts } });
    if (failure.status === "solved") throw new Error("expected none");
    expect(failure.failed).toHaveLength(2);
    expect(failure.suggestions.map(({ type }) => type)).not.toContain("drop-environment");
  });

  test("falls back to the whole question where following an earlier answer proves nothing", async () => {
    // `mid` is met before `top`'s need of another `base` is known: only the whole search knows which one gives way.
    const tangled = universe()
      .package("top", "2.0.0", { hosts: range(2025, 2025), dependencies: { base: "*" } })
      .package("top", "1.0.0", { hosts: range(2024, 2024), dependencies: { base: ">=2.0.0 <3.0.0" } })
      .package("base", "1.0.0")
      .package("base", "2.0.0");
    const wanted = { base: "*", top: "*" };
    const locked = [{ key: "base", version: "1.0.0", appliesTo: ({ revit }: TargetEnvironment) => revit === "2025" }];
    const answers = {
      "base 1.0.0": "2025",
      "base 2.0.0": "2024",
      "top 1.0.0": "2024",
      "top 2.0.0": "2025",
    };
    // A budget of one's own keeps the search for plain questions away, which needs no conflict here.
    const whole = await solved(tangled, { roots: app(wanted), locked, budget: 1000 });
    expect(where(whole)).toEqual(answers);
    expect(whole.statistics).toMatchObject({ solved: 2, followed: 0 });
    const plain = await solved(tangled, { roots: app(wanted), locked });
    expect(where(plain)).toEqual(answers);
  });

  test("lets others run in a long search, with the same answer", () => {
    // As many pigeons as holes: one way each, after many that do not work.
    const count = 6;
    let birds = universe();
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < count; j++) {
        birds = birds.package(`pigeon${i}`, `1.0.${j}`, { [`hole${j}`]: `=1.0.${i}` }).package(`hole${i}`, `1.0.${j}`);
      }
    }
    const wanted = Object.fromEntries(Array.from({ length: count }, (_, i) => [`pigeon${i}`, "*"]));
    const given: UniversalInput = { roots: app(wanted), environments: { hosts: { revit: ["2024", "2025"] } } };
    const slow = createUniversalResolver(given, birds.provider());
    let pauses = 0;
    let step = slow.step(1);
    for (; step.status === "working"; step = slow.step(1)) pauses++;
    expect(pauses).toBeGreaterThan(0);
    const whole = createUniversalResolver(given, birds.provider()).step();
    const told = (one: typeof step): unknown =>
      one.status === "done" && one.resolution.status === "solved" ? one.resolution.packages : one;
    expect(told(step)).toEqual(told(whole));
  });

  test("rejects with the signal's reason", async () => {
    const reason = new Error("stopped");
    const given: UniversalInput = { roots: app({ geometry: "*" }), environments: {} };
    await expect(resolveUniversal(given, world.lazyProvider(), { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
  });
});

const KEYS = ["a", "b", "c", "d"];
const VERSIONS = ["1.0.0", "1.1.0", "2.0.0", "3.0.0"];
const YEARS = ["2023", "2024", "2025"];

const condition = fc.option(
  fc.tuple(fc.constantFrom(2022, 2024), fc.constantFrom(2024, 2026)).map(([from, to]) => range(from, to)),
  { nil: undefined, freq: 3 },
);
const dependency: fc.Arbitrary<Dependency> = fc
  .record({
    key: fc.constantFrom(...KEYS),
    requirement: fc.constantFrom("*", ">=1.0.0 <2.0.0", ">=2.0.0", "<3.0.0", "=3.0.0"),
    hosts: condition,
    targets: fc.option(fc.constantFrom(["linux"], ["windows"]), { nil: undefined, freq: 3 }),
  })
  .map(({ hosts, targets, ...rest }) => ({ ...rest, ...(hosts && { hosts }), ...(targets && { targets }) }));
const dependencies = fc.uniqueArray(dependency, { maxLength: 3, selector: ({ key }) => key });
const aWorld = fc
  .uniqueArray(
    fc.record({
      key: fc.constantFrom(...KEYS),
      version: fc.constantFrom(...VERSIONS),
      dependencies,
      hosts: condition,
      yanked: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    }),
    { minLength: 4, maxLength: 14, selector: ({ key, version }) => `${key} ${version}` },
  )
  .map((list) =>
    list.reduce(
      (builder, { key, version, hosts, yanked, dependencies: needed }) =>
        builder.package(key, version, {
          dependencies: needed,
          ...(hosts && { hosts }),
          excluded: yanked ? [{ reason: "yanked", text: "it was yanked" }] : [],
        }),
      KEYS.reduce((builder, key) => builder.package(key, "0.1.0"), universe()),
    ),
  );
/** Ten packages of six versions that each need others in narrow intervals, here and there in some environments only. */
const aTightWorld = fc
  .array(
    fc.record({
      condition,
      targets: fc.option(fc.constantFrom(["linux"], ["windows"]), { nil: undefined, freq: 5 }),
      hosts: fc.option(condition, { nil: undefined, freq: 3 }),
      middles: fc.tuple(fc.nat(5), fc.nat(5), fc.nat(5)),
    }),
    { minLength: 60, maxLength: 60 },
  )
  .map((rows) =>
    rows.reduce((builder, row, i) => {
      const from = Math.floor(i / 6);
      const others = [1, 2, 4].map((step) => (from + step) % 10);
      const needed = others.map((to, place): Dependency => {
        const middle = row.middles[place]!;
        const interval = `>=1.${Math.max(middle - 2, 0)}.0 <=1.${middle + 2}.0`;
        const special = place === 0 ? { ...(row.hosts && { hosts: row.hosts }) } : {};
        return need(`p${to}`, interval, place === 1 && row.targets ? { targets: row.targets } : special);
      });
      return builder.package(`p${from}`, `1.${i % 6}.0`, {
        dependencies: needed,
        ...(row.condition && from % 3 === 2 ? { hosts: row.condition } : {}),
      });
    }, universe()),
  );
const anInput: fc.Arbitrary<UniversalInput> = fc.record({
  roots: fc
    .uniqueArray(dependency, { minLength: 1, maxLength: 3, selector: ({ key }) => key })
    .map((list) => [{ name: "app", dependencies: list }]),
  environments: fc.constantFrom(
    { hosts: { revit: YEARS }, targets: ["linux", "windows"] },
    { hosts: { revit: YEARS } },
    { hosts: { revit: ["2024"], other: ["1", "2"] } },
  ),
  coexistence: fc.constantFrom("single" as const, "per-major" as const),
  prefer: fc.constantFrom("newest" as const, "oldest" as const, "lowest-direct" as const),
  suggest: fc.constant(false),
});

/** The definition of the specification, followed to the letter: environment by environment, from the beginning each time. */
function literally(input: UniversalInput, builder: UniverseBuilder): string[] | undefined {
  const first = new Map<string, Set<string>>();
  const answers: string[] = [];
  for (const { target, ...hosts } of environmentsOf(input.environments)) {
    const { environments: _, locked: __, mode: ___, ...rest } = input;
    const step = createResolver(
      {
        ...rest,
        hosts: Object.fromEntries(Object.entries(hosts).map(([axis, version]) => [axis, [version]])),
        ...(target === undefined ? {} : { targets: [target] }),
        locked: [...first].flatMap(([key, all]) => [...all].map((version) => ({ key, version }))),
      },
      builder.provider(),
    ).step();
    if (step.status === "needs") throw new Error("an eager provider needs no loading");
    if (step.resolution.status === "unsolvable") return undefined;
    const fresh = new Map<string, Set<string>>();
    for (const { key, version } of step.resolution.packages)
      if (!first.has(key)) fresh.set(key, (fresh.get(key) ?? new Set()).add(version));
    for (const [key, all] of fresh) first.set(key, all);
    answers.push(
      step.resolution.packages
        .map(({ id, dependencies: all }) => `${id}: ${all.map((one) => one.id).join()}`)
        .join("; "),
    );
  }
  return answers;
}

/** What the joined answer says of each environment. */
function projections({ environments, packages }: UniversalSolution): string[] {
  return environments.map((_, cell) =>
    packages
      .filter(({ cells }) => cells.includes(cell))
      .map(
        ({ id, dependencies: all }) =>
          `${id}: ${all
            .filter(({ cells }) => cells.includes(cell))
            .map((one) => one.id)
            .join()}`,
      )
      .join("; "),
  );
}

describe("properties", () => {
  test("is in every environment what solving one after the other gives, whatever was followed or merged", async () => {
    await fc.assert(
      fc.asyncProperty(aWorld, anInput, async (builder, input) => {
        const resolution = await resolveUniversal(input, builder.provider());
        const expected = literally(input, builder);
        expect(resolution.status === "solved" ? projections(resolution) : undefined).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  });

  test("is so too where each environment takes conflicts, and goes on with what others have learned", async () => {
    let learned = 0;
    await fc.assert(
      fc.asyncProperty(aTightWorld, async (builder) => {
        const input: UniversalInput = {
          roots: app({ p0: "*", p1: "*" }),
          environments: { hosts: { revit: YEARS }, targets: ["linux", "windows"] },
          suggest: false,
        };
        const resolution = await resolveUniversal(input, builder.provider());
        // With a budget of one's own, each environment goes to the full search.
        const expected = literally({ ...input, budget: 100_000 }, builder);
        expect(resolution.status === "solved" ? projections(resolution) : undefined).toEqual(expected);
        if (resolution.status !== "solved") return;
        const later = resolution.answers.slice(1);
        learned += later.filter(({ resolution: { statistics } }) => statistics.conflicts > 0).length;
      }),
      { numRuns: 60 },
    );
    expect(learned).toBeGreaterThan(10);
  });

  test("an answer given back as the lock is the answer again", async () => {
    await fc.assert(
      fc.asyncProperty(aWorld, anInput, async (builder, input) => {
        // With several versions side by side a range that spans them may take another of the locked ones.
        const given = { ...input, coexistence: "single" as const };
        const resolution = await resolveUniversal(given, builder.provider());
        fc.pre(resolution.status === "solved");
        const { environments, packages } = resolution;
        const locked = packages.map(({ key, version, cells }) => ({
          key,
          version,
          appliesTo: (one: TargetEnvironment) => cells.some((cell) => sameEnvironment(environments[cell]!, one)),
        }));
        const again = await resolveUniversal({ ...given, locked }, builder.provider());
        expect(again.status === "solved" ? projections(again) : undefined).toEqual(projections(resolution));
      }),
      { numRuns: 80 },
    );
  });

  test("is the same under 200 orders in which metadata arrives", async () => {
    const [builder] = fc.sample(aWorld, { numRuns: 1, seed: 11 });
    const [input] = fc.sample(anInput, { numRuns: 1, seed: 11 });
    const expected = JSON.stringify(await withoutCosts(input!, builder!, () => Promise.resolve()));
    for (let order = 0; order < 200; order++) {
      let seed = order + 1;
      const latency = async (): Promise<void> => {
        seed = (seed * 48271) % 2147483647;
        for (let turns = seed % 7; turns > 0; turns--) await Promise.resolve();
      };
      expect(JSON.stringify(await withoutCosts(input!, builder!, latency))).toBe(expected);
    }
  });
});

function sameEnvironment(left: TargetEnvironment, right: TargetEnvironment): boolean {
  return Object.entries(left).every(([axis, value]) => right[axis] === value);
}

async function withoutCosts(
  input: UniversalInput,
  builder: UniverseBuilder,
  latency: (key: string) => Promise<void>,
): Promise<object> {
  const { statistics: _, ...rest } = await resolveUniversal(input, builder.lazyProvider({ latency }));
  return "answers" in rest ? { ...rest, answers: rest.answers.map(({ cells }) => cells) } : rest;
}
