import { describe, expect, test } from "vitest";
import { strictestSignaturePolicy } from "./signature-policy.ts";

describe("strictestSignaturePolicy()", () => {
  test("takes the strictest requirement and the highest threshold, whoever asks", () => {
    const server = { requirement: "optional", threshold: 2, source: "server" } as const;
    const client = { requirement: "off", source: "client" } as const;
    const manifest = { requirement: "required", source: "gal.toml" } as const;
    const expected = { requirement: "required", threshold: 2, decidedBy: "gal.toml" };
    expect(strictestSignaturePolicy([server, client, undefined, manifest])).toEqual(expected);
    expect(strictestSignaturePolicy([manifest, client, server])).toEqual(expected);
    expect(strictestSignaturePolicy([client])).toEqual({ requirement: "off", threshold: 1, decidedBy: "client" });
  });

  test("is optional where nobody asks for anything", () => {
    expect(strictestSignaturePolicy([undefined])).toEqual({ requirement: "optional", threshold: 1 });
  });

  test("names the first of equals", () => {
    const [one, two] = [
      { requirement: "required", source: "one" } as const,
      { requirement: "required", source: "two" } as const,
    ];
    expect(strictestSignaturePolicy([one, two]).decidedBy).toBe("one");
  });

  test("refuses a threshold that cannot be meant, by its source", () => {
    expect(() => strictestSignaturePolicy([{ requirement: "required", threshold: 0, source: "server" }])).toThrow(
      "policy of server",
    );
  });
});
