import { ignoreEvents } from "@lading/core-manifest";
import { Api, isAuthRefusal } from "./api.ts";
import type { Account, CallOptions, RegistryClient } from "./client-types.ts";
import { systemClock } from "./clock.ts";
import { directoryTransport } from "./directory-transport.ts";
import { createMemoryCredentials } from "./credentials.ts";
import { Documents } from "./documents.ts";
import { download, downloadMany, readStatement, readStatementOf } from "./downloads.ts";
import { httpTransport } from "./http-transport.ts";
import { createMemoryCache } from "./memory-cache.ts";
import { createMetrics } from "./metrics.ts";
import { globalFetch } from "./global-fetch.ts";
import type { CreateRegistryClientOptions } from "./options.ts";
import type { Credential } from "./ports.ts";
import { publish } from "./publish.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import type { RegistryConfig } from "./registry-config.ts";
import { canonicalRegistryUrl, refuseInsecure } from "./registry-url.ts";
import { Session } from "./session.ts";

/**
 * A client of one registry. Nothing is sent until a method is called.
 *
 * ```ts
 * const client = createRegistryClient({ registry: registryConfig({ name: "main", url: "https://registry.example.org" }) });
 * const document = await client.packageDocument("tool");
 * ```
 * @throws {RegistryClientError} `REGISTRY_URL_INVALID`, `REGISTRY_INSECURE`
 */
export function createRegistryClient(options: CreateRegistryClientOptions): RegistryClient {
  const session = createSession(options);
  const documents = new Documents(session);
  const api = new Api(session);
  const { registry, offline } = session;
  return {
    registry,
    offline,
    describe: (call = {}) => session.describe(call),
    packageDocument: (name, call = {}) => documents.get(name, call),
    packageDocuments: (names, call = {}) => Promise.all(names.map((name) => documents.get(name, call))),
    download: (artifact, destination, call = {}) => download(session, artifact, destination, call),
    downloadMany: (downloads, call = {}) => downloadMany(session, downloads, call),
    statement: (digest, call = {}) => readStatement(session, digest, call),
    statementOf: (artifact, call = {}) => readStatementOf(session, artifact, call),
    publish: (input) => publish(session, documents, input),
    createPackage: (name, call = {}) => api.createPackage(name, call),
    search: (query, call = {}) => api.search(query, call),
    list: (call = {}) => api.list(call),
    info: (name, version, call = {}) => api.info(name, version, call),
    versions: (name, call = {}) => api.versions(name, call),
    readme: (name, version, call = {}) => api.readme(name, version, call),
    yank: (name, version, reason, call = {}) =>
      api.setStatus({ name, version, status: "yank", details: { reason } }, call),
    unyank: (name, version, call = {}) => api.setStatus({ name, version, status: "yank" }, call),
    deprecate: (name, version, details, call = {}) =>
      api.setStatus({ name, version, status: "deprecate", details }, call),
    undeprecate: (name, version, call = {}) => api.setStatus({ name, version, status: "deprecate" }, call),
    owners: (name, call = {}) => api.owners(name, call),
    addOwner: (name, user, call = {}) => api.changeOwner("PUT", name, user, call),
    removeOwner: (name, user, call = {}) => api.changeOwner("DELETE", name, user, call),
    register: (account, call = {}) => api.register(account, call),
    login: (credential, call = {}) => login(session, api, credential, call),
    authenticate: (credential) => {
      session.override = credential;
    },
    logout: (call = {}) => logout(session, api, call),
    whoami: (call = {}) => api.whoami(undefined, call),
    tokens: (call = {}) => api.tokens(call),
    createToken: (request, call = {}) => api.createToken(request, call),
    revokeToken: (id, call = {}) => api.revokeToken(id, call),
    keys: (call = {}) => api.keys(call),
    addKey: (publicKey, call = {}) => api.addKey(publicKey, call.name, call),
    removeKey: (id, call = {}) => api.removeKey(id, call),
    audit: (query = {}, call = {}) => api.audit(query, call),
    health: (call = {}) => api.health(call),
    metrics: () => ({ ...session.metrics }),
    close: () => session.transport.close(),
  };
}

function createSession(options: CreateRegistryClientOptions): Session {
  const registry = { ...options.registry, url: canonicalRegistryUrl(options.registry.url) };
  refuseInsecure(registry);
  const clock = options.clock ?? systemClock;
  const credentials = options.credentials ?? createMemoryCredentials();
  const metrics = createMetrics();
  const offline = options.offline ?? false;
  const overHttp = (): Session["transport"] =>
    httpTransport({
      registry,
      clock,
      fetch: options.fetch ?? globalFetch,
      userAgent: options.userAgent ?? "lading",
      credential: async () => {
        if (registry.authType === "none") return undefined;
        return session.override ?? (await credentials.get(registry.url));
      },
      onRequest: () => metrics.requests++,
    });
  const session = new Session({
    registry,
    transport: chooseTransport(registry, offline, options.transport ?? overHttp),
    cache: options.cache ?? createMemoryCache(),
    credentials,
    clock,
    offline,
    onEvent: options.onEvent ?? ignoreEvents,
    metrics,
  });
  return session;
}

function chooseTransport(
  registry: RegistryConfig,
  offline: boolean,
  given: Session["transport"] | (() => Session["transport"]),
): Session["transport"] {
  const isFile = registry.url.startsWith("file:");
  if (offline && !isFile) return closedTransport(registry.name);
  if (typeof given !== "function") return given;
  return isFile ? directoryTransport(registry) : given();
}

// The second lock on the door: every operation refuses offline work with a message of its own, and if one forgot,
// there would still be nothing here that can open a socket.
function closedTransport(name: string): Session["transport"] {
  const refuse = (_url: string, ...rest: readonly unknown[]): Promise<never> =>
    Promise.reject(
      new RegistryClientError({
        code: "REGISTRY_OFFLINE",
        message: `Cannot ${(rest.at(-1) as { action: string }).action}: offline, and registry "${name}" would have to be asked`,
        hint: "Run the command once without --offline",
        registry: name,
      }),
    );
  return { metadata: refuse, blob: refuse, publish: refuse, call: refuse, close: () => Promise.resolve() };
}

async function login(session: Session, api: Api, credential: Credential, options: CallOptions): Promise<Account> {
  const kept =
    credential.type === "basic" && session.registry.authType !== "basic"
      ? await api.passwordLogin(credential, options)
      : credential;
  const account = await api.whoami(kept, options);
  await session.credentials.set(session.registry.url, kept);
  session.override = undefined;
  return account;
}

async function logout(session: Session, api: Api, options: CallOptions): Promise<boolean> {
  const credential = session.override ?? (await session.credentials.get(session.registry.url));
  if (!session.offline && credential?.type === "token" && isSessionToken(credential.token)) {
    await endSession(session, api, options);
  }
  session.override = undefined;
  return session.credentials.delete(session.registry.url);
}

// A session that cannot be ended on the registry's side expires by itself; the local copy goes in any case.
async function endSession(session: Session, api: Api, options: CallOptions): Promise<void> {
  try {
    await api.endSession(options);
  } catch (error) {
    if (!(error instanceof RegistryClientError)) throw error;
    if (isAuthRefusal(error)) return;
    session.onEvent({
      type: "warning",
      code: error.code,
      message: `The session was not ended at the registry: ${error.message}`,
    });
  }
}

// JWTs are sessions; opaque tokens are revoked by name, not by logging out.
function isSessionToken(token: string): boolean {
  return token.split(".").length === 3;
}
