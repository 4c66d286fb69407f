import { canonicalName, tryParsePackageName, type CanonicalName } from "@lading/core-manifest";
import type { ChainedRecord } from "../governance/audit-trail.ts";
import { timestamp } from "../index-model.ts";

/** Which details of an audit record an event tells, by their names there. */
type Details = readonly string[];

interface EventRule {
  readonly type: string;
  readonly details: Details;
}

/**
 * Which changes are events, by the action of their audit record. What is not here is nobody's business but the server's:
 * logins, tokens, second factors.
 */
const EVENTS: Readonly<Record<string, EventRule>> = {
  "package.create": { type: "package.created", details: [] },
  "package.publish": { type: "package.published", details: ["target", "blob", "tree", "approvedBy"] },
  "version.yank": { type: "version.yanked", details: ["reason"] },
  "version.unyank": { type: "version.unyanked", details: [] },
  "version.deprecate": { type: "version.deprecated", details: ["reason", "replacement"] },
  "version.undeprecate": { type: "version.undeprecated", details: [] },
  "version.takedown": { type: "version.removed", details: ["reason", "purge"] },
  "version.restore": { type: "version.restored", details: [] },
  "channel.set": { type: "channel.changed", details: ["channel"] },
  "channel.remove": { type: "channel.removed", details: ["channel"] },
  "owner.add": { type: "owner.added", details: ["user", "team"] },
  "owner.remove": { type: "owner.removed", details: ["user", "team"] },
  "policy.set": { type: "policy.changed", details: [] },
  "trusted-publisher.add": { type: "trusted-publisher.added", details: ["issuer"] },
  "trusted-publisher.remove": { type: "trusted-publisher.removed", details: [] },
  "package.offer": { type: "transfer.offered", details: ["to"] },
  "package.transfer.accept": { type: "transfer.accepted", details: ["from", "team"] },
  "package.transfer.decline": { type: "transfer.declined", details: ["from"] },
  "name.claim": { type: "claim.made", details: ["reason"] },
  "name.claim.grant": { type: "claim.granted", details: ["claimant", "note"] },
  "name.claim.refuse": { type: "claim.refused", details: ["claimant", "note"] },
  "review.submit": { type: "review.submitted", details: ["review", "findings"] },
  "review.approve": { type: "review.approved", details: ["review"] },
  "review.reject": { type: "review.rejected", details: ["review", "reason"] },
  "review.appeal": { type: "review.appealed", details: ["review", "text"] },
  "organisation.create": { type: "organisation.created", details: ["organisation", "owner"] },
  "organisation.update": { type: "organisation.changed", details: ["organisation", "title"] },
  "organisation.remove": { type: "organisation.removed", details: ["organisation"] },
  "organisation.member": { type: "member.changed", details: ["organisation", "user", "role"] },
  "organisation.leave": { type: "member.removed", details: ["organisation", "user"] },
  "invitation.accept": { type: "member.joined", details: ["organisation", "user"] },
  "team.create": { type: "team.created", details: ["team"] },
  "team.update": { type: "team.changed", details: ["team"] },
  "team.remove": { type: "team.removed", details: ["team"] },
  "team.member": { type: "team.member-changed", details: ["team", "user", "role"] },
  "team.leave": { type: "team.member-removed", details: ["team", "user"] },
  "namespace.claim": { type: "namespace.claimed", details: ["organisation", "namespace", "proof"] },
  "namespace.team": { type: "namespace.changed", details: ["organisation", "namespace", "team"] },
  "namespace.release": { type: "namespace.released", details: ["organisation", "namespace"] },
  "configuration.set": {
    type: "configuration.changed",
    details: ["organisation", "configuration", "revision", "digest"],
  },
  "configuration.remove": { type: "configuration.removed", details: ["organisation", "configuration", "revision"] },
};

/** The type of deliveries that test an address. */
export const TEST_EVENT = "webhook.test";

/** Every type of events, sorted. */
export const EVENT_TYPES: readonly string[] = [...new Set(Object.values(EVENTS).map(({ type }) => type))].sort();

/** Whether a pattern, such as `package.*` or `*`, names a type. */
export function eventMatches(pattern: string, type: string): boolean {
  if (pattern === "*") return true;
  return pattern.endsWith(".*") ? type.startsWith(pattern.slice(0, -1)) : pattern === type;
}

/** What happened, as receivers are told. */
export interface WebhookEvent {
  readonly type: string;
  /** Number of the audit record. */
  readonly record: number;
  readonly at: number;
  /** The package that it is about, where it is about one. */
  readonly package?: CanonicalName;
  /** The organisation that it is about, where it is about one. */
  readonly organisation?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

function organisationOf(details: Readonly<Record<string, unknown>>): string | undefined {
  const { organisation, team } = details;
  if (typeof organisation === "string") return organisation;
  return typeof team === "string" && team.includes("/") ? team.split("/", 1)[0] : undefined;
}

/** The event of an audit record; `undefined` where it is none. */
export function eventOf(record: ChainedRecord): WebhookEvent | undefined {
  const rule = Object.hasOwn(EVENTS, record.action) ? EVENTS[record.action] : undefined;
  if (rule === undefined) return undefined;
  const { id, at, actor, package: written, version } = record;
  const details = JSON.parse(record.details) as Record<string, unknown>;
  const name = written === undefined ? undefined : tryParsePackageName(written);
  const told = rule.details.filter((key) => details[key] !== undefined && details[key] !== null);
  const organisation = name === undefined ? organisationOf(details) : undefined;
  return {
    type: rule.type,
    record: id,
    at,
    ...(name === undefined ? {} : { package: canonicalName(name) }),
    ...(organisation === undefined ? {} : { organisation }),
    data: {
      ...(written === undefined ? {} : { package: written }),
      ...(version === undefined ? {} : { version }),
      ...Object.fromEntries(told.map((key) => [key, details[key]])),
      actor,
    },
  };
}

/** The body that is sent (Standard Webhooks 1.0 §payload structure). */
export function webhookPayload({ type, at, data }: Pick<WebhookEvent, "type" | "at" | "data">): string {
  return JSON.stringify({ type, timestamp: timestamp(at), data });
}

/** The package that a body which is sent tells of, where it tells of one. */
export function packageIn(payload: string): CanonicalName | undefined {
  const { data } = JSON.parse(payload) as { readonly data: { readonly package?: unknown } };
  const name = typeof data.package === "string" ? tryParsePackageName(data.package) : undefined;
  return name && canonicalName(name);
}
