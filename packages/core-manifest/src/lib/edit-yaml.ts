import type { Document, Pair, ParsedNode, YAMLMap, YAMLSeq } from "yaml";
import { yamlLibrary } from "./dialects/library.ts";
import { parseYamlSyntax } from "./dialects/yaml-tree.ts";
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

type YamlPair = Pair<ParsedNode, ParsedNode | null>;

const PLAIN = /^[A-Za-z][A-Za-z0-9_./-]*$/;
const WORDS = new Set(["true", "false", "null", "yes", "no", "on", "off", "y", "n"]);

/** A value in flow style, which may stand anywhere. */
export function yamlValue(value: unknown): string {
  if (typeof value === "string")
    return PLAIN.test(value) && !WORDS.has(value.toLowerCase()) ? value : JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(yamlValue).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    return `{ ${Object.entries(value)
      .map(([key, inner]) => `${yamlValue(key)}: ${yamlValue(inner)}`)
      .join(", ")} }`;
  }
  return typeof value === "number" || typeof value === "boolean" || typeof value === "bigint" ? String(value) : "null";
}

function spanOf(node: { range?: readonly [number, number, number] | null | undefined } | null | undefined): {
  start: number;
  end: number;
} {
  return { start: node?.range?.[0] ?? 0, end: node?.range?.[1] ?? 0 };
}

function pairAt(map: unknown, key: string): YamlPair | undefined {
  const yaml = yamlLibrary();
  if (!yaml.isMap(map)) return undefined;
  return map.items.find((pair) => yaml.isScalar(pair.key) && String(pair.key.value) === key) as YamlPair | undefined;
}

function nodeAt(document: Document.Parsed, path: readonly string[]): ParsedNode | null | undefined {
  let node: ParsedNode | null | undefined = document.contents;
  for (const key of path) node = pairAt(node, key)?.value;
  return node;
}

/** Whether a value in flow style was asked for by the author: `[a]`, `{ a: b }`. */
function isFlow(node: ParsedNode | null | undefined): boolean {
  return (node as { flow?: boolean } | null | undefined)?.flow === true;
}

function itemSpans(node: YAMLSeq | YAMLMap): { start: number; end: number }[] {
  const yaml = yamlLibrary();
  if (yaml.isSeq(node)) return node.items.map((item) => spanOf(item as ParsedNode));
  return (node.items as YamlPair[]).map((pair) => ({
    start: spanOf(pair.key).start,
    end: pair.value === null ? spanOf(pair.key).end : Math.max(spanOf(pair.key).end, spanOf(pair.value).end),
  }));
}

/** End of an item's last line of content: a block value's range reaches over the line break. */
function contentEnd(text: string, end: number): number {
  let offset = end;
  while (offset > 0 && /\s/.test(text[offset - 1]!)) offset -= 1;
  return lineEnd(text, offset);
}

function appendTo(text: string, node: YAMLSeq | YAMLMap, itemText: string): Splice {
  const spans = itemSpans(node);
  const last = spans.at(-1);
  if (last === undefined) {
    const start = spanOf(node).start;
    return { start: start + 1, end: start + 1, text: itemText };
  }
  if (isFlow(node as unknown as ParsedNode)) return { start: last.end, end: last.end, text: `, ${itemText}` };
  const at = contentEnd(text, last.end);
  const dash = yamlLibrary().isSeq(node)
    ? /^[ \t]*-[ \t]+/.exec(text.slice(lineStart(text, spans[0]!.start), spans[0]!.start))?.[0]
    : indentAt(text, spans[0]!.start);
  return { start: at, end: at, text: `${newlineOf(text)}${dash ?? "- "}${itemText}` };
}

/** The map's own pair is made at the end of the file. */
function appendPair(text: string, line: string): Splice {
  const newline = newlineOf(text);
  return {
    start: text.length,
    end: text.length,
    text: `${text === "" || text.endsWith("\n") ? "" : newline}${line}${newline}`,
  };
}

/** A pair whose value is missing (`key:`) or to be replaced. */
function replaceValue(pair: YamlPair, text: string, valueText: string): Splice {
  const { value } = pair;
  if (value !== null && value.range[1] > value.range[0]) {
    const end =
      isFlow(value) || yamlLibrary().isScalar(value)
        ? value.range[1]
        : Math.max(value.range[0], contentEnd(text, value.range[1]));
    const start = value.range[0];
    // A block value starts on a line of its own, a flow value stands behind the colon.
    const colon = text.indexOf(":", spanOf(pair.key).end) + 1;
    return isBlank(text, colon, start) && text.slice(colon, start).includes("\n")
      ? { start: colon, end, text: ` ${valueText}` }
      : { start, end, text: valueText };
  }
  const colon = text.indexOf(":", spanOf(pair.key).end) + 1;
  return { start: colon, end: colon, text: ` ${valueText}` };
}

/** Adds an item to the list at `path` in the list's own style; makes the list where there is none. */
export function appendYamlItem(text: string, path: readonly string[], itemText: string): string {
  const yaml = yamlLibrary();
  const document = parseYamlSyntax(text);
  const node = nodeAt(document, path);
  if (yaml.isSeq(node)) return applySplices(text, [appendTo(text, node, itemText)]);
  const pair = pairAt(nodeAt(document, path.slice(0, -1)), path.at(-1)!);
  if (pair !== undefined) return applySplices(text, [replaceValue(pair, text, `[${itemText}]`)]);
  if (path.length > 1) return setYamlValue(text, path, `[${itemText}]`);
  return applySplices(text, [appendPair(text, `${path[0]!}:${newlineOf(text)}  - ${itemText}`)]);
}

/** Sets one value; everything else keeps its bytes. */
export function setYamlValue(text: string, path: readonly string[], valueText: string): string {
  const yaml = yamlLibrary();
  const document = parseYamlSyntax(text);
  const parent = nodeAt(document, path.slice(0, -1));
  const key = path.at(-1)!;
  const pair = pairAt(parent, key);
  if (pair !== undefined) return applySplices(text, [replaceValue(pair, text, valueText)]);
  const line = `${yamlValue(key)}: ${valueText}`;
  if (path.length === 1) return applySplices(text, [appendPair(text, line)]);
  if (yaml.isMap(parent)) return applySplices(text, [appendTo(text, parent, line)]);
  return setYamlValue(text, path.slice(0, -1), `{ ${line} }`);
}

/** What a list or map item is asked by: its value without places. */
export type ItemTest = (value: unknown) => boolean;

function cut(text: string, node: YAMLSeq | YAMLMap, index: number): Splice {
  const spans = itemSpans(node);
  const item = spans[index]!;
  if (isFlow(node as unknown as ParsedNode)) {
    const comma = /^\s*,/.exec(text.slice(item.end));
    return cutItem(text, spans, index, comma === null ? undefined : item.end + comma[0].length);
  }
  return { start: lineStart(text, item.start), end: nextLine(text, contentEnd(text, item.end)), text: "" };
}

/** Replaces (or, without `itemText`, removes) the items of a list that `matches` accepts. */
export function editYamlItems(text: string, path: readonly string[], matches: ItemTest, itemText?: string): string {
  const yaml = yamlLibrary();
  const document = parseYamlSyntax(text);
  const node = nodeAt(document, path);
  if (!yaml.isSeq(node)) return text;
  const seq = node as unknown as YAMLSeq;
  const index = seq.items.findIndex((item) => matches((item as ParsedNode).toJS(document)));
  if (index === -1) return text;
  const only = seq.items.length === 1;
  if (itemText !== undefined) return applySplices(text, [replaceItem(text, seq, index, itemText)]);
  const pair = pairAt(nodeAt(document, path.slice(0, -1)), path.at(-1)!);
  return applySplices(text, [only && pair !== undefined ? replaceValue(pair, text, "[]") : cut(text, seq, index)]);
}

function replaceItem(text: string, seq: YAMLSeq, index: number, itemText: string): Splice {
  const item = seq.items[index] as ParsedNode;
  const { start, end } = spanOf(item);
  const block = !isFlow(item) && !yamlLibrary().isScalar(item);
  return { start, end: block ? contentEnd(text, end) : end, text: itemText };
}

/** Removes a key with its value. */
export function removeYamlValue(text: string, path: readonly string[]): string {
  const yaml = yamlLibrary();
  const document = parseYamlSyntax(text);
  const parentPath = path.slice(0, -1);
  const parent = nodeAt(document, parentPath);
  if (!yaml.isMap(parent)) return text;
  const map = parent as unknown as YAMLMap;
  const index = (map.items as unknown as YamlPair[]).findIndex((pair) => pair === pairAt(parent, path.at(-1)!));
  if (index === -1) return text;
  const outer =
    parentPath.length === 0 ? undefined : pairAt(nodeAt(document, parentPath.slice(0, -1)), parentPath.at(-1)!);
  return applySplices(text, [
    map.items.length === 1 && outer !== undefined ? replaceValue(outer, text, "{}") : cut(text, map, index),
  ]);
}

/** Whether the value at `path` is a list, a map, something else or not there. */
export function yamlShape(text: string, path: readonly string[]): "list" | "map" | "other" | "absent" {
  const yaml = yamlLibrary();
  const document = parseYamlSyntax(text);
  const node = nodeAt(document, path);
  if (yaml.isSeq(node)) return "list";
  if (yaml.isMap(node)) return "map";
  return node === undefined ? "absent" : "other";
}
