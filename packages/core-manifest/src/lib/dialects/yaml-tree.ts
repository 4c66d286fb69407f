import type { Alias, Document, ParsedNode, Scalar, YAMLMap, YAMLSeq } from "yaml";
import { yamlLibrary } from "./library.ts";
import {
  TREE_LIMITS,
  emptyTable,
  joinKey,
  tooManyOpenBrackets,
  type LocatedNode,
  type LocatedScalar,
  type LocatedTable,
  type Span,
  type Tree,
  type TreeProblem,
} from "./located.ts";

class Stop extends Error {
  readonly problem: TreeProblem;

  constructor(problem: TreeProblem) {
    super(problem.problem);
    this.problem = problem;
  }
}

interface Builder {
  readonly problems: TreeProblem[];
  /** Anchor -> its node; `undefined` while the node is still open, so that a circle is seen. */
  readonly anchors: Map<string, ParsedNode | undefined>;
  nodes: number;
}

type AnyNode = ParsedNode | Scalar | YAMLMap | YAMLSeq | Alias | null | undefined;

function spanOf(node: AnyNode, otherwise: Span): Span {
  const range = node?.range;
  return range === undefined || range === null ? otherwise : { start: range[0], end: range[1] };
}

function scalar(value: unknown, place: Span): LocatedScalar {
  if (typeof value === "string") return { kind: "string", value, ...place };
  if (typeof value === "boolean") return { kind: "boolean", value, ...place };
  if (typeof value === "number") return { kind: Number.isInteger(value) ? "integer" : "float", value, ...place };
  if (typeof value === "bigint") return { kind: "integer", value, ...place };
  return { kind: "null", value: null, ...place };
}

function convert(builder: Builder, node: AnyNode, path: string, depth: number, place: Span): LocatedNode {
  const yaml = yamlLibrary();
  const here = spanOf(node, place);
  builder.nodes += 1;
  // The count includes what aliases expand to: nine lines of aliases of aliases are a billion nodes.
  if (builder.nodes > TREE_LIMITS.nodes) {
    throw new Stop({
      ...here,
      code: "MANIFEST_TOO_LARGE",
      problem: `it has more than ${TREE_LIMITS.nodes} values, aliases expanded`,
      key: path,
    });
  }
  if (depth > TREE_LIMITS.depth) throw new Stop(tooDeep(here.start, path));
  if (yaml.isAlias(node)) return convertAlias(builder, node, path, depth, here);
  const anchor = yaml.isNode(node) ? (node as { anchor?: string }).anchor : undefined;
  if (anchor !== undefined) builder.anchors.set(anchor, undefined);
  const converted = convertContent(builder, node, path, depth, here);
  if (anchor !== undefined) builder.anchors.set(anchor, node as ParsedNode);
  return converted;
}

function convertContent(builder: Builder, node: AnyNode, path: string, depth: number, here: Span): LocatedNode {
  const yaml = yamlLibrary();
  if (yaml.isMap(node)) return convertMap(builder, node, path, depth, here);
  if (yaml.isSeq(node)) {
    const items = node.items.map((item, index) =>
      convert(builder, item as AnyNode, joinKey(path, index), depth + 1, here),
    );
    return { kind: "array", items, ...here };
  }
  return scalar(yaml.isScalar(node) ? node.value : null, here);
}

function convertAlias(builder: Builder, node: Alias, path: string, depth: number, here: Span): LocatedNode {
  const target = builder.anchors.get(node.source);
  if (target === undefined) {
    const problem = builder.anchors.has(node.source)
      ? `the alias "*${node.source}" is inside its own anchor`
      : `the alias "*${node.source}" has no anchor before it`;
    throw new Stop({ ...here, code: "MANIFEST_SYNTAX", problem, key: path });
  }
  return { ...convertContent(builder, target, path, depth + 1, here), ...here };
}

function convertMap(builder: Builder, node: YAMLMap, path: string, depth: number, here: Span): LocatedTable {
  const yaml = yamlLibrary();
  const table = emptyTable(here);
  for (const pair of node.items) {
    const keyNode = pair.key as AnyNode;
    const keySpan = spanOf(keyNode, here);
    if (!yaml.isScalar(keyNode)) {
      throw new Stop({ ...keySpan, code: "MANIFEST_SYNTAX", problem: "a key is not a plain value", key: path });
    }
    const key = typeof keyNode.value === "string" ? keyNode.value : (keyNode.source ?? "");
    const keyPath = joinKey(path, key);
    if (!acceptKey(builder, table, key, keyPath, keySpan)) continue;
    const after = { start: keySpan.end, end: keySpan.end };
    table.entries.set(key, { key, keySpan, node: convert(builder, pair.value as AnyNode, keyPath, depth + 1, after) });
  }
  return table;
}

function acceptKey(builder: Builder, table: LocatedTable, key: string, path: string, place: Span): boolean {
  if (key === "__proto__") {
    builder.problems.push({
      ...place,
      code: "MANIFEST_KEY_FORBIDDEN",
      problem: 'the key "__proto__" is not allowed',
      key: path,
    });
    return false;
  }
  if (table.entries.has(key)) {
    builder.problems.push({
      ...place,
      code: "MANIFEST_KEY_DUPLICATE",
      problem: `the key ${JSON.stringify(key)} occurs twice`,
      key: path,
    });
    return false;
  }
  return true;
}

function tooDeep(start: number, key: string): TreeProblem {
  return {
    start,
    end: start + 1,
    code: "MANIFEST_TOO_DEEP",
    problem: `tables and lists are nested deeper than ${TREE_LIMITS.depth} levels`,
    key,
  };
}

/** The document of a YAML text with ranges, errors inside; for edits. */
export function parseYamlSyntax(text: string): Document.Parsed {
  // Duplicate keys are looked for in `convertMap`: the library's own check is quadratic.
  return yamlLibrary().parseDocument(text, {
    uniqueKeys: false,
    prettyErrors: false,
    version: "1.2",
    schema: "core",
    logLevel: "error",
  });
}

function syntaxProblems(document: Document.Parsed): TreeProblem[] {
  return [...document.errors, ...document.warnings].slice(0, 20).map((error) => ({
    start: error.pos[0],
    end: Math.max(error.pos[0] + 1, error.pos[1]),
    code: "MANIFEST_SYNTAX" as const,
    problem:
      error.code === "MULTIPLE_DOCS"
        ? "the file holds more than one document"
        : (error.message.split("\n")[0] ?? "").replace(/[.:]$/, ""),
    key: "",
  }));
}

/** Reads YAML 1.2 with the core schema; tags of other schemas are refused. Never throws on bad input. */
export function readYamlTree(text: string): Tree {
  const deep = tooManyOpenBrackets(text);
  if (deep !== undefined) return { problems: [tooDeep(deep, "")] };
  const builder: Builder = { problems: [], anchors: new Map(), nodes: 0 };
  try {
    const document = parseYamlSyntax(text);
    const problems = syntaxProblems(document);
    if (problems.length > 0) return { problems };
    const whole = { start: 0, end: text.length };
    if (document.contents === null) return { root: emptyTable(whole), problems: [] };
    const root = convert(builder, document.contents, "", 0, whole);
    if (root.kind === "table") return { root, problems: builder.problems };
    return {
      problems: [
        {
          start: root.start,
          end: root.end,
          code: "MANIFEST_SYNTAX",
          problem: "the document is not a map of keys and values",
          key: "",
        },
      ],
    };
  } catch (error) {
    if (error instanceof Stop) return { problems: [...builder.problems, error.problem] };
    if (error instanceof RangeError) return { problems: [tooDeep(0, "")] };
    throw error;
  }
}
