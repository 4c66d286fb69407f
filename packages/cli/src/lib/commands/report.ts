import type { ApiObject } from "@lading/registry-client";
import { printable, table } from "../render/table.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import { cell, itemsOf } from "./managed.ts";
import { webhookSubject } from "./webhook-subject.ts";

const CSV = { type: "boolean", summary: "Print comma-separated values" } as const;

const rowsOf = (answer: ApiObject, name: string): readonly ApiObject[] =>
  Array.isArray(answer[name]) ? (answer[name] as ApiObject[]) : [];

/** A cell of CSV: text that a spreadsheet would calculate gets an apostrophe before it. */
function csvCell(text: string): string {
  const plain = /^[\s\0]*[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
  return `"${plain.replaceAll('"', '""')}"`;
}

function csv(fields: readonly string[], rows: readonly ApiObject[]): readonly string[] {
  const value = (row: ApiObject, field: string): string => (row[field] === undefined ? "" : cell(row, field));
  const lines = rows.map((row) =>
    fields.map((field) => (typeof row[field] === "number" ? String(row[field]) : csvCell(value(row, field)))).join(","),
  );
  return [fields.join(","), ...lines];
}

const names = (value: unknown): string =>
  (Array.isArray(value) ? (value as (string | ApiObject)[]) : [])
    .map((one) => (typeof one === "string" ? one : cell(one, "username")))
    .join(" ");

/** The lines of a usage report: packages, their days, teams. */
function usageRows(answer: ApiObject): readonly ApiObject[] {
  const packages = rowsOf(answer, "packages").flatMap((one): readonly ApiObject[] => [
    { ...one, kind: "package", name: one["package"], publishers: names(one["publishers"]) },
    ...rowsOf(one, "downloads_by_day").map((day) => ({ kind: "day", name: one["package"], ...day })),
  ]);
  const teams = rowsOf(answer, "teams").map((one) => ({
    ...one,
    kind: "team",
    name: one["team"],
    publishers: names(one["publishers"]),
  }));
  return [...packages, ...teams];
}

const USAGE_CSV = ["kind", "name", "day", "downloads", "publishers", "versions", "bytes", "active_tokens"];

export const usage: CommandSpec = defineCommand({
  summary: "Report how packages are used: downloads by day, publishers, bytes, active tokens",
  description:
    "With --package for its owners, with --org for maintainers of the organisation, with neither for admins: the whole registry. The last 30 days unless told otherwise.",
  examples: ["report usage --package my-package", "report usage --org acme --since 2030-01-01 --csv"],
  flags: {
    package: { type: "text", summary: "Report this package", placeholder: "NAME" },
    org: { type: "text", summary: "Report the packages and teams of this organisation", placeholder: "NAME" },
    since: { type: "text", summary: "First day (UTC)", placeholder: "DAY" },
    until: { type: "text", summary: "Last day (UTC); default: today", placeholder: "DAY" },
    csv: CSV,
  },
  async run({ flags, context }) {
    const { manage } = await import("@lading/engine/registry");
    const { since, until } = flags;
    const answer = await manage("report.usage", { of: webhookSubject(flags), since, until }, await context());
    return {
      data: answer,
      text: (style) => {
        const rows = usageRows(answer);
        if (flags.csv) return csv(USAGE_CSV, rows);
        const shown = rows.filter((row) => row["kind"] !== "day");
        const fields = ["kind", "name", "downloads", "publishers", "bytes", "active_tokens"];
        return [
          `From ${cell(answer, "since")} to ${cell(answer, "until")}`,
          "",
          ...table(
            style,
            fields.map((field) => field.toUpperCase().replaceAll("_", " ")),
            shown.map((row) => fields.map((field) => printable(cell(row, field)))),
          ),
        ];
      },
    };
  },
});

const LICENSE_FIELDS = ["month", "license", "published", "versions", "packages"];

export const licenses: CommandSpec = defineCommand({
  summary: "Report which licences are in use at a registry, month by month, as an admin",
  examples: ["report licenses", "report licenses --csv"],
  flags: { csv: CSV },
  async run({ flags, context }) {
    const { manage } = await import("@lading/engine/registry");
    const answer = await manage("report.licenses", {}, await context());
    const rows = itemsOf(answer) ?? [];
    return {
      data: rows,
      rows,
      text: (style) =>
        flags.csv
          ? csv(LICENSE_FIELDS, rows)
          : table(
              style,
              LICENSE_FIELDS.map((field) => field.toUpperCase()),
              rows.map((row) => LICENSE_FIELDS.map((field) => printable(cell(row, field)))),
            ),
    };
  },
});
