import { sha256, sha512 } from "./hashes.ts";

/** The digest algorithms of signed metadata: bytes in, digest out. */
export interface DigestFunctions {
  /** 32 bytes. */
  sha256(bytes: Uint8Array): Uint8Array;
  /** 64 bytes. */
  sha512(bytes: Uint8Array): Uint8Array;
}

/** Digests in portable code. */
export const portableDigests: DigestFunctions = { sha256, sha512 };
