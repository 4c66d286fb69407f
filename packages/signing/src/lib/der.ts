import { concatBytes } from "./bytes.ts";

/** ASN.1 tags that key files use. */
export const TAG = { integer: 0x02, octets: 0x04, null: 0x05, oid: 0x06, sequence: 0x30 } as const;

/** One tag, length, value. */
export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
}

interface Header {
  readonly length: number;
  readonly size: number;
}

// DER only: definite and shortest lengths, so that one key has one encoding. Two length bytes are plenty for keys.
function readLength(bytes: Uint8Array, at: number): Header | undefined {
  const first = bytes[at];
  if (first === undefined || first === 0x80 || first > 0x82) return undefined;
  if (first < 0x80) return { length: first, size: 1 };
  const count = first - 0x80;
  let length = 0;
  for (let i = 1; i <= count; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    length = length * 256 + byte;
  }
  return length < (count === 1 ? 0x80 : 0x100) ? undefined : { length, size: 1 + count };
}

/** The values that fill `bytes` exactly; `undefined` where they do not. */
export function readDerValues(bytes: Uint8Array): DerValue[] | undefined {
  const values: DerValue[] = [];
  let at = 0;
  while (at < bytes.length) {
    const header = readLength(bytes, at + 1);
    if (header === undefined) return undefined;
    const start = at + 1 + header.size;
    const end = start + header.length;
    if (end > bytes.length) return undefined;
    values.push({ tag: bytes[at]!, content: bytes.subarray(start, end) });
    at = end;
  }
  return values;
}

/** The members of the one SEQUENCE that `bytes` are; `undefined` where they are something else. */
export function readDerSequence(bytes: Uint8Array): DerValue[] | undefined {
  const [only, ...rest] = readDerValues(bytes) ?? [];
  return only?.tag === TAG.sequence && rest.length === 0 ? readDerValues(only.content) : undefined;
}

/** A non-negative INTEGER of at most 48 bits. */
export function derInteger(value: DerValue | undefined): number | undefined {
  if (value?.tag !== TAG.integer || value.content.length === 0 || value.content.length > 6) return undefined;
  if (value.content[0]! >= 0x80) return undefined;
  return value.content.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** Encodes one value; `content` may have at most 65,535 bytes. */
export function encodeDer(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const body = concatBytes(...content);
  const { length } = body;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return concatBytes(Uint8Array.of(tag, ...size), body);
}

export function encodeDerInteger(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  if (bytes.length === 0 || bytes[0]! >= 0x80) bytes.unshift(0);
  return encodeDer(TAG.integer, Uint8Array.from(bytes));
}
