import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cargoPath } from "./lib/cargo.ts";
import { PROCESSOR_TIME, PYTHON, cargo, compare, lading, python, type Solver } from "./lib/contenders.ts";
import { versionOf } from "./lib/peers.ts";
import { runUniversal } from "./lib/universal.ts";
import { disjoint, planted, projects, ranges, singletons, tree, typical, type CaseFile } from "./lib/universes.ts";

const WARM = 11;

/** Peers that are on this machine; the others are named once, and left out. */
interface Peers {
  readonly cargo: string | undefined;
  readonly libsolv: boolean;
  readonly resolvelib: boolean;
}

/**
 * The resolver beside cargo, libsolv, resolvelib, npm and pnpm. `--vectors DIR` adds real registries from a folder of
 * conformance data; `--only LETTERS` runs some sections: A a typical project, B real registry, C large cases, D random registries, E chains,
 * F projects, G the whole command line, H many environments. `--cpu` takes processor time where a solver tells it, `--alone`
 * leaves the peers of B to F out.
 */
export async function run(): Promise<void> {
  const peers = findPeers();
  if (PROCESSOR_TIME) console.log("processor time, whole processes included; G is elapsed time");
  const directory = mkdtempSync(join(tmpdir(), "lading-bench-resolver-"));
  const only = option("--only") ?? "ABCDEFGH";
  try {
    const bench: Bench = { peers, directory, vectors: vectorsFolder() };
    for (const [letter, section] of Object.entries(SECTIONS)) if (only.includes(letter)) await section(bench);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Bench {
  readonly peers: Peers;
  readonly directory: string;
  /** Folder of `resolver-cases/1` files of real registries. */
  readonly vectors: string | undefined;
}

const SECTIONS: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  A: typicalProject,
  B: realRegistry,
  C: largeCases,
  D: randomRegistries,
  E: chains,
  F: realProjects,
  // Only this one needs the packages that the benchmarks install.
  G: async ({ directory, peers }) => (await import("./lib/lock-race.ts")).runLockRace(directory, peers.cargo),
  H: ({ directory }) => runUniversal(directory),
};

function option(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}

function vectorsFolder(): string | undefined {
  const given = option("--vectors");
  if (given === undefined) return undefined;
  const inside = join(given, "resolver");
  return existsSync(inside) ? inside : given;
}

function findPeers(): Peers {
  if (process.argv.includes("--alone")) return { cargo: undefined, libsolv: false, resolvelib: false };
  const command = cargoPath();
  console.log(`\n${command === undefined ? "no cargo: left out" : versionOf(command)}`);
  return { cargo: command, libsolv: hasModule("solv"), resolvelib: hasModule("resolvelib") };
}

function hasModule(name: string): boolean {
  const { status, stdout } = spawnSync(PYTHON, ["-c", `import ${name}; print(getattr(${name}, "__version__", ""))`], {
    encoding: "utf8",
  });
  const debian = spawnSync("dpkg-query", ["-W", "-f", "${Version}", `python3-${name}`], { encoding: "utf8" }).stdout;
  console.log(status === 0 ? `python3-${name} ${debian || stdout.trim()}` : `no python3-${name}: left out`);
  return status === 0;
}

/** A file of the vectors; where it is absent, the reason is printed. */
function vectorFile({ vectors }: Bench, name: string, title: string): string | undefined {
  const file = vectors === undefined ? undefined : join(vectors, name);
  if (file !== undefined && existsSync(file)) return file;
  console.log(`\n${title}: left out, ${vectors === undefined ? "no --vectors DIR given" : `no ${name} in ${vectors}`}`);
  return undefined;
}

/** The solvers that read the file form as it is. */
function readers({ peers }: Bench, file: string): Solver[] {
  return [
    ...(peers.libsolv ? [python("libsolv", "libsolv.py", file)] : []),
    ...(peers.resolvelib ? [python("resolvelib", "resolvelib_cases.py", file)] : []),
  ];
}

async function realRegistry(bench: Bench): Promise<void> {
  const title = "B: every version of a real registry (Elm, 11,090 roots)";
  const file = vectorFile(bench, "pubgrub-elm-packages.json", title);
  if (file !== undefined) await compare(title, [lading(file, { warm: WARM }), ...readers(bench, file)]);
}

/** Three registries in one figure: the times of a run are added up. */
async function largeCases(bench: Bench): Promise<void> {
  const title = "C: the three large cases (1,660 roots)";
  const names = ["pubgrub-large_case.json", "pubgrub-large_case_1.json", "pubgrub-large_case_2.json"];
  const files = names.map((name) => vectorFile(bench, name, title));
  if (files.includes(undefined)) return;
  const each = files.map((file) => [lading(file!, { warm: WARM }), ...readers(bench, file!)]);
  await compare(
    title,
    each[0]!.map((_, index) => sumOf(each.map((solvers) => solvers[index]!))),
  );
}

function sumOf(solvers: readonly Solver[]): Solver {
  return {
    name: solvers[0]!.name,
    run: async () => {
      const times: Record<string, number> = {};
      const answers: Record<string, string> = {};
      for (const [index, { run: one }] of solvers.entries()) {
        const result = await one();
        if (result === undefined) return undefined;
        for (const [label, time] of Object.entries(result.times)) times[label] = (times[label] ?? 0) + time;
        for (const [name, answer] of Object.entries(result.answers ?? {})) answers[`${index} ${name}`] = answer;
      }
      return { answers, times };
    },
  };
}

/** One generated case, beside every solver that can read it. */
async function generated(bench: Bench, title: string, cases: CaseFile, options: { cargo: boolean }): Promise<void> {
  const file = join(bench.directory, "case.json");
  writeFileSync(file, JSON.stringify(cases));
  const command = options.cargo ? bench.peers.cargo : undefined;
  await compare(title, [
    lading(file, { warm: WARM }),
    lading(file, { semver: true }),
    ...readers(bench, file),
    ...(command === undefined ? [] : [cargo(command, join(bench.directory, "cargo"), cases)]),
  ]);
}

const PLANTED = [
  [200, 30, 4, 2],
  [300, 40, 5, 1],
  [500, 50, 5, 2],
  [1000, 50, 4, 1],
] as const;

async function randomRegistries(bench: Bench): Promise<void> {
  for (const [packages, versions, dependencies, tightness] of PLANTED) {
    for (const cyclic of [false, true]) {
      const cases = planted({ packages, versions, dependencies, tightness, seed: 1, cyclic });
      const remark = cyclic ? " (cargo refuses circles)" : "";
      await generated(bench, `D: ${cases.cases![0]!.name}${remark}`, cases, { cargo: !cyclic });
    }
  }
}

async function chains(bench: Bench): Promise<void> {
  for (const cases of [singletons(100, 500), disjoint(300, 200), ranges(5, 200), tree(1000)]) {
    await generated(bench, `E: ${cases.cases![0]!.name}`, cases, { cargo: true });
  }
}

async function typicalProject(bench: Bench): Promise<void> {
  const cases = typical({ packages: 200, depth: 6, versions: 20, seed: 1 });
  await generated(bench, `A: ${cases.cases![0]!.name}`, cases, { cargo: true });
}

async function realProjects(bench: Bench): Promise<void> {
  const title = "F: five projects of 12 packages each over a real registry (Elm), from JSON to the answer";
  const file = vectorFile(bench, "pubgrub-elm-packages.json", title);
  if (file === undefined) return;
  const { universes } = JSON.parse(readFileSync(file, "utf8")) as CaseFile;
  const cases = join(bench.directory, "projects.json");
  writeFileSync(cases, JSON.stringify(projects(Object.values(universes)[0]!, { count: 5, needs: 12, seed: 1 })));
  await compare(title, [lading(cases), ...readers(bench, cases)]);
}
