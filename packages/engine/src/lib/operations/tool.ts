import { lstat, readdir, readlink, rename, rm } from "node:fs/promises";
import path from "node:path";
import { writeManifest, type PackageManifest } from "@lading/core-manifest";
import { installedCommands, placeCommand, type InstalledCommand } from "../commands.ts";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import {
  exists,
  hasErrno,
  makeDirectory,
  makeTemporaryDirectory,
  readTextIfExists,
  writeFileAtomic,
} from "../files.ts";
import { parsePackageSpec } from "../package-spec.ts";
import { loadProject } from "../project.ts";
import { install } from "./install.ts";

/** A tool of this user. */
export interface InstalledTool {
  readonly name: string;
  readonly version: string;
  /** Names of its programs. */
  readonly commands: readonly string[];
  /** Where they are put. */
  readonly directory: string;
  /** Whether that is on the path. */
  readonly onPath: boolean;
}

/** Which tool, and how. */
export interface ToolInstallInput {
  /** `name` or `name@requirement`. */
  readonly spec: string;
  /** Take names of programs that somebody else has. */
  readonly force?: boolean | undefined;
}

/** What is noted of a tool. */
interface ToolRecord {
  readonly format: 1;
  readonly name: string;
  readonly version: string;
  /** Program -> what its link leads to. */
  readonly commands: Readonly<Record<string, string>>;
}

/**
 * Installs a package for this user rather than for a project: in an environment of its own with its own lock, so that tools
 * never meet each other's dependencies, its programs linked to where the user's programs are. The same again updates it.
 * @throws {EngineError} `TOOL_WITHOUT_COMMANDS`, `COMMAND_TAKEN`; then what was there is as it was
 */
export async function toolInstall(input: ToolInstallInput, context: EngineContext): Promise<InstalledTool> {
  const { name } = parsePackageSpec(input.spec);
  const home = toolHome(context, name);
  const before = await readRecord(home);
  // Beside the old one and as deep, so that links inside stay valid when it takes its place.
  const stage = await makeTemporaryDirectory(toolsDirectory(context), ".new-");
  try {
    const own = (await installInto(stage, input, context))
      .filter((one) => one.package === name)
      .map((one) => ({ ...one, file: path.join(home, path.relative(stage, one.file)) }));
    if (own.length === 0) throw withoutCommands(name);
    await refuseTaken(own, before, input, context);
    const commands = Object.fromEntries(own.map(({ command, file }) => [command, file]));
    const record: ToolRecord = { format: 1, name, version: own[0]!.version, commands };
    await writeFileAtomic(path.join(stage, "tool.json"), `${JSON.stringify(record, null, 2)}\n`);
    await rm(home, { recursive: true, force: true });
    await rename(stage, home);
    await placeAll(own, before, context);
    return listed(record, context);
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

/** Installs the package and what it needs into a project of its own, and answers all programs there. */
async function installInto(
  directory: string,
  { spec }: ToolInstallInput,
  context: EngineContext,
): Promise<readonly InstalledCommand[]> {
  const inside = { ...context, cwd: directory };
  const { name, dialect } = context.profile.manifest.files[0]!;
  await writeFileAtomic(path.join(directory, name), writeManifest(emptyTool(dialect), dialect).text);
  await install({ specs: [spec] }, inside);
  return installedCommands(inside, await loadProject(inside));
}

/** The tools of this user, by name. */
export async function toolList(
  _input: Readonly<Record<string, never>>,
  context: EngineContext,
): Promise<readonly InstalledTool[]> {
  const root = toolsDirectory(context);
  const names = (await exists(root)) ? (await readdir(root)).sort() : [];
  const records = await Promise.all(names.map((name) => readRecord(path.join(root, name))));
  return records.filter((record) => record !== undefined).map((record) => listed(record, context));
}

/**
 * Takes a tool and its programs away; a program that was replaced by somebody else's meanwhile stays.
 * @throws {EngineError} `TOOL_UNKNOWN`
 */
export async function toolUninstall(input: { readonly name: string }, context: EngineContext): Promise<InstalledTool> {
  const { name } = parsePackageSpec(input.name);
  const home = toolHome(context, name);
  const record = await readRecord(home);
  if (record === undefined) {
    const known = (await toolList({}, context)).map((tool) => `"${tool.name}"`).join(", ") || "none";
    throw new EngineError({
      code: "TOOL_UNKNOWN",
      message: `Cannot uninstall "${name}": installed tools are ${known}`,
    });
  }
  await removeOwn(record, context);
  await rm(home, { recursive: true, force: true });
  return listed(record, context);
}

/** Where this user's programs are put: `<PREFIX>_BIN_DIR`, `XDG_BIN_HOME`, else `~/.local/bin`. */
function binDirectory({ env, profile, home }: EngineContext): string {
  const given = [env[`${profile.environmentPrefix}_BIN_DIR`], env["XDG_BIN_HOME"]].find(
    (one) => one !== undefined && path.isAbsolute(one),
  );
  return given ?? path.join(home, ".local", "bin");
}

const toolsDirectory = (context: EngineContext): string => path.join(context.directories.data, "tools");

const toolHome = (context: EngineContext, name: string): string =>
  path.join(toolsDirectory(context), name.replaceAll("/", "+"));

function emptyTool(dialect: PackageManifest["dialect"]): PackageManifest {
  const info = {
    name: "tool",
    version: "0.0.0",
    authors: [],
    keywords: [],
    categories: [],
    include: [],
    exclude: [],
    executables: [],
  };
  return {
    dialect,
    package: { ...info, publish: false },
    dependencies: [],
    features: {},
    profiles: {},
    chaosProfiles: {},
    hosts: {},
    runtimes: [],
    extra: {},
  };
}

async function readRecord(home: string): Promise<ToolRecord | undefined> {
  const text = await readTextIfExists(path.join(home, "tool.json"));
  return text === undefined ? undefined : (JSON.parse(text) as ToolRecord);
}

function listed({ name, version, commands }: ToolRecord, context: EngineContext): InstalledTool {
  const directory = binDirectory(context);
  const onPath = (context.env["PATH"] ?? "").split(path.delimiter).includes(directory);
  return { name, version, commands: Object.keys(commands), directory, onPath };
}

function withoutCommands(name: string): EngineError {
  return new EngineError({
    code: "TOOL_WITHOUT_COMMANDS",
    message: `Cannot install "${name}" as a tool: the package has no executables`,
    hint: `Run "add ${name}" in a project to depend on it`,
  });
}

/** Where a name on the path leads: to our file, to something else, or nowhere. */
async function placeOf(place: string): Promise<"free" | "other" | { readonly target: string }> {
  try {
    if (!(await lstat(place)).isSymbolicLink()) return "other";
    return { target: await readlink(place) };
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return "free";
    throw error;
  }
}

async function refuseTaken(
  commands: readonly InstalledCommand[],
  before: ToolRecord | undefined,
  input: ToolInstallInput,
  context: EngineContext,
): Promise<void> {
  if (input.force === true) return;
  for (const { command, file } of commands) {
    const place = path.join(binDirectory(context), command);
    const found = await placeOf(place);
    if (found === "free") continue;
    if (found !== "other" && [file, before?.commands[command]].includes(found.target)) continue;
    throw new EngineError({
      code: "COMMAND_TAKEN",
      message: `Cannot put "${command}" into "${binDirectory(context)}": ${found === "other" ? "a file" : `a link to "${found.target}"`} is there`,
      hint: "Give --force to take the name",
    });
  }
}

async function placeAll(
  commands: readonly InstalledCommand[],
  before: ToolRecord | undefined,
  context: EngineContext,
): Promise<void> {
  const directory = binDirectory(context);
  await makeDirectory(directory);
  if (before !== undefined) await removeOwn(before, context);
  for (const { command, file } of commands) {
    await rm(path.join(directory, command), { force: true });
    await placeCommand(path.join(directory, command), file);
  }
}

async function removeOwn({ commands }: ToolRecord, context: EngineContext): Promise<void> {
  for (const [command, file] of Object.entries(commands)) {
    const place = path.join(binDirectory(context), command);
    const found = await placeOf(place);
    if (typeof found === "object" && found.target === file) await rm(place, { force: true });
  }
}
