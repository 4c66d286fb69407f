import { blake2b } from "@noble/hashes/blake2.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";

/** Digests of an artefact that was read as a stream; each scheme needs one of them. */
export interface ContentDigests {
  /** 64 bytes, for minisign. */
  readonly blake2b512?: Uint8Array;
  /** 64 bytes, for SSH. */
  readonly sha512?: Uint8Array;
  /** 32 bytes, for SSH. */
  readonly sha256?: Uint8Array;
}

/** An artefact: its bytes, or digests of them. */
export type SignedContent = Uint8Array | ContentDigests;

const HASHES = { sha256, sha512, blake2b512: (bytes: Uint8Array) => blake2b(bytes, { dkLen: 64 }) } as const;

/** The digest of an artefact; `undefined` where neither its bytes nor that digest are at hand. */
export function digestOf(content: SignedContent, algorithm: keyof ContentDigests): Uint8Array | undefined {
  return content instanceof Uint8Array ? HASHES[algorithm](content) : content[algorithm];
}
