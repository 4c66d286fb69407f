import { ignoreEvents } from "@lading/core-manifest";
import type { Api } from "./api.ts";
import type { RegistryClient } from "./client-types.ts";
import { systemClock } from "./clock.ts";
import type * as Downloads from "./downloads.ts";
import { directoryTransport } from "./directory-transport.ts";
import { createMemoryCredentials } from "./credentials.ts";
import { Documents } from "./documents.ts";
import { httpTransport } from "./http-transport.ts";
import { createMemoryCache } from "./memory-cache.ts";
import { createMetrics } from "./metrics.ts";
import { globalFetch } from "./global-fetch.ts";
import type { CreateRegistryClientOptions } from "./options.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import type { RegistryConfig } from "./registry-config.ts";
import { canonicalRegistryUrl, refuseInsecure } from "./registry-url.ts";
import { Session } from "./session.ts";
import type { TrustClient } from "./trust/trust-client-types.ts";
import { LazyWalk } from "./trust/lazy-walk.ts";
import { createMemoryTrustStore } from "./trust/trust-store.ts";

/** How old a registry's state may be that is worked from offline: what a static registry's metadata lasts. */
const OFFLINE_MAX_AGE_MS = 30 * 86_400_000;

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
  // Most programs only read the index: the rest is loaded by those that use it.
  const downloads = (): Promise<typeof Downloads> => import("./downloads.ts");
  const api = async <T>(use: (api: Api) => Promise<T>): Promise<T> => use(new (await import("./api.ts")).Api(session));
  const { registry, offline } = session;
  return {
    registry,
    offline,
    trust: lazyTrust(session),
    describe: (call = {}) => session.describe(call),
    packageDocument: (name, call = {}) => documents.get(name, call),
    packageDocuments: (names, call = {}) => Promise.all(names.map((name) => documents.get(name, call))),
    download: async (artifact, destination, call = {}) =>
      (await downloads()).download(session, artifact, destination, call),
    downloadMany: async (wanted, call = {}) => (await downloads()).downloadMany(session, wanted, call),
    statement: async (digest, call = {}) => (await downloads()).readStatement(session, digest, call),
    statementOf: async (artifact, call = {}) => (await downloads()).readStatementOf(session, artifact, call),
    publish: async (input) => (await import("./publish.ts")).publish(session, documents, input),
    createPackage: (name, call = {}) => api((calls) => calls.createPackage(name, call)),
    search: (query, call = {}) => api((calls) => calls.search(query, call)),
    list: (call = {}) => api((calls) => calls.list(call)),
    info: (name, version, call = {}) => api((calls) => calls.info(name, version, call)),
    versions: (name, call = {}) => api((calls) => calls.versions(name, call)),
    readme: (name, version, call = {}) => api((calls) => calls.readme(name, version, call)),
    yank: (name, version, reason, call = {}) =>
      api((calls) => calls.setStatus({ name, version, status: "yank", details: { reason } }, call)),
    unyank: (name, version, call = {}) => api((calls) => calls.setStatus({ name, version, status: "yank" }, call)),
    deprecate: (name, version, details, call = {}) =>
      api((calls) => calls.setStatus({ name, version, status: "deprecate", details }, call)),
    undeprecate: (name, version, call = {}) =>
      api((calls) => calls.setStatus({ name, version, status: "deprecate" }, call)),
    channels: (name, call = {}) => api((calls) => calls.channels(name, call)),
    setChannel: (name, channel, version, call = {}) =>
      api((calls) => calls.setChannel({ name, channel, version }, call)),
    removeChannel: (name, channel, call = {}) => api((calls) => calls.setChannel({ name, channel }, call)),
    takeDown: (name, version, details, call = {}) =>
      api((calls) => calls.setStatus({ name, version, status: "takedown", details }, call)),
    bringBack: (name, version, call = {}) =>
      api((calls) => calls.setStatus({ name, version, status: "takedown" }, call)),
    owners: (name, call = {}) => api((calls) => calls.owners(name, call)),
    addOwner: (name, user, call = {}) => api((calls) => calls.changeOwner("PUT", name, user, call)),
    removeOwner: (name, user, call = {}) => api((calls) => calls.changeOwner("DELETE", name, user, call)),
    reviews: async (query = {}, call = {}) => (await import("./review-calls.ts")).reviews(session, query, call),
    review: async (id, call = {}) => (await import("./review-calls.ts")).review(session, id, call),
    downloadReviewed: async (review, destination, call = {}) =>
      (await import("./review-calls.ts")).downloadReviewed(session, review, destination, call),
    decideReview: async (id, step, text, call = {}) =>
      (await import("./review-calls.ts")).decideReview(session, { id, step, text }, call),
    manage: async (name, input, call = {}) => (await import("./management.ts")).manage(session, name, input, call),
    sharedConfiguration: async (wanted, call = {}) =>
      (await import("./configuration-calls.ts")).sharedConfiguration(session, wanted, call),
    register: (account, call = {}) => api((calls) => calls.register(account, call)),
    identityProvider: (call = {}) => api((calls) => calls.identityProvider(call)),
    loginWithIdentity: async (proof, call = {}) => (await import("./login.ts")).loginWithIdentity(session, proof, call),
    login: async (credential, call = {}) => (await import("./login.ts")).login(session, credential, call),
    authenticate: (credential) => {
      session.override = credential;
    },
    logout: async (call = {}) => (await import("./login.ts")).logout(session, call),
    whoami: (call = {}) => api((calls) => calls.whoami(undefined, call)),
    tokens: (call = {}) => api((calls) => calls.tokens(call)),
    createToken: (request, call = {}) => api((calls) => calls.createToken(request, call)),
    revokeToken: (id, call = {}) => api((calls) => calls.revokeToken(id, call)),
    keys: (call = {}) => api((calls) => calls.keys(call)),
    addKey: (publicKey, call = {}) => api((calls) => calls.addKey(publicKey, call.name, call)),
    removeKey: (id, call = {}) => api((calls) => calls.removeKey(id, call)),
    sendKeyStatement: async (envelope, call = {}) =>
      (await import("./publisher-calls.ts")).sendKeyStatement(session, envelope, call),
    publisherKeys: async (account, call = {}) =>
      (await import("./publisher-calls.ts")).publisherKeys(session, account, call),
    audit: (query = {}, call = {}) => api((calls) => calls.audit(query, call)),
    health: (call = {}) => api((calls) => calls.health(call)),
    metrics: () => ({ ...session.metrics }),
    close: () => session.transport.close(),
  };
}

// Loaded by those that ask of a registry that has something to verify; the walk itself needs none of it.
function lazyTrust(session: Session): TrustClient {
  let loaded: Promise<TrustClient> | undefined;
  const trust = (): Promise<TrustClient> =>
    (loaded ??= import("./trust/trust-client.ts").then(({ SessionTrust }) => new SessionTrust(session)));
  return {
    report: async (call = {}) =>
      (await session.view(call)) === undefined ? undefined : (await trust()).report({ ...call, refresh: false }),
    log: async (call = {}) => ((await session.view(call)) === undefined ? undefined : (await trust()).log(call)),
    proofs: async (wanted, call = {}) =>
      (await session.view(call)) === undefined ? undefined : (await trust()).proofs(wanted, call),
    delegation: async (name, call = {}) =>
      (await session.view(call))?.refreshed.delegations === undefined
        ? undefined
        : (await trust()).delegation(name, call),
    noteKeyChanges: async (changes) => (await trust()).noteKeyChanges(changes),
    holdSigners: async (document, signers) => (await trust()).holdSigners(document, signers),
    begin: async (root, call) => (await trust()).begin(root, call),
    forget: async () => (await trust()).forget(),
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
      credentialOrigin: async () => (session.override === undefined ? credentials.origin?.(registry.url) : undefined),
      onRejected: (error) =>
        session.onEvent({
          type: "warning",
          code: "CREDENTIAL_REJECTED",
          message: `Registry "${registry.name}" does not accept the credential${typeof error.details.origin === "string" ? ` from ${error.details.origin}` : ""}; what is public is read without it`,
          ...(error.hint === undefined ? {} : { hint: error.hint }),
        }),
      onRequest: () => metrics.requests++,
    });
  const settings = {
    store: options.trust ?? createMemoryTrustStore(),
    offlineMaxAgeMs: options.offlineMaxAgeMs ?? OFFLINE_MAX_AGE_MS,
  };
  const session = new Session({
    registry,
    transport: chooseTransport(registry, offline, options.transport ?? overHttp),
    cache: options.cache ?? createMemoryCache(),
    credentials,
    clock,
    offline,
    onEvent: options.onEvent ?? ignoreEvents,
    metrics,
    openTrust: (own) =>
      new LazyWalk(own, settings, async () => {
        const { RegistryTrust } = await import("./trust/registry-trust.ts");
        return new RegistryTrust(own, settings);
      }),
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
