import {
  resolve,
  type Dependency,
  type DependencyProvider,
  type PackageMetadata,
  type ResolveInput,
} from "@lading/resolver";
import { universe, type UniverseBuilder } from "@lading/resolver/testing";
import { chance } from "./random.ts";

/** What is asked, and of which packages. */
export interface Question {
  readonly name: string;
  readonly input: ResolveInput;
  readonly packages: ReadonlyMap<string, PackageMetadata>;
}

/** Questions that between them use every kind of rule: each is solved many times and has to have one answer. */
export function questions(): readonly Question[] {
  return [
    random("a random registry with a solution", { packages: 30, versions: 8, needs: 3, reach: 3, seed: 3 }),
    random("a random registry that is tight", { packages: 24, versions: 10, needs: 3, reach: 1, seed: 11 }),
    random("a random registry without a solution", {
      packages: 12,
      versions: 4,
      needs: 4,
      reach: 0,
      seed: 2,
      planted: false,
    }),
    features(),
    peers(),
    hosts(),
    perMajor(),
    preferences(),
    preReleases(),
    impossible(),
  ];
}

function question(
  name: string,
  world: UniverseBuilder,
  wanted: readonly Dependency[],
  more: Partial<ResolveInput> = {},
): Question {
  return { name, input: { roots: [{ name: "project", dependencies: wanted }], ...more }, packages: world.metadata() };
}

function need(key: string, requirement: string, more: Partial<Dependency> = {}): Dependency {
  return { key, requirement, ...more };
}

/** All releases of one major version. */
function series(major: number): string {
  return `>=${major}.0.0 <${major + 1}.0.0-0`;
}

interface Random {
  readonly packages: number;
  readonly versions: number;
  readonly needs: number;
  /** Versions to either side of the middle of a range. */
  readonly reach: number;
  readonly seed: number;
  /** Whether some version of each package fits some version of every other; absent: true. */
  readonly planted?: boolean;
}

/** Packages that need each other by chance, circles included. */
export function random(name: string, { packages, versions, needs, reach, seed, planted = true }: Random): Question {
  const { below, shuffled } = chance(seed);
  const solution = Array.from({ length: packages }, () => below(versions));
  const others = Array.from({ length: packages }, (_, index) => index);
  let world = universe();
  for (let from = 0; from < packages; from++) {
    const targets = shuffled(others.filter((one) => one !== from)).slice(0, needs);
    for (let version = 0; version < versions; version++) {
      const dependencies = targets.map((to) => {
        const fits = planted && version === solution[from];
        const middle = fits ? solution[to]! : below(versions);
        return need(`p${to}`, `>=1.${Math.max(0, middle - reach)}.0 <1.${middle + reach + 1}.0`);
      });
      world = world.package(`p${from}`, `1.${version}.0`, { dependencies });
    }
  }
  return question(name, world, [need("p0", "*"), need("p1", "*"), need("p2", "*")]);
}

function features(): Question {
  const world = universe()
    .package("app", "2.0.0", {
      dependencies: [
        need("net", ">=1.0.0 <2.0.0-0", { features: ["tls"], defaultFeatures: false }),
        need("log", ">=1.0.0 <2.0.0-0", { optional: true }),
        need("json", ">=1.0.0 <2.0.0-0", { optional: true, features: ["fast"] }),
      ],
      features: { default: ["json"], verbose: ["dep:log", "net?/trace"], all: ["verbose", "json/big"] },
    })
    .package("app", "1.0.0", { net: ">=1.0.0 <2.0.0-0" })
    .package("net", "1.0.0", { features: { tls: [], trace: [] } })
    .package("net", "1.4.0", {
      dependencies: [need("crypto", ">=3.0.0 <4.0.0-0", { optional: true }), need("log", "<1.2.0", { optional: true })],
      features: { default: ["http2"], http2: [], tls: ["dep:crypto"], trace: ["log"] },
    })
    .package("crypto", "3.1.0", { dependencies: [need("math", "*")] })
    .package("crypto", "3.0.0", {})
    .package("math", "0.9.0", { log: ">=1.1.0" })
    .package("log", "1.0.0")
    .package("log", "1.1.0")
    .package("log", "1.2.0")
    .package("json", "1.0.0", { features: { fast: ["simd"], simd: [], big: [] } })
    .package("json", "1.1.0", { features: { fast: [] } });
  const wanted = [need("app", "*", { features: ["all"] }), need("net", "*", { features: ["http2"] })];
  return question("features, defaults and optional dependencies", world, wanted);
}

function peers(): Question {
  let world = universe();
  for (const major of [1, 2, 3]) {
    world = world.package("core", `${major}.0.0`).package("core", `${major}.5.0`, { util: series(major) });
    world = world.package("util", `${major}.0.0`);
    for (const plugin of ["lint", "format", "test"]) {
      world = world.package(plugin, `${major}.0.0`, {
        dependencies: [
          need("core", series(major), { kind: "peer" }),
          need("theme", "<2.0.0", { kind: "peer", optional: true }),
          need("extra", `=${major}.0.0`, { ifPossible: true }),
        ],
      });
    }
  }
  world = world.package("extra", "2.0.0", { theme: ">=2.0.0" }).package("extra", "3.0.0", { core: "<3.0.0" });
  world = world.package("theme", "1.0.0").package("theme", "2.0.0");
  const wanted = [need("lint", "*"), need("format", "<=2.0.0"), need("test", "*"), need("theme", "*")];
  return question("peers, optional peers and what is taken if possible", world, wanted);
}

function hosts(): Question {
  let world = universe();
  for (const year of [2023, 2024, 2025, 2026]) {
    const range = `>=${year}.0.0 <${year + 2}.0.0`;
    world = world.package("addin", `${year - 2020}.0.0`, {
      dependencies: [need("geometry", series(year - 2022))],
      hosts: { revit: range },
    });
    world = world.package("geometry", `${year - 2022}.0.0`, { hosts: { python: `>=3.${year - 2015}.0` } });
    world = world.package("geometry", `${year - 2022}.1.0`, {
      dependencies: [need("numbers", "*", { targets: ["linux"] }), need("windows-only", "*", { targets: ["windows"] })],
    });
  }
  world = world.package("numbers", "1.0.0", { hosts: { python: "<3.10.0" } }).package("numbers", "0.9.0");
  const more: Partial<ResolveInput> = {
    hosts: { revit: ["2024", "2025"], python: ["3.9", "3.11"] },
    targets: ["linux"],
  };
  return question("hosts and targets", world, [need("addin", "*")], more);
}

function perMajor(): Question {
  let world = universe();
  for (const major of [1, 2, 3]) {
    for (const minor of [0, 1, 2]) {
      world = world.package("lib", `${major}.${minor}.0`, { features: { x: [], y: [] } });
      world = world.package("mid", `${major}.${minor}.0`, {
        dependencies: [
          need("lib", series(Math.max(1, major - minor)), { features: [minor === 1 ? "x" : "y"] }),
          need("old", `<${major}.2.0`),
        ],
      });
    }
    world = world
      .package("old", `${major}.1.0`, { lib: "<2.0.0 >=1.1.0" })
      .package("old", `${major}.3.0`, { lib: "=1.0.0" });
  }
  const wanted = [need("mid", ">=2.0.0"), need("lib", ">=3.0.0 <4.0.0-0"), need("old", "*")];
  return question("one version of each major", world, wanted, { coexistence: "per-major" });
}

function preferences(): Question {
  const { input, packages } = random("", { packages: 14, versions: 8, needs: 2, reach: 4, seed: 21 });
  const locked = [...packages.keys()].filter((_, at) => at % 2 === 0).map((key) => ({ key, version: "1.3.0" }));
  const overrides = [{ key: "p3", requirement: "=1.5.0" }];
  const yanked = [{ reason: "yanked", text: "it was withdrawn" }] as const;
  const exclude: ResolveInput["exclude"] = (key, { version }) => (key === "p4" && version === "1.6.0" ? yanked : []);
  return {
    name: "a lock, an override, an exclusion and lowest direct versions",
    input: { ...input, locked, overrides, exclude, prefer: "lowest-direct" },
    packages,
  };
}

function preReleases(): Question {
  const world = universe()
    .package("a", "2.0.0-beta.1", { b: ">=2.0.0-rc.1" })
    .package("a", "1.0.0", { b: ">=2.0.0-rc.1" })
    .package("b", "2.0.0-rc.1", { c: "*" })
    .package("b", "2.0.0-rc.2", { c: ">=1.0.0" })
    .package("b", "1.0.0")
    .package("c", "1.0.0-alpha", { a: "<2.0.0" })
    .package("c", "0.9.0");
  return question("pre-releases where nothing else is left", world, [need("a", "*")], { prereleases: "fallback" });
}

function impossible(): Question {
  const world = universe()
    .package("web", "1.0.0", { http: ">=1.0.0 <2.0.0-0", log: ">=1.0.0 <2.0.0-0" })
    .package("web", "2.0.0", { http: ">=2.0.0 <3.0.0-0", log: ">=2.0.0 <3.0.0-0" })
    .package("jobs", "1.0.0", { log: ">=1.0.0 <2.0.0-0" })
    .package("jobs", "1.1.0", {
      dependencies: [need("log", ">=2.0.0 <3.0.0-0")],
      excluded: [{ reason: "cooldown", text: "it is 3 hours old, the cooldown is 24 hours" }],
    })
    .package("http", "1.0.0", { log: "<1.5.0" })
    .package("http", "2.0.0", { log: ">=2.1.0" })
    .package("log", "1.0.0")
    .package("log", "1.9.0")
    .package("log", "2.1.0");
  return question("no solution, with advice", world, [need("web", ">=2.0.0"), need("jobs", "*")]);
}

/** How a provider delivers. */
export type Delivery = (packages: ReadonlyMap<string, PackageMetadata>) => DependencyProvider;

const UNKNOWN: PackageMetadata = { candidates: [], missing: "not in the registry" };

/** Everything is known from the start, in the order of the fixture. */
export const atOnce: Delivery = (packages) => ({
  get: (key) => packages.get(key) ?? UNKNOWN,
  load: () => Promise.resolve(),
});

/**
 * Documents arrive one by one in an order of chance, and the versions within each are in no order. Speculative
 * documents arrive while the search is going on, or never.
 */
export function restless(seed: number): Delivery {
  return (packages) => {
    const { below, shuffled } = chance(seed);
    const known = new Map<string, PackageMetadata>();
    const deliver = async (key: string, delay: number): Promise<void> => {
      for (let turn = 0; turn < delay; turn++) await Promise.resolve();
      if (known.has(key)) return;
      const metadata = packages.get(key) ?? UNKNOWN;
      known.set(key, { ...metadata, candidates: shuffled(metadata.candidates) });
    };
    return {
      get: (key) => known.get(key),
      load: async (keys, { speculative }) => {
        for (const key of shuffled(speculative)) if (below(3) > 0) void deliver(key, below(60));
        await Promise.all(shuffled(keys).map((key) => deliver(key, below(20))));
      },
    };
  };
}

/** An answer as bytes; what the work cost is left out, for it may differ. */
export async function answerText({ input, packages }: Question, delivery: Delivery): Promise<string> {
  const { statistics: _, ...answer } = await resolve(input, delivery(packages));
  return JSON.stringify(answer);
}
