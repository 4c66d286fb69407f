import { concatBytes, encodeBase64, encodeUtf8, equalBytes, tryDecodeBase64, tryDecodeHex } from "../bytes.ts";
import { fingerprint, keyIdOf } from "../key-id.ts";
import type { PublicKey } from "../key.ts";
import { portableVerifier, type Signer, type Verifier } from "../signer.ts";
import { SigningError } from "../signing-error.ts";
import { digestOf, type SignedContent } from "./content.ts";
import { judged, malformed, refused, unsupported, type ForeignVerdict } from "./verdict.ts";

/** A minisign or signify signature file that was read. Nothing in it is verified yet. */
export interface MinisignSignature {
  /** `ED`: over the BLAKE2b-512 digest, minisign's own way since 0.6. `Ed`: over the bytes, as signify does. */
  readonly algorithm: "Ed" | "ED";
  /** 8 bytes that name the key; nothing checks that they do. */
  readonly keyNumber: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
  /** Signed together with the signature; absent in signify's files. */
  readonly trustedComment?: { readonly text: string; readonly signature: Uint8Array };
}

const MAX_LENGTH = 16_384;
const FORMAT = "minisign";

function line(text: string | undefined, prefix: string): string {
  if (text?.startsWith(prefix) !== true) throw malformed(FORMAT, `a line does not begin with "${prefix}"`);
  return text.slice(prefix.length);
}

function body(text: string | undefined, length: number): Uint8Array {
  const bytes = text === undefined ? undefined : tryDecodeBase64(text);
  if (bytes?.length !== length) throw malformed(FORMAT, `a line is not ${length} bytes in base64`);
  return bytes;
}

/**
 * Reads a signature file of minisign (four lines) or signify (two lines), strictly.
 * @throws {SigningError} `FOREIGN_SIGNATURE_MALFORMED`, `FOREIGN_SIGNATURE_UNSUPPORTED`
 */
export function parseMinisign(text: string): MinisignSignature {
  if (text.length > MAX_LENGTH) throw malformed(FORMAT, `it has more than ${MAX_LENGTH} characters`);
  const lines = text.replaceAll("\r\n", "\n").replace(/\n$/, "").split("\n");
  if (lines.length !== 2 && lines.length !== 4) throw malformed(FORMAT, `it has ${lines.length} lines, not 2 or 4`);
  line(lines[0], "untrusted comment: ");
  const bytes = body(lines[1], 74);
  const algorithm = String.fromCharCode(bytes[0]!, bytes[1]!);
  if (algorithm !== "Ed" && algorithm !== "ED") throw unsupported(FORMAT, "algorithm", algorithm, `"Ed" or "ED"`);
  if (lines.length === 2 && algorithm === "ED") throw malformed(FORMAT, "it has no trusted comment");
  const read = { algorithm, keyNumber: bytes.slice(2, 10), signature: bytes.slice(10) } as const;
  if (lines.length === 2) return read;
  const trusted = line(lines[2], "trusted comment: ");
  return { ...read, trustedComment: { text: trusted, signature: body(lines[3], 64) } };
}

/** The 8 bytes by which a minisign file of ours names a key: the start of its key id. */
export function minisignKeyNumber(publicKey: Uint8Array): Uint8Array {
  return tryDecodeHex(keyIdOf(publicKey).slice(0, 16))!;
}

function signedBytes({ algorithm }: MinisignSignature, content: SignedContent): Uint8Array | undefined {
  return algorithm === "ED" ? digestOf(content, "blake2b512") : content instanceof Uint8Array ? content : undefined;
}

/**
 * Verifies a minisign or signify signature over an artefact: the signature, and the one over the trusted comment.
 * @param options.keys keys that count; the file's own key number is not relied upon
 * @param options.content its bytes, or for `ED` the BLAKE2b-512 digest of them
 * @returns `FOREIGN_SIGNATURE_UNSUPPORTED` where an old `Ed` signature meets digests only
 */
export function verifyMinisign(options: {
  readonly signature: string;
  readonly content: SignedContent;
  readonly keys: readonly Pick<PublicKey, "publicKey">[];
  readonly verifier?: Verifier | undefined;
}): ForeignVerdict {
  const { content, keys, verifier = portableVerifier } = options;
  return judged(() => {
    const read = parseMinisign(options.signature);
    const message = signedBytes(read, content);
    if (message === undefined) {
      throw unsupported(FORMAT, "algorithm", read.algorithm, "what can be checked by the digests at hand");
    }
    const key = keys.find(({ publicKey }) => verifier.verify(publicKey, message, read.signature));
    if (key === undefined) return refused("SIGNATURE_INVALID", "the signature holds under none of the keys given");
    const signer = fingerprint(key.publicKey);
    if (read.trustedComment === undefined) return { ok: true, signer };
    const { text, signature } = read.trustedComment;
    const commented = concatBytes(read.signature, encodeUtf8(text));
    return verifier.verify(key.publicKey, commented, signature)
      ? { ok: true, signer, trustedComment: text }
      : refused("SIGNATURE_INVALID", "the trusted comment was altered: its signature does not hold");
  });
}

async function signChecked(signer: Signer, message: Uint8Array): Promise<Uint8Array> {
  const signature = await signer.sign(message);
  if (portableVerifier.verify(signer.publicKey, message, signature)) return signature;
  throw new SigningError({
    code: "SIGNATURE_INVALID",
    message: `Cannot sign with key "${fingerprint(signer.publicKey)}": the signer's own signature does not verify`,
  });
}

/**
 * Signs an artefact as minisign does (prehashed), so that `minisign -V -p KEY -m FILE` accepts it; KEY is what
 * `formatPublicKey(key, "minisign")` writes.
 * @param options.trustedComment one line, which is signed too
 * @throws {SigningError} `SIGNATURE_INVALID` from a faulty signer, `FOREIGN_SIGNATURE_MALFORMED` for a comment of several
 * lines or without what is to be signed
 */
export async function signMinisign(options: {
  readonly content: SignedContent;
  readonly signer: Signer;
  readonly trustedComment: string;
}): Promise<string> {
  const { content, signer, trustedComment } = options;
  const message = digestOf(content, "blake2b512");
  if (message === undefined) throw malformed(FORMAT, "neither the bytes nor their BLAKE2b-512 digest were given");
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f]/.test(trustedComment)) throw malformed(FORMAT, "the trusted comment is not one line");
  const signature = await signChecked(signer, message);
  const global = await signChecked(signer, concatBytes(signature, encodeUtf8(trustedComment)));
  const head = concatBytes(encodeUtf8("ED"), minisignKeyNumber(signer.publicKey), signature);
  return [
    "untrusted comment: signature from a Lading key",
    encodeBase64(head),
    `trusted comment: ${trustedComment}`,
    encodeBase64(global),
    "",
  ].join("\n");
}

/** Whether a signature file names that key by the number that files of ours have. */
export function namesKey({ keyNumber }: MinisignSignature, publicKey: Uint8Array): boolean {
  return equalBytes(keyNumber, minisignKeyNumber(publicKey));
}
