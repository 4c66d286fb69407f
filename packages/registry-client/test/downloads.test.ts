import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Digest, LadingEvent } from "@lading/core-manifest";
import { createDiskCache, createNodeFetch } from "@lading/registry-client/node";
import { createFakeClock } from "@lading/registry-client/testing";
import { describe, expect, it } from "vitest";
import { clientOf, temporaryDirectory, testRegistry } from "./helpers.ts";

const digestOf = (bytes: Uint8Array): Digest => `sha256:${createHash("sha256").update(bytes).digest("hex")}` as Digest;

describe("download()", () => {
  it("writes the file under its name only when it is complete and right", async () => {
    const registry = await testRegistry();
    const bytes = randomBytes(700_000);
    const blob = registry.addBlob(bytes);
    const directory = temporaryDirectory();
    const events: LadingEvent[] = [];
    const client = clientOf(registry.url);
    await client.download({ blob, size: bytes.length, package: "tool 1.0.0" }, join(directory, "tool.lpk"), {
      onEvent: (event) => events.push(event),
    });
    expect(readFileSync(join(directory, "tool.lpk")).equals(bytes)).toBe(true);
    expect(readdirSync(directory)).toEqual(["tool.lpk"]);
    const counts = events.map((event) => (event.type === "downloading" ? event.downloadedBytes : Number.NaN));
    expect(counts).toEqual(counts.toSorted((left, right) => left - right));
    expect(events.at(-1)).toMatchObject({
      type: "downloading",
      downloadedBytes: bytes.length,
      totalBytes: bytes.length,
      package: "tool 1.0.0",
    });
    expect(client.metrics()).toMatchObject({ downloads: 1, downloadedBytes: bytes.length });
  });

  it.skipIf(process.platform === "win32")("lets the umask say who may read the file, as of any other", async () => {
    const registry = await testRegistry();
    const blob = registry.addBlob(Buffer.from("bytes"));
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "ordinary"), "");
    await clientOf(registry.url).download({ blob }, join(directory, "tool.lpk"));
    const mode = (name: string): number => statSync(join(directory, name)).mode;
    expect(mode("tool.lpk")).toBe(mode("ordinary"));
  });

  it.each<[string, (bytes: Buffer) => { serve: Buffer; expect: { blob: Digest; size?: number } }, string]>([
    [
      "one flipped bit",
      (bytes) => ({ serve: flipped(bytes), expect: { blob: digestOf(bytes), size: bytes.length } }),
      "DOWNLOAD_DIGEST_MISMATCH",
    ],
    [
      "one flipped bit where the size is unknown",
      (bytes) => ({ serve: flipped(bytes), expect: { blob: digestOf(bytes) } }),
      "DOWNLOAD_DIGEST_MISMATCH",
    ],
    [
      "fewer bytes",
      (bytes) => ({ serve: bytes.subarray(1), expect: { blob: digestOf(bytes), size: bytes.length } }),
      "DOWNLOAD_SIZE_MISMATCH",
    ],
    [
      "more bytes",
      (bytes) => ({ serve: Buffer.concat([bytes, bytes]), expect: { blob: digestOf(bytes), size: bytes.length } }),
      "DOWNLOAD_SIZE_MISMATCH",
    ],
  ])("keeps nothing of a download with %s", async (_, make, code) => {
    const registry = await testRegistry();
    const { serve, expect: artifact } = make(randomBytes(10_000));
    registry.addFile(`blobs/sha256/${artifact.blob.slice(7)}`, serve);
    const directory = temporaryDirectory();
    await expect(clientOf(registry.url).download(artifact, join(directory, "x"))).rejects.toMatchObject({
      code,
      exitCode: 7,
    });
    expect(readdirSync(directory)).toEqual([]);
  });

  it("stops an endless body at the expected size, without content-length", async () => {
    const registry = await testRegistry();
    await clientOf(registry.url).describe();
    registry.intercept = (request, response) => {
      if (request.url?.startsWith("/blobs/") !== true) return false;
      response.writeHead(200);
      const more = (): void =>
        void (!response.destroyed && response.write(Buffer.alloc(65_536), () => setImmediate(more)));
      more();
      return true;
    };
    const directory = temporaryDirectory();
    const blob = digestOf(Buffer.alloc(0));
    await expect(clientOf(registry.url).download({ blob, size: 100_000 }, join(directory, "x"))).rejects.toMatchObject({
      code: "DOWNLOAD_SIZE_MISMATCH",
    });
    await expect(
      clientOf(registry.url).download({ blob }, join(directory, "x"), { maxBytes: 50_000 }),
    ).rejects.toMatchObject({ code: "DOWNLOAD_SIZE_MISMATCH" });
    expect(readdirSync(directory)).toEqual([]);
  });

  it.each(["resumes where the connection broke", "starts again where the server cannot resume"])("%s", async (how) => {
    const registry = await testRegistry();
    const bytes = randomBytes(500_000);
    const blob = registry.addBlob(bytes);
    let breaks = 2;
    registry.intercept = (request, response) => {
      if (request.url?.startsWith("/blobs/") !== true || breaks-- <= 0) return false;
      if (how.startsWith("starts")) delete request.headers.range;
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
      const headers = {
        "content-length": bytes.length - from,
        "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
      };
      response.writeHead(from === 0 ? 200 : 206, headers);
      response.write(bytes.subarray(from, from + 100_000), () => setTimeout(() => response.destroy(), 200));
      return true;
    };
    const directory = temporaryDirectory();
    const client = clientOf(registry.url, { clock: createFakeClock() });
    const events: number[] = [];
    await client.download({ blob, size: bytes.length }, join(directory, "x"), {
      onEvent: (event) => event.type === "downloading" && void events.push(event.downloadedBytes),
    });
    expect(readFileSync(join(directory, "x")).equals(bytes)).toBe(true);
    expect(client.metrics().retries).toBe(2);
    expect(events).toEqual(events.toSorted((left, right) => left - right));
    // How much had arrived when the connection broke is the network's affair; it is never more than was sent.
    const resumedAt = Number(/^bytes=(\d+)-$/.exec(registry.requests.at(-1)?.headers.range ?? "")?.[1]);
    expect(resumedAt).toBeGreaterThan(0);
    expect(resumedAt).toBeLessThanOrEqual(how.startsWith("resumes") ? 200_000 : 100_000);
  });

  it("refuses a part that was not asked for", async () => {
    const registry = await testRegistry();
    registry.intercept = (request, response) => {
      if (request.url?.startsWith("/blobs/") !== true) return false;
      response.writeHead(206, { "content-range": "bytes 5-9/10" }).end("56789");
      return true;
    };
    const blob = digestOf(Buffer.from("0123456789"));
    await expect(clientOf(registry.url).download({ blob }, join(temporaryDirectory(), "x"))).rejects.toMatchObject({
      code: "REGISTRY_ANSWER_INVALID",
    });
  });

  it("names a file that the registry does not have, and a directory that does not exist", async () => {
    const registry = await testRegistry();
    const absent = digestOf(Buffer.from("absent"));
    const directory = temporaryDirectory();
    await expect(clientOf(registry.url).download({ blob: absent }, join(directory, "x"))).rejects.toMatchObject({
      code: "DOWNLOAD_NOT_FOUND",
    });
    await expect(clientOf(registry.url).download({ blob: absent }, join(directory, "no", "x"))).rejects.toMatchObject({
      code: "DOWNLOAD_WRITE_FAILED",
    });
    expect(readdirSync(directory)).toEqual([]);
  });

  it("never writes through something that is at the destination already", async () => {
    const registry = await testRegistry();
    const bytes = Buffer.from("new");
    const blob = registry.addBlob(bytes);
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "x"), "old");
    await expect(clientOf(registry.url).download({ blob, size: 99 }, join(directory, "x"))).rejects.toMatchObject({
      code: "DOWNLOAD_SIZE_MISMATCH",
    });
    expect(readFileSync(join(directory, "x"), "utf8")).toBe("old");
    await clientOf(registry.url).download({ blob }, join(directory, "x"));
    expect(readFileSync(join(directory, "x"), "utf8")).toBe("new");
  });
});

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[5_000]! ^= 1;
  return copy;
}

describe("downloadMany()", () => {
  it.each([true, false])("loads ten files of 200 ms latency each in under a second (pool: %s)", async (pool) => {
    const registry = await testRegistry();
    const directory = temporaryDirectory();
    const downloads = Array.from({ length: 10 }, (_, index) => {
      const bytes = Buffer.from(`content ${index}`);
      return {
        artifact: { blob: registry.addBlob(bytes), size: bytes.length },
        destination: join(directory, String(index)),
      };
    });
    registry.intercept = (request, response) => {
      if (request.url?.startsWith("/blobs/") !== true || request.headers["x-late"] === "1") return false;
      const again = registry.intercept;
      setTimeout(() => {
        registry.intercept = undefined;
        request.headers["x-late"] = "1";
        request.socket.server!.emit("request", request, response);
        registry.intercept = again;
      }, 200);
      return true;
    };
    const { fetch } = createNodeFetch({ env: {} });
    const client = clientOf(registry.url, pool ? { fetch } : {});
    await client.describe();
    if (pool) await import("undici");
    const order: string[] = [];
    const started = Date.now();
    await client.downloadMany(downloads, { onFile: (item) => void order.push(item.destination) });
    expect(Date.now() - started).toBeLessThan(1000);
    expect(order).toHaveLength(10);
    expect(readdirSync(directory)).toHaveLength(10);
  });

  it("bounds the number of downloads at a time", async () => {
    const registry = await testRegistry();
    const directory = temporaryDirectory();
    let running = 0;
    let most = 0;
    const fetch = async (url: string, init: RequestInit): Promise<Response> => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      return globalThis.fetch(url, init);
    };
    const downloads = Array.from({ length: 12 }, (_, index) => ({
      artifact: { blob: registry.addBlob(Buffer.from(`${index}`)) },
      destination: join(directory, `${index}`),
    }));
    await clientOf(registry.url, { fetch }).downloadMany(downloads, { concurrency: 3 });
    expect(most).toBeLessThanOrEqual(3);
  });

  it("stops the others at the first failure and leaves no partial file", async () => {
    const registry = await testRegistry();
    const directory = temporaryDirectory();
    const good = randomBytes(300_000);
    const blob = registry.addBlob(good);
    const downloads = Array.from({ length: 6 }, (_, index) => ({
      artifact: index === 2 ? { blob, size: 1 } : { blob, size: good.length },
      destination: join(directory, `${index}`),
    }));
    await expect(clientOf(registry.url).downloadMany(downloads)).rejects.toMatchObject({
      code: "DOWNLOAD_SIZE_MISMATCH",
    });
    expect(readdirSync(directory).filter((name) => name.includes(".part"))).toEqual([]);
  });

  it("does nothing for no downloads", async () => {
    await clientOf("https://registry.example.org").downloadMany([]);
  });
});

describe("statementOf()", () => {
  const envelopeOf = (blob: string): Buffer => {
    const statement = { subject: [{ name: "tool", digest: { sha256: blob.slice(7) } }] };
    return Buffer.from(JSON.stringify({ payload: Buffer.from(JSON.stringify(statement)).toString("base64") }));
  };

  it("reads the statement beside the file once, and then from the cache, also offline", async () => {
    const registry = await testRegistry();
    const blob = registry.addBlob(Buffer.from("a package file"));
    registry.addFile(`blobs/sha256/${blob.slice(7)}.sig`, envelopeOf(blob));
    const cache = createDiskCache(temporaryDirectory());
    const client = clientOf(registry.url, { cache });
    for (let time = 0; time < 2; time += 1)
      expect(Buffer.from(await client.statementOf({ blob, statement: "beside" })).equals(envelopeOf(blob))).toBe(true);
    expect(registry.requests.filter(({ url }) => url.endsWith(".sig"))).toHaveLength(1);
    const offline = clientOf(registry.url, { cache, offline: true });
    expect((await offline.statementOf({ blob, statement: "beside" }, { refresh: true })).length).toBeGreaterThan(0);
    await expect(
      offline.statementOf({ blob: digestOf(Buffer.from("other")), statement: "beside" }),
    ).rejects.toMatchObject({ code: "REGISTRY_OFFLINE" });
  });

  it("asks again when told to, and reads a statement by its digest where the index names one", async () => {
    const registry = await testRegistry();
    const blob = registry.addBlob(Buffer.from("a package file"));
    const path = `blobs/sha256/${blob.slice(7)}.sig`;
    registry.addFile(path, envelopeOf(blob));
    const client = clientOf(registry.url);
    await client.statementOf({ blob, statement: "beside" });
    const other = Buffer.concat([envelopeOf(blob), Buffer.from(" ")]);
    registry.addFile(path, other);
    expect(Buffer.from(await client.statementOf({ blob, statement: "beside" }, { refresh: true })).equals(other)).toBe(
      true,
    );
    expect(Buffer.from(await client.statementOf({ blob, statement: "beside" })).equals(other)).toBe(true);
    const statement = registry.addBlob(Buffer.from("by digest"));
    expect(Buffer.from(await client.statementOf({ blob, statement })).toString()).toBe("by digest");
  });

  it.each([
    ["no JSON", "<html>log in first</html>"],
    ["no envelope", "{}"],
    ["no statement", JSON.stringify({ payload: "bm90IGpzb24" })],
    ["about another file", envelopeOf(digestOf(Buffer.from("other"))).toString()],
  ])("refuses what is %s, and keeps none of it", async (_what, text) => {
    const registry = await testRegistry();
    const blob = registry.addBlob(Buffer.from("a package file"));
    const path = `blobs/sha256/${blob.slice(7)}.sig`;
    registry.addFile(path, text);
    const client = clientOf(registry.url);
    await expect(client.statementOf({ blob, statement: "beside" })).rejects.toMatchObject({
      code: "REGISTRY_DOCUMENT_MISMATCH",
    });
    registry.removeFile(path);
    await expect(client.statementOf({ blob, statement: "beside" })).rejects.toMatchObject({
      code: "DOWNLOAD_NOT_FOUND",
    });
    registry.addFile(path, envelopeOf(blob));
    expect((await client.statementOf({ blob, statement: "beside" })).length).toBeGreaterThan(0);
  });
});

describe("statement()", () => {
  it("is verified against its digest, and comes from the cache afterwards", async () => {
    const registry = await testRegistry();
    const bytes = Buffer.from('{"payload":"..."}');
    const digest = registry.addBlob(bytes);
    const client = clientOf(registry.url);
    expect(Buffer.from(await client.statement(digest)).equals(bytes)).toBe(true);
    const { requests } = client.metrics();
    await client.statement(digest);
    expect(client.metrics().requests).toBe(requests);
  });

  it("is asked for once by many callers at a time, also when the first of them gives up", async () => {
    const registry = await testRegistry();
    const digest = registry.addBlob(Buffer.from('{"payload":"..."}'));
    const client = clientOf(registry.url);
    await client.describe();
    await Promise.all(Array.from({ length: 5 }, () => client.statement(digest)));
    expect(registry.requests.filter(({ url }) => url.includes("/blobs/"))).toHaveLength(1);

    const other = clientOf(registry.url);
    await other.describe();
    const first = new AbortController();
    const given = other.statement(digest, { signal: first.signal });
    const second = other.statement(digest);
    first.abort(new Error("gave up"));
    await expect(given).rejects.toThrow("gave up");
    expect((await second).length).toBe(17);
  });

  it("is refused when its bytes are others, or too many, and named when it is absent", async () => {
    const registry = await testRegistry();
    const digest = digestOf(Buffer.from("right"));
    await expect(clientOf(registry.url).statement(digest)).rejects.toMatchObject({ code: "DOWNLOAD_NOT_FOUND" });
    registry.addFile(`blobs/sha256/${digest.slice(7)}`, "wrong");
    await expect(clientOf(registry.url).statement(digest)).rejects.toMatchObject({ code: "DOWNLOAD_DIGEST_MISMATCH" });
    registry.addFile(`blobs/sha256/${digest.slice(7)}`, Buffer.alloc(2 ** 20 + 1));
    await expect(clientOf(registry.url).statement(digest)).rejects.toMatchObject({ code: "DOWNLOAD_SIZE_MISMATCH" });
  });
});
