import { CoreError } from "./core-error.ts";

declare const digestBrand: unique symbol;

/** A digest as it is written everywhere: `sha256:` and 64 lower-case hexadecimal digits. */
export type Digest = string & { readonly [digestBrand]: "sha256" };

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/**
 * Reads a digest.
 * @throws {CoreError} `DIGEST_INVALID`
 */
export function parseDigest(text: string): Digest {
  if (!DIGEST.test(text)) {
    throw new CoreError({
      code: "DIGEST_INVALID",
      message: `Cannot read digest "${text.slice(0, 100)}": expected "sha256:" and 64 lower-case hexadecimal digits`,
    });
  }
  return text as Digest;
}

/** The digest, or `undefined` where `text` is none. */
export function tryParseDigest(text: unknown): Digest | undefined {
  return typeof text === "string" && DIGEST.test(text) ? (text as Digest) : undefined;
}

/** The digest whose 32 bytes are `bytes`. */
export function digestFromBytes(bytes: Uint8Array): Digest {
  let hex = "sha256:";
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
  return parseDigest(hex);
}

/** The 64 hexadecimal digits without the `sha256:` prefix, as blob paths use them. */
export function digestHex(digest: Digest): string {
  return digest.slice("sha256:".length);
}
