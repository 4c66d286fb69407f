import { hash } from "node:crypto";

// What stands in for `../hashes.ts` where a program for Node is bundled: the same functions, without the portable code.

/** 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(hash("sha256", bytes, "buffer"));
}

/** 64 bytes. */
export function sha512(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(hash("sha512", bytes, "buffer"));
}
