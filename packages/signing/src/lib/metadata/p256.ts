import { ecdsa, weierstrass, type ECDSA } from "@noble/curves/abstract/weierstrass.js";
import { sha256 } from "@noble/hashes/sha2.js";
import type { VerifySignature } from "./verify-signature.ts";

// NIST P-256 (SEC 2 §2.4.2). The library's own module of it brings all NIST curves along with threshold signatures and blind
// functions, which takes three times as long to load, in every process that reads signed metadata.
const P256 = {
  p: BigInt("0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff"),
  n: BigInt("0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
  h: 1n,
  a: BigInt("0xffffffff00000001000000000000000000000000fffffffffffffffffffffffc"),
  b: BigInt("0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"),
  Gx: BigInt("0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
  Gy: BigInt("0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"),
};

let curve: ECDSA | undefined;

/** Made when the first key of that kind is met: most registries have none. */
function p256(): ECDSA {
  return (curve ??= ecdsa(weierstrass(P256), sha256));
}

function orFalse(verify: () => boolean): boolean {
  try {
    return verify();
  } catch {
    // The curve library throws plain errors, and only for bytes that are no signature or no point.
    return false;
  }
}

/** How signatures of an uncompressed point (65 bytes) are checked: ECDSA with SHA-256, in DER; `undefined` where it is no key. */
export function p256Verification(point: Uint8Array): VerifySignature | undefined {
  if (!orFalse(() => p256().utils.isValidPublicKey(point, false))) return undefined;
  return (message, signature) =>
    // Signers other than this library do not normalise S.
    orFalse(() => p256().verify(signature, message, point, { format: "der", lowS: false, prehash: true }));
}
