import { execFile, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync } from "node:fs";
import { cp, rename, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import type { Environment, Generation, PlannedPackage, Store } from "@lading/installer";
import { step, type EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { displayPath, exists, makeDirectory, makeWritable, readTextIfExists, writeFileAtomic } from "./files.ts";

const run = promisify(execFile);

/** Below an environment's state: packages with what was built in them, and logs. */
const NATIVE_DIRECTORY = "native";
const BUILD_MS = 30 * 60_000;
const LOG_LINES_SHOWN = 12;
const PLATFORMS: Readonly<Record<string, string>> = { win32: "windows", darwin: "macos" };

/** One step of a manifest's `[[native]]` (`docs/spec/manifest.md` §native). */
interface NativeStep {
  readonly name: string;
  /** Program and arguments; `{compiler}` stands for the compiler. */
  readonly command: readonly string[];
  /** Files that must be there afterwards, relative to the package. */
  readonly outputs: readonly string[];
  /** `linux`, `macos`, `windows`; empty: everywhere. */
  readonly platforms: readonly string[];
}

interface NativePackage {
  readonly planned: PlannedPackage;
  readonly steps: readonly NativeStep[];
}

/** How native steps are run. */
export interface NativeInput {
  readonly environment: Environment;
  readonly store: Store;
  readonly planned: readonly PlannedPackage[];
  readonly installed: Generation | undefined;
  /** Packages whose steps may run, beside those of setting `native.allow`; `*`: every one. */
  readonly allow?: readonly string[] | undefined;
}

/**
 * Runs the native build steps of packages, each in a clean copy of its package, and answers with the plan in which built
 * packages stand in for their sources. What was built from the same bytes with the same compiler is used again. A package
 * whose steps may not run, or for which there is no compiler, is installed as it is, and a warning says so.
 * @throws {EngineError} `NATIVE_BUILD_FAILED`, `NATIVE_STEP_INVALID`
 */
export async function buildNative(context: EngineContext, input: NativeInput): Promise<readonly PlannedPackage[]> {
  const names = await allowedNames(context, input.allow ?? []);
  const native = await nativePackages(context, input, names.length > 0);
  if (native.length === 0) return input.planned;
  const compiler = await findCompiler(context);
  const allowed = (name: string): boolean => names.includes("*") || names.includes(name);
  const built = new Map<PlannedPackage, PlannedPackage>();
  for (const one of native) {
    const name = `${one.planned.name} ${one.planned.version}`;
    if (!allowed(one.planned.name)) {
      warn(
        context,
        "NATIVE_BUILD_NOT_ALLOWED",
        `${name} has native build steps, which were not run: nobody allowed them`,
        `Allow them with --allow-build ${one.planned.name}`,
      );
    } else if (compiler.version === undefined) {
      warn(
        context,
        "NATIVE_COMPILER_MISSING",
        `${name} has native build steps, which were not run: no compiler "${compiler.command}" was found`,
        "Install one, or name it: config set native.compiler PROGRAM",
      );
    } else {
      const directory = await buildOne(context, input, one, compiler as Compiler);
      const { tree: _, blob: __, ...rest } = one.planned;
      built.set(one.planned, { ...rest, directory });
    }
  }
  return input.planned.map((planned) => built.get(planned) ?? planned);
}

function warn(context: EngineContext, code: string, message: string, hint: string): void {
  context.onEvent({ type: "warning", code, message, hint });
}

/** Every package with steps for this platform; read from records that are new here, or of all where steps may run or have run. */
async function nativePackages(
  context: EngineContext,
  { environment, store, planned, installed }: NativeInput,
  mayRun: boolean,
): Promise<NativePackage[]> {
  const known = new Set(installed?.packages.map(({ tree }) => tree));
  const everything = mayRun || installed === undefined || existsSync(path.join(environment.state, NATIVE_DIRECTORY));
  const platform = PLATFORMS[process.platform] ?? process.platform;
  const found: NativePackage[] = [];
  for (const one of planned) {
    if (one.tree === undefined || (!everything && known.has(one.tree))) continue;
    const { extra } = store.record(one.tree).manifest;
    const own = extra?.["revitpy"];
    const value = extra?.["native"] ?? (isTable(own) ? own["native"] : undefined);
    if (value === undefined) continue;
    const steps = readSteps(value, `${one.name} ${one.version}`);
    const here = steps.filter(({ platforms }) => platforms.length === 0 || platforms.includes(platform));
    if (here.length > 0) found.push({ planned: one, steps: here });
    else
      context.onEvent({
        type: "info",
        message: `${one.name} ${one.version} has native build steps for other platforms only`,
      });
  }
  return found;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readSteps(value: unknown, package_: string): NativeStep[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((item, index) => {
    const invalid = (problem: string): EngineError =>
      new EngineError({
        code: "NATIVE_STEP_INVALID",
        message: `Cannot build "${package_}": native step ${index + 1} ${problem}`,
        package: package_,
      });
    if (!isTable(item)) throw invalid("is no table");
    const texts = (key: string): string[] => {
      const found = item[key] ?? [];
      if (!Array.isArray(found) || !found.every((one) => typeof one === "string" && one !== ""))
        throw invalid(`has "${key}", which is no list of texts`);
      return found as string[];
    };
    const command = texts("command");
    if (command.length === 0) throw invalid('has no "command", a list of a program and its arguments');
    const outputs = texts("outputs");
    const outside = outputs.find((file) => path.isAbsolute(file) || file.split(/[\\/]/).includes(".."));
    if (outside !== undefined) throw invalid(`has output "${outside}", which is outside of the package`);
    const name = typeof item["name"] === "string" ? item["name"] : String(index + 1);
    return { name, command, outputs, platforms: texts("platforms") };
  });
}

interface Compiler {
  readonly command: string;
  /** First line of what it says of itself. */
  readonly version: string;
}

async function findCompiler(context: EngineContext): Promise<{ command: string; version: string | undefined }> {
  const command = (await context.settings()).string("native.compiler") ?? (process.platform === "win32" ? "cl" : "cc");
  try {
    // `cl` knows no `--version`, and names itself on standard error when it is asked for nothing.
    const asked = await run(command, /(?:^|[\\/])cl(?:\.exe)?$/i.test(command) ? [] : ["--version"], {
      env: { ...process.env, ...context.env, LC_ALL: "C" },
      timeout: 20_000,
      signal: context.signal,
    });
    return { command, version: `${asked.stdout}${asked.stderr}`.split("\n", 1)[0] ?? "" };
  } catch (error) {
    context.signal.throwIfAborted();
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    // One that is there and does not like the question is a compiler all the same.
    return { command, version: typeof code === "number" ? (stderr ?? "").split("\n", 1)[0]! : undefined };
  }
}

async function allowedNames(context: EngineContext, given: readonly string[]): Promise<string[]> {
  const setting = (await context.settings()).string("native.allow") ?? "";
  return [...given, ...setting.split(",").map((name) => name.trim())].filter((name) => name !== "");
}

async function buildOne(
  context: EngineContext,
  { environment, store }: NativeInput,
  { planned, steps }: NativePackage,
  compiler: Compiler,
): Promise<string> {
  const base = path.join(environment.state, NATIVE_DIRECTORY);
  const key = createHash("sha256")
    .update(JSON.stringify([planned.tree, steps, process.platform, process.arch, compiler]))
    .digest("hex")
    .slice(0, 16);
  const place = path.join(base, `${planned.name.replaceAll("/", "+")}-${planned.version}-${key}`);
  if (await exists(path.join(place, ".lading", "native.json"))) return place;
  await makeDirectory(base);
  const log = `${place}.log`;
  const temporary = path.join(base, `.tmp-${randomBytes(6).toString("hex")}`);
  const title = `${planned.name} ${planned.version}`;
  try {
    await step(context, "build", `Building ${title}`, async () => {
      await cp(store.path(planned.tree!), temporary, { recursive: true });
      await makeWritable(temporary);
      await rm(log, { force: true });
      for (const one of steps) await runStep(context, { one, temporary, log, compiler, title });
    });
    const facts = { format: 1, tree: planned.tree, compiler, steps, platform: process.platform, arch: process.arch };
    await writeFileAtomic(path.join(temporary, ".lading", "native.json"), `${JSON.stringify(facts, null, 2)}\n`);
    await rename(temporary, place);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return place;
}

interface RunningStep {
  readonly one: NativeStep;
  readonly temporary: string;
  readonly log: string;
  readonly compiler: Compiler;
  readonly title: string;
}

async function runStep(context: EngineContext, running: RunningStep): Promise<void> {
  const { one, temporary, log, compiler, title } = running;
  const [program, ...args] = one.command.map((part) => part.replaceAll("{compiler}", compiler.command));
  const output = openSync(log, "a");
  let ended: string;
  try {
    ended = await new Promise<string>((resolve, reject) => {
      const child = spawn(program!, args, {
        cwd: temporary,
        stdio: ["ignore", output, output],
        signal: context.signal,
        timeout: BUILD_MS,
        env: buildVariables(context, compiler, temporary),
      });
      child.once("error", (error) => (context.signal.aborted ? reject(error) : resolve(error.message)));
      child.once("exit", (code, signal) => resolve(code === 0 ? "" : `it ended with ${signal ?? code}`));
    });
  } finally {
    closeSync(output);
  }
  const missing = one.outputs.find((file) => !existsSync(path.join(temporary, file)));
  if (ended === "" && missing === undefined) return;
  const problem = ended === "" ? `it made no "${missing!}"` : ended;
  const lines = ((await readTextIfExists(log)) ?? "").trimEnd().split("\n").slice(-LOG_LINES_SHOWN);
  throw new EngineError({
    code: "NATIVE_BUILD_FAILED",
    message: `Cannot build "${title}": step "${one.name}": ${problem}${lines.map((line) => `\n  ${line}`).join("")}`,
    hint: `The whole log is in "${displayPath(log, context.cwd)}"; the earlier generation is still in place`,
    log,
  });
}

/** What a compiler needs of this user's variables, and nothing that is secret: tokens stay here. */
function buildVariables(context: EngineContext, compiler: Compiler, directory: string): Record<string, string> {
  const kept = [
    "PATH",
    "Path",
    "SystemRoot",
    "TEMP",
    "TMP",
    "TMPDIR",
    "INCLUDE",
    "LIB",
    "LIBPATH",
    "LANG",
    "CFLAGS",
    "LDFLAGS",
  ];
  const all = { ...process.env, ...context.env };
  const values = kept.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]] as const]));
  return { ...Object.fromEntries(values), HOME: directory, CC: compiler.command };
}
