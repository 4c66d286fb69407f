import { describe, expect, it } from "vitest";
import { CORE_ERRORS, CoreError } from "./core-error.ts";
import { EXIT_CODES, LadingError, causeMessages, isLadingError } from "./error.ts";

const sample = new CoreError({
  code: "NAME_INVALID",
  message: 'Cannot use "X" as a package name',
  hint: 'Write "x"',
  location: { file: "lading.toml", line: 2, column: 1 },
  cause: new Error("inner", { cause: "innermost" }),
  name: "X",
});

describe("LadingError", () => {
  it("knows category and exit code of its code, and keeps facts as details", () => {
    expect(sample).toBeInstanceOf(Error);
    expect(sample.name).toBe("CoreError");
    expect([sample.category, sample.exitCode, sample.details]).toEqual(["usage", 2, { name: "X" }]);
  });

  it("prints as JSON without undefined fields", () => {
    expect(JSON.parse(JSON.stringify(sample))).toEqual({
      code: "NAME_INVALID",
      category: "usage",
      message: 'Cannot use "X" as a package name',
      hint: 'Write "x"',
      location: { file: "lading.toml", line: 2, column: 1 },
      details: { name: "X" },
      causes: ["inner", "innermost"],
    });
    expect(Object.keys(new CoreError({ code: "DIGEST_INVALID", message: "m" }).toJSON())).toEqual([
      "code",
      "category",
      "message",
    ]);
  });
});

describe("causeMessages()", () => {
  it("ends where causes go round in a circle", () => {
    const first = new Error("first");
    first.cause = first;
    expect(causeMessages(first)).toHaveLength(16);
  });
});

describe("isLadingError()", () => {
  it("tells ours from others, whichever copy of the package made it", () => {
    const foreign = Object.assign(new Error("m"), { code: "X", category: "io" });
    expect(
      [
        sample,
        foreign,
        new Error("m"),
        Object.assign(new Error("m"), { code: "ENOENT" }),
        { code: "X", category: "io" },
      ].map(isLadingError),
    ).toEqual([true, true, false, false, false]);
  });
});

describe("CORE_ERRORS", () => {
  it.each(Object.entries(CORE_ERRORS))(
    "%s is explained in sentences and has an exit code",
    (code, { category, summary, help }) => {
      expect(code).toMatch(/^[A-Z]+(?:_[A-Z]+)+$/);
      expect(EXIT_CODES[category]).toBeGreaterThan(0);
      expect(summary).toMatch(/^[A-Z].*\.$/);
      expect(help).toMatch(/\.$/);
    },
  );

  it("is the catalogue of the class", () => {
    expect(new LadingError(CORE_ERRORS, { code: "VERSION_INVALID", message: "m" }).category).toBe("usage");
  });
});
