import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { deflateFragment } from "../deflate-fragments.ts";
import { matchesEtag } from "../etag.ts";
import type { ReadAnswer, ReadHeaders } from "../read-answer.ts";

/** Below this, compressing gains nothing. */
const COMPRESS_MIN_BYTES = 512;

/** Whether a client takes gzip (RFC 9110 §12.5.3). */
export function acceptsGzip(header: string | undefined): boolean {
  return (header ?? "").split(",").some((part) => {
    const [coding = "", ...parameters] = part.split(";").map((piece) => piece.trim().toLowerCase());
    const refused = parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
    return (coding === "gzip" || coding === "*") && !refused;
  });
}

/** A file of metadata or of the log, with its compressed form once somebody asked for it. */
export class ServedFile {
  readonly bytes: Uint8Array;
  readonly #etag: string;
  readonly #compress: boolean;
  readonly #headers: Readonly<Record<string, string>>;
  #gzip: Uint8Array | undefined;
  #fragment: Promise<Uint8Array> | undefined;

  constructor(
    bytes: Uint8Array,
    options: { readonly type: string; readonly cacheControl: string; readonly compress: boolean },
  ) {
    this.bytes = bytes;
    this.#compress = options.compress && bytes.length >= COMPRESS_MIN_BYTES;
    this.#etag = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    this.#headers = {
      "cache-control": options.cacheControl,
      "content-type": options.type,
      "x-content-type-options": "nosniff",
      vary: "accept-encoding",
    };
  }

  /** Bytes in memory at most, with what is kept of its compressed forms. */
  get size(): number {
    return this.bytes.length * (this.#compress ? 2 : 1);
  }

  /** Its bytes as a part of a compressed answer; `undefined` where it is not worth compressing alone. */
  readonly fragment = (): Promise<Uint8Array> | undefined =>
    this.#compress ? (this.#fragment ??= deflateFragment(this.bytes)) : undefined;

  /** The answer to a request. */
  answer(headers: ReadHeaders): ReadAnswer {
    const compressed = this.#compress && acceptsGzip(headers["accept-encoding"]);
    const etag = compressed ? `"${this.#etag}+gzip"` : `"${this.#etag}"`;
    const { vary, "cache-control": cacheControl } = this.#headers as Record<"vary" | "cache-control", string>;
    if (matchesEtag(headers["if-none-match"], etag)) {
      return { status: 304, headers: { etag, vary, "cache-control": cacheControl } };
    }
    const bytes = compressed ? (this.#gzip ??= gzipSync(this.bytes)) : this.bytes;
    const encoding = compressed ? { "content-encoding": "gzip" } : {};
    return {
      status: 200,
      headers: { ...this.#headers, ...encoding, etag, "content-length": String(bytes.length) },
      bytes,
    };
  }
}
