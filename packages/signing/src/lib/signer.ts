import { SEED_BYTES, publicKeyOf, signEd25519, verifyEd25519 } from "./ed25519.ts";
import { keyIdOf } from "./key-id.ts";
import { SigningError } from "./signing-error.ts";

/** Something that signs with one Ed25519 key: software here; an HSM, agent or KMS elsewhere. */
export interface Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** {@link keyIdOf} of the public key. */
  readonly keyId: string;
  /** The 64-byte Ed25519 signature of exactly these bytes, without prehash. */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

/** Something that checks Ed25519 signatures by the strict rule of `docs/spec/signing.md` §3. */
export interface Verifier {
  /** Never throws; false for every bad input. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

/** The verifier in portable code. {@link verifyEd25519} */
export const portableVerifier: Verifier = { verify: verifyEd25519 };

/**
 * A signer whose key is in memory.
 * @param seed the 32-byte private key; copied
 * @throws {SigningError} `KEY_INVALID` for a seed of another length
 */
export function softwareSigner(seed: Uint8Array): Signer {
  if (seed.length !== SEED_BYTES) {
    throw new SigningError({
      code: "KEY_INVALID",
      message: `Cannot sign with a private key of ${seed.length} bytes: an Ed25519 private key has ${SEED_BYTES}`,
    });
  }
  const key = Uint8Array.from(seed);
  const publicKey = publicKeyOf(key);
  return {
    publicKey,
    keyId: keyIdOf(publicKey),
    sign: (bytes) => Promise.resolve(signEd25519(key, bytes)),
  };
}
