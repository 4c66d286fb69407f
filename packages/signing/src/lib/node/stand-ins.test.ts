import { createECDH, generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import { sha256 as portable256, sha512 as portable512 } from "../hashes.ts";
import { p256Verification as portableP256 } from "../metadata/p256.ts";
import { tryDecodeHex } from "../bytes.ts";
import { sha256, sha512 } from "./hashes.ts";
import { p256Verification } from "./p256.ts";

const MESSAGE = new TextEncoder().encode("signed metadata");
const ORDER = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/** SEQUENCE of two INTEGERs that hold these bytes as they are. */
function der(r: Uint8Array, s: Uint8Array): Uint8Array {
  return Uint8Array.of(0x30, r.length + s.length + 4, 2, r.length, ...r, 2, s.length, ...s);
}

/** Signatures that one reader may take and another refuse. */
function oddSignatures(good: Uint8Array): Uint8Array[] {
  const r = good.subarray(4, 4 + good[3]!);
  const s = good.subarray(6 + good[3]!);
  const zero = Uint8Array.of(0);
  const order = Uint8Array.of(0, ...tryDecodeHex(ORDER)!);
  const value = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
  const high = (BigInt(`0x${ORDER}`) - value(s)).toString(16).padStart(64, "0");
  const other = tryDecodeHex(high)!;
  return [
    good,
    der(r, s),
    // The other of two S that hold alike.
    der(r, other[0]! >= 0x80 ? Uint8Array.of(0, ...other) : other),
    der(Uint8Array.of(0, ...r), s),
    der(r, Uint8Array.of(0, 0, ...s)),
    der(zero, s),
    der(r, zero),
    der(order, s),
    der(r, order),
    der(
      r.map((byte) => byte ^ 0xff),
      s,
    ),
    Uint8Array.of(...good, 0),
    Uint8Array.of(0x30, 0x81, ...good.subarray(1)),
    Uint8Array.of(0x31, ...good.subarray(1)),
    good.subarray(0, -1),
    new Uint8Array(),
    new Uint8Array(64),
  ];
}

describe("what stands in for portable code in programs for Node", () => {
  it("gives the same digests, as arrays of their own", () => {
    for (const length of [0, 1, 55, 56, 64, 1000]) {
      const bytes = new Uint8Array(length).map((_, i) => i * 7);
      for (const [native, portable] of [
        [sha256, portable256],
        [sha512, portable512],
      ] as const) {
        const found = native(bytes);
        expect(found).toEqual(portable(bytes));
        expect([found.constructor, found.buffer.byteLength]).toEqual([Uint8Array, found.length]);
      }
    }
  });

  it("gives the same verdicts on signatures over P-256, however they are written", () => {
    const verdicts = { true: 0, false: 0 };
    for (let round = 0; round < 6; round++) {
      const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const point = new Uint8Array(publicKey.export({ format: "der", type: "spki" }).subarray(-65));
      const [mine, theirs] = [p256Verification(point)!, portableP256(point)!];
      const good = new Uint8Array(sign("sha256", MESSAGE, privateKey));
      const flips = Array.from({ length: 24 }, (_, i) =>
        good.map((byte, at) => (at === i * 3 ? byte ^ (1 << (i % 8)) : byte)),
      );
      for (const signature of [...oddSignatures(good), ...flips]) {
        const verdict = mine(MESSAGE, signature);
        const hex = Buffer.from(signature).toString("hex");
        expect([hex, verdict]).toEqual([hex, theirs(MESSAGE, signature)]);
        verdicts[`${verdict}`]++;
      }
      expect(mine(new Uint8Array(3), good)).toBe(false);
    }
    expect(verdicts.true).toBeGreaterThanOrEqual(12);
    expect(verdicts.false).toBeGreaterThan(100);
  });

  it("takes the same points for keys", () => {
    const ecdh = createECDH("prime256v1");
    const good = new Uint8Array(ecdh.generateKeys());
    const points = [
      good,
      good.map((byte, at) => (at === 64 ? byte ^ 1 : byte)),
      good.map((byte, at) => (at === 0 ? 6 : byte)),
      good.map((byte, at) => (at === 0 ? byte : 0)),
      good.map((byte, at) => (at === 0 ? byte : 0xff)),
      new Uint8Array(65),
    ];
    const taken = points.map((point) => [p256Verification(point), portableP256(point)].map((one) => one !== undefined));
    expect(taken).toEqual([[true, true], ...points.slice(1).map(() => [false, false])]);
  });
});
