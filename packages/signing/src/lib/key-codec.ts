import { decodeUtf8 } from "./bytes.ts";
import { decodeJsonKey, encodeJsonPrivateKey, encodeJsonPublicKey } from "./key-json.ts";
import { decodeBareKey, decodeMinisignKey, decodeSshLine, encodeMinisignKey, encodeSshLine } from "./key-lines.ts";
import { fingerprint, isFingerprint, spkiOf } from "./key-id.ts";
import { createPublicKey, keyInvalid, keyUnsupported, type ParsedKey, type PrivateKey, type PublicKey } from "./key.ts";
import { decodeEncryptedPkcs8, encodeEncryptedPkcs8 } from "./pbes2.ts";
import { decodePem, encodePem, isPem } from "./pem.ts";
import { decodePkcs8, decodeSpki, encodePkcs8 } from "./pkcs8.ts";
import { SigningError } from "./signing-error.ts";

/** Largest key file that is looked at, in characters. */
export const KEY_FILE_MAX_LENGTH = 16_384;

/** Form of a private key file. */
export type PrivateKeyFormat = "pem" | "json";
/** Form of a public key file. */
export type PublicKeyFormat = "pem" | "json" | "ssh" | "minisign";

function parsePem(text: string): ParsedKey {
  const { label, der } = decodePem(text);
  switch (label) {
    case "PRIVATE KEY":
      return decodePkcs8(der);
    case "ENCRYPTED PRIVATE KEY":
      return decodeEncryptedPkcs8(der);
    case "PUBLIC KEY":
      return decodeSpki(der);
    default:
      throw keyUnsupported("PEM label", label, `"PRIVATE KEY", "ENCRYPTED PRIVATE KEY" or "PUBLIC KEY"`);
  }
}

function parseText(text: string): ParsedKey {
  if (isPem(text)) return parsePem(text);
  if (text.startsWith("{")) return decodeJsonKey(text);
  if (text.startsWith("ssh-") || text.startsWith("ecdsa-")) return decodeSshLine(text);
  if (text.startsWith("untrusted comment:")) return decodeMinisignKey(text);
  if (isFingerprint(text)) throw keyInvalid("it is a fingerprint, which names a key but does not hold it");
  const bare = decodeBareKey(text);
  if (bare === undefined)
    throw keyInvalid("it is neither PEM, a JSON key file, an SSH or minisign line, nor base64 of a public key");
  return bare;
}

/**
 * Reads a key of any supported form, recognised by its content, never by a file name: PKCS#8 and SPKI PEM (also
 * encrypted), JSON key file, SSH and minisign public key, base64 of a public key.
 * @throws {SigningError} `KEY_INVALID`, `KEY_UNSUPPORTED`
 */
export function parseKey(source: string | Uint8Array): ParsedKey {
  if (source.length > KEY_FILE_MAX_LENGTH) {
    throw keyInvalid(`it has ${source.length} characters, allowed are ${KEY_FILE_MAX_LENGTH}`);
  }
  const text = typeof source === "string" ? source : decodeUtf8(source);
  if (text === undefined) throw keyInvalid("it is not text");
  return parseText(text.trim());
}

/**
 * Reads a public key, and refuses a private one, which has no business where keys are checked.
 * @throws {SigningError} `KEY_IS_PRIVATE`, `KEY_INVALID`, `KEY_UNSUPPORTED`
 */
export function parsePublicKey(source: string | Uint8Array): PublicKey {
  const key = parseKey(source);
  if (key.type === "public") return key;
  throw new SigningError({
    code: "KEY_IS_PRIVATE",
    message: "Cannot verify with a private key: a public key is expected here",
    hint: `Give the ".pub" file beside it`,
  });
}

/**
 * Reads a private key, decrypting it where it is encrypted.
 * @throws {SigningError} `KEY_IS_PUBLIC`, `KEY_PASSPHRASE_REQUIRED`, `KEY_PASSPHRASE_WRONG`, `KEY_INVALID`, `KEY_UNSUPPORTED`
 */
export async function parsePrivateKey(source: string | Uint8Array, passphrase?: string): Promise<PrivateKey> {
  const key = parseKey(source);
  if (key.type === "private") return key;
  if (key.type === "public") {
    throw new SigningError({
      code: "KEY_IS_PUBLIC",
      message: `Cannot sign with the public key "${fingerprint(key.publicKey)}": a private key is needed`,
    });
  }
  if (passphrase !== undefined) return key.decrypt(passphrase);
  throw new SigningError({
    code: "KEY_PASSPHRASE_REQUIRED",
    message: "Cannot use the private key: it is encrypted and no passphrase was given",
  });
}

/**
 * Writes a private key as text: PKCS#8 PEM, which openssl reads, or a JSON key file.
 * @param options.passphrase encrypts it: scrypt with AES-256-CBC in PEM, with AES-256-GCM in JSON
 */
export async function formatPrivateKey(
  key: PrivateKey,
  options: { readonly format: PrivateKeyFormat; readonly passphrase?: string | undefined },
): Promise<string> {
  const { format, passphrase } = options;
  if (passphrase === "") throw keyInvalid("its new passphrase is empty");
  if (format === "json") return encodeJsonPrivateKey(key, passphrase);
  return passphrase === undefined
    ? encodePem({ label: "PRIVATE KEY", der: encodePkcs8(key.seed) })
    : encodePem({ label: "ENCRYPTED PRIVATE KEY", der: await encodeEncryptedPkcs8(key.seed, passphrase) });
}

/**
 * Writes a public key as text, with a final newline.
 * @param key the 32 bytes, or a key with its comment
 * @param format SPKI PEM unless given, which is what `.pub` files hold
 * @throws {SigningError} `KEY_INVALID` for bytes that are no usable key
 */
export function formatPublicKey(
  key: Uint8Array | { readonly publicKey: Uint8Array; readonly comment?: string },
  format: PublicKeyFormat = "pem",
): string {
  const plain = key instanceof Uint8Array ? createPublicKey(key) : createPublicKey(key.publicKey, key.comment);
  switch (format) {
    case "json":
      return encodeJsonPublicKey(plain);
    case "ssh":
      return `${encodeSshLine(plain)}\n`;
    case "minisign":
      return encodeMinisignKey(plain);
    case "pem":
      return encodePem({ label: "PUBLIC KEY", der: spkiOf(plain.publicKey) });
  }
}
