import type { LocatedEntry, LocatedNode, LocatedTable } from "./dialects/located.ts";

const PART = /"(?:[^"\\]|\\.)*"|[^.[\]]+|\[\d+\]/g;

/**
 * Offset of the value at `path` (`bins[0].commands."pack build"`), or of the nearest place above it that the
 * document has; of a key that should not be there, the key itself.
 */
export function locateKey(root: LocatedTable, path: string): number {
  let node: LocatedNode = root;
  let offset = 0;
  for (const [part] of path.matchAll(PART)) {
    if (part.startsWith("[")) {
      const item: LocatedNode | undefined = node.kind === "array" ? node.items[Number(part.slice(1, -1))] : undefined;
      if (item === undefined) return offset;
      node = item;
      offset = item.start;
    } else {
      const key = part.startsWith('"') ? (JSON.parse(part) as string) : part;
      const entry: LocatedEntry | undefined = node.kind === "table" ? node.entries.get(key) : undefined;
      if (entry === undefined) return offset;
      node = entry.node;
      offset = entry.keySpan.start;
    }
  }
  return offset;
}

/** Line and column, from 1, of an offset in UTF-16 code units. */
export function positionAt(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return { line, column: offset - before.lastIndexOf("\n") };
}
