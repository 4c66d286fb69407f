import {
  alternativeAdmits,
  alternativeHolds,
  desugar,
  namesPrerelease,
  normalise,
  readNpmRange,
  type Alternative,
} from "./comparators.ts";
import { CoreError } from "./core-error.ts";
import { parsedVersion } from "./parsed-version.ts";
import { readPep440 } from "./pep440.ts";
import { VERSION_MAX_LENGTH, type Version } from "./version.ts";

/**
 * How a requirement is written.
 *
 * | syntax | where | bare `0.5` means |
 * |---|---|---|
 * | `caret` | the TOML dialects | `^0.5` |
 * | `exact` | `pack.yaml` | `=0.5`, that is any 0.5.x |
 * | `pep440` | pyproject, revitpy.toml | `==0.5`, that is 0.5.0 |
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

/** Longest requirement in canonical syntax, in characters: what the longest written one can expand to. */
export const CANONICAL_REQUIREMENT_MAX_LENGTH = 4096;

/** Most alternatives (`||`) of a requirement, and most comparators of one alternative. */
export const REQUIREMENT_MAX_PARTS = 64;

// Each alternative of the grammar starts with another character class than the one before it can end in,
// so there is one way to match and matching is linear.
const NUMBER = String.raw`(?:0|[1-9]\d{0,15})`;
const WILD = String.raw`(?:${NUMBER}|[xX*])`;
const SUFFIX = String.raw`(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?`;
const COMPARATOR = new RegExp(
  String.raw`^(?<operator>\^|~|>=|<=|>|<|=)?(?<version>${NUMBER}\.${NUMBER}\.${NUMBER}${SUFFIX}|${WILD}(?:\.${WILD}){0,2})$`,
);
const CANONICAL_COMPARATOR = new RegExp(
  String.raw`^(?:>=|<=|>|<|=)${NUMBER}\.${NUMBER}\.${NUMBER}(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$`,
);

class RangeRequirement implements Requirement {
  readonly text: string;
  readonly canonical: string;
  readonly namesPrerelease: boolean;
  readonly #set: readonly Alternative[];

  constructor(text: string, alternatives: readonly Alternative[]) {
    const { set, canonical } = normalise(alternatives);
    this.text = text;
    this.canonical = canonical;
    this.namesPrerelease = set.some(namesPrerelease);
    this.#set = set;
  }

  matches(version: Version): boolean {
    const parsed = parsedVersion(version);
    return this.#set.some((alternative) => alternativeAdmits(alternative, parsed));
  }

  matchesWithPrereleases(version: Version): boolean {
    const parsed = parsedVersion(version);
    return this.#set.some((alternative) => alternativeHolds(alternative, parsed));
  }
}

/** What is wrong with a requirement, for the end of a message, and what to write instead. */
class RequirementProblem {
  readonly problem: string;
  readonly hint: string | undefined;

  constructor(problem: string, hint?: string) {
    this.problem = problem;
    this.hint = hint;
  }
}

const MEMO_LIMIT = 5000;
const memo = new Map<string, Requirement | RequirementProblem>();

function read(text: string, syntax: RequirementSyntax): Requirement | RequirementProblem {
  const key = `${syntax} ${text}`;
  const known = memo.get(key);
  if (known !== undefined) return known;
  const result = readFresh(text, syntax);
  if (memo.size >= MEMO_LIMIT) memo.clear();
  // Texts beyond the length limit are not worth remembering, and would let a stranger fill the memory.
  if (text.length <= CANONICAL_REQUIREMENT_MAX_LENGTH) memo.set(key, result);
  return result;
}

function readFresh(text: string, syntax: RequirementSyntax): Requirement | RequirementProblem {
  const limit = syntax === "canonical" ? CANONICAL_REQUIREMENT_MAX_LENGTH : VERSION_MAX_LENGTH;
  if (text.length > limit) return new RequirementProblem(`it has ${text.length} characters, allowed are ${limit}`);
  const alternatives = readAlternatives(text, syntax);
  if (alternatives instanceof RequirementProblem) return alternatives;
  const requirement = new RangeRequirement(text, alternatives);
  return requirement.canonical.length > CANONICAL_REQUIREMENT_MAX_LENGTH
    ? new RequirementProblem(`its canonical form has more than ${CANONICAL_REQUIREMENT_MAX_LENGTH} characters`)
    : requirement;
}

function readAlternatives(text: string, syntax: RequirementSyntax): Alternative[] | RequirementProblem {
  const parts = text.split("||");
  if (parts.length > REQUIREMENT_MAX_PARTS) {
    return new RequirementProblem(`it has ${parts.length} alternatives, allowed are ${REQUIREMENT_MAX_PARTS}`);
  }
  try {
    if (syntax === "npm") return readNpmRange(text);
    const alternatives: Alternative[] = [];
    for (const part of parts) {
      const read = readAlternative(part.trim(), syntax, parts.length);
      if (read instanceof RequirementProblem) return read;
      alternatives.push(...read);
    }
    return alternatives;
  } catch (error) {
    // node-semver throws plain TypeErrors, for syntax and for numbers above 2^53 - 1.
    if (error instanceof TypeError) return new RequirementProblem(lowerFirst(error.message));
    throw error;
  }
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}

type WrittenSyntax = Exclude<RequirementSyntax, "npm">;

function readAlternative(part: string, syntax: WrittenSyntax, count: number): Alternative[] | RequirementProblem {
  if (part === "")
    return new RequirementProblem(count > 1 ? `a side of "||" is empty` : "it is empty", `Write "*" for any version`);
  if (syntax === "pep440") {
    const read = readPep440(part);
    return "problem" in read ? new RequirementProblem(read.problem, pepHint(part)) : read;
  }
  return readComparators(part, syntax);
}

function pepHint(part: string): string | undefined {
  if (part.startsWith("^")) return `PEP 440 has no "^"; write ">=1.2, <2" or "~=1.2"`;
  if (/^~(?!=)/.test(part)) return `PEP 440's compatible release is "~=": "~=1.2.0"`;
  return undefined;
}

function readComparators(part: string, syntax: WrittenSyntax): Alternative[] | RequirementProblem {
  if (/\s-\s/.test(part)) {
    return new RequirementProblem("a hyphen range is npm's syntax only", `Write ">=1.2.0, <=1.4.0"`);
  }
  // "no operator before a space": `>= 1.2` is one comparator, `>=1.2 <2` are two.
  const words = splitComparators(part);
  if (words.length > REQUIREMENT_MAX_PARTS) {
    return new RequirementProblem(`it has ${words.length} comparators, allowed are ${REQUIREMENT_MAX_PARTS}`);
  }
  const comparators: Alternative[number][] = [];
  for (const word of words) {
    const spelled = spell(word, syntax);
    if (spelled instanceof RequirementProblem) return spelled;
    comparators.push(...desugar(spelled));
  }
  return [comparators];
}

const OPERATOR_ONLY = /^[\^~<>=]+$/;

function splitComparators(part: string): string[] {
  const words: string[] = [];
  for (const clause of part.split(",")) {
    let operator = "";
    const found = clause.split(/\s/).filter((word) => word !== "");
    for (const word of found) {
      if (operator === "" && OPERATOR_ONLY.test(word)) operator = word;
      else {
        words.push(operator + word);
        operator = "";
      }
    }
    if (operator !== "" || found.length === 0) words.push(operator);
  }
  return words;
}

/** One comparator in node-semver's spelling. */
function spell(word: string, syntax: WrittenSyntax): string | RequirementProblem {
  if (syntax === "canonical") return spellCanonical(word);
  const match = COMPARATOR.exec(word);
  if (match === null) return comparatorProblem(word);
  const { operator, version } = match.groups!;
  const wild = /(?:^|\.)[xX*]/.test(version!);
  if (operator !== undefined) {
    return wild && operator !== "=" && operator !== "^" && operator !== "~"
      ? new RequirementProblem(`"${word}" mixes "${operator}" with a wildcard`, `Write the number: "${operator}1.2"`)
      : word;
  }
  return syntax === "caret" && !wild ? `^${version!}` : `=${version!}`;
}

function spellCanonical(word: string): string | RequirementProblem {
  if (word === "*" || CANONICAL_COMPARATOR.test(word)) return word;
  return new RequirementProblem(
    `"${word}" is not a canonical comparator, which is one of "=", ">", ">=", "<", "<=" and MAJOR.MINOR.PATCH`,
  );
}

function comparatorProblem(word: string): RequirementProblem {
  const shown = word.slice(0, 60);
  if (word === "") return new RequirementProblem("there is a comma without a comparator beside it");
  if (OPERATOR_ONLY.test(word)) return new RequirementProblem(`"${shown}" has no version after it`);
  if (word.startsWith("=="))
    return new RequirementProblem(`"${shown}" has PEP 440's "=="`, `Write "=${shown.replace(/^=+/, "")}"`);
  if (word.startsWith("!="))
    return new RequirementProblem(`"${shown}" has PEP 440's "!="`, `Write two ranges: "<1.2.0 || >1.2.0"`);
  if (/^[\^~<>=]*v\d/i.test(word))
    return new RequirementProblem(`"${shown}" has a "v" before the number`, `Write it without the "v"`);
  return new RequirementProblem(`"${shown}" is not a comparator such as "^1.2.0", "~1.2", ">=1.0" or "1.*"`);
}

/**
 * Reads a version requirement in linear time; equal texts are read once.
 * @throws {CoreError} `REQUIREMENT_INVALID`, with what is wrong; a bad requirement is never an empty set.
 */
export function parseRequirement(text: string, syntax: RequirementSyntax): Requirement {
  const result = read(text, syntax);
  if (!(result instanceof RequirementProblem)) return result;
  throw new CoreError({
    code: "REQUIREMENT_INVALID",
    message: `Cannot read requirement "${text.slice(0, 100)}": ${result.problem}`,
    hint: result.hint,
    requirement: text.slice(0, 100),
    syntax,
  });
}

/** The requirement, or `undefined` where `text` is none. */
export function tryParseRequirement(text: string, syntax: RequirementSyntax): Requirement | undefined {
  const result = read(text, syntax);
  return result instanceof RequirementProblem ? undefined : result;
}
