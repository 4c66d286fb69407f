import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isPlainlyCanonical } from "./canonical-scan.ts";
import { MetadataError } from "./metadata-error.ts";
import { encodeTufCanonical, parseCanonicalJson, parseStrictJson, type Json } from "./strict-json.ts";

function problem(text: string): string {
  try {
    parseStrictJson(text);
    return "accepted";
  } catch (error) {
    if (error instanceof MetadataError) return error.message;
    throw error;
  }
}

describe("parseStrictJson()", () => {
  it.each([
    ['{"a":1,"a":2}', 'the member "a" a second time'],
    ["1.0", "neither a JSON value nor an integer"],
    ["1e3", "neither a JSON value nor an integer"],
    ["-0", "neither a JSON value nor an integer"],
    ["9007199254740992", "neither a JSON value nor an integer"],
    ["01", "neither a JSON value nor an integer"],
    ["[1,]", "neither a JSON value nor an integer"],
    ['"\\ud800"', "half of a surrogate pair"],
    ['"\u0001"', "control character"],
    ['"\\x"', "an unknown escape"],
    ["{} {}", "something after the value"],
    ["{a:1}", "no name"],
    ["[1 2]", "without comma"],
    ['{"a" 1}', "without colon"],
    ["", "neither a JSON value nor an integer"],
    ["[".repeat(40), "nesting deeper"],
  ])("refuses %s", (text, expected) => {
    expect(problem(text)).toContain(expected);
  });

  it("takes __proto__ for a name like any other", () => {
    const value = parseStrictJson('{"__proto__":{"x":1},"y":2}') as Record<string, Json>;
    expect(Object.keys(value)).toEqual(["__proto__", "y"]);
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });

  it("reads what JSON.parse reads of integers, texts, lists and objects, and nothing else", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value);
        const allowed = !/[.eE]|\d{16}|\\ud|-0/.test(text);
        const found = problem(text) === "accepted" ? JSON.stringify(parseStrictJson(text)) : "refused";
        expect([text, ...(allowed ? [] : ["refused"])]).toContain(found);
      }),
      { numRuns: 300 },
    );
  });

  it("throws nothing but its error for any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'{}[]",:\\u0123-ab \n'.split("")) }), (text) => {
        problem(text);
      }),
      { numRuns: 500 },
    );
  });
});

describe("parseCanonicalJson()", () => {
  it("reads exactly the canonical spelling of what the strict reader reads", () => {
    const text = fc.string({ unit: fc.constantFrom(...'{}[]",:\\\\1-.e0ab'.split("")), maxLength: 12 });
    const outcome = (read: () => Json | undefined): string => {
      try {
        return JSON.stringify(read()) ?? "another spelling";
      } catch (error) {
        if (error instanceof MetadataError) return error.code;
        throw error;
      }
    };
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value)),
        ),
        (one) => {
          const strict = outcome(() =>
            encodeTufCanonical(parseStrictJson(one)) === one ? parseStrictJson(one) : undefined,
          );
          expect(outcome(() => parseCanonicalJson(one))).toBe(strict);
        },
      ),
      { numRuns: 500 },
    );
    expect(outcome(() => parseCanonicalJson('{"a":1,"a":1}'))).toBe("METADATA_MALFORMED");
    expect(outcome(() => parseCanonicalJson("[".repeat(5000) + "]".repeat(5000)))).toBe("METADATA_MALFORMED");
  });
});

describe("encodeTufCanonical()", () => {
  it("sorts members by code point, and escapes only quote and backslash", () => {
    const value = parseStrictJson('{"\\ud83d\\ude00":1,"\\uffff":2,"b":"\\"\\\\\\n","a":[true,null]}');
    expect(encodeTufCanonical(value)).toBe('{"a":[true,null],"b":"\\"\\\\\n","\uffff":2,"\u{1f600}":1}');
  });
});

describe("isPlainlyCanonical()", () => {
  it.each([
    '{"a":1,"a":2}',
    '{"b":1,"a":2}',
    '{"a":{"b":1,"a":2}}',
    '[{"a":1},{"b":{"z":1},"a":2}]',
    '{"a" :1}',
    '{"a":1 }',
    ' {"a":1}',
    '{"a":1}\n',
    '{"a":-0}',
    '{"a":1.0}',
    '{"a":1e2}',
    '{"a":10000000000000000}',
    String.raw`{"\u0061":1}`,
    String.raw`{"a":"\/"}`,
    `${"[".repeat(40)}${"]".repeat(40)}`,
  ])("does not vouch for %s", (text) => {
    expect(isPlainlyCanonical(text)).toBe(false);
  });

  it("vouches for metadata as it is", () => {
    expect(isPlainlyCanonical('{"":0,"a":[-12,true,null,"x"],"ab":{"a":{},"b":[]},"b":{"a":"é"}}')).toBe(true);
  });

  it("vouches for no text that differs from the canonical form of what it says", () => {
    const name = fc.string({ unit: fc.constantFrom(...'ab"\\é\uffee\ud83d\ude00 '.split("")), maxLength: 3 });
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 3 },
        fc.oneof(fc.integer(), fc.double(), name, fc.boolean(), fc.constant(null)),
        fc.array(tie("tree"), { maxLength: 4 }),
        fc
          .array(fc.tuple(name, tie("tree")), { maxLength: 4 })
          .map((entries) => Object.fromEntries(entries) as unknown),
      ),
    }));
    const blank = fc.constantFrom("", "", "", " ");
    fc.assert(
      fc.property(tree, blank, fc.boolean(), (value, space, encoded) => {
        const whole = JSON.stringify(value).replaceAll(",", `,${space}`);
        const text = encoded && canonical(value) !== undefined ? canonical(value)! : whole;
        if (!isPlainlyCanonical(text)) return;
        expect(canonical(JSON.parse(text))).toBe(text);
      }),
      { numRuns: 1000 },
    );
  });
});

function canonical(value: unknown): string | undefined {
  try {
    return encodeTufCanonical(value as Json);
  } catch (error) {
    if (error instanceof MetadataError) return undefined;
    throw error;
  }
}
