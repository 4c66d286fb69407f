import {
  LadingError,
  type ErrorCatalogue,
  type ErrorCatalogueEntry,
  type LadingErrorInit,
} from "@lading/core-manifest";

const integrity = (summary: string, help: string): ErrorCatalogueEntry => ({ category: "integrity", summary, help });
const refused = (summary: string, help: string): ErrorCatalogueEntry => ({ category: "refused", summary, help });
const io = (summary: string, help: string): ErrorCatalogueEntry => ({ category: "io", summary, help });
const usage = (summary: string, help: string): ErrorCatalogueEntry => ({ category: "usage", summary, help });

const DAMAGED = "Fetch the file again; if it is still refused, its publisher must pack it anew.";
const REPACK =
  "Only canonical packages are read: unpack the archive with the tool that made it, and make a package of the directory with `pack`.";
const HOSTILE = "An honest packer does not write this; treat the archive as hostile until its publisher explains it.";
const RENAME = "Rename the file so that it can be unpacked on every system.";
const LIMIT = "Raise the limit only for a publisher whom you trust.";
const ZIP_AGAIN = "Make the zip again with an ordinary tool, or use tar.gz.";

/** Codes of packing, reading, importing and unpacking. */
export type ArchiveErrorCode =
  | "ARCHIVE_FORMAT_UNKNOWN"
  | "ARCHIVE_CODEC_UNAVAILABLE"
  | "ARCHIVE_TRUNCATED"
  | "ARCHIVE_TRAILING_DATA"
  | "ARCHIVE_NOT_CANONICAL"
  | "ARCHIVE_HEADER_INVALID"
  | "ARCHIVE_HEADER_CHECKSUM"
  | "ARCHIVE_END_MISSING"
  | "ARCHIVE_PADDING_NOT_ZERO"
  | "ARCHIVE_NUMBER_BASE256"
  | "ARCHIVE_MODE_REFUSED"
  | "ARCHIVE_SYMLINK_REFUSED"
  | "ARCHIVE_HARDLINK_REFUSED"
  | "ARCHIVE_DEVICE_REFUSED"
  | "ARCHIVE_FIFO_REFUSED"
  | "ARCHIVE_SPARSE_REFUSED"
  | "ARCHIVE_CONTIGUOUS_REFUSED"
  | "ARCHIVE_DIRECTORY_REFUSED"
  | "ARCHIVE_GNU_EXTENSION_REFUSED"
  | "ARCHIVE_PAX_GLOBAL_REFUSED"
  | "ARCHIVE_PAX_INVALID"
  | "ARCHIVE_PAX_KEY_REFUSED"
  | "ARCHIVE_TYPE_UNKNOWN"
  | "ARCHIVE_PATH_ENCODING"
  | "ARCHIVE_PATH_NOT_NFC"
  | "ARCHIVE_PATH_CHARACTER"
  | "ARCHIVE_PATH_ABSOLUTE"
  | "ARCHIVE_PATH_TRAVERSAL"
  | "ARCHIVE_PATH_TRAILING"
  | "ARCHIVE_PATH_DEVICE_NAME"
  | "ARCHIVE_PATH_RESERVED"
  | "ARCHIVE_PATH_TOO_LONG"
  | "ARCHIVE_PATH_TOO_DEEP"
  | "ARCHIVE_PATH_DUPLICATE"
  | "ARCHIVE_PATH_COLLISION"
  | "ARCHIVE_MEMBER_ORDER"
  | "ARCHIVE_RECORD_MISSING"
  | "ARCHIVE_RECORD_INVALID"
  | "ARCHIVE_RECORD_VERSION"
  | "ARCHIVE_RECORD_MISMATCH"
  | "ARCHIVE_TOO_MANY_ENTRIES"
  | "ARCHIVE_ENTRY_TOO_LARGE"
  | "ARCHIVE_TOO_LARGE"
  | "ARCHIVE_RATIO_TOO_HIGH"
  | "ARCHIVE_WINDOW_TOO_LARGE"
  | "ARCHIVE_PATHS_TOO_LARGE"
  | "ARCHIVE_ZSTD_INVALID"
  | "ARCHIVE_ZSTD_SKIPPABLE"
  | "ARCHIVE_ZSTD_DICTIONARY"
  | "ARCHIVE_GZIP_INVALID"
  | "ARCHIVE_GZIP_HEADER"
  | "ARCHIVE_GZIP_CHECKSUM"
  | "ARCHIVE_LZ4_INVALID"
  | "ARCHIVE_ZIP_INVALID"
  | "ARCHIVE_ZIP_AMBIGUOUS"
  | "ARCHIVE_ZIP_MISMATCH"
  | "ARCHIVE_ZIP_OVERLAP"
  | "ARCHIVE_ZIP_METHOD"
  | "ARCHIVE_ZIP_ENCRYPTED"
  | "ARCHIVE_ZIP_CHECKSUM"
  | "ARCHIVE_PARSERS_DISAGREE"
  | "ARCHIVE_SIZE_MISMATCH"
  | "ARCHIVE_BLOB_MISMATCH"
  | "ARCHIVE_TREE_MISMATCH"
  | "ARCHIVE_SOURCE_CHANGED"
  | "ARCHIVE_SOURCE_MISSING"
  | "ARCHIVE_DESTINATION_EXISTS"
  | "ARCHIVE_OPTION_INVALID"
  | "ARCHIVE_IO";

/** Explanations of {@link ArchiveErrorCode}. */
export const ARCHIVE_ERRORS: ErrorCatalogue<ArchiveErrorCode> = {
  ARCHIVE_FORMAT_UNKNOWN: integrity(
    "A file is no archive of a known format.",
    "Fetch the file again; packages are tar in zstd, gzip, LZ4 or nothing, as `pack` makes them.",
  ),
  ARCHIVE_CODEC_UNAVAILABLE: usage(
    "A codec's optional library is not installed.",
    "Install `lz4-napi`, or choose zstd, gzip or none.",
  ),
  ARCHIVE_TRUNCATED: integrity("An archive ends too early.", DAMAGED),
  ARCHIVE_TRAILING_DATA: integrity("An archive has bytes after its end.", DAMAGED),
  ARCHIVE_NOT_CANONICAL: integrity("A member is valid tar, but not in the one canonical encoding.", REPACK),
  ARCHIVE_HEADER_INVALID: integrity("A tar header has a field that cannot be read.", DAMAGED),
  ARCHIVE_HEADER_CHECKSUM: integrity("A tar header does not match its checksum.", DAMAGED),
  ARCHIVE_END_MISSING: integrity("The two zero blocks that end a tar are missing.", DAMAGED),
  ARCHIVE_PADDING_NOT_ZERO: integrity("Bytes between two members are not zero.", HOSTILE),
  ARCHIVE_NUMBER_BASE256: refused("A tar header has a number in GNU's base-256 form.", REPACK),
  ARCHIVE_MODE_REFUSED: refused("A member has mode bits above 0777.", HOSTILE),
  ARCHIVE_SYMLINK_REFUSED: refused(
    "An archive or directory holds a symbolic link.",
    "Replace the link by a copy of the file.",
  ),
  ARCHIVE_HARDLINK_REFUSED: refused("An archive holds a hard link.", "Replace the link by a copy of the file."),
  ARCHIVE_DEVICE_REFUSED: refused("An archive or directory holds a device.", HOSTILE),
  ARCHIVE_FIFO_REFUSED: refused("An archive or directory holds a pipe or socket.", "Remove it or ignore it."),
  ARCHIVE_SPARSE_REFUSED: refused("An archive holds a sparse file.", "Pack without `--sparse`."),
  ARCHIVE_CONTIGUOUS_REFUSED: refused("An archive holds a contiguous file (type 7).", HOSTILE),
  ARCHIVE_DIRECTORY_REFUSED: refused("A package holds a directory member; directories are implied.", REPACK),
  ARCHIVE_GNU_EXTENSION_REFUSED: refused("An archive uses a GNU extension.", "Pack with `tar --format=ustar` or pax."),
  ARCHIVE_PAX_GLOBAL_REFUSED: refused("An archive has a global pax header.", REPACK),
  ARCHIVE_PAX_INVALID: refused("A pax header cannot be read, or does not belong to one member.", HOSTILE),
  ARCHIVE_PAX_KEY_REFUSED: refused("A pax header sets something other than the path.", REPACK),
  ARCHIVE_TYPE_UNKNOWN: refused("A member has an unknown type.", HOSTILE),
  ARCHIVE_PATH_ENCODING: refused("A path is not valid UTF-8.", RENAME),
  ARCHIVE_PATH_NOT_NFC: refused("A path is not in Unicode normalisation form C.", RENAME),
  ARCHIVE_PATH_CHARACTER: refused("A path has a character that is not allowed.", RENAME),
  ARCHIVE_PATH_ABSOLUTE: refused("A path is absolute.", HOSTILE),
  ARCHIVE_PATH_TRAVERSAL: refused("A path has an empty, `.` or `..` part.", HOSTILE),
  ARCHIVE_PATH_TRAILING: refused("A part of a path ends in a dot or a space.", RENAME),
  ARCHIVE_PATH_DEVICE_NAME: refused("A part of a path is a device name of Windows.", RENAME),
  ARCHIVE_PATH_RESERVED: refused("A path lies in `.lading/`, which is reserved.", RENAME),
  ARCHIVE_PATH_TOO_LONG: refused("A path or a part of it is too long.", RENAME),
  ARCHIVE_PATH_TOO_DEEP: refused("A path has too many parts.", RENAME),
  ARCHIVE_PATH_DUPLICATE: refused("Two members have the same path.", HOSTILE),
  ARCHIVE_PATH_COLLISION: refused(
    "Two paths are one on systems that fold case or Unicode, or one is a file and a directory.",
    RENAME,
  ),
  ARCHIVE_MEMBER_ORDER: integrity("Members are not in bytewise path order.", REPACK),
  ARCHIVE_RECORD_MISSING: integrity("The first member is not `.lading/package.json`.", REPACK),
  ARCHIVE_RECORD_INVALID: integrity("`.lading/package.json` is not a valid record in canonical JSON.", REPACK),
  ARCHIVE_RECORD_VERSION: refused("The package has a newer format than this release reads.", "Upgrade the tool."),
  ARCHIVE_RECORD_MISMATCH: integrity("`.lading/package.json` and the members contradict each other.", REPACK),
  ARCHIVE_TOO_MANY_ENTRIES: refused("An archive has more members than the limit.", LIMIT),
  ARCHIVE_ENTRY_TOO_LARGE: refused("A file is larger than the limit.", LIMIT),
  ARCHIVE_TOO_LARGE: refused("An archive is larger than the limit once decompressed.", LIMIT),
  ARCHIVE_RATIO_TOO_HIGH: refused("An archive decompresses to suspiciously many bytes.", LIMIT),
  ARCHIVE_WINDOW_TOO_LARGE: refused("A zstd frame demands more memory than the limit.", LIMIT),
  ARCHIVE_PATHS_TOO_LARGE: refused("The paths of an archive together are longer than the limit.", LIMIT),
  ARCHIVE_ZSTD_INVALID: integrity("A zstd frame is damaged or its header is not allowed.", DAMAGED),
  ARCHIVE_ZSTD_SKIPPABLE: refused("An archive has a skippable zstd frame.", HOSTILE),
  ARCHIVE_ZSTD_DICTIONARY: refused("A zstd frame needs a dictionary.", "Compress without a dictionary."),
  ARCHIVE_GZIP_INVALID: integrity("A gzip file is damaged.", DAMAGED),
  ARCHIVE_GZIP_HEADER: integrity("A gzip header has a name, time, comment or other optional field.", REPACK),
  ARCHIVE_GZIP_CHECKSUM: integrity("A gzip file's CRC-32 or length is wrong.", DAMAGED),
  ARCHIVE_LZ4_INVALID: integrity("An LZ4 frame is damaged or its header is not allowed.", DAMAGED),
  ARCHIVE_ZIP_INVALID: integrity("A zip's directory cannot be read.", ZIP_AGAIN),
  ARCHIVE_ZIP_AMBIGUOUS: refused("A zip can be read in more than one way.", HOSTILE),
  ARCHIVE_ZIP_MISMATCH: refused("A zip's local header and its central directory disagree.", HOSTILE),
  ARCHIVE_ZIP_OVERLAP: refused("Entries of a zip overlap or leave gaps.", HOSTILE),
  ARCHIVE_ZIP_METHOD: refused("A zip entry uses a method other than stored and deflate.", ZIP_AGAIN),
  ARCHIVE_ZIP_ENCRYPTED: refused("A zip entry is encrypted.", ZIP_AGAIN),
  ARCHIVE_ZIP_CHECKSUM: integrity("A zip entry does not match its CRC-32 or length.", DAMAGED),
  ARCHIVE_PARSERS_DISAGREE: refused("Two independent readers see different members.", HOSTILE),
  ARCHIVE_SIZE_MISMATCH: integrity("A file has another length than promised.", DAMAGED),
  ARCHIVE_BLOB_MISMATCH: integrity("A file has another digest than promised.", DAMAGED),
  ARCHIVE_TREE_MISMATCH: integrity("A package holds another tree than promised.", DAMAGED),
  ARCHIVE_SOURCE_CHANGED: io("A file changed while it was being packed.", "Pack again when nothing writes there."),
  ARCHIVE_SOURCE_MISSING: usage("A file or directory to pack or read does not exist.", "Check the path."),
  ARCHIVE_DESTINATION_EXISTS: usage("The destination exists already.", "Remove it, or choose another one."),
  ARCHIVE_OPTION_INVALID: usage(
    "An option of packing has a value that is not allowed.",
    "Use one of the values named.",
  ),
  ARCHIVE_IO: io("The system refused to read or write.", "Check permissions and free space."),
};

/** An archive, or a directory to make one from, that breaks a rule. */
export class ArchiveError extends LadingError<ArchiveErrorCode> {
  constructor(init: LadingErrorInit<ArchiveErrorCode>) {
    super(ARCHIVE_ERRORS, init);
  }
}

/** A short, printable spelling of untrusted text for messages. */
export function quote(text: string): string {
  const shown = text.length > 120 ? `${text.slice(0, 117)}...` : text;
  return JSON.stringify(shown).replaceAll(
    /[\u007f-\u00a0\u00ad\u0600-\u0605\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
