import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { dirname, join } from "node:path";
import { compareVersions, parseRequirement, type Version } from "@lading/core-manifest";
import type { InstalledPackage } from "../../scripts/demo/closure.ts";
import { cargoEnvironment, lockedCrates, sparseOptions, writeCargoProject, writeIndex, type Crate } from "./cargo.ts";
import { demoClosure, publishToLading } from "./closure.ts";
import { printFigures, program, race, type Contender } from "../../scripts/bench/measure.ts";
import { cleanEnvironment, pnpmPath, versionOf } from "./peers.ts";
import { stopServer } from "./processes.ts";
import { startLading } from "./registries.ts";

const root = join(import.meta.dirname, "../..");
const ROUNDS = 9;

/** What the project asks for; with all that they need it is some fifty packages. */
const WANTED = ["winston", "yargs", "ajv", "debug", "semver", "commander", "uuid"];

/** A tool that makes a lock file, in a project and with a home directory of its own in each round. */
interface Locker {
  readonly name: string;
  readonly template: string;
  readonly lock: (project: string, home: string) => void;
  /** The same, where requests are counted in between; absent: they are counted always. */
  readonly lockCounted?: (project: string, home: string) => void;
  /** Packages in the lock file that it made. */
  readonly locked: (project: string) => number;
  /** Requests since the last question, where the server counts. */
  readonly requests: () => Promise<number>;
}

interface NpmPackage extends InstalledPackage {
  readonly dependencies: Readonly<Record<string, string>>;
}

/**
 * A cold `lock` from process start to end over localhost: our command line and our registry with signatures, beside cargo's
 * sparse index, npm and pnpm from files in the memory of a server that does nothing else. All are offered the same
 * packages with the same requirements.
 */
export async function runLockRace(directory: string, cargo: string | undefined): Promise<void> {
  const started: ChildProcess[] = [];
  const packages = demoClosure().map(withDependencies);
  try {
    const lockers = [await ladingLocker(join(directory, "lading"), packages, started)];
    if (cargo !== undefined) lockers.push(await cargoLocker(cargo, join(directory, "sparse"), packages, started));
    lockers.push(...(await npmLockers(join(directory, "npm"), packages, started)));
    console.log(`\nnpm ${versionOf("npm")}, pnpm ${versionOf(pnpmPath())}; ${packages.length} packages on offer`);
    for (const locker of lockers) await printOnce(locker, directory);
    printFigures(
      "G: lock, nothing cached, whole process",
      await race(
        lockers.map((one) => contender(one, directory)),
        ROUNDS,
      ),
    );
  } finally {
    for (const child of started) await stopServer(child);
  }
}

function withDependencies(one: InstalledPackage): NpmPackage {
  const manifest = JSON.parse(readFileSync(join(one.directory, "package.json"), "utf8")) as {
    dependencies?: Record<string, string>;
  };
  return { ...one, dependencies: manifest.dependencies ?? {} };
}

/** `^` of the newest version on offer of each. */
function wanted(packages: readonly NpmPackage[]): [name: string, range: string][] {
  return WANTED.map((name) => [name, `^${versionsOf(packages, name).at(-1)!}`]);
}

function versionsOf(packages: readonly NpmPackage[], name: string): Version[] {
  const found = packages.filter((one) => one.name === name).map(({ version }) => version as Version);
  return found.sort(compareVersions);
}

/** Starts the server and gives its address. */
async function startCounting(what: string, started: ChildProcess[]): Promise<string> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "counting-server.ts"), what], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  started.push(child);
  for await (const line of createInterface({ input: child.stdout })) return `http://127.0.0.1:${line}`;
  throw new Error("The counting server did not start");
}

async function countAt(url: string): Promise<number> {
  return Number(await (await fetch(`${url}/-/count`)).text());
}

let projects = 0;

function newProject({ template }: Locker, directory: string): { project: string; home: string } {
  const project = join(directory, "projects", String(projects++));
  cpSync(template, project, { recursive: true });
  const home = `${project}-home`;
  mkdirSync(home);
  return { project, home };
}

async function printOnce(locker: Locker, directory: string): Promise<void> {
  const { project, home } = newProject(locker, directory);
  await locker.requests();
  (locker.lockCounted ?? locker.lock)(project, home);
  console.log(`${locker.name}: ${locker.locked(project)} packages locked, ${await locker.requests()} requests`);
}

function contender(locker: Locker, directory: string): Contender {
  let place = { project: "", home: "" };
  return {
    name: locker.name,
    prepare: () => {
      place = newProject(locker, directory);
    },
    run: () => locker.lock(place.project, place.home),
  };
}

async function ladingLocker(
  directory: string,
  packages: readonly NpmPackage[],
  started: ChildProcess[],
): Promise<Locker> {
  mkdirSync(directory);
  const registry = await startLading(directory);
  started.push(registry.process);
  await publishToLading(packages, { ...registry, directory });
  // Requests are counted in a run of their own: what is timed goes to the registry itself.
  const counting = await startCounting(registry.url, started);
  const template = join(directory, "template");
  mkdirSync(template);
  const lines = wanted(packages).map(([name, range]) => `${name} = "${range}"\n`);
  writeFileSync(
    join(template, "lading.toml"),
    `[package]\nname = "bench-project"\nversion = "1.0.0"\n\n[dependencies]\n${lines.join("")}\n[config]\nresolver.coexistence = "per-major"\n`,
  );
  const main = join(root, "apps/lading/dist/main.js");
  const lock =
    (url: string) =>
    (cwd: string, home: string): void =>
      program(process.execPath, [main, "lock", "--registry", url], { cwd, env: cleanEnvironment(home) });
  return {
    name: "lading lock",
    template,
    lock: lock(registry.url),
    lockCounted: lock(counting),
    locked: (project) => count(join(project, "lading.lock"), /^\[\[packages\]\]/gm),
    requests: () => countAt(counting),
  };
}

function count(file: string, pattern: RegExp): number {
  return readFileSync(file, "utf8").match(pattern)?.length ?? 0;
}

async function cargoLocker(
  command: string,
  directory: string,
  packages: readonly NpmPackage[],
  started: ChildProcess[],
): Promise<Locker> {
  const index = join(directory, "index");
  mkdirSync(index, { recursive: true });
  writeFileSync(join(index, "config.json"), JSON.stringify({ dl: "http://127.0.0.1:1/{crate}" }));
  writeIndex(
    index,
    packages.map((one) => crateOf(one, packages)),
  );
  const url = await startCounting(index, started);
  const template = join(directory, "template");
  const needs = wanted(packages).map(([name, range]) => [crateName(name), crateRange(packages, name, range)]);
  writeCargoProject(template, Object.fromEntries(needs), `registry = "sparse+${url}/"`);
  const { args, env } = sparseOptions(command);
  return {
    name: "cargo generate-lockfile, sparse",
    template,
    lock: (cwd, home) =>
      program(command, ["generate-lockfile", ...args], { cwd, env: { ...cargoEnvironment(home), ...env } }),
    locked: lockedCrates,
    requests: () => countAt(url),
  };
}

function crateOf({ name, version, dependencies }: NpmPackage, packages: readonly NpmPackage[]): Crate {
  const needs = Object.entries(dependencies).map(([other, range]) => [
    crateName(other),
    crateRange(packages, other, range),
  ]);
  return { name: crateName(name), version, needs: Object.fromEntries(needs) };
}

function crateName(name: string): string {
  return name.replace("@", "").replaceAll(/[/.]/g, "_");
}

/** The same versions of those on offer, for cargo writes ranges another way and has no "or". */
function crateRange(packages: readonly NpmPackage[], name: string, range: string): string {
  const requirement = parseRequirement(range, "npm");
  const versions = versionsOf(packages, name);
  const matching = versions.filter((version) => requirement.matches(version));
  const [first, last] = [matching[0], matching.at(-1)];
  if (first === undefined || last === undefined) throw new Error(`Nothing on offer is ${name} ${range}`);
  if (versions.indexOf(last) - versions.indexOf(first) + 1 !== matching.length) {
    throw new Error(`${name} ${range} is no interval of what is on offer`);
  }
  return first === last ? `=${first}` : `>=${first}, <=${last}`;
}

async function npmLockers(
  directory: string,
  packages: readonly NpmPackage[],
  started: ChildProcess[],
): Promise<Locker[]> {
  const documents = join(directory, "documents");
  for (const name of new Set(packages.map((one) => one.name))) writePackument(documents, name, packages);
  const url = await startCounting(documents, started);
  const template = join(directory, "template");
  mkdirSync(template, { recursive: true });
  const dependencies = Object.fromEntries(wanted(packages));
  writeFileSync(
    join(template, "package.json"),
    JSON.stringify({ name: "bench-project", version: "1.0.0", private: true, dependencies }),
  );
  writeFileSync(join(template, ".npmrc"), `registry=${url}/\n`);
  writeFileSync(
    join(template, "pnpm-workspace.yaml"),
    "packages: [.]\nminimumReleaseAge: 0\nautoInstallPeers: false\n",
  );
  const npm = ["install", "--package-lock-only", "--no-audit", "--no-fund", "--no-update-notifier"];
  const pnpm = (home: string): string[] => ["install", "--lockfile-only", "--store-dir", join(home, "store")];
  const requests = (): Promise<number> => countAt(url);
  return [
    {
      name: "npm --package-lock-only",
      template,
      lock: (cwd, home) => program("npm", npm, { cwd, env: cleanEnvironment(home) }),
      locked: (project) => count(join(project, "package-lock.json"), /^ {4}"node_modules\//gm),
      requests,
    },
    {
      name: "pnpm --lockfile-only",
      template,
      lock: (cwd, home) => program(pnpmPath(), pnpm(home), { cwd, env: cleanEnvironment(home) }),
      locked: (project) => count(join(project, "pnpm-lock.yaml"), /^ {4}resolution:/gm),
      requests,
    },
  ];
}

/** All that a tool reads of one name, as npm's registry answers it. */
function writePackument(directory: string, name: string, packages: readonly NpmPackage[]): void {
  const versions = versionsOf(packages, name);
  const documents = versions.map((version): [string, object] => {
    const { dependencies } = packages.find((one) => one.name === name && one.version === version)!;
    const bytes = `${name}@${version}`;
    const digest = (algorithm: string): ReturnType<typeof createHash> => createHash(algorithm).update(bytes);
    const dist = {
      tarball: `http://127.0.0.1:1/${name}/-/${version}.tgz`,
      shasum: digest("sha1").digest("hex"),
      integrity: `sha512-${digest("sha512").digest("base64")}`,
    };
    return [version, { name, version, dependencies, dist }];
  });
  const packument = { name, "dist-tags": { latest: versions.at(-1) }, versions: Object.fromEntries(documents) };
  const file = join(directory, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(packument));
}
