// Making packages: beginning, converting, packing, signing, publishing.
export { publishList, type PublishStep } from "./lib/operations/publish-list.ts";
export { init, type InitInput, type InitResult } from "./lib/operations/init.ts";
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
export type { KeyChangeLayer, PackageLayer, RegistryLayer } from "./lib/trust-layers.ts";
export type { ProvenEntry } from "./lib/proof-beside.ts";
export {
  keyList,
  keyRecover,
  keyRevoke,
  keyRotate,
  type KeyList,
  type KeyRecoverInput,
  type KeyRevokeInput,
  type KeyRotateInput,
  type LoggedKeyChange,
  type PublisherKeyState,
} from "./lib/operations/publisher-keys.ts";
export { publish, type PublishCommandInput, type PublishedPackage } from "./lib/operations/publish.ts";
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
export { upgradeFiles, type UpgradedFile } from "./lib/operations/migrate-files.ts";
export {
  exportKey,
  signForeign,
  verifyForeign,
  type ExportedKey,
  type ForeignFormat,
  type ForeignSigned,
  type ForeignVerified,
} from "./lib/operations/foreign-signatures.ts";
