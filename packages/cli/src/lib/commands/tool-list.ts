import { defineCommand, type CommandSpec } from "../spec.ts";
import { table } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "List tools",
  examples: ["tool list", "tool list --json"],
  flags: {},
  async run({ context }) {
    const { toolList } = await import("@lading/engine/machine");
    const tools = await toolList({}, await context());
    return {
      data: tools,
      rows: tools,
      text: (style) =>
        tools.length === 0
          ? ["No tools are installed"]
          : table(
              style,
              ["TOOL", "VERSION", "PROGRAMS"],
              tools.map(({ name, version, commands }) => [name, version, commands.join(", ")]),
            ),
    };
  },
});
