import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStaticRegistry } from "@lading/engine/testing";
import { figure, printFigures, program, race } from "../scripts/bench/measure.ts";
import { cleanEnvironment, pnpmPath, versionOf } from "./lib/peers.ts";

const root = join(import.meta.dirname, "..");
const ROUNDS = 21;
const PACKAGES = 500;

/**
 * Start of the command line for `--version` and `--help`, beside an empty script, npm and pnpm, and an installation of
 * 500 packages with nothing to do. Of Node's own programs also the processor time, which other work disturbs less.
 */
export async function run(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), "lading-bench-start-"));
  const options = { cwd: home, env: cleanEnvironment(home) };
  const empty = join(home, "empty.mjs");
  writeFileSync(empty, "");
  const lading = join(root, "apps/lading/dist/main.js");
  const pnpm = pnpmPath();
  console.log(`\nnpm ${versionOf("npm")}, pnpm ${versionOf(pnpm)}`);
  try {
    for (const flag of ["--version", "--help"]) {
      // npm's own `--help` ends with 1.
      const npm = flag.replace("--help", "help");
      const figures = await race(
        [
          { name: `lading ${flag}`, run: () => program(process.execPath, [lading, flag], options) },
          { name: "empty Node script", run: () => program(process.execPath, [empty], options) },
          { name: `npm ${npm}`, run: () => program("npm", [npm], options) },
          { name: `pnpm ${flag}`, run: () => program(pnpm, [flag], options) },
        ],
        ROUNDS,
      );
      printFigures(`start: ${flag}`, figures);
    }
    const project = await installedProject(home, lading);
    const install = [lading, "install"];
    printFigures(
      `install, nothing to do, ${PACKAGES} packages`,
      await race(
        [
          { name: "lading install", run: () => program(process.execPath, install, { ...options, cwd: project }) },
          { name: "empty Node script", run: () => program(process.execPath, [empty], options) },
        ],
        ROUNDS,
      ),
    );
    printProcessorTimes(
      [
        { name: "empty Node script", args: [empty], cwd: home },
        { name: "lading --version", args: [lading, "--version"], cwd: home },
        { name: "lading --help", args: [lading, "--help"], cwd: home },
        { name: "lading install", args: install, cwd: project },
      ],
      options.env,
    );
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** A project with many small packages from a directory registry, installed once. */
async function installedProject(home: string, lading: string): Promise<string> {
  const registry = await createStaticRegistry(join(home, "registry"));
  const names = Array.from({ length: PACKAGES }, (_, index) => `package-${index}`);
  for (const name of names) await registry.publish({ name, version: "1.0.0" });
  const project = join(home, "project");
  mkdirSync(project);
  const dependencies = names.map((name) => `${name} = "1"\n`).join("");
  writeFileSync(
    join(project, "lading.toml"),
    `[package]\nname = "bench"\nversion = "1.0.0"\n\n[config]\nregistry.url = "${registry.url}"\n\n[dependencies]\n${dependencies}`,
  );
  program(process.execPath, [lading, "install"], { cwd: project, env: cleanEnvironment(home) });
  return project;
}

interface Timed {
  readonly name: string;
  readonly args: readonly string[];
  readonly cwd: string;
}

/** User and system time of each program, as the shell's `times` has it, in turn. */
function printProcessorTimes(programs: readonly Timed[], env: NodeJS.ProcessEnv): void {
  const times = programs.map((): number[] => []);
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [index, { args, cwd }] of programs.entries()) {
      const milliseconds = processorTime([process.execPath, ...args], cwd, env);
      if (round > 0) times[index]!.push(milliseconds);
    }
  }
  printFigures(
    "processor time, user and system",
    programs.map(({ name }, index) => figure(name, times[index]!, "ms")),
  );
}

function processorTime(command: readonly string[], cwd: string, env: NodeJS.ProcessEnv): number {
  const script = 'TIMEFORMAT="%3U %3S"; time "$@" >/dev/null 2>&1';
  const { stderr, status } = spawnSync("bash", ["-c", script, "time", ...command], {
    cwd,
    env,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}`);
  const [user, system] = stderr.trim().split(" ").map(Number);
  return (user! + system!) * 1000;
}
