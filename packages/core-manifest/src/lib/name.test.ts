import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalName, indexDocumentPath, parsePackageName, splitName, tryParsePackageName } from "./name.ts";
import { errorCodeOf } from "./testing-outcome.ts";

const part = fc.stringMatching(/^[a-z0-9]{1,5}(?:[-_.][a-z0-9]{1,5}){0,3}$/);
const name = fc.oneof(
  part,
  fc.tuple(part, part).map((parts) => parts.join("/")),
);

describe("parsePackageName()", () => {
  it("gives every good name back unchanged", () => {
    fc.assert(
      fc.property(name, (text) => {
        expect(parsePackageName(text)).toBe(text);
      }),
    );
  });

  it("throws NAME_INVALID or answers, whatever the text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...Array.from("aA0-_./")) })), (text) => {
        const good = tryParsePackageName(text) !== undefined;
        expect(errorCodeOf(() => parsePackageName(text))).toBe(good ? undefined : "NAME_INVALID");
        expect(good && !/^[a-z0-9._/-]+$/.test(text)).toBe(false);
      }),
    );
  });

  it.each([
    ["", /its name is empty/],
    ["Tool", /upper-case/],
    ["a/b/c", /2 slashes, allowed is one/],
    ["x".repeat(65), /65 characters, allowed are 64/],
    ["a b", /may hold only/],
  ])("says what is wrong with %j", (text, message) => {
    expect(() => parsePackageName(text)).toThrow(message);
  });

  it("shows no more than the beginning of a hostile name", () => {
    expect(() => parsePackageName("x".repeat(100_000))).toThrow(/^.{1,300}$/);
  });
});

describe("canonicalName()", () => {
  it("folds separators, and changes nothing a second time", () => {
    fc.assert(
      fc.property(name, (text) => {
        const canonical = canonicalName(parsePackageName(text));
        expect(canonical).not.toMatch(/[_.]/);
        expect(canonicalName(parsePackageName(canonical))).toBe(canonical);
      }),
    );
  });
});

describe("indexDocumentPath()", () => {
  it("is one path for all spellings of a name, inside the index", () => {
    fc.assert(
      fc.property(name, (text) => {
        const parsed = parsePackageName(text);
        const path = indexDocumentPath(parsed);
        expect(path).toBe(indexDocumentPath(canonicalName(parsed)));
        expect(path).toMatch(/^index\/(?:_|@[a-z0-9-]+)\/[a-z0-9-]{1,2}\/[a-z0-9-]+\.json$/);
        const { namespace, bare } = splitName(canonicalName(parsed));
        expect(path.endsWith(`/${bare}.json`)).toBe(true);
        expect(path.split("/")[1]).toBe(namespace === undefined ? "_" : `@${namespace}`);
      }),
    );
  });
});
