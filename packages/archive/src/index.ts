export { ArchiveError, ARCHIVE_ERRORS, type ArchiveErrorCode } from "./lib/archive-error.ts";
export { DEFAULT_LIMITS, withDefaultLimits, type ArchiveLimits } from "./lib/limits.ts";
export { checkPath, decodePath, foldPart, PathSet } from "./lib/path-rules.ts";
export { comparePaths, treeDigest, treeText, type TreeFile } from "./lib/tree-digest.ts";
export { attuneFileHeader, attunePackChecksum, type AttuneFile } from "./lib/attune-checksum.ts";
export {
  BLOCK,
  MAX_MEMBER_BYTES,
  encodeMemberHeader,
  endOfArchive,
  memberBytes,
  paddingOf,
  type MemberHeader,
} from "./lib/tar-header.ts";
export { CanonicalTarReader, type MemberSink } from "./lib/canonical-reader.ts";
export { FORMAT_VERSION, RECORD_PATH, decodeRecord, encodeRecord } from "./lib/record.ts";
export { MAGIC_BYTES, codecOf, detectFormat, type ArchiveCodec, type ArchiveFormat } from "./lib/format.ts";
export { ZstdFrameWalker, readZstdHeader, type ZstdFrameHeader } from "./lib/zstd-frame.ts";
