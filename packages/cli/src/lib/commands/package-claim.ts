import type { CommandSpec } from "../spec.ts";
import { cell, listing, managed } from "./managed.ts";
import { requireFlag } from "./require-flag.ts";

const CLAIM = { name: "ID", summary: "Id of the claim, as package claim list shows it" };

export const create: CommandSpec = managed({
  summary: "Ask for the name of a package that nothing changed for a year",
  description:
    "Its owners may object for 30 days; then an admin of the registry may make you its only owner. Published versions stay as they are.",
  examples: ['package claim create old-package --reason "Unmaintained since 2024, and I maintain the fork"'],
  arguments: [{ name: "PACKAGE", summary: "Name of the package", kind: "package" }],
  flags: { reason: { type: "text", summary: "Why you should have it, in 20 characters or more", placeholder: "TEXT" } },
  request: ([name], { reason }) => [
    "claim.create",
    { package: name!, reason: requireFlag(reason, "package claim create", "reason", "TEXT") },
  ],
  text: (answer, style) => [
    `Claimed ${style.bold(cell(answer, "package"))} (${cell(answer, "id")}); its owners may object until ${cell(answer, "decidable")}`,
  ],
});

export const list: CommandSpec = managed({
  summary: "List your claims and those of your packages; for admins, all that are open",
  examples: ["package claim list"],
  flags: {},
  request: () => ["claim.list", {}],
  text: (answer, style) =>
    listing(answer, style, ["id", "package", "claimant", "state", "decidable", "reason"], "No claim concerns you"),
});

type Decision = "object" | "withdraw" | "approve" | "reject";

function decision(word: Decision, summary: string): CommandSpec {
  return managed({
    summary,
    examples: [`package claim ${word} 4mXbQ0v2kYpLr8sT`, `package claim ${word} 4mXbQ0v2kYpLr8sT --note "In use"`],
    arguments: [CLAIM],
    flags: { note: { type: "text", summary: "What the other side reads about it", placeholder: "TEXT" } },
    request: ([id], { note }) => ["claim.decide", { id: id!, decision: word, ...(note === undefined ? {} : { note }) }],
    text: (answer, style) => [`The claim of ${style.bold(cell(answer, "package"))} is ${cell(answer, "state")}`],
  });
}

export const object: CommandSpec = decision("object", "Object to a claim of your package, which ends it");
export const withdraw: CommandSpec = decision("withdraw", "Withdraw your claim");
export const approve: CommandSpec = decision(
  "approve",
  "Make the claimant the only owner, after the waiting period; for admins of the registry",
);
export const reject: CommandSpec = decision("reject", "Reject a claim; for admins of the registry");
