import { createHash } from "node:crypto";
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { afterAll, describe, expect, test } from "vitest";
import { parseDigest, type IndexDocument } from "@lading/core-manifest";
import {
  createMemoryCache,
  createMemoryTrustStore,
  createRegistryClient,
  registryConfig,
  type Fetch,
} from "@lading/registry-client";
import { createNodeFetch } from "@lading/registry-client/node";
import { createNodeRegistry, serve, type NodeRegistry } from "@lading/registry-server/node";
import { fakeAccount, fakePublication } from "@lading/registry-server/testing";
import { removeTemporary, temporary } from "./lib/more.ts";

/**
 * What a look-up costs must not depend on how many packages there are beside the one that is asked for. Counted are
 * requests, bytes on the connection and processor time, of a small registry and of one of 10,000 packages in turns.
 */

const SMALL = 100;
const LARGE = 10_000;
const GROUP = 500;

/** Ten thousand publications, on a machine that may be busy. */
const SEEDING_MS = 900_000;

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
const nameOf = (i: number): string => `package-${hash(String(i)).slice(0, 8)}`;

interface Seeded {
  readonly registry: NodeRegistry["registry"];
  readonly url: string;
  /** Bytes that the server has sent since the last call. */
  readonly takeBytes: () => number;
}

const endings: (() => Promise<unknown>)[] = [];

afterAll(async () => {
  for (const end of endings.reverse()) await end();
  removeTemporary();
});

/** Publications straight into the store, each package with a version before it and a dependency: how they got there does not matter to who reads. */
async function populate({ metadata }: NodeRegistry, packages: number): Promise<void> {
  const account = fakeAccount("publisher");
  await metadata.createAccount(account, { at: Date.now(), actor: "system", action: "account.create", details: {} });
  const publish = async (i: number, version: string): Promise<void> => {
    const requirement = ">=1.0.0 <2.0.0-0";
    const dependencies = [{ name: nameOf((i + 1) % SMALL), kind: "normal", requirement }] as const;
    const made = fakePublication(account, nameOf(i), version, { at: Date.now(), manifest: { dependencies } });
    const digest = (what: string) => parseDigest(`sha256:${hash(`${what} ${i} ${version}`)}`);
    await metadata.publish({ ...made, artifact: { ...made.artifact, blob: digest("blob"), tree: digest("tree") } });
  };
  for (let from = 0; from < packages; from += GROUP) {
    const group = Array.from({ length: Math.min(GROUP, packages - from) }, (_, i) => from + i);
    await Promise.all(group.map((i) => publish(i, "1.0.0")));
  }
  for (let i = 0; i < SMALL; i++) await publish(i, "1.1.0");
}

/** Counts what a server sends, headers and compression included. */
async function countingProxy(port: number): Promise<{ readonly port: number; readonly take: () => number }> {
  let count = 0;
  const proxy: Server = createServer((socket) => {
    const onward = connect(port, "127.0.0.1");
    onward.on("data", (chunk) => (count += chunk.length));
    onward.pipe(socket).pipe(onward);
    for (const one of [socket, onward]) one.on("error", () => socket.destroy());
  });
  await new Promise<void>((listening) => void proxy.listen(0, "127.0.0.1", listening));
  endings.push(() => new Promise((closed) => void proxy.close(closed)));
  return {
    port: (proxy.address() as AddressInfo).port,
    take: () => {
      const taken = count;
      count = 0;
      return taken;
    },
  };
}

async function seed(packages: number): Promise<Seeded> {
  const node = await createNodeRegistry({ dataDirectory: temporary(), loginsPerMinute: 0 });
  await populate(node, packages);
  await node.registry.start();
  await node.registry.signNow();
  const server = await serve(node.registry, { host: "127.0.0.1", port: 0 });
  endings.push(() => server.close());
  const proxy = await countingProxy(Number(new URL(server.url).port));
  return { registry: node.registry, url: `http://127.0.0.1:${proxy.port}/`, takeBytes: proxy.take };
}

interface Cost {
  readonly requests: number;
  readonly bytes: number;
  readonly document: IndexDocument | undefined;
}

/** One client on a new machine looks up one package, and then the same once more. */
async function lookUp({ url, takeBytes }: Seeded, name: string): Promise<{ readonly cold: Cost; readonly warm: Cost }> {
  const kept = { cache: createMemoryCache(), trust: createMemoryTrustStore() };
  const once = async (): Promise<Cost> => {
    const node = createNodeFetch();
    let requests = 0;
    const fetch: Fetch = (...call) => {
      requests += 1;
      return node.fetch(...call);
    };
    const client = createRegistryClient({ registry: registryConfig({ name: "scale", url }), ...kept, fetch });
    takeBytes();
    const document = await client.packageDocument(name);
    await client.close();
    await node.close();
    return { requests, bytes: takeBytes(), document };
  };
  return { cold: await once(), warm: await once() };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** Processor time of a hundred answers to a question about single packages, in microseconds. */
async function workOf({ registry }: Seeded, routeOf: (name: string) => string): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < SMALL; i++) {
    const answer = await registry.fetch(new Request(`http://127.0.0.1${routeOf(nameOf(i))}`));
    if (answer.status !== 200) throw new Error(`${routeOf(nameOf(i))} was answered ${answer.status}`);
    await answer.arrayBuffer();
  }
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

const ROUNDS = 7;
/** A hundred times the packages: what grows with their number is far above it, and noise is far below. */
const MOST = 6;

describe("a registry of 10,000 packages", () => {
  test(
    "[IDX-01] is asked as often as a small one for a package's versions and dependencies, and answers with as much and as little work",
    async () => {
      const registries = [await seed(SMALL), await seed(LARGE)] as const;
      const [small, large] = registries;
      const name = nameOf(17);
      const [few, many] = [await lookUp(small, name), await lookUp(large, name)];
      for (const { cold, warm } of [few, many]) {
        expect(cold.document?.versions.map(({ version }) => version)).toEqual(["1.0.0", "1.1.0"]);
        expect(cold.document?.versions[1]?.dependencies.map((one) => one.name)).toEqual([nameOf(18)]);
        expect(warm.document).toEqual(cold.document);
      }
      // docs/spec/registry-metadata.md: description, root with timestamp and checkpoint, snapshot, targets, bin, document.
      expect(many.cold.requests).toBe(few.cold.requests);
      expect(many.cold.requests).toBeLessThanOrEqual(6);
      expect(many.cold.bytes).toBeLessThan(15_000);
      expect(many.cold.bytes / few.cold.bytes).toBeLessThan(3);
      expect(many.warm.requests).toBe(few.warm.requests);
      expect(many.warm.bytes).toBeLessThan(1_500);

      const routes: readonly ((name: string) => string)[] = [
        (one) => `/index/_/${one.slice(0, 2)}/${one}.json`,
        (one) => `/api/v1/packages/${one}/versions`,
        (one) => `/api/v1/packages/${one}/versions/1.1.0`,
      ];
      for (const routeOf of routes) {
        const work = { few: [] as number[], many: [] as number[] };
        for (let round = 0; round < ROUNDS; round++) {
          work.few.push(await workOf(small, routeOf));
          work.many.push(await workOf(large, routeOf));
        }
        expect([routeOf("NAME"), median(work.many) / median(work.few) < MOST]).toEqual([routeOf("NAME"), true]);
      }
    },
    SEEDING_MS,
  );
});
