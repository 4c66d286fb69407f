import { equalBytes } from "./bytes.ts";
import { PUBLIC_KEY_BYTES, SEED_BYTES, isAllowedPublicKey, publicKeyOf } from "./ed25519.ts";
import { SigningError } from "./signing-error.ts";

/** A public key as read from a file. */
export interface PublicKey {
  readonly type: "public";
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly comment?: string;
}

/** A private key in the clear. */
export interface PrivateKey {
  readonly type: "private";
  /** 32 bytes; the secret. */
  readonly seed: Uint8Array;
  /** 32 bytes, derived from the seed. */
  readonly publicKey: Uint8Array;
  readonly comment?: string;
}

/** A private key that needs a passphrase. */
export interface EncryptedPrivateKey {
  readonly type: "encrypted-private";
  /** Where the file states it: a JSON key file does, PKCS#8 does not. */
  readonly publicKey?: Uint8Array;
  readonly comment?: string;
  /**
   * Decrypts the key; the key derivation takes tenths of a second.
   * @throws {SigningError} `KEY_PASSPHRASE_WRONG`, `KEY_INVALID`
   */
  decrypt(passphrase: string): Promise<PrivateKey>;
}

/** Whatever a key file holds. */
export type ParsedKey = PublicKey | PrivateKey | EncryptedPrivateKey;

export function keyInvalid(problem: string): SigningError {
  return new SigningError({ code: "KEY_INVALID", message: `Cannot read the key: ${problem}` });
}

export function keyUnsupported(what: string, found: string, allowed: string): SigningError {
  return new SigningError({
    code: "KEY_UNSUPPORTED",
    message: `Cannot read the key: its ${what} is "${found.slice(0, 60)}", supported is ${allowed}`,
  });
}

export function wrongPassphrase(): SigningError {
  return new SigningError({
    code: "KEY_PASSPHRASE_WRONG",
    message: "Cannot decrypt the private key: the passphrase is wrong or the key is damaged",
  });
}

function withComment(comment: string | undefined): { comment?: string } {
  return comment === undefined || comment === "" ? {} : { comment };
}

/** @throws {SigningError} `KEY_INVALID` for bytes that are no usable key */
export function createPublicKey(publicKey: Uint8Array, comment?: string): PublicKey {
  if (publicKey.length !== PUBLIC_KEY_BYTES) {
    throw keyInvalid(`it has ${publicKey.length} bytes, an Ed25519 public key has ${PUBLIC_KEY_BYTES}`);
  }
  if (!isAllowedPublicKey(publicKey)) throw keyInvalid("its point is not canonical or of low order");
  return { type: "public", publicKey: Uint8Array.from(publicKey), ...withComment(comment) };
}

/**
 * A private key of its seed.
 * @param claimed the public key that the file states beside it; a different one means damage
 * @throws {SigningError} `KEY_INVALID`
 */
export function createPrivateKey(seed: Uint8Array, claimed?: Uint8Array, comment?: string): PrivateKey {
  if (seed.length !== SEED_BYTES) {
    throw keyInvalid(`it has ${seed.length} bytes, an Ed25519 private key has ${SEED_BYTES}`);
  }
  const publicKey = publicKeyOf(seed);
  // Signing under a public key that is not the seed's own leaks the seed after two signatures.
  if (claimed !== undefined && !equalBytes(claimed, publicKey)) {
    throw keyInvalid("its public key does not belong to its private key");
  }
  return { type: "private", seed: Uint8Array.from(seed), publicKey, ...withComment(comment) };
}
