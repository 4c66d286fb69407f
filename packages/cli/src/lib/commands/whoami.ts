import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Show who the registry takes you for",
  examples: ["whoami"],
  flags: {},
  async run({ context }) {
    const { whoami } = await import("@lading/engine/registry");
    const result = await whoami({}, await context());
    return { data: result, text: () => [`${result.user} at ${result.url}`] };
  },
});
