import { LadingError, type ErrorCatalogue, type LadingErrorInit } from "@lading/core-manifest";

/** Codes of the tools that make static registries. */
export type StaticRegistryErrorCode =
  | "STATIC_LOCATION_INVALID"
  | "STATIC_SETTINGS_INVALID"
  | "STATIC_REGISTRY_MISSING"
  | "STATIC_REGISTRY_EXISTS"
  | "STATIC_REGISTRY_DAMAGED"
  | "STATIC_REGISTRY_BUSY"
  | "STATIC_STORE_FAILED"
  | "STATIC_STORE_REFUSED"
  | "STATIC_KEYS_UNUSABLE"
  | "STATIC_ROOT_REFUSED"
  | "STATIC_VERSION_EXISTS"
  | "STATIC_VERSION_MISSING"
  | "STATIC_CHANNEL_REFUSED"
  | "STATIC_SIGNATURE_REQUIRED"
  | "STATIC_STATEMENT_REFUSED"
  | "STATIC_PUBLISHER_CHANGED"
  | "STATIC_NOT_DELEGATED"
  | "STATIC_DELEGATION_INVALID"
  | "STATIC_SUBMISSION_INVALID"
  | "STATIC_SUBMISSION_MISSING";

/** Explanations of {@link StaticRegistryErrorCode}. */
export const STATIC_REGISTRY_ERRORS: ErrorCatalogue<StaticRegistryErrorCode> = {
  STATIC_LOCATION_INVALID: {
    category: "usage",
    summary: "The place of a static registry is not one that can be written to.",
    help: "Give a directory, git+URL, s3+URL or releases+URL; docs/guides/static-registry.md has an example of each.",
  },
  STATIC_SETTINGS_INVALID: {
    category: "usage",
    summary: "A setting of a static registry cannot be used.",
    help: "Correct what the message names, on the command line or in settings.json of the key directory.",
  },
  STATIC_REGISTRY_MISSING: {
    category: "io",
    summary: "There is no static registry at that place.",
    help: "Correct the place, or make a registry there with `index-init --native`.",
  },
  STATIC_REGISTRY_EXISTS: {
    category: "refused",
    summary: "There is a registry at that place already.",
    help: "Choose an empty place; `index-publish` adds to the registry that is there.",
  },
  STATIC_REGISTRY_DAMAGED: {
    category: "integrity",
    summary: "Stored files of a static registry are not those that were signed for.",
    help: "Restore the files from a copy or from version control; nothing is signed on top of what is damaged.",
  },
  STATIC_REGISTRY_BUSY: {
    category: "io",
    summary: "Somebody else writes to the registry, and has done so for as long as was waited.",
    help: "Run the command again when the other one has ended; nothing was changed.",
  },
  STATIC_STORE_FAILED: {
    category: "io",
    summary: "The place where a static registry is kept cannot be read or written.",
    help: "The message has the cause; nothing is visible of what was not finished, so the command can be repeated.",
  },
  STATIC_STORE_REFUSED: {
    category: "auth",
    summary: "The place where a static registry is kept does not let you write.",
    help: "Check the credentials in the environment and what they may do.",
  },
  STATIC_KEYS_UNUSABLE: {
    category: "io",
    summary: "A file of the key directory of a static registry cannot be used.",
    help: "Put it back from a backup, and give the passphrase where the keys are encrypted.",
  },
  STATIC_ROOT_REFUSED: {
    category: "refused",
    summary: "A root cannot be put into force: signatures are missing, or it names other keys than those at hand.",
    help: "`index-root status FILE` lists who can still sign.",
  },
  STATIC_VERSION_EXISTS: {
    category: "refused",
    summary: "The version is published with other content; a published version never changes.",
    help: "Publish the change under a new version.",
  },
  STATIC_VERSION_MISSING: {
    category: "usage",
    summary: "The registry has no such version.",
    help: "Check name and version.",
  },
  STATIC_CHANNEL_REFUSED: {
    category: "refused",
    summary:
      "The channel cannot be changed so: `latest` is not removed and names no yanked version, and what is removed is there.",
    help: "`channel list NAME` shows the channels; `channel add NAME@VERSION latest` moves `latest`.",
  },
  STATIC_SIGNATURE_REQUIRED: {
    category: "refused",
    summary: "The registry takes signed packages only, and this one is not signed.",
    help: "Sign it with `sign FILE`, or publish it with `--key`.",
  },
  STATIC_STATEMENT_REFUSED: {
    category: "integrity",
    summary: "A package's signature does not hold, is of other bytes, or is by a key that the registry does not know.",
    help: "Sign the very file that you publish; give an author's new key with `--public-key`.",
  },
  STATIC_PUBLISHER_CHANGED: {
    category: "refused",
    summary: "A new version of a package is signed by none of the keys that signed it before.",
    help: "Ask the author over another channel; `--accept-key` takes the new key.",
  },
  STATIC_NOT_DELEGATED: {
    category: "refused",
    summary: "Packages of that name were delegated to publishers who have not signed this one.",
    help: "`index-delegate --to PLACE` lists who may sign which names; give the author's key there, or let one of the named ones sign.",
  },
  STATIC_DELEGATION_INVALID: {
    category: "usage",
    summary: "Names cannot be delegated like that.",
    help: "Give a package's name, or one whose last part has `*`, such as `company/*`, and at least as many keys as must sign.",
  },
  STATIC_SUBMISSION_INVALID: {
    category: "integrity",
    summary: "What was handed in is not a package file with its statement, or not the one that it is named by.",
    help: "Reject it with `index-accept --reject`, and ask its author to hand it in again with `index-submit`.",
  },
  STATIC_SUBMISSION_MISSING: {
    category: "usage",
    summary: "Nothing of that digest was handed in.",
    help: "`index-accept --to PLACE --dry-run` lists what was handed in.",
  },
};

/** An error of the tools that make static registries. */
export class StaticRegistryError extends LadingError<StaticRegistryErrorCode> {
  constructor(init: LadingErrorInit<StaticRegistryErrorCode>) {
    super(STATIC_REGISTRY_ERRORS, init);
  }
}
