import { defineCommand, type CommandSpec } from "../spec.ts";
import { count } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "Read every stored file again and compare its digest",
  examples: ["cache verify"],
  flags: {},
  async run({ context }) {
    const { cacheVerify } = await import("@lading/engine/machine");
    const result = await cacheVerify({}, await context());
    return {
      data: result,
      text: (style) => [
        `${style.green("✓")} ${count(result.packages, "stored package")}, ${count(result.files, "file")}: every digest holds`,
      ],
    };
  },
});
