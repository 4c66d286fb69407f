import Comparator from "semver/classes/comparator.js";
import Range from "semver/classes/range.js";
import type SemVer from "semver/classes/semver.js";

/** Comparators that must hold together; an empty list is every version. */
export type Alternative = readonly Comparator[];

/**
 * What one comparator in any of node-semver's spellings means: `^1.2` is `>=1.2.0` and `<2.0.0-0`.
 * @throws {TypeError} where node-semver finds a number above 2^53 - 1.
 */
export function desugar(comparator: string): Alternative {
  return withoutAny(new Range(comparator).set[0]!);
}

/** node-semver's reading of a whole range of npm's syntax. */
export function readNpmRange(text: string): Alternative[] {
  return new Range(text).set.map(withoutAny);
}

function withoutAny(comparators: readonly Comparator[]): Alternative {
  return comparators.filter((comparator) => comparator.value !== "");
}

const isLower = (comparator: Comparator): boolean => comparator.operator.startsWith(">");
const isUpper = (comparator: Comparator): boolean => comparator.operator.startsWith("<");
const isExact = (comparator: Comparator): boolean => !isLower(comparator) && !isUpper(comparator);

/** Whether `version` satisfies a comparator by order alone, pre-releases like all others. */
function holds(comparator: Comparator, version: SemVer): boolean {
  const order = version.compare(comparator.semver);
  switch (comparator.operator) {
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    default:
      return order === 0;
  }
}

/** Whether `version` is in the alternative when any pre-release is acceptable. */
export function alternativeHolds(alternative: Alternative, version: SemVer): boolean {
  return alternative.every((comparator) => holds(comparator, version));
}

/**
 * node-semver's pre-release rule: a pre-release is in a range only where one of its comparators names a
 * pre-release of the same major, minor and patch.
 */
export function alternativeAdmits(alternative: Alternative, version: SemVer): boolean {
  if (!alternativeHolds(alternative, version)) return false;
  if (version.prerelease.length === 0) return true;
  return alternative.some(({ semver }) => semver.prerelease.length > 0 && semver.compareMain(version) === 0);
}

// `<2.0.0-0` is how a caret says "before 2.0.0 and all of its pre-releases": it names none of them.
export function namesPrerelease(alternative: Alternative): boolean {
  return alternative.some(
    ({ semver, operator }) => semver.prerelease.length > 0 && !(operator === "<" && isLowestPrerelease(semver)),
  );
}

function isLowestPrerelease({ prerelease }: SemVer): boolean {
  return prerelease.length === 1 && prerelease[0] === 0;
}

/** Orders bounds of one side from tight to loose; `side` is 1 for lower bounds, -1 for upper ones. */
function tightest(bounds: readonly Comparator[], side: 1 | -1): Comparator | undefined {
  return bounds.reduce<Comparator | undefined>((best, bound) => {
    if (best === undefined) return bound;
    const order = bound.semver.compare(best.semver) * side;
    return order > 0 || (order === 0 && !bound.operator.endsWith("=")) ? bound : best;
  }, undefined);
}

/**
 * The same set with at most one lower and one upper bound, or one exact version; `undefined` where no version
 * can be in it. Dropping the looser bound never changes which pre-releases are admitted: one of the looser
 * bound's tuple would have to be beyond the tighter bound.
 */
export function simplify(alternative: Alternative): Alternative | undefined {
  const exact = alternative.find(isExact);
  if (exact !== undefined) return alternativeHolds(alternative, exact.semver) ? [exact] : undefined;
  // `>=0.0.0` holds for every release: node-semver drops it, and one set needs one spelling.
  const lower = tightest(
    alternative.filter((comparator) => isLower(comparator) && comparator.value !== ">=0.0.0"),
    1,
  );
  const upper = tightest(alternative.filter(isUpper), -1);
  if (lower !== undefined && upper !== undefined) {
    const order = lower.semver.compare(upper.semver);
    const inclusive = lower.operator === ">=" && upper.operator === "<=";
    if (order > 0 || (order === 0 && !inclusive)) return undefined;
    if (order === 0) return [new Comparator(`=${lower.semver.version}`)];
  }
  // `<0.0.0-0` is node-semver's spelling of the empty set.
  if (upper?.value === "<0.0.0-0") return undefined;
  return [lower, upper].filter((bound) => bound !== undefined);
}

/** Canonical text of one simplified alternative. */
function alternativeText(alternative: Alternative): string {
  if (alternative.length === 0) return "*";
  return alternative.map(({ operator, semver }) => `${operator || "="}${semver.version}`).join(" ");
}

function compareAlternatives(left: Alternative, right: Alternative): number {
  const [a, b] = [left.find((c) => !isUpper(c)), right.find((c) => !isUpper(c))];
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1;
  return a.semver.compare(b.semver);
}

/** Simplified alternatives, lowest first, without repetitions, and their canonical text. */
export function normalise(alternatives: readonly Alternative[]): { set: Alternative[]; canonical: string } {
  const byText = new Map<string, Alternative>();
  for (const alternative of alternatives) {
    const simple = simplify(alternative);
    if (simple !== undefined) byText.set(alternativeText(simple), simple);
  }
  if (byText.size === 0) return { set: [desugar("<0.0.0-0")], canonical: "<0.0.0-0" };
  const sorted = [...byText].toSorted(
    (left, right) => compareAlternatives(left[1], right[1]) || (left[0] < right[0] ? -1 : 1),
  );
  return { set: sorted.map(([, set]) => set), canonical: sorted.map(([text]) => text).join(" || ") };
}
