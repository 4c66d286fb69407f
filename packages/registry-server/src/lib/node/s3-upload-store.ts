import { digestHex } from "@lading/core-manifest";
import type { PartAddress, UploadPart, UploadStore } from "../uploads/upload-store.ts";
import { makeDirectory } from "./durable-file.ts";
import type { S3Client } from "./s3-client.ts";
import { StagedFile, bodyOf, type SealedFile } from "./staged-file.ts";

const FOLDER = "uploads/";
/** Digits of an offset in a key, so that a bucket lists them in order. */
const DIGITS = 15;

function keyOf(upload: string, offset: number): string {
  return `${FOLDER}${upload}/${String(offset).padStart(DIGITS, "0")}`;
}

/** Uploads under way as objects of a bucket: `uploads/<id>/<offset>`. */
export class S3UploadStore implements UploadStore {
  readonly #client: S3Client;
  readonly #temporary: string;
  readonly partAddress?: (upload: string, part: UploadPart, seconds: number) => Promise<PartAddress>;

  /** `temporary` is a directory of this process alone. With `presign`, publishers may be sent to the bucket itself. */
  constructor(options: { readonly client: S3Client; readonly temporary: string; readonly presign?: boolean }) {
    const { client, temporary, presign = false } = options;
    this.#client = client;
    this.#temporary = temporary;
    if (presign)
      this.partAddress = (upload, { offset, size }, seconds) =>
        client.presignPut(keyOf(upload, offset), { size, seconds });
  }

  async parts(upload: string): Promise<readonly UploadPart[]> {
    const prefix = `${FOLDER}${upload}/`;
    const parts: UploadPart[] = [];
    for await (const { key, size } of this.#client.objects(prefix)) {
      const name = key.slice(prefix.length);
      if (/^\d+$/.test(name)) parts.push({ offset: Number(name), size });
    }
    return parts.sort((left, right) => left.offset - right.offset);
  }

  async put(upload: string, offset: number, bytes: AsyncIterable<Uint8Array>): Promise<number | "taken"> {
    await makeDirectory(this.#temporary);
    let outcome: number | "taken" = "taken";
    const staged = new StagedFile(this.#temporary, async (sealed) => {
      outcome = await this.#keep(keyOf(upload, offset), sealed);
      return "copied";
    });
    try {
      for await (const chunk of bytes) await staged.write(chunk);
      await staged.commit();
      return outcome;
    } finally {
      await staged.discard();
    }
  }

  async #keep(key: string, sealed: SealedFile): Promise<number | "taken"> {
    const { digest, size } = sealed;
    const response = await this.#client.send({
      method: "PUT",
      key,
      body: await bodyOf(sealed),
      sha256: digestHex(digest),
      headers: { "if-none-match": "*", "content-type": "application/octet-stream", "cache-control": "no-store" },
      expected: [412],
    });
    await response.body?.cancel();
    return response.status === 412 ? "taken" : size;
  }

  async *read(upload: string, { offset }: UploadPart): AsyncIterable<Uint8Array> {
    const response = await this.#client.send({ method: "GET", key: keyOf(upload, offset) });
    if (response.body !== null) yield* response.body;
  }

  async remove(upload: string): Promise<void> {
    for await (const key of this.#client.list(`${FOLDER}${upload}/`)) await this.#client.delete(key);
  }

  async *uploads(): AsyncIterable<string> {
    let last = "";
    for await (const key of this.#client.list(FOLDER)) {
      const id = key.slice(FOLDER.length).split("/")[0]!;
      if (id !== "" && id !== last) yield id;
      last = id;
    }
  }
}
