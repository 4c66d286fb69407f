import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeCanonicalJson, encodeCanonicalJson } from "./canonical-json.ts";
import type { LadingError } from "./error.ts";
import { parsePackageRecord, type PackageRecord } from "./package-record.ts";
import { aPackageRecord } from "./testing-builders.ts";
import { errorCodeOf } from "./testing-outcome.ts";

const FULL: PackageRecord = aPackageRecord({
  kind: "binary",
  target: "x86_64-linux",
  executables: ["bin/a", "bin/b"],
  manifest: {
    name: "company/tool",
    version: "1.2.3-rc.1",
    title: "Tool",
    authors: ["Ana <ana@example.com>"],
    description: "A tool",
    license: "MIT",
    readme: "README.md",
    keywords: ["a"],
    categories: ["b"],
    edition: "2024",
    dependencies: [
      { name: "rand", kind: "normal", requirement: ">=0.8.0 <0.9.0-0", features: ["std"], optional: true },
    ],
    features: { default: ["std"], std: [] },
    hosts: { revit: ">=2024.0.0 <2027.0.0-0" },
    runtimes: [{ runtime: "python3", requirement: ">=3.8" }],
    extra: { "chaos-profile": { testing: { seed: 1 } } },
  },
});

function errorOf(value: unknown): LadingError {
  try {
    parsePackageRecord(value);
  } catch (error) {
    return error as LadingError;
  }
  throw new Error("nothing was thrown");
}

const withManifest = (change: Record<string, unknown>): unknown => ({
  ...FULL,
  manifest: { ...FULL.manifest, ...change },
});

describe("parsePackageRecord()", () => {
  it("answers with an equal record for a good one, which encodes to the same bytes", () => {
    const text = encodeCanonicalJson(FULL);
    const record = parsePackageRecord(decodeCanonicalJson(text));
    expect(record).toEqual(FULL);
    expect(encodeCanonicalJson(record)).toBe(text);
  });

  it("keeps keys that it does not know, so that the bytes stay the same", () => {
    const later = {
      ...FULL,
      later: 1,
      manifest: { ...FULL.manifest, funding: ["x"], dependencies: [{ ...FULL.manifest.dependencies![0]!, later: 2 }] },
    };
    expect(parsePackageRecord(later)).toEqual(later);
  });

  it.each<[string, unknown, RegExp]>([
    ["no object", "x", /"record" is "x"/],
    ["another format", { ...FULL, format: 2 }, /"format" is 2, expected an integer from 1 to 1/],
    ["an unknown kind", { ...FULL, kind: "both" }, /"kind" is "both"/],
    ["a bad target", { ...FULL, target: "A/B" }, /"target"/],
    ["an absolute manifest path", { ...FULL, manifestFile: "/etc/passwd" }, /"manifestFile"/],
    ["a manifest path that leaves the package", { ...FULL, manifestFile: "a/../../x" }, /"manifestFile"/],
    ["a path that hides its way out behind a line feed", { ...FULL, manifestFile: "a\nb/../../x" }, /"manifestFile"/],
    ["a path with a backslash", { ...FULL, manifestFile: "a\\b" }, /"manifestFile"/],
    ["executables out of order", { ...FULL, executables: ["b", "a"] }, /"executables\[1\]" is "a", expected sorted/],
    ["an executable twice", { ...FULL, executables: ["a", "a"] }, /"executables\[1\]"/],
    ["no manifest", { ...FULL, manifest: undefined }, /"manifest" is nothing/],
    ["a bad name", withManifest({ name: "Tool" }), /"manifest.name"/],
    ["a bad version", withManifest({ version: "1" }), /"manifest.version"/],
    ["authors that are no list", withManifest({ authors: "Ana" }), /"manifest.authors"/],
    [
      "a bad dependency",
      withManifest({ dependencies: [{ name: "a", kind: "normal", requirement: "1.0" }] }),
      /dependencies\[0\].requirement/,
    ],
    ["a bad feature", withManifest({ features: { default: "std" } }), /"manifest.features.default"/],
    ["a key that reaches into prototypes", JSON.parse('{"manifest":{"extra":{"__proto__":1}}}'), /key "__proto__"/],
    ["too deep tables", withManifest({ extra: { a: JSON.parse(`${"[".repeat(60)}${"]".repeat(60)}`) } }), /nesting/],
  ])("refuses %s", (_what, value, message) => {
    const error = errorOf(value);
    expect(error).toMatchObject({ code: "PACKAGE_RECORD_INVALID", category: "integrity" });
    expect(error.message).toMatch(message);
  });

  it("throws PACKAGE_RECORD_INVALID or answers, whatever the value", () => {
    const mutated = fc
      .tuple(fc.constantFrom(...Object.keys(FULL), ...Object.keys(FULL.manifest)), fc.jsonValue())
      .map(([key, value]) => (key in FULL ? { ...FULL, [key]: value } : withManifest({ [key]: value })));
    fc.assert(
      fc.property(fc.oneof(mutated, fc.jsonValue()), (value) => {
        const code = errorCodeOf(() => parsePackageRecord(value));
        expect(code ?? "PACKAGE_RECORD_INVALID").toBe("PACKAGE_RECORD_INVALID");
      }),
    );
  });
});
