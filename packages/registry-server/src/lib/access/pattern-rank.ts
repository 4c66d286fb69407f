/**
 * How specific a pattern is, most telling first: whether it is a name, letters before its first wildcard, letters in all,
 * and whether it keeps within a namespace.
 */
function rankOf(pattern: string): readonly number[] {
  const first = pattern.indexOf("*");
  const letters = pattern.replaceAll("*", "").length;
  return [first === -1 ? 1 : 0, first === -1 ? letters : first, letters, pattern.includes("**") ? 0 : 1];
}

/** Below zero where `left` is the more specific pattern, above where `right` is, zero where neither is. */
export function compareSpecificity(left: string, right: string): number {
  const [a, b] = [rankOf(left), rankOf(right)];
  const different = a.findIndex((value, at) => value !== b[at]);
  return different === -1 ? 0 : b[different]! - a[different]!;
}
