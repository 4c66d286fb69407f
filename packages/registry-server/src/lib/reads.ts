import { parseDigest, tryParseDigest, type Digest } from "@lading/core-manifest";
import { matchesEtag } from "./etag.ts";
import type { BlobGate } from "./governance/blob-gate.ts";
import type { IndexService } from "./index-service.ts";
import type { BlobStore, ByteRange, MetadataStore, StoredBlob } from "./ports.ts";
import { immutable, type OtherReads, type ReadAnswer, type ReadHeaders, type RenderedDocument } from "./read-answer.ts";
import { RegistryError } from "./registry-error.ts";
import { TrustService } from "./trust/trust-service.ts";

const BLOB_PATH = /^blobs\/sha256\/([0-9a-f]{64})(\.sig)?$/;

/**
 * Reads a `Range` header for a body of `size` bytes: one byte range; `undefined` where there is none to
 * honour (several ranges or another unit are answered whole, RFC 9110 §14.2).
 * @throws {RegistryError} `RANGE_NOT_SATISFIABLE`
 */
export function parseRange(header: string | undefined, size: number): ByteRange | undefined {
  const match = header === undefined ? null : /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header.trim());
  if (match === null || (match[1] === "" && match[2] === "")) return undefined;
  const [, first, last] = match;
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== "" && last !== "" && Number(last) < Number(first)) return undefined;
  if (start >= size || (first === "" && Number(last) === 0)) {
    throw new RegistryError({
      code: "RANGE_NOT_SATISFIABLE",
      message: `Cannot serve range "${header!.slice(0, 60)}": the file has ${size} bytes`,
      size,
    });
  }
  return { start, end };
}

/** The answer with an index document. */
export function answerDocument(document: RenderedDocument, headers: Pick<ReadHeaders, "if-none-match">): ReadAnswer {
  return matchesEtag(headers["if-none-match"], document.etag) ? document.unchanged : document.whole;
}

function answerBlob(source: StoredBlob, digest: Digest, headers: ReadHeaders, cacheControl: string): ReadAnswer {
  const etag = `"${digest}"`;
  const common = {
    etag,
    "cache-control": cacheControl,
    "accept-ranges": "bytes",
    // Blobs are whatever publishers uploaded: no browser may take one for a page of this origin.
    "content-type": "application/octet-stream",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
  };
  if (matchesEtag(headers["if-none-match"], etag))
    return { status: 304, headers: { etag, "cache-control": common["cache-control"] } };
  const ranged = headers["if-range"] === undefined || headers["if-range"] === etag;
  const range = ranged ? parseRange(headers.range, source.size) : undefined;
  if (range === undefined)
    return { status: 200, headers: { ...common, "content-length": String(source.size) }, blob: { source } };
  return {
    status: 206,
    headers: {
      ...common,
      "content-length": String(range.end - range.start + 1),
      "content-range": `bytes ${range.start}-${range.end}/${source.size}`,
    },
    blob: { source, range },
  };
}

function absent(path: string): RegistryError {
  return new RegistryError({ code: "NOT_FOUND", message: `Cannot find "/${path.slice(0, 200)}"` });
}

const DESCRIPTION = "/.well-known/lading.json";
/** Smaller blobs are sent at once: another connection costs more than they do. */
const REDIRECT_MIN_BYTES = 256 * 1024;
/** How long an address that a reader is sent to is good for. */
const REDIRECT_SECONDS = 300;

/** Statements whose place is remembered, the oldest forgotten first. */
const STATEMENTS_KNOWN = 50_000;

/**
 * The answer with a blob that the reader may have.
 * @throws {RegistryError} `RANGE_NOT_SATISFIABLE`
 */
export async function answerStored(
  source: StoredBlob,
  digest: Digest,
  headers: ReadHeaders,
  { cacheControl, blobs }: { readonly cacheControl: string; readonly blobs: BlobStore },
): Promise<ReadAnswer> {
  const answer = answerBlob(source, digest, headers, cacheControl);
  if (answer.status === 304 || source.size < REDIRECT_MIN_BYTES || blobs.downloadUrl === undefined) return answer;
  // The store checks ranges and sends the bytes; who may read them was decided before.
  const location = await blobs.downloadUrl(digest, REDIRECT_SECONDS);
  return { status: 307, headers: { location, "cache-control": "no-store", "content-length": "0" } };
}

/**
 * Reads of index documents, blobs, signed metadata and log: memory and files, never the metadata store; but for the place
 * of a statement, which it is asked for once, since it never changes, and for superseded and hash-named documents.
 */
export class Reads {
  readonly #index: IndexService;
  readonly #blobs: BlobStore;
  readonly #metadata: Pick<MetadataStore, "statementOf">;
  readonly #gate: BlobGate;
  readonly #cacheControl: string;
  readonly #statements = new Map<Digest, Digest>();
  readonly #trust: TrustService | undefined;
  readonly #upstreams: OtherReads | undefined;

  constructor(options: {
    readonly trust?: TrustService | undefined;
    readonly index: IndexService;
    readonly blobs: BlobStore;
    readonly metadata: Pick<MetadataStore, "statementOf">;
    readonly gate: BlobGate;
    readonly readPublic: boolean;
    readonly upstreams?: OtherReads;
  }) {
    this.#upstreams = options.upstreams;
    this.#trust = options.trust;
    this.#index = options.index;
    this.#blobs = options.blobs;
    this.#metadata = options.metadata;
    this.#gate = options.gate;
    this.#cacheControl = immutable(options.readPublic);
  }

  /** Whether a path (without leading slash) is one of ours. */
  owns(path: string): boolean {
    if (this.#upstreams?.owns(path) === true) return !path.endsWith(DESCRIPTION);
    return ["index/", "blobs/", "metadata/", "log/"].some((prefix) => path.startsWith(prefix));
  }

  /** The answer from memory, where memory has it. */
  peek(path: string, headers: Pick<ReadHeaders, "if-none-match">): ReadAnswer | undefined {
    const document = this.#index.peek(path);
    return document && answerDocument(document, headers);
  }

  /**
   * @throws {RegistryError} `PACKAGE_NOT_FOUND`, `BLOB_NOT_FOUND`, `RANGE_NOT_SATISFIABLE`, `NOT_FOUND`, and those of upstreams
   */
  async answer(path: string, headers: ReadHeaders): Promise<ReadAnswer> {
    if (this.#upstreams?.owns(path) === true) return this.#upstreams.answer(path, headers);
    if (this.#trust !== undefined && TrustService.owns(path)) return this.#trust.answer(path, headers);
    if (path.startsWith("index/")) return this.#document(path, headers);
    const [, hex, side] = BLOB_PATH.exec(path) ?? [];
    if (hex === undefined) throw absent(path);
    const blob = parseDigest(`sha256:${hex}`);
    return side === undefined ? this.#blob(blob, headers) : this.#blob(await this.#statement(blob), headers);
  }

  async #statement(blob: Digest): Promise<Digest> {
    const known = this.#statements.get(blob);
    if (known !== undefined) return known;
    const statement = await this.#metadata.statementOf(blob);
    if (statement === undefined)
      throw new RegistryError({ code: "BLOB_NOT_FOUND", message: `Cannot find a statement about blob "${blob}"` });
    this.#statements.set(blob, statement);
    for (const oldest of this.#statements.keys()) {
      if (this.#statements.size <= STATEMENTS_KNOWN) break;
      this.#statements.delete(oldest);
    }
    return statement;
  }

  async #blob(digest: Digest, headers: ReadHeaders): Promise<ReadAnswer> {
    this.#gate.require(digest);
    const source = await this.#blobs.open(digest);
    if (source === undefined)
      throw new RegistryError({ code: "BLOB_NOT_FOUND", message: `Cannot find blob "${digest}"` });
    return answerStored(source, digest, headers, { cacheControl: this.#cacheControl, blobs: this.#blobs });
  }

  async #document(path: string, headers: ReadHeaders): Promise<ReadAnswer> {
    const document = await this.#index.read(path);
    if (document !== undefined) return answerDocument(document, headers);
    throw new RegistryError({
      code: "PACKAGE_NOT_FOUND",
      message: `Cannot find an index document at "/${path.slice(0, 200)}": no package is published there`,
    });
  }
}

/** The blob whose bytes an answer carries from their start: what counts as one download. */
export function downloadedBlob(path: string, answer: ReadAnswer, method: string): Digest | undefined {
  const sent = answer.blob !== undefined || answer.status === 307;
  if (method !== "GET" || !sent || (answer.blob?.range?.start ?? 0) > 0) return undefined;
  return tryParseDigest(`sha256:${path.slice("blobs/sha256/".length)}`);
}
