import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { satisfiesLicensePolicy, validateLicense } from "./license.ts";

describe("validateLicense()", () => {
  it.each([
    "MIT",
    "Apache-2.0",
    "MIT OR Apache-2.0",
    "(MIT OR Apache-2.0) AND BSD-3-Clause",
    "GPL-2.0-only WITH Classpath-exception-2.0",
    "GPL-2.0+",
    "GPL-3.0",
    "LicenseRef-Proprietary",
    "DocumentRef-spdx:LicenseRef-x",
  ])("accepts %s", (expression) => {
    expect(validateLicense(expression)).toEqual({ valid: true });
  });

  it.each([
    "",
    " ",
    "MIT/Apache-2.0",
    "MIT OR",
    "OR MIT",
    "(MIT",
    "MIT)",
    "MIT Apache-2.0",
    "WITH",
    "Nope-1.0",
    "MIT WITH Nope",
    "+",
    "LicenseRef-",
    "DocumentRef-x:",
  ])("refuses %j with a problem", (expression) => {
    const { valid, problem } = validateLicense(expression);
    expect(valid).toBe(false);
    expect(problem).toMatch(/\S/);
  });

  it("says what authors mean", () => {
    expect(validateLicense("Apache 2.0").problem).toContain('did you mean "Apache-2.0"?');
    expect(validateLicense("MIT/Apache-2.0").problem).toContain('" OR "');
  });

  it("refuses long and deep expressions without following them", () => {
    expect(validateLicense("(".repeat(2000)).problem).toContain("allowed are 1024");
    expect(validateLicense(`${"(".repeat(500)}MIT${")".repeat(500)}`).valid).toBe(true);
  });

  it("never throws", () => {
    const words = fc.array(
      fc.constantFrom("MIT", "OR", "AND", "WITH", "(", ")", "+", ":", "LicenseRef-", "DocumentRef-", "GPL-2.0", "x"),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          words.map((list) => list.join(" ")),
          fc.string(),
        ),
        fc.array(fc.string()),
        (expression, allowed) => {
          expect(typeof validateLicense(expression).valid).toBe("boolean");
          expect(typeof satisfiesLicensePolicy(expression, allowed)).toBe("boolean");
        },
      ),
    );
  });
});

describe("satisfiesLicensePolicy()", () => {
  const allowed = ["MIT", "Apache-2.0", "BSD-3-Clause"];

  it.each<[string, readonly string[], boolean]>([
    ["MIT", allowed, true],
    ["mit", ["MIT"], false],
    ["GPL-3.0-only", allowed, false],
    ["MIT OR GPL-3.0-only", allowed, true],
    ["MIT AND GPL-3.0-only", allowed, false],
    ["(MIT OR GPL-3.0-only) AND Apache-2.0", allowed, true],
    ["MIT AND (Apache-2.0 OR ISC) AND BSD-3-Clause", allowed, true],
    ["GPL-2.0-only WITH Classpath-exception-2.0", ["GPL-2.0-only"], true],
    ["GPL-2.0-only WITH Classpath-exception-2.0", ["GPL-2.0-only WITH Classpath-exception-2.0"], true],
    ["GPL-2.0-only", ["GPL-2.0-only WITH Classpath-exception-2.0"], false],
    ["GPL-2.0-or-later", ["GPL-2.0-only"], true],
    ["GPL-2.0+", ["GPL-2.0-or-later"], true],
    ["GPL-2.0-only", ["GPL-2.0-or-later"], true],
    ["GPL-3.0", ["GPL-2.0+"], true],
    ["GPL-1.0-only", ["GPL-2.0-or-later"], false],
    ["LGPL-3.0-only", ["GPL-2.0-or-later"], false],
    ["GPL-2.0-only", ["GPL-3.0-or-later"], false],
    ["GPL-3.0", ["GPL-3.0-only"], true],
    ["nonsense", ["nonsense"], false],
    ["MIT", [], false],
    ["MIT", ["mit"], true],
  ])("%s under %j: %s", (expression, policy, expected) => {
    expect(satisfiesLicensePolicy(expression, policy)).toBe(expected);
  });
});
