import { patternsOverlap } from "../pattern-overlap.ts";
import { MIRROR, type UpstreamOptions } from "./upstream-options.ts";

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
          if (!settled && patternsOverlap(left, right))
            return { names: [one.name, other.name], patterns: [left, right] };
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
