import { LadingError, type ErrorCatalogue, type LadingErrorInit } from "./error.ts";
import type { Diagnostic, DiagnosticSeverity } from "./manifest.ts";

/** Codes of {@link ManifestError}. */
export type ManifestErrorCode =
  | "MANIFEST_INVALID"
  | "MANIFEST_DIALECT_UNKNOWN"
  | "MANIFEST_NOT_EXPRESSIBLE"
  | "MANIFEST_NOT_PUBLISHABLE"
  | "MANIFEST_DEPENDENCY_NOT_FOUND"
  | "MANIFEST_EDIT_FAILED";

/** Explanations of {@link ManifestErrorCode}. */
export const MANIFEST_ERRORS: ErrorCatalogue<ManifestErrorCode> = {
  MANIFEST_INVALID: {
    category: "manifest",
    summary: "A manifest has mistakes; each is listed with its line and column.",
    help: "Correct the lines shown; `check` lists them again.",
  },
  MANIFEST_DIALECT_UNKNOWN: {
    category: "usage",
    summary: "A file is not named like any manifest that can be read.",
    help: "Name it `lading.toml`, `vitte.toml`, `gal.toml`, `pack.yaml`, `pyproject.toml` or `revitpy.toml`, or say which dialect it is in.",
  },
  MANIFEST_NOT_EXPRESSIBLE: {
    category: "manifest",
    summary: "An edit asks for something that the manifest's dialect cannot say.",
    help: "Leave out what is listed, or keep the package's manifest in `lading.toml`, which can say everything.",
  },
  MANIFEST_NOT_PUBLISHABLE: {
    category: "refused",
    summary: "A manifest holds something that nobody but its author could install.",
    help: "Give every path and Git dependency a version as well, and a value to everything that is taken from the workspace.",
  },
  MANIFEST_DEPENDENCY_NOT_FOUND: {
    category: "usage",
    summary: "A dependency that is to be removed is not in the manifest.",
    help: "Look at the names the message lists; a dependency of a dependency cannot be removed.",
  },
  MANIFEST_EDIT_FAILED: {
    category: "manifest",
    summary: "An edit would not have had exactly the effect that was asked for, so nothing was changed.",
    help: "Make the change by hand in the file, or rewrite the section in a plainer form and try again.",
  },
};

/** What a {@link ManifestError} is made from. */
export interface ManifestErrorInit extends LadingErrorInit<ManifestErrorCode> {
  readonly diagnostics?: readonly Diagnostic[];
}

/** A manifest that cannot be used, edited or published. */
export class ManifestError extends LadingError<ManifestErrorCode> {
  /** Every mistake found, errors and warnings, in the order of the file; may be empty. */
  readonly diagnostics: readonly Diagnostic[];

  constructor(init: ManifestErrorInit) {
    super(MANIFEST_ERRORS, { ...init, diagnostics: init.diagnostics ?? [] });
    this.diagnostics = init.diagnostics ?? [];
  }
}

/** Codes of the {@link Diagnostic}s that reading, writing, importing and publishing a manifest give. */
export type ManifestDiagnosticCode =
  | "MANIFEST_SYNTAX"
  | "MANIFEST_ENCODING"
  | "MANIFEST_TOO_LARGE"
  | "MANIFEST_TOO_DEEP"
  | "MANIFEST_TOO_MANY_MISTAKES"
  | "MANIFEST_KEY_DUPLICATE"
  | "MANIFEST_KEY_FORBIDDEN"
  | "MANIFEST_KEY_UNKNOWN"
  | "MANIFEST_KEY_MISSING"
  | "MANIFEST_KEY_CONFLICT"
  | "MANIFEST_TYPE_WRONG"
  | "MANIFEST_VALUE_INVALID"
  | "MANIFEST_NAME_INVALID"
  | "MANIFEST_VERSION_INVALID"
  | "MANIFEST_REQUIREMENT_INVALID"
  | "MANIFEST_LICENSE_INVALID"
  | "MANIFEST_URL_INVALID"
  | "MANIFEST_PATH_INVALID"
  | "MANIFEST_REFERENCE_UNKNOWN"
  | "MANIFEST_INHERITANCE_CYCLE"
  | "MANIFEST_WORKSPACE_VALUE_MISSING"
  | "MANIFEST_RATE_OUT_OF_RANGE"
  | "MANIFEST_FAULT_UNKNOWN"
  | "MANIFEST_DURATION_INVALID"
  | "MANIFEST_DURATION_TOO_LONG"
  | "MANIFEST_TRIGGER_INVALID"
  | "MANIFEST_DIALECT_LOSS"
  | "MANIFEST_DEPENDENCY_UNPUBLISHABLE"
  | "IMPORT_SYNTAX"
  | "IMPORT_NAME_INVALID"
  | "IMPORT_VERSION_INVALID"
  | "IMPORT_REQUIREMENT_UNSUPPORTED"
  | "IMPORT_SOURCE_UNSUPPORTED"
  | "IMPORT_VALUE_UNSUPPORTED"
  | "IMPORT_KEY_DROPPED";

/** What the documentation says of one diagnostic code. */
export interface DiagnosticCatalogueEntry {
  /** How grave it usually is; a single diagnostic says for itself. */
  readonly severity: DiagnosticSeverity;
  readonly summary: string;
  readonly help: string;
}

function entry(severity: DiagnosticSeverity, summary: string, help: string): DiagnosticCatalogueEntry {
  return { severity, summary, help };
}

/** Every diagnostic code with its explanation, for `docs/errors.md` and `explain CODE`. */
export const MANIFEST_DIAGNOSTICS: Readonly<Record<ManifestDiagnosticCode, DiagnosticCatalogueEntry>> = {
  MANIFEST_SYNTAX: entry(
    "error",
    "The file is not valid TOML or YAML.",
    "Correct the place shown; what follows it was not looked at.",
  ),
  MANIFEST_ENCODING: entry("error", "The file is not UTF-8 text.", "Save it as UTF-8."),
  MANIFEST_TOO_LARGE: entry(
    "error",
    "The file, or what its aliases expand to, is larger than a manifest may be.",
    "Move data that is not package metadata into a file of its own.",
  ),
  MANIFEST_TOO_DEEP: entry(
    "error",
    "Tables and lists are nested deeper than a manifest may be.",
    "Flatten the structure.",
  ),
  MANIFEST_TOO_MANY_MISTAKES: entry(
    "error",
    "The file has more mistakes than are listed.",
    "Correct the ones listed and check again.",
  ),
  MANIFEST_KEY_DUPLICATE: entry(
    "error",
    "One key, or two spellings of one package name, occur twice.",
    "Keep one of them.",
  ),
  MANIFEST_KEY_FORBIDDEN: entry("error", "A key has a name that is never allowed.", "Rename the key."),
  MANIFEST_KEY_UNKNOWN: entry(
    "warning",
    "A key is not one of this dialect; it is kept, and has no effect.",
    "Correct the spelling, or move it below `metadata`.",
  ),
  MANIFEST_KEY_MISSING: entry("error", "A key that is needed is not there.", "Add the key."),
  MANIFEST_KEY_CONFLICT: entry("error", "Two keys exclude each other.", "Keep one of them."),
  MANIFEST_TYPE_WRONG: entry(
    "error",
    "A value has the wrong type.",
    "Write a value of the type that is allowed; quote versions.",
  ),
  MANIFEST_VALUE_INVALID: entry("error", "A value is not one of those allowed.", "Use one of the values listed."),
  MANIFEST_NAME_INVALID: entry(
    "error",
    "A package, feature, registry or host name breaks the name rules.",
    "Use lower-case letters, digits and single `-`, `_` or `.` between them.",
  ),
  MANIFEST_VERSION_INVALID: entry(
    "error",
    "A version is not a SemVer 2.0.0 version.",
    "Write three numbers, such as `1.0.0`.",
  ),
  MANIFEST_REQUIREMENT_INVALID: entry(
    "error",
    "A version requirement cannot be read in this dialect.",
    "Use forms like `^1.2.0`, `~1.2` or `>=1.0, <2.0`.",
  ),
  MANIFEST_LICENSE_INVALID: entry(
    "warning",
    "A licence is not an SPDX expression.",
    "Use an identifier of the SPDX list, such as `MIT OR Apache-2.0`, or name a file.",
  ),
  MANIFEST_URL_INVALID: entry(
    "error",
    "A URL cannot be used.",
    "Write a full `https://` URL; for Git also `ssh://`, `git@host:path` or a path.",
  ),
  MANIFEST_PATH_INVALID: entry("error", "A path cannot be used.", "Write a relative path with `/`."),
  MANIFEST_REFERENCE_UNKNOWN: entry(
    "error",
    "A feature, dependency or profile that is referred to does not exist.",
    "Define it, or correct the spelling.",
  ),
  MANIFEST_INHERITANCE_CYCLE: entry(
    "error",
    "Build profiles inherit from each other in a circle.",
    "Remove one `inherits`.",
  ),
  MANIFEST_WORKSPACE_VALUE_MISSING: entry(
    "error",
    "A value is taken from the workspace, which does not have it.",
    "Add it to the workspace's table, or write the value here.",
  ),
  MANIFEST_RATE_OUT_OF_RANGE: entry(
    "error",
    "A rate or probability is not between 0 and 1.",
    "Write a number from 0 to 1: 5 % is `0.05`.",
  ),
  MANIFEST_FAULT_UNKNOWN: entry(
    "error",
    "A fault is not one that is known, or not one that the profile allows.",
    "Use one of the faults listed, or `all`.",
  ),
  MANIFEST_DURATION_INVALID: entry(
    "error",
    "A duration cannot be read.",
    "Write a number with a unit: `100ms`, `5s`, `1m`.",
  ),
  MANIFEST_DURATION_TOO_LONG: entry(
    "error",
    "A planned fault lasts longer than its profile's `max_fault_duration`.",
    "Shorten it, or raise the maximum.",
  ),
  MANIFEST_TRIGGER_INVALID: entry(
    "error",
    "A trigger is neither a known event nor a cron expression of six fields.",
    "Use an event such as `on_send`, or `cron:` and second, minute, hour, day, month, weekday.",
  ),
  MANIFEST_DIALECT_LOSS: entry(
    "warning",
    "Something cannot be said in the dialect that is read or written, and is left out or widened.",
    "Check the place; keep it in a dialect that can say it.",
  ),
  MANIFEST_DEPENDENCY_UNPUBLISHABLE: entry(
    "error",
    "A dependency has no version that somebody else could resolve.",
    "Add `version` beside `path` or `git`.",
  ),
  IMPORT_SYNTAX: entry("error", "The file to import is not valid.", "Correct it, or ask its author."),
  IMPORT_NAME_INVALID: entry(
    "error",
    "A name to import breaks the name rules; it is never changed silently.",
    "Choose a name, and state the old one as alias where code needs it.",
  ),
  IMPORT_VERSION_INVALID: entry(
    "error",
    "A version to import is not a SemVer 2.0.0 version.",
    "Set a version by hand.",
  ),
  IMPORT_REQUIREMENT_UNSUPPORTED: entry(
    "error",
    "A requirement to import has no meaning outside its registry, or cannot be read.",
    "Choose a range by hand.",
  ),
  IMPORT_SOURCE_UNSUPPORTED: entry(
    "error",
    "A dependency comes from a place that has no counterpart here.",
    "Replace it by a registry, path or Git dependency.",
  ),
  IMPORT_VALUE_UNSUPPORTED: entry(
    "warning",
    "A value to import has a form that has no counterpart here.",
    "Check what was made of it.",
  ),
  IMPORT_KEY_DROPPED: entry(
    "warning",
    "A key to import has no counterpart here and was left out.",
    "Check whether its effect is needed.",
  ),
};
