import type { OutdatedPackage } from "@lading/engine";
import type { Style } from "../render/style.ts";
import { MEMBER_FLAGS } from "./member-flags.ts";
import { HERE_FLAGS, hereInput } from "./shared.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import { table } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "List direct dependencies for which there is something newer",
  description:
    "`update` moves to WANTED, `upgrade` to LATEST. Below the table: why what is locked is not WANTED, and why WANTED is not LATEST.",
  examples: ["outdated", "outdated --check"],
  flags: {
    check: { type: "boolean", summary: "Exit with 1 where anything is outdated" },
    ...HERE_FLAGS,
    ...MEMBER_FLAGS,
  },
  async run({ flags, context }) {
    const { outdated } = await import("@lading/engine/inspect");
    const rows = await outdated(
      { ...hereInput(flags), package: flags.package, workspace: flags.workspace },
      await context(),
    );
    return {
      data: rows,
      rows,
      exitCode: flags.check && rows.length > 0 ? 1 : 0,
      text: (style) =>
        rows.length === 0
          ? ["Everything is at its newest version"]
          : [
              ...table(
                style,
                ["PACKAGE", "CURRENT", "WANTED", "LATEST", "RANGE", "MEMBER"],
                rows.map(({ name, current, wanted, latest, requirement, member }) => [
                  name,
                  current ?? "-",
                  wanted ?? "-",
                  latest ?? "-",
                  requirement,
                  member,
                ]),
              ),
              "",
              ...rows.flatMap((row) => reasonLines(row, style)),
            ],
    };
  },
});

function reasonLines(row: OutdatedPackage, style: Style): string[] {
  const { name, current, wanted, latest, currentReason, wantedReason, latestReason } = row;
  const line = (version: string | undefined, reason: string | undefined): string[] =>
    reason === undefined ? [] : [`${style.bold(name)}: not ${version}: ${reason.split("\n").join(" ")}`];
  const ended = currentReason === undefined ? [] : [`${style.bold(name)}: ${current} must go: ${currentReason}`];
  return [...ended, ...line(wanted, wantedReason), ...line(latest, latestReason)];
}
