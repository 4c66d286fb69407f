// What is on this machine: settings, cache, generations.
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
  clean,
  history,
  rollback,
  type CleanInput,
  type CleanResult,
  type ListedGeneration,
} from "./lib/operations/environment.ts";
export { hostsInfo, type HostsInformation } from "./lib/operations/hosts-info.ts";
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
