import { ArchiveError, quote, type ArchiveErrorCode } from "./archive-error.ts";
import { field, FIELD, headerChecksum, untilNul, type FieldName } from "./tar-header.ts";

const latin1 = new TextDecoder("latin1");

/** A field as printable text for messages; bytes above ASCII show as Latin-1. */
export function fieldText(block: Uint8Array, name: FieldName): string {
  return latin1.decode(untilNul(field(block, name)));
}

/**
 * Reads an octal field: optional spaces, digits, then NUL or space to the end.
 * @throws {ArchiveError} `ARCHIVE_NUMBER_BASE256` for GNU's binary form, `ARCHIVE_HEADER_INVALID` for anything else
 */
export function octal(block: Uint8Array, name: FieldName): number {
  const bytes = field(block, name);
  if (bytes[0]! >= 0x80) {
    throw new ArchiveError({
      code: "ARCHIVE_NUMBER_BASE256",
      message: `Cannot read a tar header: its ${name} is a base-256 number, only octal digits are allowed`,
    });
  }
  const text = latin1.decode(bytes);
  const match = /^ *([0-7]+)(?:[ \0][ \0]*)?$/.exec(text);
  if (match === null) {
    throw new ArchiveError({
      code: "ARCHIVE_HEADER_INVALID",
      message: `Cannot read a tar header: its ${name} is ${quote(text)}, expected octal digits`,
    });
  }
  return Number.parseInt(match[1]!, 8);
}

/**
 * Holds a header against its checksum, the plain unsigned sum.
 * @throws {ArchiveError} `ARCHIVE_HEADER_CHECKSUM`, and those of {@link octal}
 */
export function checkHeaderSum(block: Uint8Array): void {
  const found = octal(block, "checksum");
  const expected = headerChecksum(block);
  if (found !== expected) {
    throw new ArchiveError({
      code: "ARCHIVE_HEADER_CHECKSUM",
      message: `Cannot read a tar header: its checksum is ${found}, its bytes add up to ${expected}`,
    });
  }
}

/** `ustar` as POSIX has it, GNU's incompatible cousin, the header without magic of 1979, or none of them. */
export function headerKind(block: Uint8Array): "posix" | "gnu" | "v7" | "unknown" {
  const magic = latin1.decode(field(block, "magic"));
  if (magic === "ustar\u000000") return "posix";
  if (magic === "ustar  \0") return "gnu";
  return magic === "\0\0\0\0\0\0\0\0" ? "v7" : "unknown";
}

const REFUSED_TYPES: Readonly<Record<string, readonly [code: ArchiveErrorCode, name: string]>> = {
  "1": ["ARCHIVE_HARDLINK_REFUSED", "a hard link"],
  "2": ["ARCHIVE_SYMLINK_REFUSED", "a symbolic link"],
  "3": ["ARCHIVE_DEVICE_REFUSED", "a character device"],
  "4": ["ARCHIVE_DEVICE_REFUSED", "a block device"],
  "6": ["ARCHIVE_FIFO_REFUSED", "a pipe"],
  "7": ["ARCHIVE_CONTIGUOUS_REFUSED", "a contiguous file"],
  S: ["ARCHIVE_SPARSE_REFUSED", "a sparse file"],
  g: ["ARCHIVE_PAX_GLOBAL_REFUSED", "a global pax header"],
  X: ["ARCHIVE_PAX_INVALID", "a Solaris pax header"],
  A: ["ARCHIVE_GNU_EXTENSION_REFUSED", "a Solaris access list"],
  D: ["ARCHIVE_GNU_EXTENSION_REFUSED", "a GNU directory dump"],
  K: ["ARCHIVE_GNU_EXTENSION_REFUSED", "a GNU long link name"],
  L: ["ARCHIVE_GNU_EXTENSION_REFUSED", "a GNU long name"],
  M: ["ARCHIVE_GNU_EXTENSION_REFUSED", "a GNU continued file"],
  N: ["ARCHIVE_GNU_EXTENSION_REFUSED", "a GNU name list"],
  V: ["ARCHIVE_GNU_EXTENSION_REFUSED", "a GNU volume label"],
};

/** The type flag as one character. */
export function typeFlag(block: Uint8Array): string {
  return String.fromCharCode(block[FIELD.type[0]]!);
}

/**
 * Refuses a member of a type that is neither file, directory nor pax header, each kind with its own code.
 * @throws {ArchiveError}
 */
export function refuseType(type: string, name: string): never {
  const known = REFUSED_TYPES[type];
  throw new ArchiveError({
    code: known?.[0] ?? "ARCHIVE_TYPE_UNKNOWN",
    message: `Cannot accept the member ${quote(name)}: it is ${known?.[1] ?? `of type ${quote(type)}`}, only files are allowed`,
    path: name.slice(0, 1000),
  });
}

/**
 * Reads the mode.
 * @throws {ArchiveError} `ARCHIVE_MODE_REFUSED` above 0777
 */
export function readMode(block: Uint8Array, name: string): number {
  const mode = octal(block, "mode");
  if (mode > 0o777) {
    throw new ArchiveError({
      code: "ARCHIVE_MODE_REFUSED",
      message: `Cannot accept the member ${quote(name)}: its mode is 0${mode.toString(8)}, the highest allowed is 0777`,
      path: name.slice(0, 1000),
      mode,
    });
  }
  return mode;
}
