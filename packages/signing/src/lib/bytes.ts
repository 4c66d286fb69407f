const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const SEXTETS: ReadonlyMap<string, number> = new Map(ALPHABET.split("").map((letter, value) => [letter, value]));
const utf8 = new TextEncoder();

export function encodeUtf8(text: string): Uint8Array {
  return utf8.encode(text);
}

/** The text of `bytes`, or `undefined` where they are not UTF-8. A byte order mark stays and is for the caller to refuse. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function encodeHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte]!;
  return text;
}

/** Value of a lower-case hexadecimal digit; -1 for any other character. */
function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1;
}

/** Lower-case hexadecimal only: one spelling for one value. */
export function tryDecodeHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const [high, low] = [hexValue(text.charCodeAt(2 * i)), hexValue(text.charCodeAt(2 * i + 1))];
    if (high < 0 || low < 0) return undefined;
    bytes[i] = (high << 4) | low;
  }
  return bytes;
}

/** Standard base64 with padding (RFC 4648 §4). */
export function encodeBase64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const group = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += ALPHABET[group >> 18]! + ALPHABET[(group >> 12) & 63]!;
    text += i + 1 < bytes.length ? ALPHABET[(group >> 6) & 63]! : "=";
    text += i + 2 < bytes.length ? ALPHABET[group & 63]! : "=";
  }
  return text;
}

/**
 * Standard base64 in its canonical form only: padded, no white space, unused bits zero (RFC 4648 §3.5). A lenient
 * decoder gives one value many spellings, which is how altered signature files pass.
 */
export function tryDecodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let out = 0;
  for (let i = 0; i < text.length; i += 4) {
    const last = i + 4 === text.length ? 4 - padding : 4;
    let group = 0;
    for (let j = 0; j < 4; j++) {
      const sextet = j < last ? SEXTETS.get(text[i + j]!) : 0;
      if (sextet === undefined) return undefined;
      group = (group << 6) | sextet;
    }
    if (last < 4 && (group & (last === 2 ? 0xffff : 0xff)) !== 0) return undefined;
    for (let shift = 16; shift >= 0 && out < bytes.length; shift -= 8) bytes[out++] = (group >> shift) & 255;
  }
  return bytes;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/**
 * A part of `bytes` in memory of its own, for whoever keeps it: `slice` of a Node `Buffer` is a view, and one kept hash
 * would keep the whole pool that the buffer was cut from.
 */
export function copyBytes(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return new Uint8Array(bytes.subarray(from, to));
}

/** Not constant-time: for public values only. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, i) => byte === right[i]);
}

export function startsWithBytes(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && prefix.every((byte, i) => byte === bytes[i]);
}
