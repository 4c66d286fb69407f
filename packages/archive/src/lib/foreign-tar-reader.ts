import { ArchiveError, quote } from "./archive-error.ts";
import type { MemberSink } from "./canonical-reader.ts";
import { checkHeaderSum, fieldText, headerKind, octal, readMode, refuseType, typeFlag } from "./header-fields.ts";
import type { ArchiveLimits } from "./limits.ts";
import { checkPath, decodePath, PathSet } from "./path-rules.ts";
import { PAX_MAX_BYTES, paxInvalid, readOverrides, readPaxRecords } from "./pax.ts";
import { TarBlocks } from "./tar-blocks.ts";
import { field, FIELD, isZero, untilNul, type FieldName } from "./tar-header.ts";

/** Receives the members of somebody else's archive. */
export interface ForeignSink extends MemberSink {
  /** A directory member; directories of files need not be listed. */
  directory(path: string): void;
}

type Kind = "posix" | "gnu" | "v7";

/**
 * Reads tar that this package did not write, under the same rules of paths, collisions and limits.
 *
 * Strictly, it takes POSIX ustar with directories and pax paths, any owner and time, any mode up to 0777, and nothing
 * on which two readers may differ. Tolerantly, also what honest tools write: GNU's and the 1979 header, GNU long names,
 * pax keys and global comments without influence on contents, `./` before paths, file type bits in modes.
 */
export class ForeignTarReader extends TarBlocks {
  readonly #sink: ForeignSink;
  readonly #strict: boolean;
  readonly #paths: PathSet;
  readonly #directories = new Set<string>();
  #bodyOf: "x" | "g" | "L" = "x";
  #pax: Map<string, Uint8Array> | undefined;
  #longName: Uint8Array | undefined;

  constructor(sink: ForeignSink, limits: ArchiveLimits, strict: boolean) {
    super(limits);
    this.#sink = sink;
    this.#strict = strict;
    this.#paths = new PathSet(limits);
  }

  protected override header(block: Uint8Array): void {
    checkHeaderSum(block);
    const kind = this.#kind(block);
    const size = octal(block, "size");
    if (this.#strict) checkStrictFields(block);
    const type = typeFlag(block);
    if (type === "x" || (!this.#strict && (type === "g" || type === "L"))) this.#extension(type, size);
    else if (type === "0" || type === "\0") this.#file(block, kind, size);
    else if (type === "5") this.#directory(block, kind, size);
    else refuseType(type, fieldText(block, "name"));
  }

  #kind(block: Uint8Array): Kind {
    const kind = headerKind(block);
    if (kind === "posix" || (!this.#strict && kind !== "unknown")) return kind;
    const name = quote(fieldText(block, "name"));
    if (kind === "gnu") {
      throw new ArchiveError({
        code: "ARCHIVE_GNU_EXTENSION_REFUSED",
        message: `Cannot accept the member ${name}: its header is in GNU's own format, only POSIX ustar is allowed`,
      });
    }
    throw new ArchiveError({
      code: "ARCHIVE_HEADER_INVALID",
      message: `Cannot read the member ${name}: its magic is not "ustar" version "00"`,
    });
  }

  #extension(type: "x" | "g" | "L", size: number): void {
    const pending = type === "L" ? this.#longName : type === "x" ? this.#pax : undefined;
    if (pending !== undefined) throw paxInvalid("another one follows it instead of a member");
    if (size > PAX_MAX_BYTES) throw paxInvalid(`it has ${size} bytes, the limit is ${PAX_MAX_BYTES}`);
    this.#bodyOf = type;
    this.expectBody(size);
  }

  protected override body(bytes: Uint8Array): void {
    if (this.#bodyOf === "L") this.#longName = untilNul(bytes);
    else if (this.#bodyOf === "x") this.#pax = readPaxRecords(bytes);
    else checkGlobal(readPaxRecords(bytes));
  }

  #file(block: Uint8Array, kind: Kind, size: number): void {
    const path = this.#path(block, kind, size);
    checkPath(path, this.limits);
    const executable = (this.#mode(block, path) & 0o111) !== 0;
    if (size > this.limits.fileBytes) {
      throw new ArchiveError({
        code: "ARCHIVE_ENTRY_TOO_LARGE",
        message: `Cannot accept the member ${quote(path)}: its size is ${size} bytes, the limit is ${this.limits.fileBytes} bytes`,
        path,
        size,
        limit: this.limits.fileBytes,
      });
    }
    this.#paths.addFile(path);
    this.#sink.member({ path, size, executable });
    this.expectData(size);
  }

  #directory(block: Uint8Array, kind: Kind, size: number): void {
    const path = this.#path(block, kind, size).replace(/\/$/, "");
    if (size !== 0) throw invalid(path, `it is a directory with ${size} bytes of content`);
    if (this.#strict) readMode(block, path);
    else if (path === "." || path === "" || this.#directories.has(path)) return;
    checkPath(path, this.limits);
    this.#paths.addDirectory(path);
    this.#directories.add(path);
    this.#sink.directory(path);
  }

  #path(block: Uint8Array, kind: Kind, size: number): string {
    const overrides = this.#pax === undefined ? {} : readOverrides(this.#pax, size, this.#strict);
    const long = this.#longName;
    this.#pax = undefined;
    this.#longName = undefined;
    if (long !== undefined && overrides.path !== undefined) throw paxInvalid("a GNU long name names the same member");
    const path = overrides.path ?? (long === undefined ? fieldPath(block, kind) : decodePath(long));
    return this.#strict ? path : path.replace(/^(?:\.\/+)+/, "");
  }

  #mode(block: Uint8Array, path: string): number {
    if (this.#strict) return readMode(block, path);
    // Type bits of a regular file, which old packers wrote into the mode, say nothing new.
    const mode = octal(block, "mode") & ~0o100000;
    return mode <= 0o777 ? mode : readMode(block, path);
  }

  protected override data(chunk: Uint8Array): void {
    this.#sink.data(chunk);
  }

  protected override dataEnd(): void {
    this.#sink.memberEnd();
  }

  protected override ending(): void {
    if (this.#pax !== undefined || this.#longName !== undefined) throw paxInvalid("no member follows it");
  }

  protected override trailing(chunk: Uint8Array): void {
    if (isZero(chunk)) return;
    throw new ArchiveError({
      code: "ARCHIVE_TRAILING_DATA",
      message: "Cannot read the archive: bytes other than zero follow its two end blocks",
    });
  }

  override finish(): void {
    super.finish();
    if (this.consumedBytes % 512 !== 0) {
      throw new ArchiveError({ code: "ARCHIVE_TRUNCATED", message: "Cannot read the archive: it ends within a block" });
    }
  }
}

/** Fields that are ignored must still be readable: a reader that does not ignore them would see something else. */
function checkStrictFields(block: Uint8Array): void {
  for (const name of ["uid", "gid", "mtime"] as const) if (!isZero(field(block, name))) octal(block, name);
  for (const name of ["name", "prefix", "uname", "gname"] as const) checkAfterNul(block, name);
  if (!isZero(field(block, "linkname")) && "05\0".includes(String.fromCharCode(block[FIELD.type[0]]!))) {
    throw invalid(fieldText(block, "name"), "it has a link target and is no link");
  }
}

function checkAfterNul(block: Uint8Array, name: FieldName): void {
  const bytes = field(block, name);
  if (isZero(bytes.subarray(untilNul(bytes).length))) return;
  throw invalid(fieldText(block, "name"), `its ${name} goes on after a NUL`);
}

function fieldPath(block: Uint8Array, kind: Kind): string {
  const name = decodePath(untilNul(field(block, "name")));
  // GNU's own header keeps times where POSIX keeps the prefix.
  const prefix = kind === "posix" ? decodePath(untilNul(field(block, "prefix"))) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** `git archive` writes the commit as a global comment; anything else global would change members unseen. */
function checkGlobal(records: ReadonlyMap<string, Uint8Array>): void {
  for (const key of records.keys()) {
    if (key === "comment") continue;
    throw new ArchiveError({
      code: "ARCHIVE_PAX_GLOBAL_REFUSED",
      message: `Cannot accept a global pax header: it sets ${quote(key)}, only "comment" is allowed`,
    });
  }
}

function invalid(name: string, why: string): ArchiveError {
  return new ArchiveError({ code: "ARCHIVE_HEADER_INVALID", message: `Cannot read the member ${quote(name)}: ${why}` });
}
