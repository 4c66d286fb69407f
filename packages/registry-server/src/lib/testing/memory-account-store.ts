import type { CanonicalName } from "@lading/core-manifest";
import type { AccountStore, DeletionOutcome } from "../identity/account-store.ts";
import type { Account, AuditEntry, SessionRecord, TokenRecord } from "../records.ts";

/** What the end of an account needs of the rest of the store. */
export interface PersonalThings {
  readonly accounts: Map<string, Account>;
  readonly sessions: Map<string, SessionRecord>;
  readonly tokens: Map<string, TokenRecord>;
  readonly record: (audit: AuditEntry) => void;
  /** Packages of the account with the number of their owners, teams among them. */
  readonly owned: (accountId: string) => readonly { readonly canonical: CanonicalName; readonly owners: number }[];
  readonly disown: (account: Account, audit: AuditEntry) => void;
  /** Organisations that the account is the last owner of. */
  readonly ledBy: (accountId: string) => readonly string[];
  readonly replaceRecoveryCodes: (accountId: string, hashes: readonly string[]) => boolean;
  /** Forgets second factors, groups, memberships, trusted publishers and open requests, and rejects open reviews. */
  readonly forget: (accountId: string, audit: AuditEntry) => void;
}

/** The {@link AccountStore} in memory. */
export class MemoryAccountStore implements AccountStore {
  readonly #things: PersonalThings;

  constructor(things: PersonalThings) {
    this.#things = things;
  }

  #open(accountId: string, now: number): SessionRecord[] {
    return [...this.#things.sessions.values()]
      .filter((session) => session.accountId === accountId && session.expires > now)
      .sort((left, right) => right.created - left.created || (left.id < right.id ? -1 : 1));
  }

  #end(accountId: string, { at, id, except }: { at: number; id?: string; except?: string }): readonly string[] {
    const ended = this.#open(accountId, at)
      .map((session) => session.id)
      .filter((known) => (id === undefined || known === id) && known !== except);
    for (const known of ended) this.#things.sessions.delete(known);
    return ended.sort();
  }

  async sessionsOf(accountId: string, now: number): Promise<readonly SessionRecord[]> {
    return this.#open(accountId, now);
  }

  async endSessions(
    accountId: string,
    which: { readonly id: string } | { readonly except?: string },
    audit: AuditEntry,
  ): Promise<readonly string[]> {
    const ended = this.#end(accountId, { at: audit.at, ...which });
    if (ended.length > 0) this.#things.record(audit);
    return ended;
  }

  async changePassword(
    accountId: string,
    { passwordHash, keep }: { readonly passwordHash: string; readonly keep?: string },
    audit: AuditEntry,
  ): Promise<readonly string[]> {
    const { accounts, record } = this.#things;
    const account = accounts.get(accountId);
    if (account !== undefined && account.deleted === undefined) accounts.set(accountId, { ...account, passwordHash });
    const ended = this.#end(accountId, { at: audit.at, ...(keep === undefined ? {} : { except: keep }) });
    record(audit);
    return ended;
  }

  async replaceRecoveryCodes(accountId: string, hashes: readonly string[], audit: AuditEntry): Promise<boolean> {
    if (!this.#things.replaceRecoveryCodes(accountId, hashes)) return false;
    this.#things.record(audit);
    return true;
  }

  // No await between reading and writing: the check and the end are one step.
  async deleteAccount(accountId: string, audit: AuditEntry): Promise<DeletionOutcome> {
    const { accounts, tokens, owned, disown, ledBy, forget, record } = this.#things;
    const alone = owned(accountId).filter(({ owners }) => owners === 1);
    const admins = [...accounts.values()].filter(({ admin }) => admin);
    const needs = {
      packages: alone.map(({ canonical }) => canonical).sort(),
      organisations: [...ledBy(accountId)].sort(),
      lastAdmin: admins.length === 1 && admins[0]!.id === accountId,
    };
    if (needs.packages.length > 0 || needs.organisations.length > 0 || needs.lastAdmin)
      return { status: "needed", needs };
    const { email: _, origin: _origin, ...account } = accounts.get(accountId)!;
    disown(account, audit);
    forget(accountId, audit);
    const revoked = [...tokens.values()].filter((token) => token.accountId === accountId);
    for (const { id } of revoked) tokens.delete(id);
    const sessions = this.#end(accountId, { at: audit.at });
    accounts.set(accountId, { ...account, passwordHash: "", admin: false, deleted: audit.at });
    record(audit);
    return { status: "deleted", ended: { sessions, tokens: revoked.map(({ hash }) => hash).sort() } };
  }
}
