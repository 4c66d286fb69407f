import { AwsV4Signer } from "aws4fetch";
import { setTimeout as delay } from "node:timers/promises";
import { RegistryError } from "../registry-error.ts";

/** Where a bucket of an S3-compatible store is, and who asks. */
export interface S3Options {
  readonly bucket: string;
  readonly region: string;
  /** Of another store than Amazon's: `https://s3.example`. The bucket is then part of the path. */
  readonly endpoint?: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** Put before every key, without slash at its end. */
  readonly prefix?: string;
}

/** A request to the bucket. */
export interface S3Request {
  readonly method: "GET" | "HEAD" | "PUT" | "DELETE";
  /** Without the prefix; absent: the bucket itself. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Blob | Uint8Array<ArrayBuffer>;
  /** SHA-256 of the body in hexadecimal: the store refuses other bytes. */
  readonly sha256?: string;
  /** Statuses that are answers, besides successes. */
  readonly expected?: readonly number[];
}

const ATTEMPTS = 4;
const RETRY_MS = 100;
const TIMEOUT_MS = 20_000;
// A slow line, of what is uploaded.
const BYTES_PER_MS = 500;
const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

function sizeOf(body: S3Request["body"]): number {
  return body === undefined ? 0 : body instanceof Blob ? body.size : body.length;
}

/** The text of an element that has no elements in it. */
export function xmlText(xml: string, name: string): string | undefined {
  return xmlTexts(xml, name)[0];
}

/** The texts of all elements of that name that have no elements in them, in order. */
export function xmlTexts(xml: string, name: string): readonly string[] {
  const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };
  return [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, "g"))].map(([, text]) =>
    text!.replaceAll(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(\w+));/gi, (whole, hex, decimal, named) => {
      if (named !== undefined) return entities[named as string] ?? whole;
      return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex as string, 16));
    }),
  );
}

/** Requests to one bucket, signed (Signature Version 4), with deadlines; what may work another time is tried again. */
export class S3Client {
  readonly #options: S3Options;
  readonly #base: string;

  constructor(options: S3Options) {
    this.#options = options;
    const { bucket, region, endpoint } = options;
    // Amazon wants the bucket in the host's name; a dot in it would be one too many for the certificate.
    const own = bucket.includes(".")
      ? `https://s3.${region}.amazonaws.com/${bucket}`
      : `https://${bucket}.s3.${region}.amazonaws.com`;
    this.#base = endpoint === undefined ? own : `${endpoint.replace(/\/+$/, "")}/${bucket}`;
  }

  /** For messages. */
  get shown(): string {
    return `S3 bucket "${this.#options.bucket}" at ${new URL(this.#base).host}`;
  }

  #url(key: string | undefined, query: Readonly<Record<string, string>> = {}): string {
    const { prefix } = this.#options;
    const path = key === undefined ? "" : `/${prefix === undefined ? "" : `${prefix}/`}${key}`;
    const search = new URLSearchParams(query).toString();
    return `${this.#base}${path === "" ? "/" : path}${search === "" ? "" : `?${search}`}`;
  }

  /** The key as callers name it, of one that the store lists. */
  relativeKey(key: string): string {
    const { prefix } = this.#options;
    return prefix === undefined ? key : key.slice(prefix.length + 1);
  }

  /** The prefix of a listing below the bucket's own. */
  fullPrefix(prefix: string): string {
    return this.#options.prefix === undefined ? prefix : `${this.#options.prefix}/${prefix}`;
  }

  #signer(init: {
    url: string;
    method: string;
    headers?: Record<string, string>;
    signQuery?: boolean;
    allHeaders?: boolean;
  }): AwsV4Signer {
    const { accessKeyId, secretAccessKey, sessionToken, region } = this.#options;
    const token = sessionToken === undefined ? {} : { sessionToken };
    return new AwsV4Signer({ ...init, accessKeyId, secretAccessKey, ...token, region, service: "s3" });
  }

  /** An address with which whoever has it may fetch the object for `seconds`. */
  async presign(key: string, seconds: number): Promise<string> {
    const signer = this.#signer({
      url: this.#url(key, { "X-Amz-Expires": String(seconds) }),
      method: "GET",
      signQuery: true,
    });
    return (await signer.sign()).url.href;
  }

  /**
   * An address with which whoever has it may store an object of exactly `size` bytes for `seconds`, once: an object that is
   * there already stays. The headers are signed and must be sent as they are.
   */
  async presignPut(
    key: string,
    { size, seconds }: { readonly size: number; readonly seconds: number },
  ): Promise<{ readonly url: string; readonly headers: Readonly<Record<string, string>> }> {
    const headers = { "content-length": String(size), "if-none-match": "*" };
    const signer = this.#signer({
      url: this.#url(key, { "X-Amz-Expires": String(seconds) }),
      method: "PUT",
      headers,
      signQuery: true,
      allHeaders: true,
    });
    return { url: (await signer.sign()).url.href, headers };
  }

  /**
   * Sends a request; resolves with the answer, whose body the caller reads.
   * @throws {RegistryError} `UNAVAILABLE`
   */
  async send(request: S3Request): Promise<Response> {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.#once(request).catch((error: unknown) => error);
      const last = attempt === ATTEMPTS;
      if (outcome instanceof Response) {
        if (outcome.ok || request.expected?.includes(outcome.status)) return outcome;
        const refusal = await this.#refusal(outcome);
        if (last || !isTransient(outcome.status)) throw refusal;
      } else if (last) throw this.#unreachable(outcome);
      await delay(RETRY_MS * 2 ** attempt);
    }
  }

  async #once({ method, key, query, headers = {}, body, sha256 }: S3Request): Promise<Response> {
    const all = { ...headers, "x-amz-content-sha256": sha256 ?? EMPTY_SHA256 };
    const signed = await this.#signer({ url: this.#url(key, query), method, headers: all }).sign();
    const timeout = TIMEOUT_MS + sizeOf(body) / BYTES_PER_MS;
    return fetch(signed.url, {
      method,
      headers: signed.headers,
      redirect: "error",
      signal: AbortSignal.timeout(Math.ceil(timeout)),
      ...(body === undefined ? {} : { body: body instanceof Blob ? body : new Blob([body]) }),
    });
  }

  async #refusal(response: Response): Promise<RegistryError> {
    const text = await response.text().catch(() => "");
    const code = xmlText(text, "Code");
    const message = xmlText(text, "Message") ?? "";
    if (response.status === 507 || code === "QuotaExceeded" || code === "InsufficientStorage") {
      return new RegistryError({
        code: "STORAGE_FULL",
        message:
          `Cannot store the change: ${this.shown} is full, it answered ${response.status} ${code ?? ""}`.trimEnd(),
        retryAfter: 60,
      });
    }
    return this.#unavailable(`it answered ${response.status}${code === undefined ? "" : ` ${code}`}`, message);
  }

  #unreachable(error: unknown): RegistryError {
    const reason = error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : "";
    return this.#unavailable(reason || "the connection failed", "", error);
  }

  #unavailable(problem: string, message: string, cause?: unknown): RegistryError {
    return new RegistryError({
      code: "UNAVAILABLE",
      message: `Cannot use ${this.shown}: ${problem}${message === "" ? "" : ` (${message.slice(0, 200)})`}`,
      hint: "Send the same request again in a moment; where it stays so, the operator has to look at the store",
      retryAfter: 5,
      ...(cause === undefined ? {} : { cause }),
    });
  }

  /**
   * Demands that the bucket is there and may be read.
   * @throws {RegistryError} `STORAGE_UNUSABLE`
   */
  async requireBucket(): Promise<void> {
    try {
      const response = await this.send({ method: "GET", query: { "list-type": "2", "max-keys": "1" } });
      await response.body?.cancel();
    } catch (cause) {
      throw new RegistryError({
        code: "STORAGE_UNUSABLE",
        message: (cause as Error).message,
        hint: "Check S3_BUCKET_NAME, S3_REGION, S3_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that the bucket is made",
        cause,
      });
    }
  }

  /** Every key that begins with `prefix`. */
  async *list(prefix: string): AsyncIterable<string> {
    for await (const { key } of this.objects(prefix)) yield key;
  }

  /** Every object whose key begins with `prefix`, with its size in bytes. */
  async *objects(prefix: string): AsyncIterable<{ readonly key: string; readonly size: number }> {
    let token: string | undefined;
    do {
      const query = { "list-type": "2", prefix: this.fullPrefix(prefix) };
      const response = await this.send({
        method: "GET",
        query: token === undefined ? query : { ...query, "continuation-token": token },
      });
      const xml = await response.text();
      // Keys and sizes are in the same order: every object has one of each.
      const sizes = xmlTexts(xml, "Size");
      for (const [at, key] of xmlTexts(xml, "Key").entries())
        yield { key: this.relativeKey(key), size: Number(sizes[at]) };
      token = xmlText(xml, "IsTruncated") === "true" ? xmlText(xml, "NextContinuationToken") : undefined;
    } while (token !== undefined);
  }

  /** Removes an object; absence is no error. */
  async delete(key: string): Promise<void> {
    const response = await this.send({ method: "DELETE", key, expected: [404] });
    await response.body?.cancel();
  }
}

// 409: another write of the same object was under way.
function isTransient(status: number): boolean {
  return status >= 500 || status === 429 || status === 408 || status === 409;
}
