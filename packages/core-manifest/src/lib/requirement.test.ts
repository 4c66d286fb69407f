import fc from "fast-check";
import semver from "semver";
import { describe, expect, it } from "vitest";
import { tryParsePep440Version } from "./pep440.ts";
import {
  CANONICAL_REQUIREMENT_MAX_LENGTH,
  parseRequirement,
  tryParseRequirement,
  type RequirementSyntax,
} from "./requirement.ts";
import { compareVersions, parseVersion, type Version } from "./version.ts";
import { errorCodeOf } from "./testing-outcome.ts";

const SYNTAXES: readonly RequirementSyntax[] = ["caret", "exact", "pep440", "npm", "canonical"];

const small = fc.integer({ min: 0, max: 3 });
const prerelease = fc.constantFrom("", "", "", "-0", "-alpha", "-rc.1", "-rc.2");
const version: fc.Arbitrary<Version> = fc
  .tuple(small, small, small, prerelease)
  .map(([major, minor, patch, pre]) => parseVersion(`${major}.${minor}.${patch}${pre}`));
const partial = fc.oneof(
  version,
  fc.tuple(small, small).map((numbers) => numbers.join(".")),
  small.map(String),
);
const comparator = fc
  .tuple(fc.constantFrom("", "^", "~", "=", ">", ">=", "<", "<="), partial)
  .map((parts) => parts.join(""));
const npmRange = fc
  .array(
    fc.array(comparator, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(" ")),
    { minLength: 1, maxLength: 3 },
  )
  .map((alternatives) => alternatives.join(" || "));
const pepClause = fc.oneof(
  fc
    .tuple(
      fc.constantFrom("==", "!=", ">=", "<=", "<", ">", "==="),
      partial.filter((text) => !text.includes("-")),
    )
    .map((parts) => parts.join("")),
  fc
    .tuple(fc.constantFrom("==", "!="), small, small)
    .map(([operator, major, minor]) => `${operator}${major}.${minor}.*`),
  fc.tuple(small, small).map(([major, minor]) => `~=${major}.${minor}`),
);
const pepRange = fc.array(pepClause, { minLength: 1, maxLength: 5 }).map((clauses) => clauses.join(","));
const anyRequirement = fc.oneof(
  fc.record({ syntax: fc.constantFrom<RequirementSyntax>("caret", "exact", "npm"), text: npmRange }),
  fc.record({ syntax: fc.constant<RequirementSyntax>("pep440"), text: pepRange }),
);
// Letters that occur in requirements: random text that gets past the first check more often.
const nearlyRequirement = fc.string({ unit: fc.constantFrom(...Array.from("0123.*xX^~<>=!,| -+rcv")), maxLength: 24 });

describe("parseRequirement()", () => {
  it("gives a canonical text that reads back to the same set and to itself", () => {
    fc.assert(
      fc.property(anyRequirement, fc.array(version, { maxLength: 12 }), ({ syntax, text }, versions) => {
        const requirement = parseRequirement(text, syntax);
        const again = parseRequirement(requirement.canonical, "canonical");
        expect(again.canonical).toBe(requirement.canonical);
        expect(again.namesPrerelease).toBe(requirement.namesPrerelease);
        for (const candidate of versions) {
          expect(again.matches(candidate)).toBe(requirement.matches(candidate));
          expect(again.matchesWithPrereleases(candidate)).toBe(requirement.matchesWithPrereleases(candidate));
        }
      }),
    );
  });

  it("agrees with node-semver on ranges of npm's syntax", () => {
    fc.assert(
      fc.property(npmRange, fc.array(version, { minLength: 1, maxLength: 12 }), (text, versions) => {
        const requirement = parseRequirement(text, "npm");
        for (const candidate of versions) {
          expect([text, candidate, requirement.matches(candidate)]).toEqual([
            text,
            candidate,
            semver.satisfies(candidate, text),
          ]);
        }
      }),
    );
  });

  it("agrees with node-semver on comparators with operators in caret syntax, whatever separates them", () => {
    const withOperator = comparator.filter((text) => /^\D/.test(text));
    const separator = fc.constantFrom(" ", ",", ", ", " , ");
    fc.assert(
      fc.property(
        fc.array(withOperator, { minLength: 1, maxLength: 4 }),
        separator,
        version,
        (parts, between, candidate) => {
          const requirement = parseRequirement(parts.join(between), "caret");
          expect(requirement.matches(candidate)).toBe(semver.satisfies(candidate, parts.join(" ")));
        },
      ),
    );
  });

  it("reads PEP 440 clauses as the intersection of what each says alone", () => {
    const released = version.filter((text) => !text.includes("-"));
    fc.assert(
      fc.property(fc.array(pepClause, { minLength: 1, maxLength: 6 }), released, (clauses, candidate) => {
        const alone = clauses.every((clause) => parseRequirement(clause, "pep440").matches(candidate));
        expect(parseRequirement(clauses.join(","), "pep440").matches(candidate)).toBe(alone);
      }),
    );
  });

  it("admits a pre-release only where one of its tuple is named, and all in order when asked to", () => {
    fc.assert(
      fc.property(anyRequirement, version, ({ syntax, text }, candidate) => {
        const requirement = parseRequirement(text, syntax);
        const [strict, loose] = [requirement.matches(candidate), requirement.matchesWithPrereleases(candidate)];
        const refused = candidate.includes("-") && !requirement.namesPrerelease;
        expect(strict && (!loose || refused)).toBe(false);
      }),
    );
  });

  it("throws REQUIREMENT_INVALID or answers, whatever the text", () => {
    const text = fc.oneof(
      nearlyRequirement,
      fc.string({ maxLength: 40 }),
      fc.string({ unit: "binary", maxLength: 300 }),
    );
    fc.assert(
      fc.property(text, fc.constantFrom(...SYNTAXES), (input, syntax) => {
        const requirement = tryParseRequirement(input, syntax);
        const canonical = requirement?.canonical;
        const again = canonical === undefined ? undefined : parseRequirement(canonical, "canonical").canonical;
        const code = errorCodeOf(() => parseRequirement(input, syntax));
        expect([again, code]).toEqual([canonical, canonical === undefined ? "REQUIREMENT_INVALID" : undefined]);
      }),
      { numRuns: 60 },
    );
  });

  it.each(SYNTAXES)("refuses %s text beyond the length limit without reading it", (syntax) => {
    const text = Array.from({ length: 1200 }, () => ">=1.0").join(" ");
    expect(text.length).toBeGreaterThan(CANONICAL_REQUIREMENT_MAX_LENGTH);
    expect(() => parseRequirement(text, syntax)).toThrow(/characters, allowed are/);
  });

  it.each([
    ["caret", `^${"0".repeat(254)}`],
    ["caret", `1.0.0-${"a.".repeat(120)}`],
    ["npm", " ".repeat(255)],
    ["npm", `1.0.0${" ".repeat(240)}x`],
    ["npm", `^1.0.0-${"-".repeat(240)}`],
    ["pep440", `==1.0${"_".repeat(240)}`],
    ["pep440", ">=1,".repeat(63)],
    ["caret", "||".repeat(127)],
    ["caret", "* ".repeat(127)],
  ] as const)("reads hostile %s text in linear time", (syntax, text) => {
    const start = performance.now();
    for (let round = 0; round < 50; round += 1) tryParseRequirement(`${text.slice(0, 250)}${round}`, syntax);
    expect(performance.now() - start).toBeLessThan(500);
  });

  it("refuses more than 64 alternatives", () => {
    expect(() => parseRequirement(Array.from({ length: 65 }, (_, index) => index).join("||"), "caret")).toThrow(
      /65 alternatives, allowed are 64/,
    );
  });

  it("says what to write instead", () => {
    expect(() => parseRequirement("==1.2", "caret")).toThrow(expect.objectContaining({ hint: 'Write "=1.2"' }));
    expect(() => parseRequirement("1.0 - 2.0", "caret")).toThrow(
      expect.objectContaining({ hint: 'Write ">=1.2.0, <=1.4.0"' }),
    );
    expect(() => parseRequirement("~1.2", "pep440")).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("~=") as string }),
    );
  });

  it("remembers what it read, bad texts as bad", () => {
    expect(parseRequirement("^1.2.0", "caret")).toBe(parseRequirement("^1.2.0", "caret"));
    for (let round = 0; round < 2; round += 1) {
      expect(() => parseRequirement("nonsense", "caret")).toThrow(
        expect.objectContaining({ code: "REQUIREMENT_INVALID" }),
      );
    }
  });
});

describe("tryParsePep440Version()", () => {
  it.each([
    ["1.0", "1.0.0"],
    ["1.0rc1", "1.0.0-rc.1"],
    ["1.0.0-rc.1", "1.0.0-rc.1"],
    ["v2.1b3", "2.1.0-beta.3"],
    ["1.0_alpha_2", "1.0.0-alpha.2"],
    ["1.0c1", "1.0.0-rc.1"],
    ["1.0a", "1.0.0-alpha.0"],
    ["1.0.dev3", "1.0.0-0.dev.3"],
    ["2024.1.0.0", "2024.1.0"],
    ["1.0.0-beta", "1.0.0-beta.0"],
  ])("reads %s as %s", (text, expected) => {
    expect(tryParsePep440Version(text)).toBe(expected);
  });

  it.each(["1.0.post1", "1!1.0", "1.0+local", "1.0a1.dev2", "1.2.3.4", "", "one", "1.0-1"])(
    "finds no SemVer for %s",
    (text) => {
      expect(tryParsePep440Version(text)).toBeUndefined();
    },
  );

  it("keeps PEP 440's order of development, alpha, beta, candidate and release", () => {
    const ordered = ["1.0.dev1", "1.0.dev10", "1.0a1", "1.0b1", "1.0b2", "1.0rc1", "1.0rc10", "1.0", "1.1.dev1"];
    const versions = ordered.map((text) => tryParsePep440Version(text)!);
    expect(versions.toSorted(compareVersions)).toEqual(versions);
  });
});
