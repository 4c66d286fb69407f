export { STATIC_REGISTRY_ERRORS, StaticRegistryError, type StaticRegistryErrorCode } from "./lib/static-error.ts";
export type { PlacedFile, ReadRegistryFile, RegistryStore, StoredFile, StoreSession } from "./lib/store.ts";
export {
  DEFAULT_EXPIRY_DAYS,
  checkSettings,
  lifetimesOf,
  parseSettings,
  renderSettings,
  type StaticSettings,
} from "./lib/settings.ts";
export type { StaticTrust } from "./lib/state.ts";
export { createStaticRegistry, describeRegistry, type Maintained, type StaticRegistryOptions } from "./lib/maintain.ts";
export {
  publishStatic,
  refreshStatic,
  setStaticChannel,
  setStaticStatus,
  type StaticChannel,
  type StaticPublication,
  type StaticPublished,
  type StaticStatus,
} from "./lib/publish.ts";
export { checkStaticRegistry, type CheckOptions, type CheckedRegistry, type StaticProblem } from "./lib/check.ts";
export { delegateStatic, listDelegations, type Delegated, type StaticDelegation } from "./lib/delegate.ts";
export { pruneStatic, type PrunedRegistry } from "./lib/prune.ts";
export {
  listSubmissions,
  readSubmission,
  removeSubmissions,
  submitStatic,
  type ReadSubmission,
  type StaticSubmission,
  type WaitingSubmission,
} from "./lib/submissions.ts";
