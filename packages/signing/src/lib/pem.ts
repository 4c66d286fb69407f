import { encodeBase64, tryDecodeBase64 } from "./bytes.ts";
import { SigningError } from "./signing-error.ts";

/** One PEM block (RFC 7468). */
export interface PemBlock {
  readonly label: string;
  readonly der: Uint8Array;
}

const BLOCK = /^-----BEGIN ([A-Z0-9 ]{1,40})-----\r?\n([A-Za-z0-9+/=\r\n \t]*?)\r?\n?-----END ([A-Z0-9 ]{1,40})-----$/;

export function isPem(text: string): boolean {
  return text.includes("-----BEGIN ");
}

/**
 * Reads a file that is one PEM block and nothing else: with two blocks in a file, which one counts would depend on the
 * reader.
 * @throws {SigningError} `KEY_INVALID`
 */
export function decodePem(text: string): PemBlock {
  const [, label, body, end] = BLOCK.exec(text.trim()) ?? [];
  const der = body === undefined ? undefined : tryDecodeBase64(body.replaceAll(/[\r\n \t]/g, ""));
  if (label === undefined || label !== end || der === undefined) {
    throw new SigningError({
      code: "KEY_INVALID",
      message: "Cannot read the PEM key: expected exactly one block of base64 between matching BEGIN and END lines",
    });
  }
  return { label, der };
}

/** Encodes a PEM block as openssl does: 64 characters a line, final newline. */
export function encodePem({ label, der }: PemBlock): string {
  const lines = encodeBase64(der).match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
