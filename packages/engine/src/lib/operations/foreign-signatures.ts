import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import type { PublicKeyFormat } from "@lading/signing";
import type { ContentDigests, ForeignVerdict } from "@lading/signing/foreign";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, exists, readText, writeFileAtomic } from "../files.ts";
import { readSigningKey, type KeyInput } from "./signing.ts";

/** Formats of signatures that other programs make and verify. */
export type ForeignFormat = "minisign" | "ssh";

/** Extensions of signature files: SSH's own, `.sig`, is that of our statements. */
const EXTENSIONS: Readonly<Record<ForeignFormat, string>> = { minisign: ".minisig", ssh: ".sshsig" };
const SIGNATURE_MAX = 16_384;

async function digestsOf(file: string, signal: AbortSignal | undefined): Promise<Required<ContentDigests>> {
  const [blake2b512, sha512, sha256] = [createHash("blake2b512"), createHash("sha512"), createHash("sha256")];
  await pipeline(
    createReadStream(file),
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) for (const hash of [blake2b512, sha512, sha256]) hash.update(chunk);
    },
    { signal },
  );
  return { blake2b512: blake2b512.digest(), sha512: sha512.digest(), sha256: sha256.digest() };
}

async function needFile(file: string, action: string, context: EngineContext): Promise<void> {
  if (await exists(file)) return;
  throw new EngineError({
    code: "ARTEFACT_NOT_FOUND",
    message: `Cannot ${action} "${displayPath(file, context.cwd)}": there is no such file`,
  });
}

/** A file that was signed for another program. */
export interface ForeignSigned {
  readonly file: string;
  readonly signature: string;
  readonly format: ForeignFormat;
  readonly signer: string;
}

/**
 * Signs a file for `minisign -V` (`FILE.minisig`) or `ssh-keygen -Y verify` (`FILE.sshsig`, namespace `file`).
 * @throws {EngineError} `ARTEFACT_NOT_FOUND`; {SigningError} what is wrong with the key
 */
export async function signForeign(
  input: KeyInput & { readonly file: string; readonly format: ForeignFormat },
  context: EngineContext,
): Promise<ForeignSigned> {
  const { fingerprint, softwareSigner } = await import("@lading/signing");
  const { signMinisign, signSshSignature } = await import("@lading/signing/foreign");
  const file = path.resolve(context.cwd, input.file);
  await needFile(file, "sign", context);
  const key = await readSigningKey(input, context);
  const signer = softwareSigner(key.seed);
  const content = await digestsOf(file, context.signal);
  const name = path.basename(file).replaceAll(/\p{Cc}/gu, "?");
  const trustedComment = `timestamp:${Math.floor(context.now() / 1000)} file:${name} hashed`;
  const text =
    input.format === "minisign"
      ? await signMinisign({ content, signer, trustedComment })
      : await signSshSignature({ content, signer });
  const signature = `${file}${EXTENSIONS[input.format]}`;
  await writeFileAtomic(signature, text);
  return {
    file: displayPath(file, context.cwd),
    signature: displayPath(signature, context.cwd),
    format: input.format,
    signer: fingerprint(key.publicKey),
  };
}

/** A file whose signature by another program holds. */
export interface ForeignVerified {
  readonly file: string;
  readonly checksum: string;
  readonly format: ForeignFormat;
  readonly signers: readonly string[];
  /** minisign's, which is signed too. */
  readonly trustedComment?: string;
}

function formatOf(text: string): ForeignFormat | undefined {
  if (text.startsWith("untrusted comment:")) return "minisign";
  return text.startsWith("-----BEGIN SSH SIGNATURE-----") ? "ssh" : undefined;
}

/**
 * Verifies a signature that minisign, signify or `ssh-keygen -Y sign` made over a file, by a public key in any form.
 * @returns `undefined` where the signature file is of no such format: it is a statement of ours, then
 * @throws {EngineError} `ARTEFACT_NOT_FOUND`; {SigningError} why it does not hold
 */
export async function verifyForeign(
  input: { readonly file: string; readonly signature: string; readonly key: string | undefined },
  context: EngineContext,
): Promise<ForeignVerified | undefined> {
  const [file, signature] = [input.file, input.signature].map((one) => path.resolve(context.cwd, one)) as [
    string,
    string,
  ];
  await needFile(signature, "read the signature", context);
  const text = (await readText(signature)).slice(0, SIGNATURE_MAX + 1);
  const format = formatOf(text);
  if (format === undefined) return undefined;
  await needFile(file, "verify", context);
  const { SigningError } = await import("@lading/signing");
  const shown = displayPath(file, context.cwd);
  if (input.key === undefined) {
    throw new SigningError({
      code: "SIGNATURE_KEY_UNKNOWN",
      message: `Cannot verify "${shown}": a signature of ${format} counts by the key that is named, and none is`,
      hint: "Give the signer's public key with --key FILE",
    });
  }
  const { readPublicKeyFile } = await import("@lading/signing/node");
  const { publicKey } = await readPublicKeyFile(path.resolve(context.cwd, input.key));
  const { verdict, sha256 } = await judged(file, text, format, publicKey, context);
  if (!verdict.ok)
    throw new SigningError({ code: verdict.code, message: `Cannot verify "${shown}": ${verdict.reason}` });
  const { signer, trustedComment } = verdict;
  return {
    file: shown,
    checksum: `sha256:${Buffer.from(sha256).toString("hex")}`,
    format,
    signers: [signer],
    ...(trustedComment === undefined ? {} : { trustedComment }),
  };
}

async function judged(
  file: string,
  signature: string,
  format: ForeignFormat,
  publicKey: Uint8Array,
  { signal }: EngineContext,
): Promise<{ readonly verdict: ForeignVerdict; readonly sha256: Uint8Array }> {
  const { parseMinisign, verifyMinisign, verifySshSignature } = await import("@lading/signing/foreign");
  const { nodeVerifier } = await import("@lading/signing/node");
  const digests = await digestsOf(file, signal);
  const common = { signature, keys: [{ publicKey }], verifier: nodeVerifier };
  if (format === "ssh") return { verdict: verifySshSignature({ ...common, content: digests }), sha256: digests.sha256 };
  // The old form signs the bytes themselves.
  const content = parseMinisign(signature).algorithm === "ED" ? digests : new Uint8Array(await readFile(file));
  return { verdict: verifyMinisign({ ...common, content }), sha256: digests.sha256 };
}

/** A public key as other programs read it. */
export interface ExportedKey {
  readonly fingerprint: string;
  readonly format: PublicKeyFormat | "allowed-signer";
  readonly text: string;
}

/**
 * Gives out the public key of a key file, private or public, in the form that another program reads.
 * @throws {EngineError} `ARTEFACT_NOT_FOUND`; {SigningError} what is wrong with the file
 */
export async function exportKey(
  input: KeyInput & {
    readonly format: ExportedKey["format"];
    /** For an allowed signer: who it is. */
    readonly principal?: string | undefined;
  },
  context: EngineContext,
): Promise<ExportedKey> {
  const { fingerprint, formatPublicKey } = await import("@lading/signing");
  const { publicKey } = await publicKeyOf(input, context);
  const { format, principal = "publisher" } = input;
  if (format !== "allowed-signer") {
    return { fingerprint: fingerprint(publicKey), format, text: formatPublicKey(publicKey, format) };
  }
  const { sshAllowedSigner } = await import("@lading/signing/foreign");
  return { fingerprint: fingerprint(publicKey), format, text: sshAllowedSigner(principal, publicKey) };
}

/** The public half: of a private key file from the `.pub` beside it, where there is one, so that no passphrase is needed. */
async function publicKeyOf(input: KeyInput, context: EngineContext): Promise<{ readonly publicKey: Uint8Array }> {
  const { publicKeyPath, readPublicKeyFile } = await import("@lading/signing/node");
  if (input.key === undefined) return readSigningKey(input, context);
  const file = path.resolve(context.cwd, input.key);
  if (file.endsWith(".pub")) return readPublicKeyFile(file);
  const beside = publicKeyPath(file);
  if ((await exists(file)) && (await exists(beside))) return readPublicKeyFile(beside);
  return readSigningKey(input, context);
}
