import type { AuditEntry } from "../records.ts";
import {
  WEBHOOKS_MAX,
  subjectKey,
  type NewWebhook,
  type Webhook,
  type WebhookChange,
  type WebhookStore,
  type WebhookSubject,
} from "../webhooks/webhook-store.ts";

const byAge = (left: Webhook, right: Webhook): number => left.created - right.created || (left.id < right.id ? -1 : 1);

/** The {@link WebhookStore} in memory. */
export class MemoryWebhookStore implements WebhookStore {
  readonly #webhooks = new Map<string, Webhook>();
  readonly #record: (audit: AuditEntry) => void;
  readonly #dropped: (id: string) => Promise<void>;

  /** `dropped` forgets the deliveries of one that was removed. */
  constructor(record: (audit: AuditEntry) => void, dropped: (id: string) => Promise<void>) {
    this.#record = record;
    this.#dropped = dropped;
  }

  async create({ account, ...webhook }: NewWebhook, audit: AuditEntry): Promise<"created" | "full"> {
    if ((await this.webhooksOf(webhook.subject)).length >= WEBHOOKS_MAX) return "full";
    this.#webhooks.set(webhook.id, { ...webhook, creator: account.username, accountId: account.id });
    this.#record(audit);
    return "created";
  }

  async webhook(id: string): Promise<Webhook | undefined> {
    return this.#webhooks.get(id);
  }

  async webhooksOf(subject: WebhookSubject): Promise<readonly Webhook[]> {
    const key = subjectKey(subject);
    return [...this.#webhooks.values()].filter((one) => subjectKey(one.subject) === key).sort(byAge);
  }

  async enabled(): Promise<readonly Webhook[]> {
    const found = [...this.#webhooks.values()].filter(({ disabled }) => disabled === undefined);
    return found.sort((left, right) => (left.id < right.id ? -1 : 1));
  }

  async change(id: string, change: WebhookChange, audit: AuditEntry): Promise<Webhook | undefined> {
    const current = this.#webhooks.get(id);
    if (current === undefined) return undefined;
    const { disabled: _, failingSince: __, ...rest } = current;
    const { disabled, ...said } = change;
    const base = disabled === undefined ? current : rest;
    const next: Webhook = { ...base, ...said, ...(disabled === undefined || disabled === null ? {} : { disabled }) };
    this.#webhooks.set(id, next);
    this.#record(audit);
    return next;
  }

  async remove(id: string, audit: AuditEntry): Promise<boolean> {
    if (!this.#webhooks.delete(id)) return false;
    await this.#dropped(id);
    this.#record(audit);
    return true;
  }

  /** Removes the webhooks of a subject that is removed, with their deliveries. */
  async forget(subject: WebhookSubject): Promise<void> {
    for (const { id } of await this.webhooksOf(subject)) {
      this.#webhooks.delete(id);
      await this.#dropped(id);
    }
  }

  async noteFailing(id: string, since: number | undefined): Promise<void> {
    const current = this.#webhooks.get(id);
    if (current === undefined) return;
    const { failingSince: _, ...rest } = current;
    this.#webhooks.set(id, { ...rest, ...(since === undefined ? {} : { failingSince: since }) });
  }
}
