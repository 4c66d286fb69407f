export { DecodeBudget } from "./lib/node/decode-budget.ts";
export {
  ALWAYS_EXCLUDED,
  IGNORE_FILES,
  collectFiles,
  type CollectOptions,
  type CollectedFile,
} from "./lib/node/collect.ts";
export { packDirectory, type PackOptions } from "./lib/node/pack.ts";
export {
  inspectPackage,
  unpackForStore,
  unpackPackage,
  type StoreUnpackOptions,
  type StoredUnpack,
  type UnpackOptions,
} from "./lib/node/inspect.ts";
export { nodeTreeDigest, type ReadPackageOptions } from "./lib/node/read-package.ts";
export type { KeepMembers } from "./lib/node/member-collector.ts";
export type { ExpectedPackage, InspectedPackage, PackageFile, PackedArtifact } from "./lib/node/types.ts";
export { importForeignArchive, type ImportOptions } from "./lib/node/foreign.ts";
export { judgeArchive, type ArchiveVerdict } from "./lib/node/judge.ts";
export { attuneDirectoryChecksum, verifyTree, type TreeVerdict } from "./lib/node/verify-tree.ts";
