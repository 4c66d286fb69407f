import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Updater } from "tuf-js";
import { afterEach, describe, expect, it } from "vitest";
import {
  decodeLogEvent,
  followLog,
  openCheckpoint,
  parseLogProof,
  parseNoteKey,
  readEntries,
  rootFromTiles,
  verifyLogProof,
  type Checkpoint,
  type CheckpointTrust,
} from "@lading/signing/log";
import {
  memoryMetadataStore,
  openMetadataClient,
  type MetadataClient,
  type MetadataStore,
} from "@lading/signing/metadata";
import { nodeVerifier } from "@lading/signing/node";
import { parseTilePath } from "../src/lib/trust/log-service.ts";
import { acceptsGzip } from "../src/lib/trust/served-file.ts";
import type { NodeRegistryOptions } from "../src/node.ts";
import { FakeClock } from "../src/testing.ts";
import { buildPackage, startServer, type TestServer } from "./harness.ts";

const directories: string[] = [];
const servers: TestServer[] = [];

async function freshDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "lading-trust-"));
  directories.push(directory);
  return directory;
}

async function start(options: Partial<NodeRegistryOptions> = {}): Promise<TestServer> {
  const server = await startServer(options);
  servers.push(server);
  return server;
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
});

interface Published {
  readonly visible: boolean;
  readonly log: { readonly index: number; readonly checkpoint: string; readonly proof: string };
}

async function publish(server: TestServer, name: string, version = "1.0.0"): Promise<Published> {
  const answer = await server.publish(await buildPackage({ name, version }));
  expect(answer.status).toBe(201);
  return (await answer.json()) as Published;
}

async function bytesAt(server: TestServer, path: string): Promise<Uint8Array | undefined> {
  const answer = await fetch(`${server.url}/${path}`);
  if (answer.status === 404) return undefined;
  expect(answer.status).toBe(200);
  return new Uint8Array(await answer.arrayBuffer());
}

function logTrust(server: TestServer): CheckpointTrust {
  const { log } = server.node.registry.trust!;
  return { origin: log.origin, keys: [parseNoteKey(log.key)], verifier: nodeVerifier };
}

async function checkpointOf(server: TestServer): Promise<Checkpoint> {
  return openCheckpoint((await bytesAt(server, "log/checkpoint"))!, logTrust(server));
}

const tiles =
  (server: TestServer) =>
  (path: string): Promise<Uint8Array | undefined> =>
    bytesAt(server, `log/${path}`);

async function eventsOf(server: TestServer): Promise<ReturnType<typeof decodeLogEvent>[]> {
  const events = [];
  const { size } = await checkpointOf(server);
  for await (const { entry } of readEntries(size, tiles(server))) events.push(decodeLogEvent(entry));
  return events;
}

function client(server: TestServer, root: Uint8Array, store: MetadataStore = memoryMetadataStore()): MetadataClient {
  const fetchOne = ({ path }: { path: string }) => bytesAt(server, `metadata/${path}`);
  return openMetadataClient({ root, source: { fetch: fetchOne }, store, verifier: nodeVerifier });
}

const rootOf = async (server: TestServer): Promise<Uint8Array> => (await bytesAt(server, "metadata/1.root.json"))!;

describe("signed metadata", () => {
  it("is followed by tuf-js, which downloads the index document that it names", async () => {
    const server = await start();
    for (const name of ["tool", "company/gear"]) await publish(server, name);
    await server.node.registry.signNow();
    const folder = await freshDirectory();
    await writeFile(join(folder, "root.json"), await rootOf(server));
    const updater = (): Updater =>
      new Updater({
        metadataDir: folder,
        targetDir: folder,
        metadataBaseUrl: `${server.url}/metadata`,
        targetBaseUrl: server.url,
      });
    const download = async (path: string): Promise<string> => {
      const tuf = updater();
      await tuf.refresh();
      return readFile(await tuf.downloadTarget((await tuf.getTargetInfo(path))!, join(folder, "file")), "utf8");
    };
    expect(await download("index/_/to/tool.json")).toContain('"1.0.0"');
    expect(await download("index/@company/ge/gear.json")).toContain('"company/gear"');
    await publish(server, "tool", "2.0.0");
    await server.node.registry.signNow();
    expect(await download("index/_/to/tool.json")).toContain('"2.0.0"');
    expect(await (await fetch(`${server.url}/index/_/to/tool.json`)).text()).toBe(
      await download("index/_/to/tool.json"),
    );
  });

  it("trails a publication by itself, and `visible` tells when it shows it", async () => {
    const server = await start();
    const built = await buildPackage({ name: "tool", version: "1.0.0" });
    const deadline = Date.now() + 30_000;
    let answer = await server.publish(built);
    expect(answer.status).toBe(201);
    while (!((await answer.json()) as Published).visible) {
      expect(Date.now()).toBeLessThan(deadline);
      await new Promise((resolve) => setTimeout(resolve, 20));
      answer = await server.publish(built);
      expect(answer.status).toBe(200);
    }
    const tuf = client(server, await rootOf(server));
    const { log } = await tuf.refresh(Date.now());
    expect(log?.size).toBe((await checkpointOf(server)).size);
    expect(await tuf.find("index/_/to/tool.json")).toBeDefined();
  });

  it("is immutable under its versions, revalidated without, compressed where asked for, and served together", async () => {
    const server = await start();
    await publish(server, "tool");
    await server.node.registry.signNow();
    const stamp = await fetch(`${server.url}/metadata/timestamp.json`);
    expect(stamp.headers.get("cache-control")).toBe("no-cache");
    const etag = stamp.headers.get("etag")!;
    expect((await fetch(`${server.url}/metadata/timestamp.json`, { headers: { "if-none-match": etag } })).status).toBe(
      304,
    );
    const root = await fetch(`${server.url}/metadata/1.root.json`, { headers: { "accept-encoding": "gzip" } });
    expect([root.headers.get("content-encoding"), root.headers.get("cache-control"), root.headers.get("vary")]).toEqual(
      ["gzip", "public, max-age=31536000, immutable", "accept-encoding"],
    );
    const plain = new Uint8Array(
      await (
        await fetch(`${server.url}/metadata/1.root.json`, { headers: { "accept-encoding": "identity" } })
      ).arrayBuffer(),
    );
    expect(new Uint8Array(await root.arrayBuffer())).toEqual(plain);
    expect(await bytesAt(server, "metadata/2.root.json")).toBeUndefined();
    const paths = ["metadata/timestamp.json", "metadata/9.root.json", "index/_/to/tool.json", "log/checkpoint"];
    const together = await server.call("/api/v1/files", { method: "POST", auth: "", json: { paths } });
    expect(together.status).toBe(200);
    const parts = await Promise.all(paths.map((path) => bytesAt(server, path)));
    const expected = paths.flatMap((path, i) => [
      Buffer.from(`${path} ${parts[i]?.length ?? "-"}\n`),
      parts[i] ?? Buffer.of(),
    ]);
    expect(Buffer.from(await together.arrayBuffer()).equals(Buffer.concat(expected))).toBe(true);
    for (const wrong of [[], ["a b"], Array.from({ length: 257 }, String)])
      expect((await server.call("/api/v1/files", { method: "POST", json: { paths: wrong } })).status).toBe(400);
  });

  it("keeps superseded index documents for 48 hours, and signs again every hour", async () => {
    const clock = new FakeClock(Date.now());
    const server = await start({ clock });
    await publish(server, "tool");
    await server.node.registry.signNow();
    const tuf = client(server, await rootOf(server));
    await tuf.refresh(clock.now());
    const old = tuf.pathOf((await tuf.find("index/_/to/tool.json"))!);
    const first = await bytesAt(server, old);
    await publish(server, "tool", "1.1.0");
    await server.node.registry.signNow();
    clock.advance(47 * 3_600_000);
    await server.node.registry.signNow();
    expect(await bytesAt(server, old)).toEqual(first);
    clock.advance(2 * 3_600_000);
    await server.node.registry.signNow();
    await server.node.registry.signNow();
    expect((await server.node.metadata.signedFilePaths()).includes(old)).toBe(false);
    const { expiresMs } = await client(server, await rootOf(server)).refresh(clock.now());
    expect(expiresMs).toBeGreaterThan(clock.now() + 23 * 3_600_000);
  });

  it("needs credentials where reading does", async () => {
    const server = await start({ readPublic: false });
    for (const path of ["metadata/timestamp.json", "log/checkpoint"]) {
      expect((await fetch(`${server.url}/${path}`)).status).toBe(401);
      expect((await server.call(`/${path}`)).status).toBe(200);
    }
    expect((await server.call("/metadata/1.root.json")).headers.get("cache-control")).toContain("private");
    expect(
      (await server.call("/api/v1/files", { method: "POST", auth: "", json: { paths: ["log/checkpoint"] } })).status,
    ).toBe(401);
  });
});

describe("the log", () => {
  it("proves each publication in its answer, and again when it is repeated", async () => {
    const server = await start();
    const built = await Promise.all(
      ["a", "b", "c", "d"].map((letter) => buildPackage({ name: `tool-${letter}`, version: "1.0.0" })),
    );
    const answers = await Promise.all(built.map((one) => server.publish(one)));
    const published = (await Promise.all(answers.map((answer) => answer.json()))) as Published[];
    // Entry 0 is the policy of the registry.
    expect(published.map(({ log }) => log.index).sort((left, right) => left - right)).toEqual([1, 2, 3, 4]);
    let last: Checkpoint | undefined;
    for (const { log } of published.toSorted((left, right) => left.log.index - right.log.index)) {
      const state = verifyLogProof(Buffer.from(log.proof), logTrust(server));
      expect(Buffer.from(state.bytes).toString()).toBe(log.checkpoint);
      expect(parseLogProof(Buffer.from(log.proof)).index).toBe(log.index);
      last = last === undefined || state.size >= last.size ? state : last;
    }
    const now = await checkpointOf(server);
    await followLog(last!, now, tiles(server));
    expect(await rootFromTiles(now.size, tiles(server))).toEqual(now.root);
    const again = await server.publish(built[2]!);
    expect(again.status).toBe(200);
    const { log } = (await again.json()) as Published;
    expect(log.index).toBe(published[2]!.log.index);
    const { entry } = parseLogProof(Buffer.from(log.proof));
    expect(decodeLogEvent(entry!)).toMatchObject({
      type: "publish",
      name: "tool-c",
      version: "1.0.0",
      actor: "admin",
      artifacts: [{ target: "any", blob: built[2]!.blob, tree: built[2]!.tree }],
    });
  });

  it("has one entry for each yank, deprecation, owner, key and change of policy, and for nothing else", async () => {
    const directory = await freshDirectory();
    const server = await startServer({ dataDirectory: directory });
    await publish(server, "tool");
    const version = "/api/v1/packages/tool/versions/1.0.0";
    await server.call(`${version}/yank`, { method: "POST", json: { reason: "broken" } });
    await server.call(`${version}/yank`, { method: "DELETE" });
    await server.call(`${version}/deprecate`, { method: "POST", json: { reason: "old" } });
    await server.account("ada");
    await server.call("/api/v1/packages/tool/owners/ada", { method: "PUT" });
    await server.call("/api/v1/packages/tool/owners/ada", { method: "PUT" });
    await server.call("/api/v1/packages/tool/owners/ada", { method: "DELETE" });
    await server.call("/api/v1/packages", { method: "POST", json: { name: "name-only" } });
    await server.node.registry.signNow();
    const before = await checkpointOf(server);
    await server.close();
    const strict = await start({ dataDirectory: directory, signatures: "required" });
    await followLog(before, await checkpointOf(strict), tiles(strict));
    // The first server stated how far its audit trail went when it ended.
    const logged = (await eventsOf(strict)).filter(({ type }) => type !== "audit");
    const events = logged.map(({ type, ...rest }) => [
      type,
      "status" in rest ? rest.status : "change" in rest ? rest.change : "",
    ]);
    expect(events).toEqual([
      ["policy", ""],
      ["publish", ""],
      ["status", "yanked"],
      ["status", "active"],
      ["status", "deprecated"],
      ["owner", "add"],
      ["owner", "remove"],
      ["owner", "add"],
      ["policy", ""],
    ]);
    const description = (await (await strict.call("/.well-known/lading.json")).json()) as { policy: object };
    const digest = `sha256:${createHash("sha256").update(JSON.stringify(description.policy)).digest("hex")}`;
    expect((await eventsOf(strict)).at(-1)).toMatchObject({ policy: digest });
  });

  it("serves tiles of every width that it has reached, and continues after a restart over full ones", async () => {
    const directory = await freshDirectory();
    const first = await startServer({ dataDirectory: directory });
    const before = await checkpointOf(first);
    const audit = { at: Date.now(), actor: "system", action: "test", details: {} };
    const [entry] = await first.node.metadata.logEntries(0, 1);
    await Promise.all(Array.from({ length: 600 }, () => first.node.metadata.appendLog(entry!, audit)));
    await first.node.registry.signNow();
    const middle = await checkpointOf(first);
    expect(middle.size).toBe(601);
    await followLog(before, middle, tiles(first));
    const whole = (await bytesAt(first, "log/tile/0/001"))!;
    expect(whole.length).toBe(256 * 32);
    expect(await bytesAt(first, "log/tile/0/001.p/3")).toEqual(whole.slice(0, 96));
    expect((await bytesAt(first, "log/tile/0/002.p/89"))!.length).toBe(89 * 32);
    for (const path of [
      "0/002",
      "0/002.p/90",
      "0/003.p/1",
      "1/000",
      "1/000.p/3",
      "0/x000/001",
      "0/001.p/256",
      "0/1",
      "70/000",
    ])
      expect([path, await bytesAt(first, `log/tile/${path}`)]).toEqual([path, undefined]);
    expect((await fetch(`${first.url}/log/tile/1/000.p/2`)).headers.get("cache-control")).toContain("immutable");
    expect((await fetch(`${first.url}/log/checkpoint`)).headers.get("cache-control")).toBe("no-cache");
    await first.close();
    await rm(join(directory, "log/tile/entries/000"));
    const second = await start({ dataDirectory: directory });
    await publish(second, "tool");
    const now = await checkpointOf(second);
    // Also how far the audit trail went when the first server ended.
    expect(now.size).toBe(603);
    await followLog(middle, now, tiles(second));
    expect((await eventsOf(second)).length).toBe(603);
  });

  it("parseTilePath() takes one spelling of each tile", () => {
    expect(parseTilePath("tile/entries/x001/234.p/17")).toEqual({ level: undefined, index: 1234, width: 17 });
    expect(parseTilePath("tile/63/000")).toEqual({ level: 63, index: 0, width: 256 });
    for (const path of [
      "tile/64/000",
      "tile/00/000",
      "tile/0/x000/000",
      "tile/0/000.p/0",
      "tile/0/000.p/256",
      "tile/0/000/",
      "checkpoint",
      "tile/0/..",
      "tile/0/000.p/01",
    ])
      expect([path, parseTilePath(path)]).toEqual([path, undefined]);
  });

  it("acceptsGzip() reads Accept-Encoding", () => {
    const taken = ["gzip", "br, gzip;q=0.5", "*", "GZIP"].map(acceptsGzip);
    const refused = [undefined, "", "br", "gzip;q=0", "x-gzip", "gzip; q=0.000"].map(acceptsGzip);
    expect([...taken, ...refused]).toEqual([true, true, true, true, false, false, false, false, false, false]);
  });
});
