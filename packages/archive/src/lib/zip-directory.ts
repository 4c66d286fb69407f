import { ArchiveError, quote, type ArchiveErrorCode } from "./archive-error.ts";
import type { ArchiveLimits } from "./limits.ts";
import { checkPath, decodePath, PathSet } from "./path-rules.ts";

/** Reads `length` bytes of the zip at `offset`; fewer where it ends there. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>;

/** One file or directory of a zip, after all checks. */
export interface ZipEntry {
  readonly path: string;
  readonly directory: boolean;
  readonly executable: boolean;
  /** 0 stored, 8 deflate. */
  readonly method: 0 | 8;
  readonly crc: number;
  readonly storedBytes: number;
  readonly size: number;
  /** Where its stored bytes begin. */
  readonly dataOffset: number;
}

const EOCD = 0x06054b50;
const EOCD_BYTES = 22;
const CENTRAL = 0x02014b50;
const CENTRAL_BYTES = 46;
const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
/** Where the common fields begin. */
const CENTRAL_FIELDS = 8;
const LOCAL_FIELDS = 6;
const DESCRIPTOR = 0x08074b50;
const ZIP64_LOCATOR = 0x07064b50;
const MAX_COMMENT_BYTES = 0xffff;
const MAX_DIRECTORY_BYTES = 64 * 2 ** 20;
/** Deflate options, data descriptor, UTF-8 names; every other flag changes how bytes are to be read. */
const ALLOWED_FLAGS = 0x080e;
const ENCRYPTION_FLAGS = 0x2041;
const DESCRIPTOR_FLAG = 0x0008;
const UTF8_FLAG = 0x0800;
const UNICODE_PATH_EXTRA = 0x7075;
const ZIP64_EXTRA = 0x0001;

interface End {
  readonly offset: number;
  readonly entries: number;
  readonly directoryOffset: number;
  readonly directoryBytes: number;
}

/** What a local header and an entry of the directory both say, in the same order and width. */
interface Fields {
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly storedBytes: number;
  readonly size: number;
  readonly nameLength: number;
  readonly extraLength: number;
}

interface Central extends Fields {
  readonly nameBytes: Uint8Array;
  readonly path: string;
  readonly mode: number;
  readonly dosAttributes: number;
  readonly localOffset: number;
}

/**
 * Reads a zip's directory and holds every local header against it. One end record, at the very end; the directory right
 * before it; the entries side by side from the first byte on, without overlap or gap: so there is one reading of the
 * file, whether a reader starts at its front or its back (APPNOTE 6.3.10 §4.3; CVE-2019-13232, CVE-2025-54368).
 * ZIP64 is not read. Entries come in the order of their bytes.
 * @throws {ArchiveError} the `ARCHIVE_ZIP_` codes, paths, links and limits
 */
export async function readZipDirectory(read: ReadAt, fileBytes: number, limits: ArchiveLimits): Promise<ZipEntry[]> {
  const end = await findEnd(read, fileBytes);
  if (end.entries > limits.entries) {
    throw new ArchiveError({
      code: "ARCHIVE_TOO_MANY_ENTRIES",
      message: `Cannot accept the zip: it has ${end.entries} entries, the limit is ${limits.entries}`,
      limit: limits.entries,
    });
  }
  const central = readCentral(await readExactly(read, end.directoryOffset, end.directoryBytes), end.entries);
  checkPaths(central, limits);
  return readLocals(read, central, end.directoryOffset);
}

async function findEnd(read: ReadAt, fileBytes: number): Promise<End> {
  const tailBytes = Math.min(fileBytes, EOCD_BYTES + MAX_COMMENT_BYTES);
  const tail = await readExactly(read, fileBytes - tailBytes, tailBytes);
  const view = viewOf(tail);
  const ends: number[] = [];
  let signatures = 0;
  for (let at = tail.length - EOCD_BYTES; at >= 0; at -= 1) {
    if (view.getUint32(at, true) !== EOCD) continue;
    signatures += 1;
    if (at + EOCD_BYTES + view.getUint16(at + 20, true) === tail.length) ends.push(at);
  }
  if (ends.length > 1) refuse("ARCHIVE_ZIP_AMBIGUOUS", "it has more than one end record");
  const at = ends[0];
  if (at === undefined) {
    if (signatures > 0) refuse("ARCHIVE_TRAILING_DATA", "bytes follow its end record");
    refuse("ARCHIVE_TRUNCATED", "it has no end record");
  }
  return readEnd(view, at, fileBytes - tailBytes);
}

function readEnd(view: DataView, at: number, tailOffset: number): End {
  checkComment(view, at + EOCD_BYTES);
  if (at >= 20 && view.getUint32(at - 20, true) === ZIP64_LOCATOR) refuse("ARCHIVE_ZIP_INVALID", "it is in ZIP64 form");
  const [disk, directoryDisk, here, entries] = [4, 6, 8, 10].map((by) => view.getUint16(at + by, true)) as [
    number,
    number,
    number,
    number,
  ];
  if (disk !== 0 || directoryDisk !== 0 || here !== entries)
    refuse("ARCHIVE_ZIP_INVALID", "it is a part of several disks");
  const end = {
    offset: tailOffset + at,
    entries,
    directoryBytes: view.getUint32(at + 12, true),
    directoryOffset: view.getUint32(at + 16, true),
  };
  if (end.directoryOffset + end.directoryBytes !== end.offset) {
    refuse("ARCHIVE_ZIP_OVERLAP", "its directory does not end where the end record begins");
  }
  if (end.directoryBytes > MAX_DIRECTORY_BYTES)
    refuse("ARCHIVE_PATHS_TOO_LARGE", `its directory has ${end.directoryBytes} bytes`);
  return end;
}

/** A comment may hold a second zip, which a reader from the back would take for the archive. */
function checkComment(view: DataView, from: number): void {
  for (let at = from; at + 4 <= view.byteLength; at += 1) {
    const word = view.getUint32(at, true);
    if (word === EOCD || word === CENTRAL || word === LOCAL)
      refuse("ARCHIVE_ZIP_AMBIGUOUS", "its comment holds zip records");
  }
}

function readCentral(bytes: Uint8Array, entries: number): Central[] {
  const view = viewOf(bytes);
  const found: Central[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + CENTRAL_BYTES > bytes.length || view.getUint32(at, true) !== CENTRAL) {
      refuse("ARCHIVE_ZIP_INVALID", `its directory has no entry at byte ${at}`);
    }
    const fields = readFields(view, at + CENTRAL_FIELDS);
    const commentLength = view.getUint16(at + 32, true);
    const end = at + CENTRAL_BYTES + fields.nameLength + fields.extraLength + commentLength;
    if (end > bytes.length) refuse("ARCHIVE_ZIP_INVALID", `the entry at byte ${at} of its directory is cut off`);
    found.push(readCentralEntry(bytes.subarray(at, end), fields));
    at = end;
  }
  if (found.length !== entries) {
    refuse("ARCHIVE_ZIP_INVALID", `its end record promises ${entries} entries, its directory has ${found.length}`);
  }
  return found;
}

function readFields(view: DataView, at: number): Fields {
  return {
    flags: view.getUint16(at, true),
    method: view.getUint16(at + 2, true),
    crc: view.getUint32(at + 8, true),
    storedBytes: view.getUint32(at + 12, true),
    size: view.getUint32(at + 16, true),
    nameLength: view.getUint16(at + 20, true),
    extraLength: view.getUint16(at + 22, true),
  };
}

function readCentralEntry(bytes: Uint8Array, fields: Fields): Central {
  const view = viewOf(bytes);
  const nameEnd = CENTRAL_BYTES + fields.nameLength;
  const nameBytes = bytes.subarray(CENTRAL_BYTES, nameEnd);
  const path = entryName(nameBytes, fields.flags);
  checkExtra(bytes.subarray(nameEnd, nameEnd + fields.extraLength), path);
  const external = view.getUint32(38, true);
  const entry: Central = {
    ...fields,
    nameBytes,
    path,
    mode: external >>> 16,
    dosAttributes: external & 0xff,
    localOffset: view.getUint32(42, true),
  };
  if (view.getUint16(34, true) !== 0) refuse("ARCHIVE_ZIP_INVALID", `${quote(path)} is on another disk`);
  checkEntry(entry);
  return entry;
}

/** Without the UTF-8 flag a name is in some code page: only ASCII is the same in all. */
function entryName(bytes: Uint8Array, flags: number): string {
  if ((flags & UTF8_FLAG) === 0 && bytes.some((byte) => byte > 0x7f)) {
    throw new ArchiveError({
      code: "ARCHIVE_PATH_ENCODING",
      message: "Cannot accept the zip: a name has other characters than ASCII without the UTF-8 flag",
    });
  }
  return decodePath(bytes);
}

function checkExtra(bytes: Uint8Array, path: string): void {
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length;) {
    if (at + 4 > bytes.length) refuse("ARCHIVE_ZIP_INVALID", `${quote(path)} has a broken extra field`);
    const id = view.getUint16(at, true);
    const end = at + 4 + view.getUint16(at + 2, true);
    if (end > bytes.length) refuse("ARCHIVE_ZIP_INVALID", `${quote(path)} has a broken extra field`);
    if (id === ZIP64_EXTRA) refuse("ARCHIVE_ZIP_INVALID", `${quote(path)} is in ZIP64 form`);
    if (id === UNICODE_PATH_EXTRA)
      refuse("ARCHIVE_ZIP_AMBIGUOUS", `${quote(path)} has a second name in an extra field`);
    at = end;
  }
}

function checkEntry(entry: Central): void {
  const name = quote(entry.path);
  if ((entry.flags & ENCRYPTION_FLAGS) !== 0) refuse("ARCHIVE_ZIP_ENCRYPTED", `${name} is encrypted`);
  if ((entry.flags & ~ALLOWED_FLAGS) !== 0)
    refuse("ARCHIVE_ZIP_INVALID", `${name} has the flags 0x${entry.flags.toString(16)}`);
  if (entry.method !== 0 && entry.method !== 8) {
    refuse("ARCHIVE_ZIP_METHOD", `${name} has the method ${entry.method}, allowed are 0 (stored) and 8 (deflate)`);
  }
  if (entry.method === 0 && entry.storedBytes !== entry.size) {
    refuse("ARCHIVE_ZIP_MISMATCH", `${name} is stored with ${entry.storedBytes} bytes and claims ${entry.size}`);
  }
  checkKind(entry, name);
}

const KINDS: ReadonlyMap<number, readonly [ArchiveErrorCode, string]> = new Map([
  [0o120000, ["ARCHIVE_SYMLINK_REFUSED", "a symbolic link"]],
  [0o020000, ["ARCHIVE_DEVICE_REFUSED", "a character device"]],
  [0o060000, ["ARCHIVE_DEVICE_REFUSED", "a block device"]],
  [0o010000, ["ARCHIVE_FIFO_REFUSED", "a pipe"]],
  [0o140000, ["ARCHIVE_FIFO_REFUSED", "a socket"]],
]);

/** Readers look at the Unix mode whatever system the entry claims to be from, so all of it must agree. */
function checkKind(entry: Central, name: string): void {
  const kind = entry.mode & 0o170000;
  const special = KINDS.get(kind);
  if (special !== undefined) refuse(special[0], `${name} is ${special[1]}, only files are allowed`);
  if (kind !== 0 && kind !== 0o100000 && kind !== 0o040000)
    refuse("ARCHIVE_TYPE_UNKNOWN", `${name} is of the type 0${kind.toString(8)}`);
  if ((entry.mode & 0o7000) !== 0) {
    refuse("ARCHIVE_MODE_REFUSED", `${name} has the mode 0${entry.mode.toString(8)}, the highest allowed is 0777`);
  }
  const directory = entry.path.endsWith("/");
  const dosDirectory = (entry.dosAttributes & 0x10) !== 0;
  if ((kind === 0o040000 && !directory) || (kind === 0o100000 && directory) || (dosDirectory && !directory)) {
    refuse("ARCHIVE_ZIP_MISMATCH", `${name} is a directory by its name or by its attributes, not by both`);
  }
  if ((entry.dosAttributes & 0x08) !== 0) refuse("ARCHIVE_TYPE_UNKNOWN", `${name} is a volume label`);
  if (directory && entry.size !== 0) refuse("ARCHIVE_ZIP_MISMATCH", `${name} is a directory with ${entry.size} bytes`);
}

function checkPaths(entries: readonly Central[], limits: ArchiveLimits): void {
  const paths = new PathSet(limits);
  let total = 0;
  for (const entry of entries) {
    const path = entry.path.replace(/\/$/, "");
    checkPath(path, limits);
    if (entry.path.endsWith("/")) paths.addDirectory(path);
    else paths.addFile(path);
    total += entry.size;
    if (entry.size > limits.fileBytes) {
      refuse("ARCHIVE_ENTRY_TOO_LARGE", `${quote(path)} has ${entry.size} bytes, the limit is ${limits.fileBytes}`);
    }
    if (total > limits.totalBytes)
      refuse("ARCHIVE_TOO_LARGE", `it has more than ${limits.totalBytes} bytes once decompressed`);
  }
}

async function readLocals(read: ReadAt, central: readonly Central[], directoryOffset: number): Promise<ZipEntry[]> {
  const sorted = [...central].sort((a, b) => a.localOffset - b.localOffset);
  checkOverlap(sorted, directoryOffset);
  const entries: ZipEntry[] = [];
  let at = 0;
  for (const [i, entry] of sorted.entries()) {
    if (entry.localOffset !== at) {
      refuse("ARCHIVE_ZIP_OVERLAP", `${quote(entry.path)} begins at byte ${entry.localOffset}, expected ${at}`);
    }
    const next = sorted[i + 1]?.localOffset ?? directoryOffset;
    entries.push(await readLocal(read, entry, next));
    at = next;
  }
  if (at !== directoryOffset)
    refuse("ARCHIVE_ZIP_OVERLAP", `its directory begins at byte ${directoryOffset}, expected ${at}`);
  return entries;
}

/** Before any local header is read: what is shared by many entries may be read, and inflated, many times. */
function checkOverlap(sorted: readonly Central[], directoryOffset: number): void {
  for (const [i, entry] of sorted.entries()) {
    const least = entry.localOffset + LOCAL_BYTES + entry.nameBytes.length + entry.storedBytes;
    if (least > (sorted[i + 1]?.localOffset ?? directoryOffset)) {
      refuse("ARCHIVE_ZIP_OVERLAP", `${quote(entry.path)} reaches into the next record`);
    }
  }
}

async function readLocal(read: ReadAt, entry: Central, next: number): Promise<ZipEntry> {
  const name = quote(entry.path);
  const header = await readExactly(read, entry.localOffset, LOCAL_BYTES);
  const view = viewOf(header);
  if (view.getUint32(0, true) !== LOCAL) refuse("ARCHIVE_ZIP_INVALID", `${name} has no local header`);
  const local = readFields(view, LOCAL_FIELDS);
  const { nameLength, extraLength } = local;
  const rest = await readExactly(read, entry.localOffset + LOCAL_BYTES, nameLength + extraLength);
  if (!equalBytes(rest.subarray(0, nameLength), entry.nameBytes)) {
    refuse("ARCHIVE_ZIP_MISMATCH", `${name} has another name in its local header`);
  }
  checkExtra(rest.subarray(nameLength), entry.path);
  checkLocalFields(local, entry, name);
  const dataOffset = entry.localOffset + LOCAL_BYTES + rest.length;
  await checkTail(read, entry, dataOffset + entry.storedBytes, next);
  const directory = entry.path.endsWith("/");
  return {
    path: directory ? entry.path.slice(0, -1) : entry.path,
    directory,
    executable: !directory && (entry.mode & 0o111) !== 0,
    method: entry.method as 0 | 8,
    crc: entry.crc,
    storedBytes: entry.storedBytes,
    size: entry.size,
    dataOffset,
  };
}

function checkLocalFields(local: Fields, entry: Central, name: string): void {
  const described = (entry.flags & DESCRIPTOR_FLAG) !== 0;
  const zero = local.crc === 0 && local.storedBytes === 0 && local.size === 0;
  if (
    local.flags !== entry.flags ||
    local.method !== entry.method ||
    !(sameContent(local, entry) || (described && zero))
  ) {
    refuse("ARCHIVE_ZIP_MISMATCH", `${name} has other flags, method, sizes or CRC in its local header`);
  }
}

function sameContent(
  a: Pick<Fields, "crc" | "storedBytes" | "size">,
  b: Pick<Fields, "crc" | "storedBytes" | "size">,
): boolean {
  return a.crc === b.crc && a.storedBytes === b.storedBytes && a.size === b.size;
}

/** Between an entry's bytes and what comes next there is its data descriptor or nothing. */
async function checkTail(read: ReadAt, entry: Central, dataEnd: number, next: number): Promise<void> {
  const name = quote(entry.path);
  const length = next - dataEnd;
  if ((entry.flags & DESCRIPTOR_FLAG) === 0) {
    if (length !== 0)
      refuse("ARCHIVE_ZIP_OVERLAP", `${name} ends at byte ${dataEnd}, the next record begins at ${next}`);
    return;
  }
  if (length !== 12 && length !== 16)
    refuse("ARCHIVE_ZIP_OVERLAP", `${name} has ${length} bytes in place of its data descriptor`);
  const view = viewOf(await readExactly(read, dataEnd, length));
  const at = length - 12;
  const signed = length === 12 || view.getUint32(0, true) === DESCRIPTOR;
  const [crc, storedBytes, size] = [0, 4, 8].map((by) => view.getUint32(at + by, true)) as [number, number, number];
  if (!signed || !sameContent({ crc, storedBytes, size }, entry))
    refuse("ARCHIVE_ZIP_MISMATCH", `${name} has other sizes or CRC in its data descriptor`);
}

async function readExactly(read: ReadAt, offset: number, length: number): Promise<Uint8Array> {
  const bytes = length === 0 ? new Uint8Array(0) : await read(offset, length);
  if (bytes.length !== length) refuse("ARCHIVE_TRUNCATED", `it ends before byte ${offset + length}`);
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function refuse(code: ArchiveErrorCode, why: string): never {
  throw new ArchiveError({ code, message: `Cannot accept the zip: ${why}` });
}
