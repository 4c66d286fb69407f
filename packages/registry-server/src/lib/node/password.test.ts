import { hash, verify } from "@node-rs/argon2";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Argon2Hasher } from "./password.ts";

describe("Argon2Hasher", () => {
  const hasher = new Argon2Hasher({ memoryKib: 64 });

  it("verify() accepts the password that was hashed and no other", async () => {
    const encoded = await hasher.hash("correct horse ü");
    expect(encoded).toMatch(/^\$argon2id\$v=19\$m=64,t=2,p=1\$/);
    expect(await hasher.verify("correct horse ü", encoded)).toBe(true);
    expect(await hasher.verify("correct horse", encoded)).toBe(false);
    expect(await hasher.hash("correct horse ü")).not.toBe(encoded);
  });

  it("agrees with another implementation in both directions", async () => {
    expect(await verify(await hasher.hash("same everywhere"), "same everywhere")).toBe(true);
    // The runtimes without argon2 in node:crypto use it: 2 is argon2id there.
    const foreign = await hash("same everywhere", { algorithm: 2, memoryCost: 128, timeCost: 3, parallelism: 2 });
    expect(await hasher.verify("same everywhere", foreign)).toBe(true);
    expect(await hasher.verify("another", foreign)).toBe(false);
  });

  it("verify() answers false for what is no hash, and never throws", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.constant("$argon2i$v=19$m=64,t=2,p=1$AAAA$AAAA")), async (encoded) => {
        expect(await hasher.verify("", encoded)).toBe(false);
      }),
      { numRuns: 20 },
    );
  });

  it("uses 19 MiB unless told otherwise", async () => {
    expect(await new Argon2Hasher().hash("x")).toContain("$m=19456,t=2,p=1$");
  });
});
