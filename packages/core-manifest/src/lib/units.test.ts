import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDuration, parseDuration, parseSize } from "./units.ts";
import { errorCodeOf } from "./testing-outcome.ts";

describe("parseSize()", () => {
  it.each([
    ["1GB", 1_000_000_000],
    ["500 MB", 500_000_000],
    ["64MiB", 67_108_864],
    ["1.5gb", 1_500_000_000],
    ["10k", 10_000],
    ["10KiB", 10_240],
    ["512", 512],
    ["512B", 512],
    ["2Ti", 2 * 1024 ** 4],
    ["0", 0],
    ["1.9", 1],
  ])("reads %s as %d bytes", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(["", "GB", "-1GB", "1 G B", "1XB", "1e3", "1,5GB", "iB", "9999999999999PB", "1GB".padEnd(50)])(
    "refuses %j",
    (text) => {
      expect(() => parseSize(text)).toThrow(expect.objectContaining({ code: "SIZE_INVALID" }));
    },
  );
});

describe("parseDuration()", () => {
  it.each([
    ["5s", 5000],
    ["1m", 60_000],
    ["100ms", 100],
    ["1h30m", 5_400_000],
    ["0.5s", 500],
    ["7d", 604_800_000],
    ["2w", 1_209_600_000],
    ["0s", 0],
  ])("reads %s as %d ms", (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  it.each(["", "5", "s", "-5s", "5 s", "5x", "1h 30m", "99999999999999w", "5S"])("refuses %j", (text) => {
    expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: "DURATION_INVALID" }));
  });

  it("reads what formatDuration() writes", () => {
    fc.assert(
      fc.property(fc.nat({ max: 10 ** 13 }), (milliseconds) => {
        expect(parseDuration(formatDuration(milliseconds))).toBe(milliseconds);
      }),
    );
    expect([formatDuration(90_000), formatDuration(0), formatDuration(86_400_001)]).toEqual(["1m30s", "0s", "1d1ms"]);
  });

  it("throws its code or answers with a safe integer, whatever the text", () => {
    const nearly = fc.string({ unit: fc.constantFrom(...Array.from("0123456789.smhdwkgtbiB ")), maxLength: 12 });
    fc.assert(
      fc.property(fc.oneof(nearly, fc.string()), fc.constantFrom(parseSize, parseDuration), (text, parse) => {
        const code = errorCodeOf(() => {
          if (!Number.isSafeInteger(parse(text))) throw new Error(`no safe integer: ${text}`);
        });
        expect(code ?? "SIZE_INVALID").toMatch(/^(?:SIZE|DURATION)_INVALID$/);
      }),
    );
  });
});
