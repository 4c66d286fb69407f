import type { CommandSpec } from "../spec.ts";
import { listing, managed } from "./managed.ts";

const INVITATION = { name: "INVITATION", summary: "Id of the invitation, or the code that came by mail" };

export const list: CommandSpec = managed({
  summary: "List the invitations that wait for your answer",
  examples: ["invitation list"],
  flags: {},
  request: () => ["invitation.list", {}],
  text: (answer, style) =>
    listing(answer, style, ["id", "organisation", "team", "role", "inviter", "expires"], "No invitation waits for you"),
});

export const accept: CommandSpec = managed({
  summary: "Accept an invitation to an organisation",
  examples: ["invitation accept 4mXbQ0v2kYpLr8sT"],
  arguments: [INVITATION],
  flags: {},
  request: ([invitation]) => ["invitation.answer", { invitation: invitation!, answer: "accept" }],
  text: () => ["Accepted the invitation"],
});

export const decline: CommandSpec = managed({
  summary: "Decline an invitation to an organisation",
  examples: ["invitation decline 4mXbQ0v2kYpLr8sT"],
  arguments: [INVITATION],
  flags: {},
  request: ([invitation]) => ["invitation.answer", { invitation: invitation!, answer: "decline" }],
  text: () => ["Declined the invitation"],
});
