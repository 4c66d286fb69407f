import path from "node:path";
import { displayPath, makeDirectory, readTextIfExists } from "./files.ts";
import { expandHome } from "./directories.ts";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { loadSettings } from "./settings.ts";

/** At the root of a named environment: what it is called and made for. */
export const ENVIRONMENT_FILE = "lading-environment.json";

/** What is recorded of a named environment (`docs/spec/environments.md`). */
export interface EnvironmentRecord {
  readonly format: 1;
  readonly name: string;
  /** Id of the ecosystem's profile. */
  readonly ecosystem: string;
  /** RFC 3339, UTC. */
  readonly created: string;
  /** Axis -> the one version that everything in it is chosen for. */
  readonly hosts: Readonly<Record<string, string>>;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * A name that is one directory on every system.
 * @throws {EngineError} `ENVIRONMENT_NAME_INVALID`
 */
export function checkEnvironmentName(name: string): string {
  if (NAME.test(name) && !name.endsWith(".") && !/^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i.test(name)) return name;
  throw new EngineError({
    code: "ENVIRONMENT_NAME_INVALID",
    message: `Cannot call an environment "${name.slice(0, 100)}": allowed are 1 to 64 letters, digits and "._-", starting with a letter or digit`,
  });
}

/** Directory of all named environments: setting `environments.base_dir`, else below the data directory. */
export async function environmentsBase(context: EngineContext): Promise<string> {
  const { profile, env, home, directories } = context;
  // Read apart from the context's settings: those take in the project's, which is not known before this is.
  const settings = await loadSettings({ profile, configDirectory: directories.config, env, home });
  return settings.string("environments.base_dir") ?? path.join(directories.data, "envs");
}

/** Directory of one environment: a path where the text has a separator, else a name below the base directory. */
export async function environmentDirectory(context: EngineContext, named: string): Promise<string> {
  if (named.includes("/") || named.includes(path.sep))
    return path.resolve(context.cwd, expandHome(named, context.home));
  return path.join(await environmentsBase(context), checkEnvironmentName(named));
}

/**
 * What a directory records of itself as a named environment; `undefined` where it is none.
 * @throws {EngineError} `ENVIRONMENT_DAMAGED`
 */
export async function readEnvironment(
  context: EngineContext,
  directory: string,
): Promise<EnvironmentRecord | undefined> {
  const file = path.join(directory, ENVIRONMENT_FILE);
  const text = await readTextIfExists(file);
  if (text === undefined) return undefined;
  const problem = (what: string): EngineError =>
    new EngineError({
      code: "ENVIRONMENT_DAMAGED",
      message: `Cannot read "${displayPath(file, context.cwd)}": ${what}`,
      hint: "Delete the environment's directory and make it again; its manifest and lock file can be kept",
    });
  let value: Partial<EnvironmentRecord> | null;
  try {
    value = JSON.parse(text) as Partial<EnvironmentRecord> | null;
  } catch (error) {
    throw problem(error instanceof Error ? error.message : String(error));
  }
  if (typeof value !== "object" || value === null) throw problem("it is no object");
  if (value.format !== 1)
    throw problem(`its format is ${JSON.stringify(value.format) ?? "missing"}, this release knows 1`);
  const { name, ecosystem, created, hosts } = value;
  if (typeof name !== "string" || typeof ecosystem !== "string" || typeof created !== "string")
    throw problem("name, ecosystem or time is missing");
  const pinned = typeof hosts === "object" && hosts !== null ? Object.entries(hosts) : undefined;
  if (pinned?.every(([, version]) => typeof version === "string") !== true) throw problem("its hosts are no versions");
  return { format: 1, name, ecosystem, created, hosts: Object.fromEntries(pinned) };
}

/**
 * The environment that `--env` names.
 * @throws {EngineError} `ENVIRONMENT_NOT_FOUND`
 */
export async function findEnvironment(
  context: EngineContext,
  named: string,
): Promise<{ readonly directory: string; readonly record: EnvironmentRecord }> {
  const directory = await environmentDirectory(context, named);
  const record = await readEnvironment(context, directory);
  if (record === undefined) throw notFound(context, named, directory);
  if (record.ecosystem === context.profile.id) return { directory, record };
  throw new EngineError({
    code: "ENVIRONMENT_NOT_FOUND",
    message: `Cannot use environment "${named}": it is one of "${record.ecosystem}", not of "${context.profile.id}"`,
  });
}

function notFound(context: EngineContext, named: string, directory: string): EngineError {
  return new EngineError({
    code: "ENVIRONMENT_NOT_FOUND",
    message: `Cannot find environment "${named}": there is none in "${displayPath(directory, context.cwd)}"`,
    hint: "Run `env list` to see all of them, or make it with `env create`",
    environment: named,
  });
}

/** Variable that an activated environment sets to its directory. */
export function activeVariable(context: EngineContext): string {
  return `${context.profile.environmentPrefix}_ENVIRONMENT`;
}

/** Where manifests are searched first, or instead: the environment that is named, else none. */
export async function chosenEnvironment(context: EngineContext): Promise<string | undefined> {
  return context.environment === undefined
    ? undefined
    : (await findEnvironment(context, context.environment)).directory;
}

/** The activated environment's directory; it counts where no project is at or above the working directory. */
export function activeEnvironment(context: EngineContext): string | undefined {
  const value = context.env[activeVariable(context)];
  return value === undefined || value === "" ? undefined : value;
}

/** Makes the base directory, readable by its owner's group as usual. */
export async function makeBase(context: EngineContext): Promise<string> {
  const base = await environmentsBase(context);
  await makeDirectory(base);
  return base;
}
