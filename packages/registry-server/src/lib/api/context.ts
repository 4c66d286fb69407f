import type { OpenAPIHono } from "@hono/zod-openapi";
import type { CanonicalName } from "@lading/core-manifest";
import type { Context } from "hono";
import type { AccessControl } from "../access/access-control.ts";
import type { Authentication, Principal } from "../authentication.ts";
import type { Connection } from "../connection.ts";
import type { DownloadCounter } from "../download-counter.ts";
import type { IdempotentAnswers } from "../idempotent-answers.ts";
import type { DeliveryService } from "../deliveries/delivery-service.ts";
import type { WebhookBox } from "../webhooks/webhook-channel.ts";
import type { BlobGate } from "../governance/blob-gate.ts";
import type { ReviewService } from "../governance/review-service.ts";
import type { IndexService } from "../index-service.ts";
import type { LatestByKey } from "../latest.ts";
import type { Metrics } from "../metrics.ts";
import type {
  BlobStore,
  Cache,
  Clock,
  IdentityProvider,
  LogListener,
  MetadataStore,
  PackageInspector,
  PasswordHasher,
  StatementVerifier,
} from "../ports.ts";
import type { CiExchange } from "../identity/ci-exchange.ts";
import type { OidcLogin } from "../identity/oidc-login.ts";
import type { Passkeys } from "../identity/passkeys.ts";
import type { SecondFactors } from "../identity/second-factors.ts";
import type { Outbound } from "../outbound.ts";
import type { Groups } from "../organisations/groups.ts";
import type { PrivateTrees } from "../trees/private-trees.ts";
import type { AnswerBody, ReadAnswer, ReadRequest } from "../read-answer.ts";
import type { NamespaceClaims } from "../organisations/namespace-claim.ts";
import type { PackageRights } from "../organisations/package-rights.ts";
import type { RateLimiter } from "../rate-limiter.ts";
import type { Reads } from "../reads.ts";
import type { RenderedViews } from "../rendered-views.ts";
import type { Replicas } from "../replicas.ts";
import type { AuditEntry, PackageSummary } from "../records.ts";
import type { RegistrySettings } from "../settings.ts";
import type { TrustService } from "../trust/trust-service.ts";
import type { LeaseTurn } from "../turn.ts";
import type { RetentionService } from "../retention/retention-service.ts";
import type { QuotaService } from "../quotas/quota-service.ts";
import type { UploadService } from "../uploads/upload-service.ts";
import type { Upstreams } from "../upstream/upstreams.ts";

/** What serves a tree of private packages, and what its routes have at hand. */
export interface TreeServer {
  readonly services: Services;
  fetch(request: Request, bindings: Env["Bindings"]): Promise<Response>;
  read(request: ReadRequest): Promise<ReadAnswer | undefined>;
}

/** What every route has at hand. */
export interface Services {
  readonly settings: RegistrySettings;
  readonly metadata: MetadataStore;
  readonly blobs: BlobStore;
  readonly cache: Cache;
  readonly identity: IdentityProvider;
  readonly hasher: PasswordHasher;
  readonly inspector: PackageInspector;
  readonly statements: StatementVerifier;
  readonly clock: Clock;
  readonly log: LogListener;
  readonly index: IndexService;
  readonly reads: Reads;
  /** Absent in a registry without keys. */
  readonly trust: TrustService | undefined;
  readonly views: RenderedViews;
  /** Summary and owners of packages, for what is read often: who asks at once shares a question. */
  readonly summaries: LatestByKey<CanonicalName, PackageSummary | undefined>;
  readonly owners: LatestByKey<CanonicalName, readonly string[]>;
  readonly downloads: DownloadCounter;
  readonly authentication: Authentication;
  readonly access: AccessControl;
  /** The tree of private packages that these are of; absent: that of everybody. */
  readonly tree: string | undefined;
  /** Path below the registry's address at which these are served; empty for the public packages. */
  readonly mount: string;
  /** The trees of private packages; absent in a tree, and where there is no place for any. */
  readonly trees: PrivateTrees<TreeServer> | undefined;
  readonly secondFactors: SecondFactors;
  readonly passkeys: Passkeys;
  /** Which organisations, teams and groups accounts are in. */
  readonly groups: Groups;
  readonly rights: PackageRights;
  readonly namespaceClaims: NamespaceClaims;
  readonly builds: CiExchange;
  /** Absent where people do not log in through a provider. */
  readonly oidc: OidcLogin | undefined;
  /** Absent where the server asks no address that others named. */
  readonly outbound: Outbound | undefined;
  readonly reviews: ReviewService;
  readonly gate: BlobGate;
  /** Sends what changes give cause to send. */
  readonly deliveries: DeliveryService;
  readonly webhookBox: WebhookBox;
  readonly metrics: Metrics;
  readonly upstreams: Upstreams;
  /** Packages that come in parts, of the registry and of all its trees. */
  readonly uploads: UploadService;
  readonly quotas: QuotaService;
  readonly retention: RetentionService;
  readonly logins: RateLimiter;
  readonly answers: IdempotentAnswers;
  readonly docsAsset: (name: string) => Promise<Uint8Array | undefined>;
  readonly isDraining: () => boolean;
  /** Of a registry of several servers. */
  readonly replicas: Replicas | undefined;
  readonly turn: LeaseTurn | undefined;
  readonly started: number;
}

/** Hono's view of a request: the connection from outside, the rest set on the way in. */
export interface Env {
  Bindings: {
    readonly connection?: Connection;
    /** Where a route leaves the body that it has as bytes. */
    readonly body?: AnswerBody;
    /** The request was counted against its address already. */
    readonly counted?: boolean;
  };
  Variables: {
    traceId: string;
    principal?: Principal;
    address: string;
    client: Connection;
    /** Another server of this registry answers, counts and logs the request. */
    forwarded?: boolean;
  };
}

export type App = OpenAPIHono<Env>;
export type RouteContext = Context<Env>;

/** Base URL of links, without trailing slash. */
export function baseUrl(services: Services, context: RouteContext): string {
  return `${registryUrl(services, context)}${services.mount}`;
}

function registryUrl(services: Services, context: RouteContext): string {
  if (services.settings.publicUrl !== undefined) return services.settings.publicUrl;
  const url = new URL(context.req.url);
  if (!services.settings.trustProxy) return url.origin;
  const protocol = context.req.header("x-forwarded-proto")?.split(",")[0]?.trim();
  return protocol === "https" || protocol === "http" ? `${protocol}://${url.host}` : url.origin;
}

/** Where blobs are fetched, ending in `/`: the CDN of a registry that everybody reads, else the registry itself. */
export function blobsUrl(services: Services, context: RouteContext): string {
  const { cdnUrl, readPublic } = services.settings;
  const cached = cdnUrl !== undefined && readPublic && services.mount === "";
  return `${cached ? cdnUrl : baseUrl(services, context)}/blobs/sha256/`;
}

/** The audit entry of what a request does. */
export function auditEntry(
  services: Services,
  context: RouteContext,
  entry: Pick<AuditEntry, "action"> & Partial<AuditEntry>,
): AuditEntry {
  const address = context.get("address");
  return {
    at: services.clock.now(),
    actor: context.get("principal")?.account.username ?? "anonymous",
    details: {},
    traceId: context.get("traceId"),
    ...(address === "" ? {} : { address }),
    ...entry,
  };
}
