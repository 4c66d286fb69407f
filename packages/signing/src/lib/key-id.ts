import { sha256 } from "./hashes.ts";
import { concatBytes, encodeHex, tryDecodeHex } from "./bytes.ts";
import { PUBLIC_KEY_BYTES } from "./ed25519.ts";
import { SigningError } from "./signing-error.ts";

/** `SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING (32 bytes) }` up to the key (RFC 8410 §4). */
export const SPKI_PREFIX: Uint8Array = tryDecodeHex("302a300506032b6570032100")!;

/** The 44-byte SubjectPublicKeyInfo of a 32-byte Ed25519 public key. */
export function spkiOf(publicKey: Uint8Array): Uint8Array {
  if (publicKey.length !== PUBLIC_KEY_BYTES) {
    throw new SigningError({
      code: "KEY_INVALID",
      message: `Cannot use a public key of ${publicKey.length} bytes: an Ed25519 public key has ${PUBLIC_KEY_BYTES}`,
    });
  }
  return concatBytes(SPKI_PREFIX, publicKey);
}

/**
 * The key id of an Ed25519 public key: 64 hexadecimal digits of the SHA-256 of its SPKI DER, as DSSE's `keyid` has it.
 * @throws {SigningError} `KEY_INVALID` for a key that has not 32 bytes
 */
export function keyIdOf(publicKey: Uint8Array): string {
  return encodeHex(sha256(spkiOf(publicKey)));
}

/**
 * The fingerprint of an Ed25519 public key, `ed25519:` and its key id: how locks (`publisher`), the index (`signers`)
 * and trust policies name it.
 * @throws {SigningError} `KEY_INVALID` for a key that has not 32 bytes
 */
export function fingerprint(publicKey: Uint8Array): string {
  return `ed25519:${keyIdOf(publicKey)}`;
}

/** Whether `text` has the form of a fingerprint. */
export function isFingerprint(text: string): boolean {
  return /^ed25519:[0-9a-f]{64}$/.test(text);
}
