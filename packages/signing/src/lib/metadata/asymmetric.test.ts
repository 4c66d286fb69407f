import { constants, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "../bytes.ts";
import { ecdsaP256FromPem, rsaPssFromPem } from "./asymmetric.ts";
import { readMetadataKey, verificationOf } from "./metadata-key.ts";
import { MetadataError } from "./metadata-error.ts";
import { portableVerifier } from "../signer.ts";

const MESSAGE = encodeUtf8("signed metadata");
const OTHER = encodeUtf8("other metadata");
const pemOf = (key: KeyObject): string => key.export({ format: "pem", type: "spki" });

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
}

describe("ecdsaP256FromPem()", () => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const verify = ecdsaP256FromPem(pemOf(publicKey))!;

  it("accepts what OpenSSL signs, and nothing else", () => {
    for (let i = 0; i < 5; i++) expect(verify(MESSAGE, sign("sha256", MESSAGE, privateKey))).toBe(true);
    const signature = sign("sha256", MESSAGE, privateKey);
    expect(verify(OTHER, signature)).toBe(false);
    for (let bit = 0; bit < signature.length * 8; bit += 7)
      expect(verify(MESSAGE, flipped(signature, bit))).toBe(false);
    for (const length of [0, 1, 64]) expect(verify(MESSAGE, new Uint8Array(length))).toBe(false);
  });

  it("takes no key of another kind", () => {
    expect(ecdsaP256FromPem(pemOf(generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey))).toBeUndefined();
    expect(ecdsaP256FromPem(pemOf(generateKeyPairSync("ed25519").publicKey))).toBeUndefined();
    expect(ecdsaP256FromPem("x")).toBeUndefined();
    expect(ecdsaP256FromPem(privateKey.export({ format: "pem", type: "pkcs8" }))).toBeUndefined();
  });
});

describe("rsaPssFromPem()", () => {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const verify = rsaPssFromPem(pemOf(publicKey))!;
  const signPss = (saltLength: number): Uint8Array =>
    sign("sha256", MESSAGE, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });

  it("accepts what OpenSSL signs with a salt of any length, and nothing else", () => {
    for (const salt of [0, 20, 32, 222]) expect(verify(MESSAGE, signPss(salt))).toBe(true);
    const signature = signPss(32);
    expect(verify(OTHER, signature)).toBe(false);
    for (let bit = 0; bit < signature.length * 8; bit += 211)
      expect(verify(MESSAGE, flipped(signature, bit))).toBe(false);
    expect(verify(MESSAGE, sign("sha256", MESSAGE, privateKey))).toBe(false);
    expect(verify(MESSAGE, signature.subarray(1))).toBe(false);
    expect(verify(MESSAGE, new Uint8Array(256).fill(255))).toBe(false);
    expect(verify(MESSAGE, new Uint8Array(256))).toBe(false);
  });

  it("handles moduli whose length is no whole number of bytes", () => {
    const odd = generateKeyPairSync("rsa", { modulusLength: 2049 });
    const key = { key: odd.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    expect(rsaPssFromPem(pemOf(odd.publicKey))!(MESSAGE, sign("sha256", MESSAGE, key))).toBe(true);
  });

  it("takes no key that is too short, or of another kind", () => {
    expect(rsaPssFromPem(pemOf(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey))).toBeUndefined();
    expect(rsaPssFromPem(pemOf(generateKeyPairSync("ed25519").publicKey))).toBeUndefined();
    expect(rsaPssFromPem("x")).toBeUndefined();
  });
});

describe("readMetadataKey() and verificationOf()", () => {
  it("keep a key of an unknown kind, which verifies nothing", () => {
    const raw = { keytype: "new", scheme: "new", keyval: { public: "x" } };
    const id = /"([0-9a-f]{64})"$/.exec(messageOf(() => readMetadataKey("0", raw)))![1]!;
    expect(verificationOf(readMetadataKey(id, raw), portableVerifier)).toBeUndefined();
    expect(messageOf(() => readMetadataKey("0", { keytype: "ed25519" }))).toContain("keyval.public");
  });
});

function messageOf(work: () => unknown): string {
  try {
    work();
    return "";
  } catch (error) {
    if (error instanceof MetadataError) return error.message;
    throw error;
  }
}
