import { canonicalName, indexDocumentPath, parseIndexDocument, parsePackageName } from "@lading/core-manifest";
import { openCheckpoint, parseNoteKey } from "@lading/signing/log";
import { parseMetadata } from "@lading/signing/metadata";
import { nodeVerifier } from "@lading/signing/node";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { DecodeBudget } from "@lading/archive/node";
import {
  MemoryCache,
  SigningStatementVerifier,
  createRegistry,
  type Registry,
  type RegistryTrust,
} from "../src/index.ts";
import { ArchiveInspector, DEFAULT_SETTINGS } from "../src/node.ts";
import { IndexService } from "../src/lib/index-service.ts";
import type { MetadataStore } from "../src/lib/ports.ts";
import { openKeys } from "../src/lib/node/key-directory.ts";
import { mintToken } from "../src/lib/node/node-registry.ts";
import {
  MemoryBlobStore,
  MemoryCoordinator,
  MemoryDocumentStore,
  MemoryUploadStore,
  MemoryMetadataStore,
  coordinationContract,
  fakeAccount,
  fakeAudit,
  fakePublication,
} from "../src/testing.ts";
import { buildPackage, publishBody, testHasher } from "./harness.ts";

coordinationContract({ describe, it }, async () => {
  const coordinator = new MemoryCoordinator();
  return {
    one: coordinator.join(),
    two: coordinator.join(),
    commit: async () => coordinator.changed(),
    close: async () => {},
  };
});

interface Cluster {
  readonly servers: readonly Registry[];
  readonly metadata: MemoryMetadataStore;
  readonly documents: MemoryDocumentStore;
  readonly token: string;
  readonly publish: (
    server: Registry,
    name: string,
    version: string,
  ) => Promise<{ status: number; body: { visible?: boolean } }>;
}

let ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends) await end();
  ends = [];
});

async function keys(): Promise<RegistryTrust> {
  const directory = await mkdtemp(join(tmpdir(), "lading-replicas-"));
  ends.push(() => rm(directory, { recursive: true, force: true }));
  return openKeys({ directory: join(directory, "keys"), temporary: directory, nowMs: Date.now() });
}

/** Servers over the same stores; whether a commit is told to them at once, or found by looking. */
async function cluster(count: number, options: { readonly told?: boolean } = {}): Promise<Cluster> {
  const coordinator = new MemoryCoordinator();
  const metadata = new MemoryMetadataStore();
  const [blobs, documents, uploads] = [new MemoryBlobStore(), new MemoryDocumentStore(), new MemoryUploadStore()];
  const clock = { now: () => Date.now() };
  const trust = await keys();
  const account = fakeAccount("ada");
  const { token, record } = await mintToken(account, { name: "t", days: 1, scopes: ["publish"], now: Date.now() });
  await metadata.createAccount(account, fakeAudit(), record);
  const servers = Array.from({ length: count }, () =>
    createRegistry({
      settings: { ...DEFAULT_SETTINGS, jwtSecret: new Uint8Array(32) },
      metadata,
      blobs,
      documents,
      uploads,
      cache: new MemoryCache(clock),
      hasher: testHasher,
      inspector: new ArchiveInspector(new DecodeBudget(2 ** 28)),
      statements: new SigningStatementVerifier(nodeVerifier),
      clock,
      trust,
      coordination: coordinator.join(),
    }),
  );
  for (const server of servers) await server.start();
  ends.push(async () => {
    for (const server of servers) await server.stop();
  });
  return {
    servers,
    metadata,
    documents,
    token,
    publish: async (server, name, version) => {
      const built = await buildPackage({ name, version });
      const response = await server.fetch(
        new Request("http://registry.test/api/v1/packages/", {
          method: "POST",
          headers: { authorization: `Bearer ${token}` },
          body: publishBody(built),
        }),
      );
      const answer = { status: response.status, body: (await response.json()) as { visible?: boolean } };
      if (options.told !== false) coordinator.changed();
      return answer;
    },
  };
}

const bytesOf = async (server: Registry, path: string): Promise<Uint8Array | undefined> => {
  const response = await server.fetch(new Request(`http://registry.test/${path}`));
  return response.status === 200 ? new Uint8Array(await response.arrayBuffer()) : undefined;
};
const versionsOf = async (server: Registry, name: string): Promise<readonly string[]> => {
  const bytes = await bytesOf(server, indexDocumentPath(parsePackageName(name)));
  if (bytes === undefined) return [];
  const { versions } = parseIndexDocument(JSON.parse(Buffer.from(bytes).toString()));
  return versions.map(({ version }) => version);
};

it("a version published at one server is in the index document of another, told of it or not", async () => {
  for (const told of [true, false]) {
    const { servers, publish } = await cluster(2, { told });
    const [one, two] = servers as [Registry, Registry];
    expect((await publish(one, "tool", "1.0.0")).status).toBe(201);
    expect(await versionsOf(two, "tool")).toEqual(["1.0.0"]);
    expect((await publish(one, "tool", "1.1.0")).status).toBe(201);
    // The document is in the memory of the second by now, and older than what the first knows.
    await vi.waitFor(async () => expect(await versionsOf(two, "tool")).toEqual(["1.0.0", "1.1.0"]), { timeout: 5000 });
  }
});

it("one server signs, and each serves what was signed last, whichever that was", async () => {
  const { servers, publish, metadata } = await cluster(3);
  for (const [at, server] of servers.entries()) expect((await publish(server, `tool-${at}`, "1.0.0")).status).toBe(201);
  await vi.waitFor(async () => expect(await metadata.pendingMetadataUpdates(10)).toEqual([]), { timeout: 5000 });
  const timestamps = await Promise.all(servers.map((server) => bytesOf(server, "metadata/timestamp.json")));
  expect(timestamps[0]).toBeDefined();
  for (const timestamp of timestamps) expect(timestamp).toEqual(timestamps[0]);
  const { version } = parseMetadata(timestamps[0]!, "timestamp").body.snapshot;
  for (const server of servers) expect(await bytesOf(server, `metadata/${version}.snapshot.json`)).toBeDefined();
});

it("no server shows an older timestamp or checkpoint after another showed a newer one", async () => {
  const { servers, publish } = await cluster(3);
  const { origin, key } = servers[0]!.trust!.log;
  let [last, size] = [0, 0];
  const publishing = (async () => {
    for (let patch = 0; patch < 12; patch += 1) await publish(servers[patch % 3]!, "busy", `1.0.${patch}`);
  })();
  const state = { ended: false };
  void publishing.finally(() => (state.ended = true));
  for (let turn = 0; !state.ended || turn < 30; turn += 1) {
    const server = servers[turn % 3]!;
    const { version } = parseMetadata((await bytesOf(server, "metadata/timestamp.json"))!, "timestamp").body;
    const checkpoint = openCheckpoint((await bytesOf(server, "log/checkpoint"))!, {
      origin,
      keys: [parseNoteKey(key)],
    });
    expect(version).toBeGreaterThanOrEqual(last);
    expect(checkpoint.size).toBeGreaterThanOrEqual(size);
    [last, size] = [version, checkpoint.size];
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await publishing;
  for (const server of servers) {
    const newest = openCheckpoint((await bytesOf(server, "log/checkpoint"))!, { origin, keys: [parseNoteKey(key)] });
    expect(newest.size).toBeGreaterThanOrEqual(12);
  }
});

it("another server signs and saves when the one that did is gone", async () => {
  const { servers, publish, metadata, documents } = await cluster(2);
  const [one, two] = servers as [Registry, Registry];
  await publish(one, "tool", "1.0.0");
  await one.stop();
  expect((await publish(two, "tool", "1.1.0")).status).toBe(201);
  await vi.waitFor(
    async () => {
      expect(await metadata.pendingMetadataUpdates(10)).toEqual([]);
      expect(await metadata.pendingIndexUpdates(10)).toEqual([]);
    },
    { timeout: 10_000 },
  );
  const saved = await documents.get(indexDocumentPath(parsePackageName("tool")));
  expect(Buffer.from(saved!).toString()).toContain('"1.1.0"');
});

it("IndexService: a document that was read before a change, and kept after it was told of, is read again", async () => {
  const { metadata } = await cluster(1);
  const account = (await metadata.accountByName("ada"))!;
  await metadata.publish(fakePublication(account, "raced", "1.0.0"));
  let arrived = (): void => {};
  const asked = new Promise<void>((resolve) => (arrived = resolve));
  let go = (): void => {};
  const held = new Promise<void>((resolve) => (go = resolve));
  let reads = 0;
  const slow: Pick<MetadataStore, "indexDocument"> = {
    indexDocument: async (canonical) => {
      const document = await metadata.indexDocument(canonical);
      reads += 1;
      if (reads === 1) {
        arrived();
        await held;
      }
      return document;
    },
  };
  const service = new IndexService({
    metadata: Object.assign(Object.create(metadata) as MetadataStore, slow),
    documents: new MemoryDocumentStore(),
    log: () => {},
    memoryBytes: 2 ** 20,
    turn: { mayWork: async () => true },
  });
  const name = canonicalName(parsePackageName("raced"));
  const reading = service.read(indexDocumentPath(name));
  await asked;
  await metadata.publish(fakePublication(account, "raced", "1.1.0", { tree: 2 }));
  await service.changedElsewhere(name, 2);
  go();
  expect(parseIndexDocument(JSON.parse(Buffer.from((await reading)!.bytes).toString())).versions).toHaveLength(2);
  expect(reads).toBe(2);
});
