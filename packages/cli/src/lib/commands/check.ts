import { MEMBER_FLAGS } from "./member-flags.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import { count } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "List every problem of manifest, files, licence, features, chaos profiles and lock",
  examples: ["check", "check --workspace --json"],
  flags: { strict: { type: "boolean", summary: "Let warnings fail the check too" }, ...MEMBER_FLAGS },
  async run({ bin, routes, flags, options, context }) {
    const { readFileSync } = await import("node:fs");
    const path = await import("node:path");
    const { check } = await import("@lading/engine/inspect");
    const { advise } = await import("../render/advice.ts");
    const { advised, renderDiagnostics } = await import("../render/error.ts");
    const result = await check({ package: flags.package, workspace: flags.workspace }, await context());
    const typed = advised((hint) => advise(hint, [{ bin, routes }]));
    const readSource = (file: string): string | undefined => {
      try {
        return readFileSync(path.resolve(options.directory, file), "utf8");
      } catch {
        // The excerpt is an aid: without the file the place alone is shown.
        return undefined;
      }
    };
    const failed = result.errors > 0 || (flags.strict && result.warnings > 0);
    return {
      data: result,
      rows: result.problems,
      exitCode: failed ? 1 : 0,
      text: (style) => [
        ...renderDiagnostics(result.problems.map(typed), style, readSource),
        ...(result.problems.length === 0 ? [] : [""]),
        result.problems.length === 0
          ? `${style.green("✓")} No problems`
          : `${count(result.errors, "error")}, ${count(result.warnings, "warning")}`,
      ],
    };
  },
});
