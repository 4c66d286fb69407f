export {
  REGISTRY_CLIENT_ERRORS,
  RegistryClientError,
  type RegistryClientErrorCode,
} from "./lib/registry-client-error.ts";
export type {
  ApiAnswer,
  ApiRequest,
  BlobStream,
  CachedMetadata,
  CacheLookup,
  Clock,
  Credential,
  CredentialStore,
  Fetch,
  FetchInit,
  FetchResponse,
  MetadataAnswer,
  MetadataCache,
  Publication,
  RegistryDescription,
  Transport,
  TransportOptions,
} from "./lib/ports.ts";
export type { AuthType, RegistriesFile, RegistryConfig } from "./lib/registry-config.ts";
export type {
  Account,
  ApiObject,
  CallOptions,
  IdentityProof,
  IdentityProviderInfo,
  ClientMetrics,
  DocumentOptions,
  Download,
  DownloadArtifact,
  DownloadManyOptions,
  DownloadOptions,
  Health,
  Page,
  PublishInput,
  PublishReceipt,
  PublicationReview,
  SharedConfiguration,
  WantedConfiguration,
  PublishResult,
  ReviewQuery,
  ReviewStep,
  RegistryClient,
  SearchItem,
  SearchPage,
  SearchOptions,
  SignedArtifact,
  TokenInfo,
  TokenRequest,
} from "./lib/client-types.ts";
export type { ManagementCall, ManagementInputs, OneWebhook, WebhookOf } from "./lib/management-inputs.ts";
export type { CreateRegistryClientOptions } from "./lib/options.ts";
export type {
  CreateRegistrySetOptions,
  FindOptions,
  FoundPackage,
  RegistryCandidateData,
  RegistryProvider,
  RegistryProviderOptions,
  RegistrySet,
} from "./lib/registry-set-types.ts";
export { createRegistryClient } from "./lib/registry-client.ts";
export { createRegistrySet } from "./lib/registry-set.ts";
export { registryProvider } from "./lib/registry-provider.ts";
export { parseRegistries, registryConfig, renderRegistries } from "./lib/registries-file.ts";
export { canonicalRegistryUrl, isLoopback, redactUrl } from "./lib/registry-url.ts";
export { parseStaticAddress, pathOfReleaseAsset, releaseAssetOf, type StaticAddress } from "./lib/static-address.ts";
export { movedTransport } from "./lib/moved-transport.ts";
export { createMemoryCache } from "./lib/memory-cache.ts";
export {
  createEnvironmentCredentials,
  createMemoryCredentials,
  layerCredentials,
  type EnvironmentBinding,
} from "./lib/credentials.ts";
export type {
  BeginOptions,
  InclusionProof,
  InclusionProofs,
  RegistryLog,
  TrustClient,
  TrustReport,
  WantedProof,
} from "./lib/trust/trust-client-types.ts";
export { knownKeyChange, type KnownKeyChange } from "./lib/trust/known-key-change.ts";
export type { AnchorSource, KnownRoot } from "./lib/trust/trust-record.ts";
export { publicationOf } from "./lib/trust/publication.ts";
export { createMemoryTrustStore, type TrustStore, type TrustWriteOptions } from "./lib/trust/trust-store.ts";
export { ATTACK_WORDS } from "./lib/trust/attack-words.ts";
export { systemClock } from "./lib/clock.ts";
export { httpTransport, type HttpTransportOptions } from "./lib/http-transport.ts";
