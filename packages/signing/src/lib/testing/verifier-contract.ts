import { Point } from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";
import { concatBytes, encodeHex, encodeUtf8, tryDecodeHex } from "../bytes.ts";
import { publicKeyOf, signEd25519 } from "../ed25519.ts";
import type { Verifier } from "../signer.ts";

/** A message with what claims to be its signature. */
export interface SignedMessage {
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** One case of {@link verifierContract}. */
export interface ContractCase extends SignedMessage {
  readonly name: string;
  /** Whether the strict rule accepts. */
  readonly accepts: boolean;
  /** Runs the verifier under test; true when its verdict is the right one. */
  holds(verifier: Verifier): boolean;
}

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const TORSION = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
const LOW_ORDER = [
  "0100000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000080",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0000000000000000000000000000000000000000000000000000000000000080",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

const seed = sha512(encodeUtf8("lading verifier contract")).subarray(0, 32);
const key = publicKeyOf(seed);
const message = encodeUtf8("hello");
const signature = signEd25519(seed, message);

function toNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${encodeHex(Uint8Array.from(bytes).reverse())}`);
}

function toBytes(value: bigint): Uint8Array {
  return tryDecodeHex(value.toString(16).padStart(64, "0"))!.reverse();
}

/** The clamped secret scalar of the seed (RFC 8032 §5.1.5). */
function secretScalar(): bigint {
  const hash = sha512(seed).slice(0, 32);
  hash[0]! &= 248;
  hash[31] = (hash[31]! & 127) | 64;
  return toNumber(hash) % ORDER;
}

/**
 * A signature under A plus a point of order 8, so that the equation holds with the cofactor always, and without it only
 * when the challenge is a multiple of 8.
 */
function mixedOrder(challengeIsMultipleOf8: boolean): SignedMessage {
  const publicKey = Point.fromBytes(key, false).add(Point.fromHex(TORSION)).toBytes();
  const r = 123_456_789n;
  const encodedR = Point.BASE.multiply(r, false).toBytes();
  for (let n = 0; ; n++) {
    const text = encodeUtf8(`mixed order ${n}`);
    const k = toNumber(sha512(concatBytes(encodedR, publicKey, text))) % ORDER;
    if ((k % 8n === 0n) !== challengeIsMultipleOf8) continue;
    const s = toBytes((r + k * secretScalar()) % ORDER);
    return { publicKey, message: text, signature: concatBytes(encodedR, s) };
  }
}

function contractCase(name: string, accepts: boolean, signed: SignedMessage): ContractCase {
  const { publicKey, message, signature } = signed;
  return { ...signed, name, accepts, holds: (verifier) => verifier.verify(publicKey, message, signature) === accepts };
}

const withS = (s: bigint): Uint8Array => concatBytes(signature.subarray(0, 32), toBytes(s));
const withR = (r: Uint8Array): Uint8Array => concatBytes(r, signature.subarray(32));
const flipped = (bytes: Uint8Array, bit: number): Uint8Array =>
  bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));

function lowOrderCases(): ContractCase[] {
  return LOW_ORDER.flatMap((hex) => {
    const point = tryDecodeHex(hex)!;
    const forged = concatBytes(point, new Uint8Array(32));
    return [
      contractCase(`refuses the low-order A ${hex}`, false, { publicKey: point, message, signature }),
      contractCase(`refuses the low-order A and R ${hex} with S = 0`, false, {
        publicKey: point,
        message,
        signature: forged,
      }),
      contractCase(`refuses the low-order R ${hex}`, false, { publicKey: key, message, signature: withR(point) }),
    ];
  });
}

/** Encodings with y from p to 2^255 - 1, under either sign. */
function nonCanonicalCases(): ContractCase[] {
  return Array.from({ length: 19 }, (_, n) => toBytes(2n ** 255n - 19n + BigInt(n))).flatMap((y) =>
    [y, flipped(y, 255)].flatMap((point) => [
      contractCase(`refuses the non-canonical A ${encodeHex(point)}`, false, { publicKey: point, message, signature }),
      contractCase(`refuses the non-canonical R ${encodeHex(point)}`, false, {
        publicKey: key,
        message,
        signature: withR(point),
      }),
    ]),
  );
}

function scalarCases(): ContractCase[] {
  const s = toNumber(signature.subarray(32));
  const multiples = Array.from({ length: 15 }, (_, n) => s + BigInt(n + 1) * ORDER).filter(
    (value) => value < 2n ** 256n,
  );
  return [
    ...multiples.map((value) =>
      contractCase(`refuses S + ${(value - s) / ORDER} L`, false, { publicKey: key, message, signature: withS(value) }),
    ),
    contractCase("refuses S = L", false, { publicKey: key, message, signature: withS(ORDER) }),
  ];
}

function lengthCases(): ContractCase[] {
  return [
    ...[0, 31, 33, 44].map((length) =>
      contractCase(`refuses a key of ${length} bytes`, false, { publicKey: resized(key, length), message, signature }),
    ),
    ...[0, 63, 65, 128].map((length) =>
      contractCase(`refuses a signature of ${length} bytes`, false, {
        publicKey: key,
        message,
        signature: resized(signature, length),
      }),
    ),
  ];
}

function resized(bytes: Uint8Array, length: number): Uint8Array {
  const result = new Uint8Array(length);
  result.set(bytes.subarray(0, length));
  return result;
}

/**
 * The contract of {@link Verifier}: the strict rule's corners (`docs/spec/signing.md` §3). Every adapter must hold in
 * each case.
 */
export function verifierContract(): ContractCase[] {
  const bits = Array.from({ length: 512 }, (_, bit) => bit).filter((bit) => bit % 37 === 0);
  return [
    contractCase("accepts a good signature", true, { publicKey: key, message, signature }),
    contractCase("accepts a good signature of nothing", true, {
      publicKey: key,
      message: new Uint8Array(),
      signature: signEd25519(seed, new Uint8Array()),
    }),
    contractCase("refuses another message", false, { publicKey: key, message: encodeUtf8("hallo"), signature }),
    contractCase("refuses another key", false, { publicKey: publicKeyOf(new Uint8Array(32)), message, signature }),
    contractCase("refuses a key that is no point of the curve", false, { publicKey: toBytes(2n), message, signature }),
    contractCase("refuses a signature that holds with the cofactor only", false, mixedOrder(false)),
    contractCase("accepts a key of mixed order where the equation holds without cofactor", true, mixedOrder(true)),
    ...bits.map((bit) =>
      contractCase(`refuses bit ${bit} flipped`, false, {
        publicKey: key,
        message,
        signature: flipped(signature, bit),
      }),
    ),
    ...lowOrderCases(),
    ...nonCanonicalCases(),
    ...scalarCases(),
    ...lengthCases(),
  ];
}
