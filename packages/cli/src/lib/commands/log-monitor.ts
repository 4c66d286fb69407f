import { printable } from "../render/table.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import { entries } from "./entries.ts";

export const command: CommandSpec = defineCommand({
  summary: "List what a registry's log says of a package since you asked last",
  examples: ["log monitor tool", "log monitor company/tool --all --json"],
  arguments: [{ name: "NAME", summary: "The package" }],
  flags: { all: { type: "boolean", summary: "From the first entry of the log on" } },
  async run({ args, flags, context }) {
    const { logMonitor } = await import("@lading/engine/registry");
    const found = await logMonitor({ name: args[0]!, all: flags.all }, await context());
    return {
      data: found,
      rows: found.entries,
      text: (style) => [
        ...found.entries.map(
          ({ index, time, actor, text }) =>
            `${String(index).padStart(6)} ${style.dim(time)} ${printable(text)}${actor === undefined ? "" : ` (by ${printable(actor)})`}`,
        ),
        `${style.green("✓")} ${entries(found.entries.length)} about ${style.bold(found.name)} among ${found.from} to ${found.size} of ${found.origin}, none left out`,
      ],
    };
  },
});
