import { defineCommand, type CommandSpec } from "../spec.ts";
import { changeLines, lockLine, RESOLVE_FLAGS, resolveInput, summaryData } from "./shared.ts";

export const command: CommandSpec = defineCommand({
  summary: "Bring the lock file up to date with the manifests, and install nothing",
  examples: ["lock", "lock --locked"],
  flags: RESOLVE_FLAGS,
  async run({ flags, options, context }) {
    const { lock } = await import("@lading/engine");
    const outcome = await lock(resolveInput(flags, options), await context());
    return {
      data: summaryData(outcome, undefined),
      text: (style) => [
        ...changeLines(outcome.changes, style).map((line) => `  ${line}`),
        lockLine(outcome, options.dryRun),
      ],
    };
  },
});
