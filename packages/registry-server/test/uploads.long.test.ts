import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FakeClock } from "../src/testing.ts";
import { buildPackage, signPackage, startServer, testSigner, type BuiltPackage, type TestServer } from "./harness.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const clock = new FakeClock(Date.now());
let server: TestServer;
let author: string;
beforeAll(async () => {
  server = await startServer({ clock, uploads: { partBytes: 1000 } });
  author = await server.account("author");
});
afterAll(async () => server.close());

interface Upload {
  readonly id: string;
  readonly status: string;
  readonly offset: number;
  readonly size: number;
  readonly missing: readonly object[];
  readonly links: Readonly<Record<string, string>>;
}

const FILES = { "data.txt": createHash("sha512").update("x").digest("hex").repeat(40) };

/** A package of some thousand bytes: what repeats is told apart by its line. */
async function build(name: string, version = "1.0.0", fill = ""): Promise<BuiltPackage> {
  const noise = Array.from({ length: 60 }, (_, at) => createHash("sha512").update(`${name}${fill}${at}`).digest("hex"));
  return buildPackage({ name, version }, { files: { ...FILES, "noise.txt": noise.join("\n") } });
}

function declared(built: BuiltPackage, change: object = {}): object {
  const { name, version } = built.record.manifest;
  return { name, version, blob: built.blob, size: built.size, tree: built.tree, ...change };
}

const open = (built: BuiltPackage, change: object = {}, auth = author): Promise<Response> =>
  server.call("/api/v1/uploads", { method: "POST", auth, json: declared(built, change) });
const opened = async (built: BuiltPackage): Promise<Upload> => (await (await open(built)).json()) as Upload;
const path = (upload: Upload, rest = ""): string => `/api/v1/uploads/${upload.id}${rest}`;

function append(
  upload: Upload,
  offset: number,
  bytes: Uint8Array,
  headers: Record<string, string> = {},
): Promise<Response> {
  return server.call(path(upload), {
    method: "PATCH",
    auth: author,
    body: bytes.slice(),
    headers: { "content-type": "application/offset+octet-stream", "upload-offset": String(offset), ...headers },
  });
}

const finish = (upload: Upload, body?: Uint8Array, auth = author): Promise<Response> =>
  server.call(path(upload, "/publish"), {
    method: "POST",
    auth,
    ...(body === undefined ? {} : { body: body.slice() }),
  });
const codeOf = async (response: Response): Promise<string> => ((await response.json()) as { code: string }).code;
const stored = async (): Promise<string[]> => readdir(join(server.directory, "uploads")).catch(() => [] as string[]);

describe("/api/v1/uploads", () => {
  it("publishes a package that comes in ranges, and tells how far it is meanwhile", async () => {
    const built = await build("ranged");
    const response = await open(built);
    const upload = (await response.json()) as Upload;
    expect([response.status, upload.offset, upload.status]).toEqual([201, 0, "open"]);
    expect(response.headers.get("location")).toBe(upload.links["self"]);
    expect(upload.missing).toEqual([{ blob: built.blob, offset: 0, size: built.size }]);
    const first = await append(upload, 0, built.bytes.slice(0, 1000));
    expect([first.status, first.headers.get("upload-offset")]).toEqual([204, "1000"]);
    const head = await server.call(path(upload), { method: "HEAD", auth: author });
    expect(["upload-offset", "upload-length", "tus-resumable"].map((name) => head.headers.get(name))).toEqual([
      "1000",
      String(built.size),
      "1.0.0",
    ]);
    const early = await finish(upload);
    expect([early.status, await codeOf(early)]).toEqual([409, "UPLOAD_INCOMPLETE"]);
    expect((await append(upload, 1000, built.bytes.slice(1000))).status).toBe(204);
    const done = await finish(upload);
    expect(done.status).toBe(201);
    expect(await done.json()).toMatchObject({ name: "ranged", version: "1.0.0", artifact: { blob: built.blob } });
    const blob = await server.call(`/blobs/sha256/${built.blob.slice(7)}`, { auth: "" });
    expect(Buffer.compare(new Uint8Array(await blob.arrayBuffer()), built.bytes)).toBe(0);
    expect(await stored()).not.toContain(upload.id);
  });

  it("answers a publication again, opens nothing for what is published, and refuses other content under its number", async () => {
    const built = await build("again");
    const upload = await opened(built);
    await append(upload, 0, built.bytes);
    const first = (await (await finish(upload)).json()) as object;
    const second = await finish(upload);
    expect([second.status, await second.json()]).toEqual([201, first]);
    expect(second.headers.get("idempotency-replayed")).toBe("true");
    expect(await codeOf(await append(upload, 0, built.bytes))).toBe("UPLOAD_CLOSED");
    const same = await open(built);
    expect([same.status, ((await same.json()) as { artifact: object }).artifact]).toMatchObject([
      200,
      { blob: built.blob },
    ]);
    const other = await open(await build("again", "1.0.0", "other"));
    expect([other.status, await codeOf(other)]).toEqual([409, "VERSION_EXISTS"]);
    // Without a tree nothing is known of the content before it is there.
    const blind = await build("again", "1.0.0", "blind");
    const blindUpload = (await (await open(blind, { tree: undefined })).json()) as Upload;
    await append(blindUpload, 0, blind.bytes);
    expect(await codeOf(await finish(blindUpload))).toBe("VERSION_EXISTS");
  });

  it("gives back the upload that is under way, from which another process goes on", async () => {
    const built = await build("resumed");
    const upload = await opened(built);
    await append(upload, 0, built.bytes.slice(0, 1234));
    const again = await open(built);
    expect([again.status, await again.json()]).toMatchObject([200, { id: upload.id, offset: 1234 }]);
  });

  it("keeps what came of a body that broke off", async () => {
    const built = await build("broken");
    const upload = await opened(built);
    await new Promise<void>((resolve) => {
      const sending = request(
        `${server.url}${path(upload)}`,
        {
          method: "PATCH",
          headers: {
            authorization: `Bearer ${author}`,
            "content-type": "application/offset+octet-stream",
            "upload-offset": "0",
            "content-length": built.size,
          },
        },
        () => {},
      );
      sending.on("error", () => resolve());
      sending.write(built.bytes.slice(0, 700), () => setTimeout(() => sending.destroy(), 20));
    });
    await expect
      .poll(async () => ((await (await server.call(path(upload), { auth: author })).json()) as Upload).offset)
      .toBe(700);
    expect((await append(upload, 700, built.bytes.slice(700))).status).toBe(204);
    expect((await finish(upload)).status).toBe(201);
  });

  it("takes bytes only where the upload goes on, and no more than were declared", async () => {
    const built = await build("exact");
    const upload = await opened(built);
    await append(upload, 0, built.bytes.slice(0, 10));
    for (const offset of [0, 5, 11]) {
      const response = await append(upload, offset, built.bytes.slice(0, 3));
      expect([response.status, await codeOf(response)]).toEqual([409, "UPLOAD_OFFSET_MISMATCH"]);
    }
    const long = await append(upload, 10, new Uint8Array(built.size));
    expect([long.status, await codeOf(long)]).toEqual([413, "PAYLOAD_TOO_LARGE"]);
    expect((await append(upload, 10, new Uint8Array())).headers.get("upload-offset")).toBe("10");
    const wrong = [
      await append(upload, 10, built.bytes, { "content-type": "application/octet-stream" }),
      await append(upload, 10, built.bytes, { "upload-offset": "ten" }),
      await append(upload, 10, built.bytes, { "tus-resumable": "0.2.2" }),
    ];
    expect(wrong.map(({ status }) => status)).toEqual([415, 400, 400]);
    const parts = await server.call(path(upload, "/parts"), { method: "POST", auth: author, json: { offset: 0 } });
    expect([parts.status, await codeOf(parts)]).toEqual([409, "UPLOAD_NOT_REDIRECTED"]);
  });

  it("believes no digest: other bytes are refused and forgotten, and the upload begins again", async () => {
    const built = await build("altered");
    const upload = await opened(built);
    const altered = Uint8Array.from(built.bytes);
    altered[100]! ^= 1;
    await append(upload, 0, altered);
    const refused = await finish(upload);
    expect([refused.status, await codeOf(refused)]).toEqual([422, "BLOB_MISMATCH"]);
    expect((await opened(built)).offset).toBe(0);
    await append(upload, 0, built.bytes);
    const done = await finish(upload);
    expect([done.status, await done.json()]).toMatchObject([201, { name: "altered" }]);
  });

  it("refuses early what would be refused in the end", async () => {
    const built = await build("early");
    const stranger = await server.account("stranger");
    const upload = await opened(await build("owned"));
    await append(upload, 0, (await build("owned")).bytes);
    await finish(upload);
    const next = await build("owned", "2.0.0");
    const cases: readonly (readonly [Promise<Response>, number, string])[] = [
      // Nobody else may use a name that looks like it.
      [open(next, {}, stranger), 403, "NOT_OWNER"],
      [open(built, { size: 2 ** 50 }), 413, "PAYLOAD_TOO_LARGE"],
      [open(built, { name: "o-wned" }, stranger), 409, "NAME_CONFUSABLE"],
      [open(built, { name: "packages" }), 409, "NAME_RESERVED"],
      [open(built, { version: "one" }), 400, "REQUEST_INVALID"],
      [open(built, { blob: "md5:aa" }), 400, "REQUEST_INVALID"],
      [open(built, {}, ""), 401, "AUTHENTICATION_REQUIRED"],
    ];
    for (const [response, status, code] of cases) {
      const found = await response;
      expect([found.status, await codeOf(found)]).toEqual([status, code]);
    }
  });

  it("refuses a package that is not the one that was announced", async () => {
    const built = await build("announced", "1.0.0");
    const upload = (await (await open(built, { version: "3.0.0" })).json()) as Upload;
    await append(upload, 0, built.bytes);
    const refused = await finish(upload);
    expect([refused.status, await codeOf(refused)]).toEqual([422, "PACKAGE_REFUSED"]);
  });

  it("is seen by nobody but its account", async () => {
    const upload = await opened(await build("secret"));
    const spy = await server.account("spy");
    for (const [method, rest] of [
      ["GET", ""],
      ["DELETE", ""],
      ["POST", "/publish"],
    ] as const) {
      const response = await server.call(path(upload, rest), { method, auth: spy });
      expect([response.status, await codeOf(response)]).toEqual([404, "UPLOAD_NOT_FOUND"]);
    }
  });

  it("ends when it is told to, and when nobody sends anything for its lease", async () => {
    const built = await build("ended");
    const upload = await opened(built);
    await append(upload, 0, built.bytes.slice(0, 10));
    expect((await server.call(path(upload), { method: "DELETE", auth: author })).status).toBe(204);
    expect((await server.call(path(upload), { auth: author })).status).toBe(404);
    const forgotten = await opened(built);
    expect(forgotten.id).not.toBe(upload.id);
    await append(forgotten, 0, built.bytes.slice(0, 10));
    clock.advance(DAY_MS - 1);
    expect((await append(forgotten, 10, built.bytes.slice(10, 20))).status).toBe(204);
    clock.advance(DAY_MS - 1);
    expect((await server.call(path(forgotten), { auth: author })).status, "prolonged by what came").toBe(200);
    clock.advance(60_000);
    expect((await server.call(path(forgotten), { auth: author })).status).toBe(404);
    await expect.poll(stored, { timeout: 20_000, interval: 100 }).not.toContain(forgotten.id);
  });

  it("takes the statement of a signed package", async () => {
    const { signer, pem } = testSigner(7);
    await server.call("/api/v1/keys", { method: "POST", auth: author, json: { public_key: pem } });
    const built = await build("signed-upload");
    const upload = await opened(built);
    await append(upload, 0, built.bytes);
    const done = await finish(upload, await signPackage(built, signer));
    expect([done.status, await done.json()]).toMatchObject([201, { verified: true }]);
  });

  it("lets an account have only so many under way", async () => {
    const many = await server.account("many");
    const built = await build("many");
    const statuses: number[] = [];
    for (let at = 0; at < 33; at += 1) statuses.push((await open(built, { version: `1.0.${at}` }, many)).status);
    expect(statuses.slice(0, 32).every((status) => status === 201)).toBe(true);
    expect(statuses[32]).toBe(429);
  });
});
