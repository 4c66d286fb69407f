// Keeping a registry that is nothing but files.
export {
  daysUntil,
  staticCheck,
  staticInit,
  staticPublish,
  staticRefresh,
  staticRoot,
  staticStatus,
  type StaticInitInput,
  type StaticInitResult,
  type StaticPlace,
  type StaticPublishInput,
  type StaticPublishResult,
  type StaticRootInput,
  type StaticRootResult,
  type StaticStatusInput,
} from "./lib/operations/static-registry.ts";
export {
  staticAccept,
  staticDelegate,
  staticPrune,
  staticSubmit,
  type DelegationView,
  type JudgedSubmission,
  type StaticAcceptInput,
  type StaticAcceptResult,
  type StaticDelegateInput,
  type StaticDelegateResult,
  type StaticPruneResult,
  type StaticSubmitInput,
  type StaticSubmitResult,
} from "./lib/operations/static-upkeep.ts";
export { bundleCreate, bundleVerify, type BundleResult } from "./lib/operations/bundle.ts";
