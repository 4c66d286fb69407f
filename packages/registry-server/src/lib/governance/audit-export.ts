import { auditRecords, type AuditFilter, type AuditTrailStore, type ChainedRecord } from "./audit-trail.ts";

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

/**
 * A cell of CSV. Spreadsheets calculate what begins with these characters, quoted or not: an apostrophe before it makes it
 * text.
 */
function cell(value: string | number | undefined): string {
  if (typeof value === "number") return String(value);
  const text = value ?? "";
  const plain = /^[\s\0]*[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
  return `"${plain.replaceAll('"', '""')}"`;
}

function csvLine(record: ChainedRecord): string {
  const values = { ...record, at: instant(record.at) };
  return `${COLUMNS.map((name) => cell(values[name])).join(",")}\r\n`;
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
