import type { AuditEntry } from "../records.ts";
import type { OpenOutcome, UploadResult, UploadSession, UploadSessionStore } from "../uploads/upload-store.ts";

/** The {@link UploadSessionStore} in memory. */
export class MemoryUploadSessionStore implements UploadSessionStore {
  readonly #record: (audit: AuditEntry) => void;
  readonly #sessions = new Map<string, UploadSession>();

  constructor(record: (audit: AuditEntry) => void) {
    this.#record = record;
  }

  #open(now: number): UploadSession[] {
    return [...this.#sessions.values()].filter(({ expires, result }) => expires >= now && result === undefined);
  }

  async open(
    upload: UploadSession,
    limits: { readonly open: number; readonly now: number },
    audit: AuditEntry,
  ): Promise<OpenOutcome> {
    const declared = JSON.stringify(upload.declared);
    const own = this.#open(limits.now).filter(({ accountId }) => accountId === upload.accountId);
    const known = own.find((other) => other.tree === upload.tree && JSON.stringify(other.declared) === declared);
    if (known !== undefined) {
      const session = { ...known, expires: Math.max(known.expires, upload.expires) };
      this.#sessions.set(known.id, session);
      return { status: "known", session };
    }
    if (own.length >= limits.open) return { status: "too-many", found: own.length };
    this.#sessions.set(upload.id, upload);
    this.#record(audit);
    return { status: "created", session: upload };
  }

  async session(id: string): Promise<UploadSession | undefined> {
    return this.#sessions.get(id);
  }

  async prolong(id: string, expires: number): Promise<void> {
    const known = this.#sessions.get(id);
    if (known !== undefined) this.#sessions.set(id, { ...known, expires: Math.max(known.expires, expires) });
  }

  async finish(id: string, result: UploadResult): Promise<void> {
    const known = this.#sessions.get(id);
    if (known !== undefined) this.#sessions.set(id, { result, ...known });
  }

  async end(id: string, expires: number, audit: AuditEntry): Promise<boolean> {
    const known = this.#sessions.get(id);
    if (known === undefined || known.expires <= expires) return false;
    this.#sessions.set(id, { ...known, expires });
    this.#record(audit);
    return true;
  }

  async remove(id: string, audit: AuditEntry): Promise<boolean> {
    if (!this.#sessions.delete(id)) return false;
    this.#record(audit);
    return true;
  }

  async expired(now: number, limit: number): Promise<readonly string[]> {
    const old = [...this.#sessions.values()].filter(({ expires }) => expires < now);
    return old
      .sort((left, right) => left.expires - right.expires)
      .slice(0, limit)
      .map(({ id }) => id);
  }
}
