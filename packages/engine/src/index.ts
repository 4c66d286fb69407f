export { createContext } from "./lib/context.ts";
export { type ContextInput, type EngineContext } from "./lib/engine-context.ts";
export { ENGINE_ERRORS, EngineError, type EngineErrorCode, type EngineErrorInit } from "./lib/engine-error.ts";
export { readText } from "./lib/files.ts";
export { resolveDirectories, type Directories } from "./lib/directories.ts";
export {
  SETTINGS,
  type Settings,
  type SettingOrigin,
  type SettingSpec,
  type SettingType,
  type SettingValue,
} from "./lib/settings.ts";
export { parsePackageSpec, parseVersionSpec, type PackageSpec } from "./lib/package-spec.ts";
export {
  chooseMember,
  chooseMembers,
  loadProject,
  tryLoadProject,
  type ManifestFile,
  type Member,
  type MemberChoice,
  type Project,
} from "./lib/project.ts";
export { checkGitReference, checkGitUrl, type GitReference } from "./lib/git.ts";
export type { LockChanges, LockOnDisk } from "./lib/lock-file.ts";
export type { LockInput, LockMode, LockOutcome } from "./lib/lock-step.ts";
export type { GridInput, Here, HereInput } from "./lib/environments.ts";
export type { FeatureChoice } from "./lib/resolution.ts";
export type { InstallInput, InstallOutcome } from "./lib/install-step.ts";
export { detectRuntime, detectVersion, type DetectedRuntime } from "./lib/detect.ts";
export {
  validatePackages,
  type CheckedRequirement,
  type RequirementState,
  type ValidatedPackage,
  type ValidationInput,
  type ValidationResult,
} from "./lib/validation.ts";
export { installProject, type InstallProjectInput, type InstallSummary } from "./lib/install-project.ts";
export { credentialsPath, readRegistries, registriesPath } from "./lib/configured-registries.ts";
export { trustFile } from "./lib/signatures.ts";
export { init, type InitInput, type InitResult } from "./lib/operations/init.ts";
export { add, type AddInput, type AddResult, type AddedDependency } from "./lib/operations/add.ts";
export { remove, type RemoveInput, type RemoveResult } from "./lib/operations/remove.ts";
export { install, type InstallCommandInput } from "./lib/operations/install.ts";
export { prepare, type PreparedPackage, type PrepareInput, type PrepareResult } from "./lib/operations/prepare.ts";
export { lock, type LockCommandInput } from "./lib/operations/lock.ts";
export {
  resolve,
  whyNot,
  type AnswerPackage,
  type ResolveProjectInput,
  type ResolveProjectResult,
  type WhyNotInput,
} from "./lib/operations/resolve.ts";
export type { AskedVersion } from "./lib/resolution.ts";
export type { PolicyInput } from "./lib/resolver-policy.ts";
export { update, type UpdateInput, type UpdateResult } from "./lib/operations/update.ts";
export { upgrade, type EditedRange, type UpgradeInput, type UpgradeResult } from "./lib/operations/upgrade.ts";
export {
  WHY_MAX_PATHS,
  duplicates,
  invertedTree,
  outdated,
  tree,
  why,
  type DuplicatePackage,
  type InvertedTreeInput,
  type OutdatedPackage,
  type TreeInput,
  type TreeNode,
  type TreeResult,
  type WhyResult,
} from "./lib/operations/inspect-lock.ts";
export {
  deprecate,
  fetch,
  info,
  owner,
  search,
  unyank,
  yank,
  type ChangedVersion,
  type FetchInput,
  type FetchedPackage,
  type PackageInformation,
  type SearchInput,
} from "./lib/operations/registry-queries.ts";
export { channelAdd, channelList, channelRemove, type PackageChannels } from "./lib/operations/channels.ts";
export { artefactName, pack, type PackInput, type PackedPackage } from "./lib/operations/pack.ts";
export {
  keygen,
  sign,
  verifyEnvironment,
  verifyPackage,
  type KeyInput,
  type KeygenInput,
  type KeygenResult,
  type SignResult,
  type VerifiedEnvironment,
  type VerifiedFile,
} from "./lib/operations/signing.ts";
export { publish, type PublishCommandInput, type PublishedPackage } from "./lib/operations/publish.ts";
export {
  login,
  loginThroughProvider,
  logout,
  whoami,
  type LoginInput,
  type LoginResult,
  type ProviderLoginInput,
} from "./lib/operations/accounts.ts";
export { sharedConfigGet, sharedConfigSet, type SharedConfigInput } from "./lib/operations/shared-config.ts";
export { manage, trustPublisher, type TrustPublisherInput } from "./lib/operations/manage.ts";
export {
  registryAdd,
  registryList,
  registryRemove,
  type ConfiguredRegistry,
  type ListedRegistry,
  type RegistryAddInput,
} from "./lib/operations/registry-config.ts";
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
export type { KeyChangeLayer, PackageLayer, RegistryLayer } from "./lib/trust-layers.ts";
export type { ProvenEntry } from "./lib/proof-beside.ts";
export {
  configGet,
  configList,
  configSet,
  configUnset,
  maskToken,
  type ShownSetting,
} from "./lib/operations/config.ts";
export { link, unlink, type LinkedPackage, type LinkResult } from "./lib/operations/link.ts";
export { exec, run, scripts, type ListedScript, type RunInput, type RunResult } from "./lib/operations/run.ts";
export {
  toolInstall,
  toolList,
  toolUninstall,
  type InstalledTool,
  type ToolInstallInput,
} from "./lib/operations/tool.ts";
export { vendor, type VendorInput, type VendorResult } from "./lib/operations/vendor.ts";
export {
  cacheInfo,
  cacheVerify,
  type CacheInformation,
  type DamagedPackage,
  type VerifiedCache,
} from "./lib/operations/cache.ts";
export {
  licenses,
  type DependencyLicense,
  type LicenseReport,
  type LicenseVerdict,
} from "./lib/operations/licenses.ts";
export { check, type CheckResult } from "./lib/operations/check.ts";
export {
  clean,
  history,
  rollback,
  type CleanInput,
  type CleanResult,
  type ListedGeneration,
} from "./lib/operations/environment.ts";
export {
  migrate,
  migrateNpmPackage,
  type MigrateInput,
  type MigratedManifest,
  type MigratedNpmPackage,
  type MigrationSource,
} from "./lib/operations/migrate.ts";
export { ciInit, type CiInitInput, type CiProvider, type WrittenTemplate } from "./lib/operations/ci-init.ts";
export { checksum, type ChecksumResult, type PackSourceInput } from "./lib/operations/pack-source.ts";
export { indexEntry, type IndexEntryInput } from "./lib/operations/pack-entry.ts";
export {
  indexInit,
  indexMerge,
  indexUpdate,
  indexValidate,
  type CheckedIndexFile,
  type IndexHead,
  type IndexInitInput,
  type IndexMergeInput,
  type IndexMergeResult,
  type IndexUpdateInput,
  type IndexUpdateResult,
} from "./lib/operations/pack-index.ts";
export {
  chaosExport,
  chaosList,
  chaosPlan,
  type ChaosExport,
  type ChaosPlan,
  type ChaosPlanInput,
  type ListedChaosProfile,
} from "./lib/operations/chaos.ts";
export {
  requirePassingTests,
  testPackages,
  type PackageTests,
  type RunnerResult,
  type TestInput,
} from "./lib/operations/test.ts";
export type { TestCase, TestCounts, TestStatus } from "./lib/test-results/results.ts";
export {
  activateEnvironment,
  cloneEnvironment,
  createEnvironment,
  deleteEnvironment,
  environmentInfo,
  listEnvironments,
  SHELLS,
  type Activation,
  type CloneEnvironmentInput,
  type CreateEnvironmentInput,
  type EnvironmentInformation,
  type NamedEnvironment,
  type Shell,
} from "./lib/operations/named-environments.ts";
export { hostsInfo, type HostsInformation } from "./lib/operations/hosts-info.ts";
export { publishList, type PublishStep } from "./lib/operations/publish-list.ts";
export { createFaultFetch, type FaultFetchOptions, type InjectedFault } from "./lib/fault-fetch.ts";
export { type ChaosInput } from "./lib/chaos-install.ts";
export { upgradeFiles, type UpgradedFile } from "./lib/operations/migrate-files.ts";
export {
  createInstallService,
  type EngineInstallService,
  type InstallServiceOptions,
  type ServiceAnswer,
  type ServicePack,
  type ServiceRequest,
} from "./lib/install-service.ts";
export { remoteInstall, type RemoteInstallation, type RemoteInstallInput } from "./lib/operations/remote-install.ts";
export { formatRate, packageMetrics, type PackageMetrics } from "./lib/package-metrics.ts";
