import { describe, expect, it } from "vitest";
import { meetsHosts, tryParseHostVersion } from "./host-ranges.ts";

describe("tryParseHostVersion", () => {
  it("reads one to three numbers, and whole versions", () => {
    expect(["2025", "3.11", "3.11.4", "2026.0.0-preview"].map((text) => tryParseHostVersion(text))).toEqual([
      "2025.0.0",
      "3.11.0",
      "3.11.4",
      "2026.0.0-preview",
    ]);
  });

  it("has nothing for what is no version", () => {
    expect(["", "new", "1.2.3.4", "2025-", "-1"].map((text) => tryParseHostVersion(text))).toEqual(
      Array.from({ length: 5 }, () => undefined),
    );
  });
});

describe("meetsHosts", () => {
  const ranges = { revit: ">=2024.0.0 <2026.0.0-0", python: ">=3.9.0" };

  it("holds where every given host is in range", () => {
    expect(meetsHosts(ranges, { revit: "2025", python: "3.11" })).toBe(true);
    expect(meetsHosts(ranges, { revit: "2026", python: "3.11" })).toBe(false);
    expect(meetsHosts(ranges, { revit: "2025", python: "3.8" })).toBe(false);
  });

  it("asks nothing of an axis that is not given or not named", () => {
    expect(meetsHosts(ranges, {})).toBe(true);
    expect(meetsHosts({}, { revit: "2025" })).toBe(true);
    expect(meetsHosts({ constructor: ">=2.0.0" }, { revit: "2025" })).toBe(true);
  });

  it("takes a pre-release of a host for what it is", () => {
    expect(meetsHosts({ revit: ">=2025.0.0" }, { revit: "2026.0.0-preview" })).toBe(true);
    expect(meetsHosts({ revit: ">=2026.0.0" }, { revit: "2026.0.0-preview" })).toBe(false);
  });
});
