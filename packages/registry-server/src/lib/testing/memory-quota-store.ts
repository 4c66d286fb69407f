import type { QuotaLimits, QuotaRecord, QuotaStore } from "../quotas/quota.ts";
import type { AuditEntry } from "../records.ts";

/** The {@link QuotaStore} in memory. */
export class MemoryQuotaStore implements QuotaStore {
  readonly #record: (audit: AuditEntry) => void;
  readonly #limits = new Map<string, QuotaLimits>();

  constructor(record: (audit: AuditEntry) => void) {
    this.#record = record;
  }

  async limits(subjects: readonly string[]): Promise<readonly QuotaRecord[]> {
    return (await this.all()).filter(({ subject }) => subjects.includes(subject));
  }

  async all(): Promise<readonly QuotaRecord[]> {
    const records = [...this.#limits].map(([subject, limits]) => ({ subject, limits }));
    return records.sort((left, right) => (left.subject < right.subject ? -1 : 1));
  }

  async set(subject: string, limits: QuotaLimits | undefined, audit: AuditEntry): Promise<void> {
    if (limits === undefined) this.#limits.delete(subject);
    else this.#limits.set(subject, limits);
    this.#record(audit);
  }
}
