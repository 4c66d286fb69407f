import { createHash } from "node:crypto";
import type { Connection, ForwardedHeaders } from "./connection.ts";
import type { ByteRange, StoredBlob } from "./ports.ts";

/** Headers of a read, by lower-case name. */
export interface ReadHeaders {
  readonly "if-none-match"?: string | undefined;
  readonly "if-range"?: string | undefined;
  readonly range?: string | undefined;
  readonly "accept-encoding"?: string | undefined;
}

/** A read as `Registry.read` takes it. */
export interface ReadRequest {
  readonly method: string;
  /** Without leading slash and query. */
  readonly path: string;
  readonly headers: ReadHeaders & ForwardedHeaders & { readonly authorization?: string | undefined };
  readonly connection?: Connection;
}

/** An answer as data, so that the socket's fast path and the web handler can both send it. */
export interface ReadAnswer {
  readonly status: 200 | 206 | 304 | 307;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes?: Uint8Array;
  /** `headers` as names and values in turn, where they are prepared. */
  readonly rawHeaders?: readonly string[];
  /** `bytes` as text of one byte a character, where they are few: sockets send it in one piece with the headers. */
  readonly text?: string;
  readonly blob?: { readonly source: StoredBlob; readonly range?: ByteRange };
}

/**
 * Where a route that has its body as bytes leaves them, for servers that write to sockets themselves: the answer has no body
 * then. A web answer would copy the bytes and read them back through a stream.
 */
export interface AnswerBody {
  bytes?: Uint8Array;
}

/**
 * `Cache-Control` of what never changes. Where reading needs credentials, caches that others share may not keep it: their
 * users would read without.
 */
export function immutable(readPublic: boolean): string {
  return `${readPublic ? "public" : "private"}, max-age=31536000, immutable`;
}

/** A rendered index document. */
export interface RenderedDocument {
  readonly bytes: Uint8Array;
  /** Strong validator with its quotes. */
  readonly etag: string;
  readonly whole: ReadAnswer;
  readonly unchanged: ReadAnswer;
}

// Up to here a socket sends headers and text with one copy and one call.
const TEXT_MAX_BYTES = 16_000;

function prepared(status: 200 | 304, headers: Readonly<Record<string, string>>): ReadAnswer {
  return { status, headers, rawHeaders: Object.entries(headers).flat() };
}

/** A document with the two answers that it can be, prepared once for all requests. */
export function prepareDocument(bytes: Uint8Array): RenderedDocument {
  const etag = `"sha256:${createHash("sha256").update(bytes).digest("hex")}"`;
  const common = { etag, "cache-control": "no-cache" };
  const described = { ...common, "content-type": "application/json", "content-length": String(bytes.length) };
  const text = bytes.length > TEXT_MAX_BYTES ? {} : { text: Buffer.from(bytes).toString("latin1") };
  return { bytes, etag, whole: { ...prepared(200, described), bytes, ...text }, unchanged: prepared(304, common) };
}

/** Reads that others answer: files of upstream registries. */
export interface OtherReads {
  /** Whether a path (without leading slash) is one of theirs. */
  owns(path: string): boolean;
  /** @throws {RegistryError} where there is no such file, or none that may be given out */
  answer(path: string, headers: ReadHeaders): Promise<ReadAnswer>;
}
