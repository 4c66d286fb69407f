import { encodeBase64, encodeUtf8, tryDecodeBase64 } from "./bytes.ts";
import { SCRYPT_DEFAULT, decryptBytes, deriveByScrypt, encryptBytes, randomBytes } from "./key-encryption.ts";
import { keyIdOf } from "./key-id.ts";
import {
  createPrivateKey,
  createPublicKey,
  keyInvalid,
  keyUnsupported,
  type EncryptedPrivateKey,
  type ParsedKey,
  type PrivateKey,
  type PublicKey,
} from "./key.ts";

/** `format` of the JSON key file (`docs/spec/signing.md` §7). */
export const KEY_FILE_FORMAT = "lading-key/1";

type Json = Readonly<Record<string, unknown>>;

// Binds the header to the secret, so that the stated public key of an encrypted file cannot be exchanged.
function additionalData(publicKey: Uint8Array): Uint8Array {
  return encodeUtf8(`${KEY_FILE_FORMAT}\n${keyIdOf(publicKey)}\n`);
}

function object(value: unknown, key: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw keyInvalid(`"${key}" is not an object`);
  return value as Json;
}

function bytes(value: unknown, key: string): Uint8Array {
  const decoded = typeof value === "string" ? tryDecodeBase64(value) : undefined;
  if (decoded === undefined) throw keyInvalid(`"${key}" is not base64`);
  return decoded;
}

function number(value: unknown, key: string): number {
  if (typeof value !== "number") throw keyInvalid(`"${key}" is not a number`);
  return value;
}

function parse(text: string): Json {
  try {
    return object(JSON.parse(text), "the key file");
  } catch (error) {
    if (error instanceof SyntaxError) throw keyInvalid("it is not valid JSON");
    throw error;
  }
}

function decodeEncrypted(value: unknown, publicKey: Uint8Array, comment: string | undefined): EncryptedPrivateKey {
  const { kdf, cipher, data } = object(value, "encrypted");
  const derivation = object(kdf, "encrypted.kdf");
  const encryption = object(cipher, "encrypted.cipher");
  if (derivation["name"] !== "scrypt") throw keyUnsupported("key derivation", String(derivation["name"]), `"scrypt"`);
  if (encryption["name"] !== "aes-256-gcm") throw keyUnsupported("cipher", String(encryption["name"]), `"aes-256-gcm"`);
  const salt = bytes(derivation["salt"], "encrypted.kdf.salt");
  const [n, r, p] = ["n", "r", "p"].map((key) => number(derivation[key], `encrypted.kdf.${key}`));
  const iv = bytes(encryption["iv"], "encrypted.cipher.iv");
  if (iv.length !== 12) throw keyInvalid(`"encrypted.cipher.iv" has ${iv.length} bytes, expected 12`);
  const secret = bytes(data, "encrypted.data");
  return {
    type: "encrypted-private",
    publicKey,
    ...(comment === undefined ? {} : { comment }),
    decrypt: async (passphrase) => {
      const key = await deriveByScrypt(passphrase, salt, { n: n!, r: r!, p: p! }, 32);
      const seed = await decryptBytes(key, { name: "AES-GCM", iv, additionalData: additionalData(publicKey) }, secret);
      return createPrivateKey(seed, publicKey, comment);
    },
  };
}

function checkHeader(file: Json): void {
  if (typeof file["format"] !== "string") throw keyInvalid(`"format" is missing, expected "${KEY_FILE_FORMAT}"`);
  if (file["format"] !== KEY_FILE_FORMAT) throw keyUnsupported("format", file["format"], `"${KEY_FILE_FORMAT}"`);
  if (file["algorithm"] !== "ed25519") throw keyUnsupported("algorithm", String(file["algorithm"]), `"ed25519"`);
}

/**
 * Reads a JSON key file. Unknown members are ignored, another `format` is refused.
 * @throws {SigningError} `KEY_INVALID`, `KEY_UNSUPPORTED`
 */
export function decodeJsonKey(text: string): ParsedKey {
  const file = parse(text);
  checkHeader(file);
  const comment = typeof file["comment"] === "string" ? file["comment"] : undefined;
  const { publicKey } = createPublicKey(bytes(file["publicKey"], "publicKey"));
  if (file["keyId"] !== undefined && file["keyId"] !== keyIdOf(publicKey)) {
    throw keyInvalid(`"keyId" is not the id of "publicKey"`);
  }
  if (file["type"] === "public") return createPublicKey(publicKey, comment);
  if (file["type"] !== "private") throw keyInvalid(`"type" is neither "private" nor "public"`);
  return file["encrypted"] === undefined
    ? createPrivateKey(bytes(file["privateKey"], "privateKey"), publicKey, comment)
    : decodeEncrypted(file["encrypted"], publicKey, comment);
}

async function encryptSeed(key: PrivateKey, passphrase: string): Promise<Json> {
  const [salt, iv] = [randomBytes(16), randomBytes(12)];
  const secret = await deriveByScrypt(passphrase, salt, SCRYPT_DEFAULT, 32);
  const cipher = { name: "AES-GCM", iv, additionalData: additionalData(key.publicKey) } as const;
  return {
    kdf: { name: "scrypt", ...SCRYPT_DEFAULT, salt: encodeBase64(salt) },
    cipher: { name: "aes-256-gcm", iv: encodeBase64(iv) },
    data: encodeBase64(await encryptBytes(secret, cipher, key.seed)),
  };
}

function render(key: PublicKey | PrivateKey, secret: Json): string {
  const file = {
    format: KEY_FILE_FORMAT,
    type: key.type,
    algorithm: "ed25519",
    ...(key.comment === undefined ? {} : { comment: key.comment }),
    keyId: keyIdOf(key.publicKey),
    publicKey: encodeBase64(key.publicKey),
    ...secret,
  };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

/** Encodes a public key as a JSON key file. */
export function encodeJsonPublicKey(key: PublicKey): string {
  return render(key, {});
}

/** Encodes a private key as a JSON key file, encrypted where a passphrase is given. */
export async function encodeJsonPrivateKey(key: PrivateKey, passphrase?: string): Promise<string> {
  return render(
    key,
    passphrase === undefined
      ? { privateKey: encodeBase64(key.seed) }
      : { encrypted: await encryptSeed(key, passphrase) },
  );
}
