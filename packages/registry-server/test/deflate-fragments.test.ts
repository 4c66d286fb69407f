import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { deflateFragment, gzipOfParts, type AnswerPart } from "../src/lib/deflate-fragments.ts";

const text = (length: number, seed: string): Uint8Array =>
  Buffer.from(seed.repeat(length / seed.length + 1), "utf8").subarray(0, length);
const kept = (bytes: Uint8Array): AnswerPart => ({ bytes, fragment: () => deflateFragment(bytes) });

describe("gzipOfParts()", () => {
  it.each([
    ["nothing", []],
    ["a short part", [{ bytes: text(20, "ab") }]],
    ["a part that was compressed before, alone", [kept(text(9000, "metadata"))]],
    [
      "lines between parts",
      [{ bytes: text(90, "a 1\n") }, kept(text(6000, "bin")), { bytes: text(300, "b 2\n") }, kept(text(6000, "other"))],
    ],
    ["parts that are too large for one stored block", [kept(text(80_000, "x")), { bytes: text(70_000, "line\n") }]],
    ["an empty part", [{ bytes: new Uint8Array() }, kept(text(9000, "y"))]],
  ] as const)("is one gzip member of %s", async (_, parts: readonly AnswerPart[]) => {
    const whole = Buffer.concat(parts.map(({ bytes }) => bytes));
    const answer = await gzipOfParts(parts);
    expect(gunzipSync(answer).equals(whole)).toBe(true);
    // Readers that take the first member alone see all of it.
    expect(
      gunzipSync(Buffer.concat([answer, gzipSync("next")])).equals(Buffer.concat([whole, Buffer.from("next")])),
    ).toBe(true);
    expect(Buffer.from(answer).readUInt32LE(answer.length - 4)).toBe(whole.length);
  });
});
