import { MEMBER_FLAGS } from "./member-flags.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import { table } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "Run a script of the manifest, or a program of an installed package",
  description:
    "Scripts are in the manifest's scripts table; without a name they are listed. All that follows the name goes to the program. Programs of installed packages are on the path. The exit status is the program's.",
  examples: ["run", "run build", "run test --watch"],
  arguments: [{ name: "SCRIPT", summary: "Its name, and its arguments", optional: true, many: true }],
  flags: { package: MEMBER_FLAGS.package },
  passThrough: true,
  async run({ args, flags, options, context }) {
    const { run, scripts } = await import("@lading/engine/machine");
    const [name, ...rest] = args;
    if (name === undefined) {
      const listed = await scripts({ package: flags.package }, await context());
      return {
        data: listed,
        rows: listed,
        text: (style) =>
          listed.length === 0
            ? ["The manifest has no scripts"]
            : table(
                style,
                ["SCRIPT", "LINE"],
                listed.map((one) => [one.name, one.line]),
              ),
      };
    }
    const stdout = options.format === "text" ? undefined : 2;
    const result = await run({ command: name, args: rest, package: flags.package, stdout }, await context());
    return { data: result, exitCode: result.exitCode, text: () => [] };
  },
});
