import { defineCommand, type CommandSpec } from "../spec.ts";
import { linkOutcome } from "./link.ts";

export const command: CommandSpec = defineCommand({
  summary: "End links, and install the locked packages again",
  examples: ["unlink actor-utils", "unlink --all"],
  arguments: [{ name: "PACKAGE", summary: "Name of a linked package", optional: true, many: true }],
  flags: { all: { type: "boolean", summary: "End every link" } },
  async run({ args, flags, options, context }) {
    if (args.length === 0 && !flags.all) {
      const { CliError } = await import("../cli-error.ts");
      throw new CliError({
        code: "CLI_ARGUMENT_MISSING",
        message: "Cannot run the command: name a package, or give --all",
      });
    }
    const { unlink } = await import("@lading/engine/machine");
    return linkOutcome(await unlink({ names: args, all: flags.all, dryRun: options.dryRun }, await context()));
  },
});
