import { digestHex, tryParseDigest, type Digest } from "@lading/core-manifest";
import type { BlobStore, ByteRange, StagedBlob, StoredBlob } from "../ports.ts";
import { RegistryError } from "../registry-error.ts";
import { makeDirectory } from "./durable-file.ts";
import type { S3Client } from "./s3-client.ts";
import { StagedFile, bodyOf, clearStaged, type SealedFile } from "./staged-file.ts";

const FOLDER = "blobs/sha256/";
const IMMUTABLE = "public, max-age=31536000, immutable";
/** Largest object that one request can store. */
export const S3_OBJECT_MAX: number = 5 * 2 ** 30;
const CHECK_MS = 5000;

function keyOf(digest: Digest): string {
  return `${FOLDER}${digestHex(digest)}`;
}

/**
 * Blobs as objects of a bucket: `blobs/sha256/<hex>`, in the layout in which a static host would serve them. Uploads are
 * collected in a local directory, since their name is known only when all bytes are there.
 */
export class S3BlobStore implements BlobStore {
  readonly #client: S3Client;
  readonly #temporary: string;
  readonly downloadUrl?: (digest: Digest, seconds: number) => Promise<string>;
  #checked = Number.NEGATIVE_INFINITY;

  /** `temporary` is a directory of this process alone. With `presign`, readers may be sent to the bucket itself. */
  constructor(options: { readonly client: S3Client; readonly temporary: string; readonly presign?: boolean }) {
    const { client, temporary } = options;
    this.#client = client;
    this.#temporary = temporary;
    if (options.presign === true) this.downloadUrl = (digest, seconds) => client.presign(keyOf(digest), seconds);
  }

  async stage(): Promise<StagedBlob> {
    return new StagedFile(this.#temporary, (sealed) => this.#keep(sealed));
  }

  async #keep(sealed: SealedFile): Promise<"copied"> {
    const { digest, size } = sealed;
    if (size > S3_OBJECT_MAX) {
      throw new RegistryError({
        code: "PAYLOAD_TOO_LARGE",
        message: `Cannot store the file: it has ${size} bytes, ${this.#client.shown} takes ${S3_OBJECT_MAX}`,
      });
    }
    const response = await this.#client.send({
      method: "PUT",
      key: keyOf(digest),
      body: await bodyOf(sealed),
      sha256: digestHex(digest),
      // What is there has this digest already, and nobody may put other bytes in its place.
      headers: { "if-none-match": "*", "content-type": "application/octet-stream", "cache-control": IMMUTABLE },
      expected: [412],
    });
    await response.body?.cancel();
    return "copied";
  }

  async open(digest: Digest): Promise<StoredBlob | undefined> {
    const key = keyOf(digest);
    const head = await this.#client.send({ method: "HEAD", key, expected: [404] });
    if (head.status === 404) return undefined;
    const size = Number(head.headers.get("content-length"));
    return { size, stream: (range) => ReadableStream.from(this.#bytes(key, range)) };
  }

  async *#bytes(key: string, range: ByteRange | undefined): AsyncIterable<Uint8Array> {
    const headers = range === undefined ? {} : { range: `bytes=${range.start}-${range.end}` };
    const response = await this.#client.send({ method: "GET", key, headers });
    if (response.body !== null) yield* response.body;
  }

  async *list(): AsyncIterable<Digest> {
    for await (const key of this.#client.list(FOLDER)) {
      const digest = tryParseDigest(`sha256:${key.slice(FOLDER.length)}`);
      if (digest !== undefined) yield digest;
    }
  }

  async remove(digest: Digest): Promise<void> {
    await this.#client.delete(keyOf(digest));
  }

  async recover(): Promise<void> {
    await makeDirectory(this.#temporary);
    await clearStaged(this.#temporary);
  }

  /** Writes a small object, at most once in five seconds. */
  async check(): Promise<void> {
    if (performance.now() - this.#checked < CHECK_MS) return;
    const response = await this.#client.send({ method: "PUT", key: "check" });
    await response.body?.cancel();
    this.#checked = performance.now();
  }
}
