import { scryptAsync } from "@noble/hashes/scrypt.js";
import { encodeUtf8 } from "./bytes.ts";
import { keyInvalid, wrongPassphrase } from "./key.ts";

/** Parameters of scrypt (RFC 7914). */
export interface ScryptParameters {
  readonly n: number;
  readonly r: number;
  readonly p: number;
}

/**
 * What new keys are encrypted with: 16 MiB, five times over, some tenths of a second. openssl refuses scrypt above 32 MiB,
 * hence more passes in place of more memory.
 */
export const SCRYPT_DEFAULT: ScryptParameters = { n: 16_384, r: 8, p: 5 };
const SCRYPT_MAX_BYTES = 256 * 1024 * 1024;
const PBKDF2_MAX_ITERATIONS = 10_000_000;

/** A copy whose buffer WebCrypto's types accept. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(bytes);
}

/**
 * Derives a key by scrypt. The file states the cost, so it is bounded: a hostile key file must not exhaust the machine.
 * @throws {SigningError} `KEY_INVALID`
 */
export async function deriveByScrypt(
  passphrase: string,
  salt: Uint8Array,
  { n, r, p }: ScryptParameters,
  length: number,
): Promise<Uint8Array> {
  const powerOfTwo = Number.isSafeInteger(n) && n >= 2 && n <= 2 ** 24 && (n & (n - 1)) === 0;
  const small = Number.isSafeInteger(r) && Number.isSafeInteger(p) && r >= 1 && p >= 1 && r <= 64 && p <= 16;
  if (!powerOfTwo || !small || 128 * n * r > SCRYPT_MAX_BYTES) {
    throw keyInvalid(`its scrypt cost (n ${n}, r ${r}, p ${p}) is not valid or above ${SCRYPT_MAX_BYTES} bytes`);
  }
  return scryptAsync(encodeUtf8(passphrase), salt, { N: n, r, p, dkLen: length, maxmem: 2 * SCRYPT_MAX_BYTES });
}

/** @throws {SigningError} `KEY_INVALID` for an iteration count out of bounds */
export async function deriveByPbkdf2(
  passphrase: string,
  salt: Uint8Array,
  { iterations, hash }: { readonly iterations: number; readonly hash: "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512" },
  length: number,
): Promise<Uint8Array> {
  if (iterations < 1 || iterations > PBKDF2_MAX_ITERATIONS) {
    throw keyInvalid(`its PBKDF2 count is ${iterations}, allowed are 1 to ${PBKDF2_MAX_ITERATIONS}`);
  }
  const base = await crypto.subtle.importKey("raw", own(encodeUtf8(passphrase)), "PBKDF2", false, ["deriveBits"]);
  const parameters = { name: "PBKDF2", hash, salt: own(salt), iterations };
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, base, length * 8));
}

type Cipher =
  | { readonly name: "AES-CBC"; readonly iv: Uint8Array }
  | { readonly name: "AES-GCM"; readonly iv: Uint8Array; readonly additionalData: Uint8Array };

function cipherParameters(cipher: Cipher): {
  name: string;
  iv: Uint8Array<ArrayBuffer>;
  additionalData?: Uint8Array<ArrayBuffer>;
} {
  return cipher.name === "AES-CBC"
    ? { name: cipher.name, iv: own(cipher.iv) }
    : { name: cipher.name, iv: own(cipher.iv), additionalData: own(cipher.additionalData) };
}

/** @throws {SigningError} `KEY_PASSPHRASE_WRONG` when the padding or the tag does not hold */
export async function decryptBytes(key: Uint8Array, cipher: Cipher, data: Uint8Array): Promise<Uint8Array> {
  const imported = await crypto.subtle.importKey("raw", own(key), cipher.name, false, ["decrypt"]);
  try {
    return new Uint8Array(await crypto.subtle.decrypt(cipherParameters(cipher), imported, own(data)));
  } catch (error) {
    // WebCrypto names every decryption failure so, on purpose without a reason.
    if (error instanceof Error && error.name === "OperationError") throw wrongPassphrase();
    throw error;
  }
}

export async function encryptBytes(key: Uint8Array, cipher: Cipher, data: Uint8Array): Promise<Uint8Array> {
  const imported = await crypto.subtle.importKey("raw", own(key), cipher.name, false, ["encrypt"]);
  return new Uint8Array(await crypto.subtle.encrypt(cipherParameters(cipher), imported, own(data)));
}

/** Bytes from the runtime's random generator. */
export function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}
