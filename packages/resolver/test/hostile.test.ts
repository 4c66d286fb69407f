import { parseRequirement, type Version } from "@lading/core-manifest";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { resolve, type Candidate, type DependencyProvider, type VersionRequirement } from "../src/index.ts";
import { simpleRange, versionKey } from "../src/lib/compile/simple-range.ts";
import { need } from "./support.ts";

function providerOf(packages: Readonly<Record<string, readonly Candidate[]>>): DependencyProvider {
  return { get: (key) => ({ candidates: packages[key] ?? [] }), load: () => Promise.resolve() };
}

const plain = (version: string): Candidate => ({ version, dependencies: [] });

describe("contradictory metadata", () => {
  test.each([
    ["side by side", ["1.0.0", "1.0.0", "2.0.0"]],
    ["far apart", ["2.0.0", "1.0.0", "3.0.0", "2.0.0"]],
  ])("one version twice, %s, is RESOLVE_METADATA_INVALID even where the two differ", async (_, versions) => {
    const candidates = versions.map((version, i) => ({ version, dependencies: [need(`x${i}`, "*")] }));
    const input = { roots: [{ name: "myapp", dependencies: [need("a", "*")] }] };
    await expect(resolve(input, providerOf({ a: candidates }))).rejects.toMatchObject({
      code: "RESOLVE_METADATA_INVALID",
      message: expect.stringContaining("is listed twice") as string,
    });
  });

  test("versions that differ only in build metadata have one order, whichever arrives first", async () => {
    const candidates = ["1.0.0+b", "1.0.0+a"].map(plain);
    const input = { roots: [{ name: "myapp", dependencies: [need("a", "*")] }] };
    const one = await resolve(input, providerOf({ a: candidates }));
    const other = await resolve(input, providerOf({ a: candidates.toReversed() }));
    expect(one).toMatchObject({ packages: [{ version: "1.0.0+b" }] });
    expect(other).toEqual(one);
  });

  test("intervals that claim more than the requirement matches never pass", async () => {
    const liar: VersionRequirement = { canonical: "liar", matches: (one) => one === "1.0.0", intervals: () => [0, 9] };
    const input = { roots: [{ name: "myapp", dependencies: [{ key: "a", requirement: liar }] }] };
    const provider = providerOf({ a: ["1.0.0", "2.0.0"].map(plain) });
    await expect(resolve(input, provider)).rejects.toMatchObject({ code: "RESOLVE_INTERNAL" });
  });

  test("intervals that claim less never prove that there is nothing", async () => {
    const liar: VersionRequirement = { canonical: "liar", matches: () => true, intervals: () => [] };
    const input = { roots: [{ name: "myapp", dependencies: [{ key: "a", requirement: liar }] }] };
    await expect(resolve(input, providerOf({ a: [plain("1.0.0")] }))).rejects.toMatchObject({
      code: "RESOLVE_INTERNAL",
    });
  });
});

describe("simpleRange()", () => {
  const number = fc.oneof(fc.nat(3), fc.nat(3), fc.constantFrom(10, 131_071, 131_072, 999_999_999));
  const version = fc
    .tuple(number, number, number, fc.constantFrom("", "", "", "-0", "-rc.1", "+build"))
    .map(([major, minor, patch, rest]) => `${major}.${minor}.${patch}${rest}`);
  const comparator = fc
    .tuple(fc.constantFrom("=", ">", ">=", "<", "<="), version)
    .map(([operator, text]) => operator + text);
  const text = fc.oneof(
    comparator,
    fc.tuple(comparator, comparator).map((parts) => parts.join(" ")),
    fc.constantFrom("*", "", "=", ">=1.0", "01.0.0", ">=01.0.0", "=1.0.0 ", ">=1.0.0  <2.0.0", "<0.0.0-0", ">=0.0.0"),
  );

  test("means what the full grammar means, in the same words, or leaves it to it", () => {
    let read = 0;
    fc.assert(
      fc.property(text, fc.array(version, { maxLength: 12 }), (given, versions) => {
        const simple = simpleRange(given);
        if (simple === undefined) return;
        read++;
        const full = parseRequirement(given, "canonical");
        expect(simple.canonical).toBe(full.canonical);
        for (const one of versions) {
          expect([one, simple.matches(one)]).toEqual([one, full.matches(one as Version)]);
          expect(simple.matchesWithPrereleases!(one)).toBe(full.matchesWithPrereleases(one as Version));
        }
        const sorted = versions
          .filter((one) => !Number.isNaN(versionKey(one)))
          .toSorted((a, b) => versionKey(a) - versionKey(b));
        const unique = sorted.filter((one, i) => one !== sorted[i - 1]);
        const [from = 0, to = -1] = simple.intervals!(unique) ?? [0, -1];
        expect(unique.slice(from, to + 1)).toEqual(unique.filter((one) => full.matches(one as Version)));
      }),
      { numRuns: 2000 },
    );
    expect(read).toBeGreaterThan(200);
  });
});
