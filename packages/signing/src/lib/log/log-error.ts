import { LadingError, type ErrorCatalogue, type LadingErrorInit } from "@lading/core-manifest";

/** Codes of the transparency log: notes, checkpoints, tiles, proofs and entries. */
export type LogErrorCode =
  | "LOG_NOTE_MALFORMED"
  | "LOG_CHECKPOINT_MALFORMED"
  | "LOG_CHECKPOINT_UNTRUSTED"
  | "LOG_CHECKPOINT_ALTERED"
  | "LOG_ORIGIN_MISMATCH"
  | "LOG_WITNESSES_MISSING"
  | "LOG_KEY_INVALID"
  | "LOG_SIGNER_FAULTY"
  | "LOG_ROLLBACK"
  | "LOG_SPLIT_VIEW"
  | "LOG_INCONSISTENT"
  | "LOG_INCLUSION_INVALID"
  | "LOG_PROOF_MALFORMED"
  | "LOG_TILE_MISSING"
  | "LOG_TILE_INVALID"
  | "LOG_RANGE_INVALID"
  | "LOG_ENTRY_TOO_LARGE"
  | "LOG_EVENT_INVALID"
  | "LOG_EVENT_UNSUPPORTED";

/** Explanations of {@link LogErrorCode}. */
export const LOG_ERRORS: ErrorCatalogue<LogErrorCode> = {
  LOG_NOTE_MALFORMED: {
    category: "integrity",
    summary: "A signed note (checkpoint file) breaks its form.",
    help: "Fetch it again; if it persists, the log or a mirror serves a damaged file.",
  },
  LOG_CHECKPOINT_MALFORMED: {
    category: "integrity",
    summary: "A signed text is no checkpoint: it lacks origin, size or root hash in their one form.",
    help: "Fetch it again; if it persists, tell the log's operator.",
  },
  LOG_CHECKPOINT_UNTRUSTED: {
    category: "integrity",
    summary: "A checkpoint is signed by no key of the log that is trusted here.",
    help: "Do not trust it: it is of another log, or somebody without the log's key made it.",
  },
  LOG_CHECKPOINT_ALTERED: {
    category: "integrity",
    summary: "A checkpoint carries a signature of a known key that does not hold.",
    help: "Fetch it again; it was altered after it was signed.",
  },
  LOG_ORIGIN_MISMATCH: {
    category: "integrity",
    summary: "A checkpoint is of another log than the one that was asked.",
    help: "Check the address of the log; a checkpoint of one log proves nothing of another.",
  },
  LOG_WITNESSES_MISSING: {
    category: "refused",
    summary: "Fewer witnesses than demanded have cosigned a checkpoint.",
    help: "Try again later, or lower the number of witnesses that you demand.",
  },
  LOG_KEY_INVALID: {
    category: "usage",
    summary: "A key of a log or witness cannot be read, or its name cannot be one.",
    help: "Give it as `name+id+base64`, as the log publishes it.",
  },
  LOG_SIGNER_FAULTY: {
    category: "refused",
    summary: "A signer made a signature of a checkpoint that does not hold.",
    help: "Check the key or the device that signs; nothing was published.",
  },
  LOG_ROLLBACK: {
    category: "integrity",
    summary: "The log is shorter than it was: entries that were there have been taken away, or an old state is served.",
    help: "Try again later: a mirror may be behind. If it persists, keep both checkpoints: they prove what happened.",
  },
  LOG_SPLIT_VIEW: {
    category: "integrity",
    summary:
      "Two signed checkpoints state different roots for the same number of entries: the log shows different people different histories.",
    help: "Keep both checkpoints and publish them: together they are proof against the log's operator.",
  },
  LOG_INCONSISTENT: {
    category: "integrity",
    summary: "The log's history was rewritten: what was there before is not the beginning of what is there now.",
    help: "Keep both checkpoints: if nobody can show that one follows from the other, the log is not to be trusted.",
  },
  LOG_INCLUSION_INVALID: {
    category: "integrity",
    summary: "A proof does not show that an entry is in the log.",
    help: "Do not rely on the entry: it was replaced, removed, or never there.",
  },
  LOG_PROOF_MALFORMED: {
    category: "integrity",
    summary: "A stored proof of the log breaks its form.",
    help: "Fetch it again; never edit it.",
  },
  LOG_TILE_MISSING: {
    category: "io",
    summary: "A tile of the log that the checkpoint promises is not served.",
    help: "Try again later or another mirror; a mirror that withholds tiles cannot alter them.",
  },
  LOG_TILE_INVALID: {
    category: "integrity",
    summary: "A tile or bundle of the log has a wrong length, or is not what its checkpoint commits to.",
    help: "Fetch it again, from the log itself rather than a mirror.",
  },
  LOG_RANGE_INVALID: {
    category: "usage",
    summary: "An entry or a size was asked for that the log cannot have.",
    help: "Give an index below the log's size, and sizes from 0 up.",
  },
  LOG_ENTRY_TOO_LARGE: {
    category: "refused",
    summary: "An entry is longer than 65,535 bytes, which is what a bundle can hold.",
    help: "Log a digest of the thing instead.",
  },
  LOG_EVENT_INVALID: {
    category: "integrity",
    summary: "An entry of the log breaks the form of `docs/spec/log.md`.",
    help: "If it is your registry, it was made by another tool; else tell the operator.",
  },
  LOG_EVENT_UNSUPPORTED: {
    category: "integrity",
    summary: "An entry of the log is of a version that this release does not know.",
    help: "Upgrade the tool; its place in the log is verified all the same.",
  },
};

/** An error of the transparency log. */
export class LogError extends LadingError<LogErrorCode> {
  constructor(init: LadingErrorInit<LogErrorCode>) {
    super(LOG_ERRORS, init);
  }
}
