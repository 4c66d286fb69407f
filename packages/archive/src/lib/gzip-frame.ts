import { ArchiveError } from "./archive-error.ts";

/** Bytes of the header that is allowed: no optional field. */
export const GZIP_HEADER_BYTES = 10;
/** CRC-32 and length behind the compressed bytes. */
export const GZIP_TRAILER_BYTES = 8;

const FLAG_NAMES = ["FTEXT", "FHCRC", "FEXTRA", "FNAME", "FCOMMENT"];

/** How much of RFC 1952's header a reader takes. */
export interface GzipHeaderPolicy {
  /** Whether name, comment, extra field, header checksum and time may be there; they are skipped. */
  readonly optionalFields: boolean;
}

/**
 * Reads a gzip header (RFC 1952 §2.3) and returns its length, or `undefined` where `bytes` ends within it.
 * @throws {ArchiveError} `ARCHIVE_GZIP_HEADER` for a field that the policy does not take, `ARCHIVE_GZIP_INVALID`
 */
export function readGzipHeader(bytes: Uint8Array, policy: GzipHeaderPolicy): number | undefined {
  if (bytes.length < GZIP_HEADER_BYTES) return undefined;
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) throw invalid("its magic is not 1f 8b");
  if (bytes[2] !== 8) throw invalid(`its method is ${bytes[2]}, expected 8 (deflate)`);
  const flags = bytes[3]!;
  if ((flags & 0xe0) !== 0) throw invalid("its header has reserved flags");
  if (!policy.optionalFields) {
    checkCanonical(bytes, flags);
    return GZIP_HEADER_BYTES;
  }
  return skipFields(bytes, flags);
}

function checkCanonical(bytes: Uint8Array, flags: number): void {
  const present = FLAG_NAMES.filter((_, bit) => (flags & (1 << bit)) !== 0);
  if (bytes.subarray(4, 8).some((byte) => byte !== 0)) present.push("MTIME");
  if (present.length > 0) {
    throw new ArchiveError({
      code: "ARCHIVE_GZIP_HEADER",
      message: `Cannot accept the gzip header: it sets ${present.join(", ")}, only an empty one is allowed`,
    });
  }
  const xfl = bytes[8]!;
  if (xfl !== 0 && xfl !== 2 && xfl !== 4) {
    throw new ArchiveError({
      code: "ARCHIVE_GZIP_HEADER",
      message: `Cannot accept the gzip header: XFL is ${xfl}, expected 0, 2 or 4`,
    });
  }
}

function skipFields(bytes: Uint8Array, flags: number): number | undefined {
  let at = GZIP_HEADER_BYTES;
  if ((flags & 0x04) !== 0) {
    if (bytes.length < at + 2) return undefined;
    at += 2 + (bytes[at]! | (bytes[at + 1]! << 8));
  }
  for (const flag of [0x08, 0x10]) {
    if ((flags & flag) === 0) continue;
    const end = bytes.indexOf(0, at);
    if (end < 0 || at > bytes.length) return undefined;
    at = end + 1;
  }
  if ((flags & 0x02) !== 0) at += 2;
  return at <= bytes.length ? at : undefined;
}

/** CRC-32 and length modulo 2^32 of a trailer. */
export function readGzipTrailer(bytes: Uint8Array): { readonly crc: number; readonly size: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, GZIP_TRAILER_BYTES);
  return { crc: view.getUint32(0, true), size: view.getUint32(4, true) };
}

/**
 * Holds what came out against a trailer.
 * @throws {ArchiveError} `ARCHIVE_GZIP_CHECKSUM`
 */
export function checkGzipTrailer(trailer: Uint8Array, found: { readonly crc: number; readonly size: number }): void {
  const expected = readGzipTrailer(trailer);
  if (expected.crc !== found.crc || expected.size !== found.size % 2 ** 32) {
    throw new ArchiveError({
      code: "ARCHIVE_GZIP_CHECKSUM",
      message: `Cannot read the gzip file: its trailer promises ${expected.size} bytes with CRC ${expected.crc.toString(16)}, found ${found.size} with ${found.crc.toString(16)}`,
    });
  }
}

function invalid(why: string): ArchiveError {
  return new ArchiveError({ code: "ARCHIVE_GZIP_INVALID", message: `Cannot read the gzip file: ${why}` });
}
