import * as fc from "fast-check";
import { expect, test } from "vitest";
import { resolve, resolveUniversal, whyNot, type Dependency, type ResolveInput } from "../src/index.ts";
import { dependencyList, universe, type FakeProvider, type UniverseBuilder } from "../src/testing.ts";

type Way = (world: UniverseBuilder) => FakeProvider;

const latency = async (key: string): Promise<void> => {
  for (let turns = key.length % 4; turns > 0; turns--) await Promise.resolve();
};
const WAYS: readonly Way[] = [
  (world) => world.provider(),
  (world) => world.lazyProvider(),
  (world) => world.lazyProvider({ latency }),
  (world) => {
    const inner = world.lazyProvider();
    return { ...inner, load: (keys, options) => inner.load(keys, { ...options, speculative: [] }) };
  },
];

function inputOf(wanted: readonly Dependency[], more: Partial<ResolveInput> = {}): ResolveInput {
  return { roots: [{ name: "myapp", dependencies: wanted }], ...more };
}

/** All that is said where there is no solution, by each way in which metadata may come. */
async function told(world: UniverseBuilder, input: ResolveInput): Promise<unknown[]> {
  return Promise.all(
    WAYS.map(async (way) => {
      const { statistics: _, ...rest } = await resolve(input, way(world));
      return rest;
    }),
  );
}

const world = universe()
  .package("web", "1.0.0", { gone: ">=1.0.0" })
  .package("web", "1.1.0", { gone: ">=1.0.0", core: ">=1.0.0" })
  .package("core", "1.0.0", { web: "*" })
  .package("logger", "1.0.0");

const CASES: Readonly<Record<string, readonly [Readonly<Record<string, string>>, expected: string]>> = {
  "that a root names": [
    { gone: ">=1.0.0 <2.0.0-0" },
    "Because myapp depends on gone ^1.0.0, which does not exist (not in the fake registry), there is no solution.",
  ],
  "that every version of a package names": [
    { web: "*" },
    "Because myapp depends on web any which depends on gone >=1.0.0, which does not exist (not in the fake registry), there is no solution.",
  ],
  "beside what can be found": [
    { core: "*", lodger: "*" },
    "Because myapp depends on lodger any, which does not exist (not in the fake registry), there is no solution.",
  ],
};

test.each(Object.entries(CASES))(
  "resolve() words a package %s alike from every provider",
  async (_, [wanted, text]) => {
    const [plain, ...others] = await told(world, inputOf(dependencyList(wanted)));
    expect(plain).toMatchObject({ status: "unsolvable", explanation: text });
    for (const other of others) expect(other).toEqual(plain);
  },
);

test("resolve() finds what was meant by a name that does not exist, from every provider that knows names", async () => {
  const named = universe().package("core", "1.0.0").package("logger", "1.0.0", { core: "*" });
  const input = inputOf(dependencyList({ logger: "*", cor: "*" }));
  for (const way of WAYS) {
    const answer = await resolve(input, { ...way(named), names: () => ["core", "logger"] });
    expect(answer).toMatchObject({ suggestions: [{ type: "rename-root", key: "core", version: "1.0.0" }] });
  }
});

test("resolveUniversal() and whyNot() word a package that does not exist alike from every provider", async () => {
  const roots = inputOf(dependencyList({ web: "*" })).roots;
  const environments = { hosts: { app: ["1.0.0", "2.0.0"] } };
  const locks = await Promise.all(WAYS.map((way) => resolveUniversal({ roots, environments }, way(world))));
  const whys = await Promise.all(
    WAYS.map((way) =>
      whyNot({ input: inputOf(dependencyList({ logger: "*" })), provider: way(world) }, "web", "1.0.0"),
    ),
  );
  for (const { statistics: _, ...lock } of locks) {
    const { statistics: __, ...plain } = locks[0]!;
    expect(lock).toMatchObject({ status: "unsolvable" });
    expect(lock).toEqual(plain);
  }
  for (const why of whys) expect(why).toEqual(whys[0]);
  expect(whys[0]).toMatchObject({ verdict: "impossible" });
  expect(whys[0]!.reason).toContain("which does not exist (not in the fake registry)");
});

const KEYS = ["a", "b", "c", "d", "gone", "lost"];
const dependencies = fc
  .array(
    fc.record({ key: fc.constantFrom(...KEYS), requirement: fc.constantFrom("*", ">=2.0.0", "<2.0.0", "=1.0.0") }),
    {
      maxLength: 3,
    },
  )
  .map((list): Dependency[] => [...new Map(list.map((one) => [one.key, one])).values()]);
const worlds = fc
  .array(
    fc.record({
      key: fc.constantFrom(...KEYS.slice(0, 4)),
      version: fc.constantFrom("1.0.0", "1.1.0", "2.0.0"),
      dependencies,
    }),
    { minLength: 3, maxLength: 10 },
  )
  .map((list) =>
    [...new Map(list.map((one) => [`${one.key} ${one.version}`, one])).values()].reduce(
      (builder, { key, version, ...candidate }) => builder.package(key, version, candidate),
      universe(),
    ),
  );

test("resolve() says the same of packages that do not exist whatever way metadata comes", async () => {
  let missing = 0;
  await fc.assert(
    fc.asyncProperty(
      worlds,
      dependencies,
      fc.constantFrom("single", "per-major"),
      async (builder, wanted, coexistence) => {
        const [plain, ...others] = await told(builder, inputOf(wanted, { coexistence }));
        for (const other of others) expect(other).toEqual(plain);
        if (JSON.stringify(plain).includes("which does not exist")) missing++;
      },
    ),
    { numRuns: 50, seed: 7 },
  );
  expect(missing).toBeGreaterThan(8);
});
