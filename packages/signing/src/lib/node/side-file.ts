import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { parseDigest, type Digest } from "@lading/core-manifest";
import { equalBytes } from "../bytes.ts";
import { ENVELOPE_MAX_BYTES } from "../dsse.ts";
import { encodeEnvelope, verifyEnvelope, type SignatureVerdict, type VerifyOptions } from "../envelope.ts";
import type { Signer } from "../signer.ts";
import { SigningError } from "../signing-error.ts";
import { statementFacts, type Statement } from "../statement.ts";
import { openRegularFile, replaceFile, systemCode } from "./files.ts";
import { nodeVerifier } from "./verifier.ts";

/** Path of the side file of an artefact. */
export function sideFilePath(artefact: string): string {
  return `${artefact}.sig`;
}

function ioError(path: string, action: string, cause: unknown): SigningError {
  return new SigningError({
    code: "SIGNATURE_FILE_IO",
    message: `Cannot ${action} "${path}": ${cause instanceof Error ? cause.message : String(cause)}`,
    path,
    cause,
  });
}

/**
 * The SHA-256 digest of a file, streamed.
 * @throws {SigningError} `SIGNATURE_FILE_IO`
 */
export async function digestFile(path: string, signal?: AbortSignal): Promise<Digest> {
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(path), hash, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw ioError(path, "read", error);
  }
  return parseDigest(`sha256:${hash.digest("hex")}`);
}

/**
 * Reads a side file; `undefined` where there is none.
 * @throws {SigningError} `SIGNATURE_FILE_IO`
 */
export async function readSideFile(path: string): Promise<Uint8Array | undefined> {
  try {
    const handle = await openRegularFile(path);
    try {
      // One byte above the limit is enough for the reader to refuse it.
      const buffer = new Uint8Array(ENVELOPE_MAX_BYTES + 1);
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw ioError(path, "read", error);
  }
}

async function checkPresent(output: string, envelope: Uint8Array): Promise<boolean> {
  const present = await readSideFile(output);
  if (present === undefined) return false;
  if (equalBytes(present, envelope)) return true;
  throw new SigningError({
    code: "SIGNATURE_FILE_EXISTS",
    message: `Cannot write "${output}": another signature is there`,
    path: output,
  });
}

/** What {@link signFile} made. */
export interface SignedFile {
  readonly path: string;
  readonly envelope: Uint8Array;
}

/**
 * Signs an artefact: writes `<artefact>.sig`, in one step; the artefact's bytes stay as they are. The same signature again
 * changes nothing.
 * @param options.statement must state the digest of the file as it is
 * @param options.overwrite replaces another signature
 * @throws {SigningError} `SIGNATURE_SUBJECT_MISMATCH`, `SIGNATURE_FILE_EXISTS`, `SIGNATURE_FILE_IO`, and as `encodeEnvelope`
 */
export async function signFile(options: {
  readonly file: string;
  readonly statement: Statement;
  readonly signers: readonly Signer[];
  readonly output?: string | undefined;
  readonly overwrite?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}): Promise<SignedFile> {
  const { file, statement, signers, output = sideFilePath(file), overwrite = false, signal } = options;
  const [blob, stated] = [await digestFile(file, signal), statementFacts(statement).blob];
  if (blob !== stated) {
    throw new SigningError({
      code: "SIGNATURE_SUBJECT_MISMATCH",
      message: `Cannot sign "${file}": its digest is "${blob}", the statement says "${stated}"`,
      path: file,
    });
  }
  const envelope = await encodeEnvelope(statement, signers);
  if (!overwrite && (await checkPresent(output, envelope))) return { path: output, envelope };
  await replaceFile(output, envelope, 0o644).catch((error: unknown) => {
    throw ioError(output, "write", error);
  });
  return { path: output, envelope };
}

/**
 * Verifies an artefact against its side file: digest of the bytes, envelope, policy and what else is expected.
 * @param options.signature path of the side file; `<artefact>.sig` unless given. Where there is none, the verdict is
 * `SIGNATURE_MISSING`
 * @throws {SigningError} `SIGNATURE_FILE_IO`, `SIGNATURE_POLICY_INVALID`
 */
export async function verifyFile(
  options: VerifyOptions & {
    readonly file: string;
    readonly signature?: string | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<SignatureVerdict> {
  const { file, signature = sideFilePath(file), signal, expect, verifier = nodeVerifier } = options;
  const [blob, envelope] = [await digestFile(file, signal), await readSideFile(signature)];
  const verdict = verifyEnvelope(envelope, { ...options, verifier, expect: { ...expect, blob: expect.blob ?? blob } });
  if (!verdict.ok || expect.blob === undefined || expect.blob === blob) return verdict;
  return {
    ok: false,
    code: "SIGNATURE_SUBJECT_MISMATCH",
    reason: `the file's digest is "${blob}", expected "${expect.blob}"`,
  };
}
