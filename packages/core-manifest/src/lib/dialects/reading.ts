import type { Diagnostic, DiagnosticSeverity, DialectId } from "../manifest.ts";
import { MANIFEST_DIAGNOSTICS, type ManifestDiagnosticCode } from "../manifest-error.ts";
import type { RequirementSyntax } from "../requirement.ts";
import type { SourceLocation } from "../source-location.ts";
import { emptyRecord, joinKey, plainValue, type LocatedNode, type LocatedTable, type Span } from "./located.ts";
import { nearest } from "./nearest.ts";

/** Diagnostics after which a file is no longer worth listing. */
const MAX_DIAGNOSTICS = 200;

/** Facts of one mistake; the place is given apart. */
export interface Mistake {
  readonly code: ManifestDiagnosticCode;
  readonly key: string;
  /** What is wrong, after `Cannot read "KEY" in FILE: `. */
  readonly problem: string;
  readonly severity?: DiagnosticSeverity;
  readonly found?: string | undefined;
  readonly allowed?: string | undefined;
  readonly hint?: string | undefined;
}

/** One reading of one file: collects every mistake instead of stopping at the first. */
export class Reading {
  readonly file: string;
  readonly dialect: DialectId;
  readonly syntax: RequirementSyntax;
  readonly diagnostics: Diagnostic[] = [];
  readonly #text: string;
  #lineStarts: number[] | undefined;

  constructor(options: { text: string; file: string; dialect: DialectId; syntax: RequirementSyntax }) {
    this.#text = options.text;
    this.file = options.file;
    this.dialect = options.dialect;
    this.syntax = options.syntax;
  }

  /** Whether nothing more will be listed, so that nothing more need be looked for. */
  get full(): boolean {
    return this.diagnostics.length > MAX_DIAGNOSTICS;
  }

  get failed(): boolean {
    return this.diagnostics.some((diagnostic) => diagnostic.severity === "error");
  }

  /** The text of a place, as the author wrote it. */
  source(place: Span): string {
    return this.#text.slice(place.start, place.end);
  }

  locate(place: Span): SourceLocation {
    const start = this.#position(place.start);
    const end = this.#position(Math.max(place.start, place.end));
    return { file: this.file, line: start.line, column: start.column, endLine: end.line, endColumn: end.column };
  }

  report(place: Span, mistake: Mistake): void {
    if (this.diagnostics.length > MAX_DIAGNOSTICS) return;
    if (this.diagnostics.length === MAX_DIAGNOSTICS) {
      this.diagnostics.push(
        this.#diagnostic(place, {
          code: "MANIFEST_TOO_MANY_MISTAKES",
          key: "",
          problem: `it has more than ${MAX_DIAGNOSTICS} mistakes`,
        }),
      );
      return;
    }
    this.diagnostics.push(this.#diagnostic(place, mistake));
  }

  #diagnostic(place: Span, mistake: Mistake): Diagnostic {
    const { code, key, problem, found, allowed, hint } = mistake;
    const what = key === "" ? `"${this.file}"` : `"${key}" in "${this.file}"`;
    return {
      code,
      severity: mistake.severity ?? MANIFEST_DIAGNOSTICS[code].severity,
      message: `Cannot read ${what}: ${problem}${found === undefined ? "" : `, found ${found}`}${allowed === undefined ? "" : `, allowed is ${allowed}`}`,
      location: this.locate(place),
      key,
      ...(found === undefined ? {} : { found }),
      ...(allowed === undefined ? {} : { allowed }),
      ...(hint === undefined ? {} : { hint }),
    };
  }

  #position(offset: number): { line: number; column: number } {
    this.#lineStarts ??= lineStarts(this.#text);
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#lineStarts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - this.#lineStarts[low]! + 1 };
  }
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let index = text.indexOf("\n"); index !== -1; index = text.indexOf("\n", index + 1)) starts.push(index + 1);
  return starts;
}

/** A value for a message: quoted, control characters escaped, cut. */
export function shown(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}

const KIND_WORDS: Readonly<Record<LocatedNode["kind"], string>> = {
  string: "a string",
  integer: "a whole number",
  float: "a number",
  boolean: "true or false",
  date: "a date",
  null: "nothing",
  array: "a list",
  table: "a table",
};

/** The kind of value and, for short ones, the value. */
export function shownNode(reading: Reading, node: LocatedNode): string {
  if (node.kind === "array" || node.kind === "table" || node.kind === "null") return KIND_WORDS[node.kind];
  return `${KIND_WORDS[node.kind]} ${node.kind === "string" ? shown(node.value) : shown(reading.source(node)).replaceAll('"', "")}`;
}

/** Turns a node into a value, or reports why it cannot and answers `undefined`. */
export type ValueReader<T> = (reading: Reading, node: LocatedNode, key: string) => T | undefined;

export function wrongType(reading: Reading, node: LocatedNode, key: string, allowed: string, hint?: string): undefined {
  reading.report(node, {
    code: "MANIFEST_TYPE_WRONG",
    key,
    problem: "its value has the wrong type",
    found: shownNode(reading, node),
    allowed,
    hint,
  });
}

// What could forge lines or recolour a terminal; tabs and newlines are ordinary in long texts.
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/;

/** A string without control characters. */
export const text: ValueReader<string> = (reading, node, key) => {
  if (node.kind !== "string" || typeof node.value !== "string") {
    const quoted =
      node.kind === "integer" || node.kind === "float" || node.kind === "date"
        ? `Quote it: "${reading.source(node)}"`
        : undefined;
    return wrongType(reading, node, key, "a string", quoted);
  }
  if (CONTROL.test(node.value)) {
    reading.report(node, {
      code: "MANIFEST_VALUE_INVALID",
      key,
      problem: "it has control characters",
      found: shown(node.value),
      allowed: "printable text",
    });
    return undefined;
  }
  return node.value;
};

/** A string with more than blanks in it. */
export const nonEmptyText: ValueReader<string> = (reading, node, key) => {
  const value = text(reading, node, key);
  if (value === undefined || value.trim() !== "") return value;
  reading.report(node, {
    code: "MANIFEST_VALUE_INVALID",
    key,
    problem: "it is empty",
    found: shown(value),
    allowed: "text",
  });
  return undefined;
};

export const flag: ValueReader<boolean> = (reading, node, key) =>
  node.kind === "boolean" ? (node.value as boolean) : wrongType(reading, node, key, "true or false");

/** Anything, without its places. */
export const anything: ValueReader<unknown> = (_reading, node) => plainValue(node);

/** Marks a key that the model does not need and that other tools own: kept without a word. */
export const kept: unique symbol = Symbol("kept");

export function listOf<T>(item: ValueReader<T>): ValueReader<T[]> {
  return (reading, node, key) => {
    if (node.kind !== "array") return wrongType(reading, node, key, "a list");
    const values = node.items.map((element, index) => item(reading, element, joinKey(key, index)));
    return values.filter((value) => value !== undefined);
  };
}

export function oneOf<T extends string>(
  values: readonly T[],
  code: ManifestDiagnosticCode = "MANIFEST_VALUE_INVALID",
): ValueReader<T> {
  return (reading, node, key) => {
    const value = text(reading, node, key);
    if (value === undefined || (values as readonly string[]).includes(value)) return value as T | undefined;
    const close = nearest(value, values);
    reading.report(node, {
      code,
      key,
      problem: "it is not one of the values known",
      found: shown(value),
      allowed: values.map(shown).join(", "),
      hint: close === undefined ? undefined : `Did you mean "${close}"?`,
    });
    return undefined;
  };
}

const WEB_SCHEMES = /^(?:https?|ssh|git|git\+https|git\+ssh):\/\/[^\s/]/i;

/** A URL that a reader can open. */
export const url: ValueReader<string> = (reading, node, key) => {
  const value = text(reading, node, key);
  if (value === undefined) return undefined;
  if (WEB_SCHEMES.test(value) && !/\s/.test(value)) return value;
  reading.report(node, {
    code: "MANIFEST_URL_INVALID",
    key,
    problem: "it is not a full URL",
    found: shown(value),
    allowed: '"https://..."',
    severity: "warning",
  });
  return value;
};

/** A path inside the package. */
export const innerPath: ValueReader<string> = (reading, node, key) => {
  const value = nonEmptyText(reading, node, key);
  if (value === undefined) return undefined;
  const problem = innerPathProblem(value);
  if (problem === undefined) return value;
  reading.report(node, {
    code: "MANIFEST_PATH_INVALID",
    key,
    problem,
    found: shown(value),
    allowed: 'a path inside the package, with "/"',
  });
  return undefined;
};

function innerPathProblem(path: string): string | undefined {
  if (path.includes("\\")) return "it has a backslash";
  if (path.startsWith("/") || /^[A-Za-z]:/.test(path)) return "it is absolute";
  return path.split("/").includes("..") ? "it leaves the package" : undefined;
}

/**
 * What becomes of a key that no spec names: an error where a slip changes the meaning silently (`error`), a warning where
 * newer releases may know more (`warning`), an error for a likely slip of the pen and else a warning
 * (`error-if-close`) or nothing (`keep-unless-close`), or nothing where the table is somebody else's (`keep`).
 */
export type UnknownKeys = "error" | "warning" | "error-if-close" | "keep-unless-close" | "keep";

/** Keys of a table: a reader each, or {@link kept}. */
export type KeySpecs = Readonly<Record<string, ValueReader<unknown> | typeof kept>>;

type FieldValues<S extends KeySpecs> = { [K in keyof S]?: S[K] extends ValueReader<infer T> ? T : unknown };

export interface Fields<S extends KeySpecs> {
  readonly values: FieldValues<S>;
  /** Everything that no reader took. */
  readonly extra: Record<string, unknown>;
}

/** Reads a table by its specs: the one place where keys are matched, missed and suggested. */
export function readFields<S extends KeySpecs>(
  reading: Reading,
  table: LocatedTable,
  path: string,
  specs: S,
  unknownKeys: UnknownKeys,
): Fields<S> {
  const values = emptyRecord<unknown>();
  const extra = emptyRecord<unknown>();
  for (const { key, keySpan, node } of table.entries.values()) {
    const spec = Object.hasOwn(specs, key) ? specs[key] : undefined;
    if (typeof spec === "function") {
      const value = spec(reading, node, joinKey(path, key));
      if (value !== undefined) values[key] = value;
      continue;
    }
    extra[key] = plainValue(node);
    if (spec === undefined) reportUnknown(reading, keySpan, joinKey(path, key), key, Object.keys(specs), unknownKeys);
  }
  return { values: values as FieldValues<S>, extra };
}

export function reportUnknown(
  reading: Reading,
  place: Span,
  path: string,
  key: string,
  known: readonly string[],
  unknownKeys: UnknownKeys,
): void {
  if (unknownKeys === "keep" || reading.full) return;
  const close = nearest(key, known);
  if (unknownKeys === "keep-unless-close" && close === undefined) return;
  const grave = unknownKeys === "error" || (unknownKeys !== "warning" && close !== undefined);
  reading.report(place, {
    code: "MANIFEST_KEY_UNKNOWN",
    severity: grave ? "error" : "warning",
    key: path,
    problem: "this key is not known here",
    found: shown(key),
    allowed: known.length > 24 ? undefined : known.join(", "),
    hint: close === undefined ? undefined : `Did you mean "${close}"?`,
  });
}

/** The table, or a report that there is none. */
export function asTable(
  reading: Reading,
  node: LocatedNode,
  key: string,
  allowed = "a table",
): LocatedTable | undefined {
  return node.kind === "table" ? node : wrongType(reading, node, key, allowed);
}

/** Reads every entry of a table whose keys the author chooses. */
export function mapOf<T>(
  item: (reading: Reading, node: LocatedNode, key: string, name: string) => T | undefined,
): ValueReader<Record<string, T>> {
  return (reading, node, key) => {
    const table = asTable(reading, node, key);
    if (table === undefined) return undefined;
    const values = emptyRecord<T>();
    for (const entry of table.entries.values()) {
      const value = item(reading, entry.node, joinKey(key, entry.key), entry.key);
      if (value !== undefined) values[entry.key] = value;
    }
    return values;
  };
}
