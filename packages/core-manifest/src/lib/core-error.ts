import { LadingError, type ErrorCatalogue, type LadingErrorInit } from "./error.ts";

/** Codes of everything in this package but manifests, which have their own. */
export type CoreErrorCode =
  | "DIGEST_INVALID"
  | "NAME_INVALID"
  | "CHANNEL_INVALID"
  | "VERSION_INVALID"
  | "REQUIREMENT_INVALID"
  | "LOCKFILE_INVALID"
  | "LOCKFILE_VERSION_UNSUPPORTED"
  | "INDEX_DOCUMENT_INVALID"
  | "INDEX_DOCUMENT_SCHEMA_UNSUPPORTED"
  | "PROFILE_INVALID"
  | "PACKAGE_RECORD_INVALID"
  | "CANONICAL_JSON_INVALID"
  | "PACK_COMPONENT_INVALID"
  | "PACK_INDEX_INVALID"
  | "PACK_INDEX_DUPLICATE"
  | "PACK_INDEX_CONFLICT"
  | "SIZE_INVALID"
  | "DURATION_INVALID";

/** Explanations of {@link CoreErrorCode}. */
export const CORE_ERRORS: ErrorCatalogue<CoreErrorCode> = {
  DIGEST_INVALID: {
    category: "integrity",
    summary: "A digest is not of the form `sha256:` and 64 lower-case hexadecimal digits.",
    help: "Copy the digest again from its source; a shortened one is never accepted.",
  },
  NAME_INVALID: {
    category: "usage",
    summary: "A package name breaks the name rules.",
    help: "Use lower-case letters, digits, `-`, `_` and `.`, starting with a letter or digit, optionally after one namespace: `company/tool`.",
  },
  CHANNEL_INVALID: {
    category: "usage",
    summary: "The name of a channel breaks its rules, or could be read as a version or a requirement.",
    help: "Use a letter, then letters, digits and single `.`, `_` or `-`: `beta`, `next`, `lts-1`.",
  },
  VERSION_INVALID: {
    category: "usage",
    summary: "A version is not a SemVer 2.0.0 version.",
    help: "Write three numbers, such as `1.0.0`, with an optional pre-release `-rc.1` and build `+5`.",
  },
  REQUIREMENT_INVALID: {
    category: "usage",
    summary: "A version requirement cannot be read.",
    help: "Use forms like `^1.2.0`, `~1.2`, `>=1.0, <2.0`, `1.*` or `=1.2.3`; a comma means and, `||` means or.",
  },
  LOCKFILE_INVALID: {
    category: "manifest",
    summary: "A lock file is damaged or was edited by hand into something that is not a lock.",
    help: "Restore it from version control, or delete it and run `lock` to make a new one.",
  },
  LOCKFILE_VERSION_UNSUPPORTED: {
    category: "manifest",
    summary: "A lock file has a format version that this release does not know.",
    help: "Upgrade the tool, or delete the lock and run `lock` to write one in this release's format.",
  },
  INDEX_DOCUMENT_INVALID: {
    category: "io",
    summary: "A registry's index document is not valid.",
    help: "Try again; if it persists, the registry's operator should run `admin rebuild-index`.",
  },
  INDEX_DOCUMENT_SCHEMA_UNSUPPORTED: {
    category: "io",
    summary: "A registry's index document has a newer schema than this release reads.",
    help: "Upgrade the tool.",
  },
  PROFILE_INVALID: {
    category: "usage",
    summary: "An ecosystem profile breaks the profile schema.",
    help: "Run `profile check FILE`, which lists every mistake with its line.",
  },
  PACKAGE_RECORD_INVALID: {
    category: "integrity",
    summary: "The record inside a package (`.lading/package.json`) is not valid.",
    help: "Fetch the package again; if it persists, its publisher should pack and publish it anew.",
  },
  CANONICAL_JSON_INVALID: {
    category: "integrity",
    summary: "A signed or digested JSON text is not in the one canonical spelling, or a value has none.",
    help: "Fetch the file again; a text that was re-formatted on its way can no longer be checked.",
  },
  PACK_COMPONENT_INVALID: {
    category: "manifest",
    summary: "The file of an action, sensor, trigger, rule or workflow of a pack cannot be read.",
    help: "Correct the YAML file; it needs a `ref` or a `name`.",
  },
  PACK_INDEX_INVALID: {
    category: "manifest",
    summary: "A flat index of packs, or an entry for one, is not valid.",
    help: "Run `index-validate FILE`, which lists every mistake with its place.",
  },
  PACK_INDEX_DUPLICATE: {
    category: "refused",
    summary: "The flat index has an entry for this pack already.",
    help: "Give `--update` to replace it.",
  },
  PACK_INDEX_CONFLICT: {
    category: "integrity",
    summary: "Two flat indexes give one version of a pack different checksums.",
    help: "Find out which of them is right before you merge them; one version has one content.",
  },
  SIZE_INVALID: {
    category: "usage",
    summary: "A size cannot be read.",
    help: "Write a number and a unit, such as `500MB`, `1GB` (powers of 1000) or `64MiB` (powers of 1024).",
  },
  DURATION_INVALID: {
    category: "usage",
    summary: "A duration cannot be read.",
    help: "Write numbers with units, such as `100ms`, `5s`, `1m`, `1h30m` or `7d`.",
  },
};

/** An error of this package's own rules. */
export class CoreError extends LadingError<CoreErrorCode> {
  constructor(init: LadingErrorInit<CoreErrorCode>) {
    super(CORE_ERRORS, init);
  }
}
