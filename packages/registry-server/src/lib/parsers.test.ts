import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isPackagePattern, matchesPackagePattern } from "./package-pattern.ts";
import { nameSkeleton, reservedReason, RESERVED_NAMES } from "./package-name-rules.ts";
import { parseDeclaredPackage } from "./publish-form.ts";
import { parseRange } from "./reads.ts";
import { packageOfIndexPath } from "./index-service.ts";
import { RegistryError } from "./registry-error.ts";
import { generateToken, isWellFormedToken } from "./token.ts";
import { canonicalName, indexDocumentPath, parsePackageName, type CanonicalName } from "@lading/core-manifest";

const name = fc
  .tuple(fc.option(fc.stringMatching(/^[a-z0-9]{1,8}$/)), fc.stringMatching(/^[a-z0-9]{1,6}([-_.][a-z0-9]{1,6}){0,2}$/))
  .map(([namespace, bare]) => (namespace === null ? bare : `${namespace}/${bare}`));

function onlyRegistryErrors(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
  }
}

describe("generateToken() and isWellFormedToken()", () => {
  it("agree, and one changed character is noticed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 39 }), fc.constantFrom("0", "a", "Z", "9"), (at, letter) => {
        const token = generateToken();
        expect(isWellFormedToken(token)).toBe(true);
        const altered = token.slice(0, at) + letter + token.slice(at + 1);
        expect(isWellFormedToken(altered)).toBe(altered === token);
      }),
    );
  });

  it("isWellFormedToken() refuses everything else without throwing", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `ldg_${text}`),
        ),
        (text) => {
          expect(isWellFormedToken(text)).toBe(false);
        },
      ),
    );
  });
});

describe("package patterns", () => {
  it("a name matches itself, `**`, and `*` unless it has a namespace", () => {
    fc.assert(
      fc.property(name, (text) => {
        const canonical = canonicalName(parsePackageName(text));
        expect(isPackagePattern(text)).toBe(true);
        expect(matchesPackagePattern(text, canonical)).toBe(true);
        expect(matchesPackagePattern("**", canonical)).toBe(true);
        expect(matchesPackagePattern("*", canonical)).toBe(!text.includes("/"));
        expect(matchesPackagePattern(`${text}x`, canonical)).toBe(false);
      }),
    );
  });

  it.each([
    ["company/*", "company/tool", true],
    ["company/*", "company", false],
    ["company/*", "companyx/tool", false],
    ["company**", "company/tool", true],
    ["*/tool", "company/tool", true],
    ["a*c", "abc", true],
    ["a*c", "ab/c", false],
    ["a**c", "ab/c", true],
    ["actor_*", "actor-utils", true],
    ["*a*b*", "xxaxxbxx", true],
    ["*a*b*", "xxbxxaxx", false],
  ])("%s on %s is %s", (pattern, canonical, expected) => {
    expect(matchesPackagePattern(pattern, canonical)).toBe(expected);
  });

  it("match in time that does not explode", () => {
    const started = performance.now();
    expect(matchesPackagePattern(`${"*a".repeat(60)}*b`, "a".repeat(120))).toBe(false);
    expect(performance.now() - started).toBeLessThan(500);
  });

  it("isPackagePattern() refuses paths, spaces and long texts, never throws", () => {
    for (const text of ["", "../x", "a/b/c", "a b", "A", "***", "a".repeat(141), "/a"])
      expect(isPackagePattern(text)).toBe(false);
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(typeof isPackagePattern(text)).toBe("boolean");
      }),
    );
  });
});

describe("parseDeclaredPackage()", () => {
  it("reads what JSON.stringify writes", () => {
    const digest = fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}`);
    fc.assert(
      fc.property(digest, fc.nat(), fc.option(digest, { nil: undefined }), (blob, size, tree) => {
        expect(parseDeclaredPackage(JSON.stringify({ blob, size, tree }))).toEqual(
          tree === undefined ? { blob, size } : { blob, size, tree },
        );
      }),
    );
  });

  it("throws nothing but RegistryError", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => onlyRegistryErrors(() => parseDeclaredPackage(text))),
    );
  });
});

describe("parseRange()", () => {
  it("stays within the file for every header", () => {
    const header = fc.oneof(
      fc.string(),
      fc.tuple(fc.option(fc.nat(300)), fc.option(fc.nat(300))).map(([from, to]) => `bytes=${from ?? ""}-${to ?? ""}`),
    );
    fc.assert(
      fc.property(header, fc.nat(200), (text, size) => {
        onlyRegistryErrors(() => {
          const range = parseRange(text, size);
          if (range === undefined) return;
          expect(range.start).toBeGreaterThanOrEqual(0);
          expect(range.end).toBeGreaterThanOrEqual(range.start);
          expect(range.end).toBeLessThan(size);
        });
      }),
    );
  });
});

describe("packageOfIndexPath()", () => {
  it("undoes indexDocumentPath()", () => {
    fc.assert(
      fc.property(name, (text) => {
        const parsed = parsePackageName(text);
        expect(packageOfIndexPath(indexDocumentPath(parsed))).toBe(canonicalName(parsed));
      }),
    );
  });

  it("knows no other path", () => {
    for (const path of [
      "index/_/ac/tool.json",
      "index/_/to/../x.json",
      "index/_/to/Tool.json",
      "index/@/to/tool.json",
      "index/_/to/tool",
    ]) {
      expect(packageOfIndexPath(path)).toBeUndefined();
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(packageOfIndexPath(`index/${text}`)).toBeUndefined();
      }),
    );
  });
});

describe("name rules", () => {
  const canonical = (text: string): CanonicalName => canonicalName(parsePackageName(text));

  it("nameSkeleton() makes look-alikes equal and leaves others apart", () => {
    for (const [left, right] of [
      ["tool", "t00l"],
      ["actor-utils", "actorutils"],
      ["lib1", "libl"],
      ["modern", "modem"],
    ]) {
      expect(nameSkeleton(canonical(left!))).toBe(nameSkeleton(canonical(right!)));
    }
    expect(nameSkeleton(canonical("company/tool"))).not.toBe(nameSkeleton(canonical("tool")));
    expect(nameSkeleton(canonical("react"))).not.toBe(nameSkeleton(canonical("preact")));
  });

  it("reservedReason() refuses device names and the registry's own", () => {
    for (const text of ["con", "aux", "com1", "company/nul", "prn/tool", "lading", "lading/tool", "node_modules"]) {
      expect(reservedReason(canonical(text), RESERVED_NAMES)).toEqual(expect.any(String));
    }
    for (const text of ["console", "com", "tool", "node-fetch"])
      expect(reservedReason(canonical(text), RESERVED_NAMES)).toBeUndefined();
  });
});
