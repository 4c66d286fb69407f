import { randomBytes } from "node:crypto";
import { cp, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import type { EngineContext, NoInput } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { exists, hasErrno, makeDirectory, writeFileAtomic } from "../files.ts";
import { checkHostVersion, parseHost } from "../hosts.ts";
import {
  activeVariable,
  ENVIRONMENT_FILE,
  environmentDirectory,
  environmentsBase,
  findEnvironment,
  makeBase,
  readEnvironment,
  type EnvironmentRecord,
} from "../named-environment.ts";
import { foldDirectoryName, init } from "./init.ts";

/** What a new environment is made from. */
export interface CreateEnvironmentInput {
  /** One directory name, or a path. */
  readonly name: string;
  /** `axis=version`: what everything in it is chosen for. */
  readonly hosts?: readonly string[] | undefined;
  readonly dryRun?: boolean | undefined;
}

/** An environment as it is told of. */
export interface NamedEnvironment {
  readonly name: string;
  /** Absolute. */
  readonly directory: string;
  readonly created: string;
  readonly hosts: Readonly<Record<string, string>>;
  /** Whether this shell has it activated. */
  readonly active: boolean;
}

/** An environment with what is in it. */
export interface EnvironmentInformation extends NamedEnvironment {
  readonly packages: readonly { readonly name: string; readonly version: string; readonly source: string }[];
  /** Kept generations, oldest first. */
  readonly generations: readonly number[];
  /** The one in place; absent where nothing was installed yet. */
  readonly generation?: number;
  readonly locked: boolean;
}

/**
 * Makes an isolated environment: a project of its own with the host versions pinned. Its lock file and packages are
 * inside. A failure leaves nothing behind.
 * @throws {EngineError} `ENVIRONMENT_EXISTS`, `ENVIRONMENT_NAME_INVALID`, `HOST_INVALID`
 */
export async function createEnvironment(
  input: CreateEnvironmentInput,
  context: EngineContext,
): Promise<NamedEnvironment> {
  const hosts = await pinnedHosts(context, input.hosts ?? []);
  const directory = await freeDirectory(context, input.name);
  const name = path.basename(directory);
  const record: EnvironmentRecord = {
    format: 1,
    name,
    ecosystem: context.profile.id,
    created: new Date(context.now()).toISOString(),
    hosts,
  };
  if (input.dryRun === true) return described(context, directory, record);
  await built(context, directory, async (temporary) => {
    await init({ path: temporary, name: foldDirectoryName(name) ?? "environment", manifestOnly: true }, context);
    await writeRecord(temporary, record);
  });
  return described(context, directory, record);
}

/** Given versions, then the settings' default for Python; each is one the profile knows. */
async function pinnedHosts(context: EngineContext, given: readonly string[]): Promise<Record<string, string>> {
  const hosts: Record<string, string> = {};
  const settings = await context.settings();
  const python = settings.string("environments.python_version");
  if (python !== undefined && context.profile.hosts.some(({ axis }) => axis === "python")) {
    hosts["python"] = checkHostVersion(context, "python", python);
  }
  const seen = new Set<string>();
  for (const text of given) {
    const [axis, version] = parseHost(context, text);
    if (seen.has(axis) && hosts[axis] !== version) {
      throw new EngineError({
        code: "HOST_INVALID",
        message: `Cannot pin ${axis} ${hosts[axis]!} and ${axis} ${version}: an environment has one version of each host`,
      });
    }
    seen.add(axis);
    hosts[axis] = checkHostVersion(context, axis, version);
  }
  return Object.fromEntries(Object.entries(hosts).sort(([left], [right]) => (left < right ? -1 : 1)));
}

async function freeDirectory(context: EngineContext, named: string): Promise<string> {
  const directory = await environmentDirectory(context, named);
  if (!(await exists(directory))) return directory;
  throw new EngineError({
    code: "ENVIRONMENT_EXISTS",
    message: `Cannot make environment "${named}": "${directory}" exists`,
    hint: "Choose another name, or delete it first with `env delete`",
    environment: named,
  });
}

/** Fills a directory beside its place, and renames it there once it is whole. */
async function built(
  context: EngineContext,
  directory: string,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  await makeBase(context);
  const temporary = `${directory}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await makeDirectory(temporary);
    await fill(temporary);
    await rename(temporary, directory);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

async function writeRecord(directory: string, record: EnvironmentRecord): Promise<void> {
  await writeFileAtomic(path.join(directory, ENVIRONMENT_FILE), `${JSON.stringify(record, null, 2)}\n`);
}

function described(context: EngineContext, directory: string, record: EnvironmentRecord): NamedEnvironment {
  const { name, created, hosts } = record;
  return { name, directory, created, hosts, active: context.env[activeVariable(context)] === directory };
}

/** All environments of the base directory, by name; one whose record cannot be read is told of as a warning. */
export async function listEnvironments(_input: NoInput, context: EngineContext): Promise<readonly NamedEnvironment[]> {
  const base = await environmentsBase(context);
  const found: NamedEnvironment[] = [];
  for (const name of (await namesIn(base)).sort()) {
    const directory = path.join(base, name);
    try {
      const record = await readEnvironment(context, directory);
      if (record !== undefined && record.ecosystem === context.profile.id)
        found.push(described(context, directory, record));
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      context.onEvent({ type: "warning", code: error.code, message: error.message });
    }
  }
  return found;
}

async function namesIn(base: string): Promise<string[]> {
  try {
    const entries = await readdir(base, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory() && !entry.name.endsWith(".tmp")).map(({ name }) => name);
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return [];
    throw error;
  }
}

/**
 * What an environment is made for and holds.
 * @throws {EngineError} `ENVIRONMENT_NOT_FOUND`, `ENVIRONMENT_DAMAGED`
 */
export async function environmentInfo(
  input: { readonly name: string },
  context: EngineContext,
): Promise<EnvironmentInformation> {
  const { directory, record } = await findEnvironment(context, input.name);
  const installer = await import("@lading/installer");
  const place = {
    state: path.join(directory, ".lading"),
    link: path.join(directory, context.profile.install.directory),
  };
  const generations = installer.history(place);
  const current = generations.find((generation) => generation.current);
  return {
    ...described(context, directory, record),
    packages: (current?.packages ?? []).map(({ name, version, source }) => ({
      name,
      version,
      source: source.url ?? source.type,
    })),
    generations: generations.map(({ number }) => number),
    ...(current === undefined ? {} : { generation: current.number }),
    locked: await exists(path.join(directory, context.profile.lockfile)),
  };
}

/** What is copied, and to where. */
export interface CloneEnvironmentInput {
  readonly from: string;
  readonly to: string;
}

/**
 * Copies an environment: manifest, lock, hosts and files of its own. Packages are not copied: `install` links them from
 * the store again, which {@link cloneEnvironment}'s caller does with the lock as it is.
 * @throws {EngineError} `ENVIRONMENT_NOT_FOUND`, `ENVIRONMENT_EXISTS`
 */
export async function cloneEnvironment(
  input: CloneEnvironmentInput,
  context: EngineContext,
): Promise<NamedEnvironment & { readonly locked: boolean }> {
  const { directory: from, record } = await findEnvironment(context, input.from);
  const directory = await freeDirectory(context, input.to);
  const copy = { ...record, name: path.basename(directory), created: new Date(context.now()).toISOString() };
  const made = new Set([path.join(from, ".lading"), path.join(from, context.profile.install.directory)]);
  await built(context, directory, async (temporary) => {
    await cp(from, temporary, { recursive: true, verbatimSymlinks: true, filter: (file) => !made.has(file) });
    await writeRecord(temporary, copy);
  });
  return {
    ...described(context, directory, copy),
    locked: await exists(path.join(directory, context.profile.lockfile)),
  };
}

/**
 * Deletes an environment with everything in it. It is out of the way with one rename, and deleted then.
 * @throws {EngineError} `ENVIRONMENT_NOT_FOUND`
 */
export async function deleteEnvironment(
  input: { readonly name: string; readonly dryRun?: boolean | undefined },
  context: EngineContext,
): Promise<NamedEnvironment> {
  const { directory, record } = await findEnvironment(context, input.name);
  const found = described(context, directory, record);
  if (input.dryRun === true) return found;
  const trash = `${directory}.${randomBytes(4).toString("hex")}.tmp`;
  await rename(directory, trash);
  await rm(trash, { recursive: true, force: true, maxRetries: 3 });
  return found;
}

/** Shells that an environment can be activated in. */
export const SHELLS = ["bash", "zsh", "fish", "powershell"] as const;
/** One of {@link SHELLS}. */
export type Shell = (typeof SHELLS)[number];

/** An activation as the shell is to read it. */
export interface Activation {
  readonly environment: NamedEnvironment;
  readonly shell: Shell;
  readonly script: string;
  /** Name of the function that takes everything back. */
  readonly deactivate: string;
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * The lines that make an environment this shell's: variables, and a function that takes them back. Nothing is run.
 * @throws {EngineError} `ENVIRONMENT_NOT_FOUND`
 */
export async function activateEnvironment(
  input: { readonly name: string; readonly shell?: Shell | undefined },
  context: EngineContext,
): Promise<Activation> {
  const { directory, record } = await findEnvironment(context, input.name);
  const shell = input.shell ?? shellHere(context);
  const prefix = context.profile.environmentPrefix;
  const hosts = Object.entries(record.hosts).map(([axis, version]) => [
    `${prefix}_ENVIRONMENT_${axis.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`,
    version,
  ]);
  const variables: Record<string, string> = {
    [activeVariable(context)]: directory,
    [`${prefix}_ENVIRONMENT_NAME`]: record.name,
    ...Object.fromEntries(hosts),
  };
  const deactivate = `deactivate_${context.profile.id.replaceAll("-", "_")}`;
  const script = SCRIPTS[shell](variables, deactivate, record.name);
  return { environment: described(context, directory, record), shell, script, deactivate, variables };
}

function shellHere({ env }: EngineContext): Shell {
  const name = path.basename(env["SHELL"] ?? "");
  if (name === "bash" || name === "zsh" || name === "fish") return name;
  return process.platform === "win32" && name === "" ? "powershell" : "bash";
}

type Script = (variables: Readonly<Record<string, string>>, deactivate: string, name: string) => string;

const quotePosix = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const quoteFish = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
const quotePowerShell = (text: string): string => `'${text.replaceAll("'", "''")}'`;

const posix: Script = (variables, deactivate, name) => {
  const names = Object.keys(variables);
  return [
    `if command -v ${deactivate} >/dev/null 2>&1; then ${deactivate}; fi`,
    ...Object.entries(variables).map(([key, value]) => `export ${key}=${quotePosix(value)}`),
    `_LADING_OLD_PS1="\${PS1-}"`,
    `PS1=${quotePosix(`(${name}) `)}"\${PS1-}"`,
    `${deactivate}() { unset ${names.join(" ")}; PS1="\${_LADING_OLD_PS1-}"; unset _LADING_OLD_PS1; unset -f ${deactivate}; }`,
    "",
  ].join("\n");
};

const SCRIPTS: Readonly<Record<Shell, Script>> = {
  bash: posix,
  zsh: posix,
  fish: (variables, deactivate) =>
    [
      `functions -q ${deactivate}; and ${deactivate}`,
      ...Object.entries(variables).map(([key, value]) => `set -gx ${key} ${quoteFish(value)}`),
      `function ${deactivate}; set -e ${Object.keys(variables).join(" ")}; functions -e ${deactivate}; end`,
      "",
    ].join("\n"),
  powershell: (variables, deactivate) =>
    [
      `if (Test-Path function:${deactivate}) { ${deactivate} }`,
      ...Object.entries(variables).map(([key, value]) => `$env:${key} = ${quotePowerShell(value)}`),
      `function global:${deactivate} { ${Object.keys(variables)
        .map((key) => `Remove-Item env:${key} -ErrorAction SilentlyContinue`)
        .join("; ")}; Remove-Item function:${deactivate} }`,
      "",
    ].join("\n"),
};
