import { createFakeClock } from "@lading/registry-client/testing";
import { createMemoryTrustStore, RegistryClientError, type RegistryClient } from "@lading/registry-client";
import { createTrustDirectory } from "@lading/registry-client/node";
import type { TestRegistry } from "@lading/registry-client/testing";
import {
  appendToLog,
  EMPTY_LOG,
  encodeLogEvent,
  encodeLogProof,
  inclusionProof,
  type PublishEvent,
} from "@lading/signing/log";
import { TEST_NOW_MS } from "@lading/signing/testing";
import fc from "fast-check";
import { writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseFiles } from "../src/lib/trust/batch.ts";
import { decodeTrustRecord, encodeTrustRecord } from "../src/lib/trust/trust-record.ts";
import { clientOf, documentOf, temporaryDirectory, testRegistry } from "./helpers.ts";
import { signRegistry, type SignedRegistry } from "./trust-registry.ts";

const digest = (letter: string): `sha256:${string}` => `sha256:${letter.repeat(64)}`;
const event: PublishEvent = {
  type: "publish",
  time: "2030-01-01T00:00:00Z",
  name: "tool",
  version: "1.0.0",
  kind: "binary",
  artifacts: [{ target: "any", blob: digest("a") as never, tree: digest("b") as never }],
};
const wanted = { name: "tool", version: "1.0.0", target: "any", blob: digest("a") as never };

async function world(): Promise<{ registry: TestRegistry; signed: SignedRegistry; client: () => RegistryClient }> {
  const registry = await testRegistry();
  const signed = await signRegistry(registry);
  await signed.publish({ tool: documentOf("tool", [{ version: "1.0.0" }]) });
  const trust = createMemoryTrustStore();
  const client = (): RegistryClient =>
    clientOf(registry.url, { trust, clock: createFakeClock(TEST_NOW_MS) }, { maxRetries: 0 });
  return { registry, signed, client };
}

function answer(response: ServerResponse, status: number, body: unknown): true {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    "content-type": Buffer.isBuffer(body) ? "application/octet-stream" : "application/json",
  });
  response.end(bytes);
  return true;
}

function outcomeOf(read: () => unknown): string {
  try {
    read();
    return "read";
  } catch (error) {
    return error instanceof RegistryClientError ? error.code : String(error);
  }
}

describe("parseFiles()", () => {
  const context = { action: "read files", registry: "test" };
  const file = fc.tuple(
    fc.stringMatching(/^[a-z]{1,8}\/[a-z0-9.]{1,12}$/),
    fc.option(fc.uint8Array({ maxLength: 40 })),
  );
  const encode = (files: readonly (readonly [string, Uint8Array | null])[]): Buffer =>
    Buffer.concat(
      files.flatMap(([path, bytes]) => [Buffer.from(`${path} ${bytes?.length ?? "-"}\n`), bytes ?? Buffer.alloc(0)]),
    );

  it("reads what was put together, and refuses it with a byte less or more, or another order", () => {
    fc.assert(
      fc.property(fc.uniqueArray(file, { selector: ([path]) => path, minLength: 1, maxLength: 5 }), (files) => {
        const paths = files.map(([path]) => path);
        const read = parseFiles(encode(files), paths, context);
        for (const [path, bytes] of files)
          expect(read.get(path)).toEqual(bytes === null ? undefined : Buffer.from(bytes));
        const refuse = (bytes: Buffer, asked = paths): void => {
          expect(() => parseFiles(bytes, asked, context)).toThrow(RegistryClientError);
        };
        refuse(Buffer.concat([encode(files), Buffer.from("x")]));
        refuse(encode(files).subarray(0, -1));
        refuse(encode(files), [...paths, "one/more"]);
      }),
    );
  });

  it("answers anything with its own error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const outcome = outcomeOf(() => parseFiles(bytes, ["a/b"], context));
        expect(["read", "REGISTRY_ANSWER_INVALID"]).toContain(outcome);
      }),
    );
  });
});

describe("decodeTrustRecord()", () => {
  it("reads what was written, and refuses anything else as damaged", () => {
    const anchor = {
      version: 1,
      digest: digest("1") as never,
      how: "first-use" as const,
      at: "2030-01-01T00:00:00.000Z",
    };
    const record = {
      registry: "https://r.example/",
      anchor,
      roots: [{ version: 1, digest: anchor.digest }],
      log: { key: "k" },
    };
    expect(decodeTrustRecord(encodeTrustRecord(record), record.registry)).toEqual(record);
    const damaged = expect.objectContaining({ code: "REGISTRY_TRUST_DAMAGED" }) as Error;
    expect(() => decodeTrustRecord(encodeTrustRecord(record), "https://other.example/")).toThrow(damaged);
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(() => decodeTrustRecord(new TextEncoder().encode(text), record.registry)).toThrow(damaged);
      }),
    );
  });
});

describe("files that are asked for at once", () => {
  async function batched(status: number): Promise<{ urls: string[]; found: boolean }> {
    const { registry, client } = await world();
    const plain = JSON.parse(await (await fetch(`${registry.url}.well-known/lading.json`)).text()) as object;
    registry.addFile(".well-known/lading.json", JSON.stringify({ ...plain, files: `${registry.url}api/v1/files` }));
    registry.intercept = (request, response) => {
      if (request.url !== "/api/v1/files") return false;
      if (status !== 200) return answer(response, status, {});
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { paths } = JSON.parse(Buffer.concat(chunks).toString()) as { paths: string[] };
        void together(registry, paths).then((bytes) => answer(response, 200, bytes));
      });
      return true;
    };
    const found = (await client().packageDocument("tool")) !== undefined;
    return { urls: registry.requests.map(({ method, url }) => `${method} ${url}`), found };
  }

  async function together(registry: TestRegistry, paths: readonly string[]): Promise<Buffer> {
    const parts = await Promise.all(
      paths.map(async (path) => {
        const response = await fetch(`${registry.url}${path}`);
        if (!response.ok) return Buffer.from(`${path} -\n`);
        const bytes = Buffer.from(await response.arrayBuffer());
        return Buffer.concat([Buffer.from(`${path} ${bytes.length}\n`), bytes]);
      }),
    );
    return Buffer.concat(parts);
  }

  it("come in one request where the registry offers it", async () => {
    const { urls, found } = await batched(200);
    expect(found).toBe(true);
    expect(urls.filter((url) => url === "POST /api/v1/files")).toHaveLength(1);
  });

  it("come one by one where that is refused", async () => {
    const { urls, found } = await batched(401);
    expect(found).toBe(true);
    expect(urls).toContain("GET /metadata/timestamp.json");
  });
});

describe("trust.begin()", () => {
  it("begins by a root, refuses another in its place, and takes it with replace", async () => {
    const { client, signed, registry } = await world();
    const report = await client().trust.begin(signed.root);
    expect(report.anchor).toMatchObject({ version: 1, how: "file" });
    const other = Buffer.from(Buffer.from(signed.root).toString().replace('"version":1', '"version":2'));
    await expect(client().trust.begin(other)).rejects.toMatchObject({ code: "REGISTRY_TRUST_EXISTS" });
    await expect(client().trust.begin(other, { replace: true })).rejects.toMatchObject({
      code: "METADATA_ROOT_UNTRUSTED",
    });
    // What did not hold has replaced nothing.
    expect((await client().trust.report())?.anchor.digest).toBe(report.anchor.digest);
    expect(await client().trust.forget()).toBe(true);
    expect(await client().trust.forget()).toBe(false);
    expect(registry.requests.length).toBeGreaterThan(0);
  });

  it("is refused of a registry without signed metadata", async () => {
    const { signed } = await world();
    const plain = await testRegistry();
    await expect(clientOf(plain.url).trust.begin(signed.root)).rejects.toMatchObject({
      code: "REGISTRY_METADATA_REQUIRED",
    });
    expect(await clientOf(plain.url).trust.report()).toBeUndefined();
    expect(await clientOf(plain.url).trust.log()).toBeUndefined();
    expect(await clientOf(plain.url).trust.proofs([wanted])).toBeUndefined();
  });
});

describe("trust.proofs()", () => {
  async function proofs(change: (proof: Record<string, unknown>) => Record<string, unknown>): Promise<unknown> {
    const { registry, signed, client } = await world();
    const entry = encodeLogEvent(event);
    const grown = appendToLog(EMPTY_LOG, [new TextEncoder().encode("entry 1"), entry]);
    await signed.rewriteLog(["entry 1", new TextDecoder().decode(entry)]);
    await signed.renew(TEST_NOW_MS);
    const hashes = await inclusionProof(2, 1, (path) => Promise.resolve(grown.files.get(path)));
    const checkpoint = await (await fetch(`${registry.url}log/checkpoint`)).text();
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
    const proof = change({
      name: "tool",
      version: "1.0.0",
      target: "any",
      index: 1,
      entry: base64(entry),
      hashes: hashes.map(base64),
    });
    registry.intercept = (request, response) =>
      request.url === "/api/v1/proofs" ? answer(response, 200, { checkpoint, proofs: [proof] }) : false;
    return client().trust.proofs([wanted]);
  }

  it("are verified against the followed log", async () => {
    expect(await proofs((proof) => proof)).toMatchObject({ proofs: [{ index: 1, event: { name: "tool" } }] });
  });

  it("are missed of a version that is not in the log", async () => {
    await expect(proofs(({ index: _index, ...rest }) => rest)).rejects.toMatchObject({
      code: "REGISTRY_LOG_ENTRY_MISSING",
    });
  });

  it("are refused where they do not hold, or are of other bytes", async () => {
    await expect(proofs((proof) => ({ ...proof, index: 0 }))).rejects.toMatchObject({ code: "LOG_INCLUSION_INVALID" });
    const other = encodeLogEvent({ ...event, version: "1.0.1" });
    await expect(proofs((proof) => ({ ...proof, entry: Buffer.from(other).toString("base64") }))).rejects.toMatchObject(
      { code: "LOG_INCLUSION_INVALID" },
    );
  });
});

describe("publish() to a registry with a log", () => {
  async function published(log: unknown): Promise<unknown> {
    const { registry, client } = await world();
    const file = join(temporaryDirectory(), "tool.lpk");
    writeFileSync(file, "x");
    const blob = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" as never;
    const body = { name: "tool", version: "1.0.0", kind: "binary", target: "any", status: "active", sequence: 1 };
    const more = {
      artifact: { blob, size: 1 },
      published: "2030-01-01T00:00:00Z",
      signers: [],
      visible: true,
      links: {},
      log,
    };
    registry.intercept = (request, response) => {
      if (request.method !== "POST") return false;
      request.resume();
      request.on("end", () => answer(response, 201, { ...body, ...more }));
      return true;
    };
    return client().publish({ artifact: file, blob, size: 1, wait: false });
  }

  it("is not done without a proof", async () => {
    await expect(published(undefined)).rejects.toMatchObject({ code: "LOG_PROOF_MALFORMED" });
  });

  it("is not done with a proof of something else", async () => {
    const checkpoint = new TextEncoder().encode(
      "other.example/log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— other.example/log Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n",
    );
    const proof = new TextDecoder().decode(
      encodeLogProof({ index: 0, proof: [], checkpoint, entry: encodeLogEvent(event) }),
    );
    await expect(published({ index: 0, proof })).rejects.toMatchObject({ code: "LOG_CHECKPOINT_UNTRUSTED" });
  });
});

describe("a trust directory that cannot be used", () => {
  it("is told, and nobody is trusted anew for it", async () => {
    const { registry } = await world();
    const place = join(temporaryDirectory(), "file");
    writeFileSync(place, "");
    const client = clientOf(registry.url, { trust: createTrustDirectory(place), clock: createFakeClock(TEST_NOW_MS) });
    await expect(client.packageDocument("tool")).rejects.toMatchObject({ code: "REGISTRY_TRUST_UNWRITABLE" });
  });
});
