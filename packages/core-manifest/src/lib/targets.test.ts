import fc from "fast-check";
import { expect, it } from "vitest";
import { targetsInclude } from "./targets.ts";

it.each([
  [["x86_64-linux"], "x86_64-linux", true],
  [["x86_64-linux"], "arm64-linux", false],
  [["*-linux"], "arm64-linux", true],
  [["*-linux"], "arm64-macos", false],
  [["x86_64-*"], "x86_64-windows", true],
  [["*"], "wasm32", true],
  [["any"], "wasm32", true],
  [["a*b*a"], "aba", true],
  [["a*a"], "a", false],
  [["!*-windows"], "arm64-linux", true],
  [["!*-windows"], "arm64-windows", false],
  [["x86_64-*", "!*-windows"], "x86_64-windows", false],
  [["x86_64-*", "!*-windows"], "x86_64-linux", true],
  [["x86_64-*", "!*-windows"], "arm64-linux", false],
  [[], "x86_64-linux", true],
] as const)("targetsInclude(%j) of %s is %s", (list, target, expected) => {
  expect(targetsInclude(list, target)).toBe(expected);
});

it("targetsInclude() agrees with a regular expression", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "-", "*"), maxLength: 8 });
  fc.assert(
    fc.property(word, fc.string({ unit: fc.constantFrom("a", "b", "-"), maxLength: 8 }), (pattern, target) => {
      const expected = new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(target);
      expect(targetsInclude([pattern], target)).toBe(expected);
    }),
  );
});
