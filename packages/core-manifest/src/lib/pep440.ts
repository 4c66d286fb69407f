import Comparator from "semver/classes/comparator.js";
import { desugar, simplify, type Alternative } from "./comparators.ts";
import { tryParseVersion, type Version } from "./version.ts";

// PEP 440 appendix B, without what SemVer has no place for: epochs, post-releases and local versions
// are recognised only to be refused by name. Linear: every quantified part ends at a distinct character.
const VERSION =
  /^v?(\d{1,15}(?:\.\d{1,15}){0,7})(?:[-_.]?(alpha|beta|preview|pre|rc|a|b|c)[-_.]?(\d{0,15}))?([-_.]?(?:post|rev|r)[-_.]?\d{0,15}|-\d{1,15})?(?:[-_.]?dev[-_.]?(\d{0,15}))?(\+[a-z0-9._-]{1,64})?$/i;

const PRERELEASE_WORD: Readonly<Record<string, string>> = {
  a: "alpha",
  alpha: "alpha",
  b: "beta",
  beta: "beta",
  c: "rc",
  rc: "rc",
  pre: "rc",
  preview: "rc",
};

/** A PEP 440 version as SemVer, and how many numbers were written. */
interface PepVersion {
  readonly release: readonly [number, number, number];
  /** Without the dash; empty for a release. */
  readonly prerelease: string;
  readonly written: number;
}

/** Why a text is no version that SemVer can say, for the end of a message. */
type Problem = { readonly problem: string };

function readVersion(text: string): PepVersion | Problem {
  if (/^\d+!/.test(text)) return { problem: `the epoch of "${text}" has no counterpart in SemVer` };
  const match = VERSION.exec(text);
  if (match === null) return readSemVer(text);
  const [, release, word, wordNumber, post, dev, local] = match;
  if (post !== undefined) return { problem: `the post-release "${text}" has no counterpart in SemVer` };
  if (local !== undefined) return { problem: `the local version "${text}" has no counterpart in SemVer` };
  if (word !== undefined && dev !== undefined) {
    return { problem: `the development version of a pre-release "${text}" has no counterpart in SemVer` };
  }
  const numbers = release!.split(".").map(Number);
  if (numbers.slice(3).some((number) => number !== 0)) {
    return { problem: `"${text}" has ${numbers.length} numbers, SemVer has three` };
  }
  return {
    release: [numbers[0]!, numbers[1] ?? 0, numbers[2] ?? 0],
    prerelease: prereleaseText(word, wordNumber, dev),
    written: Math.min(numbers.length, 3),
  };
}

// PEP 440 sorts `dev` before `a`; `0.dev` sorts before every word in SemVer, where numbers come first.
function prereleaseText(word: string | undefined, wordNumber: string | undefined, dev: string | undefined): string {
  if (word !== undefined) return `${PRERELEASE_WORD[word.toLowerCase()]!}.${Number(wordNumber ?? 0)}`;
  return dev === undefined ? "" : `0.dev.${Number(dev)}`;
}

// The version is a SemVer one everywhere in Lading, so its own spelling is welcome here too.
function readSemVer(text: string): PepVersion | Problem {
  const version = tryParseVersion(text);
  if (version === undefined || version.includes("+")) return { problem: `"${text}" is not a PEP 440 version` };
  const { major, minor, patch, prerelease } = new Comparator(`=${version}`).semver;
  return { release: [major, minor, patch], prerelease: prerelease.join("."), written: 3 };
}

function semverText({ release, prerelease }: PepVersion): string {
  return `${release.join(".")}${prerelease === "" ? "" : `-${prerelease}`}`;
}

/**
 * A version in PEP 440 spelling as SemVer: `1.0rc1` is `1.0.0-rc.1`, `2.1` is `2.1.0`, `1.0.dev3` is `1.0.0-0.dev.3`;
 * `undefined` where `text` is none, or one that SemVer cannot order (epochs, post-releases, local versions).
 */
export function tryParsePep440Version(text: string): Version | undefined {
  if (text.length > 256) return undefined;
  const version = readVersion(text.trim());
  return "problem" in version ? undefined : tryParseVersion(semverText(version));
}

/** A range of versions that `!=` cuts out; `end` is undefined for a single version. */
interface Hole {
  readonly start: Comparator;
  readonly end: Comparator | undefined;
}

type Clause = { readonly keep: Alternative } | { readonly hole: Hole } | Problem;

const CLAUSE = /^(===|~=|==|!=|<=|>=|<|>)?\s*([^\s=<>!~,|^]+)$/;

/**
 * The alternatives of a list of PEP 440 clauses joined by commas, or what is wrong with it.
 * Every clause is one of `=== == != ~= <= >= < >` and a version; a version alone means `==`, `*` means any.
 */
export function readPep440(text: string): Alternative[] | Problem {
  const kept: Comparator[] = [];
  const holes: Hole[] = [];
  for (const part of text.split(",")) {
    const clause = readClause(part.trim());
    if ("problem" in clause) return clause;
    if ("hole" in clause) holes.push(clause.hole);
    else kept.push(...clause.keep);
  }
  return cutHoles(kept, holes);
}

function readClause(text: string): Clause {
  if (text === "*") return { keep: [] };
  const match = CLAUSE.exec(text);
  if (match === null) return { problem: text === "" ? "a clause is empty" : `"${text}" is not a PEP 440 clause` };
  const operator = match[1] ?? "==";
  const wildcard = match[2]!.endsWith(".*");
  const version = readVersion(wildcard ? match[2]!.slice(0, -2) : match[2]!);
  if ("problem" in version) return version;
  if (wildcard) return readWildcard(operator, version, text);
  return readOperator(operator, version, text);
}

function readWildcard(operator: string, version: PepVersion, text: string): Clause {
  if (operator !== "==" && operator !== "!=")
    return { problem: `".*" goes with "==" and "!=" only, not as in "${text}"` };
  if (version.prerelease !== "") return { problem: `".*" cannot follow a pre-release, as in "${text}"` };
  const keep = [new Comparator(`>=${semverText(version)}`), before(next(version, version.written - 1))];
  return operator === "==" ? { keep } : { hole: { start: keep[0]!, end: keep[1]! } };
}

function readOperator(operator: string, version: PepVersion, text: string): Clause {
  const exact = semverText(version);
  switch (operator) {
    case "==":
    case "===":
      return { keep: [new Comparator(`=${exact}`)] };
    case "!=":
      return { hole: { start: new Comparator(`=${exact}`), end: undefined } };
    case "~=":
      if (version.written < 2)
        return { problem: `"~=" needs at least two numbers, as in "~=${text.slice(2).trim()}.0"` };
      return { keep: [new Comparator(`>=${exact}`), before(next(version, version.written - 2))] };
    case "<":
      // "must not allow a pre-release of the specified version unless the specified version is itself a pre-release"
      return { keep: [version.prerelease === "" ? before(version.release) : new Comparator(`<${exact}`)] };
    default:
      return { keep: desugar(`${operator}${exact}`) };
  }
}

/** The lowest version that does not share the first `index + 1` numbers. */
function next(version: PepVersion, index: number): readonly number[] {
  return version.release.map((number, position) => (position < index ? number : position === index ? number + 1 : 0));
}

function before(release: readonly number[]): Comparator {
  return new Comparator(`<${release.join(".")}-0`);
}

/** Everything of `kept` that is outside all holes, as one alternative for each gap between them. */
function cutHoles(kept: Alternative, holes: readonly Hole[]): Alternative[] {
  const sorted = holes.toSorted((left, right) => left.start.semver.compare(right.start.semver));
  const gaps: Alternative[] = [];
  let from: Comparator | undefined;
  for (const { start, end } of sorted) {
    const version = start.semver.version;
    const to = new Comparator(
      end === undefined || start.semver.prerelease.length > 0 ? `<${version}` : `<${version}-0`,
    );
    gaps.push(from === undefined ? [to] : [from, to]);
    const after = new Comparator(end === undefined ? `>${version}` : `>=${end.semver.version.slice(0, -"-0".length)}`);
    if (from === undefined || after.semver.compare(from.semver) >= 0) from = after;
  }
  gaps.push(from === undefined ? [] : [from]);
  return gaps.map((gap) => simplify([...kept, ...gap])).filter((gap) => gap !== undefined);
}
