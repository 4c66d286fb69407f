export {
  METADATA_ATTACKS,
  METADATA_ERRORS,
  MetadataError,
  type Attack,
  type MetadataErrorCode,
} from "./lib/metadata/metadata-error.ts";
export type { Json, JsonObject } from "./lib/metadata/strict-json.ts";
export { metadataKeyOf, type MetadataKey } from "./lib/metadata/metadata-key.ts";
export {
  parseMetadata,
  type DelegatedRole,
  type Delegations,
  type MetaFile,
  type MetadataBody,
  type MetadataFile,
  type MetadataForm,
  type MetadataSignature,
  type RoleKeys,
  type RoleType,
  type RootBody,
  type SnapshotBody,
  type SuccinctRoles,
  type TargetFile,
  type TargetsBody,
  type TimestampBody,
} from "./lib/metadata/metadata-file.ts";
export {
  METADATA_LIMITS,
  checkRootPin,
  memoryMetadataStore,
  openMetadataClient,
  type MetadataClient,
  type MetadataClientOptions,
  type MetadataLimits,
  type MetadataRequest,
  type MetadataSource,
  type MetadataStore,
  type RefreshedMetadata,
} from "./lib/metadata/client.ts";
export { checkTarget } from "./lib/metadata/workflow.ts";
export { matchesPathPattern, metadataPath, targetPath } from "./lib/metadata/paths.ts";
export { BIN_ENTRIES, binIndex, binName, chooseBitLength } from "./lib/metadata/bins.ts";
export {
  checkNameDelegation,
  nameDelegationFor,
  readNameDelegations,
  type NameDelegation,
} from "./lib/metadata/name-delegations.ts";
export { readLogBinding, type LogBinding } from "./lib/metadata/log-binding.ts";
export {
  createRoot,
  nextRoot,
  rootStatus,
  type CreateRootOptions,
  type RoleAssignment,
  type RootRoles,
  type RootStatus,
  type SigningProgress,
} from "./lib/metadata/root-ceremony.ts";
export { combineMetadata, signMetadata } from "./lib/metadata/sign-metadata.ts";
export {
  SERVER_LIFETIMES,
  createRepository,
  loadRepository,
  repositoryTargets,
  updateRepository,
  type FormerRepository,
  type MetadataLifetimes,
  type OnlineSigners,
  type Repository,
  type RepositoryUpdate,
  type TargetEntry,
  type UpdateOptions,
  type WriteOptions,
} from "./lib/metadata/repository.ts";
