import { concatBytes, decodeUtf8, encodeBase64, encodeUtf8, tryDecodeBase64 } from "./bytes.ts";
import { tryDecodeCanonical, tryEncodeCanonical } from "./canonical-json.ts";
import { SIGNATURE_BYTES } from "./ed25519.ts";
import { SigningError } from "./signing-error.ts";

/** Largest envelope that is looked at, in bytes. */
export const ENVELOPE_MAX_BYTES = 65_536;
/** Most signatures in one envelope. */
export const ENVELOPE_MAX_SIGNATURES = 16;

/** One signature of an envelope. */
export interface EnvelopeSignature {
  /** Key id of the signer: 64 lower-case hexadecimal digits. */
  readonly keyid: string;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** A DSSE envelope with its base64 undone. */
export interface Envelope {
  /** Printable ASCII. */
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly signatures: readonly EnvelopeSignature[];
}

/**
 * DSSE's pre-authentication encoding: the bytes that are signed (DSSE v1.0.2 `protocol.md`). Lengths count bytes,
 * which is where an implementation that counts characters differs for a type outside ASCII.
 */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = encodeUtf8(payloadType);
  return concatBytes(encodeUtf8(`DSSEv1 ${type.length} `), type, encodeUtf8(` ${payload.length} `), payload);
}

/** The one encoding of an envelope: canonical JSON, members sorted, no white space, standard base64. */
export function encodeDsse(envelope: Envelope): Uint8Array {
  return encodeUtf8(
    tryEncodeCanonical({
      payload: encodeBase64(envelope.payload),
      payloadType: envelope.payloadType,
      signatures: envelope.signatures.map(({ keyid, signature }) => ({ keyid, sig: encodeBase64(signature) })),
    })!,
  );
}

function malformed(problem: string): SigningError {
  return new SigningError({ code: "ENVELOPE_MALFORMED", message: `Cannot read the signature envelope: ${problem}` });
}

function membersOf(value: unknown, names: readonly string[], what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed(`${what} is not an object`);
  const found = Object.keys(value);
  for (const name of names) if (!found.includes(name)) throw malformed(`${what} has no "${name}"`);
  // Members outside the payload are signed by nobody, so none but the known ones may be there.
  const extra = found.find((name) => !names.includes(name));
  if (extra !== undefined) throw malformed(`${what} has an unknown member "${extra.slice(0, 40)}"`);
  return value as Record<string, unknown>;
}

function base64Member(value: unknown, what: string): Uint8Array {
  const bytes = typeof value === "string" ? tryDecodeBase64(value) : undefined;
  if (bytes === undefined) throw malformed(`${what} is not canonical base64`);
  return bytes;
}

function readSignature(value: unknown, index: number): EnvelopeSignature {
  const { keyid, sig } = membersOf(value, ["keyid", "sig"], `signature ${index + 1}`);
  if (typeof keyid !== "string" || !/^[0-9a-f]{64}$/.test(keyid)) {
    throw malformed(`"keyid" of signature ${index + 1} is not 64 lower-case hexadecimal digits`);
  }
  const signature = base64Member(sig, `"sig" of signature ${index + 1}`);
  if (signature.length !== SIGNATURE_BYTES) {
    throw malformed(
      `signature ${index + 1} has ${signature.length} bytes, an Ed25519 signature has ${SIGNATURE_BYTES}`,
    );
  }
  return { keyid, signature };
}

function readSignatures(value: unknown): EnvelopeSignature[] {
  if (!Array.isArray(value)) throw malformed(`"signatures" is not an array`);
  if (value.length === 0 || value.length > ENVELOPE_MAX_SIGNATURES) {
    throw malformed(`it has ${value.length} signatures, allowed are 1 to ${ENVELOPE_MAX_SIGNATURES}`);
  }
  return value.map(readSignature);
}

/**
 * Reads an envelope, byte-exactly: what does not encode to the very same bytes again is refused. So every bit of the
 * file counts, and no two parsers can see two things in it.
 * @throws {SigningError} `ENVELOPE_MALFORMED`
 */
export function decodeDsse(bytes: Uint8Array): Envelope {
  if (bytes.length > ENVELOPE_MAX_BYTES) {
    throw malformed(`it has ${bytes.length} bytes, allowed are ${ENVELOPE_MAX_BYTES}`);
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) throw malformed("it is not UTF-8");
  const value = tryDecodeCanonical(text);
  if (value === undefined) throw malformed("it is not canonical JSON");
  const { payload, payloadType, signatures } = membersOf(
    value,
    ["payload", "payloadType", "signatures"],
    "the envelope",
  );
  if (typeof payloadType !== "string" || !/^[\x20-\x7e]{1,255}$/.test(payloadType)) {
    throw malformed(`"payloadType" is not 1 to 255 characters of printable ASCII`);
  }
  return { payloadType, payload: base64Member(payload, `"payload"`), signatures: readSignatures(signatures) };
}
