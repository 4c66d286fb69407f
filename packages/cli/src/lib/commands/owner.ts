import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "List, add or remove the owners of a package",
  examples: ["owner list my-package", "owner add my-package alice", "owner add my-package team:acme/core"],
  arguments: [
    { name: "ACTION", summary: "list, add or remove" },
    { name: "PACKAGE", summary: "Name of the package", kind: "package" },
    { name: "USER", summary: "The user to add or remove, or team:ORGANISATION/TEAM", optional: true },
  ],
  flags: {},
  async run({ args, context }) {
    const { owner } = await import("@lading/engine/registry");
    const [action, name, user] = args;
    const owners = await owner({ action: await neededAction(action!), name: name!, user }, await context());
    return {
      data: owners,
      rows: owners,
      text: () => owners.map(nameOf),
    };
  },
});

function nameOf(owner: Readonly<Record<string, unknown>>): string {
  const { team } = owner;
  if (typeof team === "string") return `team:${team}`;
  const name = owner["username"] ?? owner["user"] ?? owner["name"];
  return typeof name === "string" ? name : JSON.stringify(owner);
}

async function neededAction(text: string): Promise<"list" | "add" | "remove"> {
  if (text === "list" || text === "add" || text === "remove") return text;
  const { CliError } = await import("../cli-error.ts");
  throw new CliError({
    code: "CLI_ARGUMENT_UNEXPECTED",
    message: `Cannot run "owner ${text}": allowed are list, add, remove and transfer`,
    hint: "A package is handed over with: owner transfer offer PACKAGE USER",
  });
}
