import { ABSENT, countBits, fullBits, hasBit, intersection, isEmpty, isSubset, type Bits } from "./bits.ts";
import type { Universe } from "./compile.ts";
import { resolveTerms, type ProofStep } from "./proof.ts";
import { pause, type Need } from "./question.ts";

type Terms = ReadonlyMap<number, Bits>;

/** Beyond this many facts a proof is told as the search found it. */
const MOST_FACTS = 60;
/** Work bounds: what they cut off costs brevity, never correctness. */
const MOST_GUESSES = 400;
const MOST_DERIVED = 200;

/**
 * Other proofs of the same contradiction, from a minimal set of the facts that a proof cites: none of them can be left out.
 * Each is built by resolution alone, package after package in another order; the caller takes the one that reads best.
 */
export function* smallerProofs(
  universe: Universe,
  steps: readonly ProofStep[],
): Generator<Need, readonly (readonly ProofStep[])[]> {
  const cited = steps.filter(({ left }) => left === -1);
  if (cited.length > MOST_FACTS) return [];
  const sizes = (node: number): number => universe.solver.nodes[node]!.size;
  const facts = yield* minimalFacts(universe, cited, sizes);
  const proofs: ProofStep[][] = [];
  for (const order of orders(universe, facts)) {
    yield pause(universe);
    for (const absentFirst of [true, false]) {
      const proof = eliminate(universe, facts, order, absentFirst);
      if (proof !== undefined) proofs.push(proof);
    }
  }
  return proofs;
}

/** Drops fact after fact while what remains is still contradictory; exclusions first, since they are hardest to change. */
function* minimalFacts(
  universe: Universe,
  cited: readonly ProofStep[],
  sizes: (node: number) => number,
): Generator<Need, readonly ProofStep[]> {
  const depth = depths(universe, cited);
  const remoteness = ({ cause, terms }: ProofStep): number =>
    (cause?.type === "dependency" ? 0 : 1_000) + Math.max(...[...terms.keys()].map((node) => depth.get(node) ?? 0));
  let kept = cited;
  for (const fact of cited.toSorted((left, right) => remoteness(right) - remoteness(left))) {
    yield pause(universe);
    const without = kept.filter((one) => one !== fact);
    if (isContradiction(without, sizes)) kept = without;
  }
  return kept;
}

/** Whether no choice of values keeps to every fact; `false` where that takes too long to find out. */
export function isContradiction(facts: readonly ProofStep[], sizes: (node: number) => number): boolean {
  const domains = new Map<number, Bits>();
  for (const { terms } of facts)
    for (const node of terms.keys()) if (!domains.has(node)) domains.set(node, fullBits(sizes(node)));
  const budget = { guesses: MOST_GUESSES };
  return refuted(facts, domains, budget) && budget.guesses > 0;
}

function refuted(facts: readonly ProofStep[], domains: Map<number, Bits>, budget: { guesses: number }): boolean {
  if (budget.guesses-- <= 0) return false;
  for (let changed = true; changed;) {
    changed = false;
    for (const { terms } of facts) {
      const outcome = propagate(terms, domains);
      if (outcome === "conflict") return true;
      changed ||= outcome === "changed";
    }
  }
  const open = [...domains].filter(([, bits]) => countBits(bits) > 1);
  const [first] = open.toSorted(([, left], [, right]) => countBits(left) - countBits(right));
  if (first === undefined) return false;
  const [node, bits] = first;
  for (let bit = 0; bit < bits.length * 32; bit++) {
    if (!hasBit(bits, bit)) continue;
    const only = new Int32Array(bits.length);
    only[bit >>> 5]! |= 1 << (bit & 31);
    if (!refuted(facts, new Map([...domains, [node, only]]), budget)) return false;
  }
  return true;
}

function propagate(terms: Terms, domains: Map<number, Bits>): "same" | "changed" | "conflict" {
  let open: number | undefined;
  for (const [node, set] of terms) {
    const domain = domains.get(node)!;
    if (isSubset(domain, set)) continue;
    if (isEmpty(intersection(domain, set)) || open !== undefined) return "same";
    open = node;
  }
  if (open === undefined) return "conflict";
  const domain = domains.get(open)!;
  const rest = domain.map((word, i) => word & ~terms.get(open)![i]!);
  domains.set(open, rest);
  return "changed";
}

/** How far each node is from the roots, along the facts. */
function depths(universe: Universe, facts: readonly ProofStep[]): Map<number, number> {
  const depth = new Map<number, number>();
  for (const [node, info] of universe.infos.entries()) if (info.type === "root") depth.set(node, 0);
  for (let changed = true; changed;) {
    changed = false;
    for (const { terms } of facts) {
      const known = [...terms.keys()].flatMap((node) => depth.get(node) ?? []);
      if (known.length === 0) continue;
      for (const node of terms.keys()) {
        if (depth.has(node)) continue;
        depth.set(node, Math.min(...known) + 1);
        changed = true;
      }
    }
  }
  return depth;
}

function orders(universe: Universe, facts: readonly ProofStep[]): number[][] {
  const depth = depths(universe, facts);
  const nodes = [...new Set(facts.flatMap(({ terms }) => [...terms.keys()]))];
  const at = (node: number): number => depth.get(node) ?? nodes.length;
  const isRoot = (node: number): number => (universe.infos[node]!.type === "root" ? 1 : 0);
  const uses = (node: number): number => facts.filter(({ terms }) => terms.has(node)).length;
  return [
    nodes.toSorted((a, b) => isRoot(a) - isRoot(b) || at(b) - at(a) || uses(a) - uses(b)),
    nodes.toSorted((a, b) => isRoot(a) - isRoot(b) || uses(a) - uses(b) || at(b) - at(a)),
    nodes.toSorted((a, b) => isRoot(a) - isRoot(b) || at(a) - at(b) || uses(a) - uses(b)),
    nodes.toSorted((a, b) => isRoot(b) - isRoot(a) || at(a) - at(b) || uses(a) - uses(b)),
  ];
}

/** A statement that is known, as the place of a step. */
interface Known {
  readonly terms: Terms;
  readonly place: number;
}

/** Resolves node after node away; `undefined` where that takes more statements than are worth telling. */
function eliminate(
  universe: Universe,
  facts: readonly ProofStep[],
  order: readonly number[],
  absentFirst: boolean,
): ProofStep[] | undefined {
  const steps: ProofStep[] = facts.map((fact) => ({ ...fact }));
  let known: Known[] = steps.map(({ terms }, place) => ({ terms, place }));
  for (const node of order) {
    const about = known.filter(({ terms }) => terms.has(node));
    const derived = cover(universe, steps, about, { node, absentFirst });
    if (derived === undefined) return undefined;
    known = withoutSubsumed([...known.filter(({ terms }) => !terms.has(node)), ...derived]);
  }
  const [last] = known;
  return last === undefined || last.terms.size > 0 ? undefined : reachable(steps, last.place);
}

/** Every statement that follows from those given by resolving a node away entirely. */
function cover(
  universe: Universe,
  steps: ProofStep[],
  about: readonly Known[],
  at: { readonly node: number; readonly absentFirst: boolean },
): Known[] | undefined {
  const { node, absentFirst } = at;
  const { size } = universe.solver.nodes[node]!;
  const found: Known[] = [];
  const memo = new Map<string, Known | undefined>();
  const combine = (left: Known, right: Known): Known | undefined => {
    const id = `${left.place} ${right.place}`;
    if (memo.has(id)) return memo.get(id);
    const terms = resolveTerms(universe, left.terms, right.terms, node);
    const vacuous = [...terms].some(([other, set]) => other !== node && isEmpty(set));
    const made = vacuous ? undefined : { terms, place: steps.length };
    if (made !== undefined) steps.push({ terms, cause: undefined, left: left.place, right: right.place, pivot: node });
    memo.set(id, made);
    return made;
  };
  const extend = (current: Known, used: readonly Known[]): boolean => {
    if (steps.length > MOST_DERIVED + about.length) return false;
    const set = current.terms.get(node);
    if (set === undefined) {
      found.push(current);
      return true;
    }
    const missing = firstMissing(set, size);
    return about.every((next) => {
      if (used.includes(next) || !hasBit(next.terms.get(node)!, missing)) return true;
      const made = combine(current, next);
      return made === undefined || extend(made, [...used, next]);
    });
  };
  // Whatever covers all values covers this one: absence, or the newest version to speak of absence last.
  const first = absentFirst ? ABSENT : size - 1;
  const starts = about.filter(({ terms }) => hasBit(terms.get(node)!, first));
  const complete = starts.every((start) => extend(start, [start]));
  return complete ? withoutSubsumed(found) : undefined;
}

function firstMissing(set: Bits, size: number): number {
  for (let bit = ABSENT + 1; bit < size; bit++) if (!hasBit(set, bit)) return bit;
  return ABSENT;
}

function withoutSubsumed(known: readonly Known[]): Known[] {
  const kept: Known[] = [];
  for (const one of known.toSorted((left, right) => left.terms.size - right.terms.size || left.place - right.place)) {
    if (!kept.some((other) => subsumes(other.terms, one.terms))) kept.push(one);
  }
  return kept;
}

function subsumes(strong: Terms, weak: Terms): boolean {
  return [...strong].every(([node, set]) => weak.has(node) && isSubset(weak.get(node)!, set));
}

/** Only what the statement at `goal` rests on, renumbered. */
function reachable(steps: readonly ProofStep[], goal: number): ProofStep[] {
  const needed = new Set<number>([goal]);
  for (let place = goal; place >= 0; place--) {
    const step = steps[place]!;
    if (!needed.has(place) || step.left === -1) continue;
    needed.add(step.left).add(step.right);
  }
  const places = [...needed].sort((left, right) => left - right);
  const renumbered = new Map(places.map((place, i) => [place, i]));
  return places.map((place) => {
    const step = steps[place]!;
    return step.left === -1 ? step : { ...step, left: renumbered.get(step.left)!, right: renumbered.get(step.right)! };
  });
}
