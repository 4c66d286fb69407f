import busboy from "busboy";
import { Readable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { tryParseChannel, tryParseDigest, type Digest } from "@lading/core-manifest";
import type { DeclaredPackage } from "./declared-package.ts";
import type { BlobStore, StagedBlob } from "./ports.ts";
import { RegistryError } from "./registry-error.ts";

const METADATA_MAX_BYTES = 64 * 1024;
/** Largest statement, in bytes. */
export const STATEMENT_MAX_BYTES: number = 1024 * 1024;
const ORIGIN_MAX = 500;

/** A publish request's parts; `package` is sealed. */
export interface PublishForm {
  readonly declared: DeclaredPackage;
  readonly statement: Uint8Array | undefined;
  readonly package: StagedBlob;
  readonly digest: Digest;
  readonly size: number;
}

interface Draft {
  declared?: DeclaredPackage;
  statement?: Uint8Array;
  package?: StagedBlob;
  sealed?: { readonly digest: Digest; readonly size: number };
}

function malformed(problem: string, cause?: unknown): RegistryError {
  return new RegistryError({
    code: "MULTIPART_INVALID",
    message: `Cannot read the upload: ${problem}`,
    hint: 'Send the parts "metadata", "statement" (optional) and "package" in this order, each once',
    ...(cause === undefined ? {} : { cause }),
  });
}

function tooLarge(size: number | undefined, limit: number): RegistryError {
  return new RegistryError({
    code: "PAYLOAD_TOO_LARGE",
    message: `Cannot accept the package: its size is ${size === undefined ? "more than allowed" : `${size} bytes`}, allowed are ${limit} bytes`,
    limit,
  });
}

/** @throws {RegistryError} `PAYLOAD_TOO_LARGE` */
export function requireSize(size: number, limit: number): void {
  if (size > limit) throw tooLarge(size, limit);
}

/**
 * Reads the `metadata` part.
 * @throws {RegistryError} `MULTIPART_INVALID`
 */
export function parseDeclaredPackage(text: string): DeclaredPackage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed('part "metadata" is not JSON', cause);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw malformed('part "metadata" is not a JSON object');
  const { blob, size, tree, channel, origin } = value as Record<string, unknown>;
  const digest = tryParseDigest(blob);
  if (digest === undefined)
    throw malformed('"blob" in part "metadata" is not "sha256:" and 64 lower-case hexadecimal digits');
  if (!Number.isSafeInteger(size) || (size as number) < 0)
    throw malformed('"size" in part "metadata" is not a whole number of bytes');
  const treeDigest = tryParseDigest(tree);
  if (tree !== undefined && treeDigest === undefined)
    throw malformed('"tree" in part "metadata" is not a SHA-256 digest');
  const named = typeof channel === "string" ? tryParseChannel(channel) : undefined;
  if (channel !== undefined && named === undefined)
    throw malformed('"channel" in part "metadata" is no name of a channel, or is a version or requirement');
  const from = typeof origin === "string" && origin.length <= ORIGIN_MAX ? URL.parse(origin) : null;
  if (origin !== undefined && (from === null || !/^https?:$/.test(from.protocol) || from.username !== ""))
    throw malformed('"origin" in part "metadata" is no http or https address');
  return {
    blob: digest,
    size: size as number,
    ...(treeDigest === undefined ? {} : { tree: treeDigest }),
    ...(named === undefined ? {} : { channel: named }),
    ...(from === null ? {} : { origin: from.href }),
  };
}

async function collect(stream: AsyncIterable<Uint8Array>, limit: number, part: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > limit) throw malformed(`part "${part}" has more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Up to here a request's body is read at once: a stream for each costs more than all that is done with so few bytes. */
const WHOLE_BODY_MAX_BYTES = 64 * 1024;

/** How much of an upload that cannot be stored is still received. */
const PASSED_OVER_MAX_BYTES = 64 * 2 ** 20;

class PublishFormReader {
  readonly draft: Draft = {};
  readonly #blobs: BlobStore;
  readonly #limit: number;

  constructor(blobs: BlobStore, limit: number) {
    this.#blobs = blobs;
    this.#limit = limit;
  }

  async part(name: string, stream: AsyncIterable<Uint8Array>): Promise<void> {
    if (name === "metadata") this.metadata(new TextDecoder().decode(await collect(stream, METADATA_MAX_BYTES, name)));
    else if (name === "statement") await this.#statement(stream);
    else if (name === "package") await this.#package(stream);
    else throw malformed(`there is a part "${name.slice(0, 60)}", allowed are "metadata", "statement" and "package"`);
  }

  metadata(text: string): void {
    if (this.draft.declared !== undefined) throw malformed('part "metadata" comes twice');
    this.draft.declared = parseDeclaredPackage(text);
    requireSize(this.draft.declared.size, this.#limit);
  }

  async #statement(stream: AsyncIterable<Uint8Array>): Promise<void> {
    if (this.draft.statement !== undefined) throw malformed('part "statement" comes twice');
    this.draft.statement = await collect(stream, STATEMENT_MAX_BYTES, "statement");
  }

  async #package(stream: AsyncIterable<Uint8Array>): Promise<void> {
    const { declared } = this.draft;
    if (declared === undefined) throw malformed('part "package" comes before part "metadata"');
    if (this.draft.package !== undefined) throw malformed('part "package" comes twice');
    const staged = await this.#blobs.stage();
    this.draft.package = staged;
    let size = 0;
    let failure: { readonly error: unknown } | undefined;
    for await (const chunk of stream) {
      size += chunk.length;
      // Stop at once: what is declared as a kilobyte must not fill the disk.
      if (size > declared.size) throw mismatch("size", `more than ${declared.size} bytes`, `${declared.size} bytes`);
      if (failure !== undefined) continue;
      try {
        await staged.write(chunk);
      } catch (error) {
        // Whoever is still sending would see a broken connection, and not why.
        if (declared.size - size > PASSED_OVER_MAX_BYTES) throw error;
        failure = { error };
      }
    }
    if (failure !== undefined) throw failure.error;
    this.draft.sealed = await staged.seal();
  }

  finish(): PublishForm {
    const { declared, statement, package: staged, sealed } = this.draft;
    if (declared === undefined) throw malformed('part "metadata" is missing');
    if (staged === undefined || sealed === undefined) throw malformed('part "package" is missing');
    if (sealed.size !== declared.size) throw mismatch("size", `${sealed.size} bytes`, `${declared.size} bytes`);
    if (sealed.digest !== declared.blob) throw mismatch("digest", sealed.digest, declared.blob);
    return { declared, statement, package: staged, ...sealed };
  }
}

/** Bytes are not those that were declared. */
export function mismatch(what: string, found: string, declared: string): RegistryError {
  return new RegistryError({
    code: "BLOB_MISMATCH",
    message: `Cannot accept the package: its ${what} is ${found}, declared is ${declared}`,
    hint: "Upload it again",
  });
}

function openParser(contentType: string): busboy.Busboy {
  try {
    return busboy({
      headers: { "content-type": contentType },
      limits: { fieldNameSize: 64, fieldSize: METADATA_MAX_BYTES, fields: 4, files: 4, parts: 6, headerPairs: 32 },
    });
  } catch (cause) {
    throw malformed("its content type has no boundary", cause);
  }
}

function connectParser(parser: busboy.Busboy, reader: PublishFormReader): () => Promise<void> {
  let parts: Promise<void> = Promise.resolve();
  // A part that is refused ends the whole request: nobody reads the rest of a gigabyte.
  const settle = (work: () => Promise<void> | void): void => {
    parts = parts.then(work);
    parts.catch((error: unknown) => parser.destroy(error as Error));
  };
  parser.on("field", (name, value, info) => {
    settle(() => {
      if (info.valueTruncated) throw malformed(`part "${name.slice(0, 60)}" has more than ${METADATA_MAX_BYTES} bytes`);
      if (name !== "metadata") throw malformed(`part "${name.slice(0, 60)}" is not a file`);
      reader.metadata(value);
    });
  });
  parser.on("file", (name, stream) => {
    stream.on("error", () => {});
    settle(() => reader.part(name, stream as AsyncIterable<Uint8Array>));
  });
  for (const limit of ["partsLimit", "filesLimit", "fieldsLimit"] as const) {
    parser.on(limit, () => settle(() => Promise.reject(malformed("it has too many parts"))));
  }
  return () => parts;
}

function isSmall({ headers }: Request): boolean {
  const length = Number(headers.get("content-length") ?? Number.NaN);
  return length > 0 && length <= WHOLE_BODY_MAX_BYTES;
}

/**
 * Reads a publish request's multipart body, streaming the package into a staged blob while hashing it.
 * On failure nothing stays staged.
 * @throws {RegistryError} `MULTIPART_INVALID`, `MEDIA_TYPE_UNSUPPORTED`, `PAYLOAD_TOO_LARGE`, `BLOB_MISMATCH`
 */
export async function readPublishForm(
  request: Request,
  options: { readonly blobs: BlobStore; readonly packageBytes: number },
): Promise<PublishForm> {
  const contentType = request.headers.get("content-type") ?? "";
  if (!/^multipart\/form-data\s*(?:;|$)/i.test(contentType)) {
    throw new RegistryError({
      code: "MEDIA_TYPE_UNSUPPORTED",
      message: `Cannot publish a body of type "${contentType.slice(0, 100)}": allowed is "multipart/form-data"`,
    });
  }
  const whole = isSmall(request);
  if (!whole && request.body === null) throw malformed("it has no body");
  const parser = openParser(contentType);
  const reader = new PublishFormReader(options.blobs, options.packageBytes);
  const parts = connectParser(parser, reader);
  try {
    if (whole) await finished(parser.end(new Uint8Array(await request.arrayBuffer())));
    else await pipeline(Readable.fromWeb(request.body!), parser);
    await parts();
    return reader.finish();
  } catch (error) {
    await parts().catch(() => {});
    await reader.draft.package?.discard();
    throw asUploadError(error);
  }
}

function asUploadError(error: unknown): unknown {
  if (error instanceof RegistryError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  if (/^E[A-Z]+$/.test(code) && code !== "ECONNRESET" && code !== "EPIPE") return error;
  return malformed(
    (error as Error).message === "" ? "it broke off" : `it is malformed or broke off (${(error as Error).message})`,
    error,
  );
}
