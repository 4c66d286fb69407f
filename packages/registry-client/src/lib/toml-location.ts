import type { SourceLocation } from "@lading/core-manifest";

/**
 * Where a key of a TOML text is written: the line of `key = ...` inside its table, else the table's header, else the
 * first line. Enough for configuration files, whose tables are written out.
 */
export function locateKey(text: string, file: string, path: readonly string[]): SourceLocation {
  const lines = text.split(/\r?\n/);
  const key = path.at(-1)!;
  const table = path.slice(0, -1);
  const header = table.length === 0 ? -1 : lines.findIndex((line) => sameTable(line, table));
  const start = table.length === 0 || header !== -1 ? header + 1 : lines.length;
  for (let index = start; index < lines.length && !/^\s*\[/.test(lines[index]!); index++) {
    const found = /^(\s*)("?)([A-Za-z0-9_-]+)\2\s*=/.exec(lines[index]!);
    if (found?.[3] === key) return { file, line: index + 1, column: found[1]!.length + 1 };
  }
  const own = lines.findIndex((line) => sameTable(line, path));
  return { file, line: Math.max(own, header, 0) + 1, column: 1 };
}

function sameTable(line: string, path: readonly string[]): boolean {
  const found = /^\s*\[\[?\s*([^\]]+?)\s*\]?\]/.exec(line);
  if (found === null) return false;
  const parts = found[1]!.split(".").map((part) => part.trim().replaceAll(/^["']|["']$/g, ""));
  return parts.length === path.length && parts.every((part, index) => part === path[index]);
}
