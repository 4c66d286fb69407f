export {
  checkInstallState,
  clearInstallState,
  contentOf,
  readContent,
  writeInstallState,
  type InputContent,
  type InstallFreshness,
  type InstallInputs,
} from "./lib/install-state.ts";
