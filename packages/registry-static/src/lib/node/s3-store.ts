import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { AwsClient } from "aws4fetch";
import { LEASE_MS, LEASE_PATH, decodeLease, encodeLease, leaseLost } from "../lease.ts";
import { StaticRegistryError } from "../static-error.ts";
import { busy, checkBlob, checkStorePath, storeFailed, storeRefused } from "../store-errors.ts";
import type { PlacedFile, RegistryStore, StoredFile, StoreSession } from "../store.ts";

/** A bucket of S3 or of a server that speaks its protocol, with conditional writes (`If-None-Match`, `If-Match`). */
export interface S3StoreOptions {
  /** `https://s3.eu-central-1.amazonaws.com`, without bucket. */
  readonly endpoint: string;
  readonly bucket: string;
  /** Before every key: `packages/`, or empty. */
  readonly prefix?: string | undefined;
  readonly region?: string | undefined;
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string | undefined;
  };
  /** Sends a request; the global one unless given. */
  readonly fetch?: ((request: Request) => Promise<Response>) | undefined;
  readonly now?: (() => number) | undefined;
  /** How long another writer is waited for, in milliseconds; 30 seconds unless given. */
  readonly waitMs?: number | undefined;
}

/** Files whose bytes change; every other is named by its version or its content. */
const CHANGING =
  /^(?:metadata\/timestamp\.json|log\/checkpoint|\.well-known\/.*|lease\.json|index\/[^/]+\/[^/]+\/[^/]+)$/;
const PREFIXED = /\/[0-9a-f]{64}\.[^/]+$/;

function cacheControl(path: string): string {
  return CHANGING.test(path) && !PREFIXED.test(path) ? "no-cache" : "public, max-age=31536000, immutable";
}

function contentType(path: string): string {
  if (path.endsWith(".json")) return "application/json";
  return path === "log/checkpoint" ? "text/plain; charset=utf-8" : "application/octet-stream";
}

// Without its quotes: S3 takes an entity tag either way in a condition, Ceph on writing only so.
function tagOf(answer: Response): string {
  return (answer.headers.get("etag") ?? "").replaceAll('"', "");
}

interface Precondition {
  readonly "if-match"?: string;
  readonly "if-none-match"?: "*";
}

/** Content of an element of the bucket's XML that has no elements in it; empty where there is none. */
function textOf(xml: string, element: string): string {
  const found = new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1] ?? "";
  const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return found.replaceAll(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => entities[name]!);
}

class Bucket {
  readonly #options: S3StoreOptions;
  readonly #client: AwsClient;
  readonly location: string;

  constructor(options: S3StoreOptions) {
    this.#options = options;
    const { accessKeyId, secretAccessKey, sessionToken } = options.credentials;
    this.#client = new AwsClient({
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      service: "s3",
      region: options.region ?? "us-east-1",
      retries: 0,
    });
    this.location = `s3+${options.endpoint.replace(/\/+$/, "")}/${options.bucket}/${options.prefix ?? ""}`;
  }

  async #send(method: string, path: string, init: RequestInit, signal?: AbortSignal): Promise<Response> {
    checkStorePath(path);
    const { endpoint, bucket, prefix = "" } = this.#options;
    const key = `${prefix}${path}`.split("/").map(encodeURIComponent).join("/");
    const request = await this.#client.sign(`${endpoint.replace(/\/+$/, "")}/${bucket}/${key}`, {
      ...init,
      method,
      ...(signal === undefined ? {} : { signal }),
    });
    return this.#ask(request, `${method === "GET" ? "read" : "write"} "${path}"`);
  }

  async #ask(request: Request, action: string): Promise<Response> {
    const { fetch: send = fetch } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const answer = await send(request.clone()).catch((error: unknown) => storeFailed(this.location, action, error));
      const again = answer instanceof StaticRegistryError || answer.status >= 500 || answer.status === 429;
      if (!again || attempt >= 3) {
        if (answer instanceof StaticRegistryError) throw answer;
        return answer;
      }
      await new Promise((done) => setTimeout(done, 100 * 2 ** attempt));
    }
  }

  async #refuse(answer: Response, action: string): Promise<StaticRegistryError> {
    const text = await answer.text().catch(() => "");
    const reason = /<Code>([A-Za-z0-9.]{1,80})<\/Code>/.exec(text)?.[1] ?? answer.statusText;
    const found = `the server answers ${answer.status} ${reason}`;
    if (answer.status === 401 || answer.status === 403) return storeRefused(this.location, action, found);
    return storeFailed(this.location, action, new Error(found));
  }

  async get(
    path: string,
    signal?: AbortSignal,
  ): Promise<{ readonly bytes: Uint8Array; readonly tag: string } | undefined> {
    const answer = await this.#send("GET", path, {}, signal);
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw await this.#refuse(answer, `read "${path}"`);
    return { bytes: new Uint8Array(await answer.arrayBuffer()), tag: tagOf(answer) };
  }

  async head(path: string): Promise<boolean> {
    const answer = await this.#send("HEAD", path, {});
    if (answer.ok) return true;
    if (answer.status === 404) return false;
    throw await this.#refuse(answer, `read "${path}"`);
  }

  /** @returns the new entity tag, or `undefined` where the precondition does not hold */
  async put(path: string, bytes: Uint8Array, condition: Precondition = {}): Promise<string | undefined> {
    const headers = { "content-type": contentType(path), "cache-control": cacheControl(path), ...condition };
    const answer = await this.#send("PUT", path, { body: new Uint8Array(bytes), headers });
    // 409: another conditional write of the same key is under way (S3), which is as good as lost.
    if (answer.status === 412 || answer.status === 409) return undefined;
    // A replaced object of `If-Match` that is gone.
    if (answer.status === 404 && condition["if-match"] !== undefined) return undefined;
    if (!answer.ok) throw await this.#refuse(answer, `write "${path}"`);
    await answer.arrayBuffer();
    return tagOf(answer);
  }

  async delete(path: string): Promise<void> {
    const answer = await this.#send("DELETE", path, {});
    if (!answer.ok && answer.status !== 404) throw await this.#refuse(answer, `remove "${path}"`);
    await answer.arrayBuffer();
  }

  /** Objects whose paths begin so, page by page (ListObjectsV2). */
  async list(start: string): Promise<readonly StoredFile[]> {
    const { endpoint, bucket, prefix = "" } = this.#options;
    const found: StoredFile[] = [];
    for (let token: string | undefined; ;) {
      const query = new URLSearchParams({ "list-type": "2", prefix: `${prefix}${start}`, "encoding-type": "url" });
      if (token !== undefined) query.set("continuation-token", token);
      const url = `${endpoint.replace(/\/+$/, "")}/${bucket}?${query.toString().replaceAll("+", "%20")}`;
      const answer = await this.#ask(await this.#client.sign(url, { method: "GET" }), `list "${start}"`);
      if (!answer.ok) throw await this.#refuse(answer, `list "${start}"`);
      const text = await answer.text();
      for (const [, item = ""] of text.matchAll(/<Contents>([^]*?)<\/Contents>/g)) {
        const key = decodeURIComponent(textOf(item, "Key").replaceAll("+", "%20"));
        const size = Number(textOf(item, "Size"));
        if (key.startsWith(`${prefix}${start}`)) found.push({ path: key.slice(prefix.length), size });
      }
      token = textOf(text.replaceAll(/<Contents>[^]*?<\/Contents>/g, ""), "NextContinuationToken") || undefined;
      if (token === undefined) return found;
    }
  }
}

class S3Session implements StoreSession {
  readonly #bucket: Bucket;
  readonly #holder: string;
  readonly #now: () => number;
  readonly #tags = new Map<string, string>();
  #lease: string;
  readonly #until: number;

  constructor(bucket: Bucket, holder: string, lease: string, now: () => number) {
    this.#bucket = bucket;
    this.#holder = holder;
    this.#lease = lease;
    this.#now = now;
    this.#until = now() + LEASE_MS;
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    const found = await this.#bucket.get(path);
    if (found === undefined) this.#tags.delete(path);
    else this.#tags.set(path, found.tag);
    return found?.bytes;
  }

  has(path: string): Promise<boolean> {
    return this.#bucket.head(path);
  }

  async put(files: readonly PlacedFile[]): Promise<void> {
    for (const { path, content } of files) {
      // Before every file: who has lost the lease must not write over what its next holder has written.
      if (this.#now() > this.#until) throw leaseLost(this.#bucket.location);
      await this.#place(
        path,
        content instanceof Uint8Array ? content : checkBlob(this.#bucket.location, path, await readFile(content.file)),
      );
    }
  }

  async #place(path: string, bytes: Uint8Array): Promise<void> {
    const known = this.#tags.get(path);
    const condition: Precondition = known === undefined ? { "if-none-match": "*" } : { "if-match": known };
    const written = await this.#bucket.put(path, bytes, condition);
    if (written !== undefined) return void this.#tags.set(path, written);
    // There already: the same bytes (a blob that was published before), or what a writer that was killed left behind.
    const found = await this.#bucket.get(path);
    if (found !== undefined && Buffer.compare(found.bytes, bytes) === 0) return;
    const replaced = found && (await this.#bucket.put(path, bytes, { "if-match": found.tag }));
    if (replaced === undefined || known !== undefined) throw leaseLost(this.#bucket.location);
    this.#tags.set(path, replaced);
  }

  list(prefix: string): Promise<readonly StoredFile[]> {
    return this.#bucket.list(prefix);
  }

  async remove(paths: readonly string[]): Promise<"committed"> {
    for (const path of paths) {
      if (this.#now() > this.#until) throw leaseLost(this.#bucket.location);
      await this.#bucket.delete(path);
    }
    return "committed";
  }

  async commit({ path, content }: PlacedFile & { readonly content: Uint8Array }): Promise<"committed" | "conflict"> {
    if (this.#now() > this.#until) return "conflict";
    const known = this.#tags.get(path);
    const condition: Precondition = known === undefined ? { "if-none-match": "*" } : { "if-match": known };
    return (await this.#bucket.put(path, content, condition)) === undefined ? "conflict" : "committed";
  }

  async close(): Promise<void> {
    // Given back by a conditional write, since it may be another's by now; the object itself stays.
    const over = encodeLease({ holder: this.#holder, until: 0 });
    await this.#bucket.put(LEASE_PATH, over, { "if-match": this.#lease });
  }
}

async function takeLease(bucket: Bucket, now: () => number): Promise<S3Session | undefined> {
  const found = await bucket.get(LEASE_PATH);
  if (found !== undefined && decodeLease(found.bytes).until > now()) return undefined;
  const holder = randomUUID();
  const condition: Precondition = found === undefined ? { "if-none-match": "*" } : { "if-match": found.tag };
  const lease = await bucket.put(LEASE_PATH, encodeLease({ holder, until: now() + LEASE_MS }), condition);
  return lease === undefined ? undefined : new S3Session(bucket, holder, lease, now);
}

/**
 * A registry in a bucket. One writer at a time by a lease, which is an object written conditionally; the timestamp, which
 * alone makes a change count, is compared and swapped all the same.
 */
export function s3Store(options: S3StoreOptions): RegistryStore {
  const bucket = new Bucket(options);
  const { now = Date.now, waitMs = 30_000 } = options;
  return {
    location: bucket.location,
    async open({ signal } = {}) {
      const deadline = Date.now() + waitMs;
      for (let pause = 100; ; pause = Math.min(2000, pause * 2)) {
        signal?.throwIfAborted();
        const session = await takeLease(bucket, now);
        if (session !== undefined) return session;
        if (Date.now() + pause > deadline) throw busy(bucket.location);
        await new Promise((done) => setTimeout(done, pause));
      }
    },
  };
}
