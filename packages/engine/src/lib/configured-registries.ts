import path from "node:path";
import { parseDuration, tryParseDigest, type Digest } from "@lading/core-manifest";
import type { RegistriesFile, RegistryConfig } from "@lading/registry-client";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { readTextIfExists } from "./files.ts";
import { settingVariable } from "./settings-table.ts";

/** Path of this user's `registries.toml`. */
export function registriesPath(context: EngineContext): string {
  return path.join(context.directories.config, context.profile.config.registriesFile);
}

/** Directory of what registries are trusted by. */
export function trustDirectory(context: EngineContext): string {
  return path.join(context.directories.data, "trust");
}

const OFFLINE_MAX_AGE = "30d";

/** How old the state of a registry may be that is worked from offline, milliseconds. */
export async function offlineMaxAge(context: EngineContext): Promise<number> {
  return parseDuration((await context.localSettings()).string("security.offline_max_age") ?? OFFLINE_MAX_AGE);
}

/** Path of this user's credentials. */
export function credentialsPath(context: EngineContext): string {
  return path.join(context.directories.config, "credentials.toml");
}

/**
 * The configured registries: those of `registries.toml`; without any, the one of setting `registry.url`; without that
 * the profile's own.
 * @throws {RegistryClientError} `REGISTRY_CONFIG_INVALID`
 */
export async function readRegistries(context: EngineContext): Promise<RegistriesFile> {
  const { parseRegistries } = await import("./registry-client.ts");
  const file = registriesPath(context);
  const text = await readTextIfExists(file);
  const stored = text === undefined ? undefined : parseRegistries(text, file);
  for (const { name } of stored?.registries ?? []) refuseSharedToken(context, stored?.registries ?? [], name);
  const settings = await context.localSettings();
  if (stored !== undefined && stored.registries.length > 0) {
    const anchored = {
      ...stored,
      registries: await Promise.all(stored.registries.map((one) => withRoot(context, one))),
    };
    const wanted = settings.get("registry.default");
    if (wanted === undefined || wanted.origin === "default") return anchored;
    return { ...anchored, defaultRegistry: String(wanted.value) };
  }
  const url = settings.string("registry.url") ?? context.profile.registry.defaultUrl;
  if (url === undefined) return { defaultRegistry: "default", fallback: [], registries: [] };
  return { defaultRegistry: "default", fallback: [], registries: [await plainRegistry(context, "default", url)] };
}

/**
 * The address that the project at hand, or its lock, alone gives to the default registry. Whoever wrote the project chose it, so that no
 * token of its user may go there.
 */
export async function addressOfProject(context: EngineContext): Promise<string | undefined> {
  const named = (await context.localSettings()).get("registry.url");
  if (context.registry !== undefined) return undefined;
  if (named?.origin !== "project") return addressOfLock(context);
  const { canonicalRegistryUrl, parseRegistries } = await import("./registry-client.ts");
  const text = await readTextIfExists(registriesPath(context));
  // Where its user has configured registries, no other is asked.
  if (text !== undefined && parseRegistries(text, registriesPath(context)).registries.length > 0) return undefined;
  const url = canonicalRegistryUrl(String(named.value));
  const { defaultUrl } = context.profile.registry;
  return defaultUrl !== undefined && canonicalRegistryUrl(defaultUrl) === url ? undefined : url;
}

/**
 * The one address that the lock at hand names, where no registry is configured and none is given by hand: what was locked
 * with `--registry URL` can be installed and updated without it. It is a word of the project, like {@link addressOfProject}.
 */
export async function addressOfLock(context: EngineContext): Promise<string | undefined> {
  if (context.registry !== undefined || context.lockAddresses.size === 0) return undefined;
  if ((await readRegistries(context)).registries.length > 0) return undefined;
  const { canonicalRegistryUrl } = await import("./registry-client.ts");
  const [url, ...others] = new Set([...context.lockAddresses].map((one) => canonicalRegistryUrl(one)));
  // Of several none is the one that a dependency without a registry of its own comes from.
  return others.length === 0 ? url : undefined;
}

/** Says that a credential of the environment is not sent where it might have been expected to be. */
export function sayWithheld(context: EngineContext, variable: string, url: string): void {
  context.onEvent({
    type: "warning",
    code: "TOKEN_WITHHELD",
    message: `${variable} is not sent to ${url}: the project alone names that address`,
    hint: `If you trust it with your token, run: registry add NAME ${url} --default, or set ${settingVariable(context.profile.environmentPrefix, "registry.url")}`,
  });
}

/** The configured default registry, where `--registry` puts another in its place. */
export async function replacedRegistry(context: EngineContext): Promise<RegistryConfig | undefined> {
  if (context.registry === undefined) return undefined;
  const { registries, defaultRegistry } = await readRegistries(context);
  return registries.find(({ name }) => name === defaultRegistry);
}

/** A registry of which only the address is known. Whether it demands signatures, it says itself. */
export async function plainRegistry(context: EngineContext, name: string, url: string): Promise<RegistryConfig> {
  const { registryConfig } = await import("./registry-client.ts");
  const settings = await context.localSettings();
  const config = registryConfig({
    name,
    url,
    verifySignatures: settings.boolean("security.verify_signatures") ?? false,
    timeoutMs: (settings.number("registry.timeout") ?? 30) * 1000,
  });
  return withRoot(context, config);
}

/** The root that a registry is trusted by from its first contact on, where the profile or a setting names one for it. */
async function withRoot(context: EngineContext, registry: RegistryConfig): Promise<RegistryConfig> {
  const { canonicalRegistryUrl } = await import("./registry-client.ts");
  const settings = await context.localSettings();
  const { defaultUrl, root: own } = context.profile.registry;
  const isAt = (url: string | undefined): boolean => url !== undefined && canonicalRegistryUrl(url) === registry.url;
  const root =
    registry.root ??
    (isAt(settings.string("registry.url") ?? defaultUrl) ? pinnedRoot(settings.string("registry.root")) : undefined) ??
    (isAt(defaultUrl) ? own : undefined);
  return root === undefined ? registry : { ...registry, root };
}

function pinnedRoot(text: string | undefined): Digest | undefined {
  if (text === undefined) return undefined;
  const digest = tryParseDigest(text);
  if (digest !== undefined) return digest;
  throw new EngineError({
    code: "CONFIG_VALUE_INVALID",
    message: `Cannot use "${text.slice(0, 100)}" for "registry.root": allowed is "sha256:" and 64 hexadecimal digits`,
  });
}

/** Variable that holds the token of the registry of a name. */
export function tokenVariable(context: EngineContext, name: string): string {
  return `${context.profile.environmentPrefix}_TOKEN_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`;
}

/**
 * Refuses a name whose token variable is another registry's as well: one of them would be shown the other's token.
 * @throws {EngineError} `REGISTRY_NAME_TAKEN`
 */
export function refuseSharedToken(context: EngineContext, registries: readonly RegistryConfig[], name: string): void {
  const variable = tokenVariable(context, name);
  const other = registries.find((one) => one.name !== name && tokenVariable(context, one.name) === variable);
  if (other === undefined) return;
  throw new EngineError({
    code: "REGISTRY_NAME_TAKEN",
    message: `Cannot use registry "${name}" beside registry "${other.name}": both would read their token from ${variable}`,
    hint: `Give one of them a name that differs in letters or digits, in ${registriesPath(context)}`,
    name,
    other: other.name,
    variable,
  });
}
