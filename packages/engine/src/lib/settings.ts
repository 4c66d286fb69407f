import path from "node:path";
import { parse, TomlError } from "smol-toml";
import { isLadingError, parseDuration, parseSize, type EcosystemProfile } from "@lading/core-manifest";
import { expandHome } from "./directories.ts";
import { EngineError } from "./engine-error.ts";
import { readTextIfExists } from "./files.ts";
import { SETTINGS, settingVariable } from "./settings-table.ts";

export { SETTINGS, type SettingSpec, type SettingType } from "./settings-table.ts";

/** Other spellings of keys, in every ecosystem. */
const KEY_ALIASES: Readonly<Record<string, string>> = {
  "default-registry": "registry.default",
  default_registry: "registry.default",
  "auth.token": "registry.token",
  "resolver.minimum_release_age": "resolver.minimum-release-age",
  "resolver.minimum_release_age_exclude": "resolver.minimum-release-age-exclude",
  "resolver.exclude_newer": "resolver.exclude-newer",
};

/** The key whose value is a credential and lives in the credential store, not in a file of settings. */
export const TOKEN_KEY = "registry.token";

/** Where a value came from, outermost first. */
export type SettingOrigin = "environment" | "project" | "user" | "team" | "default";

/** A setting with its value. */
export interface SettingValue {
  readonly key: string;
  readonly value: string | number | boolean;
  readonly origin: SettingOrigin;
  /** File or variable. */
  readonly source?: string;
}

/** All settings in force. */
export interface Settings {
  get(key: string): SettingValue | undefined;
  string(key: string): string | undefined;
  boolean(key: string): boolean | undefined;
  number(key: string): number | undefined;
  /** Every key that has a value, sorted. */
  list(): readonly SettingValue[];
  /** Tables of the user's file that are not settings, such as `[registry]` keys of an ecosystem's own. */
  readonly userFile: string;
  /** File in which the text is kept that a team shares, where one does. */
  readonly teamFile?: string;
}

/** One layer that settings come from. */
interface Layer {
  readonly origin: SettingOrigin;
  readonly values: ReadonlyMap<string, { readonly value: unknown; readonly source: string }>;
}

/**
 * Lading's own name of a key, however the ecosystem spells it.
 * @throws {EngineError} `CONFIG_KEY_UNKNOWN`
 */
export function settingKey(key: string, profile: EcosystemProfile): string {
  const resolved = ownKey(key, profile);
  if (isSetting(resolved, profile) || resolved === TOKEN_KEY) return resolved;
  throw new EngineError({
    code: "CONFIG_KEY_UNKNOWN",
    message: `Cannot find setting "${key}": known are ${Object.keys(SETTINGS).join(", ")}, ${TOKEN_KEY}`,
    key,
  });
}

function isHostKey(key: string, profile: EcosystemProfile): boolean {
  return profile.hosts.some(({ axis }) => key === `hosts.${axis}`);
}

/** What {@link loadSettings} reads. */
export interface SettingsInput {
  readonly profile: EcosystemProfile;
  readonly configDirectory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** The `[config]` table of the project's manifest. */
  readonly project?: { readonly table: Readonly<Record<string, unknown>>; readonly file: string } | undefined;
  /** What the organisation shares that setting `team.config` names. */
  readonly team?:
    | { readonly table: Readonly<Record<string, unknown>>; readonly source: string; readonly file: string }
    | undefined;
}

/**
 * Reads all layers: environment, project, user's file, what a team shares, defaults; the first that has a key wins. A project
 * makes `security.` settings stricter only, and sets no bundle.
 * @throws {EngineError} `CONFIG_FILE_INVALID`, `CONFIG_VALUE_INVALID`
 */
export async function loadSettings(input: SettingsInput): Promise<Settings> {
  const userFile = path.join(input.configDirectory, input.profile.config.file);
  const layers = [
    environmentLayer(input),
    ...(input.project === undefined
      ? []
      : [tableLayer("project", input.project.table, input.project.file, input.profile)]),
    tableLayer("user", await readToml(userFile), userFile, input.profile),
    ...(input.team === undefined ? [] : [tableLayer("team", input.team.table, input.team.source, input.profile)]),
    defaultLayer(),
  ];
  return createSettings(layers, input, userFile);
}

/** @throws {EngineError} `CONFIG_FILE_INVALID` */
export async function readToml(file: string): Promise<Record<string, unknown>> {
  const text = await readTextIfExists(file);
  if (text === undefined) return {};
  return parseToml(text, file);
}

/** @throws {EngineError} `CONFIG_FILE_INVALID` */
export function parseToml(text: string, file: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new EngineError({
      code: "CONFIG_FILE_INVALID",
      message: `Cannot read "${file}": ${error.message.split("\n", 1)[0]!}`,
      location: { file, line: error.line, column: error.column },
    });
  }
}

function environmentLayer({ profile, env }: SettingsInput): Layer {
  const values = new Map<string, { value: unknown; source: string }>();
  const keys = [...Object.keys(SETTINGS), ...profile.hosts.map(({ axis }) => `hosts.${axis}`)];
  for (const key of keys) {
    const variable = settingVariable(profile.environmentPrefix, key);
    const value = env[variable];
    if (value !== undefined && value !== "") values.set(key, { value, source: variable });
  }
  return { origin: "environment", values };
}

function tableLayer(
  origin: "project" | "user" | "team",
  table: Readonly<Record<string, unknown>>,
  file: string,
  profile: EcosystemProfile,
): Layer {
  const values = new Map<string, { value: unknown; source: string }>();
  for (const [key, value] of flatten(table)) {
    const resolved = ownKey(key, profile);
    if (isSetting(resolved, profile)) values.set(resolved, { value, source: file });
  }
  return { origin, values };
}

function ownKey(key: string, profile: EcosystemProfile): string {
  const own = profile.config.keyAliases[key] ?? KEY_ALIASES[key] ?? key;
  return KEY_ALIASES[own] ?? own;
}

function isSetting(key: string, profile: EcosystemProfile): boolean {
  return key in SETTINGS || isHostKey(key, profile);
}

/** Every key of a configuration's text with its value, under Lading's own name of it, and whether it is one of a setting. */
export function settingsIn(
  table: Readonly<Record<string, unknown>>,
  profile: EcosystemProfile,
): readonly { readonly key: string; readonly value: unknown; readonly known: boolean }[] {
  return [...flatten(table)].map(([written, value]) => {
    const key = ownKey(written, profile);
    return { key, value, known: isSetting(key, profile) };
  });
}

function defaultLayer(): Layer {
  const values = new Map<string, { value: unknown; source: string }>();
  for (const [key, spec] of Object.entries(SETTINGS)) {
    if (spec.default !== undefined) values.set(key, { value: spec.default, source: "" });
  }
  return { origin: "default", values };
}

function* flatten(table: Readonly<Record<string, unknown>>, prefix = ""): Generator<[string, unknown]> {
  for (const [key, value] of Object.entries(table)) {
    const isTable = typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
    if (isTable) yield* flatten(value as Record<string, unknown>, `${prefix}${key}.`);
    else yield [`${prefix}${key}`, value];
  }
}

function createSettings(layers: readonly Layer[], input: SettingsInput, userFile: string): Settings {
  const find = (key: string, among: readonly Layer[]): SettingValue | undefined => {
    for (const [i, { origin, values }] of among.entries()) {
      const found = values.get(key);
      if (found === undefined) continue;
      const value = readSetting(key, found.value, found.source, input.home);
      const setting = { key, value, origin, ...(found.source === "" ? {} : { source: found.source }) };
      if (origin !== "project" || projectMaySet(setting, () => find(key, among.slice(i + 1)))) return setting;
    }
    return undefined;
  };
  const get = (key: string): SettingValue | undefined => find(key, layers);
  return {
    get,
    string: (key) => get(key)?.value as string | undefined,
    boolean: (key) => get(key)?.value as boolean | undefined,
    number: (key) => get(key)?.value as number | undefined,
    list() {
      const keys = new Set(layers.flatMap(({ values }) => [...values.keys()]));
      return [...keys].sort().map((key) => get(key)!);
    },
    userFile,
    ...(input.team === undefined ? {} : { teamFile: input.team.file }),
  };
}

/**
 * Checks one value against its setting.
 * @throws {EngineError} `CONFIG_VALUE_INVALID`
 */
export function readSetting(key: string, value: unknown, source: string, home: string): string | number | boolean {
  const type = SETTINGS[key]?.type ?? "string";
  const invalid = (allowed: string): EngineError =>
    new EngineError({
      code: "CONFIG_VALUE_INVALID",
      message: `Cannot use ${JSON.stringify(value)} for setting "${key}"${source === "" ? "" : ` from ${source}`}: allowed is ${allowed}`,
      key,
    });
  switch (type) {
    case "boolean":
      if (value === true || value === "true" || value === "1") return true;
      if (value === false || value === "false" || value === "0") return false;
      throw invalid("true or false");
    case "number": {
      const number = typeof value === "string" ? Number(value) : value;
      if (typeof number !== "number" || !Number.isFinite(number) || number <= 0) throw invalid("a number above 0");
      return number;
    }
    case "path":
      if (typeof value !== "string" || value === "") throw invalid("a path");
      return expandHome(value, home);
    case "size": {
      const text = typeof value === "number" ? `${value}` : value;
      if (typeof text !== "string" || !isSize(text)) throw invalid("a size such as 512MB or 1GB");
      return text;
    }
    case "string":
      if (typeof value === "number") return String(value);
      if (typeof value !== "string") throw invalid("a string");
      return value;
  }
}

/**
 * Whether what a project says counts. Projects are other people's: one that was cloned may demand more than its user does,
 * and never less, and must not choose from where trust in the user's registries begins.
 * @param own what the user, or the default, says
 */
function projectMaySet({ key, value, source }: SettingValue, own: () => SettingValue | undefined): boolean {
  switch (key) {
    case "security.verify_signatures":
      return value === true;
    case "security.offline_max_age":
      return parseDuration(String(value)) < parseDuration(String(own()?.value));
    case "team.config":
      // It holds what the user's team demands, and one takes the place of another.
      return own() === undefined;
    default:
      if (!Object.hasOwn(USERS_OWN, key)) return true;
      throw new EngineError({
        code: "CONFIG_VALUE_INVALID",
        message: `Cannot use setting "${key}" from ${source}: allowed is the user's own file or the environment`,
        hint: USERS_OWN[key]!,
        key,
      });
  }
}

const RUNS = "It says what runs on this machine, which is its user's to decide";
/** Settings that no project may bring along, and why. */
const USERS_OWN: Readonly<Record<string, string>> = {
  "registry.bundle": "A bundle stands in for every registry that it names, which is its user's to decide",
  "native.compiler": RUNS,
  "native.allow": RUNS,
};

function isSize(text: string): boolean {
  try {
    return parseSize(text) > 0;
  } catch (error) {
    if (isLadingError(error)) return false;
    throw error;
  }
}
