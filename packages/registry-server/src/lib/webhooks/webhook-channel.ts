import { splitName, type CanonicalName } from "@lading/core-manifest";
import type { AccessControl } from "../access/access-control.ts";
import type { DeliveryChannel, SendOutcome } from "../deliveries/delivery-service.ts";
import { outcomeOf } from "../deliveries/send-outcome.ts";
import type { Delivery, DeliveryResult, NewDelivery } from "../deliveries/delivery-store.ts";
import type { ChainedRecord } from "../governance/audit-trail.ts";
import { SecretBox } from "../identity/secret-box.ts";
import type { Outbound } from "../outbound.ts";
import type { Clock, LogListener, MetadataStore } from "../ports.ts";
import type { Scope } from "../records.ts";
import { eventMatches, eventOf, webhookPayload, type WebhookEvent } from "./webhook-events.ts";
import { webhookHeaders } from "./webhook-signature.ts";
import type { Webhook, WebhookSecrets } from "./webhook-store.ts";

/** Channel of webhooks' deliveries. */
export const WEBHOOK_CHANNEL = "webhook";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Pauses after each failed try: some three days in all. */
export const WEBHOOK_PAUSES_MS: readonly number[] = [
  5 * SECOND,
  MINUTE,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];

/** A webhook of which every try failed for so long is disabled. */
export const WEBHOOK_GIVE_UP_MS: number = 5 * 24 * HOUR;

/** Seals the secrets of webhooks. */
export class WebhookBox {
  readonly #box: SecretBox;

  constructor(secret: Uint8Array) {
    this.#box = new SecretBox(secret, "webhook");
  }

  async seal(secret: string, id: string): Promise<string> {
    return this.#box.seal(secret, id);
  }

  /** Secrets that sign at a time, the current one first; none where they were sealed under another secret of the server. */
  async open({ current, former }: WebhookSecrets, id: string, now: number): Promise<readonly string[]> {
    const sealed = former !== undefined && former.until > now ? [current, former.secret] : [current];
    const opened = await Promise.all(sealed.map((one) => this.#box.open(one, id)));
    return opened.filter((secret) => secret !== undefined);
  }
}

/** What a {@link WebhookChannel} needs. */
export interface WebhookPorts {
  readonly metadata: MetadataStore;
  readonly outbound: Outbound;
  readonly access: AccessControl;
  readonly box: WebhookBox;
  readonly clock: Clock;
  readonly log: LogListener;
}

/** Tells webhooks of events: derives who is to hear of a change, and sends it signed. */
export class WebhookChannel implements DeliveryChannel {
  readonly name: string = WEBHOOK_CHANNEL;
  readonly pausesMs: readonly number[] = WEBHOOK_PAUSES_MS;
  readonly #ports: WebhookPorts;
  #enabled: readonly Webhook[] = [];

  constructor(ports: WebhookPorts) {
    this.#ports = ports;
  }

  async since(): Promise<number | undefined> {
    this.#enabled = await this.#ports.metadata.webhooks.enabled();
    if (this.#enabled.length === 0) return undefined;
    return Math.min(...this.#enabled.map(({ since }) => since));
  }

  async plan(record: ChainedRecord): Promise<readonly Omit<NewDelivery, "channel">[]> {
    const event = eventOf(record);
    if (event === undefined) return [];
    const concerned: Webhook[] = [];
    for (const webhook of this.#enabled) if (await this.#concerns(webhook, event)) concerned.push(webhook);
    const payload = webhookPayload(event);
    return concerned.map(({ id }) => ({
      id: `msg_${id}_${event.record}`,
      target: id,
      event: event.type,
      payload,
      created: event.at,
    }));
  }

  async #concerns(webhook: Webhook, event: WebhookEvent): Promise<boolean> {
    if (event.at < webhook.since || !webhook.events.some((pattern) => eventMatches(pattern, event.type))) return false;
    return (await this.#isAbout(webhook, event)) && (await this.#mayHear(webhook, event.package));
  }

  async #isAbout({ subject }: Webhook, event: WebhookEvent): Promise<boolean> {
    if (subject.kind === "registry") return true;
    if (subject.kind === "package") return event.package === subject.name;
    const organisations = await this.#organisationsOf(event);
    for (const name of organisations) {
      const found = await this.#ports.metadata.organisations.organisation(name);
      if (found?.id === subject.id) return true;
    }
    return false;
  }

  async #organisationsOf({ package: name, organisation }: WebhookEvent): Promise<readonly string[]> {
    if (name === undefined) return organisation === undefined ? [] : [organisation];
    const { organisations } = this.#ports.metadata;
    const { namespace } = splitName(name);
    const [holder, teams] = await Promise.all([
      namespace === undefined ? undefined : organisations.namespace(namespace),
      organisations.ownerTeams(name),
    ]);
    const found = teams.map((team) => team.organisation);
    return [...new Set(holder === undefined ? found : [holder.organisation, ...found])];
  }

  /** Whoever made it must still be able to read what it tells of: rules change, and people leave. */
  async #mayHear({ accountId }: Webhook, name: CanonicalName | undefined): Promise<boolean> {
    const { metadata, access } = this.#ports;
    const account = await metadata.accountById(accountId);
    if (account === undefined || account.deleted !== undefined) return false;
    if (name === undefined) return true;
    // As the token with all of the account's rights would read.
    const scopes = new Set<Scope>(account.admin ? ["read", "admin"] : ["read"]);
    return (await access.verdict("read", { account, method: "token", scopes, packages: [] }, name)) !== "denied";
  }

  async send({ id, target, payload }: Delivery, signal: AbortSignal): Promise<SendOutcome> {
    const { metadata, outbound, box, clock } = this.#ports;
    const webhook = await metadata.webhooks.webhook(target);
    if (webhook === undefined) return { outcome: "never", error: "the webhook was removed" };
    if (webhook.disabled !== undefined)
      return { outcome: "never", error: `the webhook is disabled: ${webhook.disabled.reason}` };
    const now = clock.now();
    const secrets = await box.open(webhook.secrets, webhook.id, now);
    if (secrets.length === 0)
      return { outcome: "again", error: "its secret was sealed with another secret of this server; make a new one" };
    const headers = webhookHeaders({ id, timestamp: Math.floor(now / SECOND), payload }, secrets);
    const request = { method: "POST", headers, body: payload, redirect: "manual", signal } as const;
    const response = await outbound.fetch(webhook.url, request);
    return outcomeOf(response, now);
  }

  async settled({ target }: Delivery, { state, attempt }: DeliveryResult): Promise<void> {
    const { webhooks } = this.#ports.metadata;
    const webhook = await webhooks.webhook(target);
    if (webhook === undefined || webhook.disabled !== undefined) return;
    if (state === "delivered") {
      if (webhook.failingSince !== undefined) await webhooks.noteFailing(webhook.id, undefined);
      return;
    }
    const failingSince = webhook.failingSince ?? attempt.at;
    const reason = attempt.error ?? "it failed";
    if (attempt.status === 410) await this.#disable(webhook, "it answered 410, that it is gone for ever", attempt.at);
    else if (attempt.at - failingSince >= WEBHOOK_GIVE_UP_MS)
      await this.#disable(webhook, `every try has failed for five days; the last one: ${reason}`, attempt.at);
    else if (webhook.failingSince === undefined) await webhooks.noteFailing(webhook.id, failingSince);
  }

  async #disable(webhook: Webhook, reason: string, at: number): Promise<void> {
    const { metadata, log } = this.#ports;
    const details = { id: webhook.id, reason };
    const name = webhook.subject.kind === "package" ? { package: webhook.subject.name } : {};
    const audit = { at, actor: "system", action: "webhook.disable", ...name, details };
    await metadata.webhooks.change(webhook.id, { disabled: { reason, at } }, audit);
    log("warn", "a webhook is disabled", details);
  }
}
