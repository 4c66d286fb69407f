import type { CommandSpec } from "../spec.ts";
import { TEAM, USER, cell, listing, managed, teamName } from "./managed.ts";

const ROLES = ["maintain", "publish", "read"] as const;
const MEMBER_ROLES = ["maintainer", "member"] as const;
const FIELDS = ["username", "role", "since"];

export const set: CommandSpec = managed({
  summary: "Create a team, or change what it may do",
  description:
    "maintain: everything with the packages that the team owns and in all namespaces of the organisation; publish: create packages in the namespaces, publish and yank its own; read: a group for access rules.",
  examples: ["team set acme/core --role maintain"],
  arguments: [TEAM],
  flags: {
    role: { type: "enum", summary: "What it may do; default: publish", values: ROLES },
    title: { type: "text", summary: "What people read as its name" },
  },
  request: ([team], { role, title }) => [
    "team.put",
    {
      ...teamName(team!),
      role: (role ?? "publish") as (typeof ROLES)[number],
      ...(title === undefined ? {} : { title }),
    },
  ],
  text: (answer, style, [team]) => [`Team ${style.bold(team!)} may ${cell(answer, "role")}`],
});

export const remove: CommandSpec = managed({
  summary: "Remove a team that is not the only owner of a package",
  examples: ["team remove acme/core"],
  arguments: [TEAM],
  flags: {},
  request: ([team]) => ["team.remove", teamName(team!)],
  text: (_, style, [team]) => [`Removed team ${style.bold(team!)}`],
});

export const members: CommandSpec = managed({
  summary: "List the members of a team; for members of the organisation",
  examples: ["team members acme/core"],
  arguments: [TEAM],
  flags: {},
  request: ([team]) => ["team.members", teamName(team!)],
  text: (answer, style) => listing(answer, style, FIELDS, "No members"),
});

export const add: CommandSpec = managed({
  summary: "Put a member of the organisation in a team, or change the role in it",
  examples: ["team add acme/core alice", "team add acme/core alice --role maintainer"],
  arguments: [TEAM, USER],
  flags: { role: { type: "enum", summary: "Maintainers choose the team's members", values: MEMBER_ROLES } },
  request: ([team, user], { role }) => [
    "team.add",
    { ...teamName(team!), user: user!, role: (role ?? "member") as (typeof MEMBER_ROLES)[number] },
  ],
  text: (answer, style) => listing(answer, style, FIELDS, "No members"),
});

export const drop: CommandSpec = managed({
  summary: "Take somebody out of a team",
  examples: ["team drop acme/core alice"],
  arguments: [TEAM, USER],
  flags: {},
  request: ([team, user]) => ["team.drop", { ...teamName(team!), user: user! }],
  text: (answer, style) => listing(answer, style, FIELDS, "The team has no members"),
});
