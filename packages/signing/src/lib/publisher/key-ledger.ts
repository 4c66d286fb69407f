import { fingerprint } from "../key-id.ts";
import { portableVerifier, type Verifier } from "../signer.ts";
import { SigningError } from "../signing-error.ts";
import { createTrustPolicy, type TrustPolicy, type TrustedKey } from "../trust.ts";
import { decodeKeyStatement, isSignedBy, type DecodedKeyStatement } from "./key-statement.ts";

const DAY_MS = 86_400_000;
/** How long a recovery waits unless told otherwise: seven days. */
export const RECOVERY_WAIT_MS: number = 7 * DAY_MS;
/** Between what a registry may set it to, in days: shorter, and nobody could object in time; longer, and nobody would wait. */
export const RECOVERY_WAIT_DAYS: { readonly least: number; readonly most: number } = { least: 1, most: 90 };

/** A statement about a key with its place in the log, both verified by the caller. */
export interface LoggedKeyStatement {
  readonly bytes: Uint8Array;
  readonly index: number;
  /** When it was logged, in milliseconds since the epoch. */
  readonly loggedMs: number;
  /** End of a recovery's waiting period, as the log states it; seven days after it was logged where the log does not. */
  readonly effectiveMs?: number | undefined;
}

/** A key of a publisher, and where in the log it is trusted. */
export interface LedgerKey {
  readonly fingerprint: string;
  readonly publicKey: Uint8Array;
  readonly how: "pinned" | "rotation" | "recovery";
  /** Fingerprint of the key that it follows; absent for a pinned one. */
  readonly previous?: string;
  /** Trusted for entries from this index on. */
  readonly fromIndex: number;
  /** Not trusted from this index on; absent while it is in use. */
  readonly untilIndex?: number;
  /** Not trusted for what was logged before; of a recovery, the end of its waiting period. */
  readonly sinceMs?: number;
}

/** A recovery whose waiting period runs. */
export interface PendingRecovery {
  readonly fingerprint: string;
  /** Fingerprint of the key that it is to replace. */
  readonly previous: string;
  readonly index: number;
  /** When it takes effect unless the previous key objects, in milliseconds since the epoch. */
  readonly effectiveMs: number;
}

/** A statement that has no effect, and why. */
export interface IgnoredKeyStatement {
  readonly index: number;
  readonly reason: string;
}

/** What became of a publisher's keys. */
export interface KeyLedger {
  readonly keys: readonly LedgerKey[];
  readonly pending: readonly PendingRecovery[];
  readonly ignored: readonly IgnoredKeyStatement[];
}

/** What {@link replayKeyStatements} needs. */
export interface LedgerOptions {
  /** Keys that trust starts from: pinned in the lock or the trust store. */
  readonly pinned: readonly Uint8Array[];
  /** Statements about the publisher's keys, in any order. */
  readonly statements: readonly LoggedKeyStatement[];
  /**
   * Further keys of the account, as the registry knows them, that can revoke and nothing else: whoever lends them undue
   * weight can take trust away, and give none. A key that was stolen is so revoked by one that nobody had pinned.
   */
  readonly revokers?: readonly Uint8Array[] | undefined;
  /** Origin of the log; statements for another one have no effect. */
  readonly log: string;
  /** Account; statements of another one have no effect. Absent: any. */
  readonly account?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** {@link RECOVERY_WAIT_MS} unless given. */
  readonly recoveryWaitMs?: number | undefined;
  readonly verifier?: Verifier | undefined;
}

interface Entry extends LoggedKeyStatement {
  readonly decoded: DecodedKeyStatement;
}

interface Recovery extends PendingRecovery {
  readonly publicKey: Uint8Array;
}

class Ledger {
  readonly keys = new Map<string, LedgerKey>();
  readonly ignored: IgnoredKeyStatement[] = [];
  readonly #options: LedgerOptions;
  #pending: Recovery[] = [];

  constructor(options: LedgerOptions) {
    this.#options = options;
    for (const publicKey of options.pinned) this.#add({ publicKey, how: "pinned", fromIndex: 0 });
  }

  get pending(): readonly PendingRecovery[] {
    return this.#pending.map(({ publicKey: _key, ...pending }) => pending);
  }

  #add(key: Omit<LedgerKey, "fingerprint">): void {
    const print = fingerprint(key.publicKey);
    this.keys.set(print, { fingerprint: print, ...key });
  }

  #end(print: string, index: number): void {
    const key = this.keys.get(print)!;
    this.keys.set(print, { ...key, untilIndex: Math.min(index, key.untilIndex ?? index) });
  }

  #isActive(print: string, index: number): boolean {
    const key = this.keys.get(print);
    return key !== undefined && key.fromIndex <= index && (key.untilIndex === undefined || index < key.untilIndex);
  }

  #signs(entry: Entry, publicKey: Uint8Array): boolean {
    return isSignedBy(entry.decoded, publicKey, this.#options.verifier ?? portableVerifier);
  }

  #signedByActive(entry: Entry): boolean {
    return [...this.keys.values()].some(
      (key) => this.#isActive(key.fingerprint, entry.index) && this.#signs(entry, key.publicKey),
    );
  }

  #signedByRevoker(entry: Entry): boolean {
    const { revokers = [] } = this.#options;
    // One that the chain itself knows is judged by the chain: replaced keys must not undo their successors.
    return revokers.some((key) => !this.keys.has(fingerprint(key)) && this.#signs(entry, key));
  }

  /** Makes recoveries take effect whose waiting period was over at a time. */
  settle(timeMs: number): void {
    for (const { publicKey, previous, index, effectiveMs } of this.#pending.filter(
      (one) => one.effectiveMs <= timeMs,
    )) {
      this.#end(previous, index);
      this.#add({ publicKey, how: "recovery", previous, fromIndex: index, sinceMs: effectiveMs });
    }
    this.#pending = this.#pending.filter((one) => one.effectiveMs > timeMs);
  }

  /** Applies a statement; a text is why it has no effect. */
  apply(entry: Entry): string | undefined {
    const { statement } = entry.decoded;
    const { log, account } = this.#options;
    if (statement.log !== log) return `it is for the log "${statement.log}"`;
    if (account !== undefined && statement.account !== account) return `it is of the account "${statement.account}"`;
    switch (statement.kind) {
      case "rotation":
        return this.#rotate(entry, statement.key, statement.previous);
      case "recovery":
        return this.#recover(entry, statement.key, statement.previous);
      case "revocation":
        return this.#revoke(entry, statement.key, statement.fromIndex);
    }
  }

  #rotate(entry: Entry, key: Uint8Array, previous: string): string | undefined {
    if (!this.#isActive(previous, entry.index)) return `"${previous}" is not in use there`;
    if (this.keys.has(fingerprint(key))) return "the new key was in use before";
    if (!this.#signs(entry, this.keys.get(previous)!.publicKey)) return "the old key did not sign it";
    // Proof of possession: nobody can make somebody else's key their own.
    if (!this.#signs(entry, key)) return "the new key did not sign it";
    this.#end(previous, entry.index);
    this.#add({ publicKey: key, how: "rotation", previous, fromIndex: entry.index });
    // Whoever has the old key is there, and wants something else than the recovery does.
    this.#pending = this.#pending.filter((one) => one.previous !== previous);
    return undefined;
  }

  #recover(entry: Entry, publicKey: Uint8Array, previous: string): string | undefined {
    if (!this.#isActive(previous, entry.index)) return `"${previous}" is not in use there`;
    const print = fingerprint(publicKey);
    const taken = this.keys.has(print) || this.#pending.some((one) => one.fingerprint === print);
    if (taken) return "the new key was in use before, or is waiting already";
    if (!this.#signs(entry, publicKey)) return "the new key did not sign it";
    const effectiveMs = entry.effectiveMs ?? entry.loggedMs + (this.#options.recoveryWaitMs ?? RECOVERY_WAIT_MS);
    const days = (effectiveMs - entry.loggedMs) / DAY_MS;
    const { least, most } = RECOVERY_WAIT_DAYS;
    // Who has broken into a registry may log what they like; a publisher must have time to see it.
    if (!(days >= least && days <= most)) return `it waits for ${days} days, allowed are ${least} to ${most}`;
    this.#pending.push({ fingerprint: print, publicKey, previous, index: entry.index, effectiveMs });
    return undefined;
  }

  #revoke(entry: Entry, publicKey: Uint8Array, fromIndex: number): string | undefined {
    const print = fingerprint(publicKey);
    // A key that is no longer in use may have been left lying about: it must not undo its successors.
    if (!this.#signedByActive(entry) && !this.#signedByRevoker(entry)) return "no key in use there signed it";
    const waiting = this.#pending.length;
    this.#pending = this.#pending.filter((one) => one.fingerprint !== print);
    if (this.#pending.length < waiting) return undefined;
    if (!this.keys.has(print)) return `"${print}" is no key of this publisher`;
    this.#end(print, fromIndex);
    this.#endSuccessors(entry, print, fromIndex);
    return undefined;
  }

  /** Whoever had a stolen key may have handed it on: what it passed on after the theft goes too, but for who says so. */
  #endSuccessors(entry: Entry, print: string, fromIndex: number): void {
    for (const key of this.keys.values()) {
      const stolen = key.previous === print && key.fromIndex >= fromIndex && !this.#signs(entry, key.publicKey);
      if (!stolen || key.untilIndex === key.fromIndex) continue;
      this.#end(key.fingerprint, key.fromIndex);
      this.#endSuccessors(entry, key.fingerprint, key.fromIndex);
    }
  }
}

function decode(one: LoggedKeyStatement): Entry | IgnoredKeyStatement {
  try {
    return { ...one, decoded: decodeKeyStatement(one.bytes) };
  } catch (error) {
    if (error instanceof SigningError) return { index: one.index, reason: error.message };
    throw error;
  }
}

/**
 * What became of a publisher's keys, by the statements that were logged: rotations take effect where they stand in the
 * log, recoveries after their waiting period unless a key in use revokes them in the meantime, revocations from the index
 * that they name. Statements without effect are listed with the reason.
 */
export function replayKeyStatements(options: LedgerOptions): KeyLedger {
  const ledger = new Ledger(options);
  const sorted = options.statements.toSorted((left, right) => left.index - right.index);
  for (const one of sorted) {
    const entry = decode(one);
    ledger.settle(one.loggedMs);
    const reason = "reason" in entry ? entry.reason : ledger.apply(entry);
    if (reason !== undefined) ledger.ignored.push({ index: one.index, reason });
  }
  ledger.settle(options.nowMs);
  return { keys: [...ledger.keys.values()], pending: ledger.pending, ignored: ledger.ignored };
}

/**
 * The trust policy of a ledger: each key within its part of the log. Verify with `logIndex`.
 * @param options.threshold how many different keys must sign; 1 unless given
 * @throws {SigningError} `SIGNATURE_POLICY_INVALID`
 */
export function ledgerTrust(
  ledger: KeyLedger,
  options: { readonly names?: readonly string[] | undefined; readonly threshold?: number | undefined } = {},
): TrustPolicy {
  const { names, threshold } = options;
  const keys = ledger.keys.map(({ publicKey, fromIndex, untilIndex, sinceMs }): TrustedKey => ({
    publicKey,
    ...(fromIndex === 0 ? {} : { fromIndex }),
    ...(untilIndex === undefined ? {} : { untilIndex }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(names === undefined ? {} : { names }),
  }));
  return createTrustPolicy(keys, { threshold });
}
