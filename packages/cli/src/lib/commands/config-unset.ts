import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Take one setting out of your configuration file",
  examples: ["config unset signing.key", "config unset auth.token"],
  arguments: [{ name: "KEY", summary: "Name of the setting" }],
  flags: {},
  async run({ args, context }) {
    const { configUnset } = await import("@lading/engine/machine");
    const result = await configUnset({ key: args[0]! }, await context());
    return {
      data: result,
      text: () => [result.removed ? `Unset ${result.key}` : `${result.key} was not set in ${result.file}`],
    };
  },
});
