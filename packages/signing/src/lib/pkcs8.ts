import { concatBytes, encodeHex, equalBytes, startsWithBytes, tryDecodeHex } from "./bytes.ts";
import { TAG, derInteger, readDerSequence, readDerValues } from "./der.ts";
import {
  createPrivateKey,
  createPublicKey,
  keyInvalid,
  keyUnsupported,
  type PrivateKey,
  type PublicKey,
} from "./key.ts";
import { SPKI_PREFIX } from "./key-id.ts";

/** `SEQUENCE { INTEGER 0, SEQUENCE { OID 1.3.101.112 }, OCTET STRING { OCTET STRING (32 bytes) } }` up to the seed. */
const PKCS8_PREFIX = tryDecodeHex("302e020100300506032b657004220420")!;
const ED25519_OID = "2b6570";
const KNOWN_ALGORITHMS: Readonly<Record<string, string>> = {
  "2a864886f70d010101": "RSA",
  "2a864886f70d01010a": "RSA-PSS",
  "2a8648ce3d0201": "EC",
  "2b656e": "X25519",
  "2b656f": "X448",
  "2b6571": "Ed448",
};

function checkAlgorithm(der: Uint8Array): void {
  const [oid] = readDerValues(der) ?? [];
  if (oid?.tag !== TAG.oid) throw keyInvalid("its algorithm identifier is damaged");
  const hex = encodeHex(oid.content);
  if (hex !== ED25519_OID) throw keyUnsupported("algorithm", KNOWN_ALGORITHMS[hex] ?? `OID ${hex}`, `"Ed25519"`);
}

/** @throws {SigningError} `KEY_INVALID`, `KEY_UNSUPPORTED` */
export function decodeSpki(der: Uint8Array): PublicKey {
  if (startsWithBytes(der, SPKI_PREFIX) && der.length === SPKI_PREFIX.length + 32) {
    return createPublicKey(der.subarray(SPKI_PREFIX.length));
  }
  const [algorithm] = readDerSequence(der) ?? [];
  if (algorithm?.tag === TAG.sequence) checkAlgorithm(algorithm.content);
  throw keyInvalid("it is not the SubjectPublicKeyInfo of an Ed25519 key");
}

/** The 48-byte PKCS#8 of a 32-byte seed (RFC 8410 §7), as openssl writes it. */
export function encodePkcs8(seed: Uint8Array): Uint8Array {
  return concatBytes(PKCS8_PREFIX, seed);
}

// OneAsymmetricKey v2 (RFC 5958) also states the public key, in [1] as a BIT STRING: implicitly tagged by RFC 8410's own
// example, explicitly by some libraries.
function publicKeyOfV2(tag: number, content: Uint8Array): Uint8Array | undefined {
  if (tag === 0x81 && content.length === 33 && content[0] === 0) return content.subarray(1);
  if (tag === 0xa1 && equalBytes(content.subarray(0, 3), Uint8Array.of(0x03, 0x21, 0x00))) return content.subarray(3);
  return undefined;
}

/** @throws {SigningError} `KEY_INVALID`, `KEY_UNSUPPORTED` */
export function decodePkcs8(der: Uint8Array): PrivateKey {
  const [version, algorithm, key, ...rest] = readDerSequence(der) ?? [];
  // Attributes [0] say nothing of the key itself.
  const extra = rest[0]?.tag === 0xa0 ? rest.slice(1) : rest;
  if (algorithm?.tag !== TAG.sequence) throw keyInvalid("it is not a PKCS#8 private key");
  checkAlgorithm(algorithm.content);
  const [seed, ...more] = key?.tag === TAG.octets ? (readDerValues(key.content) ?? []) : [];
  if (seed?.tag !== TAG.octets || more.length > 0) throw keyInvalid("its private key field is damaged");
  if (derInteger(version) === 0 && extra.length === 0) return createPrivateKey(seed.content);
  const claimed = extra.length === 1 ? publicKeyOfV2(extra[0]!.tag, extra[0]!.content) : undefined;
  if (derInteger(version) !== 1 || claimed === undefined)
    throw keyInvalid("its PKCS#8 version or attributes are not known");
  return createPrivateKey(seed.content, claimed);
}
