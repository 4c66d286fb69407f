import { splitName, type CanonicalName } from "@lading/core-manifest";

/** Names this short have too many neighbours to tell a mistake from a choice. */
const COMPARED_MIN_LENGTH = 4;
/** From here on two letters may differ. */
const LONG_NAME_LENGTH = 9;

/**
 * Whether two texts differ by at most `limit` insertions, removals, replacements of a letter, or swaps of two neighbours
 * (optimal string alignment).
 */
export function isWithinEdits(left: string, right: string, limit: number): boolean {
  if (Math.abs(left.length - right.length) > limit) return false;
  let beforeLast: number[] = [];
  let last = Array.from({ length: right.length + 1 }, (_, at) => at);
  for (let row = 1; row <= left.length; row += 1) {
    const next = [row];
    for (let at = 1; at <= right.length; at += 1) {
      const same = left[row - 1] === right[at - 1];
      let cost = Math.min(last[at]! + 1, next[at - 1]! + 1, last[at - 1]! + (same ? 0 : 1));
      if (row > 1 && at > 1 && left[row - 1] === right[at - 2] && left[row - 2] === right[at - 1])
        cost = Math.min(cost, beforeLast[at - 2]! + 1);
      next.push(cost);
    }
    if (Math.min(...next) > limit) return false;
    beforeLast = last;
    last = next;
  }
  return last[right.length]! <= limit;
}

/**
 * The names among `known` that somebody may mean who types `name`: the same namespace, or none that tells them apart, and one
 * letter of difference (two in names of nine letters and more). Order of `known`.
 */
export function similarNames(name: CanonicalName, known: readonly CanonicalName[]): readonly CanonicalName[] {
  const own = splitName(name);
  const bare = own.bare.replaceAll("-", "");
  if (bare.length < COMPARED_MIN_LENGTH) return [];
  const limit = bare.length >= LONG_NAME_LENGTH ? 2 : 1;
  return known.filter((other) => {
    const { namespace, bare: theirs } = splitName(other);
    if (other === name || namespace !== own.namespace) return false;
    return isWithinEdits(bare, theirs.replaceAll("-", ""), limit);
  });
}
