import { ArchiveError } from "./archive-error.ts";
import { encodePath } from "./path-rules.ts";

/** Tar's unit: headers are one block, contents are padded to whole ones. */
export const BLOCK = 512;
/** Largest size that eleven octal digits hold, and so the largest file of a package. */
export const MAX_MEMBER_BYTES: number = 8 ** 11 - 1;

const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
const PAX_HEADER_NAME = "PaxHeader";
const PAX_MEMBER_NAME = "PaxPath";

/** A field of a POSIX.1-1988 `ustar` header. */
export type FieldName =
  | "name"
  | "mode"
  | "uid"
  | "gid"
  | "size"
  | "mtime"
  | "checksum"
  | "type"
  | "linkname"
  | "magic"
  | "uname"
  | "gname"
  | "devmajor"
  | "devminor"
  | "prefix"
  | "rest";

/** Offsets and lengths of POSIX.1-1988 `ustar` fields. */
export const FIELD: Readonly<Record<FieldName, readonly [offset: number, length: number]>> = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkname: [157, 100],
  magic: [257, 8],
  uname: [265, 32],
  gname: [297, 32],
  devmajor: [329, 8],
  devminor: [337, 8],
  prefix: [345, 155],
  rest: [500, 12],
};

/** The bytes of one field. */
export function field(block: Uint8Array, name: FieldName): Uint8Array {
  const [offset, length] = FIELD[name];
  return block.subarray(offset, offset + length);
}

/** What a canonical header says. */
export interface MemberHeader {
  readonly path: string;
  readonly size: number;
  readonly executable: boolean;
}

/** Zero bytes that follow a content of `size` bytes. */
export function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** The two zero blocks at the end. */
export function endOfArchive(): Uint8Array {
  return new Uint8Array(2 * BLOCK);
}

/**
 * The one encoding of a member's header: one block, or three where the path needs a pax record. Contents and padding
 * follow it (`docs/spec/archive.md` §members).
 * @throws {ArchiveError} `ARCHIVE_ENTRY_TOO_LARGE` beyond {@link MAX_MEMBER_BYTES}
 */
export function encodeMemberHeader(member: MemberHeader): Uint8Array {
  if (!Number.isSafeInteger(member.size) || member.size < 0 || member.size > MAX_MEMBER_BYTES) {
    throw new ArchiveError({
      code: "ARCHIVE_ENTRY_TOO_LARGE",
      message: `Cannot pack "${member.path}": its size is ${member.size} bytes, the format's limit is ${MAX_MEMBER_BYTES}`,
      path: member.path,
      size: member.size,
      limit: MAX_MEMBER_BYTES,
    });
  }
  const path = encodePath(member.path);
  const place = placePath(member.path, path);
  if (place !== undefined) {
    const block = new Uint8Array(BLOCK);
    fillHeader(block, path.subarray(place.nameStart), path.subarray(0, place.prefixEnd), member, "0");
    return block;
  }
  return encodePaxMember(member, path);
}

/** Bytes that a member takes in the archive: headers, content and padding. */
export function memberBytes(member: MemberHeader): number {
  const path = encodePath(member.path);
  const headers = placePath(member.path, path) === undefined ? 2 * BLOCK + padded(paxPathRecord(path).length) : BLOCK;
  return headers + padded(member.size);
}

function padded(size: number): number {
  return size + paddingOf(size);
}

/**
 * Where ustar holds the path: whole in `name`, else split at the first slash that leaves at most 100 bytes after it.
 * `undefined` where no split fits or the path is not ASCII, which ustar's fields are.
 */
function placePath(path: string, bytes: Uint8Array): { prefixEnd: number; nameStart: number } | undefined {
  if (bytes.length !== path.length) return undefined;
  if (bytes.length <= NAME_BYTES) return { prefixEnd: 0, nameStart: 0 };
  const slash = path.indexOf("/", bytes.length - NAME_BYTES - 1);
  if (slash <= 0 || slash > PREFIX_BYTES) return undefined;
  return { prefixEnd: slash, nameStart: slash + 1 };
}

function encodePaxMember(member: MemberHeader, path: Uint8Array): Uint8Array {
  const record = paxPathRecord(path);
  const out = new Uint8Array(BLOCK + padded(record.length) + BLOCK);
  const none = new Uint8Array(0);
  fillHeader(
    out.subarray(0, BLOCK),
    encodePath(PAX_HEADER_NAME),
    none,
    { size: record.length, executable: false },
    "x",
  );
  out.set(record, BLOCK);
  fillHeader(out.subarray(out.length - BLOCK), encodePath(PAX_MEMBER_NAME), none, member, "0");
  return out;
}

/** `<length> path=<path>\n`, where the length counts itself (POSIX.1-2001 §pax extended header). */
function paxPathRecord(path: Uint8Array): Uint8Array {
  const body = 1 + "path=".length + path.length + 1;
  let length = body + String(body).length;
  if (String(length).length !== String(body).length) length = body + String(length).length;
  const record = new Uint8Array(length);
  record.set(encodePath(`${length} path=`));
  record.set(path, length - path.length - 1);
  record[length - 1] = 0x0a;
  return record;
}

function fillHeader(
  block: Uint8Array,
  name: Uint8Array,
  prefix: Uint8Array,
  member: { readonly size: number; readonly executable: boolean },
  type: "0" | "x",
): void {
  block.set(name, FIELD.name[0]);
  writeText(block, "mode", member.executable ? "0000755" : "0000644");
  writeText(block, "uid", "0000000");
  writeText(block, "gid", "0000000");
  writeText(block, "size", member.size.toString(8).padStart(11, "0"));
  writeText(block, "mtime", "00000000000");
  writeText(block, "type", type);
  writeText(block, "magic", "ustar\u000000");
  writeText(block, "devmajor", "0000000");
  writeText(block, "devminor", "0000000");
  block.set(prefix, FIELD.prefix[0]);
  writeText(block, "checksum", `${headerChecksum(block).toString(8).padStart(6, "0")}\u0000 `);
}

function writeText(block: Uint8Array, name: FieldName, text: string): void {
  const offset = FIELD[name][0];
  for (let i = 0; i < text.length; i += 1) block[offset + i] = text.charCodeAt(i);
}

/** Sum of a header's bytes with its checksum field taken as spaces. */
export function headerChecksum(block: Uint8Array): number {
  const [start, length] = FIELD.checksum;
  let sum = length * 0x20;
  for (let i = 0; i < start; i += 1) sum += block[i]!;
  for (let i = start + length; i < BLOCK; i += 1) sum += block[i]!;
  return sum;
}

/** Whether all bytes are zero. */
export function isZero(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte !== 0) return false;
  return true;
}

/** A field up to its first NUL. */
export function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}
