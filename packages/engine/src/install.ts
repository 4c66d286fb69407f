// `install` with what it may need to edit a manifest first.
export { install, type InstallCommandInput } from "./lib/operations/install.ts";
export { prepare, type PreparedPackage, type PrepareInput, type PrepareResult } from "./lib/operations/prepare.ts";
export { remoteInstall, type RemoteInstallation, type RemoteInstallInput } from "./lib/operations/remote-install.ts";
