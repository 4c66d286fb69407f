import { count } from "../render/table.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import { entries } from "./entries.ts";

export const command: CommandSpec = defineCommand({
  summary: "Compare the registry's audit records that you may see with its transparency log",
  examples: ["audit verify"],
  flags: {},
  async run({ context }) {
    const { auditVerify } = await import("@lading/engine/registry");
    const found = await auditVerify({}, await context());
    return {
      data: found,
      text: (style) => [
        `${style.green("✓")} ${count(found.matched, "audit record")} ${found.matched === 1 ? "is" : "are"} in ${style.bold(found.origin)} (${entries(found.size)}); ${found.unlogged} of what is not logged, such as logins`,
      ],
    };
  },
});
