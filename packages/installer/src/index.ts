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
export { openStore } from "./lib/store.ts";
export { chooseLink, linkLadder } from "./lib/link.ts";
export { projectEnvironment, STATE_DIRECTORY } from "./lib/environment.ts";
export { installPath, VERSIONS_DIRECTORY } from "./lib/install-path.ts";
export { planInstall } from "./lib/plan.ts";
export { installGeneration } from "./lib/install.ts";
export { current, history, rollback } from "./lib/history.ts";
export { verifyInstalled, type VerifyInstalledOptions } from "./lib/verify-installed.ts";
