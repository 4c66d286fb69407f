import { encodeHex, tryDecodeHex } from "./bytes.ts";
import { TAG, derInteger, encodeDer, encodeDerInteger, readDerSequence, readDerValues, type DerValue } from "./der.ts";
import {
  SCRYPT_DEFAULT,
  decryptBytes,
  deriveByPbkdf2,
  deriveByScrypt,
  encryptBytes,
  randomBytes,
  type ScryptParameters,
} from "./key-encryption.ts";
import { keyInvalid, keyUnsupported, wrongPassphrase, type EncryptedPrivateKey, type PrivateKey } from "./key.ts";
import { decodePkcs8, encodePkcs8 } from "./pkcs8.ts";
import { SigningError } from "./signing-error.ts";

const OID = {
  pbes2: "2a864886f70d01050d",
  pbkdf2: "2a864886f70d01050c",
  scrypt: "2b06010401da47040b",
} as const;
const AES_CBC_BYTES: Readonly<Record<string, number>> = {
  "60864801650304012a": 32,
  "608648016503040116": 24,
  "608648016503040102": 16,
};
const AES_256_CBC = "60864801650304012a";
const HMAC_HASHES: Readonly<Record<string, "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512">> = {
  "2a864886f70d0207": "SHA-1",
  "2a864886f70d0209": "SHA-256",
  "2a864886f70d020a": "SHA-384",
  "2a864886f70d020b": "SHA-512",
};

interface Algorithm {
  readonly oid: string;
  readonly parameters: DerValue | undefined;
}

type Derive = (passphrase: string, length: number) => Promise<Uint8Array>;

function readAlgorithm(value: DerValue | undefined): Algorithm {
  const [oid, parameters, ...rest] = value?.tag === TAG.sequence ? (readDerValues(value.content) ?? []) : [];
  if (oid?.tag !== TAG.oid || rest.length > 0) throw keyInvalid("an algorithm identifier of its encryption is damaged");
  return { oid: encodeHex(oid.content), parameters };
}

function members(value: DerValue | undefined): DerValue[] {
  const values = value?.tag === TAG.sequence ? readDerValues(value.content) : undefined;
  if (values === undefined) throw keyInvalid("the parameters of its encryption are damaged");
  return values;
}

function octets(value: DerValue | undefined): Uint8Array {
  if (value?.tag !== TAG.octets) throw keyInvalid("the parameters of its encryption are damaged");
  return value.content;
}

function integer(value: DerValue | undefined): number {
  const number = derInteger(value);
  if (number === undefined) throw keyInvalid("the parameters of its encryption are damaged");
  return number;
}

/** PBKDF2-params: salt, count, optional key length, optional PRF with HMAC-SHA1 as default (RFC 8018 §A.2). */
function readPbkdf2(parameters: DerValue | undefined): Derive {
  const [salt, count, ...rest] = members(parameters);
  const prf = rest.find((value) => value.tag === TAG.sequence);
  const oid = prf === undefined ? "2a864886f70d0207" : readAlgorithm(prf).oid;
  const hash = HMAC_HASHES[oid];
  if (hash === undefined)
    throw keyUnsupported("PBKDF2 function", `OID ${oid}`, "HMAC with SHA-1, SHA-256, SHA-384 or SHA-512");
  const [saltBytes, iterations] = [octets(salt), integer(count)];
  return (passphrase, length) => deriveByPbkdf2(passphrase, saltBytes, { iterations, hash }, length);
}

/** scrypt-params: salt, N, r, p, optional key length (RFC 7914 §7.1). */
function readScrypt(parameters: DerValue | undefined): Derive {
  const [salt, n, r, p] = members(parameters);
  const saltBytes = octets(salt);
  const cost: ScryptParameters = { n: integer(n), r: integer(r), p: integer(p) };
  return (passphrase, length) => deriveByScrypt(passphrase, saltBytes, cost, length);
}

function readDerivation({ oid, parameters }: Algorithm): Derive {
  if (oid === OID.pbkdf2) return readPbkdf2(parameters);
  if (oid === OID.scrypt) return readScrypt(parameters);
  throw keyUnsupported("key derivation", `OID ${oid}`, "PBKDF2 or scrypt");
}

interface Encryption {
  readonly derive: Derive;
  readonly keyBytes: number;
  readonly iv: Uint8Array;
}

function readEncryption({ oid, parameters }: Algorithm): Encryption {
  if (oid !== OID.pbes2) throw keyUnsupported("encryption", `OID ${oid}`, "PBES2");
  const [kdf, cipher] = members(parameters);
  const { oid: cipherOid, parameters: ivValue } = readAlgorithm(cipher);
  const keyBytes = AES_CBC_BYTES[cipherOid];
  if (keyBytes === undefined) throw keyUnsupported("cipher", `OID ${cipherOid}`, "AES-CBC with 128, 192 or 256 bits");
  const iv = octets(ivValue);
  if (iv.length !== 16) throw keyInvalid("the initialisation vector of its cipher has not 16 bytes");
  return { derive: readDerivation(readAlgorithm(kdf)), keyBytes, iv };
}

// A wrong passphrase passes the CBC padding once in 256 times; what comes out then is no key.
function decodeDecrypted(der: Uint8Array): PrivateKey {
  try {
    return decodePkcs8(der);
  } catch (error) {
    if (error instanceof SigningError && error.code === "KEY_INVALID") throw wrongPassphrase();
    throw error;
  }
}

/**
 * Reads an encrypted PKCS#8 key (RFC 5958 §3 with PBES2 of RFC 8018 §6.2), as `openssl pkcs8 -topk8` and
 * `openssl pkey -aes-256-cbc` write it.
 * @throws {SigningError} `KEY_INVALID`, `KEY_UNSUPPORTED`
 */
export function decodeEncryptedPkcs8(der: Uint8Array): EncryptedPrivateKey {
  const [algorithm, data, ...rest] = readDerSequence(der) ?? [];
  if (data?.tag !== TAG.octets || rest.length > 0) throw keyInvalid("it is not an encrypted PKCS#8 private key");
  const { derive, keyBytes, iv } = readEncryption(readAlgorithm(algorithm));
  return {
    type: "encrypted-private",
    decrypt: async (passphrase) => {
      const key = await derive(passphrase, keyBytes);
      return decodeDecrypted(await decryptBytes(key, { name: "AES-CBC", iv }, data.content));
    },
  };
}

const oidValue = (hex: string): Uint8Array => encodeDer(TAG.oid, tryDecodeHex(hex)!);

/** Encrypts a private key as PKCS#8 under scrypt and AES-256-CBC; openssl 1.1 and later read it. */
export async function encodeEncryptedPkcs8(seed: Uint8Array, passphrase: string): Promise<Uint8Array> {
  const [salt, iv] = [randomBytes(16), randomBytes(16)];
  const { n, r, p } = SCRYPT_DEFAULT;
  const key = await deriveByScrypt(passphrase, salt, SCRYPT_DEFAULT, 32);
  const data = await encryptBytes(key, { name: "AES-CBC", iv }, encodePkcs8(seed));
  const cost = [n, r, p].map(encodeDerInteger);
  const kdf = encodeDer(
    TAG.sequence,
    oidValue(OID.scrypt),
    encodeDer(TAG.sequence, encodeDer(TAG.octets, salt), ...cost),
  );
  const cipher = encodeDer(TAG.sequence, oidValue(AES_256_CBC), encodeDer(TAG.octets, iv));
  const pbes2 = encodeDer(TAG.sequence, oidValue(OID.pbes2), encodeDer(TAG.sequence, kdf, cipher));
  return encodeDer(TAG.sequence, pbes2, encodeDer(TAG.octets, data));
}
