import type { AuthType, RegistriesFile, RegistryClient, RegistryConfig } from "@lading/registry-client";
import { createHash } from "node:crypto";
import { digestFromBytes, tryParseDigest, type Digest } from "@lading/core-manifest";
import { createContext } from "../context.ts";
import { type EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { readTextIfExists, writeFileAtomic } from "../files.ts";
import { beginTrust, readRoot } from "./registry-trust.ts";
import { readRegistries, refuseSharedToken, registriesPath } from "../configured-registries.ts";
import { credentialsFile } from "../registries.ts";

/** A registry to configure. */
export interface RegistryAddInput {
  readonly name: string;
  readonly url: string;
  /** Default: `token`. */
  readonly authType?: AuthType | undefined;
  /** Default: what the registry says of itself; true where it does not answer. */
  readonly verifySignatures?: boolean | undefined;
  readonly allowInsecure?: boolean | undefined;
  readonly timeoutSeconds?: number | undefined;
  readonly publicKeys?: readonly string[] | undefined;
  readonly trustedPublishers?: readonly string[] | undefined;
  readonly caFile?: string | undefined;
  /** What it is trusted by from the first contact on: a root file, or its digest. Default: first use. */
  readonly root?: string | undefined;
  /** Make it the default one. The first that is configured is the default anyway. */
  readonly makeDefault?: boolean | undefined;
  /** Ask it when the default one does not have a name. */
  readonly fallback?: boolean | undefined;
}

/** A configured registry. */
export interface ConfiguredRegistry {
  readonly name: string;
  readonly url: string;
  readonly default: boolean;
  readonly fallback: boolean;
  readonly verifySignatures: boolean;
  /** Digest of the root by which it is trusted, where it is configured. */
  readonly root?: Digest;
}

/** @throws {EngineError} `REGISTRY_NAME_TAKEN`; {RegistryClientError} `REGISTRY_URL_INVALID`, `REGISTRY_INSECURE` */
export async function registryAdd(input: RegistryAddInput, context: EngineContext): Promise<ConfiguredRegistry> {
  const { registryConfig, createRegistryClient } = await import("@lading/registry-client");
  const file = await storedRegistries(context);
  const given = Object.fromEntries(
    Object.entries({
      authType: input.authType,
      allowInsecure: input.allowInsecure,
      timeoutMs: input.timeoutSeconds === undefined ? undefined : input.timeoutSeconds * 1000,
      publicKeys: input.publicKeys,
      trustedPublishers: input.trustedPublishers,
      caFile: input.caFile,
      root: input.root === undefined ? undefined : await rootDigest(input.root, context),
    }).filter(([, value]) => value !== undefined),
  );
  const draft = registryConfig({ ...given, name: input.name, url: input.url });
  refuseTaken(file, draft);
  refuseSharedToken(context, file.registries, draft.name);
  // The same rules that hold when it is used: plain http to another machine is refused here already.
  const probe = createRegistryClient({ registry: draft, offline: true });
  await probe.close();
  const registry = { ...draft, verifySignatures: input.verifySignatures ?? (await saysRequired(draft, context)) };
  const next = withRegistry(file, registry, input);
  if (input.root !== undefined && tryParseDigest(input.root) === undefined)
    await beginByFile(registry, input.root, context);
  await saveRegistries(context, next);
  return describe(registry, next);
}

async function rootDigest(root: string, context: EngineContext): Promise<Digest> {
  return (
    tryParseDigest(root) ??
    digestFromBytes(
      createHash("sha256")
        .update(await readRoot(root, context))
        .digest(),
    )
  );
}

/** Nothing is configured unless the registry's metadata holds under the root that was given. */
async function beginByFile(registry: RegistryConfig, root: string, context: EngineContext): Promise<void> {
  const own = createContext({ ...reopen(context), registry: registry.url });
  try {
    await beginTrust((await own.registries()).default, { root }, context);
  } finally {
    await own.close();
  }
}

function refuseTaken(file: RegistriesFile, registry: RegistryConfig): void {
  const known = file.registries.find(({ name }) => name === registry.name);
  if (known === undefined || known.url === registry.url) return;
  throw new EngineError({
    code: "REGISTRY_NAME_TAKEN",
    message: `Cannot add registry "${registry.name}": it is configured with the address "${known.url}"`,
    hint: `Run "registry remove ${registry.name}" first, or choose another name`,
  });
}

async function saysRequired(registry: RegistryConfig, context: EngineContext): Promise<boolean> {
  const own = createContext({ ...reopen(context), registry: registry.url });
  try {
    const description = await (await own.registries()).default.describe({ signal: context.signal });
    return description.signatures === "required";
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    context.onEvent({
      type: "warning",
      message: `The registry does not answer yet, so signatures will be demanded of its packages: ${reason}`,
    });
    return true;
  } finally {
    await own.close();
  }
}

function reopen(context: EngineContext) {
  const { profile, cwd, env, signal, offline, home, fetch } = context;
  return { profile, cwd, env, signal, offline, home, ...(fetch === undefined ? {} : { fetch }) };
}

function withRegistry(file: RegistriesFile, registry: RegistryConfig, input: RegistryAddInput): RegistriesFile {
  const others = file.registries.filter(({ name }) => name !== registry.name);
  const first = others.length === 0;
  const fallback = file.fallback.filter((name) => name !== registry.name);
  return {
    defaultRegistry: first || input.makeDefault === true ? registry.name : file.defaultRegistry,
    fallback: input.fallback === true ? [...fallback, registry.name] : fallback,
    registries: [...others, registry],
  };
}

function describe(registry: RegistryConfig, file: RegistriesFile): ConfiguredRegistry {
  return {
    name: registry.name,
    url: registry.url,
    default: file.defaultRegistry === registry.name,
    fallback: file.fallback.includes(registry.name),
    verifySignatures: registry.verifySignatures,
    ...(registry.root === undefined ? {} : { root: registry.root }),
  };
}

/** The file alone, without what settings and profile stand in with. */
async function storedRegistries(context: EngineContext): Promise<RegistriesFile> {
  const { parseRegistries } = await import("@lading/registry-client");
  const path = registriesPath(context);
  const text = await readTextIfExists(path);
  return text === undefined
    ? { defaultRegistry: "default", fallback: [], registries: [] }
    : parseRegistries(text, path);
}

async function saveRegistries(context: EngineContext, file: RegistriesFile): Promise<void> {
  const { renderRegistries } = await import("@lading/registry-client");
  await writeFileAtomic(registriesPath(context), renderRegistries(file), 0o600);
}

/** Changes the default registry of the file. */
export async function setDefaultRegistry(context: EngineContext, name: string): Promise<void> {
  const file = await storedRegistries(context);
  if (!file.registries.some((registry) => registry.name === name)) {
    throw new EngineError({
      code: "CONFIG_VALUE_INVALID",
      message: `Cannot make "${name}" the default registry: configured are ${file.registries.map((one) => `"${one.name}"`).join(", ") || "none"}`,
      hint: `Run "registry add ${name} URL" first`,
    });
  }
  await saveRegistries(context, { ...file, defaultRegistry: name });
}

/** A registry with its state. */
export interface ListedRegistry extends ConfiguredRegistry {
  readonly reachable: boolean;
  /** Time to the answer. */
  readonly durationMs?: number;
  readonly problem?: string;
  readonly loggedIn: boolean;
}

/** Lists the configured registries and asks each whether it is there. */
export async function registryList(
  input: { readonly check?: boolean | undefined },
  context: EngineContext,
): Promise<readonly ListedRegistry[]> {
  const file = await readRegistries(context);
  if (file.registries.length === 0) return [];
  const credentials = await credentialsFile(context);
  const known = new Set(await credentials.list());
  const { clients } = await context.registries();
  return Promise.all(
    file.registries.map(async (registry) => {
      const client = clients.find((candidate) => candidate.registry.name === registry.name)!;
      const state = input.check === false || context.offline ? { reachable: false } : await reach(client, context);
      return { ...describe(registry, file), ...state, loggedIn: known.has(registry.url) };
    }),
  );
}

async function reach(
  client: RegistryClient,
  context: EngineContext,
): Promise<Pick<ListedRegistry, "reachable" | "durationMs" | "problem">> {
  try {
    if (client.registry.url.startsWith("file:")) {
      await client.describe({ signal: context.signal });
      return { reachable: true };
    }
    const { ok, durationMs } = await client.health({ signal: context.signal });
    return { reachable: ok, durationMs };
  } catch (error) {
    context.signal.throwIfAborted();
    return { reachable: false, problem: error instanceof Error ? error.message : String(error) };
  }
}

/** Forgets a registry and its stored token. */
export async function registryRemove(
  input: { readonly name: string },
  context: EngineContext,
): Promise<{ readonly name: string; readonly url: string; readonly credentialRemoved: boolean }> {
  const file = await storedRegistries(context);
  const found = file.registries.find(({ name }) => name === input.name);
  if (found === undefined) {
    throw new EngineError({
      code: "REGISTRY_NOT_CONFIGURED",
      message: `Cannot remove registry "${input.name}": configured are ${file.registries.map(({ name }) => `"${name}"`).join(", ") || "none"}`,
    });
  }
  const registries = file.registries.filter((registry) => registry !== found);
  const shared = registries.some(({ url }) => url === found.url);
  const credentialRemoved = shared ? false : await (await credentialsFile(context)).delete(found.url);
  await saveRegistries(context, {
    registries,
    fallback: file.fallback.filter((name) => name !== found.name),
    defaultRegistry: file.defaultRegistry === found.name ? (registries[0]?.name ?? "default") : file.defaultRegistry,
  });
  return { name: found.name, url: found.url, credentialRemoved };
}
