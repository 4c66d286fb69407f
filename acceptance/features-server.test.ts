import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { request as rawRequest } from "node:http";
import { networkInterfaces } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { indexDocumentPath, parseIndexDocument, parsePackageName, type IndexDocument } from "@lading/core-manifest";
import { createMemoryCredentials, createRegistryClient, registryConfig } from "@lading/registry-client";
import { createNodeFetch } from "@lading/registry-client/node";
import { createNodeRegistry, serve } from "@lading/registry-server/node";
import { formatPublicKey } from "@lading/signing";
import {
  api,
  apiJson,
  createSandbox,
  startRegistry,
  type RegistryOptions,
  type RegistryProcess,
} from "./lib/harness.ts";
import {
  build,
  newSigner,
  publishPackage,
  removeTemporary,
  sha256,
  temporary,
  upload,
  type Problem,
} from "./lib/more.ts";

let registry: RegistryProcess;

beforeAll(async () => {
  registry = await startRegistry();
});

afterAll(async () => {
  await registry.dispose();
  removeTemporary();
});

const anonymous = (route: string, init?: RequestInit): Promise<Response> => fetch(`${registry.url}${route}`, init);
const bearer = (route: string, token: string, init: RequestInit = {}): Promise<Response> =>
  anonymous(route, {
    ...init,
    headers: { ...(init.headers as Record<string, string>), authorization: `Bearer ${token}` },
  });
const post = (body: unknown): RequestInit => ({
  method: "POST",
  body: JSON.stringify(body),
  headers: { "content-type": "application/json" },
});
const indexUrl = (name: string): string => `/${indexDocumentPath(parsePackageName(name))}`;
const indexOf = async (name: string): Promise<IndexDocument> => {
  const answer = await anonymous(indexUrl(name));
  expect(answer.status).toBe(200);
  return parseIndexDocument(await answer.json());
};

/** Registers an account and logs it in; the answer is its session token. */
async function session(username: string, password = `password of ${username}`): Promise<string> {
  expect((await anonymous("/api/v1/auth/register", post({ username, password }))).status).toBe(201);
  const answer = await anonymous("/api/v1/auth/login", post({ username, password }));
  return ((await answer.json()) as { token: string }).token;
}

/** A registry that must not start: what it says and how it ends. */
async function refusedStart(env: RegistryOptions["env"], args: readonly string[] = []): Promise<string> {
  const sandbox = createSandbox();
  const ended = await sandbox.run(
    "lading-registry",
    ["--data", path.join(sandbox.root, "data"), "--port", "0", ...args],
    env === undefined ? {} : { env },
  );
  await sandbox.dispose();
  expect(ended.code).not.toBe(0);
  return ended.stderr;
}

/** Every event of the data directory, as a list of files with their times. */
function filesBelow(directory: string): Map<string, number> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    entries.map((entry) => {
      const file = path.join(entry.parentPath, entry.name);
      return [path.relative(directory, file), statSync(file).mtimeMs];
    }),
  );
}

describe("the process", () => {
  test("[SRV-01] [IDX-02] it starts with no configuration and no other database, serves, and ends cleanly on SIGTERM", async () => {
    const own = await startRegistry();
    expect((await fetch(`${own.url}/api/v1/health`)).status).toBe(200);
    await publishPackage(own, { name: "kept", version: "1.0.0" });
    expect([...filesBelow(own.data).keys()].some((file) => file.endsWith(".sqlite") || file.endsWith(".db"))).toBe(
      true,
    );
    expect(await own.stop()).toBe(0);
    const again = await startRegistry({ data: own.data });
    expect(await apiJson(again, "/api/v1/packages/kept")).toMatchObject({ name: "kept", latest: "1.0.0" });
    expect(await again.stop()).toBe(0);
    await own.dispose();
  });

  test("[SRV-20] links in answers begin with REGISTRY_URL", async () => {
    const own = await startRegistry({ env: { REGISTRY_URL: "https://registry.example.com/base" } });
    await publishPackage(own, { name: "linked", version: "1.0.0" });
    const details = await apiJson<{ links: Record<string, string> }>(own, "/api/v1/packages/linked");
    await own.dispose();
    for (const link of Object.values(details.links)) expect(link).toMatch(/^https:\/\/registry\.example\.com\/base\//);
  });

  test("[AUT-03] a weak or missing JWT secret in production mode is a start error that names the variable", async () => {
    expect(await refusedStart({ REGISTRY_MODE: "production" })).toContain("JWT_SECRET_KEY");
    expect(await refusedStart({ REGISTRY_MODE: "production", JWT_SECRET_KEY: "short" })).toContain("JWT_SECRET_KEY");
  });

  test("[SRV-23] an unknown REGISTRY_AUTH_TYPE is a start error that names the accepted values", async () => {
    const message = await refusedStart({ REGISTRY_AUTH_TYPE: "carrier-pigeon" });
    expect(message).toContain("REGISTRY_AUTH_TYPE");
    expect(message).toContain('"local"');
  });

  test("a wrong value of any setting is a start error that names setting and value", async () => {
    expect(await refusedStart({ REGISTRY_MAX_PACKAGE_SIZE: "many" })).toMatch(
      /REGISTRY_MAX_PACKAGE_SIZE[^]*many|many[^]*REGISTRY_MAX_PACKAGE_SIZE/,
    );
    expect(await refusedStart({}, ["--mode", "relaxed"])).toContain("relaxed");
    const contradiction = await refusedStart({ REGISTRY_REQUIRE_SIGNATURES: "true", ALLOW_UNSIGNED_PACKAGES: "true" });
    expect(contradiction).toContain("ALLOW_UNSIGNED_PACKAGES");
    expect(contradiction).toContain("REGISTRY_REQUIRE_SIGNATURES");
  });

  test("[CLI-12] migrate is idempotent, and a schema from the future is refused with advice", async () => {
    const sandbox = createSandbox();
    const data = path.join(sandbox.root, "data");
    const first = await sandbox.run("lading-registry", ["migrate", "--data", data]);
    const second = await sandbox.run("lading-registry", ["migrate", "--data", data]);
    expect([first.code, second.code]).toEqual([0, 0]);
    const file = readdirSync(data).find((name) => /\.(?:sqlite|db)$/.test(name))!;
    const { DatabaseSync } = await import("node:sqlite");
    const set = (version: number): void => {
      const database = new DatabaseSync(path.join(data, file));
      database.exec(`PRAGMA user_version = ${version}`);
      database.close();
    };
    const database = new DatabaseSync(path.join(data, file));
    const { user_version: current } = database.prepare("PRAGMA user_version").get() as { user_version: number };
    database.close();
    expect(current).toBeGreaterThan(0);
    set(current + 1);
    const newer = await sandbox.run("lading-registry", ["--data", data, "--port", "0"]);
    expect(newer.code).not.toBe(0);
    expect(newer.stderr).toMatch(/schema/i);
    await sandbox.dispose();
  });
});

describe("packages over HTTP", () => {
  test("[SRV-02] [SRV-06] [TST-04] publishing answers 201 with a location, 401 without a token, 409 for other content", async () => {
    const built = await build({ name: "posted", version: "1.0.0", description: "First light" });
    expect((await upload(registry, built, { token: "" })).status).toBe(401);
    const created = await upload(registry, built);
    expect(created.status).toBe(201);
    const location = new URL(created.headers.get("location")!, registry.url);
    expect(await (await fetch(location)).json()).toMatchObject({ name: "posted", version: "1.0.0" });
    const other = await build({ name: "posted", version: "1.0.0", files: { "other.txt": "other" } });
    const conflict = await upload(registry, other);
    expect(conflict.status).toBe(409);
    expect(await conflict.json()).toMatchObject({ code: "VERSION_EXISTS", status: 409 });
    const found = await (await anonymous("/api/v1/search?q=posted")).json();
    expect(found).toMatchObject({ items: [{ name: "posted", version: "1.0.0" }] });
  });

  test("the same content again answers 200 and changes nothing, over the second form too", async () => {
    const built = await build({ name: "again", version: "1.0.0" });
    expect((await upload(registry, built)).status).toBe(201);
    const before = await (await anonymous(indexUrl("again"))).text();
    const other = await build({ name: "again", version: "1.0.0", codec: "gzip" });
    expect(other.blob).not.toBe(built.blob);
    for (const [bytes, route] of [
      [built, "/api/v1/packages"],
      [other, "/api/v1/packages/again/versions"],
    ] as const) {
      const answer = await upload(registry, bytes, { route });
      expect(answer.status).toBe(200);
      expect(await answer.json()).toMatchObject({ artifact: { blob: built.blob } });
    }
    expect(await (await anonymous(indexUrl("again"))).text()).toBe(before);
  });

  test("of many publishers racing for one version exactly one wins", async () => {
    const built = await Promise.all(
      Array.from({ length: 6 }, (_, n) => build({ name: "raced", version: "1.0.0", files: { "who.txt": `${n}` } })),
    );
    const statuses = await Promise.all(built.map(async (one) => (await upload(registry, one)).status));
    expect(statuses.toSorted((left, right) => left - right)).toEqual([201, 409, 409, 409, 409, 409]);
    const winner = built[statuses.indexOf(201)]!;
    const document = await indexOf("raced");
    expect(document.versions.flatMap(({ artifacts }) => artifacts.map(({ blob }) => blob))).toEqual([winner.blob]);
  });

  test("[SRV-04] the list is paged, with and without trailing slash, and each page is another", async () => {
    await Promise.all(
      ["list-a", "list-b", "list-c"].map((name) => publishPackage(registry, { name, version: "1.0.0" })),
    );
    const pages = await Promise.all(
      [
        "/api/v1/packages/?per_page=2&page=1",
        "/api/v1/packages?per_page=2&page=1",
        "/api/v1/packages?per_page=2&page=2",
      ].map(async (route) => (await (await anonymous(route)).json()) as { items: { name: string }[]; total: number }),
    );
    const [slash, plain, second] = pages.map(({ items }) => items.map(({ name }) => name));
    expect(slash).toEqual(plain);
    expect(slash).toHaveLength(2);
    expect(second!.some((name) => plain!.includes(name))).toBe(false);
    expect(pages[0]!.total).toBeGreaterThanOrEqual(3);
  });

  test("[SRV-05] details of an unknown package are a JSON problem with status 404", async () => {
    const answer = await anonymous("/api/v1/packages/no-such-thing");
    expect(answer.status).toBe(404);
    expect(answer.headers.get("content-type")).toContain("application/problem+json");
    expect(await answer.json()).toMatchObject({ status: 404, code: "PACKAGE_NOT_FOUND" });
  });

  test("[SRV-07] [SRV-03] versions come in SemVer order with the yanked ones marked", async () => {
    for (const version of ["1.10.0", "1.9.0", "1.0.0-rc.1", "1.0.0"]) {
      await publishPackage(registry, { name: "ordered", version });
    }
    await apiJson(registry, "/api/v1/packages/ordered/versions/1.9.0/yank", post({ reason: "broken build" }));
    const { items } = await apiJson<{ items: { version: string; yanked: boolean; reason?: string }[] }>(
      registry,
      "/api/v1/packages/ordered/versions",
    );
    expect(items.map(({ version }) => version)).toEqual(["1.0.0-rc.1", "1.0.0", "1.9.0", "1.10.0"]);
    expect(items.filter(({ yanked }) => yanked)).toMatchObject([{ version: "1.9.0", reason: "broken build" }]);
    const { paths } = (await (await anonymous("/openapi.json")).json()) as { paths: Record<string, unknown> };
    const elsewhere =
      /^\/(?:api\/v1|index|blobs|feed|simple|trees|upstreams|graphql|metrics|openapi\.json|docs|\.well-known)/;
    expect(Object.keys(paths).filter((route) => !elsewhere.test(route))).toEqual([]);
  });

  test("[SRV-16] [MAN-08] [MAN-11] [MAN-12] [MAN-15] version details hold metadata, signature and dependencies", async () => {
    const signer = newSigner();
    await apiJson(registry, "/api/v1/keys", post({ public_key: formatPublicKey(signer.publicKey) }));
    await publishPackage(
      registry,
      {
        name: "described",
        version: "1.0.0",
        authors: ["Ada <ada@example.com>"],
        repository: "https://example.com/described.git",
        homepage: "https://example.com/described",
        edition: "2024",
        license: "MIT",
        needs: { ordered: "1.0" },
      },
      { signer },
    );
    expect(await apiJson(registry, "/api/v1/packages/described")).toMatchObject({
      authors: ["Ada <ada@example.com>"],
      repository: "https://example.com/described.git",
      homepage: "https://example.com/described",
      manifest: { edition: "2024" },
    });
    const shown = createSandbox({ env: { LADING_REGISTRY_URL: registry.url } });
    const { stdout } = await shown.ok("lading info described");
    await shown.dispose();
    expect(stdout).toContain("Ada <ada@example.com>");
    expect(await apiJson(registry, "/api/v1/packages/described/versions/1.0.0")).toMatchObject({
      manifest: { license: "MIT", edition: "2024" },
      signature: { algorithm: "ed25519", signers: [`ed25519:${signer.keyId}`], verified: true },
      dependencies: [{ name: "ordered", kind: "normal", requirement: ">=1.0.0 <2.0.0-0" }],
    });
  });

  test("[SRV-12] every failure has one JSON shape, whatever went wrong", async () => {
    const answers = await Promise.all([
      anonymous("/no/such/page"),
      anonymous("/index/_/zz/zzz.json"),
      anonymous(`/blobs/sha256/${"0".repeat(64)}`),
      anonymous("/api/v1/packages?per_page=many"),
      anonymous("/api/v1/packages", { method: "DELETE" }),
      anonymous("/api/v1/auth/login", { method: "POST", body: "{", headers: { "content-type": "application/json" } }),
      anonymous("/api/v1/auth/whoami"),
      bearer("/api/v1/auth/whoami", "ldg_nonsense"),
      api(registry, "/api/v1/packages", { method: "POST", headers: { "content-type": "text/plain" }, body: "x" }),
    ]);
    for (const answer of answers) {
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.headers.get("content-type")).toContain("application/problem+json");
      const problem = (await answer.json()) as Problem;
      expect(problem).toMatchObject({ status: answer.status, type: expect.any(String), title: expect.any(String) });
      expect(problem.code).toMatch(/^[A-Z_]+$/);
      expect(problem.detail).not.toBe("");
    }
  });

  test("[SRV-09] [OBS-10] health tells of database, cache and storage, and 503 when the storage is gone", async () => {
    const own = await startRegistry();
    const healthy = await fetch(`${own.url}/api/v1/health`);
    const state = (await healthy.json()) as Record<string, unknown>;
    expect(healthy.status).toBe(200);
    for (const part of ["database", "cache", "storage"]) expect(JSON.stringify(state)).toContain(part);
    const { renameSync } = await import("node:fs");
    const blobs = path.join(own.data, "blobs");
    renameSync(blobs, `${blobs}-away`);
    writeFileSync(blobs, "not a directory");
    const broken = await fetch(`${own.url}/api/v1/health`);
    await own.dispose();
    expect(broken.status).toBe(503);
  });

  test("[SRV-10] [WEB-02] /docs is a page, and openapi.json describes every route", async () => {
    const page = await anonymous("/docs");
    expect(page.status).toBe(200);
    expect(page.headers.get("content-type")).toContain("text/html");
    const document = (await (await anonymous("/openapi.json")).json()) as {
      openapi: string;
      paths: Record<string, object>;
    };
    expect(document.openapi).toMatch(/^3\./);
    const routes = [
      "/api/v1/packages/",
      "/api/v1/packages/{name}",
      "/api/v1/packages/{name}/versions",
      "/api/v1/packages/{name}/versions/{version}",
      "/api/v1/packages/{name}/versions/{version}/yank",
      "/api/v1/packages/{name}/owners",
      "/api/v1/search",
      "/api/v1/auth/login",
      "/api/v1/tokens",
      "/api/v1/keys",
      "/api/v1/audit",
      "/api/v1/health",
    ];
    for (const route of routes) expect(Object.keys(document.paths)).toContain(route);
    expect(Object.keys(document.paths["/api/v1/packages/"]!)).toEqual(expect.arrayContaining(["get", "post"]));
  });

  test("[SRV-25] [CCH-01] [CCH-02] the client library does its whole job against the server", async () => {
    const config = registryConfig({ name: "local", url: registry.url });
    expect(config).toMatchObject({ authType: "token", timeoutMs: 30_000, maxRetries: 3, allowInsecure: false });
    const client = createRegistryClient({
      registry: config,
      credentials: createMemoryCredentials(),
      fetch: createNodeFetch().fetch,
    });
    await client.login({ type: "token", token: registry.token });
    const built = await build({ name: "by-client", version: "1.0.0", description: "sent by the library" });
    const file = path.join(temporary(), "by-client.lpk");
    writeFileSync(file, built.bytes);
    const sent = await client.publish({ artifact: file, blob: built.blob, size: built.size, tree: built.tree });
    expect(sent).toMatchObject({ outcome: "created", visible: true });
    const document = (await client.packageDocument("by-client"))!;
    const { blob, size } = document.versions[0]!.artifacts[0]!;
    await client.download({ blob, size }, `${file}.copy`);
    expect(readFileSync(`${file}.copy`).equals(built.bytes)).toBe(true);
    await client.yank("by-client", "1.0.0", "tried");
    expect((await client.packageDocument("by-client", { refresh: true }))!.versions[0]).toMatchObject({
      status: "yanked",
    });
    await client.unyank("by-client", "1.0.0");
    expect((await client.versions("by-client"))!.map(({ version }) => version)).toEqual(["1.0.0"]);
    await client.close();
  });
});

describe("storage and index", () => {
  test("[STO-01] [ARC-15] binary and source packages come back byte for byte, under the SHA-256 of the file", async () => {
    for (const kind of ["binary", "source"] as const) {
      const built = await publishPackage(registry, { name: `stored-${kind}`, version: "1.0.0", kind });
      const version = await apiJson<{ kind: string; artifacts: { blob: string; url: string }[] }>(
        registry,
        `/api/v1/packages/stored-${kind}/versions/1.0.0`,
      );
      expect(version.kind).toBe(kind);
      expect(version.artifacts[0]!.blob).toBe(sha256(built.bytes));
      for (const url of [
        version.artifacts[0]!.url,
        `${registry.url}/api/v1/packages/stored-${kind}/versions/1.0.0/download`,
      ]) {
        expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(built.bytes)).toBe(true);
      }
    }
  });

  test("[ARC-23] a package full of text is stored and sent at less than 60 % of its size", async () => {
    const text = readFileSync(new URL("requirements.tsv", import.meta.url), "utf8");
    const built = await publishPackage(registry, {
      name: "wordy",
      version: "1.0.0",
      files: { "a.txt": text, "b.txt": text },
    });
    const answer = await anonymous(`/blobs/sha256/${built.blob.slice(7)}`, { method: "HEAD" });
    expect(Number(answer.headers.get("content-length"))).toBeLessThan(2 * Buffer.byteLength(text) * 0.6);
  });

  test("[STO-05] an upload that is cut off, and a server that dies in it, leave no partial version", async () => {
    const own = await startRegistry();
    const built = await build({ name: "cut", version: "1.0.0", files: { "random.bin": randomBytes(3_000_000) } });
    const outcome = await cutUpload(own, built.bytes, built);
    expect(outcome).toBe("cut");
    expect((await fetch(`${own.url}/api/v1/packages/cut`)).status).toBe(404);
    expect((await fetch(`${own.url}/blobs/sha256/${built.blob.slice(7)}`)).status).toBe(404);
    const killed = await cutUpload(own, built.bytes, built, await processOf(own));
    expect(killed).toBe("cut");
    await own.stop();
    const again = await startRegistry({ data: own.data });
    expect((await fetch(`${again.url}/api/v1/packages/cut`)).status).toBe(404);
    expect((await fetch(`${again.url}/blobs/sha256/${built.blob.slice(7)}`)).status).toBe(404);
    expect((await upload(again, built)).status).toBe(201);
    const { versions } = await apiJson<{ versions: unknown[] }>(again, "/api/v1/packages/cut");
    expect(versions).toHaveLength(1);
    await again.stop();
    await own.dispose();
  });

  /** Id of a registry's process, by its data directory, which no other one has. */
  async function processOf(own: RegistryProcess): Promise<number> {
    const sandbox = createSandbox();
    const { stdout } = await sandbox.ok(`pgrep -f -- "main.ts --data ${own.data} "`);
    await sandbox.dispose();
    const ids = stdout.trim().split("\n").map(Number);
    return Math.min(...ids);
  }

  test("index and blobs carry what caches need, and answer 304 to what they know", async () => {
    const built = await publishPackage(registry, { name: "cacheable", version: "1.0.0" });
    const blob = await anonymous(`/blobs/sha256/${built.blob.slice(7)}`);
    await blob.arrayBuffer();
    expect(blob.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(blob.headers.get("etag")).toMatch(/^"/);
    const index = await anonymous(indexUrl("cacheable"));
    await index.text();
    const etag = index.headers.get("etag")!;
    expect(etag).toMatch(/^"/);
    expect((await anonymous(indexUrl("cacheable"), { headers: { "if-none-match": etag } })).status).toBe(304);
    const range = await anonymous(`/blobs/sha256/${built.blob.slice(7)}`, { headers: { range: "bytes=2-5" } });
    expect(range.status).toBe(206);
    expect(Buffer.from(await range.arrayBuffer()).equals(built.bytes.subarray(2, 6))).toBe(true);
  });

  test("[IDX-03] publishing one version touches only that package's index document", async () => {
    const directory = path.join(registry.data, "index");
    const own = path.join(registry.data, indexUrl("touched"));
    // Documents are answered from memory at once, and saved a moment later.
    const saved = async (version: string): Promise<void> => {
      const isSaved = (): boolean => existsSync(own) && readFileSync(own, "utf8").includes(version);
      await expect.poll(isSaved, { timeout: 20_000 }).toBe(true);
    };
    await publishPackage(registry, { name: "touched", version: "1.0.0" });
    await saved("1.0.0");
    const before = filesBelow(directory);
    await publishPackage(registry, { name: "touched", version: "1.1.0" });
    await saved("1.1.0");
    const after = filesBelow(directory);
    const changed = [...after].filter(([file, time]) => before.get(file) !== time).map(([file]) => file);
    expect(changed.map((file) => path.join(directory, file))).toEqual([own]);
  });

  test("[ARC-19] every checksum of index and API has the form sha256:HEX", async () => {
    await publishPackage(registry, { name: "summed", version: "1.0.0" });
    const version = await apiJson<{ artifacts: object[] }>(registry, "/api/v1/packages/summed/versions/1.0.0");
    const text = JSON.stringify([version, await indexOf("summed")]);
    const found = [...text.matchAll(/"(?:blob|tree|statement|checksum)":"([^"]*)"/g)].map(([, digest]) => digest);
    expect(found).toHaveLength(4);
    for (const digest of found) expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  async function cutUpload(
    own: RegistryProcess,
    bytes: Buffer,
    facts: { blob: string; size: number },
    kill?: number,
  ): Promise<string> {
    const boundary = "cut-here";
    const metadata = JSON.stringify({ blob: facts.blob, size: facts.size });
    const part = (name: string, type: string): string =>
      `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${name === "package" ? '; filename="p.lpk"' : ""}\r\ncontent-type: ${type}\r\n\r\n`;
    const head = Buffer.from(
      `${part("metadata", "application/json")}${metadata}\r\n${part("package", "application/octet-stream")}`,
    );
    return new Promise((resolve) => {
      const sending = rawRequest(`${own.url}/api/v1/packages/`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${own.token}`,
          "content-type": `multipart/form-data; boundary=${boundary}`,
          "content-length": head.length + bytes.length + boundary.length + 8,
        },
      });
      sending.on("error", () => resolve("cut"));
      sending.on("response", (response) => resolve(`answered ${response.statusCode}`));
      sending.write(head);
      sending.write(bytes.subarray(0, 1_500_000), () =>
        setTimeout(() => (kill === undefined ? sending.destroy() : process.kill(kill, "SIGKILL")), 50),
      );
    });
  }
});

describe("search", () => {
  test("[SRC-03] [CCH-04] search is paged, and page 2 is disjoint from page 1", async () => {
    await Promise.all(
      Array.from({ length: 5 }, (_, n) =>
        publishPackage(registry, { name: `paged-${n}`, version: "1.0.0", description: "A quixotic thing" }),
      ),
    );
    const client = createRegistryClient({
      registry: registryConfig({ name: "local", url: registry.url }),
      fetch: createNodeFetch().fetch,
    });
    const pages = await Promise.all([1, 2, 3].map((page) => client.search("quixotic", { page, perPage: 2 })));
    await client.close();
    expect(pages.map(({ items }) => items.length)).toEqual([2, 2, 1]);
    expect(pages.map(({ total, perPage }) => [total, perPage])).toEqual([
      [5, 2],
      [5, 2],
      [5, 2],
    ]);
    expect(new Set(pages.flatMap(({ items }) => items.map(({ name }) => name))).size).toBe(5);
  });

  test("[SRC-01] search finds names, descriptions and keywords, the nearest first", async () => {
    await publishPackage(registry, { name: "marmalade", version: "1.0.0" });
    await publishPackage(registry, { name: "toast", version: "1.0.0", keywords: ["marmalade"] });
    await publishPackage(registry, { name: "breakfast", version: "1.0.0", description: "Goes with marmalade" });
    const { items } = await apiJson<{ items: { name: string }[] }>(registry, "/api/v1/search?q=marmalade");
    expect(items.map(({ name }) => name)).toEqual(["marmalade", "toast", "breakfast"]);
  });

  test("[SRC-06] search sorts by downloads, and a counter rises once per download", async () => {
    const built = await publishPackage(registry, { name: "popular-b", version: "1.0.0", keywords: ["popularity"] });
    await publishPackage(registry, { name: "popular-a", version: "1.0.0", keywords: ["popularity"] });
    const found = async (): Promise<unknown> => {
      const { items } = await apiJson<{ items: { name: string; downloads: number }[] }>(
        registry,
        "/api/v1/search?q=popularity&sort=downloads",
      );
      return items.map(({ name, downloads }) => [name, downloads]);
    };
    for (let times = 1; times <= 2; times++) {
      await (await anonymous(`/blobs/sha256/${built.blob.slice(7)}`)).arrayBuffer();
      await expect.poll(found, { timeout: 15_000, interval: 250 }).toEqual([
        ["popular-b", times],
        ["popular-a", 0],
      ]);
    }
  });

  test("[MAN-13] [MAN-14] search finds by keyword, and filters by category", async () => {
    await publishPackage(registry, {
      name: "tagged",
      version: "1.0.0",
      keywords: ["zeppelin"],
      categories: ["airships"],
    });
    await publishPackage(registry, { name: "untagged", version: "1.0.0", description: "Not a zeppelin" });
    const names = async (query: string): Promise<string[]> => {
      const { items } = await apiJson<{ items: { name: string }[] }>(registry, `/api/v1/search?${query}`);
      return items.map(({ name }) => name);
    };
    expect(await names("q=zeppelin")).toEqual(expect.arrayContaining(["tagged", "untagged"]));
    expect(await names("q=zeppelin&keyword=zeppelin")).toEqual(["tagged"]);
    expect(await names("q=zeppelin&category=airships")).toEqual(["tagged"]);
    expect((await names("q=tagged"))[0]).toBe("tagged");
  });
});

describe("accounts and tokens", () => {
  test("[AUT-01] a token is made, listed and revoked; a revoked one is worth nothing", async () => {
    const made = await apiJson<{ id: string; token: string }>(
      registry,
      "/api/v1/tokens",
      post({ name: "ci", scopes: ["read", "publish"] }),
    );
    expect(made.token).toMatch(/^ldg_[0-9A-Za-z]{36}$/);
    const listed = await apiJson<{ items: Record<string, unknown>[] }>(registry, "/api/v1/tokens");
    expect(listed.items.find(({ id }) => id === made.id)).toMatchObject({ name: "ci" });
    expect(JSON.stringify(listed)).not.toContain(made.token);
    expect((await bearer("/api/v1/auth/whoami", made.token)).status).toBe(200);
    expect((await api(registry, `/api/v1/tokens/${made.id}`, { method: "DELETE" })).ok).toBe(true);
    await expect
      .poll(async () => (await bearer("/api/v1/auth/whoami", made.token)).status, { timeout: 10_000, interval: 250 })
      .toBe(401);
  });

  test("a token does only what its scopes and packages allow", async () => {
    const token = await session("scoped-user");
    const made = await (
      await bearer(
        "/api/v1/tokens",
        token,
        post({ name: "narrow", scopes: ["read", "publish"], packages: ["narrow-*"] }),
      )
    ).json();
    const narrow = (made as { token: string }).token;
    expect(
      (await upload(registry, await build({ name: "narrow-one", version: "1.0.0" }), { token: narrow })).status,
    ).toBe(201);
    const refused = await upload(registry, await build({ name: "wide-one", version: "1.0.0" }), { token: narrow });
    expect([refused.status, ((await refused.json()) as Problem).code]).toEqual([403, "FORBIDDEN"]);
    const yank = await bearer("/api/v1/packages/narrow-one/versions/1.0.0/yank", narrow, post({ reason: "no scope" }));
    expect(yank.status).toBe(403);
  });

  test("a package belongs to its publisher: others get 403 until they are owners", async () => {
    const [first, second] = [await session("first-owner"), await session("second-owner")];
    expect((await upload(registry, await build({ name: "owned", version: "1.0.0" }), { token: first })).status).toBe(
      201,
    );
    const next = await build({ name: "owned", version: "1.1.0" });
    const refused = await upload(registry, next, { token: second });
    expect([refused.status, ((await refused.json()) as Problem).code]).toEqual([403, "NOT_OWNER"]);
    const added = await bearer("/api/v1/packages/owned/owners/second-owner", first, { method: "PUT" });
    expect(added.ok).toBe(true);
    expect((await upload(registry, next, { token: second })).status).toBe(201);
  });

  test("[AUT-02] an altered or expired JWT is refused", async () => {
    const token = await session("jwt-user");
    const [header, payload, signature] = token.split(".") as [string, string, string];
    expect((await bearer("/api/v1/auth/whoami", token)).status).toBe(200);
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
    const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const altered = [header, encode({ ...claims, sub: "admin" }), signature].join(".");
    const unsigned = [encode({ alg: "none", typ: "JWT" }), payload, ""].join(".");
    const secret = readdirSync(registry.data).find((file) => file.includes("jwt"));
    expect(secret).toBeDefined();
    const key = readFileSync(path.join(registry.data, secret!));
    const past = encode({ ...claims, iat: 1_000_000_000, exp: 1_000_000_060 });
    const { createHmac } = await import("node:crypto");
    const candidates = [
      key,
      Buffer.from(key.toString("utf8").trim()),
      Buffer.from(key.toString("utf8").trim(), "base64url"),
    ];
    const expired = candidates.map((one) => {
      const mac = createHmac("sha256", one).update(`${header}.${past}`).digest("base64url");
      return `${header}.${past}.${mac}`;
    });
    for (const bad of [altered, unsigned, ...expired])
      expect((await bearer("/api/v1/auth/whoami", bad)).status).toBe(401);
  });

  test("[AUT-04] [CCH-03] a token in the Bearer header is accepted, a wrong one is an authentication error", async () => {
    expect(await (await bearer("/api/v1/auth/whoami", registry.token)).json()).toMatchObject({ username: "admin" });
    const client = createRegistryClient({
      registry: registryConfig({ name: "local", url: registry.url }),
      fetch: createNodeFetch().fetch,
    });
    await expect(client.login({ type: "token", token: "ldg_wrong" })).rejects.toMatchObject({
      code: "REGISTRY_AUTH_FAILED",
      category: "auth",
    });
    await client.close();
  });

  test("[AUT-05] user and password are accepted on loopback, and refused over a line that others can read", async () => {
    await session("basic-user", "correct horse battery");
    const basic = { authorization: `Basic ${Buffer.from("basic-user:correct horse battery").toString("base64")}` };
    expect((await anonymous("/api/v1/auth/whoami", { headers: basic })).status).toBe(200);
    const outside = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .find(({ internal, family }) => !internal && family === "IPv4");
    expect(outside, "this check needs a network interface beside loopback").toBeDefined();
    const node = await createNodeRegistry({ dataDirectory: temporary() });
    await node.registry.start();
    const server = await serve(node.registry, { host: "0.0.0.0", port: 0 });
    const base = `http://${outside!.address}:${new URL(server.url).port}`;
    await fetch(`${base}/api/v1/auth/register`, post({ username: "basic-user", password: "correct horse battery" }));
    const plain = await fetch(`${base}/api/v1/auth/whoami`, { headers: basic });
    const problem = (await plain.json()) as Problem;
    await server.close(1000);
    expect([plain.status, problem.code]).toEqual([401, "BASIC_AUTH_INSECURE"]);
  });

  test("[AUT-08] log-in answers a token, and 401 for a wrong password", async () => {
    const token = await session("login-user");
    expect(token.split(".")).toHaveLength(3);
    const wrong = await anonymous("/api/v1/auth/login", post({ username: "login-user", password: "guess" }));
    expect([wrong.status, ((await wrong.json()) as Problem).code]).toEqual([401, "CREDENTIALS_INVALID"]);
  });

  test("[AUT-10] with public reading everybody reads; without it nobody does without credentials", async () => {
    await publishPackage(registry, { name: "public", version: "1.0.0" });
    expect((await anonymous("/api/v1/packages/public")).status).toBe(200);
    const own = await startRegistry({ env: { REGISTRY_READ_PUBLIC: "false" } });
    const built = await publishPackage(own, { name: "private", version: "1.0.0" });
    const routes = [
      "/api/v1/packages",
      "/api/v1/packages/private",
      indexUrl("private"),
      `/blobs/sha256/${built.blob.slice(7)}`,
    ];
    const statuses = await Promise.all(routes.map(async (route) => (await fetch(`${own.url}${route}`)).status));
    const allowed = await Promise.all(routes.map(async (route) => (await api(own, route)).status));
    await own.dispose();
    expect(statuses).toEqual([401, 401, 401, 401]);
    expect(allowed).toEqual([200, 200, 200, 200]);
  });

  test("[AUT-11] every kind of writing needs authentication", async () => {
    await publishPackage(registry, { name: "guarded", version: "1.0.0" });
    const version = "/api/v1/packages/guarded/versions/1.0.0";
    const answers = await Promise.all([
      anonymous("/api/v1/packages", post({ name: "new-name" })),
      anonymous(`${version}/yank`, post({ reason: "x" })),
      anonymous(`${version}/yank`, { method: "DELETE" }),
      anonymous(`${version}/deprecate`, post({ reason: "x" })),
      anonymous("/api/v1/packages/guarded/owners/somebody", { method: "PUT" }),
      anonymous("/api/v1/tokens", post({ name: "t", scopes: ["read"] })),
      anonymous("/api/v1/keys", post({ public_key: "x" })),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 401));
    expect(await apiJson(registry, version)).toMatchObject({ status: "active" });
  });
});

describe("observability", () => {
  test("[OBS-01] every line of the log is JSON, and requests carry an id", async () => {
    const own = await startRegistry();
    await fetch(`${own.url}/api/v1/packages/none`);
    await publishPackage(own, { name: "logged", version: "1.0.0" });
    await own.stop();
    const lines = own
      .output()
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    await own.dispose();
    const requests = lines.filter((line) => "status" in line);
    expect(requests.length).toBeGreaterThanOrEqual(2);
    const ids = requests.map((line) => line["requestId"] ?? line["request_id"] ?? line["traceId"] ?? line["id"]);
    expect(ids.every((id) => typeof id === "string" && id !== "")).toBe(true);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("[OBS-07] /metrics is Prometheus text that moves with use", async () => {
    const downloads = async (): Promise<number> => {
      const text = await (await api(registry, "/metrics")).text();
      return Number(/^lading_downloads_total (\d+)$/m.exec(text)![1]);
    };
    const before = await downloads();
    const built = await publishPackage(registry, { name: "measured", version: "1.0.0" });
    await (await anonymous(`/blobs/sha256/${built.blob.slice(7)}`)).arrayBuffer();
    expect(await downloads()).toBe(before + 1);
    const text = await (await api(registry, "/metrics")).text();
    expect(text).toMatch(/^# TYPE lading_http_requests_total counter$/m);
  });

  test("[OBS-09] each version counts its downloads, once each", async () => {
    const built = await publishPackage(registry, { name: "counted", version: "1.0.0" });
    await publishPackage(registry, { name: "counted", version: "1.1.0" });
    for (let times = 0; times < 3; times++) {
      await (await anonymous(`/blobs/sha256/${built.blob.slice(7)}`)).arrayBuffer();
    }
    const counts = async (): Promise<unknown> => {
      const { items } = await apiJson<{ items: { downloads: number }[] }>(
        registry,
        "/api/v1/packages/counted/versions",
      );
      return items.map(({ downloads }) => downloads);
    };
    await expect.poll(counts, { timeout: 15_000, interval: 250 }).toEqual([3, 0]);
  });

  test("[OBS-12] hits and misses of the index's memory are metrics", async () => {
    const text = await (await api(registry, "/metrics")).text();
    expect(text).toMatch(/^lading_index_[a-z_]*hits[a-z_]* \d+$/m);
    expect(text).toMatch(/^lading_index_[a-z_]*misses[a-z_]* \d+$/m);
  });

  test("publications, yanks and tokens are in the audit records", async () => {
    await publishPackage(registry, { name: "audited", version: "1.0.0" });
    await apiJson(registry, "/api/v1/packages/audited/versions/1.0.0/yank", post({ reason: "audit me" }));
    const { items } = await apiJson<{ items: { action: string }[] }>(registry, "/api/v1/audit?package=audited");
    expect(items.map(({ action }) => action)).toEqual(expect.arrayContaining(["package.publish", "version.yank"]));
    expect((await anonymous("/api/v1/audit")).status).toBe(401);
  });
});
