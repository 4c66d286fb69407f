import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Change one setting in your configuration file",
  examples: ["config set default-registry company", "config set signing.key ./my-key.pem"],
  arguments: [
    { name: "KEY", summary: "Name of the setting" },
    { name: "VALUE", summary: "Its new value" },
  ],
  flags: {},
  async run({ args, context }) {
    const { configSet } = await import("@lading/engine/machine");
    const result = await configSet({ key: args[0]!, value: args[1]! }, await context());
    return { data: result, text: () => [`Set ${result.key} = ${String(result.value)}`] };
  },
});
