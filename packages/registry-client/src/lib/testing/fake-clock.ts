import type { Clock } from "../ports.ts";

/** A clock that stands still until somebody sleeps: then it jumps, at once, and notes for how long. */
export interface FakeClock extends Clock {
  /** Every pause that was asked for, milliseconds. */
  readonly pauses: readonly number[];
  advance(ms: number): void;
}

/** Starts at `start`, milliseconds since the epoch; its jitter is always `random`. */
export function createFakeClock(start = 1_700_000_000_000, random = 0.5): FakeClock {
  const pauses: number[] = [];
  let now = start;
  return {
    pauses,
    now: () => now,
    random: () => random,
    advance: (ms) => {
      now += ms;
    },
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      pauses.push(ms);
      now += ms;
      await Promise.resolve();
    },
  };
}
