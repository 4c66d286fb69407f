import {
  decodeCanonicalJson,
  encodeCanonicalJson,
  isLadingError,
  parsePackageRecord,
  type PackageRecord,
} from "@lading/core-manifest";
import { ArchiveError } from "./archive-error.ts";

/** Path of the first member of every package. */
export const RECORD_PATH = ".lading/package.json";

/** The format version that this release writes, and the newest one that it reads. */
export const FORMAT_VERSION = 1;

/** The bytes of `.lading/package.json`: canonical JSON, no line break at the end. */
export function encodeRecord(record: PackageRecord): Uint8Array {
  return new TextEncoder().encode(encodeCanonicalJson(record));
}

/**
 * Reads `.lading/package.json`.
 * @throws {ArchiveError} `ARCHIVE_RECORD_VERSION` for a newer format, `ARCHIVE_RECORD_INVALID` for anything else that
 * is not a record in canonical JSON
 */
export function decodeRecord(bytes: Uint8Array): PackageRecord {
  const value = asRecordError(() =>
    decodeCanonicalJson(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)),
  );
  const format = typeof value === "object" && value !== null ? (value as { format?: unknown }).format : undefined;
  if (typeof format === "number" && format > FORMAT_VERSION) {
    throw new ArchiveError({
      code: "ARCHIVE_RECORD_VERSION",
      message: `Cannot read the package: its format is ${format}, this release reads up to ${FORMAT_VERSION}`,
      hint: "Upgrade the tool",
      format,
    });
  }
  return asRecordError(() => parsePackageRecord(value));
}

function asRecordError<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!isLadingError(cause) && !(cause instanceof TypeError)) throw cause;
    throw new ArchiveError({
      code: "ARCHIVE_RECORD_INVALID",
      message: `Cannot read "${RECORD_PATH}": ${isLadingError(cause) ? cause.message : "it is not valid UTF-8"}`,
      cause,
    });
  }
}
