import type { AST } from "toml-eslint-parser";
import { tomlKey } from "./dialects/toml-text.ts";
import { parseTomlSyntax } from "./dialects/toml-tree.ts";
import {
  applySplices,
  cutItem,
  indentAt,
  isBlank,
  lineEnd,
  lineStart,
  newlineOf,
  nextLine,
  type Splice,
} from "./edit-splice.ts";

interface Pair {
  readonly path: readonly string[];
  readonly node: AST.TOMLKeyValue;
  /** Keys of the table the pair stands in. */
  readonly tablePath: readonly string[];
}

interface Section {
  readonly path: readonly string[];
  readonly node: AST.TOMLTable;
}

interface Document {
  readonly text: string;
  readonly program: AST.TOMLProgram;
  readonly pairs: readonly Pair[];
  /** `[table]` headers; lists of tables are left out. */
  readonly sections: readonly Section[];
}

function keyTexts(key: AST.TOMLKey): string[] {
  return key.keys.map((part) => (part.type === "TOMLBare" ? part.name : part.value));
}

function open(text: string): Document {
  const program = parseTomlSyntax(text);
  const pairs: Pair[] = [];
  const sections: Section[] = [];
  for (const item of program.body[0].body) {
    if (item.type === "TOMLKeyValue") pairs.push({ path: keyTexts(item.key), node: item, tablePath: [] });
    else if (item.resolvedKey.every((key) => typeof key === "string")) {
      const tablePath = item.resolvedKey;
      sections.push({ path: tablePath, node: item });
      for (const pair of item.body) pairs.push({ path: [...tablePath, ...keyTexts(pair.key)], node: pair, tablePath });
    }
  }
  return { text, program, pairs, sections };
}

function startsWith(path: readonly string[], prefix: readonly string[]): boolean {
  return prefix.length <= path.length && prefix.every((key, index) => path[index] === key);
}

function equal(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && startsWith(left, right);
}

/** How a key is present in the file. */
export type TomlPresence = "absent" | "value" | "table";

/** `value` for `key = ...`, `table` for `[key]` and dotted `key.x = ...`. */
export function tomlPresence(text: string, path: readonly string[]): TomlPresence {
  const document = open(text);
  if (document.pairs.some((pair) => equal(pair.path, path))) return "value";
  const inside =
    document.pairs.some((pair) => startsWith(pair.path, path)) ||
    document.sections.some((section) => startsWith(section.path, path));
  return inside ? "table" : "absent";
}

/** The pair that is at `path`, or an inline table on the way to it with the rest of the path. */
function find(
  document: Document,
  path: readonly string[],
): { value: AST.TOMLContentNode; rest: readonly string[] } | undefined {
  const pair = document.pairs.find((candidate) => startsWith(path, candidate.path));
  return pair === undefined ? undefined : { value: pair.node.value, rest: path.slice(pair.path.length) };
}

function setInside(value: AST.TOMLContentNode, path: readonly string[], valueText: string): Splice | undefined {
  if (path.length === 0) return { start: value.range[0], end: value.range[1], text: valueText };
  if (value.type !== "TOMLInlineTable") return undefined;
  for (const pair of value.body) {
    const keys = keyTexts(pair.key);
    if (startsWith(path, keys)) return setInside(pair.value, path.slice(keys.length), valueText);
  }
  const text = `${path.map(tomlKey).join(".")} = ${valueText}`;
  const last = value.body.at(-1);
  if (last === undefined) return { start: value.range[0], end: value.range[1], text: `{ ${text} }` };
  return { start: last.range[1], end: last.range[1], text: `, ${text}` };
}

/** A new line after the pair or header that ends at `end`, under the same indentation. */
function lineAfter(text: string, anchor: { start: number; end: number }, line: string): Splice {
  const at = lineEnd(text, anchor.end);
  return { start: at, end: at, text: `${newlineOf(text)}${indentAt(text, anchor.start)}${line}` };
}

function span(node: { readonly range: readonly [number, number] }): { start: number; end: number } {
  return { start: node.range[0], end: node.range[1] };
}

/** End of a header `[table]`, which the parser's range of the table does not tell from its body's. */
function headerEnd(document: Document, table: AST.TOMLTable): number {
  const bracket = document.program.tokens.find((token) => token.value === "]" && token.range[0] >= table.key.range[1]);
  return bracket === undefined ? table.key.range[1] : bracket.range[1];
}

function insertNew(document: Document, path: readonly string[], valueText: string): Splice {
  const { text, pairs, sections } = document;
  const parent = path.slice(0, -1);
  const line = `${tomlKey(path.at(-1)!)} = ${valueText}`;
  const section = parent.length === 0 ? undefined : sections.findLast((candidate) => equal(candidate.path, parent));
  if (section !== undefined) {
    const last = section.node.body.at(-1);
    return lineAfter(
      text,
      last === undefined ? { start: section.node.range[0], end: headerEnd(document, section.node) } : span(last),
      line,
    );
  }
  const sibling = pairs.findLast(
    (pair) =>
      startsWith(pair.path, parent) && pair.tablePath.length < parent.length + 1 && startsWith(parent, pair.tablePath),
  );
  if (sibling !== undefined) {
    const dotted = parent
      .slice(sibling.tablePath.length)
      .map((key) => `${tomlKey(key)}.`)
      .join("");
    return lineAfter(text, span(sibling.node), `${dotted}${line}`);
  }
  return parent.length === 0 ? insertFirst(document, line) : appendSection(document, parent, line);
}

function insertFirst(document: Document, line: string): Splice {
  const at = document.text.startsWith("\uFEFF") ? 1 : 0;
  return { start: at, end: at, text: `${line}${newlineOf(document.text)}` };
}

function appendSection(document: Document, parent: readonly string[], line: string): Splice {
  const { text } = document;
  const newline = newlineOf(text);
  const end = text.length;
  const gap = text === "" ? "" : text.endsWith("\n") ? newline : `${newline}${newline}`;
  return { start: end, end, text: `${gap}[${parent.map(tomlKey).join(".")}]${newline}${line}${newline}` };
}

/**
 * Sets one value and leaves every other byte. The key is looked for in tables, dotted keys and inline tables;
 * where it is new, it goes to the end of its table, which is made at the end of the file if need be.
 */
export function setTomlValue(text: string, path: readonly string[], valueText: string): string {
  const document = open(text);
  const value = valueText.replaceAll("\n", newlineOf(text));
  const found = find(document, path);
  const splice = found === undefined ? insertNew(document, path, value) : setInside(found.value, found.rest, value);
  return splice === undefined ? text : applySplices(text, [splice]);
}

function commaAfter(document: Document, offset: number): number | undefined {
  const token = document.program.tokens.find((candidate) => candidate.range[0] >= offset);
  return token?.value === "," && token.type === "Punctuator" ? token.range[1] : undefined;
}

function cutInside(document: Document, value: AST.TOMLContentNode, path: readonly string[]): Splice | undefined {
  if (value.type !== "TOMLInlineTable") return undefined;
  for (const [index, pair] of value.body.entries()) {
    const keys = keyTexts(pair.key);
    if (startsWith(keys, path))
      return cutItem(document.text, value.body.map(span), index, commaAfter(document, pair.range[1]));
    if (startsWith(path, keys)) return cutInside(document, pair.value, path.slice(keys.length));
  }
  return undefined;
}

function cutLines(text: string, start: number, end: number): Splice {
  const from = lineStart(text, start);
  const to = nextLine(text, end);
  if (!isBlank(text, from, start)) return { start, end: to, text: "" };
  // A last line without a line break takes the one before it along, so that the file still ends without.
  const atEnd = to === text.length && !text.endsWith("\n") && from > 0;
  return { start: atEnd ? lineEnd(text, from - 1) : from, end: to, text: "" };
}

/** Removes a key with all that is below it, whole lines with their comments; other bytes stay. */
export function removeTomlValue(text: string, path: readonly string[]): string {
  const document = open(text);
  const splices: Splice[] = [];
  for (const section of document.sections) {
    if (!startsWith(section.path, path)) continue;
    const last = section.node.body.at(-1);
    splices.push(
      cutLines(text, section.node.range[0], last === undefined ? headerEnd(document, section.node) : last.range[1]),
    );
  }
  for (const pair of document.pairs) {
    if (startsWith(pair.tablePath, path)) continue;
    if (startsWith(pair.path, path)) splices.push(cutLines(text, pair.node.range[0], pair.node.range[1]));
    else if (startsWith(path, pair.path)) {
      const splice = cutInside(document, pair.node.value, path.slice(pair.path.length));
      if (splice !== undefined) splices.push(splice);
    }
  }
  return applySplices(text, splices);
}

function arrayAt(document: Document, path: readonly string[]): AST.TOMLArray | undefined {
  let found = find(document, path);
  while (found !== undefined && found.rest.length > 0 && found.value.type === "TOMLInlineTable") {
    const rest: readonly string[] = found.rest;
    const pair: AST.TOMLKeyValue | undefined = found.value.body.find((candidate) =>
      startsWith(rest, keyTexts(candidate.key)),
    );
    found = pair === undefined ? undefined : { value: pair.value, rest: rest.slice(pair.key.keys.length) };
  }
  return found?.rest.length === 0 && found.value.type === "TOMLArray" ? found.value : undefined;
}

/** Adds an item to the end of a list in the list's own style; makes the list where there is none. */
export function appendTomlItem(text: string, path: readonly string[], itemText: string): string {
  const document = open(text);
  const array = arrayAt(document, path);
  if (array === undefined) return setTomlValue(text, path, `[${itemText}]`);
  const last = array.elements.at(-1);
  if (last === undefined)
    return applySplices(text, [{ start: array.range[0] + 1, end: array.range[0] + 1, text: itemText }]);
  const comma = commaAfter(document, last.range[1]);
  const end = lineEnd(text, comma ?? last.range[1]);
  const ownLine = end < array.range[1] - 1 && isBlank(text, lineStart(text, last.range[0]), last.range[0]);
  if (!ownLine) {
    const at = comma ?? last.range[1];
    return applySplices(text, [{ start: at, end: at, text: comma === undefined ? `, ${itemText}` : ` ${itemText},` }]);
  }
  const line = `${newlineOf(text)}${indentAt(text, last.range[0])}${itemText}${comma === undefined ? "" : ","}`;
  const splices = [{ start: end, end, text: line }];
  if (comma === undefined) splices.push({ start: last.range[1], end: last.range[1], text: "," });
  return applySplices(text, splices);
}

/** Replaces (or, without `itemText`, removes) the items of a list of strings that `matches` accepts. */
export function editTomlItems(
  text: string,
  path: readonly string[],
  matches: (item: string) => boolean,
  itemText?: string,
): string {
  let result = text;
  for (let index = 0; ;) {
    const document = open(result);
    const elements = arrayAt(document, path)?.elements ?? [];
    const element = elements[index];
    if (element === undefined) return result;
    const isMatch = element.type === "TOMLValue" && element.kind === "string" && matches(element.value);
    if (!isMatch) {
      index += 1;
      continue;
    }
    if (itemText === undefined)
      result = applySplices(result, [
        cutItem(result, elements.map(span), index, commaAfter(document, element.range[1])),
      ]);
    else {
      result = applySplices(result, [{ ...span(element), text: itemText }]);
      index += 1;
    }
  }
}
