import { readPackageBytes, readPackageFile, readPackageStream, type ReadPackageOptions } from "./read-package.ts";
import { intoFreshDirectory } from "./fresh-directory.ts";
import { TreeWriter } from "./tree-writer.ts";
import type { InspectedPackage } from "./types.ts";

/**
 * Reads a package with every check of the strict reader and writes nothing. Memory is bounded by the codec's window and
 * the list of members, not by the package's size. Given a file or bytes, an expected blob digest is compared before anything
 * is decompressed; given a stream, at its end, since it can be read only once.
 * @throws {ArchiveError} the first rule that is broken
 */
export function inspectPackage(
  source: string | Uint8Array | AsyncIterable<Uint8Array>,
  options: ReadPackageOptions = {},
): Promise<InspectedPackage> {
  if (source instanceof Uint8Array) return readPackageBytes(source, options);
  return typeof source === "string" ? readPackageFile(source, options) : readPackageStream(source, options);
}

/** How to unpack a package. */
export interface UnpackOptions extends ReadPackageOptions {
  /** The package file. */
  readonly source: string;
  /** The directory to make; it must not exist. */
  readonly destination: string;
}

/**
 * Unpacks a package: compares the blob digest before decompressing, writes into a private directory beside the
 * destination while digesting, compares the tree digest, and renames once. On failure nothing is left.
 * @throws {ArchiveError} `ARCHIVE_DESTINATION_EXISTS`, `ARCHIVE_BLOB_MISMATCH`, `ARCHIVE_TREE_MISMATCH` and all of the strict reader
 */
export function unpackPackage(options: UnpackOptions): Promise<InspectedPackage> {
  return intoFreshDirectory(options.destination, async (directory) => {
    const writer = new TreeWriter(directory);
    try {
      return { result: await readPackageFile(options.source, options, writer), directory };
    } finally {
      writer.close();
    }
  });
}

/** How to unpack a package into a store. */
export interface StoreUnpackOptions extends ReadPackageOptions {
  /** The package file. */
  readonly source: string;
  /** The directory to make; its parent must be the caller's own. */
  readonly directory: string;
}

/** A package that was unpacked for a store. */
export interface StoredUnpack extends InspectedPackage {
  /** Modification times of {@link InspectedPackage.files}, in their order: whole milliseconds since the epoch. */
  readonly times: readonly number[];
}

/**
 * Unpacks a package with all checks of {@link unpackPackage} into a new directory of mode 700, as read-only files
 * (444, executable 555). Renaming it into place when it is whole, and removing it when this throws, is the caller's.
 * @throws {ArchiveError} those of {@link unpackPackage} but `ARCHIVE_DESTINATION_EXISTS`
 */
export async function unpackForStore(options: StoreUnpackOptions): Promise<StoredUnpack> {
  const writer = new TreeWriter(options.directory, true);
  try {
    writer.root(0o700);
    const found = await readPackageFile(options.source, options, writer);
    return { ...found, times: writer.times };
  } finally {
    writer.close();
  }
}
