import { LadingError, type Diagnostic, type ErrorCatalogue, type LadingErrorInit } from "@lading/core-manifest";

/** Codes of the operations themselves; what lower packages throw keeps its own code. */
export type EngineErrorCode =
  | "PROJECT_NOT_FOUND"
  | "PROJECT_EXISTS"
  | "PROJECT_FILE_UNREADABLE"
  | "WORKSPACE_MEMBER_UNKNOWN"
  | "WORKSPACE_INVALID"
  | "PATH_DEPENDENCY_INVALID"
  | "HOST_UNDETECTED"
  | "PATCH_INVALID"
  | "PATH_DEPENDENCY_CYCLE"
  | "SELF_DEPENDENCY"
  | "GIT_SOURCE_REFUSED"
  | "GIT_FAILED"
  | "GIT_UNAVAILABLE"
  | "SPEC_INVALID"
  | "PROJECT_LOOKUP_FAILED"
  | "PACKAGE_NOT_FOUND"
  | "VERSION_NOT_FOUND"
  | "FEATURE_UNKNOWN"
  | "BUILD_PROFILE_UNKNOWN"
  | "HOST_INVALID"
  | "HOST_UNSUPPORTED"
  | "REQUIREMENTS_UNMET"
  | "RESOLUTION_IMPOSSIBLE"
  | "LOCK_MISSING"
  | "LOCK_OUTDATED"
  | "LOCK_CONFLICTED"
  | "LOCK_PROOFS_INVALID"
  | "REGISTRY_LOG_ABSENT"
  | "REGISTRY_UNSIGNED"
  | "AUDIT_MISMATCH"
  | "LOCK_ENVIRONMENT_MISSING"
  | "LOCK_ENVIRONMENT_AMBIGUOUS"
  | "ENVIRONMENTS_INVALID"
  | "ENVIRONMENT_EXISTS"
  | "ENVIRONMENT_NOT_FOUND"
  | "ENVIRONMENT_NAME_INVALID"
  | "ENVIRONMENT_DAMAGED"
  | "LOCK_PACKAGE_UNKNOWN"
  | "PACKAGE_MISMATCH"
  | "LOCK_CHECKSUM_MISMATCH"
  | "KEY_CHANGE_IMPOSSIBLE"
  | "PUBLISHER_CHANGED"
  | "PUBLISHER_NOT_TRUSTED"
  | "PUBLISHER_NOT_DELEGATED"
  | "PUBLISHER_STATEMENT_WITHHELD"
  | "PUBLISHER_KEY_REVOKED"
  | "VERSION_REMOVED"
  | "PUBLISHER_HISTORY_INVALID"
  | "SIGNATURE_REQUIRED"
  | "LICENSE_NOT_ALLOWED"
  | "INSTALL_VERIFY_FAILED"
  | "REGISTRY_NOT_CONFIGURED"
  | "REGISTRY_NAME_TAKEN"
  | "CONFIG_KEY_UNKNOWN"
  | "CONFIG_VALUE_INVALID"
  | "CONFIG_FILE_INVALID"
  | "CONFIG_EDIT_FAILED"
  | "TEAM_CONFIG_UNAVAILABLE"
  | "TEAM_CONFIG_REFUSED"
  | "TEAM_CONFIG_ROLLED_BACK"
  | "ARTEFACT_NOT_FOUND"
  | "ARTEFACT_AMBIGUOUS"
  | "PUBLISH_FORBIDDEN"
  | "FETCH_TARGET_MISSING"
  | "CHAOS_PROFILE_UNKNOWN"
  | "CHAOS_SPAN_INVALID"
  | "INDEX_FILE_MISSING"
  | "INDEX_FILE_EXISTS"
  | "INDEX_SOURCE_INVALID"
  | "INDEX_KEYS_MISSING"
  | "BUNDLE_INVALID"
  | "BUNDLE_EXISTS"
  | "REMOTE_FILE_FAILED"
  | "REMOTE_INSTALL_REFUSED"
  | "REMOTE_INSTALL_FORBIDDEN"
  | "REMOTE_INSTALL_FAILED"
  | "SOURCE_CHECKSUM_MISMATCH"
  | "SOURCE_UNVERIFIED"
  | "SOURCE_EXISTS"
  | "SOURCE_NO_PACKAGE"
  | "NATIVE_BUILD_FAILED"
  | "NATIVE_STEP_INVALID"
  | "SELF_MODIFYING_NOT_ALLOWED"
  | "MIGRATE_SOURCE_INVALID"
  | "MIGRATE_TARGET_EXISTS"
  | "TEST_CONFIG_MISSING"
  | "TEST_CONFIG_INVALID"
  | "TEST_RUNNER_UNKNOWN"
  | "TEST_RESULTS_INVALID"
  | "TESTS_FAILED"
  | "CI_FILE_EXISTS"
  | "CI_COMMAND_MISSING"
  | "VENDOR_INVALID"
  | "VENDOR_DIRECTORY_TAKEN"
  | "LINK_UNKNOWN"
  | "LINK_INVALID"
  | "SCRIPT_UNKNOWN"
  | "SCRIPTS_INVALID"
  | "COMMAND_NOT_FOUND"
  | "COMMAND_TAKEN"
  | "TOOL_UNKNOWN"
  | "TOOL_WITHOUT_COMMANDS";

/** Explanations of {@link EngineErrorCode}. */
export const ENGINE_ERRORS: ErrorCatalogue<EngineErrorCode> = {
  PROJECT_NOT_FOUND: {
    category: "usage",
    summary: "There is no manifest here or in any directory above.",
    help: "Run `init` to make one, or name the project's directory with `-C DIR`.",
  },
  PROJECT_EXISTS: {
    category: "refused",
    summary: "The directory already has a manifest.",
    help: "Choose another directory, or edit the manifest that is there.",
  },
  PROJECT_FILE_UNREADABLE: {
    category: "io",
    summary: "A file of the project cannot be read or written.",
    help: "Check that the path exists and that you may read and write it.",
  },
  WORKSPACE_MEMBER_UNKNOWN: {
    category: "usage",
    summary: "The workspace has no member of that name.",
    help: "The message lists the members; name one of them with `-p NAME`.",
  },
  WORKSPACE_INVALID: {
    category: "manifest",
    summary: "The workspace contradicts itself: two members of one name, or a pattern that leads outside.",
    help: "Correct `[workspace] members` or the name that the message shows.",
  },
  PATH_DEPENDENCY_INVALID: {
    category: "manifest",
    summary: "A path dependency leads to no package, or to one of another name.",
    help: "Correct the path, or make the package there with `init`.",
  },
  HOST_UNDETECTED: {
    category: "usage",
    summary: "The version of a host was to be detected, and the program that the profile names does not say one.",
    help: "Install the program, or name the version: `--host AXIS=VERSION`.",
  },
  PATCH_INVALID: {
    category: "manifest",
    summary: "A patch names a package that its source does not have, or one package is patched twice.",
    help: "Correct the entry of `[patch]` that the message names.",
  },
  PATH_DEPENDENCY_CYCLE: {
    category: "manifest",
    summary: "Path dependencies lead in a circle, so that no order exists in which they could be built or published.",
    help: "Move what they share into a package of its own, or make one of them a dev dependency.",
  },
  SELF_DEPENDENCY: {
    category: "manifest",
    summary:
      "A package is among its own dependencies: the same version of it, from a registry, a directory, a file or Git.",
    help: "Take the dependency out. A package may depend on other versions of itself.",
  },
  GIT_SOURCE_REFUSED: {
    category: "refused",
    summary: "A Git address or reference is of a form that is not accepted.",
    help: "Use https:, ssh:, git@host:path or file: addresses, and plain names of branches, tags or commits.",
  },
  GIT_FAILED: {
    category: "io",
    summary: "git could not fetch the repository, branch, tag or commit.",
    help: "Try the same with git itself: `git ls-remote URL` shows what there is.",
  },
  GIT_UNAVAILABLE: {
    category: "io",
    summary: "A dependency comes from Git, and the git program cannot be run.",
    help: "Install git and make sure that it is on PATH.",
  },
  SPEC_INVALID: {
    category: "usage",
    summary: "A package on the command line is not of the form NAME, NAME@REQUIREMENT or NAME@VERSION.",
    help: "Write it like `actor-utils`, `actor-utils@^1.2.0` or `company/tool@1.0.0`.",
  },
  PROJECT_LOOKUP_FAILED: {
    category: "io",
    summary: "A project at GitHub or GitLab cannot be looked up for the ids that a trusted publisher is bound to.",
    help: "Check its name; of a private project give the ids with `--claim`.",
  },
  PACKAGE_NOT_FOUND: {
    category: "usage",
    summary: "No registry that may answer has a package of that name.",
    help: "Check the spelling with `search`, and log in if the package is private.",
  },
  VERSION_NOT_FOUND: {
    category: "usage",
    summary: "The package exists, and has no such version or none that may be chosen.",
    help: "Run `info NAME` to see its versions and their states.",
  },
  FEATURE_UNKNOWN: {
    category: "usage",
    summary: "A feature was asked for that the manifest does not define.",
    help: "The message lists the features there are.",
  },
  BUILD_PROFILE_UNKNOWN: {
    category: "usage",
    summary: "A build profile was asked for that the manifest does not define.",
    help: "The message lists the profiles there are.",
  },
  HOST_INVALID: {
    category: "usage",
    summary: "A host version is not of the form AXIS=VERSION, or the ecosystem has no such axis or version.",
    help: "The message lists the axes; write `--host axis=version`.",
  },
  HOST_UNSUPPORTED: {
    category: "resolution",
    summary: "The package itself does not support the host version that was given.",
    help: "Choose a supported host version, or widen the requirement in the manifest.",
  },
  REQUIREMENTS_UNMET: {
    category: "resolution",
    summary: "A runtime or host that packages need is not on this machine, or in another version.",
    help: "Install or update what the message names, or skip the validation with `--skip-deps`.",
  },
  RESOLUTION_IMPOSSIBLE: {
    category: "resolution",
    summary: "No set of versions satisfies all requirements; the explanation shows which ones exclude each other.",
    help: "Change one of the requirements that the explanation names. Where single changes were found to help, they are printed in place of this line.",
  },
  LOCK_MISSING: {
    category: "manifest",
    summary: "There is no lock file, and the command needs one.",
    help: "Run `lock` or `install` to make it.",
  },
  LOCK_OUTDATED: {
    category: "manifest",
    summary: "The lock file would change, and `--locked` forbids it.",
    help: "Run `lock` and commit the lock file.",
  },
  REGISTRY_UNSIGNED: {
    category: "integrity",
    summary:
      "Signatures are demanded of a registry that has no signed metadata: nothing says that what it shows is current.",
    help: "Ask its operator to sign it (`admin keys`, `index-init --native`), or set `verify_signatures = false` for it.",
  },
  REGISTRY_LOG_ABSENT: {
    category: "refused",
    summary: "A registry has no transparency log that could be looked into.",
    help: "Name another registry with `--registry`; a log is kept by registries with keys.",
  },
  AUDIT_MISMATCH: {
    category: "integrity",
    summary: "Audit records of a registry are not in its transparency log: one of the two was altered.",
    help: "Tell the registry's operator; the records that are missing are listed.",
  },
  LOCK_PROOFS_INVALID: {
    category: "integrity",
    summary: "The file of log proofs beside a lock is damaged.",
    help: "Restore it from version control, or delete it and run `lock` to get the proofs again.",
  },
  LOCK_CONFLICTED: {
    category: "manifest",
    summary: "The lock file holds both sides of a merge that was not finished.",
    help: "Resolve the manifest's conflicts, then run `install` or `lock`: it locks anew from what both sides had.",
  },
  LOCK_ENVIRONMENT_MISSING: {
    category: "manifest",
    summary: "The lock file does not cover the host version or target that is asked for.",
    help: "Run `lock` with every version that it is to cover, or declare them in `[environments]` of the manifest.",
  },
  LOCK_ENVIRONMENT_AMBIGUOUS: {
    category: "usage",
    summary: "The lock file differs between host versions, and nothing says which of them is meant.",
    help: "Name one with `--host AXIS=VERSION`, or set `hosts.AXIS` for this machine.",
  },
  ENVIRONMENTS_INVALID: {
    category: "manifest",
    summary: "The environments of the manifest or the command line cannot be used.",
    help: "Write `[environments]` as a table of host axes and `target`, each with a list of values.",
  },
  ENVIRONMENT_EXISTS: {
    category: "refused",
    summary: "There is a directory already where the environment would be made.",
    help: "Choose another name, or delete the environment that is there with `env delete`.",
  },
  ENVIRONMENT_NOT_FOUND: {
    category: "usage",
    summary: "There is no environment of that name, or it belongs to another ecosystem.",
    help: "Run `env list` to see all of them; `env create` makes one.",
  },
  ENVIRONMENT_NAME_INVALID: {
    category: "usage",
    summary: "An environment's name must be one directory name on every system.",
    help: "Use letters, digits and `._-`, at most 64 of them.",
  },
  ENVIRONMENT_DAMAGED: {
    category: "io",
    summary: "The record of a named environment cannot be read.",
    help: "Delete the environment's directory and make it again; manifest and lock file can be kept.",
  },
  LOCK_PACKAGE_UNKNOWN: {
    category: "usage",
    summary: "The lock file has no package of that name.",
    help: "Run `tree` to see what is locked.",
  },
  LOCK_CHECKSUM_MISMATCH: {
    category: "integrity",
    summary: "A registry offers other bytes for a version than those that the lock file names.",
    help: "A published version never changes: find out who changed what, the lock file or the registry, before you lock again.",
  },
  PACKAGE_MISMATCH: {
    category: "integrity",
    summary: "A registry's index lists the package file of one package or version as another one.",
    help: "Do not use the registry until its operator has explained it.",
  },
  KEY_CHANGE_IMPOSSIBLE: {
    category: "refused",
    summary:
      "A signing key cannot be replaced or revoked here: the registry has no log, or it is not clear which key is meant.",
    help: "`key list` shows the keys of your account; name one with `--lost`.",
  },
  PUBLISHER_CHANGED: {
    category: "integrity",
    summary: "A package is signed by another key than the one that the lock has pinned.",
    help: "Ask the owner whether the key was changed on purpose; then accept it with `--accept-publisher NAME`.",
  },
  PUBLISHER_KEY_REVOKED: {
    category: "integrity",
    summary:
      "A package is signed by a key that its publisher had replaced or revoked by then, as the registry's log says.",
    help: "Somebody may use a stolen key. Take another version, or ask the publisher.",
  },
  VERSION_REMOVED: {
    category: "refused",
    summary: "A version that the lock names was taken down by its registry.",
    help: "Run `update NAME` to lock another version; the registry says why it was taken down.",
  },
  PUBLISHER_HISTORY_INVALID: {
    category: "integrity",
    summary: "What a registry says of changes of a publisher's keys cannot be read, or is not in its log.",
    help: "Tell the registry's operator; keys that were pinned before stay pinned.",
  },
  PUBLISHER_NOT_TRUSTED: {
    category: "integrity",
    summary: "A package was published by an account that the registry's `trusted_publishers` does not list.",
    help: "Add the account to `trusted_publishers` if you trust it, or choose another version.",
  },
  PUBLISHER_NOT_DELEGATED: {
    category: "integrity",
    summary: "A registry has delegated a package's name to publishers, and they have not signed this version.",
    help: "Do not use it: somebody else than the name's owners has published it. Tell the registry's maintainers, and choose another version.",
  },
  PUBLISHER_STATEMENT_WITHHELD: {
    category: "integrity",
    summary: "A registry's log has a change of a publisher's key that its index leaves out.",
    help: "Somebody hides a revocation: install nothing new of that publisher, and tell the registry's operator and the package's owner.",
  },
  SIGNATURE_REQUIRED: {
    category: "integrity",
    summary: "A package is not signed, and the configuration or the manifest requires signatures.",
    help: "Ask the owner to sign it, or set `verify_signatures = false` for that registry if you accept the risk.",
  },
  LICENSE_NOT_ALLOWED: {
    category: "refused",
    summary: "A package has a licence that `[security] allowed_licenses` does not list.",
    help: "Choose another package or add the licence to the list.",
  },
  INSTALL_VERIFY_FAILED: {
    category: "integrity",
    summary: "Installed files are not what was installed.",
    help: "Run `install` to restore them.",
  },
  REGISTRY_NOT_CONFIGURED: {
    category: "usage",
    summary: "No registry is configured.",
    help: "Run `registry add NAME URL`, or give a URL with `--registry`.",
  },
  REGISTRY_NAME_TAKEN: {
    category: "usage",
    summary: "There is a registry of that name with another address, or one whose name reads the same token variable.",
    help: "Choose another name, or remove the old one first.",
  },
  CONFIG_KEY_UNKNOWN: {
    category: "usage",
    summary: "There is no such setting.",
    help: "Run `config list` to see every setting.",
  },
  CONFIG_VALUE_INVALID: {
    category: "usage",
    summary: "A setting has a value that is not allowed.",
    help: "The message says what is allowed and where the value came from.",
  },
  CONFIG_FILE_INVALID: {
    category: "usage",
    summary: "A configuration file is not valid TOML.",
    help: "Correct the line shown.",
  },
  CONFIG_EDIT_FAILED: {
    category: "usage",
    summary: "A configuration file is written in a way that cannot be edited safely.",
    help: "Edit the file by hand.",
  },
  TEAM_CONFIG_UNAVAILABLE: {
    category: "io",
    summary:
      "The configuration that `team.config` names cannot be read, and there is no copy that may stand in for it.",
    help: "The message says why. `config unset team.config` works without it; a private one is for members who are logged in.",
  },
  TEAM_CONFIG_REFUSED: {
    category: "refused",
    summary: "A shared configuration sets what only the user of a machine may decide.",
    help: "Take the setting out of the shared configuration; whoever wants it sets it with `config set`.",
  },
  TEAM_CONFIG_ROLLED_BACK: {
    category: "integrity",
    summary:
      "The registry gives an older or another text for a revision of a shared configuration than it gave before.",
    help: "An attack would look like this. Ask the registry's operator; `log monitor` shows what was stated when.",
  },
  ARTEFACT_NOT_FOUND: {
    category: "usage",
    summary: "There is no package file where one was expected.",
    help: "Run `pack` first, or name the file.",
  },
  ARTEFACT_AMBIGUOUS: {
    category: "usage",
    summary: "Several package files could be meant.",
    help: "Name the one to use.",
  },
  PUBLISH_FORBIDDEN: {
    category: "refused",
    summary: "The manifest does not allow this package to be published, or not to this registry.",
    help: "Change `publish` in the manifest if it should be.",
  },
  FETCH_TARGET_MISSING: {
    category: "usage",
    summary: "The version has no package file for the target that was asked for.",
    help: "The message lists the targets there are.",
  },
  CHAOS_PROFILE_UNKNOWN: {
    category: "usage",
    summary: "The manifest has no chaos profile of that name.",
    help: "Run `chaos list` to see the profiles there are.",
  },
  CHAOS_SPAN_INVALID: {
    category: "usage",
    summary: "Faults cannot be planned for such a time.",
    help: "Give `--from` a time such as 2026-01-31T12:00:00Z and `--for` a duration of at most a day, such as `10m`.",
  },
  INDEX_FILE_MISSING: {
    category: "usage",
    summary: "There is no flat index where one is to be updated or merged.",
    help: "Correct the path, or make a registry with `index-init DIR --url URL`.",
  },
  INDEX_FILE_EXISTS: {
    category: "refused",
    summary: "A file would be overwritten that is there already.",
    help: "Choose another place, or give `--force` where the command has it.",
  },
  INDEX_SOURCE_INVALID: {
    category: "usage",
    summary: "An address for a flat index is missing, or is none that everybody can read.",
    help: "Give `--git-url` with `--git-ref`, or `--archive-url`, each an https: address without credentials.",
  },
  INDEX_KEYS_MISSING: {
    category: "usage",
    summary: "A static registry is to be signed for, and no key directory is named.",
    help: "Name the directory that `index-init --native` made with `--keys DIR`.",
  },
  BUNDLE_INVALID: {
    category: "usage",
    summary: "A directory is not an offline bundle, or one whose description is damaged.",
    help: "Name the directory that `bundle create` made, or copy it anew.",
  },
  BUNDLE_EXISTS: {
    category: "refused",
    summary: "Where an offline bundle is to be made there is something already.",
    help: "Choose another directory.",
  },
  REMOTE_FILE_FAILED: {
    category: "io",
    summary: "A file at a web address could not be downloaded.",
    help: "Open the address in a browser; with `--archive-checksum` the file need not be downloaded.",
  },
  REMOTE_INSTALL_REFUSED: {
    category: "refused",
    summary: "The registry's server cannot install the pack on its machine; nothing was changed there.",
    help: "The message has the server's reason: `reason` is its code, `errors` lists everything that is missing.",
  },
  REMOTE_INSTALL_FORBIDDEN: {
    category: "auth",
    summary: "The registry's server lets these credentials install nothing.",
    help: "Log in with a token that has the scope `admin`.",
  },
  REMOTE_INSTALL_FAILED: {
    category: "io",
    summary: "The registry's server could not be asked to install, or failed while it did.",
    help: "Check the registry's address; its operator finds the fault in the server's log.",
  },
  SOURCE_CHECKSUM_MISMATCH: {
    category: "integrity",
    summary: "A package file that was to be installed has another checksum than the one given.",
    help: "Do not use the file before you know why; compare both with what the author publishes.",
  },
  SOURCE_UNVERIFIED: {
    category: "refused",
    summary: "A package file from a web address has neither a checksum to be held to nor a signature.",
    help: "Give `--checksum sha256:...` as its author publishes it, or ask for a signed one.",
  },
  SOURCE_EXISTS: {
    category: "refused",
    summary: "A package file would be unpacked where something else is.",
    help: "Delete the directory that is named if nothing of it is yours, and run the command again.",
  },
  SOURCE_NO_PACKAGE: {
    category: "manifest",
    summary: "An archive that is to be installed holds no package's manifest.",
    help: "Name an archive with the manifest at its top, or in the one folder that wraps everything.",
  },
  NATIVE_BUILD_FAILED: {
    category: "check",
    summary: "A package's native build step failed; nothing was installed.",
    help: "Read the log that the message names, or install without the step by taking its permission back.",
  },
  NATIVE_STEP_INVALID: {
    category: "manifest",
    summary: "A package declares a native build step that cannot be understood.",
    help: "Its author has to correct `[[native]]` (docs/spec/manifest.md) and publish a new version.",
  },
  SELF_MODIFYING_NOT_ALLOWED: {
    category: "refused",
    summary: "A package says of itself that it changes itself, and the manifest does not allow that.",
    help: "Do without the package, or set `allow_self_modifying = true` in `[security]` if you accept the risk.",
  },
  MIGRATE_SOURCE_INVALID: {
    category: "manifest",
    summary: "The other tool's manifest cannot be converted as it is.",
    help: "Each finding says what is in the way; nothing was written.",
  },
  MIGRATE_TARGET_EXISTS: {
    category: "refused",
    summary: "A manifest is there already and would be overwritten.",
    help: "Delete it first, or give another `--output`.",
  },
  TEST_CONFIG_MISSING: {
    category: "manifest",
    summary: "The package declares no tests, or no runner that could be found.",
    help: "Add a `testing` table with a runner to the manifest (docs/spec/package-tests.md).",
  },
  TEST_CONFIG_INVALID: {
    category: "manifest",
    summary: "A value of the manifest's `testing` table is not one of those allowed.",
    help: "Correct the key that the message names (docs/spec/package-tests.md).",
  },
  TEST_RUNNER_UNKNOWN: {
    category: "usage",
    summary: "The package has no test runner of that name.",
    help: "The message lists the runners.",
  },
  TEST_RESULTS_INVALID: {
    category: "manifest",
    summary: "A test runner's results are not of the format that the manifest declares.",
    help: "Correct `result_format`, or let the runner write that format (docs/spec/package-tests.md).",
  },
  TESTS_FAILED: {
    category: "check",
    summary: "Fewer tests of a package passed than it demands.",
    help: "Run `test --detailed` to see which failed and why.",
  },
  CI_FILE_EXISTS: {
    category: "refused",
    summary: "`ci init` would replace a file that is there.",
    help: "Give `--force`, or another `--output`, and compare the two.",
  },
  CI_COMMAND_MISSING: {
    category: "usage",
    summary: "The ecosystem's programs lack a command that the templates are made of.",
    help: "Choose the other way to publish with `--publish-to`, or let the profile offer the command.",
  },
  VENDOR_INVALID: {
    category: "integrity",
    summary: "The vendor directory is damaged, or holds other bytes than it says.",
    help: "Run `vendor` again, or restore the directory from version control.",
  },
  VENDOR_DIRECTORY_TAKEN: {
    category: "refused",
    summary: "`vendor` would replace a directory that it did not make.",
    help: "Name another directory, or delete this one if nothing in it is yours.",
  },
  LINK_UNKNOWN: {
    category: "usage",
    summary: "No package of that name is linked, or there is none to link in the project.",
    help: "Run `link` to see what is linked, and `tree` to see what the project depends on.",
  },
  LINK_INVALID: {
    category: "manifest",
    summary: "The list of linked packages cannot be read, or a linked directory has no package.",
    help: "Run `unlink NAME`, or `unlink --all`, and link again.",
  },
  SCRIPT_UNKNOWN: {
    category: "usage",
    summary: "The manifest has no script of that name.",
    help: "Run `run` alone to see the scripts; `exec` runs any program.",
  },
  SCRIPTS_INVALID: {
    category: "manifest",
    summary: "The manifest's `scripts` table has a value that is no command line.",
    help: 'Write each script as NAME = "command line".',
  },
  COMMAND_NOT_FOUND: {
    category: "usage",
    summary: "Neither an installed package nor this machine has that program.",
    help: "Install what provides it, or check its name; the message lists what installed packages provide.",
  },
  COMMAND_TAKEN: {
    category: "refused",
    summary: "Another tool, or a file of yours, has the name of a program that would be put on the path.",
    help: "Uninstall the other tool, or give `--force` to take the name.",
  },
  TOOL_UNKNOWN: {
    category: "usage",
    summary: "No tool of that name is installed.",
    help: "Run `tool list` to see the tools.",
  },
  TOOL_WITHOUT_COMMANDS: {
    category: "refused",
    summary: "The package has no programs, so that it is no tool.",
    help: "Add it to a project with `add` instead.",
  },
};

/** What an {@link EngineError} is made from. */
export interface EngineErrorInit extends LadingErrorInit<EngineErrorCode> {
  readonly diagnostics?: readonly Diagnostic[];
}

/** An operation that cannot be done as asked. */
export class EngineError extends LadingError<EngineErrorCode> {
  constructor(init: EngineErrorInit) {
    super(ENGINE_ERRORS, init);
  }
}
