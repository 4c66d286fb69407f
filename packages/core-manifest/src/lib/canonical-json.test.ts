import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CANONICAL_JSON_MAX_DEPTH, decodeCanonicalJson, encodeCanonicalJson } from "./canonical-json.ts";
import { errorCodeOf } from "./testing-outcome.ts";

const wellFormed = fc.string({ unit: "grapheme", maxLength: 12 }).filter((text) => !/\p{Surrogate}/u.test(text));
const { value: jsonValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger().map((number) => number + 0),
    wellFormed,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(wellFormed, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

const INVALID = expect.objectContaining({ code: "CANONICAL_JSON_INVALID" }) as Error;

describe("encodeCanonicalJson()", () => {
  it("is read back to the same value by decodeCanonicalJson() and by JSON.parse()", () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        const text = encodeCanonicalJson(value);
        expect(decodeCanonicalJson(text)).toEqual(value);
        expect(JSON.parse(text)).toEqual(value);
      }),
    );
  });

  it("does not depend on the order in which keys were added", () => {
    fc.assert(
      fc.property(fc.dictionary(wellFormed, jsonValue, { noNullPrototype: true }), (object) => {
        const reversed = Object.fromEntries(Object.entries(object).toReversed());
        expect(encodeCanonicalJson(reversed)).toBe(encodeCanonicalJson(object));
      }),
    );
  });

  it.each([
    1.5,
    Number.NaN,
    Infinity,
    2 ** 53,
    1n,
    () => 1,
    Symbol("s"),
    new Date(0),
    new Map(),
    new Uint8Array(1),
    undefined,
  ])("refuses %s", (value) => {
    expect(() => encodeCanonicalJson(value)).toThrow(INVALID);
    expect(() => encodeCanonicalJson([{ deep: [value] }])).toThrow(INVALID);
  });

  it("leaves out undefined properties, and refuses undefined and holes in lists", () => {
    expect(encodeCanonicalJson({ a: undefined, b: 1 })).toBe('{"b":1}');
    // oxlint-disable-next-line no-sparse-arrays -- the hole is the case
    expect(() => encodeCanonicalJson([1, , 2])).toThrow(INVALID);
  });

  it("ignores toJSON, so that no value can choose its own text", () => {
    expect(() => encodeCanonicalJson({ toJSON: () => "other" })).toThrow(INVALID);
  });

  it("names the place of what it refuses", () => {
    expect(() => encodeCanonicalJson({ a: [{ b: 0.5 }] })).toThrow(/0\.5 is not an integer .* at "a\[0\]\.b"/);
  });

  it("refuses nesting beyond the limit", () => {
    const nest = (depth: number): unknown => Array.from({ length: depth }).reduce<unknown>((inner) => [inner], 1);
    expect(encodeCanonicalJson(nest(CANONICAL_JSON_MAX_DEPTH))).toMatch(/^\[+1\]+$/);
    expect(() => encodeCanonicalJson(nest(CANONICAL_JSON_MAX_DEPTH + 1))).toThrow(INVALID);
    expect(() => decodeCanonicalJson(`${"[".repeat(50_000)}${"]".repeat(50_000)}`)).toThrow(INVALID);
  });
});

describe("decodeCanonicalJson()", () => {
  it("refuses every change of one character of white space, order or escape", () => {
    fc.assert(
      fc.property(jsonValue, fc.nat(), fc.constantFrom(" ", "\n", "\t"), (value, at, space) => {
        const text = encodeCanonicalJson(value);
        const changed = text.slice(0, at % (text.length + 1)) + space + text.slice(at % (text.length + 1));
        const code = errorCodeOf(() => decodeCanonicalJson(changed));
        // Inside a string a blank is another value, which is then told apart.
        const told =
          code ?? (JSON.stringify(JSON.parse(changed)) === JSON.stringify(value) ? "the same value" : "another");
        expect(["CANONICAL_JSON_INVALID", "another"]).toContain(told);
      }),
    );
  });

  it("throws CANONICAL_JSON_INVALID or answers with what encodes to the text, whatever the text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const code = errorCodeOf(() => {
          // Breaks where the answer encodes to something else than the text.
          if (encodeCanonicalJson(decodeCanonicalJson(text)) !== text) throw new Error(text);
        });
        expect(code ?? "CANONICAL_JSON_INVALID").toBe("CANONICAL_JSON_INVALID");
      }),
    );
  });
});
