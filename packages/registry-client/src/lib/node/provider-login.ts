import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Configuration } from "openid-client";
import type { Account, IdentityProof, IdentityProviderInfo, RegistryClient } from "../client-types.ts";
import { RegistryClientError } from "../registry-client-error.ts";

/** What a person is to do. */
export type ProviderInstructions =
  | { readonly flow: "browser"; readonly url: string }
  | { readonly flow: "device"; readonly url: string; readonly code: string; readonly expiresSeconds: number };

/** How somebody logs in through a provider. */
export interface ProviderLogin {
  /** `browser`: a browser on this machine (authorization code with PKCE); `device`: a browser anywhere (RFC 8628). */
  readonly flow: "browser" | "device";
  /** Tells the person what to do. */
  readonly announce: (instructions: ProviderInstructions) => void;
  readonly signal?: AbortSignal;
}

const LOGIN_TIMEOUT_MS = 5 * 60 * 1000;
const PAGE = "<!doctype html><meta charset=utf-8><title>Logged in</title><p>You are logged in; close this page.</p>\n";

function refused(client: RegistryClient, problem: string, cause?: unknown): RegistryClientError {
  return new RegistryClientError({
    code: "REGISTRY_AUTH_FAILED",
    message: `Cannot log in to registry "${client.registry.name}" through its provider: ${problem}`,
    hint: "Log in again; --device shows a code to enter on any machine",
    registry: client.registry.name,
    ...(cause === undefined ? {} : { cause }),
  });
}

async function configuration({ issuer, clientId }: IdentityProviderInfo): Promise<Configuration> {
  const { None, allowInsecureRequests, discovery } = await import("openid-client");
  const local = ["127.0.0.1", "[::1]", "localhost"].includes(new URL(issuer).hostname);
  return discovery(new URL(issuer), clientId, {}, None(), local ? { execute: [allowInsecureRequests] } : {});
}

/** A server on the loopback interface that takes the provider's answer (RFC 8252 §7.3). */
async function listen(): Promise<{
  readonly server: Server;
  readonly redirect: string;
  readonly answer: Promise<URL>;
}> {
  // An import would touch every export of that module, and with them load the whole of `fetch` into each process.
  const server = process.getBuiltinModule("node:http").createServer();
  const answer = new Promise<URL>((resolve) => {
    server.on("request", (request, response) => {
      const url = new URL(request.url ?? "/", redirect);
      const ours = url.pathname === "/callback";
      response.writeHead(ours ? 200 : 404, {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": "default-src 'none'",
        connection: "close",
      });
      response.end(ours ? PAGE : "");
      if (ours) resolve(url);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const redirect = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`;
  return { server, redirect, answer };
}

async function browserFlow(
  client: RegistryClient,
  provider: IdentityProviderInfo,
  { announce, signal }: ProviderLogin,
): Promise<IdentityProof> {
  const openid = await import("openid-client");
  const config = await configuration(provider);
  const { server, redirect, answer } = await listen();
  try {
    const nonceSecret = randomBytes(32).toString("base64url");
    const nonce = createHash("sha256")
      .update(`${client.registry.url.replace(/\/+$/, "")}\n${nonceSecret}`)
      .digest("base64url");
    const verifier = openid.randomPKCECodeVerifier();
    const state = openid.randomState();
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: redirect,
      scope: provider.scopes.join(" "),
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      nonce,
      state,
    });
    announce({ flow: "browser", url: url.href });
    const answered = await withLimit(client, answer, signal);
    const checks = { pkceCodeVerifier: verifier, expectedNonce: nonce, expectedState: state, idTokenExpected: true };
    const { id_token: idToken } = await openid.authorizationCodeGrant(config, answered, checks);
    return { idToken: idToken!, nonceSecret };
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

async function withLimit<Value>(
  client: RegistryClient,
  work: Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Value> {
  const limit = AbortSignal.timeout(LOGIN_TIMEOUT_MS);
  const ends = signal === undefined ? limit : AbortSignal.any([limit, signal]);
  const late = new Promise<never>((_, reject) => {
    const end = (): void => {
      reject(
        signal?.aborted === true ? (signal.reason as Error) : refused(client, "nobody logged in within five minutes"),
      );
    };
    if (ends.aborted) end();
    else ends.addEventListener("abort", end, { once: true });
  });
  return Promise.race([work, late]);
}

async function deviceFlow(
  client: RegistryClient,
  provider: IdentityProviderInfo,
  { announce, signal }: ProviderLogin,
): Promise<IdentityProof> {
  if (!provider.deviceFlow) throw refused(client, "it does not accept the device flow");
  const openid = await import("openid-client");
  const config = await configuration(provider);
  const started = await openid.initiateDeviceAuthorization(config, { scope: provider.scopes.join(" ") });
  announce({
    flow: "device",
    url: started.verification_uri_complete ?? started.verification_uri,
    code: started.user_code,
    expiresSeconds: started.expires_in,
  });
  const options = signal === undefined ? {} : { signal };
  const { id_token: idToken } = await openid.pollDeviceAuthorizationGrant(config, started, undefined, options);
  if (idToken === undefined) throw refused(client, "the provider gave no identity token");
  return { idToken };
}

/**
 * Logs somebody in through the registry's OpenID provider, and stores the session.
 * @throws {RegistryClientError} `REGISTRY_REFUSED` (the registry has no provider), `REGISTRY_AUTH_FAILED`
 */
export async function loginWithProvider(client: RegistryClient, login: ProviderLogin): Promise<Account> {
  const call = login.signal === undefined ? {} : { signal: login.signal };
  const provider = await client.identityProvider(call);
  return client.loginWithIdentity(await proofOf(client, provider, login), call);
}

async function proofOf(
  client: RegistryClient,
  provider: IdentityProviderInfo,
  login: ProviderLogin,
): Promise<IdentityProof> {
  try {
    return await (login.flow === "device" ? deviceFlow : browserFlow)(client, provider, login);
  } catch (error) {
    if (error instanceof RegistryClientError || login.signal?.aborted === true) throw error;
    const { error_description: told, message } = error as Error & { readonly error_description?: string };
    throw refused(client, told ?? message, error);
  }
}
