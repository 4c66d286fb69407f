import path from "node:path";
import { BUILTIN_BUILD_PROFILES, type PackageManifest } from "@lading/core-manifest";
import type { EngineContext, NoInput } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { readTextIfExists, writeFileAtomic } from "../files.ts";
import { readRegistries, registriesPath } from "../configured-registries.ts";
import { credentialsFile } from "../registries.ts";
import { SETTINGS } from "../settings-table.ts";
import { readSetting, settingKey, TOKEN_KEY, type SettingValue } from "../settings.ts";
import { editToml } from "../toml-edit.ts";
import { tryLoadProject } from "../project.ts";
import { refreshTeamConfiguration } from "../team-configuration.ts";
import { setDefaultRegistry } from "./registry-config.ts";

/** A token that is shown. */
export function maskToken(token: string): string {
  return token.length < 12 ? "****" : `${token.slice(0, 4)}****${token.slice(-2)}`;
}

/** A setting as it is shown. */
export interface ShownSetting {
  readonly key: string;
  readonly value: string | number | boolean;
  readonly origin: SettingValue["origin"] | "credentials" | "registries";
  readonly source?: string;
  readonly masked?: boolean;
}

/**
 * One setting; `undefined` where nobody sets it. A token is masked unless `reveal`. `profile.NAME` is a build profile of the
 * project with all that it inherits.
 * @throws {EngineError} `CONFIG_KEY_UNKNOWN`, `BUILD_PROFILE_UNKNOWN`
 */
export async function configGet(
  input: { readonly key: string; readonly reveal?: boolean | undefined },
  context: EngineContext,
): Promise<ShownSetting | undefined> {
  if (input.key.startsWith("profile.")) return buildProfile(input.key, context);
  const key = settingKey(input.key, context.profile);
  if (key === TOKEN_KEY) return shownToken(input.reveal === true, context);
  await tryLoadProject(context);
  if (key === "registry.default") {
    const { defaultRegistry, registries } = await readRegistries(context);
    return registries.length === 0
      ? undefined
      : { key, value: defaultRegistry, origin: "registries", source: registriesPath(context) };
  }
  // What is set here needs no word of the team's, which may be out of reach.
  const own = (await context.localSettings()).get(key);
  if (own !== undefined && own.origin !== "default") return own;
  await refreshTeamConfiguration(context);
  return (await context.settings()).get(key);
}

/** A build profile of the project with all that it inherits: `profile.release`, or one value of it, `profile.release.lto`. */
async function buildProfile(key: string, context: EngineContext): Promise<ShownSetting | undefined> {
  const project = await tryLoadProject(context);
  if (project === undefined) return undefined;
  const { manifest, display } = project.current ?? project.rootFile;
  const [, name = "", ...rest] = key.split(".");
  const profile = effectiveProfile(manifest, name);
  const wanted = rest.join(".");
  const value = wanted === "" ? profile : profile[wanted];
  if (value === undefined) return undefined;
  const isPlain = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  return { key, value: isPlain ? value : JSON.stringify(value), origin: "project", source: display };
}

/**
 * The values of a build profile, its own before those that it inherits.
 * @throws {EngineError} `BUILD_PROFILE_UNKNOWN`
 */
export function effectiveProfile({ profiles }: PackageManifest, name: string): Readonly<Record<string, unknown>> {
  if (!Object.hasOwn(profiles, name) && !BUILTIN_BUILD_PROFILES.includes(name)) {
    const known = [...new Set([...Object.keys(profiles), ...BUILTIN_BUILD_PROFILES])]
      .map((one) => `"${one}"`)
      .join(", ");
    throw new EngineError({
      code: "BUILD_PROFILE_UNKNOWN",
      message: `Cannot show build profile "${name}": there are ${known}`,
    });
  }
  const own = Object.hasOwn(profiles, name) ? profiles[name]! : undefined;
  if (own === undefined) return {};
  const { optimizationLevel, debug, lto, chaosProfile, inherits, features, extra } = own;
  const values = { optimization_level: optimizationLevel, debug, lto, chaos_profile: chaosProfile, features, ...extra };
  return {
    ...(inherits === undefined ? {} : effectiveProfile({ profiles } as PackageManifest, inherits)),
    ...Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)),
  };
}

async function shownToken(reveal: boolean, context: EngineContext): Promise<ShownSetting | undefined> {
  const { defaultRegistry, registries } = await readRegistries(context);
  const registry = registries.find(({ name }) => name === defaultRegistry);
  if (registry === undefined) return undefined;
  const variable = context.profile.tokenVariables.find((name) => (context.env[name] ?? "") !== "");
  const stored = await (await credentialsFile(context)).get(registry.url);
  const token =
    variable === undefined ? (stored?.type === "token" ? stored.token : stored?.password) : context.env[variable];
  if (token === undefined) return undefined;
  return {
    key: TOKEN_KEY,
    value: reveal ? token : maskToken(token),
    origin: variable === undefined ? "credentials" : "environment",
    source: variable ?? registry.url,
    masked: !reveal,
  };
}

/** Every setting that has a value, and the token, masked. */
export async function configList(_input: NoInput, context: EngineContext): Promise<readonly ShownSetting[]> {
  await tryLoadProject(context);
  await refreshTeamConfiguration(context);
  const listed = (await context.settings()).list().filter(({ key }) => key !== "registry.default");
  const special = [await configGet({ key: "registry.default" }, context), await shownToken(false, context)];
  return [...listed, ...special.filter((setting) => setting !== undefined)].sort((left, right) =>
    left.key < right.key ? -1 : 1,
  );
}

/**
 * Changes one setting in the user's file, touching no other line; a token goes to the credential store.
 * @throws {EngineError} `CONFIG_KEY_UNKNOWN`, `CONFIG_VALUE_INVALID`, `CONFIG_EDIT_FAILED`
 */
export async function configSet(
  input: { readonly key: string; readonly value: string },
  context: EngineContext,
): Promise<{ readonly key: string; readonly value: string | number | boolean; readonly file: string }> {
  const key = settingKey(input.key, context.profile);
  if (key === TOKEN_KEY) return setToken(input.value, context);
  const value = readSetting(key, input.value, "", context.home);
  if (key === "registry.default") {
    await setDefaultRegistry(context, String(value));
    return { key, value, file: registriesPath(context) };
  }
  if (key === "registry.url") {
    const { canonicalRegistryUrl } = await import("@lading/registry-client");
    canonicalRegistryUrl(input.value);
  }
  const file = path.join(context.directories.config, context.profile.config.file);
  const written = SETTINGS[key]?.type === "path" ? absoluteUnlessHome(input.value, context) : value;
  const text = editToml((await readTextIfExists(file)) ?? "", key.split("."), written, file);
  await writeFileAtomic(file, text, 0o600);
  return { key, value: written, file };
}

/**
 * Takes one setting out of the user's file, touching no other line, or the default registry's token out of the credential
 * store; `false` where it was not there.
 * @throws {EngineError} `CONFIG_KEY_UNKNOWN`, `CONFIG_VALUE_INVALID`, `CONFIG_EDIT_FAILED`
 */
export async function configUnset(
  input: { readonly key: string },
  context: EngineContext,
): Promise<{ readonly key: string; readonly removed: boolean; readonly file: string }> {
  const key = settingKey(input.key, context.profile);
  if (key === TOKEN_KEY) return unsetToken(context);
  if (key === "registry.default") {
    throw new EngineError({
      code: "CONFIG_VALUE_INVALID",
      message: `Cannot unset "${input.key}": one of the configured registries is always the default one`,
      hint: "Choose another with `config set registry.default NAME`",
      key,
    });
  }
  const file = path.join(context.directories.config, context.profile.config.file);
  const before = (await readTextIfExists(file)) ?? "";
  const text = spellingsOf(key, context).reduce(
    (now, spelled) => editToml(now, spelled.split("."), undefined, file),
    before,
  );
  if (text !== before) await writeFileAtomic(file, text, 0o600);
  return { key, removed: text !== before, file };
}

/** A file may hold a setting under any of its names. */
function spellingsOf(key: string, { profile }: EngineContext): string[] {
  const aliases = Object.keys(profile.config.keyAliases).filter((alias) => settingKey(alias, profile) === key);
  return [...new Set([key, ...aliases])];
}

async function unsetToken(context: EngineContext): Promise<{ key: string; removed: boolean; file: string }> {
  const { defaultRegistry, registries } = await readRegistries(context);
  const registry = registries.find(({ name }) => name === defaultRegistry);
  const store = await credentialsFile(context);
  const removed = registry !== undefined && (await store.get(registry.url)) !== undefined;
  if (removed) await store.delete(registry.url);
  return { key: TOKEN_KEY, removed, file: registry?.url ?? "" };
}

/** A path that is set in one directory must mean the same file in every other one. */
function absoluteUnlessHome(value: string, context: EngineContext): string {
  return value.startsWith("~") ? value : path.resolve(context.cwd, value);
}

async function setToken(token: string, context: EngineContext): Promise<{ key: string; value: string; file: string }> {
  const { defaultRegistry, registries } = await readRegistries(context);
  const registry = registries.find(({ name }) => name === defaultRegistry);
  if (registry === undefined) {
    throw new EngineError({
      code: "REGISTRY_NOT_CONFIGURED",
      message: "Cannot store a token: no registry is configured that it would be for",
    });
  }
  await (await credentialsFile(context)).set(registry.url, { type: "token", token });
  return { key: TOKEN_KEY, value: maskToken(token), file: registry.url };
}
