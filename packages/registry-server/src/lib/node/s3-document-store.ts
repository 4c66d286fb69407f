import { createHash } from "node:crypto";
import type { DocumentStore } from "../ports.ts";
import type { S3Client } from "./s3-client.ts";

const PARALLEL = 16;

function typeOf(path: string): string {
  return path.endsWith(".json") ? "application/json" : "application/octet-stream";
}

/** Rendered documents as objects of a bucket, in the layout in which a static host would serve them. */
export class S3DocumentStore implements DocumentStore {
  readonly #client: S3Client;

  constructor(client: S3Client) {
    this.#client = client;
  }

  async get(path: string): Promise<Uint8Array | undefined> {
    const response = await this.#client.send({ method: "GET", key: path, expected: [404] });
    if (response.status === 404) {
      await response.body?.cancel();
      return undefined;
    }
    return new Uint8Array(await response.arrayBuffer());
  }

  async put(path: string, bytes: Uint8Array): Promise<void> {
    const response = await this.#client.send({
      method: "PUT",
      key: path,
      body: Uint8Array.from(bytes),
      sha256: createHash("sha256").update(bytes).digest("hex"),
      headers: { "content-type": typeOf(path), "cache-control": "no-cache" },
    });
    await response.body?.cancel();
  }

  async clear(): Promise<void> {
    let group: Promise<void>[] = [];
    for await (const key of this.#client.list("index/")) {
      group.push(this.#client.delete(key));
      if (group.length < PARALLEL) continue;
      await Promise.all(group);
      group = [];
    }
    await Promise.all(group);
  }
}
