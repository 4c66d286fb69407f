import { parseDigest } from "@lading/core-manifest";
import { SigningError, keyIdOf, parsePublicKey, type Verifier } from "@lading/signing";
import {
  RECOVERY_WAIT_MS,
  decodeKeyStatement,
  replayKeyStatements,
  type DecodedKeyStatement,
  type KeyLedger,
  type KeyStatement,
} from "@lading/signing/publisher";
import { createHash } from "node:crypto";
import type { AccountKeys, Clock } from "../ports.ts";
import type { Account, KeyRecord, KeyStatementRecord } from "../records.ts";
import { RegistryError } from "../registry-error.ts";

const DAY_MS = 86_400_000;
/** Days that a recovery waits unless the registry says otherwise. */
export const RECOVERY_DAYS: number = RECOVERY_WAIT_MS / DAY_MS;

/**
 * Where a key of a publisher stands. `pending`: its waiting period runs. `replaced`: another took its place by rotation or
 * recovery. `lapsed`: a recovery that never took effect.
 */
export type KeyState = "active" | "pending" | "replaced" | "revoked" | "lapsed";

/** A key of a publisher, as everybody may see it. */
export interface PublisherKey {
  readonly record: KeyRecord;
  readonly state: KeyState;
  readonly previous?: string;
  /** Trusted for entries of the log from this index on; absent for a key that never came into use. */
  readonly fromIndex?: number;
  /** Not trusted from this index on. */
  readonly untilIndex?: number;
  /** End of the waiting period of a recovery. */
  readonly effective?: number;
}

/** What keys are judged by. */
export interface KeyContext {
  /** Origin of the log. */
  readonly log: string;
  readonly now: number;
  readonly verifier?: Verifier | undefined;
}

/** What a registry judges keys by at this moment. */
export function keyContext({
  trust,
  clock,
}: {
  readonly trust: { readonly origin: string; readonly verifier: Verifier | undefined } | undefined;
  readonly clock: Clock;
}): KeyContext {
  return { log: trust?.origin ?? "", now: clock.now(), verifier: trust?.verifier };
}

type Known = Pick<AccountKeys, "keys" | "statements">;

function ledgerOf({ keys, statements }: Known, { log, now, verifier }: KeyContext): KeyLedger {
  return replayKeyStatements({
    // A key that a statement brought is worth what the statement is worth; those registered by hand begin the chain.
    pinned: keys.filter(({ origin }) => origin === undefined).map(({ pem }) => parsePublicKey(pem).publicKey),
    statements: statements.map(({ bytes, leaf, logged, effective }) => ({
      bytes,
      index: leaf,
      loggedMs: logged,
      effectiveMs: effective,
    })),
    log,
    nowMs: now,
    verifier,
  });
}

function stateOf(ledger: KeyLedger, print: string): KeyState {
  if (ledger.pending.some(({ fingerprint }) => fingerprint === print)) return "pending";
  const key = ledger.keys.find(({ fingerprint }) => fingerprint === print);
  if (key === undefined) return "lapsed";
  if (key.untilIndex === undefined) return "active";
  const follows = ledger.keys.some(({ previous, fromIndex }) => previous === print && fromIndex === key.untilIndex);
  return follows ? "replaced" : "revoked";
}

/** What became of an account's keys by what was logged about them. */
export function publisherKeys(known: Known, context: KeyContext): readonly PublisherKey[] {
  if (known.statements.length === 0) {
    return known.keys.map((record) => ({ record, state: "active", fromIndex: 0 }));
  }
  const ledger = ledgerOf(known, context);
  return known.keys.map((record): PublisherKey => {
    const key = ledger.keys.find(({ fingerprint }) => fingerprint === record.fingerprint);
    const waiting = ledger.pending.find(({ fingerprint }) => fingerprint === record.fingerprint);
    const previous = key?.previous ?? waiting?.previous;
    const effective = waiting?.effectiveMs ?? key?.sinceMs;
    return {
      record,
      state: stateOf(ledger, record.fingerprint),
      ...(previous === undefined ? {} : { previous }),
      ...(key === undefined ? {} : { fromIndex: key.fromIndex }),
      ...(key?.untilIndex === undefined ? {} : { untilIndex: key.untilIndex }),
      ...(effective === undefined ? {} : { effective }),
    };
  });
}

/** Whether a signature by a key counts in an entry of the log. */
export function isTrustedAt({ fromIndex, untilIndex }: PublisherKey, leaf: number): boolean {
  return fromIndex !== undefined && leaf >= fromIndex && leaf < (untilIndex ?? Number.POSITIVE_INFINITY);
}

function refused(problem: string, reason: string, cause?: unknown): RegistryError {
  return new RegistryError({
    code: "KEY_STATEMENT_REFUSED",
    message: `Cannot take the statement about a key: ${problem}`,
    hint: "A rotation is signed by the old and the new key, a recovery by the new one, a revocation by a key in use",
    reason,
    ...(cause === undefined ? {} : { cause }),
  });
}

function read(bytes: Uint8Array): DecodedKeyStatement {
  try {
    return decodeKeyStatement(bytes);
  } catch (error) {
    if (error instanceof SigningError) throw refused(error.message, error.code, error);
    throw error;
  }
}

/** A statement that was read, and what taking it means. */
export interface StatementDraft {
  readonly statement: KeyStatement;
  readonly record: Omit<KeyStatementRecord, "leaf">;
  /** Fingerprints that its signatures carry. */
  readonly signers: readonly string[];
}

/**
 * Reads a statement about a key of `account`, taken in now.
 * @param waitDays how long a recovery waits
 * @throws {RegistryError} `KEY_STATEMENT_REFUSED`
 */
export function draftStatement(
  bytes: Uint8Array,
  account: Account,
  { now, waitDays = RECOVERY_DAYS }: { readonly now: number; readonly waitDays?: number | undefined },
): StatementDraft {
  const { statement, envelope } = read(bytes);
  if (statement.account !== account.username) {
    throw refused(`it is of the account "${statement.account}", you are "${account.username}"`, "ACCOUNT");
  }
  // The log states whole seconds, and clients reckon with what the log states.
  const logged = Math.floor(now / 1000) * 1000;
  const record = {
    accountId: account.id,
    account: account.username,
    kind: statement.kind,
    key: `ed25519:${keyIdOf(statement.key)}`,
    ...(statement.kind === "revocation" ? { fromIndex: statement.fromIndex } : { previous: statement.previous }),
    ...(statement.kind === "recovery" ? { effective: logged + waitDays * DAY_MS } : {}),
    statement: parseDigest(`sha256:${createHash("sha256").update(bytes).digest("hex")}`),
    bytes,
    logged,
  };
  return { statement, record, signers: envelope.signatures.map(({ keyid }) => `ed25519:${keyid}`) };
}

/**
 * Refuses what would have no effect at its place in the log: clients replay the same statements by the same rules.
 * @throws {RegistryError} `KEY_STATEMENT_REFUSED`
 */
export function checkEffect(draft: StatementDraft, current: AccountKeys, context: KeyContext): void {
  const { record, statement } = draft;
  if (statement.kind === "revocation" && statement.fromIndex > current.next) {
    throw refused(`it revokes from entry ${statement.fromIndex} on, the log has ${current.next}`, "INDEX");
  }
  const trial = { ...record, leaf: current.next };
  const ledger = ledgerOf({ keys: current.keys, statements: [...current.statements, trial] }, context);
  const ignored = ledger.ignored.find(({ index }) => index === current.next);
  if (ignored !== undefined) throw refused(ignored.reason, "NO_EFFECT");
}
