import {
  concatBytes,
  encodeBase64,
  encodeHex,
  encodeUtf8,
  equalBytes,
  startsWithBytes,
  tryDecodeBase64,
} from "./bytes.ts";
import { keyIdOf } from "./key-id.ts";
import { createPublicKey, keyInvalid, keyUnsupported, type PublicKey } from "./key.ts";
import { SPKI_PREFIX } from "./key-id.ts";

const SSH_TYPE = encodeUtf8("ssh-ed25519");
const SSH_PREFIX = concatBytes(Uint8Array.of(0, 0, 0, SSH_TYPE.length), SSH_TYPE, Uint8Array.of(0, 0, 0, 32));
const MINISIGN_PREFIX = encodeUtf8("Ed");

/** Reads `ssh-ed25519 AAAA… comment`. */
export function decodeSshLine(line: string): PublicKey {
  const [type, body = "", ...comment] = line.split(/[ \t]+/);
  if (type !== "ssh-ed25519") throw keyUnsupported("SSH key type", type ?? "", `"ssh-ed25519"`);
  const blob = tryDecodeBase64(body);
  if (blob === undefined || !startsWithBytes(blob, SSH_PREFIX)) throw keyInvalid("its SSH public key line is damaged");
  return createPublicKey(blob.subarray(SSH_PREFIX.length), comment.join(" "));
}

/** The line of an `authorized_keys` or `.pub` file of SSH, without newline. */
export function encodeSshLine(key: PublicKey): string {
  const line = `ssh-ed25519 ${encodeBase64(concatBytes(SSH_PREFIX, key.publicKey))}`;
  return key.comment === undefined ? line : `${line} ${key.comment.replaceAll(/\s+/g, " ")}`;
}

/** Reads the 42 bytes of a minisign or signify public key: `Ed`, an 8-byte key number, the key. */
export function decodeMinisignKey(text: string): PublicKey {
  const lines = text.trim().split(/\r?\n/);
  const comment = /^untrusted comment: (.*)$/.exec(lines[0]!)?.[1];
  const body = tryDecodeBase64(lines.at(-1)!.trim());
  if (lines.length > 2 || body?.length !== 42 || !equalBytes(body.subarray(0, 2), MINISIGN_PREFIX)) {
    throw keyInvalid("its minisign public key is damaged");
  }
  return createPublicKey(body.subarray(10), comment);
}

/** The public key file of minisign. Its key number is the start of our key id. */
export function encodeMinisignKey(key: PublicKey): string {
  const id = Uint8Array.from(keyIdOf(key.publicKey).match(/../g)!.slice(0, 8), (hex) => Number.parseInt(hex, 16));
  const comment = `minisign public key ${encodeHex(Uint8Array.from(id).reverse()).toUpperCase()}`;
  return `untrusted comment: ${comment}\n${encodeBase64(concatBytes(MINISIGN_PREFIX, id, key.publicKey))}\n`;
}

/** Reads one word of base64, as configuration files hold keys: 32 raw bytes, SPKI DER, or minisign's 42 bytes. */
export function decodeBareKey(word: string): PublicKey | undefined {
  const body = tryDecodeBase64(word);
  if (body?.length === 32) return createPublicKey(body);
  if (body?.length === 44 && startsWithBytes(body, SPKI_PREFIX)) return createPublicKey(body.subarray(12));
  if (body?.length === 42 && startsWithBytes(body, MINISIGN_PREFIX)) return decodeMinisignKey(word);
  return undefined;
}
