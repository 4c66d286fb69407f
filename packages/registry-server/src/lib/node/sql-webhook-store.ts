import type { Kysely, Selectable, Transaction } from "kysely";
import type { AuditEntry } from "../records.ts";
import {
  WEBHOOKS_MAX,
  parseSubject,
  subjectKey,
  type NewWebhook,
  type Webhook,
  type WebhookChange,
  type WebhookSecrets,
  type WebhookStore,
  type WebhookSubject,
} from "../webhooks/webhook-store.ts";
import { record } from "./sql-audit.ts";
import type { SqlEngine } from "./sql-engine.ts";
import type { Tables } from "./sql-schema.ts";

type Session = Kysely<Tables> | Transaction<Tables>;
type Row = Selectable<Tables["webhooks"]> & { readonly username: string };

function toWebhook(row: Row): Webhook {
  const { id, subject, url, events, secrets, username, account_id: accountId, created, since } = row;
  return {
    id,
    subject: parseSubject(subject),
    url,
    events: JSON.parse(events) as string[],
    secrets: JSON.parse(secrets) as WebhookSecrets,
    creator: username,
    accountId,
    created,
    since,
    ...(row.disabled_at === null ? {} : { disabled: { reason: row.disabled_reason ?? "", at: row.disabled_at } }),
    ...(row.failing_since === null ? {} : { failingSince: row.failing_since }),
  };
}

function rows(session: Session) {
  return session
    .selectFrom("webhooks")
    .innerJoin("accounts", "accounts.id", "webhooks.account_id")
    .selectAll("webhooks")
    .select("accounts.username");
}

async function webhookIn(session: Session, id: string): Promise<Webhook | undefined> {
  const row = await rows(session).where("webhooks.id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : toWebhook(row);
}

/** Removes the webhooks of a subject that is removed, with their deliveries. */
export async function removeWebhooks(session: Session, subject: WebhookSubject): Promise<void> {
  const webhooks = session.selectFrom("webhooks").select("id").where("subject", "=", subjectKey(subject));
  await session.deleteFrom("deliveries").where("channel", "=", "webhook").where("target", "in", webhooks).execute();
  await session.deleteFrom("webhooks").where("subject", "=", subjectKey(subject)).execute();
}

/** The {@link WebhookStore} over SQL. */
export class SqlWebhookStore implements WebhookStore {
  readonly #engine: SqlEngine;

  constructor(engine: SqlEngine) {
    this.#engine = engine;
  }

  async create({ account, ...webhook }: NewWebhook, audit: AuditEntry): Promise<"created" | "full"> {
    return this.#engine.write(async (session) => {
      const subject = subjectKey(webhook.subject);
      const known = await session.selectFrom("webhooks").select("id").where("subject", "=", subject).execute();
      if (known.length >= WEBHOOKS_MAX) return "full";
      const { id, url, events, secrets, created, since } = webhook;
      await session
        .insertInto("webhooks")
        .values({
          id,
          subject,
          url,
          events: JSON.stringify(events),
          secrets: JSON.stringify(secrets),
          account_id: account.id,
          created,
          since,
          disabled_reason: null,
          disabled_at: null,
          failing_since: null,
        })
        .execute();
      await record(session, audit);
      return "created";
    });
  }

  async webhook(id: string): Promise<Webhook | undefined> {
    return webhookIn(this.#engine.db, id);
  }

  async webhooksOf(subject: WebhookSubject): Promise<readonly Webhook[]> {
    const found = await rows(this.#engine.db)
      .where("webhooks.subject", "=", subjectKey(subject))
      .orderBy("webhooks.created")
      .orderBy("webhooks.id")
      .execute();
    return found.map(toWebhook);
  }

  async enabled(): Promise<readonly Webhook[]> {
    const found = await rows(this.#engine.db).where("disabled_at", "is", null).orderBy("webhooks.id").execute();
    return found.map(toWebhook);
  }

  async change(id: string, change: WebhookChange, audit: AuditEntry): Promise<Webhook | undefined> {
    const { url, events, secrets, disabled, since } = change;
    return this.#engine.write(async (session) => {
      const current = await webhookIn(session, id);
      if (current === undefined) return undefined;
      const state =
        disabled === undefined
          ? {}
          : { disabled_reason: disabled?.reason ?? null, disabled_at: disabled?.at ?? null, failing_since: null };
      await session
        .updateTable("webhooks")
        .set({
          url: url ?? current.url,
          events: JSON.stringify(events ?? current.events),
          secrets: JSON.stringify(secrets ?? current.secrets),
          since: since ?? current.since,
          ...state,
        })
        .where("id", "=", id)
        .execute();
      await record(session, audit);
      return webhookIn(session, id);
    });
  }

  async remove(id: string, audit: AuditEntry): Promise<boolean> {
    return this.#engine.write(async (session) => {
      const gone = await session.deleteFrom("webhooks").where("id", "=", id).returning("id").executeTakeFirst();
      if (gone === undefined) return false;
      await session.deleteFrom("deliveries").where("channel", "=", "webhook").where("target", "=", id).execute();
      await record(session, audit);
      return true;
    });
  }

  async noteFailing(id: string, since: number | undefined): Promise<void> {
    await this.#engine.write((session) =>
      session
        .updateTable("webhooks")
        .set({ failing_since: since ?? null })
        .where("id", "=", id)
        .execute(),
    );
  }
}
