import { printable, table } from "../render/table.ts";
import { HERE_FLAGS, hereInput } from "./shared.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "List the licence of every dependency: allowed, refused or unknown",
  description:
    "By [security] allowed_licenses of the project, as install goes by it; without it every licence is allowed. Exits with 1 where install would refuse one.",
  examples: ["licenses", "licenses --json"],
  flags: HERE_FLAGS,
  async run({ flags, context }) {
    const { licenses } = await import("@lading/engine/inspect");
    const report = await licenses(hereInput(flags), await context());
    return {
      data: report,
      rows: report.packages,
      exitCode: report.compliant ? 0 : 1,
      text: (style) =>
        report.packages.length === 0
          ? ["There are no dependencies"]
          : [
              ...table(
                style,
                ["PACKAGE", "VERSION", "LICENCE", "VERDICT", "REASON"],
                report.packages.map(({ name, version, license, verdict, reason }) => [
                  name,
                  version,
                  printable(license ?? "-"),
                  verdict,
                  printable(reason ?? ""),
                ]),
              ),
              "",
              report.allowed.length === 0
                ? "The project allows every licence: it has no [security] allowed_licenses"
                : `Allowed are ${report.allowed.join(", ")}`,
            ],
    };
  },
});
