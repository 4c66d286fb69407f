import type { CanonicalName } from "@lading/core-manifest";
import { sql, type Kysely, type Transaction } from "kysely";
import { ACCOUNT_DELETED, OPEN_STATES } from "../governance/review-store.ts";
import type { AccountNeeds, AccountStore, DeletionOutcome, EndedCredentials } from "../identity/account-store.ts";
import type { AuditEntry, SessionRecord } from "../records.ts";
import { ownerEntry } from "../trust/log-entries.ts";
import { record } from "./sql-audit.ts";
import type { SqlEngine } from "./sql-engine.ts";
import { appendEntry } from "./sql-packages.ts";
import type { Tables } from "./sql-schema.ts";

type Session = Kysely<Tables> | Transaction<Tables>;

async function endIn(
  session: Session,
  accountId: string,
  { at, id, except }: { readonly at: number; readonly id?: string; readonly except?: string },
): Promise<readonly string[]> {
  const rows = await session
    .updateTable("sessions")
    .set({ ended: at })
    .where("account_id", "=", accountId)
    .where("ended", "is", null)
    .where("expires", ">", at)
    .$if(id !== undefined, (query) => query.where("id", "=", id!))
    .$if(except !== undefined, (query) => query.where("id", "!=", except!))
    .returning("id")
    .execute();
  return rows.map((row) => row.id).sort();
}

interface OwnedRow {
  readonly id: number;
  readonly canonical: string;
  readonly owners: number;
}

/** Packages of the account with the number of their owners, teams among them. */
async function ownedBy(session: Session, accountId: string): Promise<readonly OwnedRow[]> {
  const { rows } = await sql<OwnedRow>`select packages.id, packages.canonical,
      (select count(*) from owners as all_owners where all_owners.package_id = packages.id)
      + (select count(*) from owner_teams where owner_teams.package_id = packages.id) as owners
    from packages inner join owners on owners.package_id = packages.id
    where owners.account_id = ${accountId} order by packages.canonical`.execute(session);
  return rows;
}

async function organisationsLedBy(session: Session, accountId: string): Promise<readonly string[]> {
  const rows = await session
    .selectFrom("organisation_members as own")
    .innerJoin("organisations", "organisations.id", "own.organisation_id")
    .select("organisations.name")
    .where("own.account_id", "=", accountId)
    .where("own.role", "=", "owner")
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom("organisation_members as others")
            .select("others.account_id")
            .whereRef("others.organisation_id", "=", "own.organisation_id")
            .where("others.role", "=", "owner")
            .where("others.account_id", "!=", accountId),
        ),
      ),
    )
    .execute();
  return rows.map(({ name }) => name).sort();
}

async function isLastAdmin(session: Session, accountId: string): Promise<boolean> {
  const admins = await session
    .selectFrom("accounts")
    .select("id")
    .where("admin", "=", 1)
    .where("deleted", "is", null)
    .execute();
  return admins.length === 1 && admins[0]!.id === accountId;
}

async function needsOf(session: Session, accountId: string, owned: readonly OwnedRow[]): Promise<AccountNeeds> {
  const alone = owned.filter(({ owners }) => owners === 1).map(({ canonical }) => canonical as CanonicalName);
  return {
    packages: alone.sort(),
    organisations: await organisationsLedBy(session, accountId),
    lastAdmin: await isLastAdmin(session, accountId),
  };
}

async function disown(session: Session, accountId: string, owned: readonly OwnedRow[], audit: AuditEntry) {
  const { username } = await session
    .selectFrom("accounts")
    .select("username")
    .where("id", "=", accountId)
    .executeTakeFirstOrThrow();
  await session.deleteFrom("owners").where("account_id", "=", accountId).execute();
  for (const { canonical } of owned)
    await appendEntry(session, ownerEntry("remove", canonical as CanonicalName, username, audit));
}

/** What is only an account's own, and what only counts while it acts. */
const OF_ACCOUNT = [
  "second_factors",
  "recovery_codes",
  "passkeys",
  "account_groups",
  "trusted_publishers",
  "team_members",
  "organisation_members",
] as const satisfies readonly (keyof Tables)[];

async function closeRequests(session: Session, accountId: string, { at, actor }: AuditEntry): Promise<void> {
  await session
    .updateTable("reviews")
    .set({ state: "rejected", decided_by: actor, reason: ACCOUNT_DELETED, updated: at })
    .where("account_id", "=", accountId)
    .where("state", "in", OPEN_STATES)
    .execute();
  await session
    .updateTable("invitations")
    .set({ state: "revoked" })
    .where("account_id", "=", accountId)
    .where("state", "=", "open")
    .execute();
  await session
    .updateTable("package_transfers")
    .set({ state: "withdrawn" })
    .where((eb) => eb.or([eb("account_id", "=", accountId), eb("sender_id", "=", accountId)]))
    .where("state", "=", "open")
    .execute();
  await session
    .updateTable("name_claims")
    .set({ state: "withdrawn", decided: at })
    .where("account_id", "=", accountId)
    .where("state", "=", "open")
    .execute();
}

async function endCredentials(session: Session, accountId: string, at: number): Promise<EndedCredentials> {
  const tokens = await session
    .updateTable("tokens")
    .set({ revoked: at })
    .where("account_id", "=", accountId)
    .where("revoked", "is", null)
    .returning("hash")
    .execute();
  return { sessions: await endIn(session, accountId, { at }), tokens: tokens.map(({ hash }) => hash).sort() };
}

/** The {@link AccountStore} over SQL. */
export class SqlAccountStore implements AccountStore {
  readonly #engine: SqlEngine;

  constructor(engine: SqlEngine) {
    this.#engine = engine;
  }

  async sessionsOf(accountId: string, now: number): Promise<readonly SessionRecord[]> {
    const rows = await this.#engine.db
      .selectFrom("sessions")
      .selectAll()
      .where("account_id", "=", accountId)
      .where("ended", "is", null)
      .where("expires", ">", now)
      .orderBy("created", "desc")
      .orderBy("id")
      .execute();
    return rows.map((row) => ({ id: row.id, accountId: row.account_id, created: row.created, expires: row.expires }));
  }

  async endSessions(
    accountId: string,
    which: { readonly id: string } | { readonly except?: string },
    audit: AuditEntry,
  ): Promise<readonly string[]> {
    return this.#engine.write(async (session) => {
      const ended = await endIn(session, accountId, { at: audit.at, ...which });
      if (ended.length > 0) await record(session, audit);
      return ended;
    });
  }

  async changePassword(
    accountId: string,
    { passwordHash, keep }: { readonly passwordHash: string; readonly keep?: string },
    audit: AuditEntry,
  ): Promise<readonly string[]> {
    return this.#engine.write(async (session) => {
      await session
        .updateTable("accounts")
        .set({ password_hash: passwordHash })
        .where("id", "=", accountId)
        .where("deleted", "is", null)
        .execute();
      const except = keep === undefined ? {} : { except: keep };
      const ended = await endIn(session, accountId, { at: audit.at, ...except });
      await record(session, audit);
      return ended;
    });
  }

  async replaceRecoveryCodes(accountId: string, hashes: readonly string[], audit: AuditEntry): Promise<boolean> {
    return this.#engine.write(async (session) => {
      const factor = await session
        .selectFrom("second_factors")
        .select("confirmed")
        .where("account_id", "=", accountId)
        .executeTakeFirst();
      if (factor?.confirmed !== 1) return false;
      await session.deleteFrom("recovery_codes").where("account_id", "=", accountId).execute();
      for (const hash of hashes)
        await session.insertInto("recovery_codes").values({ account_id: accountId, hash }).execute();
      await record(session, audit);
      return true;
    });
  }

  async deleteAccount(accountId: string, audit: AuditEntry): Promise<DeletionOutcome> {
    return this.#engine.write(async (session): Promise<DeletionOutcome> => {
      const owned = await ownedBy(session, accountId);
      const needs = await needsOf(session, accountId, owned);
      if (needs.packages.length > 0 || needs.organisations.length > 0 || needs.lastAdmin)
        return { status: "needed", needs };
      await disown(session, accountId, owned, audit);
      await closeRequests(session, accountId, audit);
      for (const table of OF_ACCOUNT) await session.deleteFrom(table).where("account_id", "=", accountId).execute();
      const ended = await endCredentials(session, accountId, audit.at);
      await session
        .updateTable("accounts")
        .set({ password_hash: "", email: null, admin: 0, origin: null, subject: null, deleted: audit.at })
        .where("id", "=", accountId)
        .execute();
      await record(session, audit);
      return { status: "deleted", ended };
    });
  }
}
