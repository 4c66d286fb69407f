import { parseIndexDocument } from "@lading/core-manifest";
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { DirectoryBlobStore } from "../src/node.ts";
import { buildPackage, publishBody, signPackage, startServer, testSigner, type TestServer } from "./harness.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => server.close());

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function answer(response: Response | Promise<Response>): Promise<Answer> {
  const { status, ...rest } = await response;
  void rest;
  return { status, body: (await (await response).json()) as Record<string, unknown> };
}

const indexOf = async (path: string) => parseIndexDocument(await (await server.call(path, { auth: "" })).json());

describe("POST /api/v1/packages/ with a package", () => {
  it("makes a version that index, details, download and readme then show", async () => {
    const built = await buildPackage(
      {
        name: "actor_utils",
        version: "1.2.3",
        description: "Actors for everybody",
        license: "MIT",
        readme: "README.md",
        keywords: ["actor"],
        dependencies: [{ name: "rand", kind: "normal", requirement: ">=0.8.0 <0.9.0" }],
      },
      { files: { "README.md": "# Hello\n", "src/main.txt": "x".repeat(1000) } },
    );
    const response = await server.publish(built);
    expect(response.headers.get("location")).toBe(`${server.url}/api/v1/packages/actor_utils/versions/1.2.3`);
    expect(await answer(response)).toMatchObject({
      status: 201,
      body: {
        name: "actor_utils",
        version: "1.2.3",
        kind: "binary",
        target: "any",
        artifact: { blob: built.blob, tree: built.tree, size: built.size },
        status: "active",
        sequence: 1,
        log: { index: expect.any(Number) as number },
      },
    });
    expect(await indexOf("/index/_/ac/actor-utils.json")).toMatchObject({
      name: "actor_utils",
      sequence: 1,
      channels: { latest: "1.2.3" },
      versions: [{ version: "1.2.3", artifacts: [{ blob: built.blob, tree: built.tree }], license: "MIT" }],
    });
    const download = await server.call("/api/v1/packages/actor-utils/versions/1.2.3/download", { auth: "" });
    expect(download.status).toBe(302);
    const bytes = Buffer.from(await (await fetch(download.headers.get("location")!)).arrayBuffer());
    expect(`sha256:${createHash("sha256").update(bytes).digest("hex")}`).toBe(built.blob);
    for (const path of ["actor-utils/readme", "actor.utils/versions/1.2.3/readme"]) {
      expect(await (await server.call(`/api/v1/packages/${path}`, { auth: "" })).text()).toBe("# Hello\n");
    }
    const details = await answer(server.call("/api/v1/packages/actor_utils/versions/1.2.3", { auth: "" }));
    expect(details.body).toMatchObject({
      dependencies: [{ name: "rand" }],
      manifest: { description: "Actors for everybody" },
    });
    expect(details.body).not.toHaveProperty("signature");
  });

  it("answers the same tree with 200 and the first file, other content with 409, for ever", async () => {
    const first = await buildPackage({ name: "stable", version: "1.0.0" });
    expect((await server.publish(first)).status).toBe(201);
    expect(await answer(server.publish(first))).toMatchObject({
      status: 200,
      body: { artifact: { blob: first.blob }, sequence: 1 },
    });
    const other = await buildPackage({ name: "stable", version: "1.0.0", description: "other" });
    const source = await buildPackage({ name: "stable", version: "1.0.0" }, { kind: "source" });
    for (const built of [other, source]) {
      expect(await answer(server.publish(built))).toMatchObject({ status: 409, body: { code: "VERSION_EXISTS" } });
    }
    await server.call("/api/v1/packages/stable/versions/1.0.0/yank", { method: "POST", json: { reason: "gone" } });
    expect((await server.publish(other)).status).toBe(409);
    expect(await answer(server.publish(first))).toMatchObject({ status: 200, body: { status: "yanked" } });
    expect((await indexOf("/index/_/st/stable.json")).versions[0]?.artifacts[0]?.blob).toBe(first.blob);
  });

  it("lets exactly one of eight racing publications win, and keeps no temporary file", async () => {
    const rivals = await Promise.all(
      Array.from({ length: 8 }, (_, number) =>
        buildPackage({ name: "race", version: "1.0.0", description: `rival ${number}` }),
      ),
    );
    const answers = await Promise.all(rivals.map((built) => server.publish(built).then(answer)));
    expect(answers.map(({ status }) => status).sort((left, right) => left - right)).toEqual([
      201, 409, 409, 409, 409, 409, 409, 409,
    ]);
    const winner = answers.findIndex(({ status }) => status === 201);
    expect((await indexOf("/index/_/ra/race.json")).versions[0]?.artifacts[0]?.blob).toBe(rivals[winner]!.blob);
    expect((await readdir(join(server.directory, "tmp"))).filter((name) => name.startsWith("upload-"))).toEqual([]);
  });

  it("answers eight identical racing publications with one 201 and seven 200", async () => {
    const built = await buildPackage({ name: "twins", version: "1.0.0" });
    const statuses = await Promise.all(Array.from({ length: 8 }, async () => (await server.publish(built)).status));
    expect(statuses.sort((left, right) => left - right)).toEqual([200, 200, 200, 200, 200, 200, 200, 201]);
  });

  it("adds a file for another target to a version", async () => {
    expect(
      (await server.publish(await buildPackage({ name: "native", version: "1.0.0" }, { target: "x86_64-linux" })))
        .status,
    ).toBe(201);
    const second = await buildPackage(
      { name: "native", version: "1.0.0" },
      { target: "wasm32", files: { "a.txt": "a" } },
    );
    expect(await answer(server.publish(second))).toMatchObject({
      status: 201,
      body: { target: "wasm32", sequence: 2 },
    });
    const path = "/api/v1/packages/native/versions/1.0.0/download";
    expect((await server.call(`${path}?target=wasm32`)).headers.get("location")).toContain(second.blob.slice(7));
    expect(await answer(server.call(`${path}?target=arm64-linux`))).toMatchObject({
      status: 404,
      body: { code: "VERSION_NOT_FOUND" },
    });
  });

  it("takes names with a namespace, URL-encoded in paths", async () => {
    const built = await buildPackage({ name: "company/tool", version: "0.1.0" });
    expect((await server.publish(built, { path: "/api/v1/packages/company%2Ftool/versions" })).status).toBe(201);
    expect((await indexOf("/index/@company/to/tool.json")).name).toBe("company/tool");
    expect(await answer(server.call("/api/v1/packages/company%2Ftool"))).toMatchObject({
      status: 200,
      body: { name: "company/tool" },
    });
    const wrong = await server.publish(built, { path: "/api/v1/packages/other/versions" });
    expect(await answer(wrong)).toMatchObject({
      status: 422,
      body: { code: "PACKAGE_REFUSED", reason: "NAME_MISMATCH" },
    });
  });
});

describe("a refused upload", () => {
  const send = (body: FormData | string, headers: Record<string, string> = {}): Promise<Answer> =>
    answer(server.call("/api/v1/packages/", { method: "POST", body, headers }));
  const form = (...parts: [string, string | Blob][]): FormData => {
    const data = new FormData();
    for (const [name, value] of parts) {
      if (typeof value === "string") data.append(name, value);
      else data.append(name, value, "file");
    }
    return data;
  };

  it("says which part of the multipart body is wrong", async () => {
    const built = await buildPackage({ name: "parts", version: "1.0.0" });
    const metadata = JSON.stringify({ blob: built.blob, size: built.size });
    const file = new Blob([built.bytes.slice()]);
    const bodies: [FormData, RegExp][] = [
      [form(["package", file]), /"package" comes before part "metadata"/],
      [form(["metadata", metadata]), /"package" is missing/],
      [form(["metadata", "{"], ["package", file]), /"metadata" is not JSON/],
      [form(["metadata", "[]"], ["package", file]), /not a JSON object/],
      [form(["metadata", '{"blob":"md5:1","size":1}'], ["package", file]), /"blob" in part "metadata"/],
      [form(["metadata", `{"blob":"${built.blob}","size":-1}`], ["package", file]), /"size" in part "metadata"/],
      [
        form(["metadata", `{"blob":"${built.blob}","size":1,"tree":1}`], ["package", file]),
        /"tree" in part "metadata"/,
      ],
      [form(["metadata", metadata], ["metadata", metadata], ["package", file]), /"metadata" comes twice/],
      [form(["metadata", metadata], ["extra", file], ["package", file]), /there is a part "extra"/],
      [form(["metadata", metadata], ["package", file], ["package", file]), /"package" comes twice/],
      [form(["metadata", metadata], ["note", "hello"], ["package", file]), /"note" is not a file/],
    ];
    for (const [body, detail] of bodies) {
      expect(await send(body)).toMatchObject({
        status: 400,
        body: { code: "MULTIPART_INVALID", detail: expect.stringMatching(detail) },
      });
    }
    expect(await send("no parts at all", { "content-type": "multipart/form-data; boundary=x" })).toMatchObject({
      status: 400,
      body: { code: "MULTIPART_INVALID" },
    });
    expect(await send("x", { "content-type": "multipart/form-data" })).toMatchObject({
      body: { code: "MULTIPART_INVALID" },
    });
    expect(await send("x", { "content-type": "text/plain" })).toMatchObject({
      status: 415,
      body: { code: "MEDIA_TYPE_UNSUPPORTED" },
    });
  });

  it("has bytes, size or tree other than declared", async () => {
    const built = await buildPackage({ name: "declared", version: "1.0.0" });
    const other = `sha256:${"0".repeat(64)}`;
    for (const change of [{ blob: other }, { size: built.size + 1 }, { size: built.size - 1 }, { tree: other }]) {
      const body = publishBody({ ...built, ...change });
      expect(await send(body)).toMatchObject({ status: 422, body: { code: "BLOB_MISMATCH" } });
    }
    expect((await server.call("/index/_/de/declared.json")).status).toBe(404);
  });

  it("is not a package, is altered, or breaks a rule of names", async () => {
    const built = await buildPackage({ name: "altered", version: "1.0.0" });
    const refuse = async (bytes: Uint8Array): Promise<void> => {
      const blob = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
      const refused = await send(publishBody({ bytes, blob, size: bytes.length }));
      expect(refused).toMatchObject({
        status: 422,
        body: { code: "PACKAGE_REFUSED", reason: expect.stringMatching(/^[A-Z_]+$/) },
      });
    };
    await refuse(new TextEncoder().encode("this is not a package"));
    await refuse(built.bytes.subarray(0, built.size - 5));
    await refuse(Buffer.concat([built.bytes, Buffer.from("x")]));
    await refuse(Buffer.from(built.bytes).fill(0xff, 30, 60));
    await refuse(new Uint8Array(0));
    const reserved = await buildPackage({ name: "con", version: "1.0.0" });
    expect(await answer(server.publish(reserved))).toMatchObject({ status: 409, body: { code: "NAME_RESERVED" } });
    await server.publish(await buildPackage({ name: "spelled-so", version: "1.0.0" }));
    const spelled = await buildPackage({ name: "spelled_so", version: "1.1.0" });
    expect(await answer(server.publish(spelled))).toMatchObject({ status: 422, body: { reason: "NAME_SPELLING" } });
  });

  it("is larger than the limit", async () => {
    const small = await startServer({ packageBytes: 100 });
    try {
      const built = await buildPackage({ name: "large", version: "1.0.0" }, { files: { "x.txt": "abc".repeat(50) } });
      expect(await answer(small.publish(built))).toMatchObject({ status: 413, body: { code: "PAYLOAD_TOO_LARGE" } });
    } finally {
      await small.close();
    }
  });

  it("is answered at once where the credentials do not do, though megabytes are still to come", async () => {
    const bytes = new Uint8Array(20_000_000);
    const body = publishBody({ bytes, blob: `sha256:${"0".repeat(64)}`, size: bytes.length });
    const refused = await answer(server.call("/api/v1/packages/", { method: "POST", auth: "", body }));
    expect(refused).toMatchObject({ status: 401, body: { code: "AUTHENTICATION_REQUIRED" } });
  });

  it("comes from somebody without the right", async () => {
    const ada = await server.account("ada");
    const bob = await server.account("bob");
    const limited = await server.account("carol", { scopes: ["publish"], packages: ["carol-*", "team/*"] });
    const reader = await server.account("dave", { scopes: ["read"] });
    const first = await buildPackage({ name: "adas-tool", version: "1.0.0" });
    const second = await buildPackage({ name: "adas-tool", version: "1.1.0" });
    expect(await answer(server.publish(first, { auth: "" }))).toMatchObject({
      status: 401,
      body: { code: "AUTHENTICATION_REQUIRED" },
    });
    expect(await answer(server.publish(first, { auth: reader }))).toMatchObject({
      status: 403,
      body: { code: "FORBIDDEN" },
    });
    expect(await answer(server.publish(first, { auth: limited }))).toMatchObject({
      status: 403,
      body: { code: "FORBIDDEN" },
    });
    expect((await server.publish(first, { auth: ada })).status).toBe(201);
    expect(await answer(server.publish(second, { auth: bob }))).toMatchObject({
      status: 403,
      body: { code: "NOT_OWNER" },
    });
    const lookalike = await buildPackage({ name: "ada5-to0l".replace("5", "s"), version: "1.0.0" });
    expect(await answer(server.publish(lookalike, { auth: bob }))).toMatchObject({
      status: 409,
      body: { code: "NAME_CONFUSABLE" },
    });
    expect((await server.publish(lookalike, { auth: ada })).status).toBe(201);
    const inside = await buildPackage({ name: "team/one", version: "1.0.0" });
    const squatter = await buildPackage({ name: "team/two", version: "1.0.0" });
    expect((await server.publish(inside, { auth: limited })).status).toBe(201);
    expect(await answer(server.publish(squatter, { auth: bob }))).toMatchObject({
      status: 403,
      body: { code: "NOT_OWNER" },
    });
    expect((await server.publish(second)).status).toBe(201);
  });
});

describe("a publication that cannot be stored", () => {
  it("is given up only when nothing of it is being stored any more, and can be made again", async () => {
    const built = await buildPackage(
      { name: "half-stored", version: "1.0.0", readme: "README.md" },
      { files: { "README.md": "# Half\n" } },
    );
    const seen: string[] = [];
    const { prototype } = DirectoryBlobStore;
    const stage = Reflect.get(prototype, "stage");
    const spy = vi.spyOn(prototype, "stage").mockImplementation(async function (this: DirectoryBlobStore) {
      const staged = await stage.call(this);
      const [commit, discard] = [staged.commit.bind(staged), staged.discard.bind(staged)];
      return Object.assign(staged, {
        commit: async () => {
          const isPackage = (await staged.seal()).digest === built.blob;
          if (!isPackage) throw new Error("no readme today");
          await delay(50);
          await commit();
          seen.push("stored");
        },
        discard: async () => {
          if ((await staged.seal()).digest === built.blob) seen.push("discarded");
          await discard();
        },
      });
    });
    try {
      expect((await server.publish(built)).status).toBe(500);
    } finally {
      spy.mockRestore();
    }
    expect(seen).toEqual(["stored", "discarded"]);
    expect((await server.publish(built)).status).toBe(201);
    const blob = await server.call(`/blobs/sha256/${built.blob.slice("sha256:".length)}`, { auth: "" });
    expect((await blob.arrayBuffer()).byteLength).toBe(built.size);
  });
});

describe("signed packages", () => {
  const { signer, pem } = testSigner(7);
  const stranger = testSigner(8);

  it("are verified against the publisher's registered keys, and the statement is served as a blob", async () => {
    const erin = await server.account("erin");
    expect(
      (await server.call("/api/v1/keys", { method: "POST", auth: erin, json: { public_key: pem, name: "laptop" } }))
        .status,
    ).toBe(201);
    const built = await buildPackage({ name: "signed", version: "1.0.0" });
    const statement = await signPackage(built, signer);
    const { status, body } = await answer(server.publish(built, { auth: erin, statement }));
    const fingerprint = `ed25519:${signer.keyId}`;
    expect([status, body["signers"], body["verified"]]).toEqual([201, [fingerprint], true]);
    const { statement: digest } = body["artifact"] as { statement: string };
    const served = await fetch(`${server.url}/blobs/sha256/${digest.slice(7)}`);
    expect(Buffer.compare(Buffer.from(await served.arrayBuffer()), statement)).toBe(0);
    const document = await server.call("/index/_/si/signed.json", { auth: "" });
    expect(parseIndexDocument(await document.json()).versions[0]!.artifacts[0]!.statement).toBe("beside");
    const beside = `/blobs/sha256/${built.blob.slice(7)}.sig`;
    for (let time = 0; time < 2; time += 1) {
      const side = await server.call(beside, { auth: "" });
      expect([side.status, side.headers.get("etag"), side.headers.get("cache-control")]).toEqual([
        200,
        `"${digest}"`,
        "public, max-age=31536000, immutable",
      ]);
      expect(Buffer.compare(Buffer.from(await side.arrayBuffer()), statement)).toBe(0);
    }
    expect((await server.call(beside, { auth: "", headers: { "if-none-match": `"${digest}"` } })).status).toBe(304);
    const unsigned = await buildPackage({ name: "unsigned", version: "1.0.0" });
    await server.publish(unsigned);
    for (const blob of [unsigned.blob, digest, `sha256:${"0".repeat(64)}`])
      expect(await answer(server.call(`/blobs/sha256/${blob.slice(7)}.sig`, { auth: "" }))).toMatchObject({
        status: 404,
        body: { code: "BLOB_NOT_FOUND" },
      });
    const details = await answer(server.call("/api/v1/packages/signed/versions/1.0.0"));
    expect(details.body["signature"]).toEqual({ algorithm: "ed25519", signers: [fingerprint], verified: true });
    expect((await indexOf("/index/_/si/signed.json")).versions[0]?.signers).toEqual([fingerprint]);
  });

  it("by an unknown key are recorded where signatures are optional", async () => {
    const built = await buildPackage({ name: "self-signed", version: "1.0.0" });
    const statement = await signPackage(built, stranger.signer);
    expect(await answer(server.publish(built, { statement }))).toMatchObject({
      status: 201,
      body: { verified: false },
    });
  });

  it("with a statement about something else, a broken signature or no statement are refused", async () => {
    const built = await buildPackage({ name: "mismatch", version: "1.0.0" });
    for (const change of [
      { version: "2.0.0" },
      { tree: `sha256:${"1".repeat(64)}` },
      { target: "wasm32" },
      { manifestDigest: `sha256:${"2".repeat(64)}` },
    ]) {
      const statement = await signPackage(built, stranger.signer, change);
      const refused = await answer(server.publish(built, { statement }));
      expect(refused).toMatchObject({
        status: 422,
        body: { code: "STATEMENT_REFUSED", reason: "SIGNATURE_SUBJECT_MISMATCH" },
      });
    }
    const frank = await server.account("frank");
    const own = testSigner(9);
    await server.call("/api/v1/keys", { method: "POST", auth: frank, json: { public_key: own.pem } });
    const envelope = JSON.parse(new TextDecoder().decode(await signPackage(built, own.signer))) as {
      signatures: { sig: string }[];
    };
    const sig = Buffer.from(envelope.signatures[0]!.sig, "base64");
    sig[10]! ^= 1;
    envelope.signatures[0]!.sig = sig.toString("base64");
    const broken = new TextEncoder().encode(JSON.stringify(envelope));
    expect(await answer(server.publish(built, { auth: frank, statement: broken }))).toMatchObject({
      status: 422,
      body: { code: "STATEMENT_REFUSED", reason: "SIGNATURE_INVALID" },
    });
    const garbage = new TextEncoder().encode("{}");
    expect(await answer(server.publish(built, { statement: garbage }))).toMatchObject({
      status: 422,
      body: { code: "STATEMENT_REFUSED" },
    });
  });

  it("are demanded, by a registered key, where signatures are required", async () => {
    const strict = await startServer({ signatures: "required" });
    try {
      const built = await buildPackage({ name: "strict", version: "1.0.0" });
      expect(await answer(strict.publish(built))).toMatchObject({ status: 422, body: { code: "SIGNATURE_REQUIRED" } });
      const statement = await signPackage(built, signer);
      expect(await answer(strict.publish(built, { statement }))).toMatchObject({
        status: 403,
        body: { code: "SIGNER_UNKNOWN" },
      });
      await strict.call("/api/v1/keys", { method: "POST", json: { public_key: pem } });
      expect((await strict.publish(built, { statement })).status).toBe(201);
    } finally {
      await strict.close();
    }
  });
});

describe("POST /api/v1/packages/ with JSON", () => {
  it("creates a name for its caller", async () => {
    const grace = await server.account("grace");
    const create = (auth: string, name: unknown): Promise<Answer> =>
      answer(server.call("/api/v1/packages/", { method: "POST", auth, json: { name } }));
    expect(await create(grace, "just-a-name")).toMatchObject({ status: 201, body: { name: "just-a-name" } });
    expect((await create(grace, "just-a-name")).status).toBe(200);
    expect(await create(await server.account("heidi"), "just-a-name")).toMatchObject({
      status: 403,
      body: { code: "NOT_OWNER" },
    });
    expect(await create(grace, "Not A Name")).toMatchObject({ status: 400, body: { code: "REQUEST_INVALID" } });
    expect(await create(grace, 5)).toMatchObject({ status: 400, body: { code: "REQUEST_INVALID" } });
    expect((await server.call("/index/_/ju/just-a-name.json")).status).toBe(404);
    const found = await answer(server.call("/api/v1/search?q=just", { auth: "" }));
    expect(found.body["items"]).toEqual([]);
  });
});
