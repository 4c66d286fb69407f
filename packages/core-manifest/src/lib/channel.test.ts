import { describe, expect, it } from "vitest";
import { parseChannel, tryParseChannel } from "./channel.ts";

describe("tryParseChannel()", () => {
  it.each(["latest", "beta", "next", "lts-1", "canary.7", "Preview"])("takes %s", (text) => {
    expect(tryParseChannel(text)).toBe(text);
  });
  it.each([
    "",
    "1.0.0",
    "v1.0.0",
    "1",
    "v1",
    "1.x",
    "x",
    "X",
    "*",
    "^1.0",
    ">=1",
    "beta channel",
    "a..b",
    "-beta",
    "be/ta",
    "constructor",
    "prototype",
    "toString",
    "a".repeat(65),
  ])("refuses %j, which is a version or a requirement, or no name", (text) => {
    expect(tryParseChannel(text)).toBeUndefined();
  });
});

describe("parseChannel()", () => {
  it("names what was found and what is allowed", () => {
    expect(() => parseChannel("1.x")).toThrow(
      expect.objectContaining({ code: "CHANNEL_INVALID", message: expect.stringContaining('Cannot use "1.x"') }),
    );
  });
});
