import {
  CHAIN_START,
  auditContent,
  chainHash,
  isSealDue,
  type AuditFilter,
  type AuditTrailStore,
  type ChainedRecord,
  type SealedHead,
} from "../governance/audit-trail.ts";
import type { AuditEntry } from "../records.ts";
import { auditHeadEntry } from "../trust/log-entries.ts";

/** Whether a filter names a record. */
export function isFiltered(
  record: Pick<AuditEntry, "at" | "actor" | "action" | "package">,
  { actor, action, package: name, since, until }: AuditFilter,
): boolean {
  return (
    (actor === undefined || record.actor === actor) &&
    (action === undefined || record.action === action) &&
    (name === undefined || record.package === name) &&
    (since === undefined || record.at >= since) &&
    (until === undefined || record.at <= until)
  );
}

/** The {@link AuditTrailStore} in memory. */
export class MemoryAuditTrailStore implements AuditTrailStore {
  readonly #records: (ChainedRecord & { readonly hash: string })[] = [];
  readonly #log: (entry: Uint8Array) => number;
  #sealed: (SealedHead & { readonly at: number }) | undefined;

  /** `log` appends an entry to the log and tells its index. */
  constructor(log: (entry: Uint8Array) => number) {
    this.#log = log;
  }

  /** Chains a record. */
  record(entry: AuditEntry): void {
    const content = auditContent(entry);
    const previous = this.#records.at(-1)?.hash ?? CHAIN_START;
    this.#records.push({ id: this.#records.length + 1, ...content, previous, hash: chainHash(previous, content) });
  }

  async records(filter: AuditFilter, after: number, limit: number): Promise<readonly ChainedRecord[]> {
    return this.#records.filter((record) => record.id > after && isFiltered(record, filter)).slice(0, limit);
  }

  async recordOf(hash: string): Promise<number | undefined> {
    return this.#records.find((record) => record.hash === hash)?.id;
  }

  async seal(options: { readonly at: number; readonly intervalMs: number }): Promise<SealedHead | undefined> {
    const newest = this.#records.at(-1);
    const last = newest && { record: newest.id, hash: newest.hash };
    const sinceMs = this.#sealed?.at ?? this.#records[0]?.at ?? 0;
    if (last === undefined || !isSealDue({ last, sealed: this.#sealed, sinceMs }, options)) return undefined;
    const sealed = { leaf: this.#log(auditHeadEntry(last, options.at)), ...last };
    this.#sealed = { ...sealed, at: options.at };
    return sealed;
  }
}
