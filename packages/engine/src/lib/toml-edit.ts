import { isDeepStrictEqual } from "node:util";
import { EngineError } from "./engine-error.ts";
import { parseToml } from "./settings.ts";

/**
 * Sets or, with `undefined`, deletes one dotted key of a TOML text, touching no other line: comments, order and line
 * ends stay. What cannot be edited line by line is refused rather than rewritten.
 * @throws {EngineError} `CONFIG_FILE_INVALID`, `CONFIG_EDIT_FAILED`
 */
export function editToml(
  text: string,
  key: readonly string[],
  value: string | number | boolean | readonly string[] | undefined,
  file: string,
): string {
  const before = parseToml(text, file);
  const edited = spliceKey(text, key, value === undefined ? undefined : renderTomlValue(value));
  const expected = withKey(before, key, value);
  if (!isDeepStrictEqual(normal(parseToml(edited, file)), normal(expected))) {
    throw new EngineError({
      code: "CONFIG_EDIT_FAILED",
      message: `Cannot change "${key.join(".")}" in "${file}": it is not on a line of its own`,
      file,
    });
  }
  return edited;
}

/** Deletes a table with everything below it. */
export function removeTomlTable(text: string, table: string, file: string): string {
  const lines = text.split("\n");
  let inside = false;
  const kept = lines.filter((line) => {
    const header = tableHeader(line);
    if (header !== undefined) inside = header === table || header.startsWith(`${table}.`);
    return !inside;
  });
  const edited = kept.join("\n");
  parseToml(edited, file);
  return edited;
}

/** Drops empty tables, which a deleted last key leaves behind, and prototypes. */
function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  const entries = Object.entries(value)
    .map(([key, member]) => [key, normal(member)] as const)
    .filter(([, member]) => !(typeof member === "object" && member !== null && Object.keys(member).length === 0));
  return Object.fromEntries(entries);
}

function withKey(
  table: Readonly<Record<string, unknown>>,
  key: readonly string[],
  value: unknown,
): Record<string, unknown> {
  const [head, ...rest] = key;
  const copy: Record<string, unknown> = { ...table };
  if (head === undefined) return copy;
  if (rest.length > 0) copy[head] = withKey((copy[head] ?? {}) as Record<string, unknown>, rest, value);
  else if (value === undefined) delete copy[head];
  else copy[head] = value;
  return copy;
}

function spliceKey(text: string, key: readonly string[], rendered: string | undefined): string {
  const eol = text.includes("\r\n") ? "\r\n" : "\n";
  const lines = text.split(/\r?\n/);
  const table = key.slice(0, -1).map(renderKey).join(".");
  const name = renderKey(key.at(-1)!);
  const { start, end } = tableRange(lines, table);
  const line =
    start === -1 ? -1 : lines.findIndex((candidate, index) => index >= start && index < end && isKey(candidate, name));
  if (line !== -1) {
    if (rendered === undefined) lines.splice(line, 1);
    else lines[line] = lines[line]!.replace(/=.*$/, () => `= ${rendered}${trailingComment(lines[line]!)}`);
    return lines.join(eol);
  }
  if (rendered === undefined) return text;
  if (start === -1) return appendTable(text, eol, table, `${name} = ${rendered}`);
  let insert = end;
  while (insert > start && lines[insert - 1]!.trim() === "") insert -= 1;
  lines.splice(insert, 0, `${name} = ${rendered}`);
  const joined = lines.join(eol);
  return joined.endsWith(eol) ? joined : `${joined}${eol}`;
}

function appendTable(text: string, eol: string, table: string, line: string): string {
  const head = text === "" || text.endsWith("\n") ? text : `${text}${eol}`;
  if (table === "") return `${line}${eol}${head}`;
  return `${head}${head.trim() === "" ? "" : eol}[${table}]${eol}${line}${eol}`;
}

/** Lines of a table's body; the root table ends at the first header. */
function tableRange(lines: readonly string[], table: string): { start: number; end: number } {
  const headers = lines.flatMap((line, index) => {
    const header = tableHeader(line);
    return header === undefined ? [] : [{ header, index }];
  });
  if (table === "") return { start: 0, end: headers[0]?.index ?? lines.length };
  const at = headers.findIndex(({ header }) => header === table);
  if (at === -1) return { start: -1, end: -1 };
  return { start: headers[at]!.index + 1, end: headers[at + 1]?.index ?? lines.length };
}

function tableHeader(line: string): string | undefined {
  return /^\s*\[([^[\]]+)\]\s*(?:#.*)?$/
    .exec(line)?.[1]
    ?.split(".")
    .map((part) => part.trim())
    .join(".");
}

function isKey(line: string, name: string): boolean {
  return line.trimStart().startsWith(name) && /^\s*=/.test(line.trimStart().slice(name.length));
}

function trailingComment(line: string): string {
  const match = /^[^"'#]*=\s*(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^"'#]*?)(\s*#.*)$/.exec(line);
  return match === null ? "" : match[1]!;
}

function renderKey(part: string): string {
  return /^[A-Za-z0-9_-]+$/.test(part) ? part : JSON.stringify(part);
}

/** A value as TOML. */
export function renderTomlValue(value: string | number | boolean | readonly string[]): string {
  if (typeof value === "string") return JSON.stringify(value).replaceAll("\u007f", "\\u007f");
  if (typeof value === "object") return `[${value.map((item) => renderTomlValue(item)).join(", ")}]`;
  return String(value);
}
