// `install` with what it may need to edit a manifest first.
export { install, type InstallCommandInput } from "./lib/operations/install.ts";
