import { concatBytes, decodeUtf8, encodeBase64, encodeUtf8, equalBytes, tryDecodeBase64 } from "../bytes.ts";
import { fingerprint } from "../key-id.ts";
import type { PublicKey } from "../key.ts";
import { portableVerifier, type Signer, type Verifier } from "../signer.ts";
import { SigningError } from "../signing-error.ts";
import { digestOf, type SignedContent } from "./content.ts";
import { judged, malformed, refused, unsupported, type ForeignVerdict } from "./verdict.ts";

/** Namespace of signatures of ours, unless another is given: `ssh-keygen`'s own for files. */
export const SSH_NAMESPACE = "file";

/** An SSH signature that was read. Nothing in it is verified yet. */
export interface SshSignature {
  /** 32 bytes, as the signature itself states it. */
  readonly publicKey: Uint8Array;
  readonly namespace: string;
  readonly hash: "sha256" | "sha512";
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

const FORMAT = "SSH";
const MAX_LENGTH = 16_384;
const MAGIC = encodeUtf8("SSHSIG");
const KEY_TYPE = encodeUtf8("ssh-ed25519");
const ARMOR = /^-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)\n-----END SSH SIGNATURE-----\n?$/;

function string(bytes: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return concatBytes(length, bytes);
}

class Blob {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(length: number): Uint8Array {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw malformed(FORMAT, "it is cut off");
    const part = this.#bytes.slice(this.#offset, end);
    this.#offset = end;
    return part;
  }

  number(): number {
    const bytes = this.take(4);
    return new DataView(bytes.buffer).getUint32(0);
  }

  string(): Uint8Array {
    return this.take(this.number());
  }

  text(): string {
    return decodeUtf8(this.string()) ?? this.#fail("a text is not UTF-8");
  }

  end(): void {
    if (this.#offset !== this.#bytes.length) throw malformed(FORMAT, "something follows its end");
  }

  #fail(problem: string): never {
    throw malformed(FORMAT, problem);
  }
}

/** A blob of `ssh-ed25519` and one value of a fixed length. */
function ed25519Value(bytes: Uint8Array, length: number, what: string): Uint8Array {
  const blob = new Blob(bytes);
  const type = blob.string();
  if (!equalBytes(type, KEY_TYPE)) throw unsupported(FORMAT, what, decodeUtf8(type) ?? "", `"ssh-ed25519"`);
  const value = blob.string();
  blob.end();
  if (value.length !== length) throw malformed(FORMAT, `its ${what} has ${value.length} bytes, not ${length}`);
  return value;
}

/**
 * Reads an SSH signature (OpenSSH `PROTOCOL.sshsig`), strictly: version 1, Ed25519, nothing reserved, nothing after.
 * @throws {SigningError} `FOREIGN_SIGNATURE_MALFORMED`, `FOREIGN_SIGNATURE_UNSUPPORTED`
 */
export function parseSshSignature(text: string): SshSignature {
  if (text.length > MAX_LENGTH) throw malformed(FORMAT, `it has more than ${MAX_LENGTH} characters`);
  const armor = ARMOR.exec(text.replaceAll("\r\n", "\n"))?.[1];
  const bytes = armor === undefined ? undefined : tryDecodeBase64(armor.replaceAll("\n", ""));
  if (bytes === undefined) throw malformed(FORMAT, "it is not base64 between its BEGIN and END lines");
  const blob = new Blob(bytes);
  if (!equalBytes(blob.take(MAGIC.length), MAGIC)) throw malformed(FORMAT, `it does not begin with "SSHSIG"`);
  const version = blob.number();
  if (version !== 1) throw unsupported(FORMAT, "version", String(version), `"1"`);
  const publicKey = ed25519Value(blob.string(), 32, "key");
  const namespace = blob.text();
  if (namespace === "") throw malformed(FORMAT, "its namespace is empty");
  if (blob.string().length > 0) throw malformed(FORMAT, "what is reserved is used");
  const hash = blob.text();
  if (hash !== "sha256" && hash !== "sha512") throw unsupported(FORMAT, "hash", hash, `"sha256" or "sha512"`);
  const signature = ed25519Value(blob.string(), 64, "signature");
  blob.end();
  return { publicKey, namespace, hash, signature };
}

function signedBytes(namespace: string, hash: string, digest: Uint8Array): Uint8Array {
  const empty = string(new Uint8Array());
  return concatBytes(MAGIC, string(encodeUtf8(namespace)), empty, string(encodeUtf8(hash)), string(digest));
}

/**
 * Verifies an SSH signature over an artefact, as `ssh-keygen -Y verify` does.
 * @param options.keys keys that count; the one that the signature states must be among them
 * @param options.namespace what it must have been made for; a signature for `git` is none for files
 */
export function verifySshSignature(options: {
  readonly signature: string;
  readonly content: SignedContent;
  readonly keys: readonly Pick<PublicKey, "publicKey">[];
  readonly namespace?: string | undefined;
  readonly verifier?: Verifier | undefined;
}): ForeignVerdict {
  const { content, keys, namespace = SSH_NAMESPACE, verifier = portableVerifier } = options;
  return judged(() => {
    const read = parseSshSignature(options.signature);
    if (read.namespace !== namespace) {
      const found = read.namespace.slice(0, 60);
      return refused("SIGNATURE_SUBJECT_MISMATCH", `it is made for "${found}", expected "${namespace}"`);
    }
    const signer = fingerprint(read.publicKey);
    if (!keys.some(({ publicKey }) => equalBytes(publicKey, read.publicKey))) {
      return refused("SIGNATURE_KEY_UNKNOWN", `it is signed by "${signer}", which is not among the keys given`);
    }
    const digest = digestOf(content, read.hash);
    if (digest === undefined)
      throw unsupported(FORMAT, "hash", read.hash, "what can be checked by the digests at hand");
    return verifier.verify(read.publicKey, signedBytes(read.namespace, read.hash, digest), read.signature)
      ? { ok: true, signer }
      : refused("SIGNATURE_INVALID", `the signature by "${signer}" does not hold`);
  });
}

/**
 * Signs an artefact as `ssh-keygen -Y sign` does, with SHA-512.
 * @throws {SigningError} `FOREIGN_SIGNATURE_MALFORMED` for an empty namespace or without what is to be signed,
 * `SIGNATURE_INVALID` from a faulty signer
 */
export async function signSshSignature(options: {
  readonly content: SignedContent;
  readonly signer: Signer;
  readonly namespace?: string | undefined;
}): Promise<string> {
  const { content, signer, namespace = SSH_NAMESPACE } = options;
  const digest = digestOf(content, "sha512");
  if (digest === undefined) throw malformed(FORMAT, "neither the bytes nor their SHA-512 digest were given");
  if (namespace === "") throw malformed(FORMAT, "its namespace is empty");
  const message = signedBytes(namespace, "sha512", digest);
  const signature = await signer.sign(message);
  if (!portableVerifier.verify(signer.publicKey, message, signature)) {
    throw new SigningError({
      code: "SIGNATURE_INVALID",
      message: `Cannot sign with key "${fingerprint(signer.publicKey)}": the signer's own signature does not verify`,
    });
  }
  const blob = concatBytes(
    MAGIC,
    Uint8Array.of(0, 0, 0, 1),
    string(concatBytes(string(KEY_TYPE), string(signer.publicKey))),
    string(encodeUtf8(namespace)),
    string(new Uint8Array()),
    string(encodeUtf8("sha512")),
    string(concatBytes(string(KEY_TYPE), string(signature))),
  );
  const lines = encodeBase64(blob).match(/.{1,70}/g)!;
  return ["-----BEGIN SSH SIGNATURE-----", ...lines, "-----END SSH SIGNATURE-----", ""].join("\n");
}

/**
 * A line for the allowed signers file of `ssh-keygen -Y verify`.
 * @param principal who it is: an account or e-mail address, without spaces
 * @throws {SigningError} `FOREIGN_SIGNATURE_MALFORMED`
 */
export function sshAllowedSigner(principal: string, publicKey: Uint8Array, namespace: string = SSH_NAMESPACE): string {
  if (!/^[\w.@+-]+$/.test(principal) || !/^[\w.@+-]+$/.test(namespace)) {
    throw malformed(
      FORMAT,
      `"${principal.slice(0, 60)}" or "${namespace.slice(0, 60)}" has characters other than letters, digits and ".@+-_"`,
    );
  }
  const key = encodeBase64(concatBytes(string(KEY_TYPE), string(publicKey)));
  return `${principal} namespaces="${namespace}" ssh-ed25519 ${key}\n`;
}
