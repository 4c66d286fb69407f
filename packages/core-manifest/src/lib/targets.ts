/**
 * Whether a list of targets means a target. An item is a name, or a pattern in which `*` stands for any text; `!` in front
 * leaves what it means out. A list without anything but exceptions means everything else.
 */
export function targetsInclude(list: readonly string[], target: string): boolean {
  const left = list.filter((item) => item.startsWith("!"));
  if (left.some((item) => matches(item.slice(1), target))) return false;
  return list.length === left.length || list.some((item) => matches(item, target));
}

function matches(pattern: string, target: string): boolean {
  const [first, ...rest] = pattern.split("*");
  if (rest.length === 0) return pattern === target || pattern === "any";
  if (!target.startsWith(first!)) return false;
  let at = first!.length;
  const last = rest.pop()!;
  // The leftmost place of each part leaves the most for those after it.
  for (const part of rest) {
    const found = target.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return target.length - last.length >= at && target.endsWith(last);
}
