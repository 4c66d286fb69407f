import { defineCommand, type CommandSpec } from "../spec.ts";
import { changeLines, lockLine, RECORD_FLAGS, RESOLVE_FLAGS, resolveInput, summaryData } from "./shared.ts";

export const command: CommandSpec = defineCommand({
  summary: "Bring the lock file up to date with the manifests, and install nothing",
  description:
    "`--minimal` and `--lowest-direct` lock again from the bottom of the ranges, to see whether what they claim holds.",
  examples: ["lock", "lock --locked", "lock --minimal --dry-run", "lock --record resolution.json"],
  flags: {
    minimal: { type: "boolean", summary: "Take the lowest version of every package" },
    "lowest-direct": {
      type: "boolean",
      summary: "Take the lowest version of what the manifests name, and the newest of what that needs",
    },
    ...RECORD_FLAGS,
    ...RESOLVE_FLAGS,
  },
  async run({ flags, options, context }) {
    if (flags.minimal && flags["lowest-direct"]) {
      const { CliError } = await import("../cli-error.ts");
      throw new CliError({
        code: "CLI_FLAG_INVALID",
        message: 'Cannot use "--minimal" with "--lowest-direct": each prefers other versions',
      });
    }
    const prefer = flags.minimal ? "oldest" : flags["lowest-direct"] ? "lowest-direct" : undefined;
    const { lock } = await import("@lading/engine");
    const outcome = await lock(
      {
        ...resolveInput(flags, options),
        record: flags.record,
        ...(prefer === undefined ? {} : { prefer, refresh: "all" }),
      },
      await context(),
    );
    return {
      data: summaryData(outcome, undefined),
      text: (style) => [
        ...changeLines(outcome.changes, style).map((line) => `  ${line}`),
        lockLine(outcome, options.dryRun),
        ...(flags.record === undefined ? [] : [`Recorded the resolution in ${flags.record}`]),
      ],
    };
  },
});
