export { createRegistry, type Registry, type RegistryPorts } from "./lib/registry.ts";
export type { RegistrySettings } from "./lib/settings.ts";
export type { UpstreamOptions } from "./lib/upstream/upstream-options.ts";
export type {
  AuditQuery,
  BlobStore,
  ByteRange,
  Cache,
  Clock,
  Coordination,
  DocumentStore,
  IdentityProvider,
  InspectedUpload,
  LogListener,
  MetadataStore,
  PackageInspector,
  PasswordHasher,
  PendingIndexUpdate,
  Publication,
  PublishOutcome,
  SearchQuery,
  SignedFile,
  SignedFilesUpdate,
  StagedBlob,
  StatementSubject,
  StatementVerdict,
  StatementVerifier,
  StatusChange,
  StoredBlob,
  StoredSignedFile,
} from "./lib/ports.ts";
export type { OwnerOutcome, OwnersCheck } from "./lib/organisations/package-owners.ts";
export {
  SCOPES,
  type Account,
  type ArtifactRecord,
  type AuditEntry,
  type AuditRecord,
  type FeedEntry,
  type KeyRecord,
  type PackageSummary,
  type Page,
  type PageRequest,
  type Scope,
  type SessionRecord,
  type TokenRecord,
  type VersionRecord,
} from "./lib/records.ts";
export { REGISTRY_ERRORS, RegistryError, statusOf, type RegistryErrorCode } from "./lib/registry-error.ts";
export type { Outbound, OutboundRequest } from "./lib/outbound.ts";
export type { FieldProblem, Problem } from "./lib/problem.ts";
export type { ReadAnswer, ReadHeaders, ReadRequest } from "./lib/read-answer.ts";
export { isLoopback, type Connection } from "./lib/connection.ts";
export { TOKEN_PREFIX, generateToken, isWellFormedToken } from "./lib/token.ts";
export { isPackagePattern, matchesPackagePattern } from "./lib/package-pattern.ts";
export { RESERVED_NAMES, nameSkeleton } from "./lib/package-name-rules.ts";
export {
  LocalIdentityProvider,
  REVOCATION_DELAY_MS,
  SESSION_LIFETIME_MS,
  type Principal,
} from "./lib/authentication.ts";
export { SigningStatementVerifier } from "./lib/statement-verifier.ts";
export type { RegistryTrust } from "./lib/trust/registry-trust.ts";
export type { TrustDescription } from "./lib/trust/trust-service.ts";
export type { LogReceipt } from "./lib/trust/log-service.ts";
export { MemoryCache } from "./lib/memory-cache.ts";
export type { InstallAnswer, InstalledPack, InstallPackRequest, InstallService } from "./lib/install-service.ts";
export type { ExternalUser, PeopleDirectory } from "./lib/identity/external-user.ts";
export type {
  AuditContent,
  AuditFilter,
  AuditHead,
  AuditTrailStore,
  ChainedRecord,
  SealedHead,
} from "./lib/governance/audit-trail.ts";
export {
  CONFIGURATION_MAX_BYTES,
  type ConfigurationChange,
  type ConfigurationStore,
  type SharedConfiguration,
} from "./lib/configurations/configuration-store.ts";
export {
  DELIVERIES_KEPT_MS,
  DeliveryService,
  SEND_TIMEOUT_MS,
  type DeliveryChannel,
  type SendOutcome,
} from "./lib/deliveries/delivery-service.ts";
export type {
  Delivery,
  DeliveryAttempt,
  DeliveryQuery,
  DeliveryResult,
  DeliveryState,
  DeliveryStore,
  NewDelivery,
} from "./lib/deliveries/delivery-store.ts";
export { WEBHOOK_GIVE_UP_MS, WEBHOOK_PAUSES_MS } from "./lib/webhooks/webhook-channel.ts";
export { EVENT_TYPES, TEST_EVENT } from "./lib/webhooks/webhook-events.ts";
export { webhookSignature, type WebhookMessage } from "./lib/webhooks/webhook-signature.ts";
export type {
  NewWebhook,
  Webhook,
  WebhookChange,
  WebhookSecrets,
  WebhookStore,
  WebhookSubject,
} from "./lib/webhooks/webhook-store.ts";
export { checkAuditTrail, type AuditProblem, type AuditReport } from "./lib/governance/audit-check.ts";
export type { IdentityStore, SecondFactor } from "./lib/identity/identity-store.ts";
export { MEMBERSHIP_TTL_MS, type DirectoryTeam, type Groups } from "./lib/organisations/groups.ts";
export {
  ORGANISATION_ROLES,
  TEAM_MEMBER_ROLES,
  TEAM_ROLES,
  type Invitation,
  type InvitationState,
  type Member,
  type Memberships,
  type Namespace,
  type Organisation,
  type OrganisationRole,
  type Team,
  type TeamMemberRole,
  type TeamRole,
} from "./lib/organisations/organisation.ts";
export type {
  InvitationOutcome,
  MemberOutcome,
  NewInvitation,
  OrganisationStore,
} from "./lib/organisations/organisation-store.ts";
export { OIDC_DEFAULTS, type OidcOptions } from "./lib/identity/oidc-login.ts";
export { CI_ISSUERS, type CiIssuer, type IssuerKind, type TrustedPublisher } from "./lib/identity/trusted-publisher.ts";
export {
  AccessPolicy,
  type AccessAction,
  type AccessRule,
  type AccessRules,
  type AccessSubject,
} from "./lib/access/access-policy.ts";
export { parseAccess, type AccessFile } from "./lib/access/access-file.ts";
export {
  contiguous,
  type DeclaredUpload,
  type OpenOutcome,
  type PartAddress,
  type UploadPart,
  type UploadResult,
  type UploadSession,
  type UploadSessionStore,
  type UploadStore,
} from "./lib/uploads/upload-store.ts";
export {
  QUOTA_KINDS,
  QUOTA_MEASURES,
  quotaSubject,
  type QuotaCheck,
  type QuotaKind,
  type QuotaLimits,
  type QuotaMeasure,
  type QuotaRecord,
  type QuotaStore,
  type Usage,
  type UsageScope,
} from "./lib/quotas/quota.ts";
export type { PrereleaseRule, RetentionPolicy } from "./lib/retention/retention-policy.ts";
export { DEFAULT_UPLOADS, type UploadOptions } from "./lib/uploads/upload-options.ts";
export type { TreeHost, TreeStores } from "./lib/trees/tree-host.ts";
