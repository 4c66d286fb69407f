import { splitName, type CanonicalName } from "@lading/core-manifest";
import type { AccessControl } from "../access/access-control.ts";
import type { Principal } from "../authentication.ts";
import type { DeliveryChannel, SendOutcome } from "../deliveries/delivery-service.ts";
import { outcomeOf } from "../deliveries/send-outcome.ts";
import type { Delivery, DeliveryResult, NewDelivery } from "../deliveries/delivery-store.ts";
import type { ChainedRecord } from "../governance/audit-trail.ts";
import { SecretBox } from "../identity/secret-box.ts";
import type { Groups } from "../organisations/groups.ts";
import type { PackageRights } from "../organisations/package-rights.ts";
import type { Outbound } from "../outbound.ts";
import type { Clock, LogListener, MetadataStore } from "../ports.ts";
import type { Account, Scope } from "../records.ts";
import { eventMatches, eventOf, packageIn, webhookPayload, type WebhookEvent } from "./webhook-events.ts";
import { webhookHeaders } from "./webhook-signature.ts";
import type { Webhook, WebhookSecrets, WebhookSubject } from "./webhook-store.ts";

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
  readonly rights: Pick<PackageRights, "on">;
  readonly groups: Pick<Groups, "membershipsOf">;
  readonly box: WebhookBox;
  readonly clock: Clock;
  readonly log: LogListener;
}

const SUBJECTS: Readonly<Record<WebhookSubject["kind"], string>> = {
  package: "the package",
  organisation: "the organisation",
  registry: "the registry",
};

/** Somebody as the token with all of the account's rights would act. */
function fullCaller(account: Account): Principal {
  const scopes = new Set<Scope>(account.admin ? ["read", "owner", "admin"] : ["read", "owner"]);
  return { account, method: "token", scopes, packages: [] };
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

  /** Webhooks of one host are one endpoint: they are as slow as each other, and whoever has one can make more. */
  endpointOf(target: string): string {
    const known = this.#enabled.find(({ id }) => id === target);
    return known === undefined ? target : new URL(known.url).hostname;
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
    return (await this.#isAbout(webhook, event)) && (await this.#refusal(webhook, event.package)) === undefined;
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

  /** Why it may not hear of something, `undefined` where it may: rules and rights change, and people leave. */
  async #refusal(webhook: Webhook, name: CanonicalName | undefined): Promise<string | undefined> {
    const { accountId, creator, subject } = webhook;
    const account = await this.#ports.metadata.accountById(accountId);
    if (account === undefined || account.deleted !== undefined)
      return `the account of "${creator}", who made it, is gone`;
    const caller = fullCaller(account);
    if (!(await this.#mayHave(subject, caller)))
      return `"${creator}", who made it, has no right to webhooks of ${SUBJECTS[subject.kind]} any more`;
    if (name === undefined || (await this.#ports.access.verdict("read", caller, name)) !== "denied") return undefined;
    return `"${creator}", who made it, cannot read the package any more`;
  }

  /** Whether somebody could make a webhook of this subject now: the rule of the routes that do. */
  async #mayHave(subject: WebhookSubject, caller: Principal): Promise<boolean> {
    const { account } = caller;
    if (account.admin) return true;
    if (subject.kind === "registry") return false;
    return subject.kind === "package" ? this.#ownsPackage(caller, subject.name) : this.#leads(account, subject.id);
  }

  async #ownsPackage(caller: Principal, name: CanonicalName): Promise<boolean> {
    const verdict = await this.#ports.access.verdict("admin", caller, name);
    if (verdict !== "owners") return verdict === "allowed";
    return (await this.#ports.rights.on(caller.account, name)).scopes.has("owner");
  }

  async #leads({ id }: Account, organisationId: string): Promise<boolean> {
    const { metadata, groups } = this.#ports;
    for (const { name, role } of (await groups.membershipsOf(id)).organisations)
      if (role === "owner" && (await metadata.organisations.organisation(name))?.id === organisationId) return true;
    return false;
  }

  async send({ id, target, payload }: Delivery, signal: AbortSignal): Promise<SendOutcome> {
    const { metadata, outbound, box, clock } = this.#ports;
    const webhook = await metadata.webhooks.webhook(target);
    if (webhook === undefined) return { outcome: "never", error: "the webhook was removed" };
    if (webhook.disabled !== undefined)
      return { outcome: "never", error: `the webhook is disabled: ${webhook.disabled.reason}` };
    // It may have waited for days.
    const refusal = await this.#refusal(webhook, packageIn(payload));
    if (refusal !== undefined) return { outcome: "never", error: refusal };
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
