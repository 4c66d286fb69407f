import type { PackageRecord } from "@lading/core-manifest";
import { ArchiveError, quote } from "./archive-error.ts";
import { readPlainHeader } from "./canonical-header.ts";
import { checkHeaderSum, fieldText, headerKind, octal, readMode, refuseType, typeFlag } from "./header-fields.ts";
import type { ArchiveLimits } from "./limits.ts";
import { checkPath, decodePath, PathSet } from "./path-rules.ts";
import { decodeRecord, RECORD_PATH } from "./record.ts";
import { TarBlocks } from "./tar-blocks.ts";
import { BLOCK, encodeMemberHeader, field, untilNul, type MemberHeader } from "./tar-header.ts";
import { comparePaths } from "./tree-digest.ts";

/** Receives the members of a package in order, synchronously, while they are read. */
export interface MemberSink {
  /** A member begins: header, path, order, limits and collisions have been checked. */
  member(member: MemberHeader): void;
  /** Some of its bytes, valid only during the call. `data.length === member.size` means all at once. */
  data(chunk: Uint8Array): void;
  /** All its bytes were given. */
  memberEnd(): void;
}

/** A pax record of one path and its length digits; a larger one is not canonical whatever it says. */
const PAX_ALLOWANCE = 32;

/**
 * The strict reader of canonical tar (`docs/spec/archive.md` §reading). It parses each header, encodes what it
 * understood again and demands the same bytes, so that no second reader can understand anything else.
 */
export class CanonicalTarReader extends TarBlocks {
  readonly #sink: MemberSink;
  readonly #paths: PathSet;
  readonly #executables: string[] = [];
  #prefixBytes: Uint8Array | undefined;
  #paxSize = 0;
  #previous: string | undefined;
  #recordChunks: Uint8Array[] = [];
  #record: PackageRecord | undefined;
  #sawManifest = false;

  constructor(sink: MemberSink, limits: ArchiveLimits) {
    super(limits);
    this.#sink = sink;
    this.#paths = new PathSet(limits);
  }

  /**
   * The package's record, known once the first member was read.
   * @throws {ArchiveError} `ARCHIVE_RECORD_MISSING` before
   */
  get record(): PackageRecord {
    if (this.#record === undefined) throw recordMissing("the archive is empty");
    return this.#record;
  }

  protected override header(block: Uint8Array): void {
    const plain = this.#prefixBytes === undefined ? readPlainHeader(block) : undefined;
    if (plain !== undefined) this.#accept(plain);
    else if (typeFlag(block) === "x" && this.#prefixBytes === undefined) this.#paxHeader(block);
    else this.#memberHeader(block);
  }

  #paxHeader(block: Uint8Array): void {
    const size = this.#number(block, "size");
    if (size > this.limits.pathBytes + PAX_ALLOWANCE) {
      checkHeaderSum(block);
      throw new ArchiveError({
        code: "ARCHIVE_PAX_INVALID",
        message: `Cannot read a pax header: it has ${size} bytes, the limit is ${this.limits.pathBytes + PAX_ALLOWANCE}`,
      });
    }
    this.#prefixBytes = block.slice();
    this.#paxSize = size;
    this.expectBody(size);
  }

  protected override body(bytes: Uint8Array): void {
    const padded = new Uint8Array(BLOCK + Math.ceil(bytes.length / BLOCK) * BLOCK);
    padded.set(this.#prefixBytes!);
    padded.set(bytes, BLOCK);
    this.#prefixBytes = padded;
  }

  #memberHeader(block: Uint8Array): void {
    const raw = this.#prefixBytes === undefined ? block : join(this.#prefixBytes, block);
    const pax = this.#prefixBytes;
    this.#prefixBytes = undefined;
    const member = this.#understand(block, pax);
    if (!equal(encodeMemberHeader(member), raw)) explainDifference(raw, member.path);
    this.#accept(member);
  }

  #understand(block: Uint8Array, pax: Uint8Array | undefined): MemberHeader {
    const type = typeFlag(block);
    if (type === "x") throw paxInvalid("it is not followed by a member");
    if (type !== "0") {
      checkHeaderSum(block);
      if (type === "5") refuseDirectory(fieldText(block, "name"));
      refuseType(type, fieldText(block, "name"));
    }
    const size = this.#number(block, "size");
    const executable = (octal(block, "mode") & 0o111) !== 0;
    return {
      path: pax === undefined ? ustarPath(block) : paxPath(pax.subarray(BLOCK, BLOCK + this.#paxSize)),
      size,
      executable,
    };
  }

  #number(block: Uint8Array, name: "size"): number {
    if (headerKind(block) !== "posix") explainDifference(block, fieldText(block, "name"));
    return octal(block, name);
  }

  #accept(member: MemberHeader): void {
    checkPath(member.path, this.limits);
    if (member.size > this.limits.fileBytes) throw entryTooLarge(member, this.limits.fileBytes);
    if (this.#previous === undefined) this.#acceptRecord(member);
    else this.#acceptFile(member, this.#previous);
    this.#paths.addFile(member.path);
    if (member.executable) this.#executables.push(member.path);
    this.#sink.member(member);
    this.expectData(member.size);
  }

  #acceptRecord(member: MemberHeader): void {
    if (member.path !== RECORD_PATH) throw recordMissing(`the first member is ${quote(member.path)}`);
    if (member.size > this.limits.recordBytes) throw entryTooLarge(member, this.limits.recordBytes);
    if (member.executable) {
      throw new ArchiveError({
        code: "ARCHIVE_NOT_CANONICAL",
        message: `Cannot accept "${RECORD_PATH}": it is executable`,
      });
    }
    this.#previous = "";
  }

  #acceptFile(member: MemberHeader, previous: string): void {
    if (member.path === previous || member.path === RECORD_PATH) this.#paths.addFile(member.path);
    if (foldsToReserved(member.path)) {
      throw new ArchiveError({
        code: "ARCHIVE_PATH_RESERVED",
        message: `Cannot accept the path ${quote(member.path)}: ".lading/" is reserved for "${RECORD_PATH}"`,
        path: member.path,
      });
    }
    if (comparePaths(previous, member.path) >= 0) {
      throw new ArchiveError({
        code: "ARCHIVE_MEMBER_ORDER",
        message: `Cannot accept the member ${quote(member.path)}: it comes after ${quote(previous)}, members are sorted bytewise`,
        path: member.path,
      });
    }
    this.#previous = member.path;
    if (member.path === this.#record!.manifestFile) this.#sawManifest = true;
  }

  protected override data(chunk: Uint8Array): void {
    if (this.#record === undefined) this.#recordChunks.push(chunk.slice());
    this.#sink.data(chunk);
  }

  protected override dataEnd(): void {
    if (this.#record === undefined) {
      this.#record = decodeRecord(joinAll(this.#recordChunks));
      this.#recordChunks = [];
    }
    this.#sink.memberEnd();
  }

  protected override ending(): void {
    if (this.#prefixBytes !== undefined) throw paxInvalid("no member follows it");
    const { executables, manifestFile } = this.record;
    // The record's order is that of canonical JSON, by UTF-16 units; the members' is bytewise.
    const found = [...this.#executables].sort();
    if (found.length !== executables.length || found.some((path, i) => path !== executables[i])) {
      const odd =
        executables.find((path) => !found.includes(path)) ?? found.find((path) => !executables.includes(path));
      throw new ArchiveError({
        code: "ARCHIVE_RECORD_MISMATCH",
        message: `Cannot accept the package: its record and its members disagree on whether ${quote(odd ?? "")} is executable`,
      });
    }
    if (!this.#sawManifest) {
      throw new ArchiveError({
        code: "ARCHIVE_RECORD_MISMATCH",
        message: `Cannot accept the package: its record names the manifest ${quote(manifestFile)}, which is not there`,
      });
    }
  }

  protected override trailing(): void {
    throw new ArchiveError({
      code: "ARCHIVE_TRAILING_DATA",
      message: "Cannot read the archive: bytes follow its two end blocks",
    });
  }
}

function ustarPath(block: Uint8Array): string {
  const name = decodePath(untilNul(field(block, "name")));
  const prefix = decodePath(untilNul(field(block, "prefix")));
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** The path of a record that holds nothing else; the comparison of encodings settles everything further. */
function paxPath(record: Uint8Array): string {
  const text = decodePath(record);
  const match = /^([1-9][0-9]*) ([^=]*)=/.exec(text);
  if (match === null) throw paxInvalid("it has no record");
  const [head, length, key] = match as unknown as [string, string, string];
  if (key !== "path" || Number(length) !== record.length) refusePaxKeys(text, key);
  return text.slice(head.length, -1);
}

function refusePaxKeys(text: string, key: string): never {
  const sparse = text.includes("GNU.sparse");
  throw new ArchiveError({
    code: sparse ? "ARCHIVE_SPARSE_REFUSED" : key === "path" ? "ARCHIVE_PAX_INVALID" : "ARCHIVE_PAX_KEY_REFUSED",
    message: `Cannot read a pax header: it sets ${quote(key)}${key === "path" ? " and more" : ""}, only "path" is allowed`,
  });
}

function explainDifference(raw: Uint8Array, name: string): never {
  for (const at of raw.length === BLOCK ? [0] : [0, raw.length - BLOCK]) {
    const block = raw.subarray(at, at + BLOCK);
    checkHeaderSum(block);
    const kind = headerKind(block);
    if (kind === "gnu") refuseGnu(name);
    if (kind !== "posix") {
      throw new ArchiveError({
        code: "ARCHIVE_HEADER_INVALID",
        message: `Cannot read the member ${quote(name)}: its magic is not "ustar" version "00"`,
      });
    }
    for (const number of ["uid", "gid", "mtime", "size"] as const) octal(block, number);
    readMode(block, name);
  }
  const first = encodableDifference(raw, name);
  throw new ArchiveError({
    code: "ARCHIVE_NOT_CANONICAL",
    message: `Cannot accept the member ${quote(name)}: its header is valid tar, but not the canonical encoding${first}`,
    path: name,
  });
}

function encodableDifference(raw: Uint8Array, name: string): string {
  const block = raw.subarray(raw.length - BLOCK);
  const expected = {
    uid: "0000000",
    gid: "0000000",
    mtime: "00000000000",
    uname: "",
    gname: "",
    linkname: "",
  } as const;
  for (const [key, value] of Object.entries(expected) as [keyof typeof expected, string][]) {
    const found = fieldText(block, key);
    if (found !== value) return `: ${key} is ${quote(found)}, expected ${quote(value)}`;
  }
  const mode = fieldText(block, "mode");
  if (mode !== "0000644" && mode !== "0000755") return `: mode is ${quote(mode)}, expected "0000644" or "0000755"`;
  return name.length > 100 ? ": its path is split or recorded in another way" : "";
}

function refuseGnu(name: string): never {
  throw new ArchiveError({
    code: "ARCHIVE_GNU_EXTENSION_REFUSED",
    message: `Cannot accept the member ${quote(name)}: its header is in GNU's own format, only POSIX ustar is allowed`,
  });
}

function refuseDirectory(name: string): never {
  throw new ArchiveError({
    code: "ARCHIVE_DIRECTORY_REFUSED",
    message: `Cannot accept the member ${quote(name)}: it is a directory, directories are implied by their files`,
  });
}

function paxInvalid(why: string): ArchiveError {
  return new ArchiveError({ code: "ARCHIVE_PAX_INVALID", message: `Cannot read a pax header: ${why}` });
}

function recordMissing(why: string): ArchiveError {
  return new ArchiveError({
    code: "ARCHIVE_RECORD_MISSING",
    message: `Cannot read the package: ${why}, expected "${RECORD_PATH}"`,
    hint: "Import a foreign archive first, then build the package from the directory",
  });
}

function entryTooLarge(member: MemberHeader, limit: number): ArchiveError {
  return new ArchiveError({
    code: "ARCHIVE_ENTRY_TOO_LARGE",
    message: `Cannot accept the member ${quote(member.path)}: its size is ${member.size} bytes, the limit is ${limit} bytes`,
    path: member.path,
    size: member.size,
    limit,
  });
}

function foldsToReserved(path: string): boolean {
  return /^\.lading(?:\/|$)/i.test(path);
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}

function joinAll(chunks: readonly Uint8Array[]): Uint8Array {
  return chunks.length === 1 ? chunks[0]! : chunks.reduce(join, new Uint8Array(0));
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
  return true;
}
