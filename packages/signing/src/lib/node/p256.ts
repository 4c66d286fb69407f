import { createPublicKey, verify, type KeyObject } from "node:crypto";
import type { VerifySignature } from "../metadata/verify-signature.ts";

// What stands in for `../metadata/p256.ts` where a program for Node is bundled: the same verdicts, without the portable code.

/** As in `../metadata/p256.ts`. */
export function p256Verification(point: Uint8Array): VerifySignature | undefined {
  const key = keyOf(point);
  if (key === undefined) return undefined;
  return (message, signature) => {
    try {
      return verify("sha256", message, { key, dsaEncoding: "der" }, signature);
    } catch {
      // Some engines throw where others say no, and only for bytes that are no signature.
      return false;
    }
  };
}

function keyOf(point: Uint8Array): KeyObject | undefined {
  if (point.length !== 65 || point[0] !== 4) return undefined;
  const coordinate = (from: number): string => Buffer.from(point.subarray(from, from + 32)).toString("base64url");
  try {
    const key = { kty: "EC", crv: "P-256", x: coordinate(1), y: coordinate(33) };
    return createPublicKey({ key, format: "jwk" });
  } catch {
    // No point of the curve.
    return undefined;
  }
}
