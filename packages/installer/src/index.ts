export { INSTALLER_ERRORS, InstallerError, type InstallerErrorCode } from "./lib/installer-error.ts";
export type {
  FileProblem,
  GarbageOptions,
  GarbageReport,
  IngestExpectation,
  IngestOptions,
  Store,
  StoredFile,
  StoredPackage,
} from "./lib/store-types.ts";
export type {
  Environment,
  Generation,
  InstallGenerationOptions,
  InstalledProblem,
  InstallLayout,
  InstallPackage,
  InstallPlan,
  InstallRecord,
  InstallResult,
  InstallSource,
  LinkStrategy,
  PlannedPackage,
  PlanOptions,
  VerifyReport,
} from "./lib/install-types.ts";
