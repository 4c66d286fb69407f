import { MIRROR, type UpstreamOptions } from "./upstream-options.ts";

type Piece = { readonly text: string } | { readonly crosses: boolean };

function piecesOf(pattern: string): Piece[] {
  const parts = pattern.replaceAll(/[_.]/g, "-").match(/\*\*|\*|[^*]/g) ?? [];
  return parts.map((part) => (part.startsWith("*") ? { crosses: part === "**" } : { text: part }));
}

/** Whether some name matches both patterns. */
export function patternsMeet(left: string, right: string): boolean {
  const [a, b] = [piecesOf(left), piecesOf(right)];
  const known = new Map<number, boolean>();
  const meet = (i: number, j: number): boolean => {
    const key = i * (b.length + 1) + j;
    const found = known.get(key);
    if (found !== undefined) return found;
    known.set(key, false);
    const result = step(i, j);
    known.set(key, result);
    return result;
  };
  const step = (i: number, j: number): boolean => {
    const [one, other] = [a[i], b[j]];
    if (one === undefined && other === undefined) return true;
    // A star may stand for nothing, or for one more character of what the other side goes on with.
    if (one !== undefined && "crosses" in one) return meet(i + 1, j) || takes(one, other, () => meet(i, j + 1));
    if (other !== undefined && "crosses" in other) return meet(i, j + 1) || takes(other, one, () => meet(i + 1, j));
    return one !== undefined && other !== undefined && one.text === other.text && meet(i + 1, j + 1);
  };
  return meet(0, 0);
}

function takes(star: { readonly crosses: boolean }, next: Piece | undefined, rest: () => boolean): boolean {
  if (next === undefined) return false;
  if ("text" in next) return (star.crosses || next.text !== "/") && rest();
  return rest();
}

/** Two upstreams that both claim some name, and the patterns by which; `undefined` where every name belongs to one. */
export function sharedPattern(
  upstreams: readonly Pick<UpstreamOptions, "name" | "packages">[],
): { readonly names: readonly [string, string]; readonly patterns: readonly [string, string] } | undefined {
  for (const [at, one] of upstreams.entries()) {
    for (const other of upstreams.slice(at + 1)) {
      for (const left of one.packages.filter((pattern) => !pattern.startsWith("!"))) {
        for (const right of other.packages.filter((pattern) => !pattern.startsWith("!"))) {
          // What one takes out in the other's own words is the other's.
          const settled = one.packages.includes(`!${right}`) || other.packages.includes(`!${left}`);
          if (!settled && patternsMeet(left, right)) return { names: [one.name, other.name], patterns: [left, right] };
        }
      }
    }
  }
  return undefined;
}

/** Whether a text can be the name of an upstream. */
export function isUpstreamName(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/.test(text) && text !== MIRROR;
}
