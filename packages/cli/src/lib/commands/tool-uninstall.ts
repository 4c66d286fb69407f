import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Take a tool and its programs away",
  examples: ["tool uninstall actor-lint"],
  arguments: [{ name: "TOOL", summary: "Name of the package" }],
  flags: {},
  async run({ args, context }) {
    const { toolUninstall } = await import("@lading/engine/machine");
    const tool = await toolUninstall({ name: args[0]! }, await context());
    return {
      data: tool,
      text: (style) => [`Uninstalled ${style.bold(tool.name)} ${tool.version}: ${tool.commands.join(", ")}`],
    };
  },
});
