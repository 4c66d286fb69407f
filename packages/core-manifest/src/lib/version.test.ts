import fc from "fast-check";
import semver from "semver";
import { describe, expect, it } from "vitest";
import {
  VERSION_MAX_LENGTH,
  compareVersions,
  compatibilitySlot,
  isPrerelease,
  parseVersion,
  tryParseVersion,
} from "./version.ts";
import { errorCodeOf } from "./testing-outcome.ts";

const number = fc.oneof(fc.nat({ max: 3 }), fc.maxSafeNat());
const identifier = fc.constantFrom("0", "1", "10", "alpha", "rc", "a-b", "0a");
const identifiers = fc.array(identifier, { minLength: 1, maxLength: 3 }).map((list) => list.join("."));
const version = fc
  .tuple(number, number, number, fc.option(identifiers), fc.option(identifiers))
  .map(([major, minor, patch, pre, build]) =>
    parseVersion(`${major}.${minor}.${patch}${pre === null ? "" : `-${pre}`}${build === null ? "" : `+${build}`}`),
  );

describe("parseVersion()", () => {
  it("accepts nothing that node-semver refuses, and gives the text back unchanged", () => {
    const nearly = fc.string({ unit: fc.constantFrom(...Array.from("0123.-+ax")), maxLength: 14 });
    fc.assert(
      fc.property(fc.oneof(nearly, fc.string(), version), (text) => {
        const parsed = tryParseVersion(text);
        const accepted = [text, text.replace(/\+.*$/, ""), undefined];
        const refused = [undefined, undefined, "VERSION_INVALID"];
        const oracle = parsed === undefined ? undefined : semver.valid(text);
        const code = errorCodeOf(() => parseVersion(text));
        expect([parsed, oracle, code]).toEqual(parsed === undefined ? refused : accepted);
      }),
      { numRuns: 300 },
    );
  });

  it("refuses text beyond the length limit", () => {
    expect(tryParseVersion(`1.0.0-${"a".repeat(VERSION_MAX_LENGTH - 6)}`)).toBeDefined();
    expect(tryParseVersion(`1.0.0-${"a".repeat(VERSION_MAX_LENGTH - 5)}`)).toBeUndefined();
  });

  it("proposes the full form of a short one", () => {
    expect(() => parseVersion("1.2")).toThrow('did you mean "1.2.0"?');
    expect(() => parseVersion("1")).toThrow('did you mean "1.0.0"?');
  });
});

describe("compareVersions()", () => {
  it("is a total order that agrees with node-semver", () => {
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        expect(Math.sign(compareVersions(a, b))).toBe(semver.compareBuild(a, b));
        expect(Math.sign(compareVersions(a, b))).toBe(-Math.sign(compareVersions(b, a)) + 0);
        const [low, mid, high] = [a, b, c].toSorted(compareVersions) as [typeof a, typeof a, typeof a];
        expect(compareVersions(low, mid)).toBeLessThanOrEqual(0);
        expect(compareVersions(low, high)).toBeLessThanOrEqual(0);
      }),
    );
  });

  it("puts 1.10.0 above 1.9.0", () => {
    expect(compareVersions(parseVersion("1.10.0"), parseVersion("1.9.0"))).toBeGreaterThan(0);
  });
});

describe("compatibilitySlot()", () => {
  it("is shared by two releases exactly where the caret of the lower one holds the higher one", () => {
    const release = fc
      .tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 }), fc.nat({ max: 2 }))
      .map((parts) => parseVersion(parts.join(".")));
    fc.assert(
      fc.property(release, release, (a, b) => {
        const [low, high] = [a, b].toSorted(compareVersions) as [typeof a, typeof a];
        expect(compatibilitySlot(low) === compatibilitySlot(high)).toBe(semver.satisfies(high, `^${low}`));
      }),
    );
  });
});

describe("isPrerelease()", () => {
  it("looks at the pre-release, not at the build", () => {
    expect([isPrerelease(parseVersion("1.0.0-rc.1")), isPrerelease(parseVersion("1.0.0+a-b"))]).toEqual([true, false]);
  });
});
