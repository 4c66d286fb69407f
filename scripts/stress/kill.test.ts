import { indexDocumentPath, parseIndexDocument, parsePackageName, type IndexVersion } from "@lading/core-manifest";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { pack, publish, startRegistry, temporaryDirectory, type Packed, type RegistryProcess } from "./support.ts";

const CYCLES = 50;
const CLIENTS = 8;
const root = join(import.meta.dirname, "../..");

interface Attempt {
  readonly packed: Packed;
  readonly acknowledged: boolean;
}

async function indexVersion(registry: RegistryProcess, packed: Packed): Promise<IndexVersion | undefined> {
  const response = await fetch(`${registry.url}/${indexDocumentPath(parsePackageName(packed.name))}`);
  if (response.status === 404) return undefined;
  expect(response.status).toBe(200);
  const document = parseIndexDocument(await response.json());
  return document.versions.find(({ version }) => version === packed.version);
}

/** A visible version is whole: index, details, and every byte of the blob. */
async function expectWhole(registry: RegistryProcess, packed: Packed, found: IndexVersion): Promise<void> {
  expect(found.artifacts.map(({ blob, tree, size }) => ({ blob, tree, size }))).toEqual([
    { blob: packed.blob, tree: packed.tree, size: packed.size },
  ]);
  const details = await fetch(`${registry.url}/api/v1/packages/${packed.name}/versions/${packed.version}`);
  expect(details.status).toBe(200);
  const blob = await fetch(`${registry.url}/blobs/sha256/${packed.blob.slice(7)}`);
  const digest = createHash("sha256")
    .update(Buffer.from(await blob.arrayBuffer()))
    .digest("hex");
  expect(`sha256:${digest}`).toBe(packed.blob);
}

async function client(
  registry: RegistryProcess,
  work: readonly Packed[],
  { attempts, onAcknowledged }: { attempts: Attempt[]; onAcknowledged: () => void },
): Promise<void> {
  for (const packed of work) {
    let acknowledged = false;
    try {
      const { status, body } = await publish(registry, packed);
      expect([status, body]).toEqual([201, expect.any(String)]);
      acknowledged = true;
      onAcknowledged();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    attempts.push({ packed, acknowledged });
    if (!acknowledged) return;
  }
}

async function checkAttempt(
  registry: RegistryProcess,
  { packed, acknowledged }: Attempt,
): Promise<"kept" | "republished"> {
  const found = await indexVersion(registry, packed);
  expect(found !== undefined || !acknowledged, `${packed.name} ${packed.version} was acknowledged and is lost`).toBe(
    true,
  );
  if (found !== undefined) await expectWhole(registry, packed, found);
  if (acknowledged) return "kept";
  // Whole or absent, it can be published again.
  const { status } = await publish(registry, packed);
  expect(status).toBe(found === undefined ? 201 : 200);
  await expectWhole(registry, packed, (await indexVersion(registry, packed))!);
  return "republished";
}

let directory: string;
beforeAll(async () => {
  directory = await temporaryDirectory();
});
afterAll(async () => rm(directory, { recursive: true, force: true }));

/** Versions of each client for one cycle; sizes differ so that kills fall into every step of a publication. */
async function workOf(cycle: number): Promise<Packed[][]> {
  return Promise.all(
    Array.from({ length: CLIENTS }, async (_, number) => {
      const work: Packed[] = [];
      for (let patch = 0; patch < 4; patch += 1) {
        const bytes = [2_000, 300_000, 40_000][(patch + number) % 3]!;
        // Several clients share a name, as the members of a team do.
        work.push(
          await pack({ directory, name: `package-${number % 5}`, version: `${cycle}.${number}.${patch}`, bytes }),
        );
      }
      return work;
    }),
  );
}

it(`an acknowledged version survives SIGKILL, ${CYCLES} times with ${CLIENTS} clients publishing`, async () => {
  const data = join(directory, "data");
  const all: Attempt[] = [];
  let republished = 0;
  let pending: Attempt[] = [];
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    const [registry, work] = await Promise.all([startRegistry(data), workOf(cycle)]);
    for (const attempt of pending) if ((await checkAttempt(registry, attempt)) === "republished") republished += 1;
    const attempts: Attempt[] = [];
    let onAcknowledged = (): void => {};
    const acknowledgment = new Promise<void>((resolve) => {
      onAcknowledged = resolve;
    });
    const observer = { attempts, onAcknowledged };
    const clients = Promise.all(work.map((own) => client(registry, own, observer)));
    // Every other kill falls into the first publications, the rest into those after an acknowledged one.
    if (cycle % 2 === 1) await acknowledgment;
    await new Promise((resolve) => setTimeout(resolve, 1 + Math.random() * (cycle % 2 === 1 ? 400 : 150)));
    await registry.kill();
    await clients;
    all.push(...attempts);
    pending = attempts;
  }
  const last = await startRegistry(data);
  for (const attempt of pending) if ((await checkAttempt(last, attempt)) === "republished") republished += 1;
  for (const { packed } of all)
    expect(await indexVersion(last, packed), `${packed.name} ${packed.version}`).toBeDefined();
  expect(await last.stop()).toBe(0);
  const verify = await promisify(execFile)(process.execPath, [
    "-C",
    "@lading/source",
    join(root, "apps/registry/src/main.ts"),
    "admin",
    "verify",
    "--data",
    data,
  ]);
  expect(JSON.parse(verify.stdout)).toMatchObject({ bad: [] });
  const acknowledged = all.filter((attempt) => attempt.acknowledged).length;
  console.log(
    `${CYCLES} kills: ${acknowledged} acknowledged versions kept, ${republished} unacknowledged ones published again`,
  );
  expect(acknowledged).toBeGreaterThan(CYCLES);
  expect(republished).toBeGreaterThan(CYCLES);
}, 600_000);
