import { DateTimeText } from "./located.ts";

/** A table that is written in one line: `{ version = "1.0" }`. */
export class InlineTable {
  readonly entries: Readonly<Record<string, unknown>>;

  constructor(entries: Readonly<Record<string, unknown>>) {
    this.entries = entries;
  }
}

const BARE_KEY = /^[A-Za-z0-9_-]+$/;
const ESCAPES: Readonly<Record<string, string>> = {
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\f": "\\f",
  "\r": "\\r",
  '"': '\\"',
  "\\": "\\\\",
};

// oxlint-disable-next-line no-control-regex -- control characters are what has to be escaped
const ESCAPED = /["\\\u0000-\u001F\u007F]/g;

/** A basic string of TOML 1.0. */
export function tomlString(text: string): string {
  const escaped = text.replaceAll(
    ESCAPED,
    (character) => ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}

export function tomlKey(key: string): string {
  return BARE_KEY.test(key) ? key : tomlString(key);
}

function tomlNumber(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return Number.isInteger(value) && Math.abs(value) > Number.MAX_SAFE_INTEGER ? value.toExponential() : String(value);
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof DateTimeText) &&
    !(value instanceof InlineTable)
  );
}

/** A value in one line, or over several where a list would be long. `undefined` and `null` have no form in TOML. */
export function tomlValue(value: unknown, width = 100): string {
  if (typeof value === "string") return tomlString(value);
  if (typeof value === "number") return tomlNumber(value);
  if (typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (value instanceof DateTimeText) return value.text;
  if (Array.isArray(value)) return tomlArray(value, width);
  const entries = Object.entries(
    value instanceof InlineTable ? value.entries : (value as Record<string, unknown>),
  ).filter(([, inner]) => isSayable(inner));
  if (entries.length === 0) return "{}";
  return `{ ${entries.map(([key, inner]) => `${tomlKey(key)} = ${tomlValue(inner, Infinity)}`).join(", ")} }`;
}

function tomlArray(values: readonly unknown[], width: number): string {
  const items = values.filter(isSayable).map((value) => tomlValue(value, Infinity));
  const line = `[${items.join(", ")}]`;
  return line.length <= width ? line : `[\n${items.map((item) => `  ${item},\n`).join("")}]`;
}

function isSayable(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function isTableList(value: unknown): value is readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) && value.length > 0 && value.every(isTable);
}

function section(
  lines: string[],
  path: readonly string[],
  table: Readonly<Record<string, unknown>>,
  header: string | undefined,
): void {
  const entries = Object.entries(table).filter(([, value]) => isSayable(value));
  const plain = entries.filter(([, value]) => !isTable(value) && !isTableList(value));
  // A table with nothing but tables in it needs no header of its own.
  if (header !== undefined && (plain.length > 0 || entries.length === 0 || header.startsWith("[["))) {
    if (lines.length > 0) lines.push("");
    lines.push(header);
  }
  for (const [key, value] of plain) lines.push(`${tomlKey(key)} = ${tomlValue(value)}`);
  for (const [key, value] of entries) {
    const inner = [...path, key];
    const name = inner.map(tomlKey).join(".");
    if (isTable(value)) section(lines, inner, value, `[${name}]`);
    else if (isTableList(value)) for (const item of value) section(lines, inner, item, `[[${name}]]`);
  }
}

/** A TOML document: values first, then a section per table. */
export function tomlDocument(root: Readonly<Record<string, unknown>>): string {
  const lines: string[] = [];
  section(lines, [], root, undefined);
  return `${lines.join("\n")}\n`;
}
