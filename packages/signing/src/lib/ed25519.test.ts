import { describe, expect, test } from "vitest";
import { portableVerifier } from "./signer.ts";
import { nodeVerifier } from "./node/verifier.ts";
import { verifierContract } from "./testing/verifier-contract.ts";

describe.each([
  ["verifyEd25519()", portableVerifier],
  ["nodeVerifier", nodeVerifier],
])("%s", (_, verifier) => {
  test.each(verifierContract().map((one) => [one.name, one] as const))("%s", (_, one) => {
    expect(one.holds(verifier)).toBe(true);
  });
});
