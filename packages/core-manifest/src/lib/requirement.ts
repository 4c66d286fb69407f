import type { Version } from "./version.ts";

/**
 * How a requirement is written.
 *
 * | syntax | where | bare `0.5` means |
 * |---|---|---|
 * | `caret` | the TOML dialects | `^0.5` |
 * | `exact` | `pack.yaml` | `=0.5` |
 * | `pep440` | pyproject, revitpy.toml | PEP 440 specifiers |
 * | `npm` | package.json | node-semver: `0.5.x` |
 * | `canonical` | index documents, lock files, archives | not allowed |
 */
export type RequirementSyntax = "caret" | "exact" | "pep440" | "npm" | "canonical";

/** A set of versions, as somebody wrote it and in one canonical spelling. */
export interface Requirement {
  /** As the author wrote it. */
  readonly text: string;
  /**
   * The same set in canonical syntax: node-semver comparators with explicit operators, `||` between
   * alternatives, `*` for everything. Reading it with syntax `canonical` gives the same requirement.
   */
  readonly canonical: string;
  /** Whether `version` is in the set, by node-semver's pre-release rule (only of a tuple that is named). */
  matches(version: Version): boolean;
  /** Whether `version` is in the set, when any pre-release is acceptable. */
  matchesWithPrereleases(version: Version): boolean;
  /** Whether a comparator names a pre-release, which admits pre-releases of that tuple. */
  readonly namesPrerelease: boolean;
}
