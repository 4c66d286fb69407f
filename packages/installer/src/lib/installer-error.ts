import { LadingError, type ErrorCatalogue, type LadingErrorInit } from "@lading/core-manifest";

/** Codes of the content store and of environments. */
export type InstallerErrorCode =
  | "STORE_UNUSABLE"
  | "STORE_VERSION_UNSUPPORTED"
  | "STORE_BUSY"
  | "STORE_PACKAGE_MISSING"
  | "STORE_PACKAGE_DAMAGED"
  | "INSTALL_PLAN_INVALID"
  | "INSTALL_TARGET_MISSING"
  | "INSTALL_PATH_INVALID"
  | "INSTALL_TARGET_OCCUPIED"
  | "INSTALL_LINK_UNSUPPORTED"
  | "INSTALL_WRITE_FAILED"
  | "INSTALL_NO_GENERATION"
  | "INSTALL_GENERATION_DAMAGED"
  | "INSTALL_BUSY";

/** Explanations of {@link InstallerErrorCode}. */
export const INSTALLER_ERRORS: ErrorCatalogue<InstallerErrorCode> = {
  STORE_UNUSABLE: {
    category: "io",
    summary: "The content store cannot be opened, read or written.",
    help: "Check the directory's owner, permissions and free space; deleting the whole store is safe, packages are fetched again.",
  },
  STORE_VERSION_UNSUPPORTED: {
    category: "io",
    summary: "The content store was made by a newer release.",
    help: "Upgrade the tool, or choose another data directory.",
  },
  STORE_BUSY: {
    category: "io",
    summary: "Another process has held the content store's lock for too long.",
    help: "Wait for it to finish, or end it; the lock is released when its process ends.",
  },
  STORE_PACKAGE_MISSING: {
    category: "io",
    summary: "A package that is to be installed is not in the content store.",
    help: "Run `install` with network access; it fetches what is missing.",
  },
  STORE_PACKAGE_DAMAGED: {
    category: "integrity",
    summary: "Files of a package in the content store are not what was stored.",
    help: "Run `install` again: the damaged package is fetched anew. Do not edit files below the store.",
  },
  INSTALL_PLAN_INVALID: {
    category: "manifest",
    summary: "The lock file names something that cannot be installed.",
    help: "Run `lock` to write it again.",
  },
  INSTALL_TARGET_MISSING: {
    category: "manifest",
    summary: "A locked version has files for other platforms, and none for the one that is installed for.",
    help: "Give `--target` with a platform that it is offered for, or ask its author for a file for yours.",
  },
  INSTALL_PATH_INVALID: {
    category: "usage",
    summary: "A package would be installed at a path that is not allowed or is taken by another one.",
    help: "Give one of the two another name or alias.",
  },
  INSTALL_TARGET_OCCUPIED: {
    category: "refused",
    summary: "Where the environment goes there is something that Lading did not make.",
    help: "Move it away, or choose another directory for installed packages.",
  },
  INSTALL_LINK_UNSUPPORTED: {
    category: "usage",
    summary: "The chosen way of linking files does not work between the store and the environment.",
    help: "Use `--link auto`, or put the data directory on the same file system.",
  },
  INSTALL_WRITE_FAILED: {
    category: "io",
    summary: "The new generation could not be written; the earlier one is still in place.",
    help: "Check free space and permissions, then run the command again.",
  },
  INSTALL_NO_GENERATION: {
    category: "usage",
    summary: "There is no generation of that number, none to go back to, or nothing installed at all.",
    help: "Run `history` to see what can be rolled back to, or `install` first.",
  },
  INSTALL_GENERATION_DAMAGED: {
    category: "integrity",
    summary: "The record of a generation cannot be read, or packages that it needs are gone.",
    help: "Run `install` to make a new generation.",
  },
  INSTALL_BUSY: {
    category: "io",
    summary: "Another process is changing this environment.",
    help: "Wait for it to finish and run the command again.",
  },
};

/** An error of the content store or of an environment. */
export class InstallerError extends LadingError<InstallerErrorCode> {
  constructor(init: LadingErrorInit<InstallerErrorCode>) {
    super(INSTALLER_ERRORS, init);
  }
}
