import { defineCommand, type CommandSpec } from "../spec.ts";
import { table } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "List all settings with where each comes from; tokens are masked",
  examples: ["config list", "config list --json"],
  flags: {},
  async run({ context }) {
    const { configList } = await import("@lading/engine/machine");
    const rows = await configList({}, await context());
    return {
      data: Object.fromEntries(rows.map(({ key, ...rest }) => [key, rest])),
      rows,
      text: (style) =>
        table(
          style,
          ["KEY", "VALUE", "FROM"],
          rows.map(({ key, value, origin, source }) => [key, String(value), source ?? origin]),
        ),
    };
  },
});
