import { ArchiveError } from "../archive-error.ts";

/** Compresses raw LZ4 blocks; frames are made, and everything is read, by this package itself. */
export interface Lz4 {
  compressBlock(plain: Uint8Array): Uint8Array;
}

interface Lz4Napi {
  compressSync(data: Uint8Array): Uint8Array;
}

/** How lz4-napi is found; tests give one that fails. */
export type ImportLz4 = () => Promise<Lz4Napi>;

const importInstalled: ImportLz4 = async () => {
  const module = (await import("lz4-napi")) as unknown as Lz4Napi & { default?: Lz4Napi };
  return module.default ?? module;
};

/** lz4-napi puts the plain length, 4 bytes, before a block. */
const LENGTH_BYTES = 4;

/**
 * Loads the optional library.
 * @throws {ArchiveError} `ARCHIVE_CODEC_UNAVAILABLE` where it is not installed for this system
 */
export async function loadLz4(importLz4: ImportLz4 = importInstalled): Promise<Lz4> {
  let native: Lz4Napi;
  try {
    native = await importLz4();
  } catch (cause) {
    throw new ArchiveError({
      code: "ARCHIVE_CODEC_UNAVAILABLE",
      message: 'Cannot use LZ4: the optional package "lz4-napi" is not installed for this system',
      hint: "Install lz4-napi, or use zstd, gzip or none",
      cause,
    });
  }
  // Synchronously: the library's promises keep input and output alive until much later, a quarter of the package's size.
  return { compressBlock: (plain) => native.compressSync(plain).subarray(LENGTH_BYTES) };
}
