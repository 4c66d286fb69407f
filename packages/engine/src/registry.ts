// What is asked of registries, and which of them are known.
export {
  bringBack,
  deprecate,
  fetch,
  info,
  owner,
  search,
  takeDown,
  unyank,
  yank,
  type ChangedVersion,
  type FetchInput,
  type FetchedPackage,
  type PackageInformation,
  type SearchInput,
} from "./lib/operations/registry-queries.ts";
export { channelAdd, channelList, channelRemove, type PackageChannels } from "./lib/operations/channels.ts";
export { reviewList, reviewShow, reviewStep, type ShownReview } from "./lib/operations/reviews.ts";
export type { PublicationReview, ReviewQuery, ReviewStep } from "@lading/registry-client";
export { registryTrust, type RegistryTrustInput, type TrustedRegistry } from "./lib/operations/registry-trust.ts";
export {
  auditVerify,
  logMonitor,
  logVerify,
  type MonitoredEntry,
  type MonitoredPackage,
  type VerifiedAudit,
  type VerifiedLog,
} from "./lib/operations/log.ts";
export {
  login,
  loginThroughProvider,
  logout,
  whoami,
  type LoginInput,
  type LoginResult,
  type ProviderLoginInput,
} from "./lib/operations/accounts.ts";
export { tokenCreate, tokenList, tokenRevoke } from "./lib/operations/tokens.ts";
export { sharedConfigGet, sharedConfigSet, type SharedConfigInput } from "./lib/operations/shared-config.ts";
export { manage, trustPublisher, type TrustPublisherInput } from "./lib/operations/manage.ts";
export type { ProviderInstructions } from "@lading/registry-client/node";
export {
  registryAdd,
  registryList,
  registryRemove,
  type ConfiguredRegistry,
  type ListedRegistry,
  type RegistryAddInput,
} from "./lib/operations/registry-config.ts";
