import type { AST } from "toml-eslint-parser";
import { tomlLibrary } from "./library.ts";
import {
  DateTimeText,
  TREE_LIMITS,
  emptyTable,
  joinKey,
  tooManyOpenBrackets,
  type LocatedArray,
  type LocatedNode,
  type LocatedTable,
  type Span,
  type Tree,
  type TreeProblem,
} from "./located.ts";

class TooDeep extends Error {
  readonly span: Span;

  constructor(span: Span) {
    super("too deep");
    this.span = span;
  }
}

interface Builder {
  readonly problems: TreeProblem[];
}

function span(node: { readonly range: readonly [number, number] }): Span {
  return { start: node.range[0], end: node.range[1] };
}

function keyText(key: AST.TOMLBare | AST.TOMLQuoted): string {
  return key.type === "TOMLBare" ? key.name : key.value;
}

/** The table below `parent` at `key`, made if it is not there; of a list of tables the last one. */
function descend(
  builder: Builder,
  parent: LocatedTable,
  part: AST.TOMLBare | AST.TOMLQuoted,
  path: string,
): LocatedTable {
  const key = keyText(part);
  const present = parent.entries.get(key)?.node;
  if (present?.kind === "table") return present;
  if (present?.kind === "array") {
    const last = present.items.at(-1);
    if (last?.kind === "table") return last;
  }
  const table = emptyTable(span(part));
  put(builder, parent, part, table, path);
  return table;
}

function put(
  builder: Builder,
  table: LocatedTable,
  part: AST.TOMLBare | AST.TOMLQuoted,
  node: LocatedNode,
  path: string,
): void {
  const key = keyText(part);
  if (key === "__proto__") {
    builder.problems.push({
      ...span(part),
      code: "MANIFEST_KEY_FORBIDDEN",
      problem: 'the key "__proto__" is not allowed',
      key: path,
    });
    return;
  }
  table.entries.set(key, { key, keySpan: span(part), node });
}

function convert(builder: Builder, node: AST.TOMLContentNode, path: string, depth: number): LocatedNode {
  if (depth > TREE_LIMITS.depth) throw new TooDeep(span(node));
  if (node.type === "TOMLArray") {
    const items = node.elements.map((element, index) => convert(builder, element, joinKey(path, index), depth + 1));
    return { kind: "array", items, ...span(node) };
  }
  if (node.type === "TOMLInlineTable") {
    const table = emptyTable(span(node));
    for (const pair of node.body) putPair(builder, table, pair, path, depth + 1);
    return table;
  }
  return { ...convertScalar(node), ...span(node) };
}

function convertScalar(node: AST.TOMLValue): Pick<Exclude<LocatedNode, LocatedArray | LocatedTable>, "kind" | "value"> {
  switch (node.kind) {
    case "string":
      return { kind: "string", value: node.value };
    case "integer":
      return { kind: "integer", value: Number.isSafeInteger(node.value) ? node.value : node.bigint };
    case "float":
      return { kind: "float", value: node.value };
    case "boolean":
      return { kind: "boolean", value: node.value };
    default:
      return { kind: "date", value: new DateTimeText(node.datetime) };
  }
}

function putPair(
  builder: Builder,
  table: LocatedTable,
  pair: AST.TOMLKeyValue,
  parentPath: string,
  depth: number,
): void {
  let target = table;
  let path = parentPath;
  const keys = pair.key.keys;
  if (depth + keys.length > TREE_LIMITS.depth) throw new TooDeep(span(pair.key));
  for (const part of keys.slice(0, -1)) {
    path = joinKey(path, keyText(part));
    target = descend(builder, target, part, path);
  }
  const last = keys.at(-1)!;
  path = joinKey(path, keyText(last));
  put(builder, target, last, convert(builder, pair.value, path, depth + keys.length), path);
}

function openTable(builder: Builder, root: LocatedTable, header: AST.TOMLTable): { table: LocatedTable; path: string } {
  let target = root;
  let path = "";
  const keys = header.key.keys;
  if (keys.length > TREE_LIMITS.depth) throw new TooDeep(span(header.key));
  for (const part of keys.slice(0, -1)) {
    path = joinKey(path, keyText(part));
    target = descend(builder, target, part, path);
  }
  const last = keys.at(-1)!;
  path = joinKey(path, keyText(last));
  if (header.kind === "standard") return { table: descend(builder, target, last, path), path };
  const table = emptyTable(span(header));
  const list = target.entries.get(keyText(last))?.node;
  if (list?.kind === "array") list.items.push(table);
  else put(builder, target, last, { kind: "array", items: [table], ...span(header) }, path);
  return { table, path };
}

function buildTree(program: AST.TOMLProgram): Tree {
  const builder: Builder = { problems: [] };
  const root = emptyTable(span(program));
  for (const item of program.body[0].body) {
    if (item.type === "TOMLKeyValue") putPair(builder, root, item, "", 0);
    else {
      const { table, path } = openTable(builder, root, item);
      for (const pair of item.body) putPair(builder, table, pair, path, item.key.keys.length);
    }
  }
  return { root, problems: builder.problems };
}

const DUPLICATE = /Defining a key multiple times/;

function syntaxProblem(error: unknown, text: string): TreeProblem {
  if (error instanceof tomlLibrary().ParseError) {
    const start = Math.min(error.index, text.length);
    const missing = missingValue(text.slice(0, start));
    if (missing !== undefined) return missing;
    const code = DUPLICATE.test(error.message) ? "MANIFEST_KEY_DUPLICATE" : "MANIFEST_SYNTAX";
    const problem =
      code === "MANIFEST_KEY_DUPLICATE" ? "a key or table is defined a second time" : error.message.replace(/\.$/, "");
    return { start, end: Math.min(start + 1, text.length), code, problem, key: "" };
  }
  if (error instanceof TooDeep) return tooDeep(error.span.start);
  if (error instanceof RangeError) return tooDeep(0);
  throw error;
}

/** The parser looks for a value beyond the end of its line, and complains about what it finds there. */
function missingValue(before: string): TreeProblem | undefined {
  const found = /=[ \t]*(?:#[^\n]*)?(?:\r?\n\s*)?$/.exec(before);
  if (found === null) return undefined;
  const { index } = found;
  return { start: index, end: index + 1, code: "MANIFEST_SYNTAX", problem: 'no value follows the "="', key: "" };
}

function tooDeep(start: number): TreeProblem {
  return {
    start,
    end: start + 1,
    code: "MANIFEST_TOO_DEEP",
    problem: `tables and lists are nested deeper than ${TREE_LIMITS.depth} levels`,
    key: "",
  };
}

/** The syntax tree of a TOML text, for edits that need every token's place. May throw the parser's error. */
export function parseTomlSyntax(text: string): AST.TOMLProgram {
  // A byte order mark is no TOML; a blank in its place keeps every offset.
  return tomlLibrary().parseTOML(text.startsWith("\uFEFF") ? ` ${text.slice(1)}` : text, { tomlVersion: "1.0" });
}

/** Reads TOML 1.0; never throws on bad input. */
export function readTomlTree(text: string): Tree {
  const deep = tooManyOpenBrackets(text);
  if (deep !== undefined) return { problems: [tooDeep(deep)] };
  try {
    return buildTree(parseTomlSyntax(text));
  } catch (error) {
    return { problems: [syntaxProblem(error, text)] };
  }
}
