/**
 * The main job, end to end, on real input: publishes the true dependency closure of some twenty well-known npm packages,
 * taken from this repository's own `node_modules`, to a fresh registry over HTTP, then resolves, installs, verifies,
 * upgrades and rolls back a project that depends on several of them.
 *
 *     npm run demo              everything, then clean up
 *     npm run demo -- --keep    leave the registry running, with its URL
 */
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtinProfile, canonicalName, parsePackageName } from "@lading/core-manifest";
import { createContext, keygen, migrateNpmPackage, pack, publish, type EngineContext } from "@lading/engine";
import { dependencyClosure, type Closure, type InstalledPackage } from "./closure.ts";
import { startRegistry, type RegistryProcess } from "./server.ts";

const root = join(import.meta.dirname, "../..");
const lading = join(root, "apps/lading/src/main.ts");
const keep = process.argv.includes("--keep");
const PUBLISHERS = 4;

/** Published only after the project has been installed once, so that there is something to upgrade to. */
const PUBLISHED_LATER: ReadonlySet<string> = new Set(["chalk@5.6.2", "commander@14.0.1", "semver@7.7.2"]);

const PROJECT_DEPENDENCIES = [
  "express",
  "yargs",
  "glob",
  "winston",
  "ajv",
  "ora",
  "chalk",
  "commander",
  "semver",
  "debug",
];

/** What the steps share: where things are and what has been made so far. */
interface Demo {
  readonly directory: string;
  readonly home: string;
  readonly project: string;
  readonly key: string;
  registry: RegistryProcess;
  closure: Closure;
  context: EngineContext;
}

function say(text: string): void {
  console.log(text);
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}

/** Two names that fold into one would overwrite each other: that ends the demo rather than change a name. */
function refuseFoldedNames(packages: readonly InstalledPackage[]): void {
  const spellings = new Map<string, string>();
  for (const { name } of packages) {
    const key = canonicalName(parsePackageName(name.replace(/^@/, "")));
    const other = spellings.get(key) ?? name;
    if (other !== name) throw new Error(`"${name}" and "${other}" fold into one name, "${key}"`);
    spellings.set(key, name);
  }
}

async function readClosure(demo: Demo): Promise<void> {
  demo.closure = dependencyClosure(join(import.meta.dirname, "node_modules"));
  refuseFoldedNames(demo.closure.packages);
  const names = new Set(demo.closure.packages.map(({ name }) => name));
  say(
    `${demo.closure.packages.length} npm packages of ${names.size} names from node_modules, with their true dependency ranges`,
  );
  say(
    `${demo.closure.absentOptional.length} optional packages are absent on this system and skipped: ${demo.closure.absentOptional.join(", ")}`,
  );
}

async function start(demo: Demo): Promise<void> {
  demo.registry = await startRegistry(join(demo.directory, "registry"));
  const env = { HOME: demo.home, PATH: process.env["PATH"], LADING_TOKEN: demo.registry.token };
  demo.context = createContext({
    profile: builtinProfile("lading"),
    cwd: demo.directory,
    env,
    registry: demo.registry.url,
  });
  await keygen({ output: demo.key }, demo.context);
  say(`registry at ${demo.registry.url}, with a new signing key`);
}

function published(closure: Closure, later: boolean): readonly InstalledPackage[] {
  return closure.packages.filter(({ name, version }) => PUBLISHED_LATER.has(`${name}@${version}`) === later);
}

async function publishOne(demo: Demo, one: InstalledPackage): Promise<number> {
  const directory = join(demo.directory, "packages", `${one.name.replace("/", "+")}@${one.version}`);
  const migrated = await migrateNpmPackage({ directory: one.directory, output: directory });
  refuseAlteredRequirements(one, migrated.findings);
  const context = { ...demo.context, cwd: directory };
  const [packed] = await pack({}, context);
  const [result] = await publish({ file: packed!.path, key: demo.key, sign: true, wait: false }, context);
  if (result!.outcome !== "created" || result!.signers.length === 0) {
    throw new Error(`${one.name}@${one.version} was not published with a signature: ${JSON.stringify(result)}`);
  }
  return packed!.size!;
}

/** A finding about what an installation needs would mean that the published range is not the author's. */
function refuseAlteredRequirements(one: InstalledPackage, findings: readonly { key: string; message: string }[]): void {
  const altered = findings.find(({ key }) => /^(?:dependencies|optionalDependencies)\./.test(key));
  if (altered !== undefined) throw new Error(`${one.name}@${one.version}: ${altered.key}: ${altered.message}`);
}

async function publishAll(demo: Demo, packages: readonly InstalledPackage[]): Promise<void> {
  const started = performance.now();
  const queue = [...packages];
  let bytes = 0;
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined && failures.length === 0; next = queue.shift()) {
      await publishOne(demo, next).then(
        (size) => (bytes += size),
        (error: unknown) => failures.push(error),
      );
    }
  };
  await Promise.all(Array.from({ length: PUBLISHERS }, worker));
  if (failures.length > 0) throw failures[0];
  say(
    `converted, packed, signed and published ${packages.length} packages (${(bytes / 1e6).toFixed(1)} MB) in ${seconds(started)}`,
  );
}

/** Runs the real command line in the project, shows what it prints and demands the exit code. */
function run(demo: Demo, args: readonly string[], expectedCode: number): string {
  say(`\n$ lading ${args.join(" ")}`);
  const started = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, ["-C", "@lading/source", lading, ...args], {
    cwd: demo.project,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: { HOME: demo.home, PATH: process.env["PATH"], NO_COLOR: "1" },
  });
  if (status !== expectedCode)
    throw new Error(`lading ${args[0]} ended with ${status}, expected ${expectedCode}:\n${stderr}${stdout}`);
  const lines = `${stdout}${expectedCode === 0 ? "" : stderr}`.trimEnd().split("\n");
  const shown =
    lines.length > 24 ? [...lines.slice(0, 18), `  ... ${lines.length - 20} more lines`, ...lines.slice(-2)] : lines;
  say(shown.map((line) => `  ${line}`).join("\n"));
  say(`  (${seconds(started)}${expectedCode === 0 ? "" : `, exit code ${status}`})`);
  return stdout;
}

function command(demo: Demo, ...args: string[]): string {
  return run(demo, args, 0);
}

async function install(demo: Demo): Promise<void> {
  command(demo, "init", "harbour", "--path", ".");
  command(demo, "config", "set", "resolver.coexistence", "per-major");
  command(demo, "registry", "add", "demo", demo.registry.url);
  command(demo, "config", "set", "default-registry", "demo");
  command(demo, "add", ...PROJECT_DEPENDENCIES);
  command(demo, "install");
  command(demo, "verify");
  command(demo, "tree", "--depth", "2");
}

/**
 * npm nests a second mime-db for koa; with one version per major there is no solution, and Lading says why, changing nothing.
 */
async function explain(demo: Demo): Promise<void> {
  const before = await readFile(join(demo.project, "lading.toml"), "utf8");
  run(demo, ["add", "koa"], 4);
  if ((await readFile(join(demo.project, "lading.toml"), "utf8")) !== before)
    throw new Error("a failed add changed the manifest");
}

async function upgrade(demo: Demo): Promise<void> {
  command(demo, "outdated");
  command(demo, "update");
  command(demo, "verify");
  await expectVersion(demo, "chalk", "5.6.2");
  command(demo, "rollback");
  command(demo, "verify");
  await expectVersion(demo, "chalk", "5.3.0");
}

/** The environment itself says which version it holds: the package's own package.json. */
async function expectVersion(demo: Demo, name: string, version: string): Promise<void> {
  const { directory } = builtinProfile("lading").install;
  const file = join(demo.project, directory, name, "package.json");
  const found = (JSON.parse(await readFile(file, "utf8")) as { version: string }).version;
  if (found !== version) throw new Error(`${name} is ${found} in the environment, expected ${version}`);
  say(`\n${name} in the environment is ${found}`);
}

const STEPS: readonly { readonly title: string; readonly run: (demo: Demo) => Promise<void> }[] = [
  { title: "Read the closure of real packages", run: readClosure },
  { title: "Start a registry", run: start },
  { title: "Publish", run: (demo) => publishAll(demo, published(demo.closure, false)) },
  { title: "Install a project", run: install },
  { title: "Ask for the impossible", run: explain },
  { title: "Publish newer versions", run: (demo) => publishAll(demo, published(demo.closure, true)) },
  { title: "Upgrade, then roll back", run: upgrade },
];

async function main(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "lading-demo-"));
  const demo = {
    directory,
    home: join(directory, "home"),
    project: join(directory, "project"),
    key: join(directory, "home", "demo.pem"),
  } as Demo;
  await mkdir(demo.home);
  await mkdir(demo.project);
  const started = performance.now();
  let finished = false;
  try {
    for (const { title, run } of STEPS) {
      say(`\n== ${title}`);
      await run(demo);
    }
    const published = demo.closure.packages.length;
    say(`\nDone in ${seconds(started)}: ${published} packages published, the project back at its first generation.`);
    finished = true;
  } finally {
    await demo.context?.close();
    if (keep && finished) {
      say(
        `The registry runs at ${demo.registry.url}; API at ${demo.registry.url}/docs. The project is in ${demo.project}. Ctrl-C ends it.`,
      );
      process.once("SIGINT", () => void demo.registry.stop());
      await demo.registry.ended;
    }
    await demo.registry?.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

await main();
