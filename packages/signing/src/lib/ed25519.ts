import { Point, getPublicKey, hashes, sign } from "@noble/ed25519";
import { sha512 } from "./hashes.ts";
import { concatBytes, encodeHex, tryDecodeHex } from "./bytes.ts";

/** Bytes of an Ed25519 public key. */
export const PUBLIC_KEY_BYTES = 32;
/** Bytes of an Ed25519 private key (the seed of RFC 8032 §5.1.5). */
export const SEED_BYTES = 32;
/** Bytes of an Ed25519 signature. */
export const SIGNATURE_BYTES = 64;

const GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

// Every 32-byte string that a lenient decoder reads as a point of order 1, 2, 4 or 8: eight canonical encodings and
// six others (y = p, p + 1, and x = 0 with its sign bit set); each line stands for both signs. Under such a key anyone
// can forge; such an R makes a signature valid for a family of messages. docs/spec/signing.md §3.
const LOW_ORDER: readonly Uint8Array[] = [
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "0000000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
].map((hex) => tryDecodeHex(hex)!);

const PRIME_BYTES = tryDecodeHex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")!;
const ORDER_BYTES = tryDecodeHex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")!;

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${encodeHex(Uint8Array.from(bytes).reverse())}`);
}

/** Byte `i` of a point's encoding with the sign bit of x left out. */
function byteOfY(encoding: Uint8Array, i: number): number {
  return i === 31 ? encoding[i]! & 0x7f : encoding[i]!;
}

/** Whether the little-endian number is below the limit. The values are public, so the first difference may decide. */
function isBelow(byteAt: (i: number) => number, limit: Uint8Array): boolean {
  for (let i = 31; i >= 0; i--) {
    const difference = byteAt(i) - limit[i]!;
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function hasY(encoding: Uint8Array, y: Uint8Array): boolean {
  for (let i = 0; i < 32; i++) if (byteOfY(encoding, i) !== y[i]) return false;
  return true;
}

function isAllowedPoint(encoding: Uint8Array): boolean {
  return isBelow((i) => byteOfY(encoding, i), PRIME_BYTES) && !LOW_ORDER.some((y) => hasY(encoding, y));
}

/**
 * Whether a public key's encoding is one that the strict rule allows: 32 bytes, canonical, not of low order.
 * It does not say that the bytes are a point of the curve.
 */
export function isAllowedPublicKey(publicKey: Uint8Array): boolean {
  return publicKey.length === PUBLIC_KEY_BYTES && isAllowedPoint(publicKey);
}

/**
 * Whether a signature passes every check that needs no curve arithmetic: lengths, canonical A and R, neither of low
 * order, S below the group order. Both verifiers run it first, so that no runtime's own corner cases show
 * (`docs/spec/signing.md` §3).
 */
export function passesStrictRule(publicKey: Uint8Array, signature: Uint8Array): boolean {
  return (
    isAllowedPublicKey(publicKey) &&
    signature.length === SIGNATURE_BYTES &&
    isAllowedPoint(signature.subarray(0, 32)) &&
    isBelow((i) => signature[32 + i]!, ORDER_BYTES)
  );
}

function decodePoint(encoding: Uint8Array): Point | undefined {
  try {
    return Point.fromBytes(encoding, false);
  } catch {
    // The library throws plain errors, and only for bytes that are no point.
    return undefined;
  }
}

/**
 * Verifies an Ed25519 signature by Lading's strict rule, in portable code: the same answer in every runtime.
 *
 * Accepts iff the key has 32 and the signature 64 bytes, A and R are canonical encodings of points that are none of
 * the 14 low-order encodings, S < L, and `[S]B = R + [k]A` holds without the cofactor (RFC 8032 §5.1.7, narrowed as in
 * `docs/spec/signing.md` §3).
 * @returns false for every bad input; never throws.
 */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (!passesStrictRule(publicKey, signature)) return false;
  const encodedR = signature.subarray(0, 32);
  const a = decodePoint(publicKey);
  const r = decodePoint(encodedR);
  if (a === undefined || r === undefined) return false;
  const k = littleEndian(sha512(concatBytes(encodedR, publicKey, message))) % GROUP_ORDER;
  const s = littleEndian(signature.subarray(32));
  // noble's own verify() multiplies by the cofactor and so accepts more; hence the equation here.
  return Point.BASE.multiply(s, false).equals(r.add(a.multiply(k, false)));
}

/** The 32-byte public key of a 32-byte seed. */
export function publicKeyOf(seed: Uint8Array): Uint8Array {
  hashes.sha512 = sha512;
  return getPublicKey(seed);
}

/** The 64-byte deterministic signature (RFC 8032 §5.1.6) of `message` by the key of `seed`. */
export function signEd25519(seed: Uint8Array, message: Uint8Array): Uint8Array {
  hashes.sha512 = sha512;
  return sign(message, seed);
}
