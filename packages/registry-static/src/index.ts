export { STATIC_REGISTRY_ERRORS, StaticRegistryError, type StaticRegistryErrorCode } from "./lib/static-error.ts";
export type { PlacedFile, ReadRegistryFile, RegistryStore, StoreSession } from "./lib/store.ts";
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
  setStaticStatus,
  type StaticPublication,
  type StaticPublished,
  type StaticStatus,
} from "./lib/publish.ts";
export { checkStaticRegistry, type CheckOptions, type CheckedRegistry, type StaticProblem } from "./lib/check.ts";
