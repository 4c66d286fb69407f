/**
 * A document of any syntax as one tree of values with places, so that one reader serves TOML and YAML.
 * Offsets count UTF-16 code units of the text as given, byte order mark included.
 */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A TOML date or time, kept as written: the model has no use for its value. */
export class DateTimeText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toJSON(): string {
    return this.text;
  }
}

export type ScalarKind = "string" | "integer" | "float" | "boolean" | "date" | "null";

export interface LocatedScalar extends Span {
  readonly kind: ScalarKind;
  readonly value: string | number | bigint | boolean | DateTimeText | null;
}

export interface LocatedArray extends Span {
  readonly kind: "array";
  readonly items: LocatedNode[];
}

export interface LocatedEntry {
  readonly key: string;
  readonly keySpan: Span;
  readonly node: LocatedNode;
}

export interface LocatedTable extends Span {
  readonly kind: "table";
  readonly entries: Map<string, LocatedEntry>;
}

export type LocatedNode = LocatedScalar | LocatedArray | LocatedTable;

/** A mistake of the syntax itself, found while the tree was made. */
export interface TreeProblem extends Span {
  readonly code:
    | "MANIFEST_SYNTAX"
    | "MANIFEST_TOO_LARGE"
    | "MANIFEST_TOO_DEEP"
    | "MANIFEST_KEY_DUPLICATE"
    | "MANIFEST_KEY_FORBIDDEN";
  /** Without the name of the file: `the key "a" occurs twice`. */
  readonly problem: string;
  readonly key: string;
}

/** The document, or why there is none. */
export interface Tree {
  readonly root?: LocatedTable;
  readonly problems: readonly TreeProblem[];
}

/** Ceilings against hostile documents. */
export const TREE_LIMITS: { readonly textLength: number; readonly depth: number; readonly nodes: number } = {
  // A YAML parser takes seconds over a hostile megabyte; manifests of real projects stay below 64 KiB.
  textLength: 256 * 1024,
  depth: 64,
  nodes: 50_000,
};

export function emptyTable(span: Span): LocatedTable {
  return { kind: "table", entries: new Map(), start: span.start, end: span.end };
}

/** The value without places. Tables become objects without prototype, so that no key can reach one. */
export function plainValue(node: LocatedNode): unknown {
  if (node.kind === "array") return node.items.map(plainValue);
  if (node.kind !== "table") return node.value;
  const object = emptyRecord<unknown>();
  for (const { key, node: value } of node.entries.values()) object[key] = plainValue(value);
  return object;
}

/** An object without prototype: looking up `constructor` finds nothing. */
export function emptyRecord<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>;
}

const BARE_KEY = /^[A-Za-z0-9_-]+$/;

/** Dotted path of a key below another: `dependencies."odd key"`. */
export function joinKey(parent: string, key: string | number): string {
  if (typeof key === "number") return `${parent}[${key}]`;
  const part = BARE_KEY.test(key) ? key : JSON.stringify(key);
  return parent === "" ? part : `${parent}.${part}`;
}

// Deeper than any manifest, shallow enough for every parser's stack and time.
const OPEN_BRACKETS = 1000;

/**
 * Where brackets open so deep that a parser would overflow its stack before there is a tree to measure.
 * Strings and comments are not told apart; brackets there count as well.
 */
export function tooManyOpenBrackets(text: string): number | undefined {
  let depth = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === 0x5b || code === 0x7b) {
      depth += 1;
      if (depth > OPEN_BRACKETS) return index;
    } else if ((code === 0x5d || code === 0x7d) && depth > 0) depth -= 1;
  }
  return undefined;
}
