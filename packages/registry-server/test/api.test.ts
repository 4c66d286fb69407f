import { parseIndexDocument } from "@lading/core-manifest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildPackage, startServer, type BuiltPackage, type TestServer } from "./harness.ts";

type Json = Record<string, unknown>;
let server: TestServer;
let tool: BuiltPackage;

beforeAll(async () => {
  server = await startServer();
  for (const [name, version, description, keywords, categories] of [
    ["tool", "1.0.0", "A tool for actors", ["actor", "tool"], ["development"]],
    ["tool", "1.10.0", "A tool for actors", ["actor", "tool"], ["development"]],
    ["tool", "1.9.0", "A tool for actors", ["actor", "tool"], ["development"]],
    ["actor-system", "0.1.0", "Runs actors", ["actor"], ["runtime"]],
    ["unrelated", "3.0.0", "Something else", [], []],
  ] as const) {
    const built = await buildPackage({ name, version, description, keywords, categories, license: "MIT" });
    if (version === "1.0.0") tool = built;
    await server.publish(built);
  }
});
afterAll(async () => server.close());

const get = async (path: string, auth = ""): Promise<{ status: number; body: Json; headers: Headers }> => {
  const response = await server.call(path, { auth });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : (JSON.parse(text) as Json), headers: response.headers };
};
const names = (body: Json): string[] => (body["items"] as Json[]).map((item) => item["name"] as string);

describe("packages", () => {
  it("are listed in pages, with and without trailing slash", async () => {
    for (const path of ["/api/v1/packages/?per_page=2", "/api/v1/packages?per_page=2"]) {
      const { status, body, headers } = await get(path);
      expect([status, names(body), body["page"], body["per_page"], body["total"]]).toEqual([
        200,
        ["actor-system", "tool"],
        1,
        2,
        3,
      ]);
      expect(headers.get("link")).toContain('per_page=2&page=2>; rel="last"');
      expect(headers.get("link")).toContain('rel="next"');
    }
    expect(names((await get("/api/v1/packages/?per_page=2&page=2")).body)).toEqual(["unrelated"]);
    expect(names((await get("/api/v1/packages/?q=actor")).body).sort()).toEqual(["actor-system", "tool"]);
  });

  it("are searched by words, category, keyword, in an order", async () => {
    expect(names((await get("/api/v1/search?q=actor")).body)).toEqual(["actor-system", "tool"]);
    expect(names((await get("/api/v1/search?q=actor+tool&page=1&per_page=20")).body)).toEqual(["tool"]);
    expect(names((await get("/api/v1/search?category=runtime")).body)).toEqual(["actor-system"]);
    expect(names((await get("/api/v1/search?keyword=tool&sort=name")).body)).toEqual(["tool"]);
    expect(names((await get("/api/v1/search?q=zzz")).body)).toEqual([]);
    expect((await get("/api/v1/search?q=tool")).body["items"]).toMatchObject([
      { name: "tool", version: "1.10.0", description: "A tool for actors", keywords: ["actor", "tool"] },
    ]);
  });

  it("are searched for hosts, and the answer says that they were", async () => {
    const found = await get("/api/v1/search?q=tool&host=revit%3D2025&host=python%3D3.11");
    expect(found.body).toMatchObject({ total: 1, hosts: { revit: "2025", python: "3.11" } });
    expect(found.body["items"]).toMatchObject([{ name: "tool", version: "1.10.0", latest: "1.10.0" }]);
    expect((await get("/api/v1/packages/?host=revit%3D2025")).body["hosts"]).toEqual({ revit: "2025" });
    expect((await get("/api/v1/search?q=tool")).body).not.toHaveProperty("hosts");
    for (const wrong of [
      "revit",
      "revit%3Dnew",
      "%3D2025",
      "revit%3D2024%3D2025",
      `a%3D1${"&host=a%3D1".repeat(16)}`,
    ]) {
      const refused = await get(`/api/v1/search?host=${wrong}`);
      expect([wrong, refused.status, refused.body["code"]]).toEqual([wrong, 400, "REQUEST_INVALID"]);
    }
    const { body } = await get("/openapi.json");
    const parameters = (body as { paths: Record<string, { get: { parameters: { name: string }[] } }> }).paths[
      "/api/v1/search"
    ]!.get.parameters;
    expect(parameters.find(({ name }) => name === "host")).toMatchObject({
      in: "query",
      schema: { type: "array", items: { type: "string" } },
    });
  });

  it("show details, versions ascending by semver, one version", async () => {
    const details = await get("/api/v1/packages/tool");
    expect(details.body).toMatchObject({
      name: "tool",
      latest: "1.10.0",
      owners: ["admin"],
      license: "MIT",
      channels: { latest: "1.10.0" },
    });
    const versions = await get("/api/v1/packages/tool/versions");
    expect((versions.body["items"] as Json[]).map((item) => item["version"])).toEqual(["1.0.0", "1.9.0", "1.10.0"]);
    expect((await get("/api/v1/packages/tool/versions/1.0.0")).body).toMatchObject({
      artifacts: [{ blob: tool.blob, target: "any" }],
    });
  });

  it("that do not exist answer 404 with a problem", async () => {
    for (const [path, code] of [
      ["/api/v1/packages/nothing", "PACKAGE_NOT_FOUND"],
      ["/api/v1/packages/NOT%20A%20NAME", "PACKAGE_NOT_FOUND"],
      ["/api/v1/packages/nothing/versions", "PACKAGE_NOT_FOUND"],
      ["/api/v1/packages/tool/versions/9.9.9", "VERSION_NOT_FOUND"],
      ["/api/v1/packages/tool/versions/nonsense", "VERSION_NOT_FOUND"],
      ["/api/v1/packages/tool/readme", "NOT_FOUND"],
      ["/api/v1/nothing", "NOT_FOUND"],
      ["/index/_/no/nothing.json", "PACKAGE_NOT_FOUND"],
      ["/index/_/../registry.db", "PACKAGE_NOT_FOUND"],
      ["/index/_/..%2f..%2fregistry.db", "PACKAGE_NOT_FOUND"],
      [`/blobs/sha256/${"0".repeat(64)}`, "BLOB_NOT_FOUND"],
      ["/blobs/sha256/short", "NOT_FOUND"],
      ["/docs/package.json", "NOT_FOUND"],
      ["/docs/__proto__", "NOT_FOUND"],
    ]) {
      const { status, body, headers } = await get(path!);
      expect([path, status, body["code"]]).toEqual([path, 404, code]);
      expect(headers.get("content-type")).toBe("application/problem+json");
      expect(headers.get("x-request-id")).toBe(body["traceId"]);
      expect(body).toMatchObject({
        type: `urn:lading:error:${code}`,
        title: expect.any(String),
        status: 404,
        detail: expect.any(String),
        traceId: expect.any(String),
      });
    }
  });

  it("refuse malformed queries and bodies with every field at fault", async () => {
    const { status, body } = await get("/api/v1/search?page=0&per_page=1000&sort=random");
    expect([status, body["code"]]).toEqual([400, "REQUEST_INVALID"]);
    expect((body["errors"] as Json[]).map((error) => error["field"] as string).sort()).toEqual([
      "query.page",
      "query.per_page",
      "query.sort",
    ]);
    for (const init of [
      { json: {} },
      { body: "{", headers: { "content-type": "application/json" } },
      { json: { reason: 5 } },
    ]) {
      const response = await server.call("/api/v1/packages/tool/versions/1.0.0/yank", { method: "POST", ...init });
      expect([response.status, ((await response.json()) as Json)["code"]]).toEqual([400, "REQUEST_INVALID"]);
    }
    const wrong = await server.call("/api/v1/health", { method: "DELETE" });
    expect([wrong.status, wrong.headers.get("allow"), ((await wrong.json()) as Json)["code"]]).toEqual([
      405,
      "GET",
      "METHOD_NOT_ALLOWED",
    ]);
    expect((await server.call("/api/v1/packages/tool/nothing")).status).toBe(404);
  });
});

describe("reads of index and blobs", () => {
  it("answer conditional requests with 304 and a strong validator", async () => {
    const first = await server.call("/index/_/to/tool.json", { auth: "" });
    const etag = first.headers.get("etag")!;
    expect([etag, first.headers.get("cache-control")]).toEqual([
      expect.stringMatching(/^"sha256:[0-9a-f]{64}"$/),
      "no-cache",
    ]);
    for (const header of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      expect(
        (await server.call("/index/_/to/tool.json", { auth: "", headers: { "if-none-match": header } })).status,
      ).toBe(304);
    }
    expect(
      (await server.call("/index/_/to/tool.json", { auth: "", headers: { "if-none-match": '"other"' } })).status,
    ).toBe(200);
    const head = await server.call("/index/_/to/tool.json", { auth: "", method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([
      200,
      first.headers.get("content-length"),
      "",
    ]);
  });

  it("send whole blobs, ranges and heads", async () => {
    const path = `/blobs/sha256/${tool.blob.slice(7)}`;
    const range = async (header: string): Promise<[number, string | null, number]> => {
      const response = await server.call(path, { auth: "", headers: { range: header } });
      return [response.status, response.headers.get("content-range"), (await response.arrayBuffer()).byteLength];
    };
    const { size } = tool;
    expect(await range("bytes=0-9")).toEqual([206, `bytes 0-9/${size}`, 10]);
    expect(await range("bytes=-5")).toEqual([206, `bytes ${size - 5}-${size - 1}/${size}`, 5]);
    expect(await range(`bytes=${size - 1}-`)).toEqual([206, `bytes ${size - 1}-${size - 1}/${size}`, 1]);
    expect(await range("bytes=0-1,3-4")).toEqual([200, null, size]);
    expect(await range("bytes=9-1")).toEqual([200, null, size]);
    expect((await range(`bytes=${size}-`))[0]).toBe(416);
    const outside = await server.call(path, { auth: "", headers: { range: `bytes=${size}-` } });
    expect(((await outside.json()) as Json)["code"]).toBe("RANGE_NOT_SATISFIABLE");
    const whole = await server.call(path, { auth: "" });
    expect([whole.headers.get("cache-control"), whole.headers.get("etag")]).toEqual([
      "public, max-age=31536000, immutable",
      `"${tool.blob}"`,
    ]);
    expect(Buffer.compare(Buffer.from(await whole.arrayBuffer()), tool.bytes)).toBe(0);
    const head = await server.call(path, { auth: "", method: "HEAD" });
    expect([head.headers.get("content-length"), head.headers.get("accept-ranges")]).toEqual([String(size), "bytes"]);
    expect((await server.call(path, { auth: "", headers: { "if-none-match": `"${tool.blob}"` } })).status).toBe(304);
  });

  it("are the same through fetch() of an embedder", async () => {
    for (const path of ["/index/_/to/tool.json", `/blobs/sha256/${tool.blob.slice(7)}`]) {
      const direct = await server.node.registry.fetch(new Request(`http://localhost${path}`));
      const socket = await server.call(path, { auth: "" });
      expect(Buffer.compare(Buffer.from(await direct.arrayBuffer()), Buffer.from(await socket.arrayBuffer()))).toBe(0);
      expect(direct.headers.get("etag")).toBe(socket.headers.get("etag"));
    }
    const missing = await server.node.registry.fetch(new Request("http://localhost/blobs/sha256/zz"));
    expect([missing.status, missing.headers.get("content-type")]).toEqual([404, "application/problem+json"]);
  });

  it("check a token that comes along, though reading is public", async () => {
    expect((await get("/index/_/to/tool.json", "ldg_nonsense")).body["code"]).toBe("TOKEN_INVALID");
    expect((await get("/index/_/to/tool.json", server.token)).status).toBe(200);
  });

  it("count a download once, not for ranges from the middle, heads or 304", async () => {
    const built = await buildPackage({ name: "counted", version: "1.0.0" });
    await server.publish(built);
    const path = `/blobs/sha256/${built.blob.slice(7)}`;
    await (await server.call(path)).arrayBuffer();
    await server.call(path, { method: "HEAD" });
    await (await server.call(path, { headers: { range: "bytes=5-" } })).arrayBuffer();
    await server.call(path, { headers: { "if-none-match": `"${built.blob}"` } });
    await expect
      .poll(async () => (await get("/api/v1/packages/counted")).body["downloads"], { timeout: 5000, interval: 100 })
      .toBe(1);
  });
});

describe("yank, deprecate, owners", () => {
  const change = async (
    method: string,
    path: string,
    json?: Json,
    auth?: string,
  ): Promise<{ status: number; body: Json }> => {
    const init = { method, ...(json === undefined ? {} : { json }), ...(auth === undefined ? {} : { auth }) };
    const response = await server.call(`/api/v1/packages/${path}`, init);
    return { status: response.status, body: (await response.json()) as Json };
  };
  const indexed = async (version: string) => {
    const document = parseIndexDocument((await get("/index/_/to/tool.json")).body);
    return { channels: document.channels, entry: document.versions.find((entry) => entry.version === version) };
  };

  it("mark a version in index and lists at once, with reasons, and can be undone", async () => {
    const path = "tool/versions/1.10.0";
    expect(await change("POST", `${path}/yank`, { reason: "breaks everything" })).toMatchObject({
      status: 200,
      body: { status: "yanked" },
    });
    expect(await indexed("1.10.0")).toMatchObject({
      channels: { latest: "1.9.0" },
      entry: { status: "yanked", reason: "breaks everything" },
    });
    const listed = ((await get("/api/v1/packages/tool/versions")).body["items"] as Json[]).find(
      (item) => item["version"] === "1.10.0",
    );
    expect(listed).toMatchObject({ yanked: true, reason: "breaks everything" });
    expect((await change("DELETE", `${path}/deprecate`)).body["status"]).toBe("yanked");
    expect(await change("DELETE", `${path}/yank`)).toMatchObject({ body: { status: "active" } });
    expect(await change("POST", `${path}/deprecate`, { reason: "old", replacement: "actor-system" })).toMatchObject({
      body: { status: "deprecated" },
    });
    expect((await indexed("1.10.0")).entry).toMatchObject({
      status: "deprecated",
      reason: "old",
      replacement: "actor-system",
    });
    expect((await change("DELETE", `${path}/yank`)).body["status"]).toBe("deprecated");
    expect((await change("DELETE", `${path}/deprecate`)).body["status"]).toBe("active");
    expect((await indexed("1.10.0")).entry).not.toHaveProperty("reason");
    expect(await change("POST", "tool/versions/7.7.7/yank", { reason: "x" })).toMatchObject({
      status: 404,
      body: { code: "VERSION_NOT_FOUND" },
    });
  });

  it("are for owners; the last owner stays", async () => {
    const owen = await server.account("owen");
    const pat = await server.account("pat");
    await server.publish(await buildPackage({ name: "owens", version: "1.0.0" }), { auth: owen });
    expect(await change("POST", "owens/versions/1.0.0/yank", { reason: "x" }, pat)).toMatchObject({
      status: 403,
      body: { code: "NOT_OWNER" },
    });
    expect(await change("POST", "owens/versions/1.0.0/yank", { reason: "x" }, "")).toMatchObject({ status: 401 });
    expect(await change("PUT", "owens/owners/pat", undefined, pat)).toMatchObject({ status: 403 });
    expect(await change("PUT", "owens/owners/nobody", undefined, owen)).toMatchObject({
      status: 404,
      body: { code: "USER_NOT_FOUND" },
    });
    expect(await change("PUT", "owens/owners/pat", undefined, owen)).toMatchObject({
      body: { items: [{ username: "owen" }, { username: "pat" }] },
    });
    expect(await change("DELETE", "owens/owners/owen", undefined, pat)).toMatchObject({
      body: { items: [{ username: "pat" }] },
    });
    expect(await change("DELETE", "owens/owners/pat", undefined, pat)).toMatchObject({
      status: 409,
      body: { code: "LAST_OWNER" },
    });
    expect((await get("/api/v1/packages/owens/owners")).body).toEqual({ name: "owens", items: [{ username: "pat" }] });
    expect(await change("POST", "owens/versions/1.0.0/yank", { reason: "by an admin" })).toMatchObject({ status: 200 });
  });

  it("leave audit records, which admins see all of and others their own", async () => {
    const quinn = await server.account("quinn");
    const all = await get("/api/v1/audit?action=version.yank&per_page=1", server.token);
    expect(all.body).toMatchObject({
      total: 2,
      items: [{ actor: "admin", package: "owens", details: { reason: "by an admin" } }],
    });
    const own = await get("/api/v1/audit", quinn);
    expect(new Set((own.body["items"] as Json[]).map((item) => item["actor"]))).toEqual(new Set(["quinn"]));
    expect((await get("/api/v1/audit?since=yesterday", server.token)).status).toBe(400);
    expect(
      (await get("/api/v1/audit?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z", server.token)).body["total"],
    ).toBe(0);
    expect((await get("/api/v1/audit")).status).toBe(401);
    expect(JSON.stringify(all.body)).not.toContain("ldg_");
  });
});

describe("the system's own addresses", () => {
  it("describe the registry at /.well-known/lading.json", async () => {
    const { root, log, keys } = server.node.registry.trust!;
    expect([root.version, root.development, keys.length]).toEqual([1, true, 1]);
    expect((await get("/.well-known/lading.json")).body).toEqual({
      protocol: 1,
      name: "lading-registry",
      mode: "development",
      index: `${server.url}/`,
      blobs: `${server.url}/blobs/sha256/`,
      api: `${server.url}/api/v1/`,
      feed: `${server.url}/feed/`,
      auth: ["token", "basic"],
      limits: { packageBytes: 2 ** 31 },
      uploads: { url: `${server.url}/api/v1/uploads`, from_bytes: 2 ** 25, part_bytes: 2 ** 23 },
      signatures: "optional",
      keys,
      root,
      metadata: `${server.url}/metadata/`,
      files: `${server.url}/api/v1/files`,
      log: { ...log, url: `${server.url}/log/` },
      policy: { signatures: "optional" },
    });
  });

  it("tell health", async () => {
    const { status, body } = await get("/api/v1/health");
    expect([status, body]).toMatchObject([
      200,
      { status: "ok", checks: { database: { status: "up" }, storage: { status: "up" }, cache: { status: "up" } } },
    ]);
    expect((await get("/api/v1/health/live")).body).toEqual({ status: "ok" });
    expect((await get("/api/v1/health/ready/")).body).toEqual({ status: "ok" });
  });

  it("count in Prometheus form", async () => {
    for (const method of ["BREW", "X-1", "PROPFIND"])
      await server.node.registry.fetch(new Request("http://localhost/api/v1/health", { method }));
    const text = await (await server.call("/metrics", { auth: "" })).text();
    expect([...text.matchAll(/requests_total\{method="([^"]+)"/g)].map((match) => match[1])).not.toContain("BREW");
    expect(text).toMatch(/^lading_http_requests_total\{method="other",status="40[45]"\} 3$/m);
    expect(text).toMatch(/^lading_http_requests_total\{method="GET",status="200"\} \d+$/m);
    expect(text).toMatch(/^lading_publications_total\{result="created"\} \d+$/m);
    expect(text).toMatch(/^lading_reads_total\{status="304"\} \d+$/m);
    expect(text).toMatch(/^lading_index_memory_hits [1-9]\d*$/m);
    expect(text).toMatch(/^lading_publish_step_seconds_count\{step="commit"\} \d+$/m);
  });

  it("document every route in OpenAPI 3.1", async () => {
    const { body } = await get("/openapi.json");
    const paths = body["paths"] as Record<string, Json>;
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(body["openapi"]).toBe("3.1.0");
    for (const route of [
      "GET /api/v1/packages/",
      "POST /api/v1/packages/",
      "GET /api/v1/packages/{name}",
      "GET /api/v1/packages/{name}/versions",
      "POST /api/v1/packages/{name}/versions",
      "GET /api/v1/packages/{name}/versions/{version}",
      "GET /api/v1/packages/{name}/versions/{version}/download",
      "POST /api/v1/packages/{name}/versions/{version}/yank",
      "DELETE /api/v1/packages/{name}/versions/{version}/deprecate",
      "PUT /api/v1/packages/{name}/owners/{user}",
      "GET /api/v1/search",
      "POST /api/v1/auth/login",
      "DELETE /api/v1/tokens/{id}",
      "POST /api/v1/keys",
      "GET /api/v1/audit",
      "GET /api/v1/health",
    ]) {
      expect(routes).toContain(route);
    }
    const text = JSON.stringify(body);
    const schemas = Object.keys((body["components"] as { schemas: Json }).schemas);
    for (const [, name] of text.matchAll(/#\/components\/schemas\/([^"]+)/g)) expect(schemas).toContain(name);
  });

  it("serve a browsable page from this origin alone", async () => {
    const page = await server.call("/docs", { auth: "" });
    const policy = page.headers.get("content-security-policy")!;
    expect([page.status, policy.includes("default-src 'none'"), policy.includes("unsafe")]).toEqual([200, true, false]);
    const html = await page.text();
    for (const [, path] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const asset = await server.call(path!, { auth: "" });
      expect([path, asset.status]).toEqual([path, 200]);
      await asset.arrayBuffer();
    }
    expect(html).not.toMatch(/https?:\/\//);
  });

  it("name each request by its trace id", async () => {
    const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    const response = await server.call("/api/v1/packages/nothing", {
      headers: { traceparent: `00-${trace}-00f067aa0ba902b7-01` },
    });
    expect([response.headers.get("x-request-id"), ((await response.json()) as Json)["traceId"]]).toEqual([
      trace,
      trace,
    ]);
  });
});
