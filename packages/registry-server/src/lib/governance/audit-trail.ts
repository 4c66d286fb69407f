import { createHash } from "node:crypto";
import type { AuditEntry } from "../records.ts";

/** Which records of the audit trail. */
export interface AuditFilter {
  readonly actor?: string;
  readonly action?: string;
  readonly package?: string;
  /** Milliseconds since the epoch, included. */
  readonly since?: number;
  readonly until?: number;
}

/** What a record says, with its details in the JSON text that is stored. */
export interface AuditContent extends Omit<AuditEntry, "details"> {
  readonly details: string;
}

/** A record with its place in the chain. */
export interface ChainedRecord extends AuditContent {
  readonly id: number;
  /** Hash of the record before it, {@link CHAIN_START} for the first; absent where the server never chained the record. */
  readonly previous?: string;
  /** {@link chainHash} of the record; absent as `previous` is, empty where a release without a chain wrote it and it is chained by the next write. */
  readonly hash?: string;
}

/** Where the audit trail ends. */
export interface AuditHead {
  /** Number of the last record. */
  readonly record: number;
  /** Its hash, in hexadecimal. */
  readonly hash: string;
}

/** A head that the log states. */
export interface SealedHead extends AuditHead {
  /** Index of the log's entry. */
  readonly leaf: number;
}

/** What the chain begins with. */
export const CHAIN_START: string = "0".repeat(64);

/** The audit trail as a chain; records are added by the transactions that they tell of. */
export interface AuditTrailStore {
  /** Records with numbers above `after`, oldest first, at most `limit`. */
  records(filter: AuditFilter, after: number, limit: number): Promise<readonly ChainedRecord[]>;
  /** Number of the record with a hash. */
  recordOf(hash: string): Promise<number | undefined>;
  /**
   * States the trail's head in the log, where a record was added since the last one that was stated and that is
   * `intervalMs` ago (since the first record, where none was); else `undefined`. Of several servers that call it at once,
   * one does.
   */
  seal(options: { readonly at: number; readonly intervalMs: number }): Promise<SealedHead | undefined>;
}

function wellFormed(text: string): string {
  return text.replaceAll(/\p{Surrogate}/gu, "\u{fffd}");
}

/** The record's content as the store keeps it: text without lone surrogates, which no database keeps. */
export function auditContent(entry: AuditEntry): AuditContent {
  const { at, actor, action, package: name, version, details, traceId, address } = entry;
  return {
    at,
    actor: wellFormed(actor),
    action: wellFormed(action),
    ...(name === undefined ? {} : { package: wellFormed(name) }),
    ...(version === undefined ? {} : { version: wellFormed(version) }),
    details: JSON.stringify(details),
    ...(traceId === undefined ? {} : { traceId: wellFormed(traceId) }),
    ...(address === undefined ? {} : { address: wellFormed(address) }),
  };
}

/**
 * Hash of a record and, by that of the one before it, of all before: SHA-256 in hexadecimal of the JSON array
 * `["lading-audit/1", previous, at, actor, action, package, version, details, traceId, address]`, `null` for what is absent
 * (docs/spec/log.md §6).
 */
export function chainHash(previous: string, content: AuditContent): string {
  const { at, actor, action, package: name, version, details, traceId, address } = content;
  const optional = (text: string | undefined): string | null => text ?? null;
  const fields = [
    "lading-audit/1",
    previous,
    at,
    actor,
    action,
    optional(name),
    optional(version),
    details,
    optional(traceId),
    optional(address),
  ];
  return createHash("sha256").update(JSON.stringify(fields)).digest("hex");
}

/** Whether a head is to be stated: something was added, and the last one is old enough. */
export function isSealDue(
  state: { readonly last: AuditHead | undefined; readonly sealed: AuditHead | undefined; readonly sinceMs: number },
  { at, intervalMs }: { readonly at: number; readonly intervalMs: number },
): boolean {
  const { last, sealed, sinceMs } = state;
  return last !== undefined && last.record !== sealed?.record && at - sinceMs >= intervalMs;
}

const BATCH = 1000;

/** Every record that a filter names, oldest first, with few of them in memory. */
export async function* auditRecords(trail: AuditTrailStore, filter: AuditFilter = {}): AsyncGenerator<ChainedRecord> {
  for (let after = 0; ;) {
    const records = await trail.records(filter, after, BATCH);
    yield* records;
    const last = records.at(-1);
    if (last === undefined) return;
    after = last.id;
  }
}
