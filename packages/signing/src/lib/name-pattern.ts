import { canonicalName, tryParsePackageName } from "@lading/core-manifest";

// Matching backtracks over at most the name's length per star; stars are few, and patterns and names short.
function toRegExp(pattern: string): RegExp {
  const source = pattern
    .split(/(\*\*|\*)/)
    .map((part) => (part === "**" ? ".*" : part === "*" ? "[^/]*" : part.replaceAll(/[_.]/g, "-")))
    .join("");
  return new RegExp(`^${source}$`);
}

/**
 * Whether `text` can be a pattern over package names: a name in which `*` stands for any run of characters but `/`, and
 * `**` for any run. At most four stars, never three in a row: each one is a loop within the loops of those before it.
 */
export function isNamePattern(text: string): boolean {
  return (
    text.length > 0 &&
    text.length <= 130 &&
    /^[a-z0-9*._/-]+$/.test(text) &&
    !text.includes("***") &&
    (text.match(/\*\*|\*/g)?.length ?? 0) <= 4
  );
}

/** Whether a package name is meant by a pattern; `-`, `_` and `.` are the same letter, as in names. */
export function matchesNamePattern(pattern: string, name: string): boolean {
  const parsed = tryParsePackageName(name);
  return parsed !== undefined && isNamePattern(pattern) && toRegExp(pattern).test(canonicalName(parsed));
}
