export {
  LATEST_CHANNEL,
  channelsAfter,
  latestVersion,
  parseChannel,
  tryParseChannel,
  withChannel,
  type Channels,
} from "./lib/channel.ts";
export {
  LadingError,
  EXIT_CODES,
  causeMessages,
  isLadingError,
  type ErrorCatalogue,
  type ErrorCatalogueEntry,
  type ErrorCategory,
  type LadingErrorInit,
  type LadingErrorJson,
} from "./lib/error.ts";
export { CoreError, CORE_ERRORS, type CoreErrorCode } from "./lib/core-error.ts";
export type { SourceLocation } from "./lib/source-location.ts";
export { ignoreEvents, type EventListener, type LadingEvent } from "./lib/event.ts";
export { digestFromBytes, digestHex, parseDigest, tryParseDigest, type Digest } from "./lib/digest.ts";
export {
  NAME_PART_MAX_LENGTH,
  canonicalName,
  indexDocumentPath,
  parsePackageName,
  splitName,
  tryParsePackageName,
  type CanonicalName,
  type PackageName,
} from "./lib/name.ts";
export {
  VERSION_MAX_LENGTH,
  compareVersions,
  compatibilitySlot,
  isPrerelease,
  parseVersion,
  tryParseVersion,
  type Version,
} from "./lib/version.ts";
export type { Requirement, RequirementSyntax } from "./lib/requirement.ts";
export { BUILTIN_BUILD_PROFILES } from "./lib/manifest.ts";
export type {
  BuildProfile,
  ChaosProfile,
  DependencyKind,
  DependencySource,
  Diagnostic,
  DiagnosticSeverity,
  DialectId,
  FaultScheduleEntry,
  ManifestDependency,
  ManifestPatch,
  PackageInfo,
  PackageManifest,
  RiskLevel,
  RuntimeDependency,
  SecurityPolicy,
  WorkspaceTable,
} from "./lib/manifest.ts";
export type { PackageKind, PackageRecord, PublishedManifest, RecordedDependency } from "./lib/package-record.ts";
export type {
  IndexArtifact,
  IndexDocument,
  IndexVersion,
  StatementPlace,
  VersionStatus,
} from "./lib/index-document.ts";
export type { LockArtifact, LockPackage, LockSource, Lockfile } from "./lib/lockfile-model.ts";
export type {
  BinProfile,
  CommandSpelling,
  EcosystemProfile,
  HostAxis,
  PackageCodec,
  PackageFormat,
} from "./lib/profile.ts";
export {
  CANONICAL_REQUIREMENT_MAX_LENGTH,
  REQUIREMENT_MAX_PARTS,
  parseRequirement,
  tryParseRequirement,
} from "./lib/requirement.ts";
export { meetsHosts, tryParseHostVersion } from "./lib/host-ranges.ts";
export { parseCondition, shortTarget } from "./lib/dialects/cfg.ts";
export { conditionText } from "./lib/dialects/write-common.ts";
export type { Condition, ConditionResult } from "./lib/dialects/condition-algebra.ts";
export { targetsInclude } from "./lib/targets.ts";
export { tryParsePep440Version } from "./lib/pep440.ts";
export { CANONICAL_JSON_MAX_DEPTH, decodeCanonicalJson, encodeCanonicalJson } from "./lib/canonical-json.ts";
export { formatDuration, parseDuration, parseSize } from "./lib/units.ts";
export { LICENSE_MAX_LENGTH, satisfiesLicensePolicy, validateLicense, type LicenseValidity } from "./lib/license.ts";
export { INDEX_SCHEMA, parseIndexDocument, renderIndexDocument } from "./lib/index-document.ts";
export { parsePackageRecord } from "./lib/package-record.ts";
export { LOCKFILE_VERSION, compareLockPackages, parseLockSource, parseLockfile } from "./lib/lockfile.ts";
export { lockSourceString } from "./lib/lockfile-model.ts";
export { lockReferences, splitReference, type LockReferences } from "./lib/lockfile-references.ts";
export {
  LOCK_ENVIRONMENTS_MAX,
  conditionalReferences,
  lockForEnvironment,
  lockGrid,
  type LockEnvironment,
  type LockGrid,
} from "./lib/lockfile-environments.ts";
export { renderLockfile } from "./lib/lockfile-render.ts";
export {
  MANIFEST_DIAGNOSTICS,
  MANIFEST_ERRORS,
  ManifestError,
  type DiagnosticCatalogueEntry,
  type ManifestDiagnosticCode,
  type ManifestErrorCode,
} from "./lib/manifest-error.ts";
export { dialectOf } from "./lib/dialects/dialect.ts";
export { loadDialect } from "./lib/dialects/library.ts";
export {
  detectDialect,
  formatDiagnostic,
  parseManifest,
  readManifest,
  sortDiagnostics,
  type ReadManifestOptions,
  type ReadManifestResult,
} from "./lib/manifest-read.ts";
export {
  FAULT_EVENTS,
  KNOWN_FAULTS,
  chaosEnvironment,
  chaosRunnerDocument,
  nextTriggerTimes,
  planFaults,
  type ChaosRunnerDocument,
  type FaultPlanOptions,
  type PlannedFault,
} from "./lib/chaos.ts";
export { parseFeatureReference, type FeatureReference } from "./lib/dialects/references.ts";
export { PROFILE_COMMANDS, parseProfile } from "./lib/profile-read.ts";
export { builtinProfile, profiles, type BuiltinProfileId } from "./lib/builtin-profiles.ts";
export { writeManifest, type WrittenManifest } from "./lib/manifest-write.ts";
export {
  addDependency,
  removeDependency,
  setValue,
  type AddDependencyOptions,
  type EditOptions,
  type RemoveDependencyOptions,
  type SetValueOptions,
} from "./lib/edit.ts";
export { importCargoManifest } from "./lib/import-cargo.ts";
export { importNpmManifest } from "./lib/import-npm.ts";
export { importPyprojectManifest } from "./lib/import-pyproject.ts";
export { convertManifest } from "./lib/manifest-convert.ts";
export type { ImportOptions, ImportedManifest } from "./lib/import-common.ts";
export { publishedManifest, type PublishOptions } from "./lib/manifest-publish.ts";
export {
  PACK_COMPONENTS,
  PACK_INDEX_VERSION,
  checkPackEntry,
  checkPackIndex,
  isPackUrl,
  mergePackIndexes,
  orderPackEntry,
  packIndexTime,
  parsePackIndex,
  renderPackIndex,
  updatePackIndex,
  type CheckedPackIndex,
  type MergedPackIndex,
  type PackComponent,
  type PackIndex,
  type PackIndexEntry,
  type PackIndexProblem,
  type PackInstallSource,
  type UpdatedPackIndex,
} from "./lib/pack-index.ts";
export { parsePackComponent } from "./lib/pack-component.ts";
