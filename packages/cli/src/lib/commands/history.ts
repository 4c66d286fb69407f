import { defineCommand, type CommandSpec } from "../spec.ts";
import { table } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "List the installed generations that can be returned to",
  examples: ["history"],
  flags: {},
  async run({ context }) {
    const { history } = await import("@lading/engine/machine");
    const rows = await history({}, await context());
    return {
      data: rows,
      rows,
      text: (style) =>
        rows.length === 0
          ? ["Nothing is installed"]
          : table(
              style,
              ["", "GENERATION", "PACKAGES", "CREATED", "REASON"],
              rows.map(({ number, packages, created, reason, current }) => [
                current ? "*" : " ",
                String(number),
                String(packages),
                created.replace(/\.\d+Z$/, "Z"),
                reason,
              ]),
            ),
    };
  },
});
