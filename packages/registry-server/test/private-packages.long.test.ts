import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { member, startWithRules } from "./access-world.ts";
import {
  buildPackage,
  publishBody,
  signPackage,
  startServer,
  testSigner,
  type BuiltPackage,
  type TestServer,
} from "./harness.ts";

const NAME = "company/zebrafish";
const PATH = encodeURIComponent(NAME);
let server: TestServer;
let reader: string;
let writer: string;
let stranger: string;
let built: BuiltPackage;

beforeAll(async () => {
  server = await startWithRules();
  reader = await member(server, "reader", ["employees"]);
  writer = await member(server, "writer", ["developers"]);
  stranger = await member(server, "stranger", ["others"]);
  built = await buildPackage(
    { name: NAME, version: "1.0.0", description: "quagga", keywords: ["okapi"] },
    { files: { "README.md": "# numbat\n" } },
  );
  await server.publish(await buildPackage({ name: "public-tool", version: "1.0.0" }), { auth: stranger });
});
afterAll(async () => server.close());

const tree = (path: string): string => `/trees/company${path}`;
async function json(path: string, auth: string): Promise<Record<string, unknown>> {
  return (await (await server.call(path, { auth })).json()) as Record<string, unknown>;
}

describe("a tree of private packages", () => {
  it("takes a publication at its own address and at the registry's, from the write group only", async () => {
    for (const path of ["/api/v1/packages/", tree("/api/v1/packages/")]) {
      expect((await server.publish(built, { auth: stranger, path })).status).toBe(
        path.startsWith("/trees") ? 404 : 403,
      );
      expect((await server.publish(built, { auth: reader, path })).status).toBe(403);
    }
    const answer = await server.publish(built, { auth: writer });
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({
      name: NAME,
      visible: true,
      tree: `${server.url}${tree("/")}`,
      links: { self: `${server.url}${tree(`/api/v1/packages/${PATH}/versions/1.0.0`)}` },
    });
    const next = await buildPackage({ name: NAME, version: "1.1.0" });
    expect((await server.publish(next, { auth: writer, path: tree("/api/v1/packages/") })).status).toBe(201);
    const addressed = await buildPackage({ name: NAME, version: "1.2.0" });
    expect((await server.publish(addressed, { auth: writer, path: `/api/v1/packages/${PATH}/versions` })).status).toBe(
      201,
    );
  });

  it("is a registry by its own address for its readers", async () => {
    const wellKnown = await json(tree("/.well-known/lading.json"), reader);
    expect(wellKnown).toMatchObject({ index: `${server.url}${tree("/")}`, api: `${server.url}${tree("/api/v1/")}` });
    const base = await json("/.well-known/lading.json", "");
    expect(wellKnown["root"]).not.toEqual(base["root"]);
    expect(wellKnown["log"]).not.toEqual(base["log"]);
    const index = await server.call(tree("/index/@company/ze/zebrafish.json"), { auth: reader });
    expect(index.status).toBe(200);
    expect(index.headers.get("cache-control")).not.toContain("public");
    const blob = await server.call(tree(`/blobs/sha256/${built.blob.slice(7)}`), { auth: reader });
    expect(Buffer.from(await blob.arrayBuffer()).equals(Buffer.from(built.bytes))).toBe(true);
    expect(blob.headers.get("cache-control")).toContain("private");
    await server.node.registry.signNow();
    expect((await server.call(tree("/metadata/timestamp.json"), { auth: reader })).status).toBe(200);
    expect((await server.call(tree("/log/checkpoint"), { auth: reader })).status).toBe(200);
    expect(await json(tree("/feed/0.json"), reader)).toMatchObject({ entries: [{ name: NAME }, {}, {}] });
    expect(await json(tree("/api/v1/search?q=zebrafish"), reader)).toMatchObject({ total: 1 });
    expect(await json(`/api/v1/packages/${PATH}`, reader)).toMatchObject({ name: NAME, latest: "1.2.0" });
    const download = await server.call(`/api/v1/packages/${PATH}/versions/1.0.0/download`, { auth: reader });
    expect(download.headers.get("location")).toBe(`${server.url}${tree(`/blobs/sha256/${built.blob.slice(7)}`)}`);
  });

  it("refuses names that are not its own, and credentials that do not reach", async () => {
    const foreign = await buildPackage({ name: "elsewhere", version: "1.0.0" });
    const refused = await server.publish(foreign, { auth: writer, path: tree("/api/v1/packages/") });
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([403, "FORBIDDEN"]);
    const unable = await member(server, "unable", ["employees"], { scopes: ["publish"] });
    expect((await server.call(tree(`/api/v1/packages/${PATH}`), { auth: unable })).status).toBe(403);
  });

  it("lets its admin group yank, and not its write group", async () => {
    const maintainer = await member(server, "maintainer", ["package-maintainers"]);
    const yank = (path: string, auth: string): Promise<Response> =>
      server.call(path, { method: "POST", auth, json: { reason: "broken" } });
    const path = `/api/v1/packages/${PATH}/versions/1.1.0/yank`;
    expect((await yank(path, writer)).status).toBe(403);
    expect((await yank(path, stranger)).status).toBe(404);
    expect((await yank(path, maintainer)).status).toBe(200);
    expect(await json(tree(`/api/v1/packages/${PATH}/versions/1.1.0`), reader)).toMatchObject({ status: "yanked" });
  });

  it("creates names, and answers a repeated request once, apart from the registry's own", async () => {
    const create = (path: string): Promise<Response> =>
      server.call(path, {
        method: "POST",
        auth: writer,
        headers: { "idempotency-key": "one" },
        json: { name: "company/named" },
      });
    const first = await create("/api/v1/packages/");
    expect(first.status).toBe(201);
    expect(first.headers.get("location")).toBe(`${server.url}${tree("/api/v1/packages/company%2Fnamed")}`);
    expect((await create(tree("/api/v1/packages/"))).status).toBe(200);
  });

  it("takes signatures by keys of the registry and by keys of its own", async () => {
    const shared = testSigner(1);
    const own = testSigner(2);
    const add = (path: string, pem: string): Promise<Response> =>
      server.call(path, { method: "POST", auth: writer, json: { public_key: pem } });
    expect((await add("/api/v1/keys", shared.pem)).status).toBe(201);
    expect((await add(tree("/api/v1/keys"), own.pem)).status).toBe(201);
    for (const [version, { signer }] of [
      ["2.0.0", shared],
      ["2.1.0", own],
    ] as const) {
      const signed = await buildPackage({ name: NAME, version });
      const answer = await server.publish(signed, { auth: writer, statement: await signPackage(signed, signer) });
      expect(await answer.json()).toMatchObject({ verified: true });
    }
  });
});

describe("private packages leave no public trace:", () => {
  const absent = ["zebrafish", "quagga", "okapi", "numbat"];

  async function everyPublicByte(auth: string): Promise<Map<string, string>> {
    await server.node.registry.signNow();
    const found = new Map<string, string>();
    const take = async (path: string): Promise<void> => {
      const response = await server.call(path, { auth });
      found.set(path, [...response.headers.entries()].join("\n") + (await response.text()));
    };
    const { paths } = (await (await server.call("/openapi.json", { auth })).json()) as {
      paths: Record<string, object>;
    };
    const reads = Object.entries(paths).filter(([, methods]) => "get" in methods);
    for (const [path] of reads) {
      await take(path.replace("{name}", "public-tool").replace("{version}", "1.0.0").replace("{page}", "0"));
    }
    for (const query of absent) await take(`/api/v1/search?q=${query}`);
    for (const file of await server.node.metadata.signedFilePaths()) await take(`/${file}`);
    for (const file of ["log/checkpoint", "log/tile/0/000.p/1", "log/tile/entries/000.p/1", "log/tile/entries/000.p/2"])
      await take(`/${file}`);
    await take("/simple/");
    return found;
  }

  it("no name, no word and no digest of them is in any byte that others can get", async () => {
    const digests = [built.blob, built.tree].map((digest) => digest.slice(7));
    for (const auth of ["", stranger]) {
      const files = await everyPublicByte(auth);
      expect(files.size).toBeGreaterThan(40);
      for (const [path, bytes] of files) {
        const asked = path.startsWith("/api/v1/search") ? bytes.replaceAll(path.split("=")[1]!, "") : bytes;
        for (const word of [...absent, ...digests]) expect([path, asked.includes(word)]).toEqual([path, false]);
      }
    }
  });

  it("nothing of them is in the stores of what is public", async () => {
    const { metadata } = server.node;
    expect(await metadata.packageNames()).toEqual(["public-tool"]);
    expect((await metadata.counts()).packages).toBe(1);
    const { items } = await metadata.audits({ page: 1, perPage: 100 });
    expect(JSON.stringify(items)).not.toContain("zebrafish");
    const files = await readdir(server.directory, { recursive: true });
    const outside = files.filter((file) => !file.startsWith("trees") && !file.endsWith(".lock"));
    for (const file of outside) {
      const bytes = await readFile(join(server.directory, file)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "EISDIR") return Buffer.alloc(0);
        throw error;
      });
      expect([file, bytes.includes("zebrafish")]).toEqual([file, false]);
    }
  });

  it("offers, claims and whatever else names a package answer as for a name that nobody has", async () => {
    const send = async (method: string, path: string, auth: string, body?: object): Promise<[number, string]> => {
      const answer = await server.call(`/api/v1/${path}`, {
        method,
        auth,
        ...(body === undefined ? {} : { json: body }),
      });
      return [answer.status, (await answer.text()).replaceAll(/"traceId":"[^"]*"/g, "")];
    };
    const reason = "I would like to look after this package";
    for (const auth of [stranger, reader]) {
      const told = async (name: string): Promise<unknown[]> => {
        const answers = [
          await send("POST", "transfers", auth, { package: name, username: "writer" }),
          await send("POST", "transfers", auth, { package: name, organisation: "nobody" }),
          await send("POST", "claims", auth, { package: name, reason }),
        ];
        return answers.map(([status, text]) => [status, text.replaceAll(name, "NAME")]);
      };
      expect(await told(NAME)).toEqual(await told("company/missing-name"));
    }
    for (const path of ["transfers", "claims", "invitations", "account/sessions", "account/passkeys", "tokens"])
      expect((await send("GET", path, stranger))[1]).not.toContain("zebrafish");
  });

  it("a blob is not found by its digest alone, and an upload of the same bytes tells nothing", async () => {
    const path = `/blobs/sha256/${built.blob.slice(7)}`;
    for (const auth of ["", stranger, reader]) expect((await server.call(path, { auth })).status).toBe(404);
    const form = publishBody({ ...built, bytes: new Uint8Array(10) });
    const claimed = await server.call("/api/v1/packages/", { method: "POST", auth: stranger, body: form });
    expect([claimed.status, ((await claimed.json()) as { code: string }).code]).toEqual([422, "BLOB_MISMATCH"]);
  });

  it.each(["", "stranger"])("to %j, what is not readable answers as what is not there", async (who) => {
    const auth = who === "" ? "" : stranger;
    const answer = async (path: string, method = "GET"): Promise<string> => {
      const response = await server.call(path, { method, auth });
      const headers = [...response.headers.entries()].filter(([name]) => !["date", "x-request-id"].includes(name));
      const text = (await response.text()).replaceAll(/"traceId":"\w+"/g, "").replaceAll(/"instance":"[^"]*"/g, "");
      return JSON.stringify([response.status, headers.filter(([name]) => name !== "content-length"), text])
        .replaceAll("zebrafish", "X")
        .replaceAll("nothing-x", "X")
        .replaceAll("/trees/nowhere", "/trees/company");
    };
    const routes = ["", "/versions", "/versions/1.0.0", "/versions/1.0.0/download", "/readme", "/owners", "/policy"];
    for (const route of [...routes, "/versions/1.0.0/proof", "/versions/1.0.0/readme"]) {
      const hidden = await answer(`/api/v1/packages/${PATH}${route}`);
      expect(hidden).toBe(await answer(`/api/v1/packages/company%2Fnothing-x${route}`));
      expect(hidden.startsWith("[404,")).toBe(true);
    }
    for (const path of [
      "/.well-known/lading.json",
      "/index/@company/ze/zebrafish.json",
      `/blobs/sha256/${built.blob.slice(7)}`,
      "/metadata/timestamp.json",
      "/log/checkpoint",
      "/feed/0.json",
      "/metrics",
      "/openapi.json",
      "/api/v1/search?q=quagga",
      `/api/v1/packages/${PATH}`,
      "/api/v1/audit",
      "/nonsense",
    ]) {
      for (const method of ["GET", "HEAD", "POST", "DELETE"]) {
        const hidden = await answer(`/trees/company${path}`, method);
        expect(hidden).toBe(await answer(`/trees/nowhere${path}`, method));
        expect(hidden.startsWith("[404,")).toBe(true);
      }
    }
  });

  it("a revoked token opens nothing five seconds later", async () => {
    let now = Date.now();
    const own = await startWithRules({ clock: { now: () => now } });
    try {
      const token = await member(own, "mia", ["employees"]);
      const read = async (): Promise<number> => (await own.call(tree("/api/v1/search"), { auth: token })).status;
      expect(await read()).toBe(200);
      const audit = { at: now, actor: "system", action: "test", details: {} };
      const person = { origin: "ldap", subject: "mia", username: "mia", groups: [], admin: false };
      await own.node.metadata.identities.externalAccount(person, "x", audit);
      now += 5001;
      expect(await read()).toBe(404);
    } finally {
      await own.close();
    }
  });

  it("rules about publishers that name them are told to their readers alone", async () => {
    const own = await startWithRules({
      publishers: [
        { names: ["company/zebrafish"], trustedPublishers: ["writer"] },
        { names: ["company/okapi", "shared-*"], threshold: 1 },
      ],
    });
    try {
      const token = await member(own, "mia", ["employees"]);
      const told = async (path: string, auth: string): Promise<string> =>
        JSON.stringify(((await (await own.call(path, { auth })).json()) as { policy: object }).policy);
      expect(await told("/.well-known/lading.json", "")).not.toMatch(/zebrafish|okapi/);
      expect(await told("/.well-known/lading.json", "")).toContain("shared-*");
      expect(await told(tree("/.well-known/lading.json"), token)).toContain("company/zebrafish");
    } finally {
      await own.close();
    }
  });
});

describe("a tree after a restart", () => {
  it("has what was published, and is not served without its rule", async () => {
    const first = await startWithRules();
    const options = { dataDirectory: first.directory };
    const token = await member(first, "mia", ["developers", "employees"]);
    await first.publish(built, { auth: token });
    await first.server.close(1000);
    const second = await startWithRules(options);
    expect((await second.call(tree(`/api/v1/packages/${PATH}`), { auth: token })).status).toBe(200);
    await second.server.close(1000);
    const third = await startServer(options);
    expect((await third.call(tree(`/api/v1/packages/${PATH}`), { auth: token })).status).toBe(404);
    await third.close();
    await first.close();
  });
});
