import { solveCanonically } from "./canonical.ts";
import { Universe } from "./compile.ts";
import { bound } from "./lift.ts";
import type { Need } from "./question.ts";
import type { DependencyProvider, PackageKey } from "./types.ts";

/** Beyond this many conflicts a question is not asked twice: its explanation is too long for its words to matter. */
const MOST_CONFLICTS = 2_000;

/** A question without an answer, as it is told. */
export interface Retold {
  readonly universe: Universe;
  /** Lets the universe's provider show whatever is known, as suggestions need it. */
  readonly open: () => void;
}

/**
 * Asks a question without an answer once more, seeing no package before it is asked for. What was known by chance (loaded
 * speculatively, or all at once) then has no part in which contradiction is found, and so in what people read.
 */
export function* retell(universe: Universe): Generator<Need, Retold> {
  const asIs: Retold = { universe, open: () => {} };
  if (universe.solver.conflicts > MOST_CONFLICTS) return asIs;
  const { provider } = universe;
  const curtain = new Curtain(provider);
  const again = new Universe(universe.input, curtain.provider);
  const solving = solveCanonically(again, true);
  while (solving.next().done !== true) {
    for (const key of again.needs) curtain.show(key);
    const known = [...again.needs].filter((key) => provider.get(key) !== undefined);
    for (const key of known) again.needs.delete(key);
    if (again.needs.size > 0) yield { universe: again, forSuggestions: false };
  }
  return again.solver.contradiction === -1 ? asIs : { universe: again, open: () => curtain.open() };
}

/** A provider's packages, each hidden until it is shown. */
class Curtain {
  readonly provider: DependencyProvider;
  readonly #shown = new Set<PackageKey>();
  #isOpen = false;

  constructor(provider: DependencyProvider) {
    this.provider = {
      ...bound(provider),
      get: (key) => (this.#isOpen || this.#shown.has(key) ? provider.get(key) : undefined),
    };
  }

  show(key: PackageKey): void {
    this.#shown.add(key);
  }

  open(): void {
    this.#isOpen = true;
  }
}
