import { concatBytes, encodeHex, equalBytes, tryDecodeHex } from "../bytes.ts";
import { sha256 } from "../hashes.ts";
import { decodePem } from "../pem.ts";
import { SigningError } from "../signing-error.ts";
import { p256Verification } from "./p256.ts";
import type { VerifySignature } from "./verify-signature.ts";

// SEQUENCE { SEQUENCE { ecPublicKey, prime256v1 }, BIT STRING (uncompressed point) } up to the point (RFC 5480 §2).
const P256_SPKI = tryDecodeHex("3059301306072a8648ce3d020106082a8648ce3d030107034200")!;
// SEQUENCE { rsaEncryption, NULL } (RFC 8017 A.1).
const RSA_ALGORITHM = tryDecodeHex("300d06092a864886f70d0101010500")!;
const RSA_MIN_BITS = 2048;
const RSA_MAX_BITS = 8192;

function spkiFromPem(pem: string): Uint8Array | undefined {
  try {
    const { label, der } = decodePem(pem);
    return label === "PUBLIC KEY" ? der : undefined;
  } catch (error) {
    if (error instanceof SigningError) return undefined;
    throw error;
  }
}

/** ECDSA over NIST P-256 with SHA-256 and DER signatures (`ecdsa-sha2-nistp256`); `undefined` for another key. */
export function ecdsaP256FromPem(pem: string): VerifySignature | undefined {
  const der = spkiFromPem(pem);
  if (der?.length !== P256_SPKI.length + 65 || !equalBytes(der.subarray(0, P256_SPKI.length), P256_SPKI)) {
    return undefined;
  }
  return p256Verification(der.subarray(P256_SPKI.length));
}

/** Reads one DER element with the given tag that fills `bytes`, or starts it; definite minimal lengths only. */
function element(bytes: Uint8Array, tag: number): { readonly body: Uint8Array; readonly rest: Uint8Array } | undefined {
  if (bytes.length < 2 || bytes[0] !== tag) return undefined;
  const first = bytes[1]!;
  const count = first < 0x80 ? 0 : first - 0x80;
  if (count > 2 || first === 0x80 || bytes.length < 2 + count) return undefined;
  const length = count === 0 ? first : count === 1 ? bytes[2]! : (bytes[2]! << 8) | bytes[3]!;
  const minimal = count === 0 || (count === 1 && length >= 0x80) || (count === 2 && length >= 0x100);
  const start = 2 + count;
  if (!minimal || bytes.length < start + length) return undefined;
  return { body: bytes.subarray(start, start + length), rest: bytes.subarray(start + length) };
}

function unsigned(bytes: Uint8Array): bigint | undefined {
  const negative = bytes.length === 0 || bytes[0]! >= 0x80;
  const padded = bytes.length > 1 && bytes[0] === 0 && bytes[1]! < 0x80;
  return negative || padded ? undefined : BigInt(`0x${encodeHex(bytes)}`);
}

interface RsaKey {
  readonly modulus: bigint;
  readonly exponent: bigint;
  readonly bits: number;
}

function readRsaKey(der: Uint8Array): RsaKey | undefined {
  const spki = element(der, 0x30);
  if (spki === undefined || spki.rest.length > 0) return undefined;
  const algorithm = spki.body.subarray(0, RSA_ALGORITHM.length);
  const bits = element(spki.body.subarray(RSA_ALGORITHM.length), 0x03);
  if (!equalBytes(algorithm, RSA_ALGORITHM) || bits === undefined || bits.rest.length > 0 || bits.body[0] !== 0) {
    return undefined;
  }
  const pair = element(bits.body.subarray(1), 0x30);
  const n = pair && element(pair.body, 0x02);
  const e = n && element(n.rest, 0x02);
  if (pair === undefined || pair.rest.length > 0 || e === undefined || e.rest.length > 0) return undefined;
  const [modulus, exponent] = [unsigned(n!.body), unsigned(e.body)];
  if (modulus === undefined || exponent === undefined) return undefined;
  return { modulus, exponent, bits: modulus.toString(2).length };
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  let square = base % modulus;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

function toBytes(value: bigint, length: number): Uint8Array {
  return tryDecodeHex(value.toString(16).padStart(2 * length, "0"))!;
}

/** MGF1 with SHA-256 (RFC 8017 B.2.1). */
function mask(seed: Uint8Array, length: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let i = 0; i * 32 < length; i++) blocks.push(sha256(concatBytes(seed, Uint8Array.of(0, 0, 0, i))));
  return concatBytes(...blocks).subarray(0, length);
}

/** EMSA-PSS-VERIFY with SHA-256 and a salt of any length (RFC 8017 §9.1.2), since tools choose different ones. */
function holdsPss(message: Uint8Array, encoded: Uint8Array, unusedBits: number): boolean {
  const split = encoded.length - 33;
  if (split < 1 || encoded.at(-1) !== 0xbc) return false;
  const hash = encoded.subarray(split, -1);
  const unusedMask = 0xff >> unusedBits;
  if ((encoded[0]! & ~unusedMask) !== 0) return false;
  const masking = mask(hash, split);
  const block = encoded.subarray(0, split).map((byte, i) => byte ^ masking[i]!);
  block[0]! &= unusedMask;
  const one = block.findIndex((byte) => byte !== 0);
  if (one < 0 || block[one] !== 1) return false;
  return equalBytes(hash, sha256(concatBytes(new Uint8Array(8), sha256(message), block.subarray(one + 1))));
}

/**
 * RSASSA-PSS with SHA-256 and MGF1 (`rsassa-pss-sha256`); `undefined` for another key, fewer than 2,048 bits or more than
 * 8,192, or a public exponent other than 3 to 2^32 - 1, odd.
 */
export function rsaPssFromPem(pem: string): VerifySignature | undefined {
  const der = spkiFromPem(pem);
  const key = der && readRsaKey(der);
  if (key === undefined || key.bits < RSA_MIN_BITS || key.bits > RSA_MAX_BITS) return undefined;
  // A big exponent makes one verification as slow as one likes.
  if (key.exponent < 3n || key.exponent > 0xffff_ffffn || key.exponent % 2n === 0n) return undefined;
  const { modulus, exponent, bits } = key;
  return (message, signature) => {
    if (signature.length !== Math.ceil(bits / 8)) return false;
    const value = BigInt(`0x${encodeHex(signature)}`);
    if (value >= modulus) return false;
    const length = Math.ceil((bits - 1) / 8);
    const plain = power(value, exponent, modulus);
    if (plain >> BigInt(8 * length) !== 0n) return false;
    return holdsPss(message, toBytes(plain, length), 8 * length - (bits - 1));
  };
}
