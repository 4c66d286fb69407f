import { gzipSync } from "fflate";
import type { ArchiveErrorCode } from "../archive-error.ts";
import { BLOCK } from "../tar-header.ts";
import { buildTar, concatBytes, paxMember, type TarMemberSpec } from "./build-tar.ts";
import { buildZip, type ZipEntrySpec, type ZipSpec } from "./build-zip.ts";

/** An archive that a strict reader must refuse, and the code it must give. */
export interface HostileArchive {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly code: ArchiveErrorCode;
}

const good: TarMemberSpec = { name: "pkg/a.txt", content: "a" };
const named = (name: string | Uint8Array): TarMemberSpec => ({ name, content: "x" });
const typed = (type: string, linkname = ""): TarMemberSpec => ({ name: "pkg/odd", type, fields: { linkname } });
const long = (bytes: number): TarMemberSpec[] => [
  paxMember([["path", `pkg/${"d/".repeat(bytes / 2)}f`]]),
  named("PaxPath"),
];
const base256 = (length: number, first = 0x80): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i === 0 ? first : i === length - 1 ? 1 : 0));

type Case = readonly [name: string, code: ArchiveErrorCode, members: readonly (TarMemberSpec | Uint8Array)[]];

const PATH_CASES: readonly (readonly [string, ArchiveErrorCode, string | Uint8Array])[] = [
  ["dotdot", "ARCHIVE_PATH_TRAVERSAL", "../evil"],
  ["dotdot-end", "ARCHIVE_PATH_TRAVERSAL", "pkg/.."],
  ["dot-inside", "ARCHIVE_PATH_TRAVERSAL", "pkg/./a"],
  ["double-slash", "ARCHIVE_PATH_TRAVERSAL", "pkg//a"],
  ["trailing-slash-on-file", "ARCHIVE_PATH_TRAVERSAL", "pkg/a/"],
  ["empty-name", "ARCHIVE_PATH_TRAVERSAL", ""],
  ["absolute", "ARCHIVE_PATH_ABSOLUTE", "/etc/passwd"],
  ["drive", "ARCHIVE_PATH_ABSOLUTE", "C:/evil"],
  ["drive-relative", "ARCHIVE_PATH_ABSOLUTE", "c:evil"],
  ["unc", "ARCHIVE_PATH_ABSOLUTE", "\\\\server\\share"],
  ["backslash", "ARCHIVE_PATH_CHARACTER", "pkg\\..\\evil"],
  ["alternate-stream", "ARCHIVE_PATH_CHARACTER", "pkg/a:b"],
  ["star", "ARCHIVE_PATH_CHARACTER", "pkg/*"],
  ["newline", "ARCHIVE_PATH_CHARACTER", "pkg/a\nb"],
  ["escape", "ARCHIVE_PATH_CHARACTER", "pkg/\u001b[2J"],
  ["delete", "ARCHIVE_PATH_CHARACTER", "pkg/a\u007f"],
  ["c1-control", "ARCHIVE_PATH_CHARACTER", "pkg/a\u0085"],
  ["bidi-override", "ARCHIVE_PATH_CHARACTER", "pkg/a\u202egpj.exe"],
  ["zero-width-joiner", "ARCHIVE_PATH_CHARACTER", "pkg/a\u200db"],
  ["byte-order-mark", "ARCHIVE_PATH_CHARACTER", "pkg/\ufeffa"],
  ["soft-hyphen", "ARCHIVE_PATH_CHARACTER", "pkg/a\u00adb"],
  ["variation-selector", "ARCHIVE_PATH_CHARACTER", "pkg/a\ufe0f"],
  ["hangul-filler", "ARCHIVE_PATH_CHARACTER", "pkg/\u3164"],
  ["private-use", "ARCHIVE_PATH_CHARACTER", "pkg/\ue000"],
  ["unassigned", "ARCHIVE_PATH_CHARACTER", "pkg/\u0378"],
  ["noncharacter", "ARCHIVE_PATH_CHARACTER", "pkg/\ufffe"],
  ["full-width-slash", "ARCHIVE_PATH_CHARACTER", "pkg/a\uff0fb"],
  ["two-dot-leader", "ARCHIVE_PATH_CHARACTER", "pkg/\u2025/evil"],
  ["invalid-utf8", "ARCHIVE_PATH_ENCODING", Uint8Array.of(0x70, 0xff, 0xfe)],
  ["overlong-utf8", "ARCHIVE_PATH_ENCODING", Uint8Array.of(0x70, 0xc0, 0xaf)],
  ["surrogate-utf8", "ARCHIVE_PATH_ENCODING", Uint8Array.of(0x70, 0xed, 0xa0, 0x80)],
  ["decomposed", "ARCHIVE_PATH_NOT_NFC", "pkg/e\u0301"],
  ["trailing-dot", "ARCHIVE_PATH_TRAILING", "pkg/a./b"],
  ["trailing-space", "ARCHIVE_PATH_TRAILING", "pkg/a "],
  ["trailing-ideographic-space", "ARCHIVE_PATH_TRAILING", "pkg/a\u3000"],
  ["three-dots", "ARCHIVE_PATH_TRAILING", "pkg/.../a"],
  ["device-con", "ARCHIVE_PATH_DEVICE_NAME", "pkg/con"],
  ["device-extension", "ARCHIVE_PATH_DEVICE_NAME", "pkg/Aux.tar.gz"],
  ["device-space", "ARCHIVE_PATH_DEVICE_NAME", "pkg/nul .txt"],
  ["device-superscript", "ARCHIVE_PATH_DEVICE_NAME", "pkg/com\u00b9"],
  ["device-conin", "ARCHIVE_PATH_DEVICE_NAME", "pkg/CONIN$"],
];

const TAR_CASES: readonly Case[] = [
  ["symlink", "ARCHIVE_SYMLINK_REFUSED", [typed("2", "/etc/passwd")]],
  ["hardlink", "ARCHIVE_HARDLINK_REFUSED", [typed("1", "../../x")]],
  ["character-device", "ARCHIVE_DEVICE_REFUSED", [typed("3")]],
  ["block-device", "ARCHIVE_DEVICE_REFUSED", [typed("4")]],
  ["pipe", "ARCHIVE_FIFO_REFUSED", [typed("6")]],
  ["contiguous", "ARCHIVE_CONTIGUOUS_REFUSED", [typed("7")]],
  ["gnu-sparse", "ARCHIVE_SPARSE_REFUSED", [typed("S")]],
  ["pax-sparse", "ARCHIVE_SPARSE_REFUSED", [paxMember([["GNU.sparse.major", "1"]]), good]],
  ["gnu-long-link", "ARCHIVE_GNU_EXTENSION_REFUSED", [typed("K")]],
  ["gnu-long-name", "ARCHIVE_GNU_EXTENSION_REFUSED", [typed("L")]],
  ["gnu-continued", "ARCHIVE_GNU_EXTENSION_REFUSED", [typed("M")]],
  ["gnu-volume", "ARCHIVE_GNU_EXTENSION_REFUSED", [typed("V")]],
  ["gnu-dump", "ARCHIVE_GNU_EXTENSION_REFUSED", [typed("D")]],
  ["gnu-magic", "ARCHIVE_GNU_EXTENSION_REFUSED", [{ ...good, fields: { magic: "ustar  \0" } }]],
  ["solaris-pax", "ARCHIVE_PAX_INVALID", [typed("X")]],
  ["unknown-type", "ARCHIVE_TYPE_UNKNOWN", [typed("Z")]],
  ["high-type", "ARCHIVE_TYPE_UNKNOWN", [{ ...good, fields: { type: Uint8Array.of(0xff) } }]],
  ["pax-global", "ARCHIVE_PAX_GLOBAL_REFUSED", [paxMember([["path", "evil"]], "g"), good]],
  ["pax-size", "ARCHIVE_PAX_KEY_REFUSED", [paxMember([["size", "0"]]), good]],
  ["pax-linkpath", "ARCHIVE_PAX_KEY_REFUSED", [paxMember([["linkpath", "x"]]), good]],
  ["pax-charset", "ARCHIVE_PAX_KEY_REFUSED", [paxMember([["hdrcharset", "BINARY"]]), good]],
  ["pax-xattr", "ARCHIVE_PAX_KEY_REFUSED", [paxMember([["SCHILY.xattr.user.x", "y"]]), good]],
  [
    "pax-path-twice",
    "ARCHIVE_PAX_INVALID",
    [
      paxMember([
        ["path", "pkg/1"],
        ["path", "pkg/2"],
      ]),
      good,
    ],
  ],
  ["pax-length-short", "ARCHIVE_PAX_INVALID", [{ name: "x", type: "x", content: "10 path=pkg/one\n" }, good]],
  ["pax-length-long", "ARCHIVE_PAX_INVALID", [{ name: "x", type: "x", content: "99 path=pkg/one\n" }, good]],
  ["pax-length-zero-led", "ARCHIVE_PAX_INVALID", [{ name: "x", type: "x", content: "016 path=pkg/one\n" }, good]],
  ["pax-no-length", "ARCHIVE_PAX_INVALID", [{ name: "x", type: "x", content: "path=pkg/one\n" }, good]],
  ["pax-no-equals", "ARCHIVE_PAX_INVALID", [{ name: "x", type: "x", content: "11 pathpkg\n" }, good]],
  ["pax-nul-in-path", "ARCHIVE_PAX_INVALID", [paxMember([["path", "pkg/a\0b"]]), good]],
  ["pax-huge", "ARCHIVE_PAX_INVALID", [{ name: "x", type: "x", statedSize: 2 ** 30 }, good]],
  ["pax-before-pax", "ARCHIVE_PAX_INVALID", [paxMember([["path", "pkg/1"]]), paxMember([["path", "pkg/2"]]), good]],
  ["pax-at-end", "ARCHIVE_PAX_INVALID", [good, paxMember([["path", "pkg/1"]])]],
  ["pax-path-traversal", "ARCHIVE_PATH_TRAVERSAL", [paxMember([["path", "../../evil"]]), good]],
  ["base256-size", "ARCHIVE_NUMBER_BASE256", [{ ...good, fields: { size: base256(12) } }]],
  ["base256-negative", "ARCHIVE_NUMBER_BASE256", [{ ...good, fields: { size: base256(12, 0xff) } }]],
  ["base256-uid", "ARCHIVE_NUMBER_BASE256", [{ ...good, fields: { uid: base256(8) } }]],
  ["base256-mtime", "ARCHIVE_NUMBER_BASE256", [{ ...good, fields: { mtime: base256(12) } }]],
  ["size-not-octal", "ARCHIVE_HEADER_INVALID", [{ ...good, fields: { size: "0000000009" } }]],
  ["size-empty", "ARCHIVE_HEADER_INVALID", [{ ...good, fields: { size: "" } }]],
  ["size-negative", "ARCHIVE_HEADER_INVALID", [{ ...good, fields: { size: "-0000000001" } }]],
  ["no-magic", "ARCHIVE_HEADER_INVALID", [good, { ...named("pkg/b"), fields: { magic: "" } }]],
  ["odd-magic", "ARCHIVE_HEADER_INVALID", [good, { ...named("pkg/b"), fields: { magic: "ustar\u000001" } }]],
  ["name-after-nul", "ARCHIVE_HEADER_INVALID", [named("pkg/a\0hidden")]],
  ["link-target-on-file", "ARCHIVE_HEADER_INVALID", [{ ...good, fields: { linkname: "/etc/passwd" } }]],
  ["directory-with-content", "ARCHIVE_HEADER_INVALID", [{ name: "pkg/", type: "5", content: "x" }]],
  ["checksum-wrong", "ARCHIVE_HEADER_CHECKSUM", [{ ...good, fields: { checksum: "0000001\0" } }]],
  ["checksum-empty", "ARCHIVE_HEADER_INVALID", [good, { ...named("pkg/b"), fields: { checksum: "" } }]],
  ["setuid", "ARCHIVE_MODE_REFUSED", [{ ...good, fields: { mode: "0004755" } }]],
  ["setgid-directory", "ARCHIVE_MODE_REFUSED", [{ name: "pkg/", type: "5", fields: { mode: "0002755" } }]],
  ["sticky", "ARCHIVE_MODE_REFUSED", [{ ...good, fields: { mode: "0001777" } }]],
  ["type-bits-in-mode", "ARCHIVE_MODE_REFUSED", [{ ...good, fields: { mode: "0100644" } }]],
  ["duplicate", "ARCHIVE_PATH_DUPLICATE", [good, good]],
  ["duplicate-by-pax", "ARCHIVE_PATH_DUPLICATE", [good, paxMember([["path", "pkg/a.txt"]]), named("other")]],
  [
    "duplicate-directory",
    "ARCHIVE_PATH_DUPLICATE",
    [
      { name: "pkg/", type: "5" },
      { name: "pkg/", type: "5" },
    ],
  ],
  ["case-collision", "ARCHIVE_PATH_COLLISION", [named("pkg/README"), named("pkg/readme")]],
  ["directory-case-collision", "ARCHIVE_PATH_COLLISION", [named("pkg/Src/a"), named("pkg/src/b")]],
  ["file-under-file", "ARCHIVE_PATH_COLLISION", [named("pkg/a"), named("pkg/a/b")]],
  ["file-over-directory", "ARCHIVE_PATH_COLLISION", [named("pkg/a/b"), named("pkg/a")]],
  ["directory-over-file", "ARCHIVE_PATH_COLLISION", [named("pkg/a"), { name: "pkg/a/", type: "5" }]],
  ["ligature-collision", "ARCHIVE_PATH_COLLISION", [named("pkg/\ufb01le"), named("pkg/file")]],
  ["sharp-s-collision", "ARCHIVE_PATH_COLLISION", [named("pkg/stra\u00dfe"), named("pkg/STRASSE")]],
  ["final-sigma-collision", "ARCHIVE_PATH_COLLISION", [named("pkg/\u03b1\u03c2x"), named("pkg/\u03b1\u03c3x")]],
  ["omega-collision", "ARCHIVE_PATH_COLLISION", [named("pkg/\u03a9"), named("pkg/\u03c9")]],
  ["full-width-collision", "ARCHIVE_PATH_COLLISION", [named("pkg/\uff41"), named("pkg/a")]],
  ["long-s-collision", "ARCHIVE_PATH_COLLISION", [named("pkg/\u017fum"), named("pkg/sum")]],
  ["padding", "ARCHIVE_PADDING_NOT_ZERO", [{ ...good, padding: new Uint8Array(511).fill(0x41) }]],
  ["path-401", "ARCHIVE_PATH_TOO_LONG", long(400)],
  ["part-201", "ARCHIVE_PATH_TOO_LONG", [paxMember([["path", `pkg/${"p".repeat(201)}`]]), good]],
  ["depth-33", "ARCHIVE_PATH_TOO_DEEP", [named(`${"d/".repeat(32)}f`)]],
  ["five-gigabytes", "ARCHIVE_ENTRY_TOO_LARGE", [{ ...good, statedSize: 5 * 2 ** 30 }]],
];

const text = new TextEncoder();
const file: ZipEntrySpec = { name: "pkg/a.txt", content: "hello hello hello" };
const extra = (id: number, length = 4): Uint8Array => Uint8Array.of(id & 255, id >> 8, length, 0, 0, 0, 0, 0);

const ZIP_CASES: readonly (readonly [string, ArchiveErrorCode, readonly ZipEntrySpec[], ZipSpec?])[] = [
  ["dotdot", "ARCHIVE_PATH_TRAVERSAL", [{ ...file, name: "../evil" }]],
  ["backslash", "ARCHIVE_PATH_CHARACTER", [{ ...file, name: "a\\b" }]],
  ["absolute", "ARCHIVE_PATH_ABSOLUTE", [{ ...file, name: "/a" }]],
  ["symlink", "ARCHIVE_SYMLINK_REFUSED", [{ ...file, mode: 0o120777 }]],
  ["device", "ARCHIVE_DEVICE_REFUSED", [{ ...file, mode: 0o020666 }]],
  ["socket", "ARCHIVE_FIFO_REFUSED", [{ ...file, mode: 0o140666 }]],
  ["type-unknown", "ARCHIVE_TYPE_UNKNOWN", [{ ...file, mode: 0o050666 }]],
  ["volume-label", "ARCHIVE_TYPE_UNKNOWN", [{ ...file, dosAttributes: 8 }]],
  ["setuid", "ARCHIVE_MODE_REFUSED", [{ ...file, mode: 0o104755 }]],
  ["name-mismatch", "ARCHIVE_ZIP_MISMATCH", [{ ...file, local: { name: "pkg/b.txt" } }]],
  ["size-mismatch", "ARCHIVE_ZIP_MISMATCH", [{ ...file, local: { size: 5 } }]],
  ["crc-mismatch", "ARCHIVE_ZIP_MISMATCH", [{ ...file, local: { crc: 5 } }]],
  ["method-mismatch", "ARCHIVE_ZIP_MISMATCH", [{ ...file, local: { method: 8 } }]],
  ["stored-size-mismatch", "ARCHIVE_ZIP_MISMATCH", [{ ...file, central: { size: 5 } }]],
  ["directory-by-mode", "ARCHIVE_ZIP_MISMATCH", [{ ...file, mode: 0o040755 }]],
  ["directory-by-name", "ARCHIVE_ZIP_MISMATCH", [{ name: "pkg/d/", mode: 0o100644 }]],
  ["directory-with-content", "ARCHIVE_ZIP_MISMATCH", [{ name: "pkg/d/", content: "x", mode: 0o040755 }]],
  ["method-12", "ARCHIVE_ZIP_METHOD", [{ ...file, method: 12 }]],
  ["encrypted", "ARCHIVE_ZIP_ENCRYPTED", [{ ...file, flags: 0x0801 }]],
  ["masked", "ARCHIVE_ZIP_ENCRYPTED", [{ ...file, flags: 0x2800 }]],
  ["patch-flag", "ARCHIVE_ZIP_INVALID", [{ ...file, flags: 0x0820 }]],
  ["zip64-extra", "ARCHIVE_ZIP_INVALID", [{ ...file, extra: extra(1) }]],
  ["broken-extra", "ARCHIVE_ZIP_INVALID", [{ ...file, extra: extra(0x9999, 200) }]],
  ["second-name", "ARCHIVE_ZIP_AMBIGUOUS", [{ ...file, extra: extra(0x7075) }]],
  ["code-page-name", "ARCHIVE_PATH_ENCODING", [{ ...file, name: "pkg/\u00e9", flags: 0 }]],
  ["another-disk", "ARCHIVE_ZIP_INVALID", [{ ...file, central: { disk: 1 } }]],
  ["several-disks", "ARCHIVE_ZIP_INVALID", [file], { disk: 1 }],
  ["crc-wrong", "ARCHIVE_ZIP_CHECKSUM", [{ ...file, local: { crc: 5 }, central: { crc: 5 } }]],
  ["deflated-size-wrong", "ARCHIVE_ZIP_CHECKSUM", [{ ...file, method: 8, local: { size: 5 }, central: { size: 5 } }]],
  ["slack-after-deflate", "ARCHIVE_ZIP_INVALID", [{ ...file, method: 8, slack: text.encode("hidden") }]],
  [
    "gap",
    "ARCHIVE_ZIP_OVERLAP",
    [
      { ...file, gap: text.encode("hidden") },
      { ...file, name: "pkg/b" },
    ],
  ],
  ["shared-bytes", "ARCHIVE_ZIP_OVERLAP", [file, { ...file, name: "pkg/b.txt", central: { offset: 0 } }]],
  ["before", "ARCHIVE_ZIP_OVERLAP", [file], { before: text.encode("PK\u0003\u0004 junk") }],
  ["directory-elsewhere", "ARCHIVE_ZIP_OVERLAP", [file], { directoryOffset: 0 }],
  ["after", "ARCHIVE_TRAILING_DATA", [file], { after: text.encode("junk") }],
  ["count-small", "ARCHIVE_ZIP_INVALID", [file, { ...file, name: "pkg/b" }], { entries: 1 }],
  ["count-large", "ARCHIVE_ZIP_INVALID", [file], { entries: 2 }],
  ["zip-in-comment", "ARCHIVE_ZIP_AMBIGUOUS", [file], { comment: buildZip([{ ...file, name: "evil" }]) }],
  ["records-in-comment", "ARCHIVE_ZIP_AMBIGUOUS", [file], { comment: text.encode("PK\u0001\u0002 etc") }],
  ["duplicate", "ARCHIVE_PATH_DUPLICATE", [file, file]],
  ["case-collision", "ARCHIVE_PATH_COLLISION", [file, { ...file, name: "pkg/A.TXT" }]],
];

/**
 * Named archives that the strict foreign reader must refuse, each with its code: links, devices, sparse files, pax and
 * GNU tricks, numbers, checksums, duplicates, Unicode, Windows names, truncation, and the tricks of gzip, zstd and zip.
 */
export function hostileArchives(): HostileArchive[] {
  const tar = ([name, code, members]: Case): HostileArchive => ({
    name: `tar-${name}`,
    code,
    bytes: buildTar(members),
  });
  const paths = PATH_CASES.map(([name, code, path]): Case => [`path-${name}`, code, [good, named(path)]]);
  return [
    ...paths.map(tar),
    ...TAR_CASES.map(tar),
    ...ZIP_CASES.map(([name, code, entries, around]) => ({
      name: `zip-${name}`,
      code,
      bytes: buildZip(entries, around),
    })),
    ...structureCases(),
    ...gzipCases(),
    ...zstdCases(),
  ];
}

function structureCases(): HostileArchive[] {
  const whole = buildTar([good, { name: "pkg/b", content: "b".repeat(700) }]);
  const cuts = Array.from({ length: whole.length / BLOCK - 1 }, (_, i) => (i + 1) * BLOCK);
  const cut = (at: number, code: ArchiveErrorCode): HostileArchive => ({
    name: `tar-cut-at-${at}`,
    code,
    bytes: whole.slice(0, at),
  });
  const inContent = [BLOCK, 3 * BLOCK, 4 * BLOCK];
  return [
    ...cuts.map((at) => cut(at, inContent.includes(at) ? "ARCHIVE_TRUNCATED" : "ARCHIVE_END_MISSING")),
    cut(BLOCK + 1, "ARCHIVE_TRUNCATED"),
    cut(2 * BLOCK + 100, "ARCHIVE_TRUNCATED"),
    { name: "tar-one-end-block", code: "ARCHIVE_END_MISSING", bytes: whole.slice(0, -BLOCK) },
    {
      name: "tar-member-after-one-end-block",
      code: "ARCHIVE_END_MISSING",
      bytes: concatBytes([whole.slice(0, -BLOCK), whole]),
    },
    { name: "tar-member-after-end", code: "ARCHIVE_TRAILING_DATA", bytes: concatBytes([whole, whole]) },
    { name: "tar-byte-after-end", code: "ARCHIVE_TRAILING_DATA", bytes: concatBytes([whole, Uint8Array.of(1)]) },
    { name: "tar-zero-byte-after-end", code: "ARCHIVE_TRUNCATED", bytes: concatBytes([whole, Uint8Array.of(0)]) },
    { name: "text", code: "ARCHIVE_FORMAT_UNKNOWN", bytes: text.encode("hello") },
    { name: "empty", code: "ARCHIVE_FORMAT_UNKNOWN", bytes: new Uint8Array(0) },
  ];
}

function gzipCases(): HostileArchive[] {
  const gz = gzipSync(buildTar([good]), { mtime: 0 });
  const patched = (at: number, value: number): Uint8Array =>
    gz.map((byte, i) => (i === (at + gz.length) % gz.length ? value : byte));
  const flagged = (flag: number, field: string): Uint8Array =>
    concatBytes([patched(3, flag).subarray(0, 10), text.encode(field), gz.subarray(10)]);
  return [
    { name: "gzip-name", code: "ARCHIVE_GZIP_HEADER", bytes: flagged(0x08, "../evil\0") },
    { name: "gzip-comment", code: "ARCHIVE_GZIP_HEADER", bytes: flagged(0x10, "hi\0") },
    { name: "gzip-extra", code: "ARCHIVE_GZIP_HEADER", bytes: flagged(0x04, "\u0002\0ab") },
    { name: "gzip-header-crc", code: "ARCHIVE_GZIP_HEADER", bytes: flagged(0x02, "ab") },
    { name: "gzip-text-flag", code: "ARCHIVE_GZIP_HEADER", bytes: patched(3, 1) },
    { name: "gzip-time", code: "ARCHIVE_GZIP_HEADER", bytes: patched(4, 1) },
    { name: "gzip-xfl", code: "ARCHIVE_GZIP_HEADER", bytes: patched(8, 9) },
    { name: "gzip-reserved-flag", code: "ARCHIVE_GZIP_INVALID", bytes: patched(3, 0x80) },
    { name: "gzip-method", code: "ARCHIVE_GZIP_INVALID", bytes: patched(2, 7) },
    { name: "gzip-damaged", code: "ARCHIVE_GZIP_INVALID", bytes: patched(10, 0xff) },
    { name: "gzip-crc", code: "ARCHIVE_GZIP_CHECKSUM", bytes: patched(-8, gz.at(-8)! ^ 1) },
    { name: "gzip-size", code: "ARCHIVE_GZIP_CHECKSUM", bytes: patched(-4, gz.at(-4)! ^ 1) },
    { name: "gzip-second-member", code: "ARCHIVE_TRAILING_DATA", bytes: concatBytes([gz, gz]) },
    { name: "gzip-trailing-byte", code: "ARCHIVE_TRAILING_DATA", bytes: concatBytes([gz, Uint8Array.of(0)]) },
    { name: "gzip-header-cut", code: "ARCHIVE_TRUNCATED", bytes: gz.slice(0, 7) },
    {
      name: "gzip-bomb",
      code: "ARCHIVE_RATIO_TOO_HIGH",
      bytes: gzipSync(buildTar([{ name: "pkg/zeros", content: new Uint8Array(12e6) }]), { mtime: 0 }),
    },
  ];
}

/** A zstd frame of stored blocks: no library is needed to make one (RFC 8878 §3.1.1.2.2). */
export function storedZstdFrame(plain: Uint8Array, options: { flags?: number; header?: Uint8Array } = {}): Uint8Array {
  const parts = [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, options.flags ?? 0), options.header ?? Uint8Array.of(0x50)];
  for (let at = 0; at < plain.length || at === 0; at += 0x10000) {
    const block = plain.subarray(at, at + 0x10000);
    const word = (block.length << 3) | (at + 0x10000 >= plain.length ? 1 : 0);
    parts.push(Uint8Array.of(word & 255, (word >> 8) & 255, word >> 16), block);
  }
  return concatBytes(parts);
}

function zstdCases(): HostileArchive[] {
  const tar = buildTar([good]);
  const frame = storedZstdFrame(tar);
  const skippable = Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0x41);
  const sized = (bytes: number): Uint8Array =>
    Uint8Array.of(0x50, bytes & 255, (bytes >> 8) & 255, (bytes >> 16) & 255, bytes >>> 24);
  return [
    { name: "zstd-skippable-first", code: "ARCHIVE_ZSTD_SKIPPABLE", bytes: concatBytes([skippable, frame]) },
    { name: "zstd-skippable-last", code: "ARCHIVE_TRAILING_DATA", bytes: concatBytes([frame, skippable]) },
    { name: "zstd-second-frame", code: "ARCHIVE_TRAILING_DATA", bytes: concatBytes([frame, frame]) },
    { name: "zstd-trailing-byte", code: "ARCHIVE_TRAILING_DATA", bytes: concatBytes([frame, Uint8Array.of(0)]) },
    {
      name: "zstd-dictionary",
      code: "ARCHIVE_ZSTD_DICTIONARY",
      bytes: storedZstdFrame(tar, { flags: 1, header: Uint8Array.of(0x50, 7) }),
    },
    { name: "zstd-reserved-bit", code: "ARCHIVE_ZSTD_INVALID", bytes: storedZstdFrame(tar, { flags: 8 }) },
    { name: "zstd-unused-bit", code: "ARCHIVE_ZSTD_INVALID", bytes: storedZstdFrame(tar, { flags: 0x10 }) },
    {
      name: "zstd-window",
      code: "ARCHIVE_WINDOW_TOO_LARGE",
      bytes: storedZstdFrame(tar, { header: Uint8Array.of(0x90) }),
    },
    {
      name: "zstd-window-41",
      code: "ARCHIVE_WINDOW_TOO_LARGE",
      bytes: storedZstdFrame(tar, { header: Uint8Array.of(0xff) }),
    },
    {
      name: "zstd-size-larger",
      code: "ARCHIVE_ZSTD_INVALID",
      bytes: storedZstdFrame(tar, { flags: 0x80, header: sized(tar.length + 1) }),
    },
    {
      name: "zstd-size-smaller",
      code: "ARCHIVE_ZSTD_INVALID",
      bytes: storedZstdFrame(tar, { flags: 0x80, header: sized(tar.length - 1) }),
    },
    {
      name: "zstd-checksum-wrong",
      code: "ARCHIVE_ZSTD_INVALID",
      bytes: concatBytes([storedZstdFrame(tar, { flags: 4 }), Uint8Array.of(1, 2, 3, 4)]),
    },
    { name: "zstd-checksum-cut", code: "ARCHIVE_TRUNCATED", bytes: storedZstdFrame(tar, { flags: 4 }) },
    { name: "zstd-cut", code: "ARCHIVE_TRUNCATED", bytes: frame.slice(0, -1) },
    { name: "zstd-header-cut", code: "ARCHIVE_TRUNCATED", bytes: frame.slice(0, 5) },
    {
      name: "zstd-reserved-block",
      code: "ARCHIVE_ZSTD_INVALID",
      bytes: frame.map((byte, i) => (i === 6 ? byte | 6 : byte)),
    },
  ];
}
