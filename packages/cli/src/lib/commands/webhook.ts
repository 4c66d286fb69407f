import type { ApiObject } from "@lading/registry-client";
import { printable } from "../render/table.ts";
import type { CommandSpec } from "../spec.ts";
import { cell, itemsOf, listing, managed } from "./managed.ts";
import { webhookSubject as subject } from "./webhook-subject.ts";

const OF = {
  package: { type: "text", summary: "Webhooks of this package", placeholder: "NAME" },
  org: { type: "text", summary: "Webhooks of this organisation", placeholder: "NAME" },
} as const;
const ID = { name: "ID", summary: "Id of the webhook" };
const WHOSE =
  "With --package for whoever may change the package's owners, with --org for owners of the organisation, with neither for admins: the whole registry.";

function secretLines(answer: ApiObject): readonly string[] {
  return [`  secret ${cell(answer, "secret")}`, "  It signs each message, and is shown this once"];
}

export const add: CommandSpec = managed({
  summary: "Tell an address of events: publications, yanks, changes of owners, reviews and more",
  description: `${WHOSE} An event is a type such as package.published, a pattern such as version.*, or * for all, which is the default.`,
  examples: [
    "webhook add https://builds.example.org/hook --package my-package",
    "webhook add https://chat.example.org/hook --org acme --event package.published --event 'version.*'",
  ],
  arguments: [{ name: "URL", summary: "Address that gets a POST request for each event" }],
  flags: { ...OF, event: { type: "list", summary: "Which events; may be repeated", placeholder: "EVENT" } },
  request: ([url], flags) => {
    const events = (flags.event ?? []).length === 0 ? {} : { events: flags.event };
    return ["webhook.add", { of: subject(flags), url: url!, ...events }];
  },
  text: (answer, style) => [`Added webhook ${style.bold(cell(answer, "id"))}`, ...secretLines(answer)],
});

export const list: CommandSpec = managed({
  summary: "List webhooks, and why any is disabled",
  description: WHOSE,
  examples: ["webhook list --package my-package", "webhook list --org acme"],
  flags: OF,
  request: (_, flags) => ["webhook.list", { of: subject(flags) }],
  text: (answer, style) => [
    ...listing(answer, style, ["id", "url", "events", "enabled", "created"], "There are no webhooks"),
    ...(itemsOf(answer) ?? [])
      .filter((one) => one["enabled"] === false)
      .map((one) => `${cell(one, "id")} is disabled: ${printable(cell(one["disabled"] as ApiObject, "reason"))}`),
  ],
});

export const remove: CommandSpec = managed({
  summary: "Remove a webhook, with its deliveries",
  description: WHOSE,
  examples: ["webhook remove 4mXbQ0v2kYpLr8sT --package my-package"],
  arguments: [ID],
  flags: OF,
  request: ([id], flags) => ["webhook.remove", { of: subject(flags), id: id! }],
  text: (_, style, [id]) => [`Removed webhook ${style.bold(printable(id!))}`],
});

export const enable: CommandSpec = managed({
  summary: "Let a disabled webhook hear of what happens from now on",
  description: WHOSE,
  examples: ["webhook enable 4mXbQ0v2kYpLr8sT --package my-package"],
  arguments: [ID],
  flags: OF,
  request: ([id], flags) => ["webhook.change", { of: subject(flags), id: id!, enabled: true }],
  text: (_, style, [id]) => [`Webhook ${style.bold(printable(id!))} is enabled`],
});

export const disable: CommandSpec = managed({
  summary: "Send a webhook nothing until it is enabled",
  description: WHOSE,
  examples: ["webhook disable 4mXbQ0v2kYpLr8sT --package my-package"],
  arguments: [ID],
  flags: OF,
  request: ([id], flags) => ["webhook.change", { of: subject(flags), id: id!, enabled: false }],
  text: (_, style, [id]) => [`Webhook ${style.bold(printable(id!))} is disabled`],
});

export const rotate: CommandSpec = managed({
  summary: "Give a webhook a new secret; the former one signs as well for a day",
  description: WHOSE,
  examples: ["webhook rotate 4mXbQ0v2kYpLr8sT --package my-package"],
  arguments: [ID],
  flags: OF,
  request: ([id], flags) => ["webhook.rotate", { of: subject(flags), id: id! }],
  text: (answer, style, [id]) => [`Webhook ${style.bold(printable(id!))} has a new secret`, ...secretLines(answer)],
});

const isUndelivered = (answer: ApiObject): boolean => answer["state"] !== "delivered";

function sent(answer: ApiObject): readonly string[] {
  const attempts = Array.isArray(answer["attempts"]) ? (answer["attempts"] as ApiObject[]) : [];
  const last = attempts.at(-1) ?? {};
  const how = last["error"] === undefined ? `it answered ${cell(last, "status")}` : cell(last, "error");
  const next = answer["due"] === undefined ? [] : [`  it is tried again at ${cell(answer, "due")}`];
  return [`${cell(answer, "event")}, ${cell(answer, "id")}: ${cell(answer, "state")}, ${printable(how)}`, ...next];
}

export const test: CommandSpec = managed({
  summary: "Send a webhook an event that says nothing, and show how it went",
  description: `${WHOSE} Ends with 1 where the message did not arrive.`,
  examples: ["webhook test 4mXbQ0v2kYpLr8sT --package my-package"],
  arguments: [ID],
  flags: OF,
  request: ([id], flags) => ["webhook.test", { of: subject(flags), id: id! }],
  text: (answer) => sent(answer),
  failed: isUndelivered,
});

export const deliveries: CommandSpec = managed({
  summary: "List what was and is to be sent to a webhook in the last 30 days",
  description: WHOSE,
  examples: ["webhook deliveries 4mXbQ0v2kYpLr8sT --package my-package --state failed"],
  arguments: [ID],
  flags: {
    ...OF,
    state: { type: "enum", summary: "Only those in this state", values: ["waiting", "delivered", "failed"] },
    page: { type: "number", summary: "Which hundred of them; default: 1" },
  },
  request: ([id], flags) => [
    "webhook.deliveries",
    { of: subject(flags), id: id!, state: flags.state, page: flags.page },
  ],
  text: (answer, style) =>
    listing(answer, style, ["id", "event", "state", "created", "tries", "due"], "Nothing was sent"),
});

export const redeliver: CommandSpec = managed({
  summary: "Send a delivery again now, with the same id",
  description: `${WHOSE} Ends with 1 where it did not arrive.`,
  examples: ["webhook redeliver 4mXbQ0v2kYpLr8sT msg_4mXbQ0v2kYpLr8sT_17 --package my-package"],
  arguments: [ID, { name: "DELIVERY", summary: "Id of the delivery" }],
  flags: OF,
  request: ([id, delivery], flags) => ["webhook.redeliver", { of: subject(flags), id: id!, delivery: delivery! }],
  text: (answer) => sent(answer),
  failed: isUndelivered,
});
