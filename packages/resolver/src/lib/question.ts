import type { Universe } from "./compile.ts";
import type { ProofStep } from "./proof.ts";
import type { ResolveInput } from "./types.ts";

/** A question to the driver: metadata that is missing, and whether the answer itself depends on it. */
export interface Need {
  readonly universe: Universe;
  /** Whether it is only for suggestions, which go without where it cannot be had. */
  readonly forSuggestions: boolean;
  /** Nothing is missing: a place to stop at, where the driver looks at its signal. */
  readonly isPause?: boolean;
}

/** A place to stop at between two parts of an explanation. */
export function pause(universe: Universe): Need {
  return { universe, forSuggestions: true, isPause: true };
}

/** A universe without a solution, its proof, and the input of the original question. */
export interface Failure {
  readonly universe: Universe;
  readonly steps: readonly ProofStep[];
  readonly original: ResolveInput;
}
