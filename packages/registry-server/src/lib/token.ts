import { hash } from "node:crypto";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_LENGTH = 30;
const CHECK_LENGTH = 6;

/** Prefix of opaque tokens, so that secret scanners recognise them. */
export const TOKEN_PREFIX = "ldg_";

const TOKEN = /^ldg_([0-9A-Za-z]{30})([0-9A-Za-z]{6})$/;

const CRC_TABLE: Uint32Array = new Uint32Array(256).map((_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(text: string): number {
  let crc = 0xffffffff;
  for (let at = 0; at < text.length; at += 1) crc = CRC_TABLE[(crc ^ text.charCodeAt(at)) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function toBase62(value: number, length: number): string {
  let text = "";
  for (let rest = value; text.length < length; rest = Math.floor(rest / 62)) text = ALPHABET[rest % 62] + text;
  return text;
}

/** Random text of letters of `alphabet`, which has at most 256, each as likely as any other. */
export function randomText(alphabet: string, length: number): string {
  // Bytes beyond the last whole multiple would make the first letters of the alphabet likelier.
  const fair = 256 - (256 % alphabet.length);
  let text = "";
  while (text.length < length) {
    for (const byte of crypto.getRandomValues(new Uint8Array(64))) {
      if (byte < fair && text.length < length) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}

/** A new opaque token: `ldg_`, 30 random base-62 characters (178 bits), 6 of their CRC-32. */
export function generateToken(): string {
  const secret = randomText(ALPHABET, SECRET_LENGTH);
  return TOKEN_PREFIX + secret + toBase62(crc32(secret), CHECK_LENGTH);
}

/** Whether `text` has the form of a token and its check characters hold: tells a typing error from an unknown token without a look-up. */
export function isWellFormedToken(text: string): boolean {
  const match = TOKEN.exec(text);
  return match !== null && toBase62(crc32(match[1]!), CHECK_LENGTH) === match[2];
}

/** SHA-256 of `text` in lower-case hexadecimal: the only form of a token that is stored. */
export async function hashToken(text: string): Promise<string> {
  return sha256Hex(new TextEncoder().encode(text));
}

/** SHA-256 of bytes in lower-case hexadecimal. */
export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  // Not the Web's digest, which is made in another thread: to wake one for each token costs many times the hash.
  return hash("sha256", bytes);
}

/** A random id of `length` base-62 characters. */
export function randomId(length = 16): string {
  return randomText(ALPHABET, length);
}

/** A new trace id, as W3C Trace Context has them: 32 hexadecimal digits. */
export function newTraceId(): string {
  return crypto.randomUUID().replaceAll("-", "");
}
