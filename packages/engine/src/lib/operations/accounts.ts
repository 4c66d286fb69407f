import type { Account, Credential } from "@lading/registry-client";
import type { ProviderInstructions } from "@lading/registry-client/node";
import type { EngineContext, NoInput } from "../engine-context.ts";

/** Who logs in where. */
export interface LoginInput {
  readonly credential: Credential;
}

/** Who logs in where, through the registry's OpenID provider. */
export interface ProviderLoginInput {
  /** `browser`: one on this machine; `device`: one anywhere. */
  readonly flow: "browser" | "device";
  /** Tells the person what to do. */
  readonly announce: (instructions: ProviderInstructions) => void;
}

/** Who is logged in where. */
export interface LoginResult {
  readonly registry: string;
  readonly url: string;
  readonly user: string;
}

/**
 * Proves a token or password to the registry and stores the token; a password is never stored where the registry gives a
 * session token for it.
 * @throws {RegistryClientError} `REGISTRY_AUTH_FAILED`
 */
export async function login({ credential }: LoginInput, context: EngineContext): Promise<LoginResult> {
  const client = (await context.registries()).default;
  const account = await client.login(credential, { signal: context.signal });
  return { registry: client.registry.name, url: client.registry.url, user: account.username };
}

/**
 * Logs in through the registry's OpenID provider, and stores the session.
 * @throws {RegistryClientError} `REGISTRY_REFUSED` (the registry has no provider), `REGISTRY_AUTH_FAILED`
 */
export async function loginThroughProvider(
  { flow, announce }: ProviderLoginInput,
  context: EngineContext,
): Promise<LoginResult> {
  const { loginWithProvider } = await import("@lading/registry-client/node");
  const client = (await context.registries()).default;
  const account = await loginWithProvider(client, { flow, announce, signal: context.signal });
  return { registry: client.registry.name, url: client.registry.url, user: account.username };
}

/** Forgets the stored token of the registry. */
export async function logout(
  _input: NoInput,
  context: EngineContext,
): Promise<{ readonly registry: string; readonly url: string; readonly removed: boolean }> {
  const client = (await context.registries()).default;
  const removed = await client.logout({ signal: context.signal });
  return { registry: client.registry.name, url: client.registry.url, removed };
}

/**
 * Who the registry takes us for.
 * @throws {RegistryClientError} `REGISTRY_AUTH_REQUIRED`, `REGISTRY_AUTH_FAILED`
 */
export async function whoami(
  _input: NoInput,
  context: EngineContext,
): Promise<LoginResult & { readonly account: Account["raw"] }> {
  const client = (await context.registries()).default;
  const account = await client.whoami({ signal: context.signal });
  return { registry: client.registry.name, url: client.registry.url, user: account.username, account: account.raw };
}
