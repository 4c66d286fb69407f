import { createServer } from "node:net";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { LadingEvent } from "@lading/core-manifest";
import { createDiskCache } from "@lading/registry-client/node";
import { createFakeClock } from "@lading/registry-client/testing";
import { describe, expect, it } from "vitest";
import { answered, clientOf, documentOf, temporaryDirectory, testRegistry } from "./helpers.ts";

function entriesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe("packageDocument()", () => {
  it("reads a document by any spelling of its name, and asks the registry once", async () => {
    const registry = await testRegistry();
    registry.addDocument(documentOf("actor_utils", [{ version: "1.0.0" }]));
    const client = clientOf(registry.url);
    expect((await client.packageDocument("actor-utils"))?.versions.map((item) => item.version)).toEqual(["1.0.0"]);
    expect((await client.packageDocument("actor.utils"))?.name).toBe("actor_utils");
    expect(registry.requests.map((request) => request.url)).toEqual([
      "/.well-known/lading.json",
      "/index/_/ac/actor-utils.json",
    ]);
    expect(client.metrics()).toMatchObject({ requests: 2, memoryHits: 1 });
  });

  it("is undefined for a name that the registry does not have", async () => {
    const registry = await testRegistry();
    expect(await clientOf(registry.url).packageDocument("nothing")).toBeUndefined();
  });

  it("asks once for many concurrent callers", async () => {
    const registry = await testRegistry();
    registry.addDocument(documentOf("tool"));
    const client = clientOf(registry.url);
    await Promise.all(Array.from({ length: 10 }, () => client.packageDocument("tool")));
    expect(client.metrics().requests).toBe(2);
  });

  it("survives that the caller who asked first gives up", async () => {
    const registry = await testRegistry();
    registry.addDocument(documentOf("tool"));
    const client = clientOf(registry.url);
    await client.describe();
    const first = new AbortController();
    const given = client.packageDocument("tool", { signal: first.signal });
    const second = client.packageDocument("tool");
    first.abort(new Error("gave up"));
    await expect(given).rejects.toThrow("gave up");
    expect((await second)?.name).toBe("tool");
  });

  it("asks a second process only whether the document changed", async () => {
    const registry = await testRegistry();
    const directory = temporaryDirectory();
    registry.addDocument(documentOf("tool", [{ version: "1.0.0" }]));
    await clientOf(registry.url, { cache: createDiskCache(directory) }).packageDocument("tool");

    const second = clientOf(registry.url, { cache: createDiskCache(directory) });
    expect((await second.packageDocument("tool"))?.versions).toHaveLength(1);
    expect(second.metrics()).toMatchObject({ requests: 1, notModified: 1, cacheHits: 2 });
    const cacheReads = second.metrics().cacheReads;
    await second.packageDocument("tool");
    expect(second.metrics().cacheReads).toBe(cacheReads);

    registry.addDocument(documentOf("tool", [{ version: "1.0.0" }, { version: "1.1.0" }]));
    expect((await second.packageDocument("tool", { refresh: true }))?.versions).toHaveLength(2);
  });

  it("detects a damaged cache entry, says so, and fetches it again", async () => {
    const registry = await testRegistry();
    const directory = temporaryDirectory();
    registry.addDocument(documentOf("tool", [{ version: "1.0.0" }]));
    await clientOf(registry.url, { cache: createDiskCache(directory) }).packageDocument("tool");
    for (const file of entriesBelow(directory)) {
      const bytes = readFileSync(file);
      bytes[bytes.length - 5]! ^= 1;
      writeFileSync(file, bytes);
    }
    const events: LadingEvent[] = [];
    const client = clientOf(registry.url, {
      cache: createDiskCache(directory),
      onEvent: (event) => events.push(event),
    });
    expect((await client.packageDocument("tool"))?.versions).toHaveLength(1);
    expect(client.metrics()).toMatchObject({ cacheCorrupt: 2, cacheHits: 0, notModified: 0 });
    expect(events.filter((event) => event.type === "warning")).toMatchObject([
      { code: "CACHE_CORRUPT" },
      { code: "CACHE_CORRUPT" },
    ]);
  });

  it("fetches again what the disk cache cannot even read", async () => {
    const registry = await testRegistry();
    const directory = temporaryDirectory();
    registry.addDocument(documentOf("tool", [{ version: "1.0.0" }]));
    await clientOf(registry.url, { cache: createDiskCache(directory) }).packageDocument("tool");
    for (const file of entriesBelow(directory)) {
      rmSync(file);
      mkdirSync(file);
    }
    const events: LadingEvent[] = [];
    const client = clientOf(registry.url, {
      cache: createDiskCache(directory),
      onEvent: (event) => events.push(event),
    });
    expect((await client.packageDocument("tool"))?.versions).toHaveLength(1);
    expect(events.filter((event) => event.type === "warning")).toMatchObject([
      { code: "CACHE_CORRUPT", message: expect.stringContaining("EISDIR") as string },
      { code: "CACHE_CORRUPT" },
    ]);
    const next = clientOf(registry.url, { cache: createDiskCache(directory) });
    await next.packageDocument("tool");
    expect(next.metrics()).toMatchObject({ cacheCorrupt: 0, notModified: 1 });
  });

  it("refuses the document of another package, and one whose bytes do not match its entity tag", async () => {
    const registry = await testRegistry();
    registry.addFile("index/_/to/tool.json", JSON.stringify(documentOf("other")));
    await expect(clientOf(registry.url).packageDocument("tool")).rejects.toMatchObject({
      code: "REGISTRY_DOCUMENT_MISMATCH",
    });
    registry.addDocument(documentOf("tool"));
    registry.intercept = (request, response) => {
      if (request.url?.startsWith("/index/") !== true) return false;
      response
        .writeHead(200, { "content-type": "application/json", etag: `"sha256:${"0".repeat(64)}"` })
        .end(JSON.stringify(documentOf("tool")));
      return true;
    };
    await expect(clientOf(registry.url).packageDocument("tool")).rejects.toMatchObject({
      code: "REGISTRY_DOCUMENT_MISMATCH",
      exitCode: 7,
    });
  });

  it.each(["not json", "[]", '{"schema":1}'])("refuses %j as a document with a typed error", async (text) => {
    const registry = await testRegistry();
    registry.addFile("index/_/to/tool.json", text);
    await expect(clientOf(registry.url).packageDocument("tool")).rejects.toMatchObject({ category: "io" });
  });

  it("goes on, with one warning, when the cache cannot be written", async () => {
    const registry = await testRegistry();
    registry.addDocument(documentOf("tool"));
    const file = join(temporaryDirectory(), "file");
    writeFileSync(file, "");
    const events: LadingEvent[] = [];
    const client = clientOf(registry.url, { cache: createDiskCache(file), onEvent: (event) => events.push(event) });
    expect((await client.packageDocument("tool"))?.name).toBe("tool");
    expect(events.filter((event) => event.type === "warning")).toMatchObject([{ code: "CACHE_UNWRITABLE" }]);
  });
});

describe("offline mode", () => {
  it("works from the cache and opens no socket", async () => {
    const registry = await testRegistry();
    const directory = temporaryDirectory();
    registry.addDocument(documentOf("tool", [{ version: "1.0.0" }]));
    await clientOf(registry.url, { cache: createDiskCache(directory) }).packageDocument("tool");
    const before = registry.requests.length;

    const fetch = (): never => {
      throw new Error("a socket would be opened");
    };
    const client = clientOf(registry.url, { cache: createDiskCache(directory), offline: true, fetch });
    expect((await client.packageDocument("tool"))?.versions).toHaveLength(1);
    expect(registry.requests).toHaveLength(before);
    await expect(client.packageDocument("other")).rejects.toMatchObject({
      code: "REGISTRY_OFFLINE",
      message: expect.stringContaining("index/_/ot/other.json") as string,
    });
    const digest = `sha256:${"0".repeat(64)}` as never;
    await expect(client.download({ blob: digest }, join(directory, "x"))).rejects.toMatchObject({
      code: "REGISTRY_OFFLINE",
      message: expect.stringContaining(digest) as string,
    });
    const calls = [
      () => client.search("x"),
      () => client.info("x"),
      () => client.whoami(),
      () => client.statement(digest),
      () => client.health(),
    ];
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({ code: "REGISTRY_OFFLINE" });
    }
    expect(readdirSync(directory)).toEqual(["metadata-v1"]);
  });

  it("names the description when nothing was ever cached", async () => {
    await expect(clientOf("https://registry.example.org", { offline: true }).describe()).rejects.toMatchObject({
      code: "REGISTRY_OFFLINE",
      message: expect.stringContaining("lading.json") as string,
    });
  });
});

describe("describe()", () => {
  it("is asked again after an hour, conditionally", async () => {
    const registry = await testRegistry();
    const directory = temporaryDirectory();
    const clock = createFakeClock();
    const run = async (): Promise<number> => {
      const client = clientOf(registry.url, { cache: createDiskCache(directory), clock });
      await client.describe();
      return client.metrics().requests;
    };
    expect(await run()).toBe(1);
    expect(await run()).toBe(0);
    clock.advance(61 * 60 * 1000);
    expect(await run()).toBe(1);
    expect(await run()).toBe(0);
  });

  it.each<[string, string, string]>([
    ["a newer protocol", '{"protocol":2}', "REGISTRY_PROTOCOL_UNSUPPORTED"],
    ["no protocol", "{}", "REGISTRY_ANSWER_INVALID"],
    ["something that is not JSON", "<html>", "REGISTRY_ANSWER_INVALID"],
    ["a base that is no URL", '{"protocol":1,"api":"http://["}', "REGISTRY_ANSWER_INVALID"],
    ["a base on the local disk", '{"protocol":1,"blobs":"file:///etc/"}', "REGISTRY_ANSWER_INVALID"],
  ])("refuses %s", async (_, text, code) => {
    const registry = await testRegistry();
    registry.addFile(".well-known/lading.json", text);
    await expect(clientOf(registry.url).describe()).rejects.toMatchObject({ code });
  });

  it("says that there is no registry where the address answers 404", async () => {
    const registry = await testRegistry();
    registry.removeFile(".well-known/lading.json");
    await expect(clientOf(registry.url).packageDocument("tool")).rejects.toMatchObject({
      code: "REGISTRY_ANSWER_INVALID",
      message: expect.stringContaining("no registry at this address") as string,
    });
  });
});

describe("a file: registry", () => {
  it("is read like any other, also offline, and refuses what needs a server", async () => {
    const directory = temporaryDirectory();
    const client = clientOf(pathToFileURL(directory).href, { offline: true });
    expect(await client.packageDocument("tool")).toBeUndefined();
    await expect(clientOf(pathToFileURL(directory).href).search("x")).rejects.toMatchObject({
      code: "REGISTRY_READ_ONLY",
    });
    await expect(clientOf(pathToFileURL(join(directory, "gone")).href).packageDocument("tool")).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
    });
  });
});

describe("failures of the registry", () => {
  it("succeeds when it fails twice and then answers, with growing pauses", async () => {
    const registry = await testRegistry();
    registry.addDocument(documentOf("tool"));
    const clock = createFakeClock();
    const client = clientOf(registry.url, { clock });
    await client.describe();
    let failures = 2;
    registry.intercept = (_, response) => failures-- > 0 && answered(response.writeHead(503).end());
    expect((await client.packageDocument("tool"))?.name).toBe("tool");
    expect(client.metrics().retries).toBe(2);
    expect(clock.pauses).toEqual([150, 300]);
  });

  it("stops after four failures and names the status", async () => {
    const registry = await testRegistry();
    const client = clientOf(registry.url, { clock: createFakeClock() });
    registry.intercept = (_, response) => answered(response.writeHead(502).end());
    await expect(client.packageDocument("tool")).rejects.toMatchObject({
      code: "REGISTRY_UNAVAILABLE",
      details: { status: 502 },
    });
    expect(registry.requests).toHaveLength(4);
  });

  it("waits as long as Retry-After says, and not at all for a day", async () => {
    const registry = await testRegistry();
    const clock = createFakeClock();
    const client = clientOf(registry.url, { clock });
    let wait = "7";
    registry.intercept = (_, response) =>
      wait !== "" && answered(response.writeHead(429, { "retry-after": wait }).end());
    await expect(client.describe()).rejects.toMatchObject({ code: "REGISTRY_RATE_LIMITED" });
    expect(clock.pauses).toEqual([7000, 7000, 7000]);
    wait = "86400";
    await expect(client.describe()).rejects.toMatchObject({
      code: "REGISTRY_RATE_LIMITED",
      details: { retryAfterMs: 86_400_000 },
    });
    expect(clock.pauses).toHaveLength(3);
  });

  it("gives a timeout error, in the time that is configured, when the registry is silent", async () => {
    const registry = await testRegistry();
    registry.intercept = () => true;
    const started = Date.now();
    await expect(clientOf(registry.url, {}, { timeoutMs: 150 }).describe()).rejects.toMatchObject({
      code: "REGISTRY_TIMEOUT",
      exitCode: 5,
      message: expect.stringContaining(`at ${registry.url}.well-known/lading.json was silent for 150 ms`) as string,
      details: { url: `${registry.url}.well-known/lading.json` },
    });
    expect(Date.now() - started).toBeLessThan(1500);
    expect(registry.requests).toHaveLength(1);
  });

  it("gives a timeout error when the registry stalls in the middle of a body", async () => {
    const registry = await testRegistry();
    registry.intercept = (_, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": 100 });
      response.write("{");
      return true;
    };
    await expect(clientOf(registry.url, {}, { timeoutMs: 150 }).describe()).rejects.toMatchObject({
      code: "REGISTRY_TIMEOUT",
    });
  });

  it("names the cause when nothing listens", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    await expect(clientOf(`http://127.0.0.1:${port}`, { clock: createFakeClock() }).describe()).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      message: expect.stringMatching(
        new RegExp(`at http://127\\.0\\.0\\.1:${port}/\\.well-known/lading\\.json failed: .*ECONNREFUSED`),
      ) as string,
      details: { url: `http://127.0.0.1:${port}/.well-known/lading.json` },
    });
  });

  it("stops at an aborted signal with its reason", async () => {
    const registry = await testRegistry();
    registry.intercept = () => true;
    const controller = new AbortController();
    const pending = clientOf(registry.url).describe({ signal: controller.signal });
    setTimeout(() => controller.abort(new Error("stopped")), 30);
    await expect(pending).rejects.toThrow("stopped");
  });
});
