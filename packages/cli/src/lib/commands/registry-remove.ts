import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Forget a registry and its stored token",
  examples: ["registry remove company"],
  arguments: [{ name: "NAME", summary: "Name of a configured registry" }],
  flags: {},
  async run({ args, context }) {
    const { registryRemove } = await import("@lading/engine/registry");
    const result = await registryRemove({ name: args[0]! }, await context());
    return {
      data: result,
      text: () => [
        `Removed registry ${result.name} (${result.url})${result.credentialRemoved ? " and its token" : ""}`,
      ],
    };
  },
});
