import type { CommandSpec } from "../spec.ts";
import { printable } from "../render/table.ts";
import { ORGANISATION, USER, cell, listing, managed } from "./managed.ts";

const ROLES = ["owner", "maintainer", "member"] as const;
type Role = (typeof ROLES)[number];

export const list: CommandSpec = managed({
  summary: "List the organisations of a registry",
  examples: ["org list"],
  flags: { page: { type: "number", summary: "Which hundred of them; default: 1" } },
  request: (_, { page }) => ["organisation.list", page === undefined ? {} : { page }],
  text: (answer, style) => listing(answer, style, ["name", "title", "created"], "There are no organisations"),
});

export const create: CommandSpec = managed({
  summary: "Create an organisation, and own it",
  examples: ['org create acme --title "Acme Ltd"'],
  arguments: [ORGANISATION],
  flags: { title: { type: "text", summary: "What people read as its name" } },
  request: ([organisation], { title }) => [
    "organisation.create",
    { organisation: organisation!, ...(title === undefined ? {} : { title }) },
  ],
  text: (answer, style) => [`Created organisation ${style.bold(cell(answer, "name"))}; you are its owner`],
});

export const info: CommandSpec = managed({
  summary: "Show an organisation with its teams and namespaces",
  examples: ["org info acme"],
  arguments: [ORGANISATION],
  flags: {},
  request: ([organisation]) => ["organisation.info", { organisation: organisation! }],
  text: (answer, style) => [
    style.bold(cell(answer, "name")) + (answer["title"] === undefined ? "" : `  ${printable(cell(answer, "title"))}`),
    "",
    ...listing({ items: answer["teams"] }, style, ["name", "role", "title"], "No teams"),
    "",
    ...listing({ items: answer["namespaces"] }, style, ["name", "team", "proof"], "No namespaces"),
  ],
});

export const title: CommandSpec = managed({
  summary: "Set what people read as an organisation's name, or nothing",
  examples: ['org title acme "Acme Ltd"', "org title acme"],
  arguments: [ORGANISATION, { name: "TITLE", summary: "The title; none without it", optional: true }],
  flags: {},
  request: ([organisation, text]) => ["organisation.title", { organisation: organisation!, title: text ?? null }],
  text: (_, style, [organisation]) => [`Set the title of ${style.bold(organisation!)}`],
});

export const remove: CommandSpec = managed({
  summary: "Remove an organisation that has no namespaces and whose teams own no packages",
  examples: ["org remove acme"],
  arguments: [ORGANISATION],
  flags: {},
  request: ([organisation]) => ["organisation.remove", { organisation: organisation! }],
  text: (_, style, [organisation]) => [`Removed organisation ${style.bold(organisation!)}`],
});

export const members: CommandSpec = managed({
  summary: "List the members of an organisation; for members",
  examples: ["org members acme"],
  arguments: [ORGANISATION],
  flags: {},
  request: ([organisation]) => ["member.list", { organisation: organisation! }],
  text: (answer, style) => listing(answer, style, ["username", "role", "since"], "No members"),
});

export const role: CommandSpec = managed({
  summary: "Change a member's role",
  description:
    "Owners may do everything; maintainers everything with packages in the organisation's namespaces, and invite members; members what their teams may. The last owner stays.",
  examples: ["org role acme alice --role maintainer"],
  arguments: [ORGANISATION, USER],
  flags: { role: { type: "enum", summary: "The new role; default: member", values: ROLES } },
  request: ([organisation, user], flags) => [
    "member.role",
    { organisation: organisation!, user: user!, role: (flags.role ?? "member") as Role },
  ],
  text: (answer, style) => listing(answer, style, ["username", "role", "since"], "No members"),
});

export const leave: CommandSpec = managed({
  summary: "Remove a member from an organisation and its teams, or leave it yourself",
  examples: ["org remove-member acme alice"],
  arguments: [ORGANISATION, USER],
  flags: {},
  request: ([organisation, user]) => ["member.remove", { organisation: organisation!, user: user! }],
  text: (_, style, [organisation, user]) => [`${style.bold(user!)} is no member of ${organisation!} any more`],
});

export const invite: CommandSpec = managed({
  summary: "Invite somebody to an organisation, by user name or mail address",
  description:
    "An invitation by mail answers with a code, shown once, that you send on: whoever is logged in and has it may accept.",
  examples: ["org invite acme alice --team core", "org invite acme alice@example.org --role maintainer"],
  arguments: [ORGANISATION, { name: "WHO", summary: "User name, or mail address with --mail" }],
  flags: {
    mail: { type: "boolean", summary: "WHO is a mail address; needed where user names are addresses too" },
    user: { type: "boolean", summary: "WHO is a user name, though it looks like an address" },
    role: { type: "enum", summary: "Role in the organisation; default: member", values: ROLES },
    team: { type: "text", summary: "Team of the organisation to join as well", placeholder: "TEAM" },
    days: { type: "number", summary: "How long it waits for an answer; default: 14, at most 90" },
  },
  request: ([organisation, who], { mail, user, role: wanted, team, days }) => [
    "invitation.create",
    {
      organisation: organisation!,
      ...(mail || (who!.includes("@") && !user) ? { email: who! } : { username: who! }),
      role: (wanted ?? "member") as Role,
      ...(team === undefined ? {} : { team }),
      ...(days === undefined ? {} : { days }),
    },
  ],
  text: (answer, style, [organisation, who]) => [
    `Invited ${style.bold(printable(who!))} to ${organisation!}, until ${cell(answer, "expires")}`,
    ...(answer["code"] === undefined ? [`  id ${cell(answer, "id")}`] : [`  code ${cell(answer, "code")}`]),
  ],
});

export const invitations: CommandSpec = managed({
  summary: "List the invitations of an organisation that wait for an answer",
  examples: ["org invitations acme"],
  arguments: [ORGANISATION],
  flags: {},
  request: ([organisation]) => ["invitation.sent", { organisation: organisation! }],
  text: (answer, style) =>
    listing(answer, style, ["id", "username", "email", "role", "team", "expires"], "No invitation waits for an answer"),
});

export const revoke: CommandSpec = managed({
  summary: "Revoke an invitation",
  examples: ["org revoke-invitation acme 4mXbQ0v2kYpLr8sT"],
  arguments: [ORGANISATION, { name: "ID", summary: "Id of the invitation" }],
  flags: {},
  request: ([organisation, id]) => ["invitation.revoke", { organisation: organisation!, id: id! }],
  text: () => ["Revoked the invitation"],
});
