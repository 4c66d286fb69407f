import { defineCommand, type CommandSpec } from "../spec.ts";
import { printable, table } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "List the configured registries and whether they answer",
  examples: ["registry list"],
  flags: { "no-check": { type: "boolean", summary: "Ask none of them" } },
  async run({ flags, context }) {
    const { registryList } = await import("@lading/engine/registry");
    const rows = await registryList({ check: !flags["no-check"] }, await context());
    return {
      data: rows,
      rows,
      text: (style) =>
        rows.length === 0
          ? ["No registry is configured"]
          : table(
              style,
              ["", "NAME", "URL", "STATE", "LOGIN"],
              rows.map((row) => [
                row.default ? "*" : " ",
                row.name,
                row.url,
                flags["no-check"]
                  ? "-"
                  : row.reachable
                    ? `reachable${row.durationMs === undefined ? "" : ` (${Math.round(row.durationMs)} ms)`}`
                    : "unreachable",
                row.loggedIn ? "yes" : "no",
              ]),
            ).concat(
              // Why a registry does not answer is a sentence, and no cell of a table.
              rows.flatMap(({ name, problem }) =>
                problem === undefined ? [] : [`  ${style.yellow("⚠")} ${name}: ${printable(problem)}`],
              ),
            ),
    };
  },
});
