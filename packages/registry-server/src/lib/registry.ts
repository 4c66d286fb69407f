import type { CanonicalName } from "@lading/core-manifest";
import { OpenAPIHono } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import { getPathNoStrict } from "hono/utils/url";
import { registerAccountRoutes } from "./api/account-routes.ts";
import { registerChannelRoutes } from "./api/channel-routes.ts";
import { registerChangeRoutes } from "./api/change-routes.ts";
import type { App, Env, RouteContext, Services, TreeServer } from "./api/context.ts";
import { registerFeedRoutes } from "./api/feed-routes.ts";
import { registerGraphqlRoutes } from "./api/graphql-routes.ts";
import { registerInstallRoutes } from "./api/install-routes.ts";
import { registerOwnershipRoutes } from "./api/ownership-routes.ts";
import { registerReportRoutes } from "./api/report-routes.ts";
import { registerWebhookRoutes } from "./api/webhook-routes.ts";
import { registerConfigurationRoutes } from "./api/configuration-routes.ts";
import { registerOrganisationRoutes } from "./api/organisation-routes.ts";
import { registerCredentialRoutes } from "./api/credential-routes.ts";
import { registerIdentityRoutes } from "./api/identity-routes.ts";
import { registerPasskeyRoutes } from "./api/passkey-routes.ts";
import { registerPackageRoutes } from "./api/package-routes.ts";
import { registerPublisherRoutes } from "./api/publisher-routes.ts";
import { registerTreeRoutes } from "./api/tree-routes.ts";
import { registerTrustRoutes } from "./api/trust-routes.ts";
import { registerTakedownRoutes } from "./api/takedown-routes.ts";
import { registerReviewRoutes } from "./api/review-routes.ts";
import { registerRetentionRoutes } from "./api/retention-routes.ts";
import { registerQuotaRoutes } from "./api/quota-routes.ts";
import { registerUploadRoutes } from "./api/upload-routes.ts";
import { mirrorGuard, registerUpstreamRoutes } from "./api/upstream-routes.ts";
import { registerSimpleRoutes } from "./api/simple-routes.ts";
import { registerSystemRoutes } from "./api/system-routes.ts";
import { AccessControl } from "./access/access-control.ts";
import { AccessPolicy, isPrivate, type AccessRule } from "./access/access-policy.ts";
import { publicDemands, treeDemands } from "./access/publisher-demands.ts";
import { Authentication, LocalIdentityProvider, requireScope, type Principal } from "./authentication.ts";
import { behindProxy, type Connection } from "./connection.ts";
import { PurgeChannel } from "./deliveries/purge-channel.ts";
import { DeliveryService, type DeliveryChannel } from "./deliveries/delivery-service.ts";
import { WebhookBox, WebhookChannel, type WebhookPorts } from "./webhooks/webhook-channel.ts";
import { DownloadCounter } from "./download-counter.ts";
import { IdempotentAnswers } from "./idempotent-answers.ts";
import { CiExchange } from "./identity/ci-exchange.ts";
import { OidcLogin } from "./identity/oidc-login.ts";
import { Passkeys } from "./identity/passkeys.ts";
import { SecondFactors } from "./identity/second-factors.ts";
import { BlobGate } from "./governance/blob-gate.ts";
import { ReviewService } from "./governance/review-service.ts";
import { IndexService } from "./index-service.ts";
import { StoredGroups } from "./organisations/groups.ts";
import { NamespaceClaims, type TxtResolver } from "./organisations/namespace-claim.ts";
import { PackageRights } from "./organisations/package-rights.ts";
import type { InstallService } from "./install-service.ts";
import { LatestByKey } from "./latest.ts";
import { Metrics } from "./metrics.ts";
import { RenderedViews } from "./rendered-views.ts";
import { Replicas } from "./replicas.ts";
import type {
  BlobStore,
  Cache,
  Clock,
  Coordination,
  DocumentStore,
  IdentityProvider,
  LogListener,
  MetadataStore,
  PackageInspector,
  PasswordHasher,
  StatementVerifier,
} from "./ports.ts";
import { isExpected, problemHeaders, problemOf, type FieldProblem } from "./problem.ts";
import type { Outbound } from "./outbound.ts";
import { RateLimiter } from "./rate-limiter.ts";
import type { AnswerBody, ReadAnswer, ReadRequest } from "./read-answer.ts";
import { Reads, downloadedBlob } from "./reads.ts";
import { RegistryError } from "./registry-error.ts";
import type { Verifier } from "@lading/signing";
import type { RegistrySettings } from "./settings.ts";
import { newTraceId } from "./token.ts";
import type { RegistryTrust } from "./trust/registry-trust.ts";
import { PrivateTrees, mountOf, type OpenTree } from "./trees/private-trees.ts";
import type { TreeHost } from "./trees/tree-host.ts";
import { joinTree } from "./trees/tree-metadata-store.ts";
import { TrustService, type TrustDescription } from "./trust/trust-service.ts";
import { LeaseTurn } from "./turn.ts";
import { HttpSource } from "./upstream/http-source.ts";
import { RetentionService } from "./retention/retention-service.ts";
import { QuotaService } from "./quotas/quota-service.ts";
import { DEFAULT_UPLOADS } from "./uploads/upload-options.ts";
import { UploadService } from "./uploads/upload-service.ts";
import type { UploadStore } from "./uploads/upload-store.ts";
import type { UpstreamOptions } from "./upstream/upstream-options.ts";
import { Upstreams } from "./upstream/upstreams.ts";
import type { TreePorts } from "./upstream/upstream-tree.ts";

/** How long a stopping server waits for a running installation before it is aborted. */
const INSTALL_GRACE_MS = 30_000;
const FLUSH_INTERVAL_MS = 2000;
/** How often the audit trail's head is stated in the log, at most. */
const SEAL_INTERVAL_MS = 3_600_000;
/** How often it is looked whether that is due. */
const SEAL_LOOK_MS = 60_000;

/** What a registry is built from; the contract of each is on its interface. */
export interface RegistryPorts {
  readonly settings: RegistrySettings;
  readonly metadata: MetadataStore;
  readonly blobs: BlobStore;
  readonly documents: DocumentStore;
  /** Bytes of packages that come in parts. */
  readonly uploads: UploadStore;
  readonly cache: Cache;
  /** Where answers to requests with an `Idempotency-Key` are kept; the memory of this process unless given. */
  readonly answers?: Cache;
  readonly hasher: PasswordHasher;
  readonly inspector: PackageInspector;
  readonly statements: StatementVerifier;
  readonly clock: Clock;
  /** Where several servers have the same stores. */
  readonly coordination?: Coordination;
  /** Keys of metadata and log; a registry without them serves neither. */
  readonly trust?: RegistryTrust;
  /** Opens the stores of private packages; without it, rules about them are refused. */
  readonly trees?: TreeHost;
  /** Asks the DNS for proofs of namespaces; without it none is proven so. */
  readonly resolveTxt?: TxtResolver;
  /** Accounts of the metadata store unless given. */
  readonly identity?: IdentityProvider;
  /** Asks addresses that others named; without it, issuers are asked whatever their address, and nothing else is asked. */
  readonly outbound?: Outbound;
  /** Registries that this one mirrors or stands before. */
  readonly upstreams?: readonly UpstreamOptions[];
  /** Checks signatures of upstreams; the portable one unless given. */
  readonly verifier?: Verifier;
  /** Installs packs on this machine; without it there is no `/packs/install`. */
  readonly install?: InstallService;
  /** Silent unless given. */
  readonly log?: LogListener;
  /** Called last when the registry stops. */
  readonly onStopped?: () => void | Promise<void>;
  /** Files of the API browser by name; without it `/docs` is a page without content. */
  readonly docsAsset?: (name: string) => Promise<Uint8Array | undefined>;
}

/** A registry: a request in, an answer out. */
export interface Registry {
  /**
   * Answers a request. Never rejects: failures are problem answers. `connection` is what the socket knows;
   * without it, the request's URL decides whether passwords may travel. With `body`, an answer that has none has the bytes
   * that are there, where there are any.
   */
  fetch(request: Request, connection?: Connection, body?: AnswerBody): Promise<Response>;
  /**
   * Answers a read of `index/…`, `blobs/…`, `metadata/…` or `log/…` (path without leading slash) as data, for servers that write to sockets
   * themselves. `undefined`: take {@link Registry.fetch}.
   * @throws {RegistryError} what {@link Registry.problem} turns into an answer
   */
  read(request: ReadRequest): Promise<ReadAnswer | undefined>;
  /** As `read` for what memory holds and needs no credentials, at once; `undefined`: ask `read`. */
  readNow(
    path: string,
    headers: Pick<ReadRequest["headers"], "if-none-match" | "authorization">,
  ): ReadAnswer | undefined;
  /** The problem answer to an error, as `fetch` gives it. */
  problem(error: unknown): {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  };
  /**
   * Repairs what a crash left and starts background work; call once, before the first request. When it fails, everything
   * is closed.
   * @throws {RegistryError} `METADATA_DAMAGED`
   */
  start(): Promise<void>;
  /** Refuses new writes, finishes background work and closes the metadata store. Idempotent. */
  stop(): Promise<void>;
  /** What the registry's keys are, where it has any. */
  readonly trust: TrustDescription | undefined;
  /** Signs at once for everything that is committed, which else happens within a second. */
  signNow(): Promise<void>;
  /** Renders every index document again; returns their number. */
  rebuildIndex(): Promise<number>;
  /**
   * Goes by other access rules from now on; rejects and keeps the former ones where they cannot be used.
   * @throws {RegistryError} `ACCESS_RULES_INVALID`
   */
  replaceAccess(access: RegistrySettings["access"]): Promise<void>;
}

function fieldProblems(
  error: { readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[] },
  part: string,
): FieldProblem[] {
  return error.issues.map((issue) => ({ field: [part, ...issue.path.map(String)].join("."), message: issue.message }));
}

const PARTS: Readonly<Record<string, string>> = { json: "body", form: "body", param: "path" };

/** The app; of a tree, its routes are found with and without the path at which it is mounted. */
function createApp(mount: string): App {
  const pathOf = (request: Request): string => {
    const path = getPathNoStrict(request);
    return mount !== "" && path.startsWith(`${mount}/`) ? path.slice(mount.length) : path;
  };
  return new OpenAPIHono<Env>({
    getPath: pathOf,
    defaultHook: (result) => {
      if (result.success) return;
      const errors = fieldProblems(result.error, PARTS[result.target] ?? result.target);
      throw new RegistryError({
        code: "REQUEST_INVALID",
        message: `Cannot read the request: ${errors.map(({ field, message }) => `${field}: ${message}`).join("; ")}`,
        errors,
      });
    },
  });
}

function asRegistryError(error: unknown): unknown {
  if (error instanceof HTTPException && error.status < 500) {
    return new RegistryError({
      code: "REQUEST_INVALID",
      message: `Cannot read the request: ${error.message}`,
      cause: error,
    });
  }
  return error;
}

function clientOf(services: Services, context: RouteContext): Connection {
  const connection = context.env?.connection ?? {};
  if (!services.settings.trustProxy) return connection;
  return behindProxy(connection, {
    "x-forwarded-for": context.req.header("x-forwarded-for"),
    "x-forwarded-proto": context.req.header("x-forwarded-proto"),
  });
}

function traceIdOf(context: RouteContext): string {
  const parent = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/.exec(context.req.header("traceparent") ?? "");
  return parent?.[1] ?? newTraceId();
}

async function limitRequests(limiter: RateLimiter, context: RouteContext): Promise<void> {
  const verdict = await limiter.take(context.get("address"));
  if (verdict === undefined) return;
  context.header("ratelimit-policy", `"api";q=${verdict.limit};w=60`);
  context.header("ratelimit", `"api";r=${verdict.remaining};t=${verdict.resetSeconds}`);
  if (verdict.allowed) return;
  throw new RegistryError({
    code: "RATE_LIMITED",
    message: `Cannot answer: more than ${verdict.limit} requests in a minute`,
    hint: `Wait ${verdict.resetSeconds} seconds`,
    retryAfter: verdict.resetSeconds,
  });
}

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

function refuseWhileDraining(services: Services, context: RouteContext): void {
  if (!services.isDraining() || SAFE_METHODS.has(context.req.method)) return;
  throw new RegistryError({
    code: "UNAVAILABLE",
    message: "Cannot accept a change: the server is shutting down",
    retryAfter: 5,
  });
}

const DRAINED_BYTES = 64 * 1024;

// Whoever is refused before the body was read may still be sending it: the connection is no good for another request.
function closeAfterUnreadBody(context: RouteContext): void {
  const { res, req } = context;
  if (res.status < 400 || SAFE_METHODS.has(req.method)) return;
  const length = Number(req.header("content-length") ?? Number.POSITIVE_INFINITY);
  if (length > DRAINED_BYTES && req.raw.body !== null && !req.raw.bodyUsed) context.header("connection", "close");
}

function wrapRequests(app: App, services: Services): void {
  const limiter = new RateLimiter("api", services.settings.requestsPerMinute, services.cache);
  app.use("*", async (context, next) => {
    const started = performance.now();
    context.set("traceId", traceIdOf(context));
    context.set("client", clientOf(services, context));
    context.set("address", context.get("client").remoteAddress ?? "");
    context.header("x-request-id", context.get("traceId"));
    await next();
    closeAfterUnreadBody(context);
    if (context.get("forwarded") === true) return;
    const durationMs = performance.now() - started;
    services.metrics.request(context.req.method, context.res.status, durationMs / 1000);
    services.log("info", "request", {
      traceId: context.get("traceId"),
      method: context.req.method,
      path: context.req.path,
      status: context.res.status,
      durationMs: Math.round(durationMs * 10) / 10,
      address: context.get("address"),
      ...(services.tree === undefined ? {} : { tree: services.tree }),
      ...(context.get("principal") === undefined ? {} : { actor: context.get("principal")!.account.username }),
    });
  });
  // What asks the database is counted, wherever it is.
  for (const path of ["/api/*", "/graphql", "/simple/*"]) {
    app.use(path, async (context, next) => {
      if (context.env?.counted !== true) await limitRequests(limiter, context);
      await next();
    });
    app.use(path, mirrorGuard(services));
  }
  app.use("/packs/*", mirrorGuard(services));
  app.use("/api/*", async (context, next) => {
    refuseWhileDraining(services, context);
    context.header("cache-control", "no-store");
    await next();
  });
}

function problemAnswer(services: Services, context: RouteContext, error: unknown): Response {
  const known = asRegistryError(error);
  const problem = problemOf(known, context.get("traceId") ?? newTraceId());
  if (!isExpected(known)) {
    services.log("error", "a request failed", {
      traceId: problem.traceId,
      path: context.req.path,
      error: known instanceof Error ? (known.stack ?? known.message) : String(known),
    });
  }
  for (const [name, value] of Object.entries(problemHeaders(problem, known))) context.header(name, value);
  return context.body(JSON.stringify(problem), problem.status as 400);
}

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];

function answerUnknown(app: App, services: Services): void {
  app.notFound((context) => {
    const { path, method } = context.req;
    const allowed = METHODS.filter(
      (other) =>
        other !== method &&
        // What stands before routes is none.
        app.router.match(other, path)[0].some(([[, route]]) => route.method !== "ALL"),
    );
    if (allowed.length === 0)
      return problemAnswer(
        services,
        context,
        new RegistryError({ code: "NOT_FOUND", message: `Cannot find "${path.slice(0, 200)}"` }),
      );
    context.header("allow", allowed.join(", "));
    return problemAnswer(
      services,
      context,
      new RegistryError({
        code: "METHOD_NOT_ALLOWED",
        message: `Cannot ${method} "${path.slice(0, 200)}": allowed are ${allowed.join(", ")}`,
      }),
    );
  });
}

function upstreamsOf(ports: RegistryPorts, access: AccessControl): TreePorts[] {
  const { settings, metadata, blobs, clock, outbound, upstreams = [], verifier } = ports;
  return upstreams.map((options) => {
    const { name, url, token } = options;
    const source =
      url === undefined || outbound === undefined ? undefined : new HttpSource({ name, url, outbound, token });
    const { packageBytes, readPublic } = settings;
    const isOwn = async (name: string): Promise<boolean> =>
      access.treeOf(name) !== undefined || (await metadata.package(name as CanonicalName)) !== undefined;
    return { options, source, metadata, blobs, clock, verifier, packageBytes, readPublic, isOwn };
  });
}

function accessPolicyOf({ readPublic, writeRequiresAuth, access }: RegistrySettings): AccessPolicy {
  return new AccessPolicy({ readPublic, writeRequiresAuth, adminUsers: [], packages: [], ...access });
}

/** The registry that a tree of private packages belongs to, and which of its trees it is. */
interface TreePlace {
  readonly registry: Services;
  readonly name: string;
}

/** What a tree shares with its registry: people, their credentials and their rights. */
function sharedServices({ registry }: TreePlace): Partial<Services> {
  const { authentication, access, groups, identity, secondFactors, passkeys, builds } = registry;
  const { oidc, logins, upstreams, uploads } = registry;
  const people = { authentication, access, groups, identity, secondFactors, passkeys, builds, oidc, logins };
  return { ...people, upstreams, uploads };
}

function createServices(
  ports: RegistryPorts,
  isDraining: () => boolean,
  openTree: (name: string, rule: AccessRule) => Promise<OpenTree<TreeServer>>,
): Services {
  const settings = publicDemands(ports.settings, accessPolicyOf(ports.settings));
  const services = ownServices({ ...ports, settings }, isDraining);
  if (ports.trees === undefined) {
    requirePublic(services.access.policy);
    return services;
  }
  const { access, metadata } = services;
  return { ...services, trees: new PrivateTrees<TreeServer>({ access, metadata, open: openTree }) };
}

/** `rules` are those of the registry that a tree belongs to. */
function ownServices(ports: RegistryPorts, isDraining: () => boolean, rules?: AccessControl): Services {
  const { settings, metadata, blobs, documents, cache, hasher, clock, inspector, statements } = ports;
  const log: LogListener = ports.log ?? (() => {});
  const { coordination } = ports;
  const turn = coordination && new LeaseTurn(coordination);
  const index = new IndexService({ metadata, documents, log, memoryBytes: settings.indexMemoryBytes, turn });
  const trust =
    ports.trust &&
    new TrustService({ trust: ports.trust, metadata, documents, index, clock, tell: log, settings, turn });
  const gate = new BlobGate(metadata);
  const builds = new CiExchange({ issuers: settings.ciIssuers, metadata, clock, outbound: ports.outbound });
  const groups = new StoredGroups({ metadata, cache, directoryTeams: settings.directoryTeams });
  const rights = new PackageRights({ metadata, groups });
  const reviews = new ReviewService({
    metadata,
    index,
    trust,
    clock,
    gate,
    groups,
    rights,
    rules: settings.publicationRules ?? [],
  });
  const identity = ports.identity ?? new LocalIdentityProvider(metadata, hasher);
  const metrics = new Metrics(() => index.statistics);
  const access = new AccessControl(accessPolicyOf(settings), groups);
  const webhookBox = new WebhookBox(settings.jwtSecret);
  const deliveries = deliveriesOf(ports, { access: rules ?? access, rights, groups, box: webhookBox, log });
  metrics.gauge(
    {
      name: "lading_deliveries",
      help: "Deliveries of the last 30 days, to webhooks and others, by state",
      labelNames: ["channel", "state"],
    },
    async () =>
      (await metadata.deliveries.counts()).map(({ channel, state, count }) => [{ channel, state }, count] as const),
  );
  const upstreams = new Upstreams({ trees: upstreamsOf(ports, access), coordination, log, metrics });
  const secondFactors = new SecondFactors({ metadata, clock, secret: settings.jwtSecret, issuer: settings.name });
  return {
    settings,
    metadata,
    blobs,
    cache,
    hasher,
    inspector,
    statements,
    clock,
    log,
    identity,
    index,
    trust,
    reads: new Reads({ trust, index, blobs, metadata, gate, readPublic: settings.readPublic, upstreams }),
    views: new RenderedViews(),
    summaries: new LatestByKey((canonical) => metadata.package(canonical)),
    owners: new LatestByKey((canonical) => rights.ownersOf(canonical)),
    downloads: new DownloadCounter(metadata, clock),
    authentication: new Authentication({
      metadata,
      cache,
      identity,
      clock,
      jwtSecret: settings.jwtSecret,
      issuer: `lading:${settings.name}`,
      needsSecondFactor: (account) => secondFactors.isEnabled(account),
    }),
    access,
    tree: undefined,
    mount: "",
    trees: undefined,
    secondFactors,
    passkeys: new Passkeys({ metadata, clock, secret: settings.jwtSecret, name: settings.name }),
    builds,
    namespaceClaims: new NamespaceClaims({
      metadata,
      builds,
      resolveTxt: ports.resolveTxt,
      reservedNames: settings.reservedNames,
    }),
    oidc: settings.oidc && new OidcLogin(settings.oidc, { metadata, clock, outbound: ports.outbound }),
    outbound: ports.outbound,
    groups,
    gate,
    deliveries,
    webhookBox,
    reviews,
    rights,
    metrics,
    upstreams,
    retention: new RetentionService({ metadata, clock, policy: settings.retention }),
    quotas: new QuotaService({ metadata, defaults: settings.quotas ?? {} }),
    uploads: new UploadService({
      metadata,
      store: ports.uploads,
      clock,
      options: { ...DEFAULT_UPLOADS, ...settings.uploads },
    }),
    logins: new RateLimiter("login", settings.loginsPerMinute, cache),
    answers: new IdempotentAnswers(clock, ports.answers),
    docsAsset: ports.docsAsset ?? (async () => undefined),
    isDraining,
    replicas: coordination && new Replicas({ coordination, metadata, index, trust, log }),
    turn,
    started: clock.now(),
  };
}

const TREE_READ = /^trees\/([a-z0-9-]+)\/(?:index|blobs|metadata|log)\//;

// Reading demands credentials there, whatever it does elsewhere, and no shared cache keeps what was read.
function treeSettings(settings: RegistrySettings, rule: AccessRule): RegistrySettings {
  return { ...treeDemands(settings, rule), readPublic: false };
}

function treeServices(ports: RegistryPorts, isDraining: () => boolean, place: TreePlace): Services {
  const { name } = place;
  return {
    ...ownServices(ports, isDraining, place.registry.access),
    ...sharedServices(place),
    tree: name,
    mount: mountOf(name),
  };
}

/** What is sent because of changes, and by what. */
function deliveriesOf(
  { metadata, clock, outbound, settings }: RegistryPorts,
  { log, ...asked }: Pick<WebhookPorts, "access" | "rights" | "groups" | "box" | "log">,
): DeliveryService {
  const { cdnPurge: hook, cdnUrl, publicUrl, readPublic } = settings;
  const bases = { blobs: cdnUrl ?? publicUrl, index: publicUrl };
  const channels: readonly DeliveryChannel[] =
    outbound === undefined
      ? []
      : [
          new WebhookChannel({ ...asked, metadata, outbound, clock, log }),
          // No shared cache keeps what only some may read.
          ...(hook === undefined || !readPublic ? [] : [new PurgeChannel({ metadata, outbound, clock, hook, bases })]),
        ];
  return new DeliveryService({ store: metadata.deliveries, trail: metadata.auditTrail, channels, clock, log });
}

/** The same cache under other names. */
function prefixed(cache: Cache, prefix: string): Cache {
  return {
    get: (key) => cache.get(prefix + key),
    set: (key, value, ttlMs) => cache.set(prefix + key, value, ttlMs),
    delete: (key) => cache.delete(prefix + key),
    count: (key, windowMs) => cache.count(prefix + key, windowMs),
    check: () => cache.check(),
  };
}

/** Refuses rules about private packages where there is no place to keep them apart. */
function requirePublic(policy: AccessPolicy): AccessPolicy {
  const rule = policy.rules.packages.find(isPrivate);
  if (rule === undefined) return policy;
  throw new RegistryError({
    code: "ACCESS_RULES_INVALID",
    message: `Cannot use the access rule "${rule.pattern}": its packages are private, and this registry has no place for them`,
    hint: "Give the registry a port for trees, or let @everyone read the packages",
  });
}

class PortRegistry implements Registry {
  readonly #services: Services;
  readonly #ports: RegistryPorts;
  readonly #onStopped: () => void | Promise<void>;
  readonly #app: App;
  #draining = false;
  #installations: { stop(graceMs: number): Promise<void> } | undefined;
  #stopped: Promise<void> | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #active = 0;
  #lookedForSeal = 0;
  #idle: (() => void) | undefined;

  constructor(ports: RegistryPorts, place?: TreePlace) {
    this.#ports = ports;
    this.#onStopped = ports.onStopped ?? (() => {});
    const isDraining = (): boolean => this.#draining || (place?.registry.isDraining() ?? false);
    this.#services =
      place === undefined
        ? createServices(ports, isDraining, (name, rule) => this.#openTree(name, rule))
        : treeServices(ports, isDraining, place);
    this.#app = createApp(this.#services.mount);
    wrapRequests(this.#app, this.#services);
    if (place === undefined) registerTreeRoutes(this.#app, this.#services);
    registerSystemRoutes(this.#app, this.#services);
    registerPackageRoutes(this.#app, this.#services);
    registerChangeRoutes(this.#app, this.#services);
    registerChannelRoutes(this.#app, this.#services);
    registerSimpleRoutes(this.#app, this.#services);
    registerAccountRoutes(this.#app, this.#services);
    registerReviewRoutes(this.#app, this.#services);
    registerTakedownRoutes(this.#app, this.#services);
    registerFeedRoutes(this.#app, this.#services);
    registerGraphqlRoutes(this.#app, this.#services);
    registerTrustRoutes(this.#app, this.#services);
    registerIdentityRoutes(this.#app, this.#services);
    registerCredentialRoutes(this.#app, this.#services);
    registerPasskeyRoutes(this.#app, this.#services);
    registerOrganisationRoutes(this.#app, this.#services);
    registerConfigurationRoutes(this.#app, this.#services);
    registerWebhookRoutes(this.#app, this.#services);
    registerReportRoutes(this.#app, this.#services);
    registerOwnershipRoutes(this.#app, this.#services);
    registerPublisherRoutes(this.#app, this.#services);
    registerUpstreamRoutes(this.#app, this.#services);
    registerUploadRoutes(this.#app, this.#services);
    registerQuotaRoutes(this.#app, this.#services);
    registerRetentionRoutes(this.#app, this.#services);
    if (ports.install !== undefined)
      this.#installations = registerInstallRoutes(this.#app, this.#services, ports.install);
    answerUnknown(this.#app, this.#services);
    this.#app.onError((error, context) => problemAnswer(this.#services, context, error));
  }

  get services(): Services {
    return this.#services;
  }

  async fetch(request: Request, connection?: Connection, body?: AnswerBody): Promise<Response> {
    const known = connection === undefined ? {} : { connection };
    return this.answer(request, body === undefined ? known : { ...known, body });
  }

  async answer(request: Request, bindings: Env["Bindings"]): Promise<Response> {
    this.#active += 1;
    try {
      return await this.#app.fetch(request, bindings);
    } finally {
      this.#active -= 1;
      if (this.#active === 0) this.#idle?.();
    }
  }

  readNow(
    path: string,
    headers: Pick<ReadRequest["headers"], "if-none-match" | "authorization">,
  ): ReadAnswer | undefined {
    // With credentials in the request, they are checked even where reading is public: a wrong token is told.
    if (!this.#services.settings.readPublic || headers.authorization !== undefined) return undefined;
    const answer = this.#services.reads.peek(path, headers);
    if (answer !== undefined) this.#services.metrics.read(answer.status);
    return answer;
  }

  async #openTree(name: string, rule: AccessRule): Promise<OpenTree<TreeServer>> {
    const stores = await this.#ports.trees!.open(name, mountOf(name));
    const { metadata, blobs, documents, coordination, trust } = stores;
    const {
      trees: _,
      coordination: _coordination,
      trust: _trust,
      install: _install,
      upstreams: _upstreams,
      ...shared
    } = this.#ports;
    const registry = new PortRegistry(
      {
        ...shared,
        settings: treeSettings(this.#ports.settings, rule),
        metadata: joinTree(this.#services.metadata, metadata),
        blobs,
        documents,
        ...(coordination === undefined ? {} : { coordination }),
        ...(trust === undefined ? {} : { trust }),
        ...(shared.answers === undefined ? {} : { answers: prefixed(shared.answers, `tree:${name}:`) }),
        onStopped: () => stores.close(),
      },
      { registry: this.#services, name },
    );
    return {
      name,
      metadata,
      server: {
        services: registry.services,
        fetch: (request, bindings) => registry.answer(request, bindings),
        read: (request) => registry.read(request),
      },
      start: () => registry.start(),
      stop: () => registry.stop(),
    };
  }

  /** As `read`, for a path below that of a tree. */
  async #readTree(request: ReadRequest, name: string): Promise<ReadAnswer | undefined> {
    const tree = await this.#services.trees?.readable(name, await this.#readerOf(request));
    const path = request.path.slice(mountOf(name).length);
    if (tree !== undefined) return tree.server.read({ ...request, path });
    throw new RegistryError({ code: "NOT_FOUND", message: `Cannot find "/${request.path.slice(0, 200)}"` });
  }

  async read(request: ReadRequest): Promise<ReadAnswer | undefined> {
    const [, name] = TREE_READ.exec(request.path) ?? [];
    if (name !== undefined && this.#services.tree === undefined) return this.#readTree(request, name);
    const { reads, metrics, downloads } = this.#services;
    if (!reads.owns(request.path)) return undefined;
    try {
      await this.#authorizeRead(request);
      const answer = await reads.answer(request.path, request.headers);
      metrics.read(answer.status);
      const blob = downloadedBlob(request.path, answer, request.method);
      if (blob !== undefined) {
        downloads.add(blob);
        metrics.download();
      }
      return answer;
    } catch (error) {
      metrics.read(problemOf(error, "").status);
      throw error;
    }
  }

  async #readerOf(request: ReadRequest): Promise<Principal | undefined> {
    const { settings, authentication } = this.#services;
    const url = { url: `http://server.invalid/${request.path}` };
    const { connection = {}, headers } = request;
    const client = settings.trustProxy ? behindProxy(connection, headers) : connection;
    return authentication.principal(headers.authorization, url, client);
  }

  async #authorizeRead(request: ReadRequest): Promise<void> {
    const principal = await this.#readerOf(request);
    if (this.#services.settings.readPublic) return;
    if (principal === undefined) {
      throw new RegistryError({
        code: "AUTHENTICATION_REQUIRED",
        message: `Cannot read "/${request.path.slice(0, 200)}" without credentials`,
      });
    }
    requireScope(principal, "read");
  }

  problem(error: unknown): {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  } {
    const problem = problemOf(error, newTraceId());
    if (!isExpected(error))
      this.#services.log("error", "a read failed", { traceId: problem.traceId, error: String(error) });
    const headers = { ...problemHeaders(problem, error), "x-request-id": problem.traceId };
    return { status: problem.status, headers, body: JSON.stringify(problem) };
  }

  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      // What does not start holds nothing, so that it can be repaired from the same process.
      for (const tree of this.#services.trees?.all ?? []) await tree.stop();
      await this.#services.trust?.stop();
      await this.#services.metadata.close();
      await this.#onStopped();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { blobs, index } = this.#services;
    await blobs.recover();
    await this.#services.gate.refresh();
    await this.#services.replicas?.start();
    // Publications that were committed and not yet rendered when the last process ended.
    await index.save();
    await this.#services.trust?.start();
    await this.#services.trees?.adopt(this.#services.access.policy);
    if (this.#services.tree === undefined) this.#services.upstreams.start();
    this.#services.deliveries.start();
    this.#timer = setInterval(() => {
      this.#flush().catch((error: unknown) =>
        this.#services.log("error", "a background flush failed", { error: String(error) }),
      );
    }, FLUSH_INTERVAL_MS);
    (this.#timer as { unref?: () => void }).unref?.();
  }

  async #flush(): Promise<void> {
    await this.#services.downloads.flush();
    await this.#services.authentication.flushUses();
    await this.#services.replicas?.follow();
    if (this.#services.replicas !== undefined) await this.#services.gate.refresh();
    await this.#services.index.save();
    if (this.#services.tree === undefined) await this.#services.uploads.sweep();
    await this.#sealAuditIfDue();
    this.#services.trust?.refreshIfDue();
  }

  async #sealAuditIfDue(): Promise<void> {
    const now = this.#services.clock.now();
    if (now - this.#lookedForSeal < SEAL_LOOK_MS) return;
    this.#lookedForSeal = now;
    if (await this.#sealAudit(SEAL_INTERVAL_MS)) this.#services.trust?.changedSoon();
  }

  /** States in the log how far the audit trail went; without keys nobody could be shown the log. */
  async #sealAudit(intervalMs: number): Promise<boolean> {
    const { metadata, clock, trust } = this.#services;
    if (trust === undefined) return false;
    return (await metadata.auditTrail.seal({ at: clock.now(), intervalMs })) !== undefined;
  }

  async stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#draining = true;
    clearInterval(this.#timer);
    await this.#installations?.stop(INSTALL_GRACE_MS);
    if (this.#services.tree === undefined) await this.#services.upstreams.stop();
    await this.#services.deliveries.stop();
    if (this.#active > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    for (const tree of this.#services.trees?.all ?? []) await tree.stop();
    // What cannot be written any more must not keep the process from ending; the next start finds it in the outbox.
    await this.#lastWork(() => this.#flush());
    await this.#lastWork(async () => {
      if (await this.#sealAudit(0)) await this.#services.trust?.flush();
    });
    await this.#services.trust?.stop();
    await this.#lastWork(async () => this.#services.turn?.release());
    await this.#services.metadata.close();
    await this.#onStopped();
  }

  async #lastWork(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#services.log("warn", "the last work before the end failed; it is done after the next start", {
        error: String(error),
      });
    }
  }

  get trust(): TrustDescription | undefined {
    return this.#services.trust?.description;
  }

  async signNow(): Promise<void> {
    await this.#services.trust?.flush();
  }

  async rebuildIndex(): Promise<number> {
    return this.#services.index.rebuild();
  }

  async replaceAccess(access: RegistrySettings["access"]): Promise<void> {
    const { access: _, ...settings } = this.#services.settings;
    const policy = accessPolicyOf(access === undefined ? settings : { ...settings, access });
    const { trees } = this.#services;
    if (trees === undefined) this.#services.access.replace(requirePublic(policy));
    else await trees.adopt(policy);
  }
}

/**
 * Builds a registry from its ports.
 *
 * @example
 * ```ts
 * const registry = createRegistry(createMemoryPorts());
 * await registry.start();
 * const answer = await registry.fetch(new Request("http://localhost/api/v1/health"));
 * ```
 */
export function createRegistry(ports: RegistryPorts): Registry {
  return new PortRegistry(ports);
}
