import { describe, expect, test } from "vitest";
import { isAllowedPublicKey, passesStrictRule } from "./ed25519.ts";
import { tryDecodeHex } from "./bytes.ts";
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

// Nobody knows a signature under most of these points, so verification alone cannot show that they are refused as such.
describe("passesStrictRule()", () => {
  const good = tryDecodeHex("5866666666666666666666666666666666666666666666666666666666666666")!;
  const s = new Uint8Array(32).fill(1, 0, 31);
  const point = (low: number, sign: number): Uint8Array =>
    Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? low : i === 31 ? 0x7f | sign : 0xff));
  const passes = (a: Uint8Array, r: Uint8Array): boolean => passesStrictRule(a, Uint8Array.from([...r, ...s]));

  test("refuses every encoding with y from p up, as A and as R, under either sign", () => {
    expect(passes(good, good)).toBe(true);
    for (const sign of [0, 0x80]) {
      expect(isAllowedPublicKey(point(0xeb, sign))).toBe(true);
      for (let low = 0xed; low <= 0xff; low++) {
        expect([low, passes(point(low, sign), good), passes(good, point(low, sign))]).toEqual([low, false, false]);
      }
    }
  });

  test("takes S up to L - 1", () => {
    const largest = tryDecodeHex("ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")!;
    expect(passesStrictRule(good, Uint8Array.from([...good, ...largest]))).toBe(true);
    expect(passesStrictRule(good, Uint8Array.from([...good, largest[0]! + 1, ...largest.subarray(1)]))).toBe(false);
  });
});
