import { LadingError, type ErrorCatalogue, type LadingErrorInit } from "@lading/core-manifest";

/** Codes of talking to registries, of their configuration and of credentials. */
export type RegistryClientErrorCode =
  | "REGISTRY_URL_INVALID"
  | "REGISTRY_INSECURE"
  | "REGISTRY_CONFIG_INVALID"
  | "REGISTRY_UNKNOWN"
  | "REGISTRY_UNREACHABLE"
  | "REGISTRY_TIMEOUT"
  | "REGISTRY_TOO_SLOW"
  | "REGISTRY_UNAVAILABLE"
  | "REGISTRY_RATE_LIMITED"
  | "REGISTRY_ANSWER_INVALID"
  | "REGISTRY_PROTOCOL_UNSUPPORTED"
  | "REGISTRY_REDIRECT_REFUSED"
  | "REGISTRY_DOCUMENT_MISMATCH"
  | "REGISTRY_OFFLINE"
  | "REGISTRY_TRUST_WITHDRAWN"
  | "REGISTRY_METADATA_REQUIRED"
  | "REGISTRY_TRUST_DAMAGED"
  | "REGISTRY_TRUST_UNWRITABLE"
  | "REGISTRY_TRUST_STALE"
  | "REGISTRY_TRUST_EXISTS"
  | "REGISTRY_LOG_ENTRY_MISSING"
  | "REGISTRY_KEY_CHANGE_WITHHELD"
  | "REGISTRY_READ_ONLY"
  | "REGISTRY_CHOICE_CLOSED"
  | "REGISTRY_NOT_FOUND"
  | "REGISTRY_REFUSED"
  | "REGISTRY_REQUEST_INVALID"
  | "REGISTRY_AUTH_REQUIRED"
  | "REGISTRY_AUTH_FAILED"
  | "REGISTRY_FORBIDDEN"
  | "CREDENTIALS_UNSAFE"
  | "CREDENTIALS_INVALID"
  | "CREDENTIALS_READ_ONLY"
  | "CREDENTIALS_UNWRITABLE"
  | "DOWNLOAD_NOT_FOUND"
  | "DOWNLOAD_SIZE_MISMATCH"
  | "DOWNLOAD_DIGEST_MISMATCH"
  | "DOWNLOAD_WRITE_FAILED"
  | "PUBLISH_VERSION_EXISTS"
  | "PUBLISH_FILE_CHANGED"
  | "PUBLISH_NOT_VISIBLE";

/** Explanations of {@link RegistryClientErrorCode}. */
export const REGISTRY_CLIENT_ERRORS: ErrorCatalogue<RegistryClientErrorCode> = {
  REGISTRY_URL_INVALID: {
    category: "usage",
    summary: "A registry's address is not an absolute http:, https: or file: URL without user, query and fragment.",
    help: "Write it like `https://registry.example.org/`; credentials go through `login`.",
  },
  REGISTRY_INSECURE: {
    category: "refused",
    summary: "A registry on another machine would be reached over plain http:.",
    help: "Use https:, or set `allow_insecure = true` for that registry if everything between is trusted.",
  },
  REGISTRY_CONFIG_INVALID: {
    category: "usage",
    summary: "The file of registries has a value that is not allowed.",
    help: "Correct the line shown; `docs/spec/client-configuration.md` lists every key.",
  },
  REGISTRY_UNKNOWN: {
    category: "usage",
    summary: "A registry is named that is not configured.",
    help: "Run `registry list` to see the configured ones, or `registry add NAME URL`.",
  },
  REGISTRY_UNREACHABLE: {
    category: "io",
    summary: "No connection to the registry could be made, or it broke.",
    help: "Check the address, the network and proxy settings; `--offline` works from what is cached.",
  },
  REGISTRY_TIMEOUT: {
    category: "io",
    summary: "The registry was silent for longer than the timeout.",
    help: "Try again, or raise `timeout_seconds` for that registry.",
  },
  REGISTRY_TOO_SLOW: {
    category: "io",
    summary: "A registry sends less than a kilobyte a second: a slow retrieval attack would look like this.",
    help: "Try another network or mirror; `timeout_seconds` of the registry sets for how long it may be slow.",
  },
  REGISTRY_UNAVAILABLE: {
    category: "io",
    summary: "The registry answered that it cannot serve at the moment, also after retries.",
    help: "Try again later; `max_retries` sets how often the client tries by itself.",
  },
  REGISTRY_RATE_LIMITED: {
    category: "io",
    summary: "The registry asks for fewer requests, also after retries.",
    help: "Wait as long as the message says, or log in: limits for accounts are higher.",
  },
  REGISTRY_ANSWER_INVALID: {
    category: "io",
    summary: "The answer is not one that a registry gives.",
    help: "Check that the address is a registry's and that no proxy or login page answers in its place.",
  },
  REGISTRY_PROTOCOL_UNSUPPORTED: {
    category: "io",
    summary: "The registry speaks a newer protocol than this release.",
    help: "Upgrade the tool.",
  },
  REGISTRY_REDIRECT_REFUSED: {
    category: "refused",
    summary:
      "The registry leads somewhere it is not followed: in a circle, from https: to http:, to another address for a call that writes, or with a password.",
    help: "Configure the address that it leads to, if it is the registry's own.",
  },
  REGISTRY_DOCUMENT_MISMATCH: {
    category: "integrity",
    summary: "An index document is not the one that was asked for, or its bytes do not match its own digest.",
    help: "Something between here and the registry alters or mixes up answers; try another network, and tell the registry's operator.",
  },
  REGISTRY_OFFLINE: {
    category: "io",
    summary: "Offline mode needs something that is not cached.",
    help: "Run the command once without `--offline`.",
  },
  REGISTRY_TRUST_WITHDRAWN: {
    category: "integrity",
    summary: "A registry that had signed metadata (or a log) offers none now: somebody may answer in its place.",
    help: "Ask the operator over another channel. Only if the registry gave its keys up on purpose: `registry trust NAME --forget`.",
  },
  REGISTRY_METADATA_REQUIRED: {
    category: "integrity",
    summary:
      "A registry must have signed metadata, because its root is pinned or signatures are demanded, and offers none.",
    help: "Ask the operator. A registry without keys is usable with `verify_signatures = false` and without a pinned root.",
  },
  REGISTRY_TRUST_DAMAGED: {
    category: "integrity",
    summary:
      "What is stored about the trust in a registry cannot be read; beginning anew in silence would trust anybody.",
    help: "Get the registry's root from its operator and run `registry trust NAME --root FILE --replace`.",
  },
  REGISTRY_TRUST_UNWRITABLE: {
    category: "io",
    summary: "What a registry is trusted by cannot be read from or written to this user's data directory.",
    help: "Check the directory's owner, permissions and free space.",
  },
  REGISTRY_TRUST_STALE: {
    category: "integrity",
    summary:
      "Working offline from a registry's state that is older than allowed: fixes and revocations would not be seen.",
    help: "Run the command once without `--offline`; `security.offline_max_age` sets how old the state may be.",
  },
  REGISTRY_TRUST_EXISTS: {
    category: "refused",
    summary: "A registry is trusted by another root already, which is never replaced in silence.",
    help: "If the operator confirms the new root over another channel, give `--replace`.",
  },
  REGISTRY_LOG_ENTRY_MISSING: {
    category: "integrity",
    summary:
      "A version is in a registry's index and not in its public log: nobody else would see that it was given out.",
    help: "Tell the registry's operator and the package's owner; do not install it meanwhile.",
  },
  REGISTRY_KEY_CHANGE_WITHHELD: {
    category: "integrity",
    summary:
      "A registry's index leaves out that a publisher's key was revoked or replaced, which this client has seen before: it would let a stolen key through.",
    help: "Install nothing of it that is new, and tell the registry's operator and the package's owner.",
  },
  REGISTRY_READ_ONLY: {
    category: "refused",
    summary: "A static registry has no server that could do this.",
    help: "Use a registry with a server for this command.",
  },
  REGISTRY_CHOICE_CLOSED: {
    category: "io",
    summary: "A registry that has precedence could not be read, so no other one is asked.",
    help: "Repair the access to that registry, or pin the dependency to another one with `registry = ...`.",
  },
  REGISTRY_NOT_FOUND: {
    category: "io",
    summary: "The registry has no such package, version, token or user, or you may not see it.",
    help: "Check the spelling, and log in if it is private.",
  },
  REGISTRY_REFUSED: {
    category: "refused",
    summary: "The registry refuses the request: a conflict or a policy.",
    help: "The message says which rule; `details.serverCode` is the registry's own code.",
  },
  REGISTRY_REQUEST_INVALID: {
    category: "refused",
    summary: "The registry finds the request or the package invalid.",
    help: "The message lists what is wrong; correct it and try again.",
  },
  REGISTRY_AUTH_REQUIRED: {
    category: "auth",
    summary: "The registry wants to know who you are.",
    help: "Run `login`, or set the token variable.",
  },
  REGISTRY_AUTH_FAILED: {
    category: "auth",
    summary: "The registry does not accept the token or password.",
    help: "It may be mistyped, expired or revoked: run `login` again.",
  },
  REGISTRY_FORBIDDEN: {
    category: "auth",
    summary: "The registry knows you, and you may not do this.",
    help: "Ask an owner of the package, or use a token with the scope that the message names.",
  },
  CREDENTIALS_UNSAFE: {
    category: "auth",
    summary: "Other users of this machine can read or replace the file of credentials.",
    help: "Run `chmod 600` on it, and replace the tokens if others may have read them.",
  },
  CREDENTIALS_INVALID: {
    category: "usage",
    summary: "The file of credentials cannot be read.",
    help: "Correct the line shown, or delete the file and log in again.",
  },
  CREDENTIALS_READ_ONLY: {
    category: "usage",
    summary: "Credentials that come from the environment cannot be changed from here.",
    help: "Change or unset the variable.",
  },
  CREDENTIALS_UNWRITABLE: {
    category: "io",
    summary: "The file of credentials cannot be written, or another process holds its lock.",
    help: "Check the directory's owner and permissions; delete the `.lock` file beside it if no other process is running.",
  },
  DOWNLOAD_NOT_FOUND: {
    category: "io",
    summary: "The registry does not have a file that its index names.",
    help: "Try again; if it persists, tell the registry's operator.",
  },
  DOWNLOAD_SIZE_MISMATCH: {
    category: "integrity",
    summary: "A download is shorter or longer than the index says.",
    help: "Nothing was kept. Try again; if it persists, something alters the download.",
  },
  DOWNLOAD_DIGEST_MISMATCH: {
    category: "integrity",
    summary: "The bytes of a download are not those that the index or the lock names.",
    help: "Nothing was kept. Try again; if it persists, do not use the package and tell the registry's operator.",
  },
  DOWNLOAD_WRITE_FAILED: {
    category: "io",
    summary: "A download could not be written.",
    help: "Check that the disk has room and that the directory may be written.",
  },
  PUBLISH_VERSION_EXISTS: {
    category: "refused",
    summary: "The version is published with other content, and published versions never change.",
    help: "Raise the version in the manifest and publish again.",
  },
  PUBLISH_FILE_CHANGED: {
    category: "refused",
    summary: "The package file changed while it was being published, or is not the one that was packed.",
    help: "Pack again and publish the new file.",
  },
  PUBLISH_NOT_VISIBLE: {
    category: "io",
    summary: "The version is published, and did not appear in the index in time.",
    help: "It is safe: check with `info`, or publish the same file again.",
  },
};

/** An error of talking to a registry. `details.serverCode` holds the `code` of the registry's problem document. */
export class RegistryClientError extends LadingError<RegistryClientErrorCode> {
  constructor(init: LadingErrorInit<RegistryClientErrorCode>) {
    super(REGISTRY_CLIENT_ERRORS, init);
  }
}
