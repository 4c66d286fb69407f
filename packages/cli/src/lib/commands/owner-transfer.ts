import type { ApiObject } from "@lading/registry-client";
import type { CommandSpec } from "../spec.ts";
import { cell, listing, managed } from "./managed.ts";

const OFFER = { name: "ID", summary: "Id of the offer, as owner transfer list shows it" };
const ORGANISATION_PREFIX = "organisation:";

function receiver(text: string): { readonly username: string } | { readonly organisation: string } {
  return text.startsWith(ORGANISATION_PREFIX)
    ? { organisation: text.slice(ORGANISATION_PREFIX.length) }
    : { username: text };
}

function receiverOf(offer: ApiObject): string {
  return offer["organisation"] === undefined
    ? cell(offer, "username")
    : `${ORGANISATION_PREFIX}${cell(offer, "organisation")}`;
}

export const offer: CommandSpec = managed({
  summary: "Offer a package to a user or an organisation, who becomes its only owner by accepting",
  examples: ["owner transfer offer my-package alice", "owner transfer offer my-package organisation:acme"],
  arguments: [
    { name: "PACKAGE", summary: "Name of the package", kind: "package" },
    { name: "TO", summary: "The user, or organisation:NAME" },
  ],
  flags: {},
  request: ([name, to]) => ["transfer.offer", { package: name!, ...receiver(to!) }],
  text: (answer, style) => [
    `Offered ${style.bold(cell(answer, "package"))} to ${receiverOf(answer)} until ${cell(answer, "expires")}; the id is ${cell(answer, "id")}`,
  ],
});

export const list: CommandSpec = managed({
  summary: "List the offers of packages that wait for your answer, or that you made",
  examples: ["owner transfer list"],
  flags: {},
  request: () => ["transfer.list", {}],
  text: (answer, style) =>
    listing(answer, style, ["id", "package", "sender", "username", "organisation", "expires"], "No offer is open"),
});

export const accept: CommandSpec = managed({
  summary: "Accept a package: you, or a team of your organisation, become its only owner",
  examples: ["owner transfer accept 4mXbQ0v2kYpLr8sT", "owner transfer accept 4mXbQ0v2kYpLr8sT --team core"],
  arguments: [OFFER],
  flags: { team: { type: "text", summary: "Team that gets it, of an offer to an organisation", placeholder: "NAME" } },
  request: ([id], { team }) => [
    "transfer.answer",
    { id: id!, answer: "accept", ...(team === undefined ? {} : { team }) },
  ],
  text: () => ["Accepted the package"],
});

export const decline: CommandSpec = managed({
  summary: "Decline a package that was offered to you",
  examples: ["owner transfer decline 4mXbQ0v2kYpLr8sT"],
  arguments: [OFFER],
  flags: {},
  request: ([id]) => ["transfer.answer", { id: id!, answer: "decline" }],
  text: () => ["Declined the package"],
});

export const withdraw: CommandSpec = managed({
  summary: "Take back an offer that nobody answered",
  examples: ["owner transfer withdraw 4mXbQ0v2kYpLr8sT"],
  arguments: [OFFER],
  flags: {},
  request: ([id]) => ["transfer.answer", { id: id!, answer: "withdraw" }],
  text: () => ["Withdrew the offer"],
});
