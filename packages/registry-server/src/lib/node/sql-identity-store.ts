import type { Kysely, Selectable, Transaction } from "kysely";
import type { ExternalUser } from "../identity/external-user.ts";
import type { IdentityStore, SecondFactor } from "../identity/identity-store.ts";
import type { Passkey } from "../identity/passkey.ts";
import type { TrustedPublisher } from "../identity/trusted-publisher.ts";
import type { Account, AuditEntry } from "../records.ts";
import { record } from "./sql-audit.ts";
import type { SqlEngine } from "./sql-engine.ts";
import { present, toAccount } from "./sql-rows.ts";
import type { Tables } from "./sql-schema.ts";

type Session = Kysely<Tables> | Transaction<Tables>;

async function groupsIn(session: Session, accountId: string): Promise<string[]> {
  const rows = await session.selectFrom("account_groups").select("name").where("account_id", "=", accountId).execute();
  return rows.map(({ name }) => name).sort();
}

async function putGroups(session: Session, accountId: string, groups: readonly string[]): Promise<void> {
  await session.deleteFrom("account_groups").where("account_id", "=", accountId).execute();
  if (groups.length === 0) return;
  const rows = groups.map((name) => ({ account_id: accountId, name }));
  await session.insertInto("account_groups").values(rows).execute();
}

async function createExternal(
  session: Session,
  user: ExternalUser,
  { id, at }: { readonly id: string; readonly at: number },
): Promise<Account | "name-taken"> {
  const folded = user.username.toLowerCase();
  const taken = await session
    .selectFrom("accounts")
    .select("id")
    .where("username_folded", "=", folded)
    .executeTakeFirst();
  if (taken !== undefined) return "name-taken";
  const row = await session
    .insertInto("accounts")
    .values({
      id,
      username: user.username,
      username_folded: folded,
      email: user.email ?? null,
      password_hash: "",
      admin: user.admin ? 1 : 0,
      created: at,
      origin: user.origin,
      subject: user.subject,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  await putGroups(session, id, user.groups);
  return toAccount(row);
}

/** Whether anything about the person changed, and was changed with it. */
async function refreshExternal(
  session: Session,
  row: Selectable<Tables["accounts"]>,
  user: ExternalUser,
): Promise<boolean> {
  const groups = [...user.groups].sort();
  const admin = user.admin ? 1 : 0;
  const email = user.email ?? null;
  const sameGroups = JSON.stringify(await groupsIn(session, row.id)) === JSON.stringify(groups);
  if (sameGroups && row.admin === admin && row.email === email) return false;
  await session.updateTable("accounts").set({ admin, email }).where("id", "=", row.id).execute();
  if (!sameGroups) await putGroups(session, row.id, groups);
  return true;
}

function toPublisher(row: Selectable<Tables["trusted_publishers"]> & { readonly username: string }): TrustedPublisher {
  return {
    id: row.id,
    package: row.canonical,
    issuer: row.issuer,
    claims: JSON.parse(row.claims) as Record<string, string>,
    accountId: row.account_id,
    account: row.username,
    created: row.created,
  };
}

function toPasskey(row: Selectable<Tables["passkeys"]>): Passkey {
  return {
    id: row.id,
    accountId: row.account_id,
    name: row.name,
    publicKey: row.public_key,
    counter: row.counter,
    transports: JSON.parse(row.transports) as string[],
    created: row.created,
    ...present({ lastUsed: row.last_used }),
  };
}

function publisherRows(session: Session) {
  return session
    .selectFrom("trusted_publishers")
    .innerJoin("accounts", "accounts.id", "trusted_publishers.account_id")
    .selectAll("trusted_publishers")
    .select("accounts.username")
    .orderBy("trusted_publishers.created")
    .orderBy("trusted_publishers.id");
}

/** Claims in one form, so that equal ones are one text. */
function claimsText(claims: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(claims).sort(([left], [right]) => (left < right ? -1 : 1))));
}

/** The {@link IdentityStore} over SQL. */
export class SqlIdentityStore implements IdentityStore {
  readonly #engine: SqlEngine;

  constructor(engine: SqlEngine) {
    this.#engine = engine;
  }

  async externalAccount(user: ExternalUser, id: string, audit: AuditEntry): Promise<Account | "name-taken"> {
    return this.#engine.write(async (session) => {
      const row = await session
        .selectFrom("accounts")
        .selectAll()
        .where("origin", "=", user.origin)
        .where("subject", "=", user.subject)
        .executeTakeFirst();
      if (row === undefined) {
        const created = await createExternal(session, user, { id, at: audit.at });
        if (created !== "name-taken") await record(session, { ...audit, action: "account.create" });
        return created;
      }
      if (await refreshExternal(session, row, user)) await record(session, { ...audit, action: "account.update" });
      const now = await session.selectFrom("accounts").selectAll().where("id", "=", row.id).executeTakeFirstOrThrow();
      return toAccount(now);
    });
  }

  async groupsOf(accountId: string): Promise<readonly string[]> {
    return groupsIn(this.#engine.db, accountId);
  }

  async secondFactor(accountId: string): Promise<SecondFactor | undefined> {
    const { db } = this.#engine;
    const row = await db
      .selectFrom("second_factors")
      .selectAll()
      .where("account_id", "=", accountId)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const codes = await db.selectFrom("recovery_codes").select("hash").where("account_id", "=", accountId).execute();
    return {
      secret: row.secret,
      confirmed: row.confirmed !== 0,
      lastStep: row.last_step,
      recoveryCodes: codes.length,
    };
  }

  async enrolSecondFactor(accountId: string, secret: string, audit: AuditEntry): Promise<"started" | "exists"> {
    return this.#engine.write(async (session) => {
      const known = await session
        .selectFrom("second_factors")
        .select("confirmed")
        .where("account_id", "=", accountId)
        .executeTakeFirst();
      if (known?.confirmed === 1) return "exists";
      await session.deleteFrom("second_factors").where("account_id", "=", accountId).execute();
      await session
        .insertInto("second_factors")
        .values({ account_id: accountId, secret, confirmed: 0, last_step: 0 })
        .execute();
      await record(session, audit);
      return "started";
    });
  }

  async confirmSecondFactor(
    accountId: string,
    confirmation: { readonly step: number; readonly recoveryCodes: readonly string[] },
    audit: AuditEntry,
  ): Promise<boolean> {
    return this.#engine.write(async (session) => {
      const row = await session
        .updateTable("second_factors")
        .set({ confirmed: 1, last_step: confirmation.step })
        .where("account_id", "=", accountId)
        .where("confirmed", "=", 0)
        .returning("account_id")
        .executeTakeFirst();
      if (row === undefined) return false;
      await session.deleteFrom("recovery_codes").where("account_id", "=", accountId).execute();
      for (const hash of confirmation.recoveryCodes)
        await session.insertInto("recovery_codes").values({ account_id: accountId, hash }).execute();
      await record(session, audit);
      return true;
    });
  }

  async removeSecondFactor(accountId: string, audit: AuditEntry): Promise<boolean> {
    return this.#engine.write(async (session) => {
      const row = await session
        .deleteFrom("second_factors")
        .where("account_id", "=", accountId)
        .returning("account_id")
        .executeTakeFirst();
      if (row === undefined) return false;
      await session.deleteFrom("recovery_codes").where("account_id", "=", accountId).execute();
      await record(session, audit);
      return true;
    });
  }

  async useStep(accountId: string, step: number): Promise<boolean> {
    return this.#engine.write(async (session) => {
      const row = await session
        .updateTable("second_factors")
        .set({ last_step: step })
        .where("account_id", "=", accountId)
        .where("last_step", "<", step)
        .returning("account_id")
        .executeTakeFirst();
      return row !== undefined;
    });
  }

  async useRecoveryCode(accountId: string, hash: string, audit: AuditEntry): Promise<boolean> {
    return this.#engine.write(async (session) => {
      const row = await session
        .deleteFrom("recovery_codes")
        .where("account_id", "=", accountId)
        .where("hash", "=", hash)
        .returning("hash")
        .executeTakeFirst();
      if (row === undefined) return false;
      await record(session, audit);
      return true;
    });
  }

  async passkeysOf(accountId: string): Promise<readonly Passkey[]> {
    const rows = await this.#engine.db
      .selectFrom("passkeys")
      .selectAll()
      .where("account_id", "=", accountId)
      .orderBy("created")
      .orderBy("id")
      .execute();
    return rows.map(toPasskey);
  }

  async passkey(id: string): Promise<Passkey | undefined> {
    const row = await this.#engine.db.selectFrom("passkeys").selectAll().where("id", "=", id).executeTakeFirst();
    return row && toPasskey(row);
  }

  async addPasskey(passkey: Passkey, audit: AuditEntry): Promise<"created" | "exists"> {
    return this.#engine.write(async (session) => {
      const { id, accountId, name, publicKey, counter, transports, created } = passkey;
      const known = await session.selectFrom("passkeys").select("id").where("id", "=", id).executeTakeFirst();
      if (known !== undefined) return "exists";
      await session
        .insertInto("passkeys")
        .values({
          id,
          account_id: accountId,
          name,
          public_key: publicKey,
          counter,
          transports: JSON.stringify(transports),
          created,
        })
        .execute();
      await record(session, audit);
      return "created";
    });
  }

  async removePasskey(accountId: string, id: string, audit: AuditEntry): Promise<boolean> {
    return this.#engine.write(async (session) => {
      const row = await session
        .deleteFrom("passkeys")
        .where("account_id", "=", accountId)
        .where("id", "=", id)
        .returning("id")
        .executeTakeFirst();
      if (row === undefined) return false;
      await record(session, audit);
      return true;
    });
  }

  async usePasskey(id: string, { counter, at }: { readonly counter: number; readonly at: number }): Promise<boolean> {
    return this.#engine.write(async (session) => {
      const row = await session
        .updateTable("passkeys")
        .set({ counter, last_used: at })
        .where("id", "=", id)
        // An authenticator that does not count says 0 every time.
        .where((eb) => (counter === 0 ? eb("counter", "=", 0) : eb("counter", "<", counter)))
        .returning("id")
        .executeTakeFirst();
      return row !== undefined;
    });
  }

  async addTrustedPublisher(
    publisher: TrustedPublisher,
    anchor: string,
    audit: AuditEntry,
  ): Promise<"created" | "exists"> {
    return this.#engine.write(async (session) => {
      const claims = claimsText(publisher.claims);
      const known = await session
        .selectFrom("trusted_publishers")
        .select("id")
        .where("canonical", "=", publisher.package)
        .where("issuer", "=", publisher.issuer)
        .where("claims", "=", claims)
        .executeTakeFirst();
      if (known !== undefined) return "exists";
      await session
        .insertInto("trusted_publishers")
        .values({
          id: publisher.id,
          canonical: publisher.package,
          issuer: publisher.issuer,
          anchor,
          claims,
          account_id: publisher.accountId,
          created: publisher.created,
        })
        .execute();
      await record(session, audit);
      return "created";
    });
  }

  async trustedPublishersOf(canonical: string): Promise<readonly TrustedPublisher[]> {
    const rows = await publisherRows(this.#engine.db).where("trusted_publishers.canonical", "=", canonical).execute();
    return rows.map(toPublisher);
  }

  async trustedPublishersAt(issuer: string, anchor: string): Promise<readonly TrustedPublisher[]> {
    const rows = await publisherRows(this.#engine.db)
      .where("trusted_publishers.issuer", "=", issuer)
      .where("trusted_publishers.anchor", "=", anchor)
      .execute();
    return rows.map(toPublisher);
  }

  async removeTrustedPublisher(canonical: string, id: string, audit: AuditEntry): Promise<boolean> {
    return this.#engine.write(async (session) => {
      const row = await session
        .deleteFrom("trusted_publishers")
        .where("canonical", "=", canonical)
        .where("id", "=", id)
        .returning("id")
        .executeTakeFirst();
      if (row === undefined) return false;
      await record(session, audit);
      return true;
    });
  }

  async useOnce(id: string, { expires, now }: { readonly expires: number; readonly now: number }): Promise<boolean> {
    return this.#engine.write(async (session) => {
      await session.deleteFrom("used_ids").where("expires", "<", now).execute();
      const known = await session.selectFrom("used_ids").select("id").where("id", "=", id).executeTakeFirst();
      if (known !== undefined) return false;
      await session.insertInto("used_ids").values({ id, expires }).execute();
      return true;
    });
  }
}
