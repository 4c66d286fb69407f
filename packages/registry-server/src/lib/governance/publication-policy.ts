import { satisfiesLicensePolicy, type CanonicalName } from "@lading/core-manifest";
import { matchesPackagePattern } from "../package-pattern.ts";

/** What happens to a publication that breaks a demand: it is refused, or waits for a reviewer. */
export type PolicyAction = "refuse" | "hold";

/** One rule of the operator about publications of packages whose names match; of several, all hold. */
export interface PublicationRule {
  /** Package patterns, such as `company/*`. */
  readonly names: readonly string[];
  /** Only for packages of which nothing is published yet. */
  readonly newPackagesOnly?: boolean;
  /** Every publication waits for a reviewer. */
  readonly review?: boolean;
  /** User names, and `group:` with a team (`organisation/team`) or a group of a directory; admins may always review. */
  readonly reviewers?: readonly string[];
  readonly requireSignatures?: boolean;
  /** SPDX identifiers; a package's expression must be satisfied by them. A package without a licence satisfies nothing. */
  readonly allowedLicenses?: readonly string[];
  /** What becomes of other licences; default: `refuse`. */
  readonly licenseAction?: PolicyAction;
  /** What becomes of new names that differ from a popular one by one letter, or by two in long names; absent: nothing. */
  readonly similarNames?: PolicyAction;
}

/** What a publication is judged by. */
export interface PublicationFacts {
  readonly canonical: CanonicalName;
  /** Nothing of the package is published. */
  readonly isNew: boolean;
  readonly license: string | undefined;
  /** Names that are much used and look alike; only asked for where a rule wants to know. */
  readonly similar: readonly string[];
}

/** Why a publication is refused or waits. */
export interface PolicyFinding {
  readonly rule: "review" | "license" | "similar-name";
  readonly action: PolicyAction;
  /** What is wrong, as the end of a sentence. */
  readonly problem: string;
  /** Who decides, beside admins. */
  readonly reviewers: readonly string[];
}

/** The rules that speak of a package. */
export function rulesFor(
  rules: readonly PublicationRule[],
  { canonical, isNew }: Pick<PublicationFacts, "canonical" | "isNew">,
): readonly PublicationRule[] {
  return rules.filter(
    ({ names, newPackagesOnly = false }) =>
      (isNew || !newPackagesOnly) && names.some((pattern) => matchesPackagePattern(pattern, canonical)),
  );
}

function licenseFinding(rule: PublicationRule, license: string | undefined): PolicyFinding | undefined {
  const { allowedLicenses: allowed, licenseAction: action = "refuse", reviewers = [] } = rule;
  if (allowed === undefined || (license !== undefined && satisfiesLicensePolicy(license, allowed))) return undefined;
  const found = license === undefined ? "it names no licence" : `its licence is "${license.slice(0, 200)}"`;
  const problem = `${found}, allowed are ${allowed.map((name) => `"${name}"`).join(", ")}`;
  return { rule: "license", action, problem, reviewers };
}

function nameFinding(rule: PublicationRule, { isNew, similar }: PublicationFacts): PolicyFinding | undefined {
  if (!isNew || rule.similarNames === undefined || similar.length === 0) return undefined;
  const problem = `its name is similar to ${similar.map((name) => `"${name}"`).join(", ")}`;
  return { rule: "similar-name", action: rule.similarNames, problem, reviewers: rule.reviewers ?? [] };
}

function reviewFinding({ review = false, reviewers = [] }: PublicationRule): PolicyFinding | undefined {
  if (!review) return undefined;
  return { rule: "review", action: "hold", problem: "every publication of it is reviewed here", reviewers };
}

/** Everything that the rules object to in a publication. */
export function judgePublication(rules: readonly PublicationRule[], facts: PublicationFacts): readonly PolicyFinding[] {
  return rulesFor(rules, facts)
    .flatMap((rule) => [licenseFinding(rule, facts.license), nameFinding(rule, facts), reviewFinding(rule)])
    .filter((finding) => finding !== undefined);
}
