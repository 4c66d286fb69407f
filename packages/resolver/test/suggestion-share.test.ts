import { describe, expect, test } from "vitest";
import { createResolver, type Dependency, type Resolution, type ResolveInput, type Suggestion } from "../src/index.ts";
import { followSuggestion, universe, type Question, type UniverseBuilder } from "../src/testing.ts";
import { need } from "./support.ts";

/** Numbers of one case: the same for the same seed, on every machine. */
type Pick = (most: number) => number;
/** One kind of conflict: the packages that it takes, and what the root asks for. */
type Shape = (world: UniverseBuilder, pick: Pick) => Posed;
interface Posed {
  readonly world: UniverseBuilder;
  readonly wanted: readonly Dependency[];
  readonly more?: Partial<ResolveInput>;
}

const SEEDS = 10;

function picker(seed: number): Pick {
  let state = (seed + 1) * 0x9e3779b1;
  return (most) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) | 0;
    return ((state ^ (state >>> 13)) >>> 0) % most;
  };
}

const majors = (world: UniverseBuilder, key: string, count: number): UniverseBuilder =>
  Array.from({ length: count }).reduce<UniverseBuilder>((all, _, i) => all.package(key, `${i + 1}.0.0`), world);

const major = (n: number): string => `>=${n}.0.0 <${n + 1}.0.0`;

/** Packages that stand between the root and what it is about; gives the one that the root asks for. */
function through(world: UniverseBuilder, depth: number, name: string, need: Record<string, string>): UniverseBuilder {
  if (depth === 0) return world.package(name, "1.0.0", need);
  return through(world.package(name, "1.0.0", { [`${name}-in`]: "*" }), depth - 1, `${name}-in`, need);
}

const held = (reason: "yanked" | "cooldown", text: string, until?: string) => ({
  excluded: [{ reason, text, ...(until === undefined ? {} : { until }) }],
});

/** With the kind of advice that each kind of conflict is to get: to go without a package would help nearly always. */
const SHAPES: Readonly<Record<string, readonly [Suggestion["type"], Shape]>> = {
  "two ranges of one package": [
    "loosen-root",
    (world, pick) => {
      const top = 2 + pick(3);
      return {
        world: through(majors(world, "base", top), pick(3), "lib", { base: major(top) }),
        wanted: [need("base", major(1 + pick(top - 1))), need("lib", "*")],
      };
    },
  ],
  "two dependents that contradict each other": [
    "add-override",
    (world, pick) => {
      const top = 2 + pick(3);
      const left = through(majors(world, "base", top), pick(3), "left", { base: major(1 + pick(top - 1)) });
      return {
        world: through(left, pick(3), "right", { base: major(top) }),
        wanted: [need("left", "*"), need("right", "*")],
      };
    },
  ],
  "a newer version of a dependent would do": [
    "loosen-root",
    (world, pick) => {
      const old = 1 + pick(3);
      const lib = majors(world, "base", old + 1)
        .package("lib", `${old}.0.0`, { base: major(old) })
        .package("lib", `${old + 1}.${pick(5)}.0`, { base: major(old + 1) });
      return { world: lib, wanted: [need("lib", major(old)), need("base", major(old + 1))] };
    },
  ],
  "a version that does not exist": [
    "loosen-root",
    (world, pick) => {
      const top = 1 + pick(4);
      return { world: majors(world, "lib", top), wanted: [need("lib", major(top + 1 + pick(3)))] };
    },
  ],
  "a version that a dependent made up": [
    "add-override",
    (world, pick) => {
      const top = 1 + pick(3);
      return {
        world: through(majors(world, "base", top), pick(3), "lib", { base: major(top + 2) }),
        wanted: [need("lib", "*")],
      };
    },
  ],
  "only pre-releases": [
    "allow-prerelease",
    (world, pick) => {
      const n = 1 + pick(4);
      return { world: world.package("lib", `${n}.0.0-rc.${1 + pick(4)}`), wanted: [need("lib", `>=${n - 1}.5.0`)] };
    },
  ],
  "only pre-releases, of what a dependent asks": [
    "allow-prerelease",
    (world, pick) => {
      const n = 1 + pick(4);
      const early = world.package("base", `${n}.0.0-rc.${1 + pick(4)}`);
      return {
        world: through(early, pick(3), "lib", { base: `>=${n - 1}.5.0 <${n + 1}.0.0` }),
        wanted: [need("lib", "*")],
      };
    },
  ],
  "only yanked versions": [
    "allow-excluded",
    (world, pick) => {
      const count = 1 + pick(3);
      const yanked = Array.from({ length: count }).reduce<UniverseBuilder>(
        (all, _, i) => all.package("lib", `1.${i}.0`, held("yanked", "it was yanked")),
        world,
      );
      return { world: through(yanked, pick(3), "app", { lib: major(1) }), wanted: [need("app", "*")] };
    },
  ],
  "only versions that are too young": [
    "allow-excluded",
    (world, pick) => {
      const day = (n: number): string => `2026-01-0${n}T00:00:00Z`;
      const young = world
        .package("lib", "2.0.0", held("cooldown", "it is new", day(2 + pick(3))))
        .package("lib", "2.1.0", held("cooldown", "it is newer", day(5 + pick(3))));
      return { world: through(young, pick(3), "app", { lib: major(2) }), wanted: [need("app", "*")] };
    },
  ],
  "young versions that need each other": [
    "allow-reason",
    (world, pick) => {
      const until = `2026-01-0${2 + pick(7)}T00:00:00Z`;
      const young = held("cooldown", "it is new", until);
      const both = world
        .package("lib", "1.0.0", { dependencies: { base: "*" }, ...young })
        .package("base", "1.0.0", young);
      return { world: both, wanted: [need("lib", "*")] };
    },
  ],
  "a host that is too old": [
    "change-host",
    (world, pick) => {
      const host = 18 + 2 * pick(3);
      const lib = world.package("lib", "1.0.0", { hosts: { node: `>=${host}.${pick(4)}.0` } });
      return { world: lib, wanted: [need("lib", "*")], more: { hosts: { node: [`${host - 2}.0.0`] } } };
    },
  ],
  "pinned to the version in the lock": [
    "loosen-root",
    (world, pick) => {
      const old = pick(3);
      const lib = majors(world, "base", 2)
        .package("lib", `1.${old}.0`, { base: major(1) })
        .package("lib", `1.${old + 1}.0`, { base: major(2) });
      return {
        world: lib,
        wanted: [need("lib", `=1.${old}.0`), need("base", major(2))],
        more: { locked: [{ key: "lib", version: `1.${old}.0` }] },
      };
    },
  ],
  "an override that nothing meets": [
    "change-override",
    (world, pick) => {
      const top = 1 + pick(3);
      return {
        world: through(majors(world, "base", top), pick(3), "lib", { base: major(top) }),
        wanted: [need("lib", "*")],
        more: { overrides: [{ key: "base", requirement: major(top + 3) }] },
      };
    },
  ],
  "an override that a dependency of its own breaks": [
    "drop-override",
    (world, pick) => {
      const top = 2 + pick(2);
      const broken = majors(world, "deep", top)
        .package("base", "1.0.0", { deep: major(top) })
        .package("base", "2.0.0", { deep: major(top + 4) });
      return {
        world: through(broken, pick(3), "lib", { base: "*" }),
        wanted: [need("lib", "*")],
        more: { overrides: [{ key: "base", requirement: "=2.0.0" }] },
      };
    },
  ],
  "features that exclude each other": [
    "drop-features",
    (world, pick) => {
      const names = ["alpha", "beta", "gamma"].slice(0, 2 + pick(2));
      const features = Object.fromEntries(names.map((name) => [name, []]));
      const lib = world.package("lib", "1.0.0", { features, exclusiveFeatures: [names] });
      return { world: lib, wanted: [need("lib", "*", { features: names.slice(0, 2) })] };
    },
  ],
  "a feature that is not there": [
    "drop-features",
    (world, pick) => {
      const lib = world.package("lib", `1.${pick(5)}.0`, { features: { tls: [] } });
      return { world: lib, wanted: [need("lib", "*", { features: ["tsl"] })] };
    },
  ],
  "a peer of another major version": [
    "loosen-root",
    (world, pick) => {
      const n = 1 + pick(3);
      const plugin = majors(world, "frame", n + 1).package("plugin", "1.0.0", {
        dependencies: [need("frame", major(n + 1), { kind: "peer" })],
      });
      return { world: plugin, wanted: [need("plugin", "*"), need("frame", major(n))] };
    },
  ],
  "two peers of different major versions": [
    "add-override",
    (world, pick) => {
      const n = 1 + pick(3);
      const peer = (version: number) => ({ dependencies: [need("frame", major(version), { kind: "peer" as const })] });
      const plugins = majors(world, "frame", n + 1)
        .package("one", "1.0.0", peer(n))
        .package("two", "1.0.0", peer(n + 1));
      return { world: plugins, wanted: [need("one", "*"), need("two", "*")] };
    },
  ],
  "a package that does not exist": [
    "rename-root",
    (world, pick) => ({
      world: majors(world, "core", 1 + pick(3)),
      wanted: [need("croe", "*")],
    }),
  ],
};

/** Packages beside the conflict that have nothing to do with it. */
function pose(shape: Shape, seed: number): Question {
  const pick = picker(seed);
  const around = majors(majors(universe(), "other", 1 + pick(4)), "more", 1 + pick(4));
  const { world, wanted, more = {} } = shape(around.package("beside", "1.0.0", { other: "*", more: "*" }), pick);
  const dependencies = pick(2) === 0 ? [...wanted, need("beside", "*")] : [need("beside", "*"), ...wanted];
  const names = (): Iterable<string> => world.metadata().keys();
  return { input: { roots: [{ name: "myapp", dependencies }], ...more }, provider: { ...world.provider(), names } };
}

function solve({ input, provider }: Question): Resolution {
  const step = createResolver(input, provider).step();
  if (step.status === "needs") throw new Error("an eager provider needs no loading");
  return step.resolution;
}

/** Cases of a shape that get advice of a kind; all advice is followed, and has to help. */
function helped(type: Suggestion["type"], shape: Shape): number {
  let count = 0;
  for (let seed = 0; seed < SEEDS; seed++) {
    const question = pose(shape, seed);
    const failure = solve(question);
    if (failure.status !== "unsolvable") throw new Error(`seed ${seed} has a solution`);
    for (const suggestion of failure.suggestions) {
      const { key, version, message } = suggestion;
      const fixed = solve(followSuggestion(question, suggestion));
      if (fixed.status !== "solved") throw new Error(`seed ${seed}: does not help: ${message}`);
      const chosen = fixed.packages.filter((one) => one.key === key).map((one) => one.version);
      if (version !== undefined && !chosen.includes(version))
        throw new Error(`seed ${seed}: got ${chosen.join()}: ${message}`);
    }
    if (failure.suggestions.some((one) => one.type === type)) count++;
  }
  return count;
}

describe("suggestions for what has no solution", () => {
  const shapes = Object.entries(SHAPES).map(([name, [type, shape]]) => [name, type, shape] as const);

  test.each(shapes)("%s: nine of ten cases get advice, %s, and all that is advised helps", (_, type, shape) => {
    expect(helped(type, shape)).toBeGreaterThanOrEqual(0.9 * SEEDS);
  });
});
