import { sha256 } from "@noble/hashes/sha2.js";
import { digestFromBytes, type Digest } from "@lading/core-manifest";
import { comparePaths } from "./tree-digest.ts";

/** One file of a pack directory with its whole content. */
export interface AttuneFile {
  readonly path: string;
  readonly content: Uint8Array;
}

/** The bytes that stand before a file's content in Attune's checksum of a pack directory. */
export function attuneFileHeader(path: string, contentBytes: number): Uint8Array {
  const magic = new TextEncoder().encode("attune-pack-file-v1");
  const name = new TextEncoder().encode(path);
  const header = new Uint8Array(magic.length + 8 + name.length + 8);
  const view = new DataView(header.buffer);
  header.set(magic);
  view.setBigUint64(magic.length, BigInt(name.length));
  header.set(name, magic.length + 8);
  view.setBigUint64(magic.length + 8 + name.length, BigInt(contentBytes));
  return header;
}

/**
 * Attune's checksum of a pack directory: SHA-256 over, for each file in bytewise path order, `attune-pack-file-v1`,
 * 8-byte big-endian path length, path, 8-byte big-endian content length, content.
 */
export function attunePackChecksum(files: readonly AttuneFile[]): Digest {
  const hash = sha256.create();
  for (const file of [...files].sort((a, b) => comparePaths(a.path, b.path))) {
    hash.update(attuneFileHeader(file.path, file.content.length));
    hash.update(file.content);
  }
  return digestFromBytes(hash.digest());
}
