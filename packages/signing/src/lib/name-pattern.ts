import { canonicalName, tryParsePackageName } from "@lading/core-manifest";

// Every token is a literal or a class that ends at "/", so matching cannot backtrack over more than the name's length
// per star; patterns and names are both short.
function toRegExp(pattern: string): RegExp {
  const source = pattern
    .split(/(\*\*|\*)/)
    .map((part) => (part === "**" ? ".*" : part === "*" ? "[^/]*" : part.replaceAll(/[_.]/g, "-")))
    .join("");
  return new RegExp(`^${source}$`);
}

/**
 * Whether `text` can be a pattern over package names: a name in which `*` stands for any run of characters but `/`, and
 * `**` for any run.
 */
export function isNamePattern(text: string): boolean {
  return (
    text.length > 0 && text.length <= 130 && /^[a-z0-9*._/-]+$/.test(text) && (text.match(/\*+/g)?.length ?? 0) <= 4
  );
}

/** Whether a package name is meant by a pattern; `-`, `_` and `.` are the same letter, as in names. */
export function matchesNamePattern(pattern: string, name: string): boolean {
  const parsed = tryParsePackageName(name);
  return parsed !== undefined && isNamePattern(pattern) && toRegExp(pattern).test(canonicalName(parsed));
}
