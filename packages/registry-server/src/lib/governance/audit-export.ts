import { auditRecords, type AuditFilter, type AuditTrailStore, type ChainedRecord } from "./audit-trail.ts";
import { csvCell } from "../reports/csv.ts";

/** Forms in which the audit trail is given out. */
export const AUDIT_FORMATS = ["jsonl", "csv"] as const;
export type AuditFormat = (typeof AUDIT_FORMATS)[number];

/** What programs call the forms. */
export const AUDIT_MEDIA_TYPES: Readonly<Record<AuditFormat, string>> = {
  jsonl: "application/x-ndjson",
  csv: "text/csv; charset=utf-8; header=present",
};

const COLUMNS = [
  "id",
  "at",
  "actor",
  "action",
  "package",
  "version",
  "details",
  "traceId",
  "address",
  "previous",
  "hash",
] as const;

// With milliseconds, as the record's hash covers them.
function instant(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function details(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Somebody altered it: given out as it stands.
    return text;
  }
}

function jsonLine(record: ChainedRecord): string {
  const values = { ...record, at: instant(record.at), details: details(record.details) };
  return `${JSON.stringify(Object.fromEntries(COLUMNS.map((name) => [name, values[name]])))}\n`;
}

function csvLine(record: ChainedRecord): string {
  const values = { ...record, at: instant(record.at) };
  return `${COLUMNS.map((name) => csvCell(values[name])).join(",")}\r\n`;
}

const LINES: Readonly<
  Record<AuditFormat, { readonly head: string; readonly line: (record: ChainedRecord) => string }>
> = {
  jsonl: { head: "", line: jsonLine },
  csv: { head: `${COLUMNS.join(",")}\r\n`, line: csvLine },
};

/** Some lines at once, since each piece costs a write. */
const PIECE = 32 * 1024;

/** Records of the audit trail as text, oldest first, a piece at a time: one JSON object a line, or CSV (RFC 4180). */
export async function* exportAudit(
  trail: AuditTrailStore,
  { format, filter }: { readonly format: AuditFormat; readonly filter: AuditFilter },
): AsyncGenerator<string> {
  const { head, line } = LINES[format];
  let piece = head;
  for await (const record of auditRecords(trail, filter)) {
    piece += line(record);
    if (piece.length < PIECE) continue;
    yield piece;
    piece = "";
  }
  if (piece !== "") yield piece;
}
