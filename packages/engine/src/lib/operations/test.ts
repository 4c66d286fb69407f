import { cp, readdir, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { isLadingError } from "@lading/core-manifest";
import { runChild, type ChildResult } from "../child.ts";
import { step, type EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import {
  displayPath,
  exists,
  makeDirectory,
  makeTemporaryDirectory,
  makeWritable,
  readText,
  writeFileAtomic,
} from "../files.ts";
import { tableOf } from "../own-table.ts";
import { chooseMembers, loadProject, type Member, type MemberChoice } from "../project.ts";
import { readTestConfig, type TestConfig, type TestRunner } from "../test-config.ts";
import { parseJsonResults } from "../test-results/json.ts";
import { parseJunit, renderJunit, type JunitSuite } from "../test-results/junit.ts";
import { readSimple } from "../test-results/simple.ts";
import { parseTap } from "../test-results/tap.ts";
import type { ResultFormat, TestCase, TestCounts, TestResults } from "../test-results/results.ts";

/** Which tests are run, and how they are shut in. */
export interface TestInput extends MemberChoice {
  /** Directory of a package. Default: the project around the working directory. */
  readonly path?: string | undefined;
  /** Names of the runners to run. Default: all. */
  readonly runners?: readonly string[] | undefined;
  /** Seconds that no runner may exceed, whatever its manifest allows. */
  readonly timeout?: number | undefined;
  /** `NAME` passes a variable of this environment on, `NAME=VALUE` sets one. */
  readonly env?: readonly string[] | undefined;
  /** Run in the package's own directory in place of a copy. */
  readonly inPlace?: boolean | undefined;
  /** Leave the copy for a look at it. */
  readonly keep?: boolean | undefined;
  /** Share of tests that must pass, 0 to 1, in place of the manifest's. */
  readonly minPassRate?: number | undefined;
  /** Do nothing where no tests are declared. */
  readonly ifPresent?: boolean | undefined;
  /** Write all results as JUnit XML to this file. */
  readonly report?: string | undefined;
}

/** What one runner came to. */
export interface RunnerResult {
  readonly runner: string;
  readonly type: TestRunner["type"];
  readonly status: "passed" | "failed" | "timed-out" | "error";
  readonly counts: TestCounts;
  readonly cases: readonly TestCase[];
  /** Milliseconds. */
  readonly durationMs: number;
  readonly exitCode?: number;
  /** Why there are no results, or why good ones do not count. */
  readonly problem?: string;
  /** Last lines that the runner printed, where it did not pass. */
  readonly output?: string;
}

/** What the tests of one package came to. */
export interface PackageTests {
  readonly package: string;
  readonly version: string;
  /** `disabled`: its manifest switches testing off. */
  readonly status: "passed" | "failed" | "disabled";
  readonly counts: TestCounts;
  /** Share of the tests that were not skipped which passed. */
  readonly passRate: number;
  readonly minPassRate: number;
  readonly onFailure: TestConfig["onFailure"];
  readonly runners: readonly RunnerResult[];
  /** The copy that the tests ran in, where it was kept. */
  readonly directory?: string;
}

/**
 * Runs the tests that packages declare, each runner as a process of its own in a fresh copy of the package with an empty
 * home and nothing of this environment but the path and what is passed on by name.
 * @throws {EngineError} `TEST_CONFIG_MISSING`, `TEST_CONFIG_INVALID`, `TEST_RUNNER_UNKNOWN`
 */
export async function testPackages(input: TestInput, context: EngineContext): Promise<readonly PackageTests[]> {
  const inside = input.path === undefined ? context : { ...context, cwd: path.resolve(context.cwd, input.path) };
  const project = await loadProject(inside);
  const members = chooseMembers(project, input);
  const declared = members.filter(({ manifest }) => tableOf(manifest, "testing") !== undefined);
  if (declared.length === 0 && input.ifPresent !== true) throw notDeclared(members, context);
  const results: PackageTests[] = [];
  for (const member of declared) results.push(await testMember(member, input, inside));
  if (input.report !== undefined) await writeReport(path.resolve(context.cwd, input.report), results);
  return results;
}

/**
 * Runs the tests of packages before something else is done with them.
 * @throws {EngineError} `TESTS_FAILED`, and what {@link testPackages} throws
 */
export async function requirePassingTests(input: TestInput, context: EngineContext): Promise<void> {
  const failed = (await testPackages(input, context)).filter(({ status }) => status === "failed");
  if (failed.length === 0) return;
  const [first] = failed;
  throw new EngineError({
    code: "TESTS_FAILED",
    message: `Cannot go on with "${first!.package}" ${first!.version}: ${first!.counts.failed} of ${first!.counts.total} tests failed`,
    hint: "Run `test --detailed` to see which",
    packages: failed.map((one) => one.package),
  });
}

function notDeclared(members: readonly Member[], context: EngineContext): EngineError {
  const file = members[0] === undefined ? context.cwd : displayPath(members[0].path, context.cwd);
  return new EngineError({
    code: "TEST_CONFIG_MISSING",
    message: `Cannot run tests: "${file}" declares none`,
    hint: "Add a `testing` table with a runner, such as type script and entry_point tests/run_tests.sh",
  });
}

function testMember(member: Member, input: TestInput, context: EngineContext): Promise<PackageTests> {
  const { version } = member.manifest.package!;
  return testPackage({ ...member, version, testing: tableOf(member.manifest, "testing") }, input, context);
}

/** A package whose tests are run, wherever its files are. */
export interface TestedPackage {
  readonly name: string;
  readonly version: string;
  /** Absolute; nothing in it is changed unless the tests run in place. */
  readonly directory: string;
  /** Its manifest, for messages. */
  readonly display: string;
  /** The manifest's `testing` table. */
  readonly testing: unknown;
  /** Packages that it finds installed: path below the directory of installed packages -> their own, absolute. */
  readonly installed?: ReadonlyMap<string, string>;
}

/**
 * Runs the tests of one package.
 * @throws {EngineError} `TEST_CONFIG_MISSING`, `TEST_CONFIG_INVALID`, `TEST_RUNNER_UNKNOWN`
 */
export async function testPackage(
  member: TestedPackage,
  input: Omit<TestInput, "path" | "package" | "workspace" | "report" | "ifPresent">,
  context: EngineContext,
): Promise<PackageTests> {
  const config = readTestConfig(member.testing, member.display);
  const { name, version } = member;
  const minPassRate = input.minPassRate ?? config.minPassRate;
  const about = { package: name, version, minPassRate, onFailure: config.onFailure };
  if (!config.enabled) return { ...about, status: "disabled", counts: NONE, passRate: 1, runners: [] };
  const runners = chooseRunners(await runnersOf(config, member), input, member);
  const place = await openPlace(member, input, context);
  try {
    const results: RunnerResult[] = [];
    for (const runner of runners) results.push(await runOne(runner, { member, input, place }, context));
    return { ...about, ...judge(results, minPassRate), runners: results, ...(input.keep && { directory: place.root }) };
  } finally {
    await place.close();
  }
}

const NONE: TestCounts = { total: 0, passed: 0, failed: 0, skipped: 0 };

/** The share counts tests that ran: a package whose tests are all skipped has not shown anything. */
function judge(
  results: readonly RunnerResult[],
  minPassRate: number,
): Pick<PackageTests, "status" | "counts" | "passRate"> {
  const sum = (key: keyof TestCounts): number => results.reduce((total, { counts }) => total + counts[key], 0);
  const counts = { total: sum("total"), passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped") };
  const ran = counts.passed + counts.failed;
  const passRate = ran === 0 ? 0 : counts.passed / ran;
  return { status: passRate >= minPassRate ? "passed" : "failed", counts, passRate };
}

/** The declared runners, else what the directory of tests has by the customs of its languages. */
async function runnersOf(config: TestConfig, member: TestedPackage): Promise<readonly TestRunner[]> {
  if (config.runners.length > 0) return config.runners;
  const found = config.discover === undefined ? [] : await discover(member.directory, config.discover);
  if (found.length > 0) return found;
  throw new EngineError({
    code: "TEST_CONFIG_MISSING",
    message: `Cannot run the tests of "${member.name}": "${member.display}" names no runner${config.discover === undefined ? "" : `, and "${config.discover}" has no run_tests.sh, test_*.py or *.test.js`}`,
  });
}

async function discover(root: string, directory: string): Promise<TestRunner[]> {
  const place = path.join(root, directory);
  const names = (await exists(place)) ? (await readdir(place)).sort() : [];
  const make = (name: string, type: TestRunner["type"], file: string): TestRunner => ({
    name,
    type,
    entryPoint: path.posix.join(directory, file),
    args: [],
    timeoutMs: 300_000,
    resultFormat: type === "node" ? "tap" : "simple",
    env: {},
  });
  return names.flatMap((file) => {
    if (/^run_tests\.(?:sh|py)$/.test(file)) return [make(file, "script", file)];
    if (/^test_.*\.py$/.test(file)) return [make(file, "unittest", file)];
    return /\.test\.[cm]?js$/.test(file) ? [make(file, "node", file)] : [];
  });
}

function chooseRunners(
  runners: readonly TestRunner[],
  { runners: wanted = [] }: TestInput,
  member: TestedPackage,
): readonly TestRunner[] {
  const unknown = wanted.find((name) => !runners.some((runner) => runner.name === name));
  if (unknown !== undefined) {
    throw new EngineError({
      code: "TEST_RUNNER_UNKNOWN",
      message: `Cannot run "${unknown}": the runners of "${member.name}" are ${runners.map(({ name }) => `"${name}"`).join(", ")}`,
    });
  }
  return wanted.length === 0 ? runners : runners.filter(({ name }) => wanted.includes(name));
}

/** Where tests run: the package's directory or a copy of it, and an empty home. */
interface Place {
  readonly root: string;
  readonly directory: string;
  readonly home: string;
  readonly temporary: string;
  close(): Promise<void>;
}

async function openPlace(member: TestedPackage, input: TestInput, context: EngineContext): Promise<Place> {
  const root = await makeTemporaryDirectory(tmpdir(), "lading-test-");
  const [home, temporary] = [path.join(root, "home"), path.join(root, "tmp")];
  const directory = input.inPlace === true ? member.directory : path.join(root, path.basename(member.directory));
  await Promise.all([home, temporary].map((one) => makeDirectory(one)));
  if (directory !== member.directory) await copyPackage(member, directory, context);
  return {
    root,
    directory,
    home,
    temporary,
    close: async () => (input.keep === true ? undefined : rm(root, { recursive: true, force: true, maxRetries: 3 })),
  };
}

/** All files but version control, build outputs and our own state; installed dependencies are reached by a link. */
async function copyPackage(
  { directory: from, installed }: TestedPackage,
  to: string,
  context: EngineContext,
): Promise<void> {
  const { install, package: output } = context.profile;
  const left = new Set(
    [".git", ".hg", ".svn", ".lading", output.outputDirectory, install.directory].map((name) => path.join(from, name)),
  );
  await cp(from, to, { recursive: true, verbatimSymlinks: true, filter: (file) => !left.has(file) });
  await makeWritable(to);
  const there = path.join(from, install.directory);
  const links = installed ?? new Map((await exists(there)) ? [["", there]] : []);
  for (const [place, target] of links) await linkDirectory(target, path.join(to, install.directory, place));
}

async function linkDirectory(target: string, link: string): Promise<void> {
  await makeDirectory(path.dirname(link));
  await symlink(target, link, "dir");
}

interface Running {
  readonly member: TestedPackage;
  readonly input: TestInput;
  readonly place: Place;
}

async function runOne(runner: TestRunner, running: Running, context: EngineContext): Promise<RunnerResult> {
  return step(
    context,
    "test",
    `Running ${runner.name} tests of ${running.member.name}`,
    () => runRunner(runner, running, context),
    ({ status, counts }) => ({
      message: `${runner.name}: ${counts.passed} of ${counts.total} passed${status === "timed-out" ? ", timed out" : ""}`,
      failed: status !== "passed",
    }),
  );
}

async function runRunner(runner: TestRunner, running: Running, context: EngineContext): Promise<RunnerResult> {
  const { place, input } = running;
  const line = await commandLine(runner, place.directory);
  if ("problem" in line) return broken(runner, line.problem);
  const before = await resultFiles(runner, place.directory);
  const timeoutMs = Math.min(runner.timeoutMs, (input.timeout ?? Number.POSITIVE_INFINITY) * 1000);
  const child = await runChild({
    command: line.command,
    args: line.args,
    cwd: place.directory,
    env: environmentOf(runner, running, context),
    signal: context.signal,
    timeoutMs,
  });
  if (child === undefined) return broken(runner, `the program "${line.command}" was not found, or may not be run`);
  if (child.timedOut) return timedOut(runner, child, timeoutMs);
  return judged(runner, child, await readResults(runner, { child, directory: place.directory, before }));
}

type CommandLine = { readonly command: string; readonly args: readonly string[] } | { readonly problem: string };

const INTERPRETERS: Readonly<Record<string, string>> = {
  ".sh": "sh",
  ".bash": "bash",
  ".py": "python3",
  ".js": "node",
  ".mjs": "node",
  ".cjs": "node",
};

async function commandLine(runner: TestRunner, directory: string): Promise<CommandLine> {
  const { type, args, entryPoint = "" } = runner;
  if (type === "command") {
    const [command = "", ...rest] = runner.command ?? [];
    return command === "" ? { problem: "its command is empty" } : { command, args: [...rest, ...args] };
  }
  const file = path.join(directory, entryPoint);
  if (!(await exists(file))) return { problem: `there is no "${entryPoint}"` };
  const isDirectory = (await stat(file)).isDirectory();
  switch (type) {
    case "unittest":
      return isDirectory
        ? { command: "python3", args: ["-m", "unittest", "discover", "-v", "-s", entryPoint, ...args] }
        : { command: "python3", args: ["-m", "unittest", "-v", entryPoint, ...args] };
    case "pytest": {
      const report = runner.resultFormat === "junit-xml" ? [`--junitxml=${reportFile(runner)}`] : [];
      return { command: "python3", args: ["-m", "pytest", ...report, entryPoint, ...args] };
    }
    case "node": {
      const reporter = runner.resultFormat === "junit-xml" ? "junit" : "tap";
      return { command: process.execPath, args: ["--test", `--test-reporter=${reporter}`, ...args, entryPoint] };
    }
    case "script": {
      // By its `#!` line where it has one and may run, else by its name.
      const runnable = ((await stat(file)).mode & 0o111) !== 0 && (await readText(file)).startsWith("#!");
      if (runnable) return { command: file, args };
      const interpreter = INTERPRETERS[path.extname(file)];
      return interpreter === undefined
        ? {
            problem: `"${entryPoint}" is neither executable nor of a known kind (${Object.keys(INTERPRETERS).join(", ")})`,
          }
        : { command: interpreter, args: [entryPoint, ...args] };
    }
  }
}

/** Where pytest is told to leave its report. */
function reportFile({ name, resultPath }: TestRunner): string {
  if (resultPath?.endsWith(".xml") === true) return resultPath;
  return path.posix.join(resultPath ?? ".", `${name.replaceAll(/[^\w-]/g, "-")}-results.xml`);
}

const PASSED_ON = ["PATH", "LANG", "LC_ALL", "TZ", "SystemRoot", "PATHEXT", "ComSpec"];

/** Tokens, keys and settings of the user stay outside: a test is a stranger's program. */
function environmentOf(
  runner: TestRunner,
  { member, input, place }: Running,
  context: EngineContext,
): Record<string, string | undefined> {
  const prefix = context.profile.environmentPrefix;
  const given = (input.env ?? []).map((entry): [string, string | undefined] => {
    const at = entry.indexOf("=");
    return at === -1 ? [entry, context.env[entry]] : [entry.slice(0, at), entry.slice(at + 1)];
  });
  return {
    ...Object.fromEntries(PASSED_ON.map((name) => [name, context.env[name]])),
    HOME: place.home,
    USERPROFILE: place.home,
    TMPDIR: place.temporary,
    TEMP: place.temporary,
    TMP: place.temporary,
    PYTHONDONTWRITEBYTECODE: "1",
    [`${prefix}_PACKAGE_NAME`]: member.name,
    [`${prefix}_PACKAGE_VERSION`]: member.version,
    [`${prefix}_PACKAGE_DIR`]: place.directory,
    ...runner.env,
    ...Object.fromEntries(given),
  };
}

/** Result files of the runner with the time of their last change, in milliseconds. */
async function resultFiles(runner: TestRunner, directory: string): Promise<ReadonlyMap<string, number>> {
  const wanted = EXTENSIONS[runner.resultFormat];
  const found = new Map<string, number>();
  const place = runner.resultPath ?? (runner.type === "pytest" ? reportFile(runner) : undefined);
  if (wanted === undefined || place === undefined) return found;
  const root = path.join(directory, place);
  if (!(await exists(root))) return found;
  if ((await stat(root)).isFile()) return new Map([[root, (await stat(root)).mtimeMs]]);
  for (const name of (await readdir(root, { recursive: true })).sort()) {
    const file = path.join(root, name);
    if (wanted.includes(path.extname(name))) found.set(file, (await stat(file)).mtimeMs);
  }
  return found;
}

const EXTENSIONS: Readonly<Partial<Record<ResultFormat, readonly string[]>>> = {
  "junit-xml": [".xml"],
  tap: [".tap", ".txt"],
  json: [".json"],
};

interface Finished {
  readonly child: ChildResult;
  readonly directory: string;
  readonly before: ReadonlyMap<string, number>;
}

/** Files that this run has written, else what the runner printed. */
async function readResults(runner: TestRunner, { child, directory, before }: Finished): Promise<TestResults | string> {
  if (runner.resultFormat === "simple") return readSimple(`${child.stdout}\n${child.stderr}`, child.code);
  const written = [...(await resultFiles(runner, directory))].filter(([file, time]) => before.get(file) !== time);
  const texts = written.length === 0 ? [child.stdout] : await Promise.all(written.map(([file]) => readText(file)));
  try {
    return sumOf(texts.map((text) => PARSERS[runner.resultFormat as keyof typeof PARSERS](text)));
  } catch (error) {
    if (isLadingError(error) && error.code === "TEST_RESULTS_INVALID") return error.message;
    throw error;
  }
}

const PARSERS = { "junit-xml": parseJunit, tap: parseTap, json: parseJsonResults } as const;

function sumOf(all: readonly TestResults[]): TestResults {
  const sum = (key: keyof TestCounts): number => all.reduce((total, { counts }) => total + counts[key], 0);
  return {
    counts: { total: sum("total"), passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped") },
    cases: all.flatMap(({ cases }) => cases),
  };
}

/** Results and exit status together: a runner that fails without naming a failed test has failed all the same. */
function judged(runner: TestRunner, child: ChildResult, results: TestResults | string): RunnerResult {
  const about = { runner: runner.name, type: runner.type, durationMs: child.durationMs, exitCode: child.code };
  if (typeof results === "string") {
    return { ...about, status: "error", ...ONE_FAILED, problem: results, output: lastLines(child) };
  }
  const { counts, cases } = results;
  const silent = child.code !== 0 && counts.failed === 0;
  if (!silent && counts.failed === 0) return { ...about, status: "passed", counts, cases };
  if (!silent) return { ...about, status: "failed", counts, cases, output: lastLines(child) };
  return {
    ...about,
    status: "failed",
    counts: { ...counts, total: counts.total + 1, failed: 1 },
    cases,
    problem: `it ended with exit status ${child.code}, though no test failed`,
    output: lastLines(child),
  };
}

const ONE_FAILED = { counts: { total: 1, passed: 0, failed: 1, skipped: 0 }, cases: [] } as const;

function broken(runner: TestRunner, problem: string): RunnerResult {
  return { runner: runner.name, type: runner.type, status: "error", ...ONE_FAILED, durationMs: 0, problem };
}

function timedOut(runner: TestRunner, child: ChildResult, timeoutMs: number): RunnerResult {
  return {
    runner: runner.name,
    type: runner.type,
    status: "timed-out",
    ...ONE_FAILED,
    durationMs: child.durationMs,
    problem: `it ran longer than ${timeoutMs / 1000} seconds and was killed`,
    output: lastLines(child),
  };
}

const SHOWN_LINES = 40;

function lastLines({ stdout, stderr }: ChildResult): string {
  const lines = `${stdout}\n${stderr}`.split("\n").map((line) => line.trimEnd());
  return lines
    .filter((line) => line !== "")
    .slice(-SHOWN_LINES)
    .join("\n");
}

async function writeReport(file: string, results: readonly PackageTests[]): Promise<void> {
  const suites = results.flatMap(({ package: name, runners }) =>
    runners.map((runner): JunitSuite => ({
      name: `${name}.${runner.runner}`,
      durationMs: runner.durationMs,
      cases: reported(runner),
    })),
  );
  await writeFileAtomic(file, renderJunit(suites));
}

/** Every counted test, also those that the format did not name. */
function reported({ runner, counts, cases, problem }: RunnerResult): TestCase[] {
  const unnamed = (["passed", "failed", "skipped"] as const).flatMap((status) => {
    const missing = Math.max(0, counts[status] - cases.filter((one) => one.status === status).length);
    const message = status === "failed" && problem !== undefined ? { message: problem } : {};
    return Array.from({ length: missing }, (_, index): TestCase => ({
      name: `${runner} ${status} ${index + 1}`,
      status,
      ...message,
    }));
  });
  return [...cases, ...unnamed];
}
