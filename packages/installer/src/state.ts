export {
  checkInstallState,
  clearInstallState,
  writeInstallState,
  type InstallFreshness,
  type InstallInputs,
} from "./lib/install-state.ts";
