import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import type { FetchInit, FetchResponse } from "@lading/registry-client";
import { createNodeFetch } from "@lading/registry-client/node";
import { describe, expect, it, onTestFinished } from "vitest";

interface Served {
  readonly url: string;
  readonly fetch: (path: string, init?: Partial<FetchInit>) => Promise<FetchResponse>;
  /** Connections so far. */
  readonly connections: () => number;
}

async function serve(listener: RequestListener): Promise<Served> {
  let connections = 0;
  const server = createServer(listener).on("connection", () => connections++);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { fetch, close } = createNodeFetch({ env: {} });
  onTestFinished(async () => {
    await close();
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const init = { method: "GET", headers: {}, signal: new AbortController().signal, redirect: "manual" } as const;
  return {
    url,
    connections: () => connections,
    fetch: (path, more) => fetch(url + path, { ...init, purpose: "call", ...more }),
  };
}

async function text({ body }: FetchResponse): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body ?? []) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe("createNodeFetch() for calls", () => {
  it.each([
    ["gzip", gzipSync],
    ["X-GZIP", gzipSync],
    ["deflate", deflateSync],
    ["br", brotliCompressSync],
    ["identity", (bytes: Buffer): Buffer => bytes],
    ["deflate, gzip", (bytes: Buffer): Buffer => gzipSync(deflateSync(bytes))],
  ])("takes the content encoding %s off", async (encoding, encode) => {
    const served = await serve((_, response) => {
      response.writeHead(200, { "content-encoding": encoding }).end(encode(Buffer.from('{"name":"é"}')));
    });
    expect(await text(await served.fetch(""))).toBe('{"name":"é"}');
  });

  it("fails for an encoding that it does not know, and for a body that is not in the one it names", async () => {
    const served = await serve((request, response) => {
      const encoding = request.url === "/zstd" ? "zstd" : "gzip";
      response.writeHead(200, { "content-encoding": encoding }).end("nothing of the kind");
    });
    await expect(served.fetch("zstd")).rejects.toThrow('has the content encoding "zstd"');
    await expect(served.fetch("").then(text)).rejects.toThrow("incorrect header check");
  });

  it("uses one connection for calls in a row, after answers without a body as well", async () => {
    const statuses = [200, 304, 204, 404, 200];
    const served = await serve((_, response) => {
      response.writeHead(statuses.shift()!).end();
    });
    for (const status of statuses.slice()) {
      const response = await served.fetch("");
      expect(response.status).toBe(status);
      await text(response);
    }
    expect(served.connections()).toBe(1);
  });

  it("asks again over a new connection where the one that waited was closed, but sends nothing twice", async () => {
    const methods: string[] = [];
    const served = await serve((request, response) => {
      methods.push(request.method!);
      // The second call over a connection meets one that is being closed.
      if (methods.length % 2 === 0) request.socket.destroy();
      else response.end("answered");
    });
    expect(await text(await served.fetch(""))).toBe("answered");
    expect(await text(await served.fetch(""))).toBe("answered");
    expect(methods).toEqual(["GET", "GET", "GET"]);
    await expect(served.fetch("", { method: "POST", body: "{}" })).rejects.toThrow("socket hang up");
    expect(methods).toEqual(["GET", "GET", "GET", "POST"]);
  });

  it("rejects with the signal's reason, before the answer and in the middle of it", async () => {
    const served = await serve((request, response) => {
      if (request.url === "/part") response.writeHead(200, { "content-length": 10 }).write("1");
    });
    const stop = (): AbortSignal => AbortSignal.timeout(50);
    await expect(served.fetch("", { signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
    await expect(served.fetch("", { signal: stop() })).rejects.toMatchObject({ name: "TimeoutError" });
    await expect(served.fetch("part", { signal: stop() }).then(text)).rejects.toThrow(/abort|timeout/i);
  });
});
