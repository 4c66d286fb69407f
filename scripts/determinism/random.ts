/** Chance that is the same for the same seed, on every machine. */
export interface Chance {
  /** A whole number from 0 to below `limit`. */
  readonly below: (limit: number) => number;
  /** The same values in another order. */
  readonly shuffled: <T>(values: readonly T[]) => T[];
}

/** Starts a sequence (xorshift32). */
export function chance(seed: number): Chance {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  const below = (limit: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
  return {
    below,
    shuffled(values) {
      const result = [...values];
      for (let at = result.length - 1; at > 0; at--) {
        const other = below(at + 1);
        [result[at], result[other]] = [result[other]!, result[at]!];
      }
      return result;
    },
  };
}
