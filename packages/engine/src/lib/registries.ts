import path from "node:path";
import { parseDuration, tryParseDigest, type Digest } from "@lading/core-manifest";
import type {
  Fetch,
  CredentialStore,
  EnvironmentBinding,
  RegistriesFile,
  RegistryClient,
  RegistryConfig,
  RegistrySet,
  Transport,
} from "@lading/registry-client";
import { cacheDirectory, type EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { readTextIfExists } from "./files.ts";

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
  return parseDuration((await context.settings()).string("security.offline_max_age") ?? OFFLINE_MAX_AGE);
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
  const settings = await context.settings();
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

/** The configured default registry, where `--registry` puts another in its place. */
export async function replacedRegistry(context: EngineContext): Promise<RegistryConfig | undefined> {
  if (context.registry === undefined) return undefined;
  const { registries, defaultRegistry } = await readRegistries(context);
  return registries.find(({ name }) => name === defaultRegistry);
}

/** A registry of which only the address is known. Whether it demands signatures, it says itself. */
export async function plainRegistry(context: EngineContext, name: string, url: string): Promise<RegistryConfig> {
  const { registryConfig } = await import("./registry-client.ts");
  const settings = await context.settings();
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
  const settings = await context.settings();
  const { defaultUrl, root: own } = context.profile.registry;
  const isAt = (url: string | undefined): boolean => url !== undefined && canonicalRegistryUrl(url) === registry.url;
  const root =
    registry.root ??
    (isAt(settings.string("registry.url")) ? pinnedRoot(settings.string("registry.root")) : undefined) ??
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

/**
 * Opens every configured registry; `--registry` stands in for the default one.
 * @throws {EngineError} `REGISTRY_NOT_CONFIGURED`
 */
export async function openRegistries(context: EngineContext): Promise<RegistrySet> {
  const { createRegistrySet } = await import("./registry-client.ts");
  const configured = await readRegistries(context);
  const file = await withOverride(context, configured);
  if (file.registries.length === 0) {
    throw new EngineError({ code: "REGISTRY_NOT_CONFIGURED", message: "Cannot reach a registry: none is configured" });
  }
  const opened = await openClients(context, file.registries, tokenOwner(configured, file));
  const set = createRegistrySet({
    clients: opened.clients,
    default: file.defaultRegistry,
    // A registry that was named by hand is asked alone.
    fallback: context.registry === undefined ? file.fallback : [],
  });
  return {
    ...set,
    client: (nameOrUrl) => set.client(nameOrUrl),
    find: (name, options) => set.find(name, options),
    async close() {
      await set.close();
      await opened.close();
    },
  };
}

/**
 * The registry that the general token variables speak for: the configured default one, and not another that was chosen
 * by name, which would be shown a token that is not its own. An address given by hand stands in for the default.
 */
function tokenOwner(configured: RegistriesFile, file: RegistriesFile): string {
  return file.registries.length > configured.registries.length ? file.defaultRegistry : configured.defaultRegistry;
}

async function withOverride(context: EngineContext, file: RegistriesFile): Promise<RegistriesFile> {
  const { canonicalRegistryUrl } = await import("./registry-client.ts");
  const wanted = context.registry;
  if (wanted === undefined) return file;
  if (!wanted.includes("://")) {
    if (file.registries.some(({ name }) => name === wanted)) return { ...file, defaultRegistry: wanted };
    const known = file.registries.map(({ name }) => `"${name}"`).join(", ") || "none";
    throw new EngineError({
      code: "REGISTRY_NOT_CONFIGURED",
      message: `Cannot use registry "${wanted}": configured are ${known}`,
      hint: `Run "registry add ${wanted} URL", or give the URL itself`,
    });
  }
  const url = canonicalRegistryUrl(wanted);
  const configured = file.registries.find((registry) => registry.url === url);
  if (configured !== undefined) return { ...file, defaultRegistry: configured.name };
  const own = await plainRegistry(context, "command-line", url);
  return { ...file, defaultRegistry: own.name, registries: [...file.registries, own] };
}

/** An address that ends in `/simple/` is that of a simple index (PEP 503), which speaks another protocol. */
function simpleAware(context: EngineContext, { url: base }: RegistryConfig, fetch: Fetch): Fetch {
  if (!new URL(base).pathname.endsWith("/simple/")) return fetch;
  return async (url, init) => {
    const { simpleIndexFetch } = await import("./simple-index.ts");
    return simpleIndexFetch(context, base, fetch)(url, init);
  };
}

async function openClients(
  context: EngineContext,
  registries: readonly RegistryConfig[],
  tokenOwner: string,
): Promise<{ clients: RegistryClient[]; close(): Promise<void> }> {
  const { createDiskCache, createNodeFetch, createRegistryClient, directoryTransport, tracedCache, tracedFetch } =
    await import("./registry-client.ts");
  const { createTrustDirectory, parseStaticAddress, systemClock } = await import("./registry-client.ts");
  const trust = createTrustDirectory(trustDirectory(context));
  const offlineMaxAgeMs = await offlineMaxAge(context);
  const cache = tracedCache(createDiskCache(await cacheDirectory(context)), context.onEvent);
  const credentials = await openCredentials(context, registries, tokenOwner);
  const fetches: { close(): Promise<void> }[] = [];
  const named = (await context.settings()).string("registry.bundle");
  const bundle = named === undefined ? undefined : await (await import("./bundle.ts")).openBundle(named, context);
  const opened = registries.map(async (registry) => {
    const common = {
      registry,
      cache,
      credentials,
      offline: context.offline,
      clock: { ...systemClock, now: context.now },
      trust,
      offlineMaxAgeMs,
      onEvent: context.onEvent,
      userAgent: `lading/${context.profile.id}`,
    };
    const held = bundle?.registries.find(({ url }) => url === registry.url);
    if (held !== undefined) {
      const { bundleClock, bundleTransport, sayBundle } = await import("./bundle.ts");
      await sayBundle(bundle!, held, context);
      // Not offline: what is asked for is in the directory, and nothing there opens a socket. Nor is what an address on
      // the network once answered taken for the bundle's.
      const { cache: _cache, ...own } = common;
      const quick = { ...registry, maxRetries: 0 };
      return createRegistryClient({
        ...own,
        registry: quick,
        offline: false,
        clock: bundleClock(common.clock, offlineMaxAgeMs),
        transport: await bundleTransport(bundle!, held, quick),
      });
    }
    // The address of one JSON file is that of a flat index (docs/spec/pack-index.md).
    if (/\/[^/]+\.json\/$/.test(new URL(registry.url).pathname)) {
      const { flatIndexTransport } = await import("./flat-index.ts");
      const reader = await openReader(context, registry);
      fetches.push({ close: () => reader.close() });
      return createRegistryClient({ ...common, transport: flatIndexTransport(registry, reader.transport, context) });
    }
    if (registry.url.startsWith("file:"))
      return createRegistryClient({ ...common, transport: directoryTransport(registry) });
    const address = parseStaticAddress(registry.url);
    const simple = (fetch: Fetch): Fetch => simpleAware(context, registry, fetch);
    if (context.fetch !== undefined && address === undefined)
      return createRegistryClient({ ...common, fetch: simple(tracedFetch(context.fetch, context.onEvent)) });
    const node = createNodeFetch({ env: context.env, proxy: registry.proxy, caFile: registry.caFile });
    fetches.push(node);
    const fetch = tracedFetch(context.fetch ?? node.fetch, context.onEvent);
    if (address === undefined) return createRegistryClient({ ...common, fetch: simple(fetch) });
    const { openStaticTransport } = await import("./static-transport.ts");
    return createRegistryClient({
      ...common,
      transport: await openStaticTransport(registry, address, fetch, context),
    });
  });
  return {
    clients: await Promise.all(opened),
    async close() {
      await Promise.all(fetches.map((fetch) => fetch.close()));
    },
  };
}

/** Reads a registry's files as a client of it would, without its cache and its trust. */
export async function openReader(
  context: EngineContext,
  registry: RegistryConfig,
): Promise<{ readonly transport: Transport; close(): Promise<void> }> {
  const { createNodeFetch, directoryTransport, parseStaticAddress, systemClock } = await import("./registry-client.ts");
  if (registry.url.startsWith("file:"))
    return { transport: directoryTransport(registry), close: () => Promise.resolve() };
  const node = createNodeFetch({ env: context.env, proxy: registry.proxy, caFile: registry.caFile });
  const fetch = context.fetch ?? node.fetch;
  const address = parseStaticAddress(registry.url);
  if (address !== undefined) {
    const { openStaticTransport } = await import("./static-transport.ts");
    return { transport: await openStaticTransport(registry, address, fetch, context), close: node.close };
  }
  const configured = await readRegistries(context);
  const file = await withOverride(context, configured);
  const credentials = await openCredentials(context, file.registries, tokenOwner(configured, file));
  const { httpTransport } = await import("@lading/registry-client");
  const transport = httpTransport({
    registry,
    fetch,
    clock: { ...systemClock, now: context.now },
    userAgent: `lading/${context.profile.id}`,
    credential: async () => (registry.authType === "none" ? undefined : credentials.get(registry.url)),
  });
  return { transport, close: node.close };
}

/** Variable that holds the token of the registry of a name. */
function tokenVariable(context: EngineContext, name: string): string {
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

/** The profile's token variables belong to the token owner, `<PREFIX>_TOKEN_<NAME>` to the one of that name. */
/** What an `Authorization` header to this registry says; `undefined` where nobody is logged in. */
export async function registryCredential(
  context: EngineContext,
  registry: RegistryConfig,
): Promise<string | undefined> {
  const configured = await readRegistries(context);
  const owner = tokenOwner(configured, await withOverride(context, configured));
  const credential = await (await openCredentials(context, [registry], owner)).get(registry.url);
  if (credential === undefined) return undefined;
  if (credential.type === "token") return `Bearer ${credential.token}`;
  return `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString("base64")}`;
}

async function openCredentials(
  context: EngineContext,
  registries: readonly RegistryConfig[],
  tokenOwner: string,
): Promise<CredentialStore> {
  const { createEnvironmentCredentials, layerCredentials } = await import("./registry-client.ts");
  const bindings: EnvironmentBinding[] = registries.map(({ name, url }) => ({
    url,
    variables: [tokenVariable(context, name), ...(name === tokenOwner ? context.profile.tokenVariables : [])],
  }));
  return layerCredentials(createEnvironmentCredentials(context.env, bindings), await credentialsFile(context));
}

/** The file of stored credentials. */
export async function credentialsFile(context: EngineContext): Promise<CredentialStore> {
  const { createCredentialsFile } = await import("./registry-client.ts");
  return createCredentialsFile(credentialsPath(context));
}
