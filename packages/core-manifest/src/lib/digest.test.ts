import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { digestFromBytes, digestHex, parseDigest, tryParseDigest } from "./digest.ts";

const HEX = "0f".repeat(32);

describe("parseDigest()", () => {
  it("reads what digestFromBytes() writes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const digest = digestFromBytes(bytes);
        expect(parseDigest(digest)).toBe(digest);
        expect(digestHex(digest)).toBe(Buffer.from(bytes).toString("hex"));
      }),
    );
  });

  it.each([
    "",
    HEX,
    `sha256:${HEX.toUpperCase()}`,
    `sha256:${HEX}0`,
    `sha256:${HEX.slice(1)}`,
    `sha512:${HEX}`,
    "sha256:abc123...",
    `sha256:${HEX}\n`,
  ])("refuses %j", (text) => {
    expect(tryParseDigest(text)).toBeUndefined();
    expect(() => parseDigest(text)).toThrow(expect.objectContaining({ code: "DIGEST_INVALID", exitCode: 7 }));
  });

  it("finds no digest in what is no text", () => {
    expect([tryParseDigest(undefined), tryParseDigest(1), tryParseDigest([`sha256:${HEX}`])]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe("digestFromBytes()", () => {
  it("refuses anything but 32 bytes", () => {
    expect(() => digestFromBytes(new Uint8Array(31))).toThrow(expect.objectContaining({ code: "DIGEST_INVALID" }));
  });
});
