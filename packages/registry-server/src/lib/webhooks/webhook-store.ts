import type { CanonicalName } from "@lading/core-manifest";
import type { Account, AuditEntry } from "../records.ts";

/** Whose events a webhook hears: those of a package, of an organisation, or all of the registry. */
export type WebhookSubject =
  | { readonly kind: "package"; readonly name: CanonicalName }
  | { readonly kind: "organisation"; readonly id: string }
  | { readonly kind: "registry" };

/** A subject as text, for comparisons. */
export function subjectKey(subject: WebhookSubject): string {
  if (subject.kind === "registry") return "registry";
  return subject.kind === "package" ? `package:${subject.name}` : `organisation:${subject.id}`;
}

/** The subject of such a text. */
export function parseSubject(key: string): WebhookSubject {
  const rest = key.slice(key.indexOf(":") + 1);
  if (key.startsWith("package:")) return { kind: "package", name: rest as CanonicalName };
  return key.startsWith("organisation:") ? { kind: "organisation", id: rest } : { kind: "registry" };
}

/** Secrets that sign, sealed; the former one until its time is over. */
export interface WebhookSecrets {
  readonly current: string;
  readonly former?: { readonly secret: string; readonly until: number };
}

/** An address that is told of events. Times are milliseconds since the epoch. */
export interface Webhook {
  readonly id: string;
  readonly subject: WebhookSubject;
  readonly url: string;
  /** Types of events, or patterns such as `package.*`. */
  readonly events: readonly string[];
  readonly secrets: WebhookSecrets;
  /** User name of whoever made it, and the account that must be able to read what it tells of. */
  readonly creator: string;
  readonly accountId: string;
  readonly created: number;
  /** Events before this are none of its: when it was made or last enabled. */
  readonly since: number;
  /** Why nothing is sent to it; absent while it is enabled. */
  readonly disabled?: { readonly reason: string; readonly at: number };
  /** Since when every try has failed. */
  readonly failingSince?: number;
}

/** A webhook to be made. */
export interface NewWebhook extends Omit<Webhook, "creator" | "accountId" | "disabled" | "failingSince"> {
  readonly account: Account;
}

/** What can be changed; what is absent stays as it is. */
export interface WebhookChange {
  readonly url?: string;
  readonly events?: readonly string[];
  readonly secrets?: WebhookSecrets;
  /** `null` enables it, from `since` on. */
  readonly disabled?: Webhook["disabled"] | null;
  readonly since?: number;
}

/** Webhooks that one subject may have. */
export const WEBHOOKS_MAX = 20;

/**
 * Who is told of events. Changes are one transaction with their audit record, and survive a power failure when they resolve.
 * "Not found" is `undefined`.
 */
export interface WebhookStore {
  /** `full` where the subject has {@link WEBHOOKS_MAX}. */
  create(webhook: NewWebhook, audit: AuditEntry): Promise<"created" | "full">;
  webhook(id: string): Promise<Webhook | undefined>;
  /** Oldest first. */
  webhooksOf(subject: WebhookSubject): Promise<readonly Webhook[]>;
  /** All that are not disabled. */
  enabled(): Promise<readonly Webhook[]>;
  change(id: string, change: WebhookChange, audit: AuditEntry): Promise<Webhook | undefined>;
  remove(id: string, audit: AuditEntry): Promise<boolean>;
  /** Notes since when every try has failed, `undefined` after one that did not; without audit record. */
  noteFailing(id: string, since: number | undefined): Promise<void>;
}
