import { LadingError, type ErrorCatalogue, type LadingErrorInit } from "@lading/core-manifest";

/** Codes of keys, envelopes, statements, trust files and side files. */
export type SigningErrorCode =
  | "SIGNATURE_INVALID"
  | "SIGNATURE_KEY_UNKNOWN"
  | "SIGNATURE_KEY_NOT_ALLOWED"
  | "SIGNATURE_THRESHOLD_NOT_MET"
  | "SIGNATURE_SUBJECT_MISMATCH"
  | "SIGNATURE_MISSING"
  | "SIGNATURE_POLICY_INVALID"
  | "SIGNATURE_FILE_EXISTS"
  | "SIGNATURE_FILE_IO"
  | "ENVELOPE_MALFORMED"
  | "STATEMENT_INVALID"
  | "STATEMENT_UNSUPPORTED"
  | "KEY_STATEMENT_INVALID"
  | "PUBLISHER_NOT_TRUSTED"
  | "FOREIGN_SIGNATURE_MALFORMED"
  | "FOREIGN_SIGNATURE_UNSUPPORTED"
  | "KEY_INVALID"
  | "KEY_UNSUPPORTED"
  | "KEY_IS_PRIVATE"
  | "KEY_IS_PUBLIC"
  | "KEY_PASSPHRASE_REQUIRED"
  | "KEY_PASSPHRASE_WRONG"
  | "KEY_FILE_EXISTS"
  | "KEY_FILE_NOT_FOUND"
  | "KEY_FILE_PERMISSIONS"
  | "KEY_FILE_IO"
  | "KEY_DIRECTORY_UNUSABLE"
  | "TRUST_FILE_INVALID"
  | "TRUST_FILE_UNSUPPORTED"
  | "TRUST_FILE_BUSY"
  | "TRUST_FILE_IO"
  | "TRUST_KEY_EXISTS"
  | "TRUST_KEY_NOT_FOUND";

/** Explanations of {@link SigningErrorCode}. */
export const SIGNING_ERRORS: ErrorCatalogue<SigningErrorCode> = {
  SIGNATURE_INVALID: {
    category: "integrity",
    summary: "A signature does not hold under the key that it names.",
    help: "Do not use the file: it or its signature was altered. Fetch both again, and tell the publisher if it persists.",
  },
  SIGNATURE_KEY_UNKNOWN: {
    category: "integrity",
    summary: "A package is signed, but by no key that is trusted here.",
    help: "Compare the fingerprint with the publisher's over another channel, then add the key to the trust store.",
  },
  SIGNATURE_KEY_NOT_ALLOWED: {
    category: "refused",
    summary: "A trusted key signed a package that it is not trusted for: another name, or an earlier time.",
    help: "Look at the key's name patterns and `since` in the trust store, and widen them only if you meant to.",
  },
  SIGNATURE_THRESHOLD_NOT_MET: {
    category: "refused",
    summary: "Fewer different trusted keys signed than the policy demands.",
    help: "Ask the other signers to countersign, or lower the threshold of the policy.",
  },
  SIGNATURE_SUBJECT_MISMATCH: {
    category: "integrity",
    summary: "A valid statement speaks of another file, name or version than the one at hand.",
    help: "The signature belongs to something else: fetch the package and its `.sig` from the same place again.",
  },
  SIGNATURE_MISSING: {
    category: "refused",
    summary: "Nothing signed this package, or no signer was given.",
    help: "Sign it with `sign FILE --key KEY`, or allow unsigned packages in server, client and manifest.",
  },
  SIGNATURE_POLICY_INVALID: {
    category: "usage",
    summary: "A trust policy or a signature policy cannot be meant: its threshold is no whole number from 1.",
    help: "Use a threshold of 1 or more.",
  },
  SIGNATURE_FILE_EXISTS: {
    category: "refused",
    summary: "A side file with another signature is already there.",
    help: "Remove the `.sig` file first, or countersign it.",
  },
  SIGNATURE_FILE_IO: {
    category: "io",
    summary: "A package or its side file could not be read or written.",
    help: "Check that the path exists and that you may read and write there.",
  },
  ENVELOPE_MALFORMED: {
    category: "integrity",
    summary: "A signature file is not a DSSE envelope in its one byte-exact form.",
    help: "Fetch the `.sig` file again; never reformat it.",
  },
  STATEMENT_INVALID: {
    category: "integrity",
    summary: "A statement breaks the form of `docs/spec/signing.md`.",
    help: "Make the statement again with this tool; one from elsewhere must follow the specification to the byte.",
  },
  STATEMENT_UNSUPPORTED: {
    category: "integrity",
    summary: "A statement is of a type or version that this release does not know.",
    help: "Upgrade the tool; a statement that is not understood is never taken for a good one.",
  },
  KEY_STATEMENT_INVALID: {
    category: "integrity",
    summary: "A statement that rotates, recovers or revokes a key breaks the form of `docs/spec/signing.md`.",
    help: "Make the statement again with this tool; never edit one.",
  },
  PUBLISHER_NOT_TRUSTED: {
    category: "refused",
    summary: "A package was published by an account that your rules do not trust for it.",
    help: "If you mean to trust it, add the account to `trusted_publishers`; else look for a package of that name elsewhere.",
  },
  FOREIGN_SIGNATURE_MALFORMED: {
    category: "integrity",
    summary: "A minisign, signify or SSH signature cannot be read.",
    help: "Fetch the signature file again; never reformat it.",
  },
  FOREIGN_SIGNATURE_UNSUPPORTED: {
    category: "integrity",
    summary: "A minisign, signify or SSH signature is of a kind that is not supported here.",
    help: "Sign with an Ed25519 key, and SHA-256 or SHA-512 for SSH.",
  },
  KEY_INVALID: {
    category: "usage",
    summary: "A key cannot be read: it is damaged, or no key at all.",
    help: "Give a PEM (PKCS#8 or SPKI), a JSON key file, or an SSH or minisign public key line; make a new pair with `keygen`.",
  },
  KEY_UNSUPPORTED: {
    category: "usage",
    summary: "A key is of a kind, cipher or format version that is not supported.",
    help: "Use an Ed25519 key; make one with `keygen` or `openssl genpkey -algorithm ed25519`.",
  },
  KEY_IS_PRIVATE: {
    category: "usage",
    summary: "A private key was given where a public one belongs.",
    help: "Give the `.pub` file beside it, and never pass the private key on.",
  },
  KEY_IS_PUBLIC: {
    category: "usage",
    summary: "A public key was given where a private one is needed.",
    help: "Give the private key file, without `.pub`.",
  },
  KEY_PASSPHRASE_REQUIRED: {
    category: "usage",
    summary: "A private key is encrypted and no passphrase was given.",
    help: "Give the passphrase at the prompt or by the environment variable named in the command's help.",
  },
  KEY_PASSPHRASE_WRONG: {
    category: "auth",
    summary: "A passphrase does not open the private key, or the key file is damaged.",
    help: "Try again; if you are sure of the passphrase, restore the key file from a copy.",
  },
  KEY_FILE_EXISTS: {
    category: "refused",
    summary: "A key file is already at that path; keys are never overwritten.",
    help: "Choose another path, or move the old pair away first.",
  },
  KEY_FILE_NOT_FOUND: {
    category: "usage",
    summary: "There is no key file at that path.",
    help: "Make a pair with `keygen`, or correct the path.",
  },
  KEY_FILE_PERMISSIONS: {
    category: "refused",
    summary: "A private key file can be read by others on this machine.",
    help: "Run `chmod 600` on it; if others had access, make a new key.",
  },
  KEY_FILE_IO: {
    category: "io",
    summary: "A key file could not be read or written.",
    help: "Check that the path exists and that you may read and write there.",
  },
  KEY_DIRECTORY_UNUSABLE: {
    category: "io",
    summary:
      "A file in a registry's key directory is missing, damaged, or not opened by the passphrase that was given.",
    help: "Put it back from a backup, and give the passphrase where the keys are encrypted.",
  },
  TRUST_FILE_INVALID: {
    category: "usage",
    summary: "The file of trusted keys is damaged.",
    help: "Restore it from a copy, or correct what the message names; it is never repaired silently.",
  },
  TRUST_FILE_UNSUPPORTED: {
    category: "usage",
    summary: "The file of trusted keys was written by a newer release.",
    help: "Upgrade the tool: an old one could overlook a restriction that the new format states.",
  },
  TRUST_FILE_BUSY: {
    category: "io",
    summary: "Another process is changing the file of trusted keys.",
    help: "Try again; if no other process runs, remove the `.lock` file beside it.",
  },
  TRUST_FILE_IO: {
    category: "io",
    summary: "The file of trusted keys could not be read or written.",
    help: "Check that its folder exists and that you may read and write there.",
  },
  TRUST_KEY_EXISTS: {
    category: "refused",
    summary: "The key is trusted already, under other conditions.",
    help: "Remove it first, or replace it explicitly.",
  },
  TRUST_KEY_NOT_FOUND: {
    category: "usage",
    summary: "No trusted key has that fingerprint.",
    help: "List the trusted keys, and give the whole fingerprint.",
  },
};

/** An error of keys, signatures or trust. */
export class SigningError extends LadingError<SigningErrorCode> {
  constructor(init: LadingErrorInit<SigningErrorCode>) {
    super(SIGNING_ERRORS, init);
  }
}
