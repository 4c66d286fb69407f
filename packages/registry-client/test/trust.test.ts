import { createFakeClock } from "@lading/registry-client/testing";
import { createMemoryCache, createMemoryTrustStore, type RegistryConfig } from "@lading/registry-client";
import { createTrustDirectory } from "@lading/registry-client/node";
import type { LadingEvent } from "@lading/core-manifest";
import { TEST_NOW_MS } from "@lading/signing/testing";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { clientOf, documentOf, temporaryDirectory, testRegistry } from "./helpers.ts";
import { firstTile, signRegistry, type SignedRegistry } from "./trust-registry.ts";
import type { RegistryClient, TrustStore } from "@lading/registry-client";
import type { TestRegistry } from "@lading/registry-client/testing";

const DAY = 86_400_000;

interface World {
  readonly registry: TestRegistry;
  readonly signed: SignedRegistry;
  readonly events: LadingEvent[];
  /** A client in a process of its own: what it knows is in the store and the cache alone. */
  readonly client: (options?: {
    readonly nowMs?: number;
    readonly offline?: boolean;
    readonly config?: Partial<RegistryConfig>;
    readonly trust?: TrustStore;
  }) => RegistryClient;
}

async function world(): Promise<World> {
  const registry = await testRegistry();
  const signed = await signRegistry(registry);
  await signed.publish({ tool: documentOf("tool", [{ version: "1.0.0" }]) });
  const [trust, cache, events] = [createMemoryTrustStore(), createMemoryCache(), [] as LadingEvent[]];
  return {
    registry,
    signed,
    events,
    client: ({ nowMs = TEST_NOW_MS, offline = false, config = {}, trust: own = trust } = {}) =>
      clientOf(
        registry.url,
        { trust: own, cache, offline, clock: createFakeClock(nowMs), onEvent: (event) => events.push(event) },
        { maxRetries: 0, ...config },
      ),
  };
}

const versionsOf = async (client: RegistryClient, name = "tool"): Promise<string[] | undefined> =>
  (await client.packageDocument(name))?.versions.map(({ version }) => version);
const failure = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );
const hexOf = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Gives a registry the request for several files. */
function offerFilesTogether(registry: TestRegistry, description: object): void {
  const files = `${registry.url}api/v1/files`;
  registry.addFile(".well-known/lading.json", JSON.stringify({ ...description, files }));
}

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

describe("packageDocument() of a registry with signed metadata", () => {
  it("trusts at the first use, says so once, and reads the document that metadata names", async () => {
    const { client, events, signed } = await world();
    expect(await versionsOf(client())).toEqual(["1.0.0"]);
    expect(await versionsOf(client())).toEqual(["1.0.0"]);
    const said = events.filter((event) => event.type === "info").map(({ message }) => message);
    expect(said).toHaveLength(1);
    expect(said[0]).toContain(digestOf(signed.root));
  });

  it("asks for timestamp, root and checkpoint alone when nothing changed, under 1 kB of answers", async () => {
    const { client, registry } = await world();
    await versionsOf(client());
    const before = registry.requests.length;
    await versionsOf(client());
    const asked = registry.requests.slice(before).map(({ url }) => url);
    expect(asked.toSorted()).toEqual(["/log/checkpoint", "/metadata/2.root.json", "/metadata/timestamp.json"]);
    const conditional = registry.requests.slice(before).filter(({ headers }) => headers["if-none-match"] !== undefined);
    expect(conditional).toHaveLength(2);
  });

  it("reads what is wanted at one moment together, and judges each file by itself", async () => {
    const { client, registry, signed } = await world();
    const names = ["one", "two", "three"];
    const documents = Object.fromEntries(names.map((name) => [name, documentOf(name, [{ version: "1.0.0" }])]));
    await signed.publish(documents);
    const two = JSON.stringify(documents.two);
    registry.addFile(`index/_/tw/${hexOf(two)}.two.json`, two.replace("1.0.0", "6.0.0"));
    offerFilesTogether(registry, signed.description);
    const before = registry.requests.length;
    const fresh = client();
    const read = await Promise.allSettled(names.map((name) => versionsOf(fresh, name)));
    expect(read.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(read[1]).toMatchObject({ reason: { code: "TARGET_DIGEST_MISMATCH" } });
    const asked = registry.requests.slice(before).filter(({ method }) => method === "POST");
    expect(asked.map(({ url }) => url)).toEqual(Array(3).fill("/api/v1/files"));
    expect(registry.requests.slice(before).some(({ url }) => url.startsWith("/index/"))).toBe(false);
  });

  it("reads one by one where a request for several is refused, and goes on for a second caller whose first gave up", async () => {
    const { client, registry, signed } = await world();
    offerFilesTogether(registry, signed.description);
    registry.intercept = (request, response) => {
      if (request.url !== "/api/v1/files") return false;
      response.writeHead(403, { "content-type": "application/problem+json" }).end('{"code":"FORBIDDEN","status":403}');
      return true;
    };
    const controller = new AbortController();
    const shared = client();
    expect((await shared.packageDocument("tool", { signal: controller.signal }))?.name).toBe("tool");
    controller.abort();
    expect(await versionsOf(shared, "nothing")).toBeUndefined();
    expect(registry.requests.some(({ url }) => /^\/index\/_\/to\/[0-9a-f]{64}\.tool\.json$/.test(url))).toBe(true);
  });

  it("stops waiting for a registry that is silent when its caller gives up", async () => {
    const { client, registry } = await world();
    const controller = new AbortController();
    registry.intercept = ({ url }) => {
      const silent = url?.includes("bins-") === true;
      if (silent) controller.abort(new Error("given up"));
      return silent;
    };
    await expect(client().packageDocument("tool", { signal: controller.signal })).rejects.toThrow("given up");
    registry.intercept = undefined;
    expect(await versionsOf(client())).toEqual(["1.0.0"]);
  });

  it("sees what was published since", async () => {
    const { client, signed } = await world();
    await versionsOf(client());
    await signed.publish({ tool: documentOf("tool", [{ version: "1.0.0" }, { version: "1.1.0" }]) });
    expect(await versionsOf(client())).toEqual(["1.0.0", "1.1.0"]);
  });

  it("refuses a document whose bytes are not those that metadata names", async () => {
    const { client, registry } = await world();
    const path = (await findTarget(registry, client())).slice(1);
    registry.addFile(path, JSON.stringify(documentOf("tool", [{ version: "9.0.0" }])));
    const fresh = client({ trust: createMemoryTrustStore() });
    await fresh.close();
    const other = clientOf(registry.url, { clock: createFakeClock(TEST_NOW_MS) }, { maxRetries: 0 });
    await expect(other.packageDocument("tool")).rejects.toMatchObject({ code: /TARGET_(TOO_LARGE|LENGTH|DIGEST)/ });
  });

  it("refuses a package that the registry serves and its metadata does not know, as slipped in", async () => {
    const { client, registry } = await world();
    registry.addDocument(documentOf("evil", [{ version: "1.0.0" }]));
    const error = await failure(client().packageDocument("evil"));
    expect(error).toMatchObject({ code: "TARGET_UNKNOWN", hint: expect.stringContaining("extraneous data") as string });
  });

  it("answers undefined for a name that neither metadata nor index knows", async () => {
    expect(await (await world()).client().packageDocument("nothing")).toBeUndefined();
  });

  it("waits for metadata that is a moment behind the index", async () => {
    const { client, registry, signed } = await world();
    const document = documentOf("late", [{ version: "1.0.0" }]);
    registry.addDocument(document);
    const asking = client();
    let polls = 0;
    registry.intercept = (request) => {
      if (request.url === "/metadata/timestamp.json" && ++polls === 2) void signed.publish({ late: document });
      return false;
    };
    expect(await versionsOf(asking, "late")).toEqual(["1.0.0"]);
  });
});

async function findTarget(registry: TestRegistry, client: RegistryClient): Promise<string> {
  await client.packageDocument("tool");
  return registry.requests.map(({ url }) => url).find((url) => /\/[0-9a-f]{64}\.tool\.json$/.test(url))!;
}

describe("attacks on what is signed", () => {
  it("rollback: an older timestamp is refused, and the hint says what it would be", async () => {
    const { client, registry, signed } = await world();
    const old = await fetched(registry, "metadata/timestamp.json");
    await signed.renew(TEST_NOW_MS);
    await versionsOf(client());
    registry.addFile("metadata/timestamp.json", old);
    const error = await failure(client().packageDocument("tool"));
    expect(error).toMatchObject({ code: "METADATA_ROLLBACK", attack: "rollback", details: { registry: "test" } });
    expect((error as { hint: string }).hint).toMatch(/An attack would look like this: .*older state/);
  });

  it("freeze: a timestamp that expired is taken, with a warning, for as long as the user allowed for the registry", async () => {
    const { client, events } = await world();
    const config = { staleMs: 3 * DAY };
    const late = client({ nowMs: TEST_NOW_MS + 2 * DAY, config });
    expect(await versionsOf(late)).toEqual(["1.0.0"]);
    const warnings = events.filter(({ type }) => type === "warning");
    expect(warnings).toMatchObject([
      { code: "REGISTRY_STATE_OLD", message: expect.stringContaining("allowed are 3 days") },
    ]);
    await expect(client({ nowMs: TEST_NOW_MS + 5 * DAY, config }).packageDocument("tool")).rejects.toMatchObject({
      code: "METADATA_EXPIRED",
    });
  });

  it("freeze: a timestamp that expired is refused by the clock that is given", async () => {
    const { client } = await world();
    await versionsOf(client());
    await expect(client({ nowMs: TEST_NOW_MS + 2 * DAY }).packageDocument("tool")).rejects.toMatchObject({
      code: "METADATA_EXPIRED",
      attack: "freeze",
    });
  });

  it("endless data: a timestamp above its limit is refused without being read to its end", async () => {
    const { client, registry } = await world();
    registry.addFile("metadata/timestamp.json", Buffer.alloc(1_000_000, 0x20));
    await expect(client().packageDocument("tool")).rejects.toMatchObject({ code: "METADATA_TOO_LARGE" });
  });

  it("a split view: another log of the same size is refused", async () => {
    const { client, signed } = await world();
    await versionsOf(client());
    await signed.rewriteLog(["another entry"]);
    await signed.renew(TEST_NOW_MS);
    await expect(client().packageDocument("tool")).rejects.toMatchObject({ code: "LOG_SPLIT_VIEW" });
  });

  it("a log that was rewritten and went on is refused", async () => {
    const { client, signed } = await world();
    await versionsOf(client());
    await signed.rewriteLog(["another entry", "and one more"]);
    await signed.renew(TEST_NOW_MS);
    const error = await failure(client().packageDocument("tool"));
    expect(error).toMatchObject({ code: "LOG_INCONSISTENT" });
    expect((error as { hint: string }).hint).toContain("rewritten its history");
  });

  it("a log that is shorter than before is refused", async () => {
    const { client, signed } = await world();
    await signed.publish({ other: documentOf("other") });
    await versionsOf(client());
    await signed.rewriteLog(["entry 1"]);
    await signed.renew(TEST_NOW_MS);
    await expect(client().packageDocument("tool")).rejects.toMatchObject({ code: "LOG_ROLLBACK" });
  });

  it("follows a log that grew, by its tiles", async () => {
    const { client, registry, signed } = await world();
    await versionsOf(client());
    await signed.publish({ other: documentOf("other") });
    expect(await versionsOf(client())).toEqual(["1.0.0"]);
    expect(registry.requests.map(({ url }) => url)).toContain(`/${firstTile(2)}`);
  });

  it("a registry whose metadata is gone is refused, with and without a description that says so", async () => {
    const { client, registry } = await world();
    await versionsOf(client());
    registry.addFile(
      ".well-known/lading.json",
      JSON.stringify({ protocol: 1, mode: "static", index: registry.url, blobs: registry.url }),
    );
    const other = createMemoryCache();
    const later = clientOf(registry.url, { trust: await trustedStore(registry), cache: other }, { maxRetries: 0 });
    await expect(later.packageDocument("tool")).rejects.toMatchObject({ code: "REGISTRY_TRUST_WITHDRAWN" });
    registry.removeFile("metadata/timestamp.json");
    await expect(client().packageDocument("tool")).rejects.toMatchObject({ code: "METADATA_MISSING" });
  });

  it("nothing is kept of a first contact that fails", async () => {
    const { client, registry, events } = await world();
    registry.addFile("metadata/1.snapshot.json", "{}");
    const trust = createMemoryTrustStore();
    await expect(client({ trust }).packageDocument("tool")).rejects.toMatchObject({ attack: "mix-and-match" });
    expect(await trust.read(registry.url, "trust.json")).toBeUndefined();
    expect(await trust.read(registry.url, "tuf.root")).toBeUndefined();
    expect(events.filter(({ type }) => type === "info")).toEqual([]);
  });
});

/** What somebody has who trusted the registry before. */
async function trustedStore(registry: TestRegistry): Promise<TrustStore> {
  const trust = createMemoryTrustStore();
  const record = { format: "lading-registry-trust/1", registry: registry.url };
  const anchor = { version: 1, digest: `sha256:${"0".repeat(64)}`, how: "file", at: "2030-01-01T00:00:00.000Z" };
  const bytes = new TextEncoder().encode(JSON.stringify({ ...record, anchor, roots: [anchor] }));
  await trust.write(registry.url, "trust.json", bytes);
  return trust;
}

async function fetched(registry: TestRegistry, path: string): Promise<Uint8Array> {
  return new Uint8Array(await (await fetch(new URL(path, registry.url))).arrayBuffer());
}

describe("where trust begins", () => {
  it("holds the first contact to a pinned root, and refuses another", async () => {
    const { client, signed } = await world();
    const pinned = client({ config: { root: digestOf(signed.root) as RegistryConfig["root"] & string } });
    expect(await versionsOf(pinned)).toEqual(["1.0.0"]);
    const wrong = { root: `sha256:${"1".repeat(64)}` as RegistryConfig["root"] & string };
    const error = await failure(client({ config: wrong, trust: createMemoryTrustStore() }).packageDocument("tool"));
    expect(error).toMatchObject({ code: "METADATA_ROOT_PIN_MISMATCH" });
    // Also where it was trusted before by first use.
    await expect(client({ config: wrong }).packageDocument("tool")).rejects.toMatchObject({
      code: "METADATA_ROOT_PIN_MISMATCH",
    });
  });

  it("demands metadata of a registry whose root is pinned", async () => {
    const registry = await testRegistry();
    registry.addDocument(documentOf("tool"));
    const root = `sha256:${"1".repeat(64)}` as RegistryConfig["root"] & string;
    await expect(clientOf(registry.url, {}, { root }).packageDocument("tool")).rejects.toMatchObject({
      code: "REGISTRY_METADATA_REQUIRED",
    });
  });

  it("notes once that a registry has no signed metadata", async () => {
    const registry = await testRegistry();
    registry.addDocument(documentOf("tool"));
    const events: LadingEvent[] = [];
    const client = clientOf(registry.url, { onEvent: (event) => events.push(event) });
    await client.packageDocuments(["tool", "other"]);
    expect(events.filter(({ type }) => type === "info")).toHaveLength(1);
  });
});

describe("offline", () => {
  it("works from the stored state, warns once it expired, and refuses it beyond the limit", async () => {
    const { client, events, registry } = await world();
    await versionsOf(client());
    const before = registry.requests.length;
    expect(await versionsOf(client({ offline: true }))).toEqual(["1.0.0"]);
    expect(events.filter(({ type }) => type === "warning")).toEqual([]);
    expect(await versionsOf(client({ offline: true, nowMs: TEST_NOW_MS + 5 * DAY }))).toEqual(["1.0.0"]);
    expect(events).toContainEqual(expect.objectContaining({ code: "REGISTRY_STATE_OLD" }));
    const late = client({ offline: true, nowMs: TEST_NOW_MS + 31 * DAY });
    await expect(late.packageDocument("tool")).rejects.toMatchObject({ code: "REGISTRY_TRUST_STALE" });
    expect(registry.requests).toHaveLength(before);
  });

  it("uses a copy that was verified when its part of the metadata was renewed since", async () => {
    const { client, signed } = await world();
    await versionsOf(client());
    await signed.publish({ tool: documentOf("tool", [{ version: "2.0.0" }]) });
    await client().packageDocument("nothing");
    expect(await versionsOf(client({ offline: true }))).toEqual(["1.0.0"]);
  });
});

describe("createTrustDirectory()", () => {
  it("does not forget a registry where beginning anew breaks off", async () => {
    const { client, signed } = await world();
    const store = createMemoryTrustStore();
    await versionsOf(client({ trust: store }));
    const removed: string[] = [];
    const breaking: TrustStore = {
      ...store,
      write: (url, name, bytes) =>
        name === "trust.json" ? Promise.reject(new Error("killed")) : store.write(url, name, bytes),
      clear: (url) => Promise.resolve(void removed.push(url)),
    };
    await expect(client({ trust: breaking }).trust.begin(signed.root, { replace: true })).rejects.toThrow("killed");
    expect(removed).toEqual([]);
    expect(await client({ trust: store }).trust.report()).toMatchObject({ anchor: { how: "first-use" } });
  });

  it("keeps trust between processes, and a damaged record is refused, a damaged metadata file fetched again", async () => {
    const { client, signed, registry } = await world();
    const directory = temporaryDirectory();
    await versionsOf(client({ trust: createTrustDirectory(directory) }));
    const own = join(directory, "v1", readdirSync(join(directory, "v1"))[0]!);
    for (const name of ["tuf.root", "tuf.timestamp", "tuf.snapshot", "tuf.targets"])
      writeFileSync(join(own, name), "x");
    expect(await versionsOf(client({ trust: createTrustDirectory(directory) }))).toEqual(["1.0.0"]);
    expect(readFileSync(join(own, "tuf.root"))).toEqual(Buffer.from(signed.root));
    writeFileSync(join(own, "trust.json"), "{");
    await expect(client({ trust: createTrustDirectory(directory) }).packageDocument("tool")).rejects.toMatchObject({
      code: "REGISTRY_TRUST_DAMAGED",
    });
    expect(registry.requests.length).toBeGreaterThan(0);
  });
});
