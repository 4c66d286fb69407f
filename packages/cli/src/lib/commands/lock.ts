import { defineCommand, type CommandSpec } from "../spec.ts";
import { changeLines, lockLine, RECORD_FLAGS, RESOLVE_FLAGS, resolveInput, summaryData } from "./shared.ts";

export const command: CommandSpec = defineCommand({
  summary: "Bring the lock file up to date with the manifests, and install nothing",
  description:
    "One lock can be for several environments: every combination of the host versions and targets that are named here, or in [environments] of the manifest. They stay until others are named. `--minimal` and `--lowest-direct` lock again from the bottom of the ranges, to see whether what they claim holds.",
  examples: [
    "lock",
    "lock --locked",
    "lock --host revit=2024 --host revit=2025",
    "lock --all-hosts",
    "lock --minimal --dry-run",
    "lock --record resolution.json",
  ],
  flags: {
    minimal: { type: "boolean", summary: "Take the lowest version of every package" },
    "lowest-direct": {
      type: "boolean",
      summary: "Take the lowest version of what the manifests name, and the newest of what that needs",
    },
    ...RECORD_FLAGS,
    ...RESOLVE_FLAGS,
    host: { type: "list", summary: "Lock for this version of a host; may be repeated", placeholder: "AXIS=VERSION" },
    target: { type: "list", summary: "Lock for this target; may be repeated", placeholder: "TRIPLE" },
    "all-hosts": { type: "boolean", summary: "Lock for every known version of every host that the members support" },
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
    const { lock } = await import("@lading/engine/lock");
    const outcome = await lock(
      {
        ...resolveInput(flags, options),
        record: flags.record,
        ...(prefer === undefined ? {} : { prefer, refresh: "all" }),
        ...(flags.target.length === 0 ? {} : { targets: flags.target }),
        allHosts: flags["all-hosts"],
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
