import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { demoClosure, publishClosureToVerdaccio, publishToLading } from "./lib/closure.ts";
import { printFigures, program, race, type Contender } from "../scripts/bench/measure.ts";
import { cleanEnvironment, pnpmPath, versionOf } from "./lib/peers.ts";
import { stopServer } from "./lib/processes.ts";
import { startLading, startVerdaccio, type RunningRegistry } from "./lib/registries.ts";

const root = join(import.meta.dirname, "..");
const ROUNDS = 5;

/** A tool that installs the project, and where its projects and stores are. */
interface Tool {
  readonly name: string;
  readonly directory: string;
  /** A project with manifest and lock file, never installed. */
  readonly template: string;
  /** What an installation makes in a project. */
  readonly environment: string;
  readonly install: (project: string, home: string) => void;
  readonly lock: (project: string, home: string) => void;
}

/** The demo's closure, installed by Lading from its registry and by pnpm from Verdaccio, each from its lock file. */
export async function run(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "lading-bench-install-"));
  const running: RunningRegistry[] = [];
  const packages = demoClosure();
  console.log(`\npnpm ${versionOf(pnpmPath())}; ${packages.length} packages in each registry`);
  try {
    const lading = await startLading(directory);
    running.push(lading);
    const verdaccio = await startVerdaccio(directory);
    running.push(verdaccio);
    await publishToLading(packages, { ...lading, directory });
    await publishClosureToVerdaccio(packages, { url: verdaccio.url, directory });
    const tools = [ladingTool(directory, lading.url), pnpmTool(directory, verdaccio.url)];
    for (const tool of tools) prepareTemplate(tool);
    await measure(tools);
  } finally {
    for (const { process } of running) await stopServer(process);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What the project asks for: the demo's packages in the ranges that their users write. */
function wanted(): Readonly<Record<string, string>> {
  const manifest = JSON.parse(readFileSync(join(root, "scripts/demo/package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  const chosen = Object.entries(manifest.dependencies)
    .filter(([name, version]) => /^\d/.test(version) && !CONFLICTING.has(name))
    .map(([name, version]) => [name, `^${version}`]);
  return Object.fromEntries(chosen) as Record<string, string>;
}

/** It needs two releases of one major of mime-db beside express, which Lading's policy does not allow. */
const CONFLICTING: ReadonlySet<string> = new Set(["koa"]);

function ladingTool(directory: string, url: string): Tool {
  const home = join(directory, "for-lading");
  const main = join(root, "apps/lading/dist/main.js");
  const command =
    (...args: string[]) =>
    (cwd: string, user: string): void =>
      program(process.execPath, [main, ...args, "--registry", url], { cwd, env: cleanEnvironment(user) });
  const template = join(home, "template");
  mkdirSync(template, { recursive: true });
  const dependencies = Object.entries(wanted()).map(([name, range]) => `${name} = "${range}"\n`);
  writeFileSync(
    join(template, "lading.toml"),
    `[package]\nname = "bench-project"\nversion = "1.0.0"\n\n[dependencies]\n${dependencies.join("")}\n[config]\nresolver.coexistence = "per-major"\n`,
  );
  return {
    name: "lading install",
    directory: home,
    template,
    environment: "lading_packages",
    install: command("install", "--frozen"),
    lock: command("lock"),
  };
}

function pnpmTool(directory: string, url: string): Tool {
  const home = join(directory, "for-pnpm");
  const pnpm = pnpmPath();
  const command =
    (...args: string[]) =>
    (cwd: string, user: string): void =>
      program(pnpm, [...args, "--store-dir", join(user, "store")], { cwd, env: cleanEnvironment(user) });
  const template = join(home, "template");
  mkdirSync(template, { recursive: true });
  writeFileSync(
    join(template, "package.json"),
    JSON.stringify({ name: "bench-project", version: "1.0.0", private: true, dependencies: wanted() }),
  );
  writeFileSync(join(template, ".npmrc"), `registry=${url}/\n`);
  // All of the closure was published to this registry a moment ago; peers that nobody asked for are not in it.
  writeFileSync(
    join(template, "pnpm-workspace.yaml"),
    `packages: [.]\nminimumReleaseAge: 0\nautoInstallPeers: false\n`,
  );
  return {
    name: "pnpm install",
    directory: home,
    template,
    environment: "node_modules",
    install: command("install", "--frozen-lockfile"),
    lock: command("install", "--lockfile-only"),
  };
}

function prepareTemplate(tool: Tool): void {
  const home = join(tool.directory, "first-home");
  mkdirSync(home);
  tool.lock(tool.template, home);
  const project = newProject(tool, "first");
  tool.install(project, home);
  const environment = join(project, tool.environment);
  if (!existsSync(environment)) throw new Error(`"${tool.name}" left no ${tool.environment}`);
  const entries = readdirSync(environment).length;
  console.log(
    `${tool.name}: ${lockedPackages(tool)} packages locked, ${entries} entries at the top of ${tool.environment}`,
  );
}

/** What the lock file names; of pnpm's only the section `packages`, for `snapshots` repeats them. */
function lockedPackages(tool: Tool): number {
  if (existsSync(join(tool.template, "lading.lock"))) {
    return readFileSync(join(tool.template, "lading.lock"), "utf8").split("[[packages]]").length - 1;
  }
  const lock = readFileSync(join(tool.template, "pnpm-lock.yaml"), "utf8");
  return /^packages:$([^]*?)^\w/m.exec(lock)![1]!.match(/^ {2}\S/gm)!.length;
}

let count = 0;

function newProject(tool: Tool, label: string): string {
  const project = join(tool.directory, "projects", `${label}-${count++}`);
  cpSync(tool.template, project, { recursive: true });
  return project;
}

async function measure(tools: readonly Tool[]): Promise<void> {
  printFigures("lock, nothing cached", await race(tools.map(coldLock), ROUNDS));
  printFigures("install from the lock file, empty store", await race(tools.map(coldInstall), ROUNDS));
  printFigures("install from the lock file, filled store", await race(tools.map(warmInstall), ROUNDS));
  printFigures("install, nothing to do", await race(tools.map(noOp), 2 * ROUNDS));
}

/** Every round has a project and a home of its own; nothing is deleted before all is measured. */
function inNewHome(tool: Tool, run: Tool["install"], edit: (project: string) => void = () => {}): Contender {
  let project = "";
  let home = "";
  return {
    name: tool.name,
    prepare: () => {
      project = newProject(tool, "cold");
      edit(project);
      home = `${project}-home`;
      mkdirSync(home);
    },
    run: () => run(project, home),
  };
}

function coldLock(tool: Tool): Contender {
  const withoutLock = (project: string): void => {
    for (const name of ["lading.lock", "pnpm-lock.yaml"]) rmSync(join(project, name), { force: true });
  };
  return { ...inNewHome(tool, tool.lock, withoutLock), name: tool.name.replace("install", "lock") };
}

function coldInstall(tool: Tool): Contender {
  return inNewHome(tool, tool.install);
}

function warmInstall(tool: Tool): Contender {
  const home = join(tool.directory, "first-home");
  let project = "";
  return {
    name: tool.name,
    prepare: () => {
      project = newProject(tool, "warm");
    },
    run: () => tool.install(project, home),
  };
}

function noOp(tool: Tool): Contender {
  const home = join(tool.directory, "first-home");
  const project = newProject(tool, "noop");
  tool.install(project, home);
  return { name: tool.name, run: () => tool.install(project, home) };
}
