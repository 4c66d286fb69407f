import { NONE, type State } from "./state.ts";

/** Statements that span few levels are kept for good. */
const PRECIOUS = 3;

/**
 * Lets go of the half of the learned statements that spans the most levels: they are watched no longer. What they say stays on
 * record, because a proof may rest on it. Gives what is left.
 */
export function forgetStatements(s: State, learned: readonly number[]): number[] {
  const sorted = learned.toSorted((a, b) => s.span.data[a]! - s.span.data[b]! || b - a);
  const kept = Math.ceil(sorted.length / 2);
  return sorted.filter((id, i) => {
    if (i < kept || s.span.data[id]! <= PRECIOUS) return true;
    s.span.data[id] = NONE;
    s.watchA.data[id] = NONE;
    return false;
  });
}
