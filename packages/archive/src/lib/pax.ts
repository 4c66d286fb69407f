import { ArchiveError, quote } from "./archive-error.ts";
import { decodePath } from "./path-rules.ts";

/** Bytes that one pax header may have; real ones have a few hundred. */
export const PAX_MAX_BYTES: number = 64 * 1024;

const latin1 = new TextDecoder("latin1");

/**
 * Splits a pax header into its records (POSIX.1-2001 §pax extended header): `LENGTH KEY=VALUE\n`, each length exact,
 * each key once, nothing between and nothing behind them.
 * @throws {ArchiveError} `ARCHIVE_PAX_INVALID`
 */
export function readPaxRecords(bytes: Uint8Array): Map<string, Uint8Array> {
  const records = new Map<string, Uint8Array>();
  let at = 0;
  while (at < bytes.length) {
    const end = at + recordLength(bytes, at);
    const space = bytes.indexOf(0x20, at);
    const equals = bytes.indexOf(0x3d, space);
    if (end > bytes.length || bytes[end - 1] !== 0x0a || equals < 0 || equals >= end || equals === space + 1) {
      throw paxInvalid(`its record at byte ${at} is not "LENGTH KEY=VALUE"`);
    }
    const key = latin1.decode(bytes.subarray(space + 1, equals));
    if (!/^[\u0021-\u007e]+$/.test(key)) throw paxInvalid(`it has the key ${quote(key)}`);
    if (records.has(key)) throw paxInvalid(`it sets ${quote(key)} twice`);
    records.set(key, bytes.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

function recordLength(bytes: Uint8Array, at: number): number {
  const digits = /^[1-9][0-9]{0,6}(?= )/.exec(latin1.decode(bytes.subarray(at, at + 9)));
  if (digits === null) throw paxInvalid(`its record at byte ${at} has no length`);
  return Number(digits[0]);
}

/** What is known of a member besides its own header. */
export interface PaxOverrides {
  readonly path?: string;
}

/** Keys that say nothing about which bytes go where: times, owners, remarks and bookkeeping of other tools. */
const IGNORABLE =
  /^(?:atime|mtime|ctime|uid|gid|uname|gname|comment|charset|SCHILY\.(?:dev|ino|nlink|fflags|xattr\..*|acl\..*)|LIBARCHIVE\.(?:creationtime|xattr\..*)|NODETAR\..*)$/;

/**
 * Takes from a pax header what a member may have from it: the path. Strictly, nothing else may be there; tolerantly,
 * keys without influence on paths and contents are passed over and a size may repeat that of the header.
 * @throws {ArchiveError} `ARCHIVE_PAX_KEY_REFUSED`, `ARCHIVE_SPARSE_REFUSED`, `ARCHIVE_PAX_INVALID`, `ARCHIVE_PATH_ENCODING`
 */
export function readOverrides(records: ReadonlyMap<string, Uint8Array>, size: number, strict: boolean): PaxOverrides {
  let path: string | undefined;
  for (const [key, value] of records) {
    if (key === "path") {
      if (value.includes(0)) throw paxInvalid("its path has a NUL");
      path = decodePath(value);
    } else if (key.startsWith("GNU.sparse.")) {
      throw new ArchiveError({
        code: "ARCHIVE_SPARSE_REFUSED",
        message: "Cannot accept a pax header: it describes a sparse file",
      });
    } else if (strict || !(IGNORABLE.test(key) || (key === "size" && latin1.decode(value) === String(size)))) {
      throw new ArchiveError({
        code: "ARCHIVE_PAX_KEY_REFUSED",
        message: `Cannot accept a pax header: it sets ${quote(key)}, only "path" is allowed`,
        key,
      });
    }
  }
  return path === undefined ? {} : { path };
}

/** An `ARCHIVE_PAX_INVALID` error. */
export function paxInvalid(why: string): ArchiveError {
  return new ArchiveError({ code: "ARCHIVE_PAX_INVALID", message: `Cannot read a pax header: ${why}` });
}
