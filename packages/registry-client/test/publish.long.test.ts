import { createHash, randomBytes } from "node:crypto";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { truncateSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Digest, LadingEvent } from "@lading/core-manifest";
import { createMemoryCredentials, type PublishInput } from "@lading/registry-client";
import { createNodeFetch } from "@lading/registry-client/node";
import { createFakeClock, type TestRegistry } from "@lading/registry-client/testing";
import { describe, expect, it } from "vitest";
import { clientOf, documentOf, temporaryDirectory, testRegistry } from "./helpers.ts";

function packageFile(
  bytes: Buffer = randomBytes(600_000),
  name = "tool-1.0.0.lpk",
): Pick<PublishInput, "artifact" | "blob" | "size"> {
  const artifact = join(temporaryDirectory(), name);
  writeFileSync(artifact, bytes);
  return { artifact, blob: `sha256:${createHash("sha256").update(bytes).digest("hex")}` as Digest, size: bytes.length };
}

const credentialsFor = (registry: TestRegistry): ReturnType<typeof createMemoryCredentials> =>
  createMemoryCredentials([[registry.url, { type: "token", token: "secret" }]]);

/** A registry that takes an upload, checks it for `ms` milliseconds, and then refuses it. */
async function silentAfterUpload(ms: number): Promise<TestRegistry> {
  const registry = await testRegistry({ token: "secret" });
  registry.intercept = (request, response) => {
    if (request.method !== "POST") return false;
    const answer = (): void => {
      response.writeHead(409, { "content-type": "application/problem+json" });
      response.end(JSON.stringify({ code: "VERSION_EXISTS", status: 409, detail: "other bytes are there" }));
    };
    request.resume().once("end", () => setTimeout(answer, ms).unref());
    return true;
  };
  return registry;
}

describe("publish()", () => {
  it.each([true, false])(
    "streams metadata, statement and package in this order, with an exact length (pool: %s)",
    async (pool) => {
      const registry = await testRegistry({ token: "secret" });
      const file = packageFile();
      const tree = `sha256:${"1".repeat(64)}` as Digest;
      const events: LadingEvent[] = [];
      const client = clientOf(registry.url, {
        credentials: credentialsFor(registry),
        ...(pool ? { fetch: createNodeFetch({ env: {} }).fetch } : {}),
      });
      const result = await client.publish({
        ...file,
        tree,
        statement: Buffer.from('{"envelope":"\u00e9"}'),
        onEvent: (event) => events.push(event),
      });

      expect(result).toMatchObject({
        outcome: "created",
        name: "tool",
        version: "1.0.0",
        visible: true,
        artifact: { blob: file.blob, size: file.size },
      });
      expect(registry.publications).toMatchObject([
        {
          metadata: { blob: file.blob, size: file.size, tree },
          blob: file.blob,
          size: file.size,
          fileName: "tool-1.0.0.lpk",
        },
      ]);
      expect(registry.publications[0]?.statement?.toString("utf8")).toBe('{"envelope":"\u00e9"}');
      const request = registry.requests.find((item) => item.method === "POST");
      expect(request?.headers["content-length"]).toMatch(/^\d+$/);
      expect(request?.headers["transfer-encoding"]).toBeUndefined();
      expect(request?.headers["idempotency-key"]).toMatch(/^[0-9a-f-]{36}$/);
      const counts = events.map((event) => (event.type === "uploading" ? event.uploadedBytes : Number.NaN));
      expect(counts).toEqual(counts.toSorted((left, right) => left - right));
      expect(counts.at(-1)).toBe(file.size);
    },
  );

  it("answers that the same bytes were there already", async () => {
    const registry = await testRegistry();
    const file = packageFile();
    const client = clientOf(registry.url);
    await client.publish(file);
    expect((await client.publish(file)).outcome).toBe("exists");
  });

  it("returns only when the version is in the index, and asks again until it is", async () => {
    const registry = await testRegistry();
    const file = packageFile();
    const clock = createFakeClock();
    let late = 3;
    registry.intercept = (request, response) => {
      if (request.url?.startsWith("/index/") !== true || late-- <= 0) return false;
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(documentOf("tool")));
      return true;
    };
    const client = clientOf(registry.url, { clock });
    await client.publish(file);
    expect(clock.pauses).toEqual([50, 100, 200]);
    expect((await client.packageDocument("tool"))?.versions).toHaveLength(1);
  });

  it("says that a version is published but not visible in time; without waiting it does not look", async () => {
    const registry = await testRegistry();
    const file = packageFile();
    registry.intercept = (request, response) => {
      if (request.url?.startsWith("/index/") !== true) return false;
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(documentOf("tool")));
      return true;
    };
    const client = clientOf(registry.url, { clock: createFakeClock() });
    await expect(client.publish({ ...file, waitTimeoutMs: 500 })).rejects.toMatchObject({
      code: "PUBLISH_NOT_VISIBLE",
    });
    expect(await client.publish({ ...file, wait: false })).toMatchObject({ outcome: "exists" });
  });

  it("repeats a publication whose answer was lost, under the same idempotency key", async () => {
    const registry = await testRegistry();
    const file = packageFile();
    let failures = 1;
    registry.intercept = (request, response) => {
      if (request.method !== "POST" || failures-- <= 0) return false;
      request.resume().on("end", () => response.destroy());
      return true;
    };
    expect((await clientOf(registry.url, { clock: createFakeClock() }).publish(file)).outcome).toBe("created");
    const keys = registry.requests
      .filter((item) => item.method === "POST")
      .map((item) => item.headers["idempotency-key"]);
    expect(keys).toHaveLength(2);
    expect(new Set(keys).size).toBe(1);
  });

  it.each([
    [409, "VERSION_EXISTS", "PUBLISH_VERSION_EXISTS", 8, "do it otherwise"],
    [409, "NAME_RESERVED", "REGISTRY_REFUSED", 8, "do it otherwise"],
    [401, "TOKEN_INVALID", "REGISTRY_AUTH_FAILED", 6, 'run "login" for registry "test" again'],
    [403, "SCOPE_MISSING", "REGISTRY_FORBIDDEN", 6, "do it otherwise"],
    [422, "SIGNATURE_MISSING", "REGISTRY_REQUEST_INVALID", 8, "do it otherwise"],
    [413, "TOO_LARGE", "REGISTRY_REQUEST_INVALID", 8, "do it otherwise"],
  ])("maps %i %s to %s", async (status, serverCode, code, exitCode, hint) => {
    const registry = await testRegistry();
    registry.intercept = (request, response) => {
      if (request.method !== "POST") return false;
      request.resume().on("end", () => {
        response.writeHead(status, { "content-type": "application/problem+json" }).end(
          JSON.stringify({
            status,
            code: serverCode,
            detail: "because of a rule.",
            hint: "do it otherwise",
            errors: [{ message: "first" }],
          }),
        );
      });
      return true;
    };
    const client = clientOf(registry.url, { credentials: credentialsFor(registry) });
    await expect(client.publish(packageFile())).rejects.toMatchObject({
      code,
      exitCode,
      hint: expect.stringContaining(hint) as string,
      details: { serverCode, status },
      message: expect.stringContaining("because of a rule (first)") as string,
    });
    expect(registry.requests.filter((item) => item.method === "POST")).toHaveLength(1);
  });

  it.each([true, false])("reports a refusal that comes before the body was read (pool: %s)", async (pool) => {
    const registry = await testRegistry();
    registry.intercept = (request, response) => {
      if (request.method !== "POST" && request.url?.includes("whoami") !== true) return false;
      response
        .writeHead(401, { "content-type": "application/problem+json", connection: "close" })
        .end('{"code":"TOKEN_INVALID","detail":"expired"}');
      if (request.method === "POST") setTimeout(() => request.socket.destroy(), 5);
      return true;
    };
    const client = clientOf(registry.url, {
      clock: createFakeClock(),
      credentials: credentialsFor(registry),
      ...(pool ? { fetch: createNodeFetch({ env: {} }).fetch } : {}),
    });
    await expect(client.publish(packageFile(randomBytes(20_000_000)))).rejects.toMatchObject({
      code: "REGISTRY_AUTH_FAILED",
    });
  });

  it("leaves no timer behind when a registry refuses before it has read the file", async () => {
    const server = createServer((request, response) => {
      response.writeHead(401, { "content-type": "application/problem+json" });
      response.end(JSON.stringify({ title: "Unauthorized", code: "AUTHENTICATION_REQUIRED" }));
      setTimeout(() => request.resume(), 50);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const node = createNodeFetch({ env: {} });
    const client = clientOf(url, { fetch: node.fetch });
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
    const before = timers();
    await expect(client.publish(packageFile(randomBytes(5_000_000)))).rejects.toMatchObject({ category: "auth" });
    await node.close();
    await new Promise((resolve) => server.close(resolve));
    // The body's producer is told some turns later.
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it("publishes nothing of a file that changed since it was packed", async () => {
    const registry = await testRegistry();
    const file = packageFile();
    const client = clientOf(registry.url);
    await expect(client.publish({ ...file, size: file.size - 1 })).rejects.toMatchObject({
      code: "PUBLISH_FILE_CHANGED",
    });
    await expect(client.publish({ ...file, blob: `sha256:${"0".repeat(64)}` as Digest })).rejects.toMatchObject({
      code: "PUBLISH_FILE_CHANGED",
    });
    await expect(client.publish({ ...file, artifact: `${file.artifact}.gone` })).rejects.toMatchObject({
      code: "PUBLISH_FILE_CHANGED",
    });
    expect(registry.publications).toEqual([]);
  });

  it("does not send what the registry says is too large", async () => {
    const registry = await testRegistry();
    registry.addFile(
      ".well-known/lading.json",
      JSON.stringify({ protocol: 1, api: `${registry.url}api/v1/`, limits: { packageBytes: 10 } }),
    );
    await expect(clientOf(registry.url).publish(packageFile())).rejects.toMatchObject({
      code: "REGISTRY_REQUEST_INVALID",
      details: { limit: 10 },
    });
    expect(registry.requests.filter((item) => item.method === "POST")).toEqual([]);
  });

  // Node itself takes 85 MiB; run from TypeScript sources, as here, 115.
  it("goes on in parts where the connection broke, from where the registry is, and with the same file", async () => {
    const file = packageFile(randomBytes(1_500_000));
    const registry = await testRegistry({ token: "secret" });
    const upload = { id: "u1", links: { self: `${registry.url}api/v1/uploads/u1` } };
    const limits = { api: `${registry.url}api/v1/`, uploads: { from_bytes: 2 ** 30, part_bytes: 400_000 } };
    registry.addFile(".well-known/lading.json", JSON.stringify({ protocol: 1, ...limits }));
    const arrived: Buffer[] = [];
    let cuts = 0;
    let misplaced = false;
    const size = (): number => Buffer.concat(arrived).length;
    const json = (response: ServerResponse, status: number, body: object): void =>
      void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    registry.intercept = (request, response) => {
      const path = request.url ?? "";
      if (path.endsWith("/packages/")) return request.socket.destroy() !== undefined;
      if (!path.includes("/uploads")) return false;
      if (request.method === "GET") json(response, 200, { ...upload, offset: size() });
      else if (request.method === "PATCH") {
        misplaced ||= Number(request.headers["upload-offset"]) !== size();
        request.on("data", (chunk: Buffer) => {
          arrived.push(chunk);
          // Once in the middle: what came before stays.
          if (size() > 500_000 && (cuts += 1) === 1) request.socket.destroy();
        });
        request.on("end", () => response.writeHead(204, { "upload-offset": String(size()) }).end());
      } else if (path.endsWith("/publish")) {
        request.resume();
        json(response, 201, { ...ANSWER, artifact: { blob: file.blob, size: file.size } });
      } else json(response, 201, { ...upload, offset: 0 });
      return true;
    };
    const client = clientOf(registry.url, { credentials: credentialsFor(registry), clock: createFakeClock() });
    const named = { name: "tool", version: "1.0.0", target: "any" };
    const result = await client.publish({ ...file, package: named, wait: false });
    expect([result.outcome, cuts > 0, misplaced]).toEqual(["created", true, false]);
    expect(createHash("sha256").update(Buffer.concat(arrived)).digest("hex")).toBe(file.blob.slice(7));
  });

  it("waits longer for the answer, the more was sent", async () => {
    const registry = await silentAfterUpload(1_000);
    const client = clientOf(registry.url, { credentials: credentialsFor(registry) }, { timeoutMs: 250 });
    // Two seconds more than the configured quarter of one: 8 MiB at 4 MiB a second.
    const published = client.publish({ ...packageFile(Buffer.alloc(8 * 1024 * 1024)), wait: false });
    await expect(published).rejects.toMatchObject({ code: "PUBLISH_VERSION_EXISTS" });
  });

  it("gives a timeout error when the answer takes longer than even what was sent explains", async () => {
    const registry = await silentAfterUpload(60_000);
    const client = clientOf(registry.url, { credentials: credentialsFor(registry) }, { timeoutMs: 250 });
    await expect(client.publish(packageFile())).rejects.toMatchObject({
      code: "REGISTRY_TIMEOUT",
      message: expect.stringContaining("was silent for 393 ms") as string,
    });
  });

  it("uploads 100 MB with less than 90 MB of memory", async () => {
    const registry = await testRegistry();
    const size = 100 * 2 ** 20;
    const file = { artifact: join(temporaryDirectory(), "tool-1.0.0.lpk"), blob: ZEROS_100_MIB };
    writeFileSync(file.artifact, "");
    truncateSync(file.artifact, size);
    let received = 0;
    registry.intercept = (request, response) => {
      if (request.method !== "POST") return false;
      request.on("data", (chunk: Buffer) => (received += chunk.length));
      request.on("end", () =>
        response.writeHead(201, { "content-type": "application/json" }).end(JSON.stringify(ANSWER)),
      );
      return true;
    };
    const script = fileURLToPath(new URL("fixtures-publish.ts", import.meta.url));
    const child = spawn(
      process.execPath,
      ["-C", "@lading/source", script, registry.url, file.artifact, file.blob, String(size)],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, "close")) as [number];
    expect(code).toBe(0);
    expect(received).toBeGreaterThan(size);
    expect(Number(output)).toBeLessThan(90);
  }, 60_000);
});

const ZEROS_100_MIB = "sha256:20492a4d0d84f8beb1767f6616229f85d44c2827b64bdbfb260ee12fa1109e0e" as Digest;

const ANSWER = {
  name: "tool",
  version: "1.0.0",
  kind: "binary",
  target: "any",
  artifact: { blob: ZEROS_100_MIB, size: 100 * 2 ** 20 },
  status: "active",
  published: "2026-01-01T00:00:00Z",
  sequence: 1,
};
