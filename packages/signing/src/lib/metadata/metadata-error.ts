import { LadingError, type ErrorCatalogue, type LadingErrorInit } from "@lading/core-manifest";

/** The attacks of the TUF specification §1.5.2 that a refusal can be a sign of. */
export type Attack =
  | "arbitrary-software"
  | "rollback"
  | "freeze"
  | "mix-and-match"
  | "endless-data"
  | "wrong-software"
  | "malicious-mirror"
  | "key-compromise";

/** Codes of signed registry metadata: reading, the client's workflow, targets, and making it. */
export type MetadataErrorCode =
  | "METADATA_MALFORMED"
  | "METADATA_NOT_EXACT"
  | "METADATA_UNSUPPORTED"
  | "METADATA_TOO_LARGE"
  | "METADATA_ROLE_WRONG"
  | "METADATA_KEY_INVALID"
  | "METADATA_ROOT_PIN_MISMATCH"
  | "METADATA_ROOT_UNTRUSTED"
  | "METADATA_ROOT_NOT_NEXT"
  | "METADATA_UNTRUSTED"
  | "METADATA_SIGNATURE_ALTERED"
  | "METADATA_ROLLBACK"
  | "METADATA_ROLE_REMOVED"
  | "METADATA_VERSION_MISMATCH"
  | "METADATA_LENGTH_MISMATCH"
  | "METADATA_DIGEST_MISMATCH"
  | "METADATA_EXPIRED"
  | "METADATA_MISSING"
  | "METADATA_NOT_REFRESHED"
  | "TARGET_UNKNOWN"
  | "TARGET_MISSING"
  | "TARGET_TOO_LARGE"
  | "TARGET_LENGTH_MISMATCH"
  | "TARGET_DIGEST_MISMATCH"
  | "METADATA_INPUT_INVALID"
  | "METADATA_SIGNER_MISSING"
  | "METADATA_COMBINE_CONFLICT";

/** Which attack each refusal would be, where it would be one. */
export const METADATA_ATTACKS: Readonly<Partial<Record<MetadataErrorCode, Attack>>> = {
  METADATA_NOT_EXACT: "arbitrary-software",
  METADATA_TOO_LARGE: "endless-data",
  METADATA_ROLE_WRONG: "arbitrary-software",
  METADATA_KEY_INVALID: "arbitrary-software",
  METADATA_ROOT_PIN_MISMATCH: "arbitrary-software",
  METADATA_ROOT_UNTRUSTED: "key-compromise",
  METADATA_ROOT_NOT_NEXT: "rollback",
  METADATA_UNTRUSTED: "arbitrary-software",
  METADATA_SIGNATURE_ALTERED: "arbitrary-software",
  METADATA_ROLLBACK: "rollback",
  METADATA_ROLE_REMOVED: "rollback",
  METADATA_VERSION_MISMATCH: "mix-and-match",
  METADATA_LENGTH_MISMATCH: "mix-and-match",
  METADATA_DIGEST_MISMATCH: "mix-and-match",
  METADATA_EXPIRED: "freeze",
  METADATA_MISSING: "malicious-mirror",
  TARGET_MISSING: "malicious-mirror",
  TARGET_TOO_LARGE: "endless-data",
  TARGET_LENGTH_MISMATCH: "wrong-software",
  TARGET_DIGEST_MISMATCH: "wrong-software",
};

/** Explanations of {@link MetadataErrorCode}. */
export const METADATA_ERRORS: ErrorCatalogue<MetadataErrorCode> = {
  METADATA_MALFORMED: {
    category: "integrity",
    summary: "A file of signed registry metadata breaks the form of TUF 1.0.",
    help: "Fetch it again; if it persists, the registry or a mirror serves a damaged file: tell its operator.",
  },
  METADATA_NOT_EXACT: {
    category: "integrity",
    summary: "A file of signed registry metadata is not in its one byte-exact form: it was altered after signing.",
    help: "Fetch it again, from the registry itself rather than a mirror.",
  },
  METADATA_UNSUPPORTED: {
    category: "integrity",
    summary: "Registry metadata follows a major version of TUF that this release does not know.",
    help: "Upgrade the tool: metadata that is not understood is never trusted.",
  },
  METADATA_TOO_LARGE: {
    category: "integrity",
    summary: "A metadata file is larger than it may be: an endless data attack would look like this.",
    help: "Try again later or another mirror; the download was stopped at the limit.",
  },
  METADATA_ROLE_WRONG: {
    category: "integrity",
    summary: "A metadata file is of another role than the one asked for.",
    help: "Fetch it again; if it persists, the registry or a mirror mixes up its files.",
  },
  METADATA_KEY_INVALID: {
    category: "integrity",
    summary: "A key in registry metadata does not have the key id that it is listed under, or is no key.",
    help: "The registry's root or delegations were made wrongly: tell its operator.",
  },
  METADATA_ROOT_PIN_MISMATCH: {
    category: "integrity",
    summary: "The registry's first root is not the one that the profile or the configuration pins.",
    help: "Compare the digest with the operator's over another channel; never accept a root because it is asked for.",
  },
  METADATA_ROOT_UNTRUSTED: {
    category: "integrity",
    summary: "A root is not signed by enough keys of the root before it, or not by enough of its own.",
    help: "Somebody may hold fewer root keys than are needed. Ask the operator; the trusted root stays as it was.",
  },
  METADATA_ROOT_NOT_NEXT: {
    category: "integrity",
    summary: "A root has another version than the next one: an old root is served again, or the chain is broken.",
    help: "Try again later; if it persists, tell the operator. The trusted root stays as it was.",
  },
  METADATA_UNTRUSTED: {
    category: "integrity",
    summary: "Registry metadata is not signed by as many different trusted keys as its role demands.",
    help: "Do not install from this source: somebody without the registry's keys made or altered this file.",
  },
  METADATA_SIGNATURE_ALTERED: {
    category: "integrity",
    summary: "Registry metadata carries a signature that does not hold or that no known key made.",
    help: "Fetch it again; the file was altered, or made by another tool that leaves stale signatures in place.",
  },
  METADATA_ROLLBACK: {
    category: "integrity",
    summary: "Registry metadata is older than what was seen before: a rollback attack would look like this.",
    help: "Try again later: a mirror may be behind. If it persists, ask the operator whether a backup was restored.",
  },
  METADATA_ROLE_REMOVED: {
    category: "integrity",
    summary:
      "A new snapshot no longer lists a file that the trusted one listed, so that its rollback could not be seen.",
    help: "Ask the operator; files leave a snapshot only when its key is rotated by a new root.",
  },
  METADATA_VERSION_MISMATCH: {
    category: "integrity",
    summary: "A metadata file has another version than the file above it states: files of different times are mixed.",
    help: "Try again: a mirror may be in the middle of an update. If it persists, use another mirror.",
  },
  METADATA_LENGTH_MISMATCH: {
    category: "integrity",
    summary: "A metadata file has another length than the file above it states.",
    help: "Try again: a mirror may be in the middle of an update. If it persists, use another mirror.",
  },
  METADATA_DIGEST_MISMATCH: {
    category: "integrity",
    summary: "A metadata file has another digest than the file above it states: files of different times are mixed.",
    help: "Try again: a mirror may be in the middle of an update. If it persists, use another mirror.",
  },
  METADATA_EXPIRED: {
    category: "integrity",
    summary: "Registry metadata has expired: somebody may hold updates back (freeze attack), or your clock is wrong.",
    help: "Check the clock, then another mirror; if the registry is yours, refresh its metadata.",
  },
  METADATA_MISSING: {
    category: "io",
    summary: "A metadata file that must be there is not served.",
    help: "Try again later or another mirror; a mirror that withholds files can only do that, not alter them.",
  },
  METADATA_NOT_REFRESHED: {
    category: "internal",
    summary: "A target was looked up before the metadata was refreshed.",
    help: "Call refresh() first; a name that was not checked against fresh metadata proves nothing.",
  },
  TARGET_UNKNOWN: {
    category: "io",
    summary: "The registry's signed metadata knows no file of that path.",
    help: "Check the name; what is not in signed metadata is not trusted, whatever the registry serves.",
  },
  TARGET_MISSING: {
    category: "io",
    summary: "A file that signed metadata promises is not served.",
    help: "Try again later or another mirror.",
  },
  TARGET_TOO_LARGE: {
    category: "integrity",
    summary: "A file is longer than signed metadata states: an endless data attack would look like this.",
    help: "Try another mirror; the download was stopped at the stated length.",
  },
  TARGET_LENGTH_MISMATCH: {
    category: "integrity",
    summary: "A file is shorter than signed metadata states.",
    help: "Fetch it again; the transfer broke or the file was replaced.",
  },
  TARGET_DIGEST_MISMATCH: {
    category: "integrity",
    summary: "A file has another digest than signed metadata states: it is not the file that was published.",
    help: "Do not use it. Fetch it again, from another mirror.",
  },
  METADATA_INPUT_INVALID: {
    category: "usage",
    summary: "Registry metadata cannot be made from what was given.",
    help: "Correct what the message names.",
  },
  METADATA_SIGNER_MISSING: {
    category: "refused",
    summary: "Fewer keys are at hand than a role's threshold, so nobody would trust what would be signed.",
    help: "Give the keys of that role that the root names, or rotate them with a new root.",
  },
  METADATA_COMBINE_CONFLICT: {
    category: "refused",
    summary: "Signatures cannot be combined: the files are not the same text signed by different people.",
    help: "Have everybody sign the very same file.",
  },
};

/** An error of signed registry metadata. */
export class MetadataError extends LadingError<MetadataErrorCode> {
  /** The attack that this would be, where it would be one. */
  readonly attack: Attack | undefined;

  constructor(init: LadingErrorInit<MetadataErrorCode>) {
    const attack = METADATA_ATTACKS[init.code];
    super(METADATA_ERRORS, attack === undefined ? init : { ...init, attack });
    this.attack = attack;
  }
}
