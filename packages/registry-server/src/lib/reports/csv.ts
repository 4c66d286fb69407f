/**
 * A cell of CSV. Spreadsheets calculate what begins with these characters, quoted or not: an apostrophe before it makes it
 * text.
 */
export function csvCell(value: string | number | undefined): string {
  if (typeof value === "number") return String(value);
  const text = value ?? "";
  const plain = /^[\s\0]*[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
  return `"${plain.replaceAll('"', '""')}"`;
}

/** A table as CSV (RFC 4180), with its header. */
export function csvTable(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const lines = rows.map((row) => row.map(csvCell).join(","));
  return [header.join(","), ...lines].map((line) => `${line}\r\n`).join("");
}
