/** How a package's tar is compressed. */
export type ArchiveCodec = "zstd" | "gzip" | "lz4" | "none";

/** What a file is by its first bytes. */
export type ArchiveFormat = "tar" | "tar.gz" | "tar.zst" | "tar.lz4" | "zip";

/** Bytes that {@link detectFormat} wants to see. */
export const MAGIC_BYTES = 512;

/**
 * The format of a file by its magic bytes, never by its name; `undefined` where they are of none. Give it the first
 * {@link MAGIC_BYTES} bytes or all there are.
 */
export function detectFormat(bytes: Uint8Array): ArchiveFormat | undefined {
  if (startsWith(bytes, 0, [0x1f, 0x8b])) return "tar.gz";
  if (startsWith(bytes, 0, [0x28, 0xb5, 0x2f, 0xfd])) return "tar.zst";
  // A skippable frame belongs to zstd and LZ4 alike; the readers of both refuse it.
  if (startsWith(bytes, 1, [0x2a, 0x4d, 0x18]) && (bytes[0]! & 0xf0) === 0x50) return "tar.zst";
  if (startsWith(bytes, 0, [0x04, 0x22, 0x4d, 0x18])) return "tar.lz4";
  if (startsWith(bytes, 0, [0x50, 0x4b, 3, 4]) || startsWith(bytes, 0, [0x50, 0x4b, 5, 6])) return "zip";
  if (startsWith(bytes, 257, [0x75, 0x73, 0x74, 0x61, 0x72])) return "tar";
  return looksLikeOldTar(bytes) ? "tar" : undefined;
}

/** The codec of a package file of this format; `undefined` for zip, which is no package. */
export function codecOf(format: ArchiveFormat | undefined): ArchiveCodec | undefined {
  switch (format) {
    case "tar":
      return "none";
    case "tar.gz":
      return "gzip";
    case "tar.zst":
      return "zstd";
    case "tar.lz4":
      return "lz4";
    case "zip":
    case undefined:
      return undefined;
  }
}

function startsWith(bytes: Uint8Array, offset: number, magic: readonly number[]): boolean {
  return magic.every((byte, i) => bytes[offset + i] === byte);
}

/** A header without magic, or an empty tar: octal digits where the checksum is, or nothing but zeros. */
function looksLikeOldTar(bytes: Uint8Array): boolean {
  if (bytes.length < 512) return false;
  const checksum = String.fromCharCode(...bytes.subarray(148, 156));
  return /^ *[0-7]{4,6}[ \0]+$/.test(checksum) || bytes.subarray(0, 512).every((byte) => byte === 0);
}
