import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Show one setting; a token is masked",
  examples: ["config get default-registry", "config get auth.token"],
  arguments: [{ name: "KEY", summary: "Name of the setting" }],
  flags: { reveal: { type: "boolean", summary: "Show a token in full" } },
  async run({ args, flags, context }) {
    const { configGet } = await import("@lading/engine/machine");
    const setting = await configGet({ key: args[0]!, reveal: flags.reveal }, await context());
    return {
      data: setting ?? { key: args[0]!, value: null },
      exitCode: setting === undefined ? 1 : 0,
      text: () => (setting === undefined ? [] : [String(setting.value)]),
    };
  },
});
