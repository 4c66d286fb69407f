export {
  KEY_PREDICATES,
  decodeKeyStatement,
  encodeKeyStatement,
  isSignedBy,
  type DecodedKeyStatement,
  type KeyRecovery,
  type KeyRevocation,
  type KeyRotation,
  type KeyStatement,
} from "./lib/publisher/key-statement.ts";
export {
  RECOVERY_WAIT_DAYS,
  RECOVERY_WAIT_MS,
  ledgerTrust,
  replayKeyStatements,
  type IgnoredKeyStatement,
  type KeyLedger,
  type LedgerKey,
  type LedgerOptions,
  type LoggedKeyStatement,
  type PendingRecovery,
} from "./lib/publisher/key-ledger.ts";
export {
  applyPublisherRules,
  judgePublisher,
  publisherError,
  type PublisherRule,
  type PublisherVerdict,
} from "./lib/publisher/publisher-rule.ts";
