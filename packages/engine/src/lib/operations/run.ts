import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { runInForeground } from "../child.ts";
import { installedCommands, placeCommands, type InstalledCommand } from "../commands.ts";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { makeTemporaryDirectory } from "../files.ts";
import { tableOf } from "../own-table.ts";
import { chooseMember, loadProject, type Member, type MemberChoice } from "../project.ts";

/** What is to be run. */
export interface RunInput extends MemberChoice {
  readonly command: string;
  readonly args?: readonly string[] | undefined;
  /** Descriptor that takes the program's output in place of this process's own. */
  readonly stdout?: 1 | 2 | undefined;
}

/** A script of a manifest. */
export interface ListedScript {
  readonly name: string;
  readonly line: string;
}

/** What a program came to. */
export interface RunResult {
  readonly command: string;
  readonly exitCode: number;
}

/**
 * The scripts of the current package.
 * @throws {EngineError} `SCRIPTS_INVALID`
 */
export async function scripts(input: MemberChoice, context: EngineContext): Promise<readonly ListedScript[]> {
  return scriptsOf(chooseMember(await loadProject(context), input));
}

/**
 * Runs a script of the manifest in the package's directory with the system's shell, the arguments behind it, or else a
 * program of an installed package. Programs of installed packages are on the path.
 * @throws {EngineError} `SCRIPT_UNKNOWN`, `SCRIPTS_INVALID`
 */
export async function run(input: RunInput, context: EngineContext): Promise<RunResult> {
  const project = await loadProject(context);
  const member = chooseMember(project, input);
  const found = scriptsOf(member).find(({ name }) => name === input.command);
  const commands = await installedCommands(context, project);
  if (found === undefined && !commands.some(({ command }) => command === input.command))
    throw unknownScript(input, member, commands);
  const args = input.args ?? [];
  const line = found === undefined ? { command: input.command, args } : shellLine(found.line, args);
  const cwd = found === undefined ? context.cwd : member.directory;
  return start({ ...input, ...line, name: input.command, cwd, member, commands }, context);
}

/**
 * Runs any program in the working directory, with the programs of installed packages on the path before all others.
 * @throws {EngineError} `COMMAND_NOT_FOUND`
 */
export async function exec(input: RunInput, context: EngineContext): Promise<RunResult> {
  const project = await loadProject(context);
  const commands = await installedCommands(context, project);
  return start(
    { ...input, args: input.args ?? [], name: input.command, cwd: context.cwd, member: project.current, commands },
    context,
  );
}

interface Start {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly member: Member | undefined;
  readonly commands: readonly InstalledCommand[];
  readonly stdout?: 1 | 2 | undefined;
}

async function start({ name, commands, member, ...line }: Start, context: EngineContext): Promise<RunResult> {
  const programs = await makeTemporaryDirectory(tmpdir(), "lading-bin-");
  try {
    await placeCommands(programs, commands);
    const prefix = context.profile.environmentPrefix;
    const own = member?.manifest.package;
    const env = {
      ...context.env,
      PATH: [programs, context.env["PATH"]].filter((part) => part !== undefined && part !== "").join(path.delimiter),
      ...(own === undefined
        ? {}
        : { [`${prefix}_PACKAGE_NAME`]: own.name, [`${prefix}_PACKAGE_VERSION`]: own.version }),
    };
    const exitCode = await runInForeground({ ...line, env, signal: context.signal });
    if (exitCode === undefined) throw notFound(name, commands);
    return { command: name, exitCode };
  } finally {
    await rm(programs, { recursive: true, force: true });
  }
}

/** Arguments go to the shell as such, and are never pasted into its text. */
function shellLine(line: string, args: readonly string[]): { command: string; args: readonly string[] } {
  if (process.platform === "win32") return { command: "cmd.exe", args: ["/d", "/s", "/c", line, ...args] };
  return { command: "/bin/sh", args: ["-c", `${line} "$@"`, "sh", ...args] };
}

function scriptsOf(member: Member): ListedScript[] {
  const table = tableOf(member.manifest, "scripts");
  if (table === undefined) return [];
  const entries =
    typeof table === "object" && table !== null && !Array.isArray(table) ? Object.entries(table) : undefined;
  const bad = entries === undefined ? "scripts" : entries.find(([, line]) => typeof line !== "string")?.[0];
  if (entries !== undefined && bad === undefined)
    return entries.map(([name, line]) => ({ name, line: line as string }));
  throw new EngineError({
    code: "SCRIPTS_INVALID",
    message: `Cannot read "${bad === "scripts" ? bad : `scripts.${bad!}`}" of "${member.display}": it is no command line`,
  });
}

function unknownScript({ command }: RunInput, member: Member, commands: readonly InstalledCommand[]): EngineError {
  const known = scriptsOf(member).map(({ name }) => `"${name}"`);
  return new EngineError({
    code: "SCRIPT_UNKNOWN",
    message: `Cannot run "${command}": scripts of "${member.name}" are ${known.join(", ") || "none"}, programs of installed packages are ${programNames(commands)}`,
    hint: `Run "exec ${command}" for a program of this machine`,
  });
}

function notFound(command: string, commands: readonly InstalledCommand[]): EngineError {
  return new EngineError({
    code: "COMMAND_NOT_FOUND",
    message: `Cannot run "${command}": there is no such program; programs of installed packages are ${programNames(commands)}`,
  });
}

const programNames = (commands: readonly InstalledCommand[]): string =>
  commands.map((one) => `"${one.command}"`).join(", ") || "none";
