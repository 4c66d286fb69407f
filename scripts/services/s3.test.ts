import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Digest } from "@lading/core-manifest";
import { S3BlobStore, S3Client, S3DocumentStore } from "@lading/registry-server/node";
import { blobStoreContract, documentStoreContract } from "@lading/registry-server/testing";
import { freshDirectory, type Directory } from "./processes.ts";
import { startRadosgw, type S3Server } from "./radosgw.ts";

let s3: S3Server;
let directory: Directory;
beforeAll(async () => {
  [s3, directory] = await Promise.all([startRadosgw(), freshDirectory("s3-test")]);
});
afterAll(async () => {
  await s3?.stop();
  await directory?.remove();
});

let stores = 0;
async function blobStore(
  options: { presign?: boolean; prefix?: string } = {},
): Promise<{ store: S3BlobStore; client: S3Client }> {
  stores += 1;
  const temporary = join(directory.path, String(stores));
  await mkdir(temporary);
  const { prefix, presign = false } = options;
  const client = new S3Client({ ...(await s3.createBucket()), ...(prefix === undefined ? {} : { prefix }) });
  const store = new S3BlobStore({ client, temporary, presign });
  await store.recover();
  return { store, client };
}

async function put(store: S3BlobStore, bytes: Uint8Array): Promise<Digest> {
  const staged = await store.stage();
  try {
    await staged.write(bytes);
    const { digest } = await staged.seal();
    await staged.commit();
    return digest;
  } finally {
    await staged.discard();
  }
}

describe("[STO-02] S3 passes the suite of the directory", () => {
  blobStoreContract({ describe, it }, async () => (await blobStore()).store);
  documentStoreContract({ describe, it }, async () => new S3DocumentStore((await blobStore({ prefix: "a/b" })).client));

  it("S3BlobStore.commit() never replaces the bytes of a digest", async () => {
    const { store, client } = await blobStore();
    const digest = await put(store, Buffer.from("first"));
    const key = `blobs/sha256/${digest.slice("sha256:".length)}`;
    const other = Buffer.from("other bytes");
    const sha256 = createHash("sha256").update(other).digest("hex");
    const refused = await client.send({
      method: "PUT",
      key,
      body: Uint8Array.from(other),
      sha256,
      headers: { "if-none-match": "*" },
      expected: [412],
    });
    expect(refused.status).toBe(412);
    expect(await put(store, Buffer.from("first"))).toBe(digest);
    expect(await (await client.send({ method: "GET", key })).text()).toBe("first");
  });

  it("S3Client: the store refuses bytes that are not those of the signed digest, and wrong keys", async () => {
    const { client } = await blobStore();
    const wrong = { method: "PUT", key: "x", body: Uint8Array.from([1, 2, 3]), sha256: "00".repeat(32) } as const;
    await expect(client.send(wrong)).rejects.toThrow(/answered 400 XAmzContentSHA256Mismatch/);
    const access = await s3.createBucket();
    const stranger = new S3Client({ ...access, secretAccessKey: "guessed" });
    await expect(stranger.send({ method: "GET", key: "x" })).rejects.toThrow(/answered 403 SignatureDoesNotMatch/);
    await expect(stranger.requireBucket()).rejects.toMatchObject({ code: "STORAGE_UNUSABLE" });
    const nowhere = new S3Client({ ...access, bucket: "none" });
    await expect(nowhere.requireBucket()).rejects.toThrow(
      /bucket "none" at 127.0.0.1:\d+: it answered 404 NoSuchBucket/,
    );
  });

  it("S3BlobStore.downloadUrl() lets whoever has it read, until it expires, and only with presign", async () => {
    const { store } = await blobStore({ presign: true });
    const digest = await put(store, Buffer.from("for a while"));
    const url = await store.downloadUrl!(digest, 60);
    expect(await (await fetch(url)).text()).toBe("for a while");
    const partial = await fetch(url, { headers: { range: "bytes=4-4" } });
    expect([partial.status, await partial.text()]).toEqual([206, "a"]);
    expect((await fetch(url.replace(/X-Amz-Signature=\w+/, `X-Amz-Signature=${"0".repeat(64)}`))).status).toBe(403);
    expect((await blobStore()).store.downloadUrl).toBeUndefined();
  });

  it("S3BlobStore.list() pages through more than a thousand objects", async () => {
    const { store } = await blobStore({ prefix: "team" });
    const digests: string[] = [];
    for (let from = 0; from < 1040; from += 40) {
      const group = Array.from({ length: 40 }, (_, at) => put(store, Buffer.from(`blob ${from + at}`)));
      digests.push(...(await Promise.all(group)));
    }
    const found: string[] = [];
    for await (const digest of store.list()) found.push(digest);
    expect(found.sort()).toEqual(digests.sort());
  });

  it("a gateway that is killed is waited for, and one that is gone is an error that says so", async () => {
    const { store } = await blobStore();
    await s3.kill();
    const error = await put(store, Buffer.from("nobody there")).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: "UNAVAILABLE", message: expect.stringMatching(/S3 bucket "packages-/) });
    await s3.restart();
    await put(store, Buffer.from("nobody there"));
  });
});
