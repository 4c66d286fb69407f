import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
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
import { parseIndexDocument } from "@lading/core-manifest";
import { memoryMetadataStore, openMetadataClient } from "@lading/signing/metadata";
import { nodeVerifier } from "@lading/signing/node";
import { pack, publish, startRegistry, temporaryDirectory, type Packed, type RegistryProcess } from "./support.ts";

const CYCLES = Number(process.env["CYCLES"] ?? 12);
const CLIENTS = 6;

let directory: string;
beforeAll(async () => {
  directory = await temporaryDirectory();
});
afterAll(async () => rm(directory, { recursive: true, force: true }));

async function bytesAt({ url }: RegistryProcess, path: string): Promise<Uint8Array | undefined> {
  const answer = await fetch(`${url}/${path}`);
  if (answer.status === 404) return undefined;
  expect(answer.status).toBe(200);
  return new Uint8Array(await answer.arrayBuffer());
}

async function trustOf(registry: RegistryProcess): Promise<CheckpointTrust> {
  const description = (await (await fetch(`${registry.url}/.well-known/lading.json`)).json()) as {
    log: { origin: string; key: string };
  };
  return { origin: description.log.origin, keys: [parseNoteKey(description.log.key)], verifier: nodeVerifier };
}

/** What an acknowledged publication was promised. */
interface Promised {
  readonly packed: Packed;
  readonly index: number;
  readonly entry: Uint8Array;
  readonly state: Checkpoint;
}

async function client(
  registry: RegistryProcess,
  work: readonly Packed[],
  trust: CheckpointTrust,
  promised: Promised[],
): Promise<void> {
  for (const packed of work) {
    try {
      const { status, body } = await publish(registry, packed);
      expect([status, body]).toEqual([201, expect.any(String)]);
      const { log } = JSON.parse(body) as { log: { index: number; proof: string } };
      const proof = Buffer.from(log.proof);
      const { index, entry } = parseLogProof(proof);
      expect(index).toBe(log.index);
      promised.push({ packed, index, entry: entry!, state: verifyLogProof(proof, trust) });
    } catch (error) {
      // The server was killed.
      if (!(error instanceof TypeError)) throw error;
      return;
    }
  }
}

it(`log and metadata keep what was acknowledged through SIGKILL, ${CYCLES} times with ${CLIENTS} clients`, async () => {
  const data = join(directory, "data");
  const promised: Promised[] = [];
  const store = memoryMetadataStore();
  let root: Uint8Array | undefined;
  let ended: number | null = null;
  for (let cycle = 0; cycle <= CYCLES; cycle += 1) {
    const registry = await startRegistry(data);
    const trust = await trustOf(registry);
    const tile = (path: string): Promise<Uint8Array | undefined> => bytesAt(registry, `log/${path}`);
    const now = openCheckpoint((await bytesAt(registry, "log/checkpoint"))!, trust);
    expect(await rootFromTiles(now.size, tile)).toEqual(now.root);
    // Every state that anybody was ever shown is a beginning of this one: no entry is gone, no index has another entry.
    for (const { state } of promised) await followLog(state, now, tile);
    const entries = new Map<number, Uint8Array>();
    for await (const { index, entry } of readEntries(now.size, tile)) entries.set(index, entry);
    for (const { index, entry } of promised) expect(Buffer.from(entries.get(index)!).equals(entry)).toBe(true);
    expect(new Set(promised.map(({ index }) => index)).size).toBe(promised.length);
    const blobs = [...entries.values()].flatMap((bytes) => {
      const event = decodeLogEvent(bytes);
      return event.type === "publish" ? event.artifacts.map(({ blob }) => blob) : [];
    });
    expect(new Set(blobs).size, "one entry for each publication").toBe(blobs.length);
    // The same for metadata: a client that keeps what it saw goes on, and finds every acknowledged version signed for.
    root ??= (await bytesAt(registry, "metadata/1.root.json"))!;
    const source = { fetch: ({ path }: { path: string }) => bytesAt(registry, `metadata/${path}`) };
    const tuf = openMetadataClient({ root, source, store, verifier: nodeVerifier });
    const { log } = await tuf.refresh(Date.now());
    expect(log!.size).toBe(now.size);
    for (const { packed } of promised.slice(-24)) {
      const target = await tuf.find(`index/_/pa/${packed.name}.json`);
      const document = (await bytesAt(registry, tuf.pathOf(target!)))!;
      expect(createHash("sha256").update(document).digest("hex")).toBe(target!.hashes["sha256"]);
      const { versions } = parseIndexDocument(JSON.parse(Buffer.from(document).toString()));
      const found = versions.find(({ version }) => version === packed.version);
      expect(found?.artifacts.map(({ blob }) => blob)).toEqual([packed.blob]);
    }
    if (cycle === CYCLES) {
      ended = await registry.stop();
      break;
    }
    const work = await Promise.all(
      Array.from({ length: CLIENTS }, (_, number) =>
        Promise.all(
          Array.from({ length: 4 }, (__, patch) =>
            pack({
              directory,
              name: `package-${number % 4}`,
              version: `${cycle}.${number}.${patch}`,
              bytes: 2000 * (patch + 1),
            }),
          ),
        ),
      ),
    );
    const before = promised.length;
    const clients = Promise.all(work.map((own) => client(registry, own, trust, promised)));
    // Some kills fall into the first group, some into later ones and the metadata that follows.
    const wanted = cycle % 3 === 0 ? 0 : 4;
    while (promised.length - before < wanted) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 400));
    await registry.kill();
    await clients;
  }
  console.log(`${promised.length} acknowledged publications, each proven in every later state of the log`);
  expect(ended).toBe(0);
  expect(promised.length).toBeGreaterThan(CYCLES);
});

it("a registry with a passphrase has no key in the clear, and starts with it alone", async () => {
  const data = join(directory, "encrypted");
  const registry = await startRegistry(data, { flags: ["--key-passphrase", "correct horse"] });
  expect(await registry.stop()).toBe(0);
  for (const name of ["root", "targets", "snapshot", "timestamp", "log"])
    expect(await readFile(join(data, "keys", `${name}.pem`), "utf8")).toContain("ENCRYPTED PRIVATE KEY");
  await expect(startRegistry(data)).rejects.toThrow("KEYS_UNUSABLE");
  expect(await (await startRegistry(data, { flags: ["--key-passphrase", "correct horse"] })).stop()).toBe(0);
});
