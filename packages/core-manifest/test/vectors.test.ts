import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  canonicalName,
  compareVersions,
  compatibilitySlot,
  decodeCanonicalJson,
  encodeCanonicalJson,
  indexDocumentPath,
  parseIndexDocument,
  parsePackageName,
  parseRequirement,
  parseVersion,
  tryParsePackageName,
  tryParseRequirement,
  tryParseVersion,
  type RequirementSyntax,
} from "../src/index.ts";

function vectors(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`vectors/${name}.json`, import.meta.url), "utf8"));
}

describe("vectors of names", () => {
  const { valid, invalid } = vectors("names") as {
    valid: { name: string; canonical: string; path: string }[];
    invalid: string[];
  };

  it.each(valid)("parsePackageName() reads $name", ({ name, canonical, path }) => {
    const parsed = parsePackageName(name);
    expect(canonicalName(parsed)).toBe(canonical);
    expect(indexDocumentPath(parsed)).toBe(path);
    expect(indexDocumentPath(canonicalName(parsed))).toBe(path);
  });

  it.each(invalid)("parsePackageName() refuses %j", (name) => {
    expect(tryParsePackageName(name)).toBeUndefined();
    expect(() => parsePackageName(name)).toThrow(expect.objectContaining({ code: "NAME_INVALID" }));
  });
});

describe("vectors of versions", () => {
  const { ascending, equal, slots, invalid } = vectors("versions") as {
    ascending: string[];
    equal: [string, string][];
    slots: [string, string][];
    invalid: string[];
  };

  it("compareVersions() orders every pair by precedence", () => {
    const versions = ascending.map(parseVersion);
    for (const [i, left] of versions.entries()) {
      for (const [j, right] of versions.entries()) {
        expect([left, right, Math.sign(compareVersions(left, right))]).toEqual([left, right, Math.sign(i - j)]);
      }
    }
  });

  it.each(equal)("%s and %s are both exactly the version without build metadata", (left, right) => {
    const requirement = parseRequirement(`=${left.split("+")[0]!}`, "canonical");
    expect([left, right].map((text) => requirement.matches(parseVersion(text)))).toEqual([true, true]);
  });

  it.each(slots)("compatibilitySlot() of %s is %s", (version, slot) => {
    expect(compatibilitySlot(parseVersion(version))).toBe(slot);
  });

  it.each(invalid)("parseVersion() refuses %j", (text) => {
    expect(tryParseVersion(text)).toBeUndefined();
    expect(() => parseVersion(text)).toThrow(expect.objectContaining({ code: "VERSION_INVALID" }));
  });
});

describe("vectors of requirements", () => {
  const { valid, invalid } = vectors("requirements") as {
    valid: {
      syntax: RequirementSyntax;
      text: string;
      canonical: string;
      in: string[];
      out: string[];
      prerelease?: string[];
    }[];
    invalid: { syntax: RequirementSyntax; text: string }[];
  };

  it.each(valid)("parseRequirement() reads $syntax $text", ({ syntax, text, canonical, ...expected }) => {
    const requirement = parseRequirement(text, syntax);
    expect(requirement.canonical).toBe(canonical);
    expect(requirement.text).toBe(text);
    const versions = [...expected.in, ...expected.out, ...(expected.prerelease ?? [])].map(parseVersion);
    expect(versions.filter((version) => requirement.matches(version))).toEqual(expected.in);
    for (const version of [...expected.in, ...(expected.prerelease ?? [])]) {
      expect([version, requirement.matchesWithPrereleases(parseVersion(version))]).toEqual([version, true]);
    }
  });

  it.each(invalid)("parseRequirement() refuses $syntax $text", ({ syntax, text }) => {
    expect(tryParseRequirement(text, syntax)).toBeUndefined();
    expect(() => parseRequirement(text, syntax)).toThrow(expect.objectContaining({ code: "REQUIREMENT_INVALID" }));
  });
});

describe("vectors of canonical JSON", () => {
  const { valid, invalid, unwritable } = vectors("canonical-json") as {
    valid: { json: string; canonical: string }[];
    invalid: string[];
    unwritable: string[];
  };

  it.each(valid)("encodeCanonicalJson() writes $canonical", ({ json, canonical }) => {
    expect(encodeCanonicalJson(JSON.parse(json))).toBe(canonical);
    expect(encodeCanonicalJson(decodeCanonicalJson(canonical))).toBe(canonical);
  });

  it.each(invalid)("decodeCanonicalJson() refuses %j", (text) => {
    expect(() => decodeCanonicalJson(text)).toThrow(expect.objectContaining({ code: "CANONICAL_JSON_INVALID" }));
  });

  it.each(unwritable)("encodeCanonicalJson() refuses %s", (json) => {
    expect(() => encodeCanonicalJson(JSON.parse(json))).toThrow(
      expect.objectContaining({ code: "CANONICAL_JSON_INVALID" }),
    );
  });
});

describe("vectors of index rows", () => {
  const rows = vectors("index-rows") as {
    row: string;
    version: string;
    published: string;
    artifacts: Record<string, unknown>[];
  }[];

  it.each(rows)("parseIndexDocument() reads the row of $version", ({ row, version, published, artifacts }) => {
    const targets = artifacts.map((_, index) => `target-${index}`);
    const document = { schema: 1, name: "tool", sequence: 1, groups: [{ kind: "source", targets, versions: [row] }] };
    expect(parseIndexDocument(document).versions).toMatchObject([
      {
        version,
        published,
        artifacts: artifacts.map((artifact, index) => ({ target: `target-${index}`, ...artifact })),
      },
    ]);
  });
});
