import { defineCommand, type CommandSpec } from "../spec.ts";
import { count } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "Switch what is installed back to an earlier generation",
  description: "Manifest and lock file stay as they are; `install` goes forward again.",
  examples: ["rollback", "rollback 3"],
  arguments: [{ name: "GENERATION", summary: "Number from `history`; default: the one before", optional: true }],
  flags: {},
  async run({ args, context }) {
    const { rollback } = await import("@lading/engine/machine");
    const generation = args[0] === undefined ? undefined : await wholeNumber(args[0]);
    const { from, to } = await rollback({ generation }, await context());
    return {
      data: { from, to },
      text: () => [
        `Rolled back from generation ${from ?? "none"} to ${to.number} (${count(to.packages, "package")}, made by ${to.reason})`,
      ],
    };
  },
});

async function wholeNumber(text: string): Promise<number> {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const { CliError } = await import("../cli-error.ts");
  throw new CliError({
    code: "CLI_ARGUMENT_UNEXPECTED",
    message: `Cannot use "${text}" as a generation: expected a whole number`,
  });
}
