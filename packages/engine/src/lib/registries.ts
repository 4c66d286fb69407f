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
import {
  addressOfLock,
  addressOfProject,
  credentialsPath,
  offlineMaxAge,
  plainRegistry,
  readRegistries,
  sayWithheld,
  tokenVariable,
  trustDirectory,
} from "./configured-registries.ts";
import { cacheDirectory, type EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";

/**
 * Opens every configured registry; `--registry` stands in for the default one, and where there is neither, the one that the
 * lock names.
 * @throws {EngineError} `REGISTRY_NOT_CONFIGURED`
 */
export async function openRegistries(context: EngineContext): Promise<RegistrySet> {
  const { createRegistrySet } = await import("./registry-client.ts");
  const configured = await readRegistries(context);
  const file = await withLocked(context, await withOverride(context, configured));
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

/** The registry that the lock names, where there is no other. */
async function withLocked(context: EngineContext, file: RegistriesFile): Promise<RegistriesFile> {
  const url = await addressOfLock(context);
  if (url === undefined) return file;
  context.onEvent({ type: "info", message: `No registry is configured: asking ${url}, which the lock names` });
  const own = await plainRegistry(context, new URL(url).host || "lock", url);
  return { ...file, defaultRegistry: own.name, registries: [own] };
}

/** An address that ends in `/simple/` is that of a simple index (PEP 503), which speaks another protocol. */
function simpleAware(context: EngineContext, { url: base }: RegistryConfig, fetch: Fetch): Fetch {
  if (!new URL(base).pathname.endsWith("/simple/")) return fetch;
  return async (url, init) => {
    const { simpleIndexFetch } = await import("./simple-index.ts");
    return simpleIndexFetch(context, base, fetch)(url, init);
  };
}

/** Opens registries; a token variable of the profile counts for the one named `tokenOwner`. */
export async function openClients(
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
  const named = (await context.localSettings()).string("registry.bundle");
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

/**
 * The profile's token variables belong to the token owner, `<PREFIX>_TOKEN_<NAME>` to the one of that name; none to an
 * address that a project brought along.
 */
async function openCredentials(
  context: EngineContext,
  registries: readonly RegistryConfig[],
  tokenOwner: string,
): Promise<CredentialStore> {
  const { createEnvironmentCredentials, layerCredentials } = await import("./registry-client.ts");
  const projects = await addressOfProject(context);
  const bindings: EnvironmentBinding[] = registries.map(({ name, url }) => ({
    url,
    variables: [tokenVariable(context, name), ...(name === tokenOwner ? context.profile.tokenVariables : [])],
  }));
  const withheld = bindings.filter(({ url }) => url === projects);
  for (const variable of withheld.flatMap(({ variables }) => variables)) {
    if ((context.env[variable] ?? "") !== "") sayWithheld(context, variable, projects!);
  }
  return forSimpleIndexes(
    layerCredentials(
      createEnvironmentCredentials(
        context.env,
        bindings.filter((one) => !withheld.includes(one)),
      ),
      await credentialsFile(context),
    ),
  );
}

/** The simple index of a registry is below its address, and is read with the registry's credential. */
function forSimpleIndexes(store: CredentialStore): CredentialStore {
  const keeper = async (url: string): Promise<string> =>
    url.endsWith("/simple/") && (await store.get(url)) === undefined ? url.slice(0, -"simple/".length) : url;
  return {
    ...store,
    get: async (url) => store.get(await keeper(url)),
    origin: async (url) => store.origin?.(await keeper(url)),
  };
}

/** The file of stored credentials. */
export async function credentialsFile(context: EngineContext): Promise<CredentialStore> {
  const { createCredentialsFile } = await import("./registry-client.ts");
  return createCredentialsFile(credentialsPath(context));
}
