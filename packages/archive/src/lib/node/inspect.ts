import { readPackageFile, readPackageStream, type ReadPackageOptions } from "./read-package.ts";
import { intoFreshDirectory } from "./fresh-directory.ts";
import { TreeWriter } from "./tree-writer.ts";
import type { InspectedPackage } from "./types.ts";

/**
 * Reads a package with every check of the strict reader and writes nothing. Memory is bounded by the codec's window and
 * the list of members, not by the package's size. Given a file, an expected blob digest is compared before anything is
 * decompressed; given a stream, at its end, since it can be read only once.
 * @throws {ArchiveError} the first rule that is broken
 */
export function inspectPackage(
  source: string | AsyncIterable<Uint8Array>,
  options: ReadPackageOptions = {},
): Promise<InspectedPackage> {
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
