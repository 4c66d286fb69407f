import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Digest, LadingEvent } from "@lading/core-manifest";
import { createRegistryClient, registryConfig } from "@lading/registry-client";
import { S3Client, S3UploadStore } from "@lading/registry-server/node";
import { uploadStoreContract } from "@lading/registry-server/testing";
import { startPostgres, type PostgresServer } from "./postgres.ts";
import { freshDirectory, type Directory } from "./processes.ts";
import { blobAt, indexedVersions, makePackage, type PackageFile } from "./publications.ts";
import { startRadosgw, type BucketAccess, type S3Server } from "./radosgw.ts";
import { adminToken, bucketVariables, startServer, type Server } from "./server.ts";

let engines: { postgres: PostgresServer; s3: S3Server; directory: Directory };
let servers: readonly Server[] = [];
let access: BucketAccess;
let token: string;
beforeAll(async () => {
  const [postgres, s3, directory] = await Promise.all([startPostgres(), startRadosgw(), freshDirectory("uploads")]);
  engines = { postgres, s3, directory };
  access = await s3.createBucket();
  const env = {
    ...bucketVariables(access),
    DATABASE_URL: await postgres.createDatabase(),
    JWT_SECRET_KEY: "a-secret-of-the-test-that-is-long-enough",
    REGISTRY_KEYS_DIR: join(directory.path, "keys"),
    S3_REDIRECT_UPLOADS: "true",
    REGISTRY_UPLOAD_FROM: "1MiB",
    REGISTRY_UPLOAD_PART: "256KiB",
  };
  const first = await startServer({ data: join(directory.path, "one"), env });
  const second = await startServer({ data: join(directory.path, "two"), env });
  servers = [first, second];
  token = await adminToken(first.data);
});
afterAll(async () => {
  for (const server of servers) await server.kill();
  await engines?.postgres.stop();
  await engines?.s3.stop();
  await engines?.directory.remove();
});

interface Upload {
  readonly id: string;
  readonly offset: number;
  readonly part_bytes: number;
}

/** An upload, the address of a part, or a problem. */
interface Answer extends Upload {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly size: number;
  readonly code: string;
}

async function call(
  server: Server,
  path: string,
  init: { readonly method?: string; readonly json?: object } = {},
): Promise<{ readonly status: number; readonly body: Answer }> {
  const response = await fetch(`${server.url}/api/v1/uploads${path}`, {
    method: init.method ?? (init.json === undefined ? "GET" : "POST"),
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(init.json === undefined ? {} : { body: JSON.stringify(init.json) }),
  });
  return { status: response.status, body: (await response.json()) as Answer };
}

const declared = ({ name, version, blob, tree, bytes }: PackageFile): object => ({
  name,
  version,
  blob,
  tree,
  size: bytes.length,
});

/** Sends the part at `offset` to the bucket, with an address that the server gives. */
async function storePart(server: Server, upload: Upload, offset: number, bytes: Uint8Array<ArrayBuffer>) {
  const { body } = await call(server, `/${upload.id}/parts`, { json: { offset } });
  const part = bytes.slice(offset, offset + body.size);
  return { address: body, response: await fetch(body.url, { method: "PUT", headers: body.headers, body: part }) };
}

async function keysIn(prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of new S3Client(access).list(prefix)) keys.push(key);
  return keys;
}

describe("S3 passes the suite of uploads", () => {
  let stores = 0;
  uploadStoreContract({ describe, it }, async () => {
    const temporary = join(engines.directory.path, `staged-${(stores += 1)}`);
    await mkdir(temporary);
    return new S3UploadStore({ client: new S3Client({ ...access, prefix: `suite-${stores}` }), temporary });
  });
});

describe("[STO-02] packages in parts, straight to the bucket", () => {
  it("go on with another server when one was killed, and are published once all bytes were read back", async () => {
    const [first, second] = servers as [Server, Server];
    const file = await makePackage("parted", "1.0.0", 1_000_000);
    const { status, body: upload } = await call(first, "", { json: declared(file) });
    expect([status, upload.offset]).toEqual([201, 0]);
    const sent = await storePart(first, upload, 0, file.bytes);
    expect([sent.response.status, new URL(sent.address.url).origin]).toEqual([200, access.endpoint]);
    // Once: whoever has the address cannot put other bytes in their place, nor more of them.
    const again = { method: "PUT", headers: sent.address.headers };
    const size = sent.address.size;
    expect((await fetch(sent.address.url, { ...again, body: new Uint8Array(size) })).status).toBe(412);
    await first.kill();
    const { body: resumed } = await call(second, "", { json: declared(file) });
    expect([resumed.id, resumed.offset]).toEqual([upload.id, 256 * 1024]);
    // Side by side, the last one first.
    const rest: number[] = [];
    for (let offset = resumed.offset; offset < file.bytes.length; offset += upload.part_bytes) rest.unshift(offset);
    await Promise.all(rest.map((offset) => storePart(second, upload, offset, file.bytes)));
    expect((await call(second, `/${upload.id}/publish`, { method: "POST" })).status).toBe(201);
    expect((await indexedVersions(second.url, "parted")).get("1.0.0")).toBe(file.blob);
    expect(await blobAt(second.url, file.blob)).toBe(file.blob);
    expect(await keysIn(`uploads/${upload.id}/`)).toEqual([]);
  });

  it("are refused and forgotten where they are other bytes than were declared", async () => {
    const [, second] = servers as [Server, Server];
    const file = await makePackage("altered", "1.0.0", 300_000);
    const { body: upload } = await call(second, "", { json: declared(file) });
    const other = Uint8Array.from(file.bytes);
    other[5000]! ^= 1;
    for (let offset = 0; offset < other.length; offset += upload.part_bytes)
      expect((await storePart(second, upload, offset, other)).response.status).toBe(200);
    const refused = await call(second, `/${upload.id}/publish`, { method: "POST" });
    expect([refused.status, refused.body.code]).toEqual([422, "BLOB_MISMATCH"]);
    expect(await keysIn(`uploads/${upload.id}/`)).toEqual([]);
    expect(await keysIn(`blobs/sha256/${file.blob.slice(7)}`)).toEqual([]);
    expect((await call(second, `/${upload.id}`)).body.offset).toBe(0);
  });

  it("are what the client sends from a size on, of which nothing passes through the server", async () => {
    const [, second] = servers as [Server, Server];
    const file = await makePackage("by-client", "1.0.0", 1_200_000);
    const path = join(engines.directory.path, "by-client.lpk");
    await writeFile(path, file.bytes);
    const events: LadingEvent[] = [];
    const client = createRegistryClient({
      registry: registryConfig({ name: "test", url: second.url }),
      onEvent: (event) => events.push(event),
    });
    client.authenticate({ type: "token", token });
    const result = await client.publish({
      artifact: path,
      blob: file.blob as Digest,
      tree: file.tree as Digest,
      size: file.bytes.length,
      package: { name: file.name, version: file.version, target: "any" },
      wait: false,
    });
    expect([result.outcome, result.artifact.blob]).toEqual(["created", file.blob]);
    const uploading = events.filter(({ type }) => type === "uploading");
    expect(uploading.at(-1)).toMatchObject({ uploadedBytes: file.bytes.length, totalBytes: file.bytes.length });
    expect(events.filter(({ type }) => type === "debug")).toEqual([]);
    expect((await indexedVersions(second.url, "by-client")).get("1.0.0")).toBe(file.blob);
    await client.close();
  });
});
