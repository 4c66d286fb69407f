// Publications a second and the server's processor time for each: `node -C @lading/source scripts/stress/publish-rate.ts`.
import { Agent, request, type IncomingMessage } from "node:http";
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { pack, startRegistry, temporaryDirectory, type Packed, type RegistryProcess } from "./support.ts";

const CLIENTS = Number(process.env["CLIENTS"] ?? 8);
const VERSIONS = Number(process.env["VERSIONS"] ?? 400);
const PACKAGES = 20;
const TICKS_PER_SECOND = 100;

async function processorSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Pairs of small writes, each made durable, that this disk does in a second: what a publication cannot go below. */
function syncPairs(directory: string): number {
  const file = openSync(join(directory, "probe"), "w");
  const started = performance.now();
  let pairs = 0;
  for (; performance.now() - started < 1000; pairs += 1) {
    for (let time = 0; time < 2; time += 1) {
      writeSync(file, Buffer.alloc(4096), 0, 4096, pairs * 4096);
      fdatasyncSync(file);
    }
  }
  closeSync(file);
  return Math.round((pairs * 1000) / (performance.now() - started));
}

interface Upload {
  readonly body: Buffer;
  readonly type: string;
}

async function uploadOf(packed: Packed): Promise<Upload> {
  const metadata = JSON.stringify({ blob: packed.blob, size: packed.size, tree: packed.tree });
  const head = `--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n${metadata}\r\n--b\r\nContent-Disposition: form-data; name="package"; filename="p.lpk"\r\nContent-Type: application/octet-stream\r\n\r\n`;
  const body = Buffer.concat([Buffer.from(head), await readFile(packed.path), Buffer.from("\r\n--b--\r\n")]);
  return { body, type: "multipart/form-data; boundary=b" };
}

async function send(registry: RegistryProcess, agent: Agent, { body, type }: Upload): Promise<void> {
  const headers = {
    authorization: `Bearer ${registry.token}`,
    "content-type": type,
    "content-length": String(body.length),
  };
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request(`${registry.url}/api/v1/packages/`, { method: "POST", agent, headers }, resolve);
    outgoing.once("error", reject);
    outgoing.end(body);
  });
  for await (const _ of answer);
  if (answer.statusCode !== 201) throw new Error(`a publication was answered ${answer.statusCode}`);
}

const directory = await temporaryDirectory();
try {
  const uploads: Upload[] = [];
  for (let number = 0; number < VERSIONS; number += 1) {
    const name = `package-${number % PACKAGES}`;
    const packed = await pack({ directory, name, version: `1.0.${Math.floor(number / PACKAGES)}`, bytes: 4000 });
    uploads.push(await uploadOf(packed));
  }
  const pairs = syncPairs(directory);
  const registry = await startRegistry(join(directory, "data"));
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  const warm = uploads.splice(0, 40);
  for (const upload of warm) await send(registry, agent, upload);
  const count = uploads.length;
  const before = await processorSeconds(registry.pid);
  const started = performance.now();
  const queue = uploads.values();
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      for (const upload of queue) await send(registry, agent, upload);
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const used = (await processorSeconds(registry.pid)) - before;
  console.log(
    `${count} publications by ${CLIENTS} clients: ${Math.round(count / seconds)} a second, ${((used * 1000) / count).toFixed(2)} ms of processor time each; ${pairs} pairs of syncs a second on this disk`,
  );
  agent.destroy();
  await registry.stop();
} finally {
  await rm(directory, { recursive: true, force: true });
}
