import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Run a program with the programs of installed packages on the path",
  description:
    "All that follows the program's name goes to it. The exit status is the program's. With --json its output goes to standard error.",
  examples: ["exec actor-lint src --fix", "exec env"],
  arguments: [{ name: "PROGRAM", summary: "Its name, and its arguments", many: true }],
  flags: {},
  passThrough: true,
  async run({ args, options, context }) {
    const { exec } = await import("@lading/engine/machine");
    const [name, ...rest] = args;
    const stdout = options.format === "text" ? undefined : 2;
    const result = await exec({ command: name!, args: rest, stdout }, await context());
    return { data: result, exitCode: result.exitCode, text: () => [] };
  },
});
