/** Mixed traffic for a given time, with a look at the server's memory and handles whenever it has come to rest. */
import { createHash } from "node:crypto";
import { readFile, readdir, rm } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { indexDocumentPath, parsePackageName } from "@lading/core-manifest";
import { pack, publish, startRegistry, temporaryDirectory, type RegistryProcess } from "./support.ts";

const PACKAGES = 12;
// A server that has become idle gives its garbage back; what is left after it is what it holds. On a busy machine it
// takes longer until it counts as idle, so that the least of several looks is taken.
const REST_MS = 6000;
const LOOKS = 6;
const LOOK_MS = 1000;
const MIB = 2 ** 20;

/** A server at rest. */
export interface Checkpoint {
  /** Seconds of traffic before it. */
  readonly after: number;
  /** Resident memory in MiB. */
  readonly memory: number;
  /** Open files, sockets included. */
  readonly handles: number;
  /** Requests since the checkpoint before, and those that were not answered as they should be. */
  readonly requests: number;
  readonly wrong: readonly string[];
  /** Versions in the registry. */
  readonly versions: number;
}

interface Published {
  readonly name: string;
  readonly version: string;
  readonly blob: string;
}

/** What the workers share. */
interface Traffic {
  readonly registry: RegistryProcess;
  readonly directory: string;
  readonly published: Published[];
  readonly wrong: string[];
  requests: number;
  numbers: number;
  running: boolean;
}

type Step = (traffic: Traffic) => Promise<void>;

function expectStatus(traffic: Traffic, what: string, found: number, allowed: readonly number[]): void {
  traffic.requests += 1;
  if (!allowed.includes(found)) traffic.wrong.push(`${what}: ${found}`);
}

async function ask(
  traffic: Traffic,
  path: string,
  allowed: readonly number[] = [200],
  init: RequestInit = {},
): Promise<Response> {
  const response = await fetch(`${traffic.registry.url}/${path}`, init);
  expectStatus(traffic, `${init.method ?? "GET"} ${path}`, response.status, allowed);
  return response;
}

const read = async (
  traffic: Traffic,
  path: string,
  allowed?: readonly number[],
  init?: RequestInit,
): Promise<ArrayBuffer> => (await ask(traffic, path, allowed, init)).arrayBuffer();

const authorized = ({ registry }: Traffic): Record<string, string> => ({
  authorization: `Bearer ${registry.token}`,
  "content-type": "application/json",
});

function anyPublished({ published }: Traffic): Published {
  return published[Math.floor(Math.random() * published.length)]!;
}

const publishOne: Step = async (traffic) => {
  const number = traffic.numbers++;
  const [name, version] = [`soak-${number % PACKAGES}`, `1.${Math.floor(number / PACKAGES)}.0`];
  const packed = await pack({ directory: traffic.directory, name, version, bytes: 20_000 });
  const { status } = await publish(traffic.registry, packed);
  expectStatus(traffic, `publish ${name} ${version}`, status, [201]);
  if (status === 201) traffic.published.push({ name, version, blob: packed.blob });
  await rm(packed.path);
};

const readIndex: Step = async (traffic) => {
  const path = indexDocumentPath(parsePackageName(anyPublished(traffic).name));
  const first = await ask(traffic, path);
  await first.arrayBuffer();
  await read(traffic, path, [200, 304], { headers: { "if-none-match": first.headers.get("etag")! } });
};

const download: Step = async (traffic) => {
  const { name, version, blob } = anyPublished(traffic);
  const bytes = await read(traffic, `api/v1/packages/${name}/versions/${version}/download`);
  const digest = createHash("sha256").update(new Uint8Array(bytes)).digest("hex");
  if (`sha256:${digest}` !== blob) traffic.wrong.push(`bytes of ${name} ${version}`);
};

const browse: Step = async (traffic) => {
  const { name, version } = anyPublished(traffic);
  for (const path of [name, `${name}/versions/${version}`, "?q=soak&per_page=5", `${name}/versions?per_page=5`]) {
    await read(traffic, `api/v1/packages/${path}`);
  }
  for (const path of [
    ".well-known/lading.json",
    "log/checkpoint",
    "metadata/timestamp.json",
    "feed/0.json",
    "metrics",
  ]) {
    await read(traffic, path);
  }
};

const yankAndBack: Step = async (traffic) => {
  const { name, version } = anyPublished(traffic);
  const path = `api/v1/packages/${name}/versions/${version}`;
  const headers = authorized(traffic);
  await read(traffic, `${path}/yank`, [200], { method: "POST", headers, body: JSON.stringify({ reason: "soak" }) });
  await read(traffic, `${path}/yank`, [200], { method: "DELETE", headers });
};

const tokenOnce: Step = async (traffic) => {
  const headers = authorized(traffic);
  const body = JSON.stringify({ name: "soak", scopes: ["read"] });
  const made = await ask(traffic, "api/v1/tokens", [201], { method: "POST", headers, body });
  const { token, id } = (await made.json()) as { readonly token: string; readonly id: string };
  await read(traffic, "api/v1/auth/whoami", [200], { headers: { authorization: `Bearer ${token}` } });
  await read(traffic, `api/v1/tokens/${id}`, [204], { method: "DELETE", headers });
  await read(traffic, "api/v1/auth/whoami", [401], { headers: { authorization: `Bearer ${token}` } });
};

const misbehave: Step = async (traffic) => {
  await read(traffic, "api/v1/packages/nobody-made-this", [404]);
  await read(traffic, "index/_/no/nobody-made-this.json", [404]);
  await read(traffic, "api/v1/packages/", [401], { method: "POST", body: "{}" });
  await read(traffic, "api/v1/packages/", [400, 415, 422], { method: "POST", headers: authorized(traffic), body: "{" });
  await goAway(traffic);
};

/** Begins an upload and breaks off the connection in the middle of it. */
async function goAway({ registry }: Traffic): Promise<void> {
  const outgoing = request(`${registry.url}/api/v1/packages/`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${registry.token}`,
      "content-type": "multipart/form-data; boundary=b",
      "content-length": "1000000",
    },
  });
  const ended = new Promise<void>((done) => outgoing.once("close", done));
  outgoing.on("error", () => {});
  outgoing.write('--b\r\nContent-Disposition: form-data; name="package"; filename="p.lpk"\r\n\r\nbegun');
  await pause(20);
  outgoing.destroy();
  await ended;
}

/** Who is there at once, and how long each rests between two steps, in milliseconds. */
const WORKERS: readonly (readonly [step: Step, restMs: number])[] = [
  [publishOne, 150],
  [publishOne, 150],
  [readIndex, 5],
  [readIndex, 5],
  [readIndex, 5],
  [download, 20],
  [download, 20],
  [browse, 50],
  [browse, 50],
  [yankAndBack, 200],
  [tokenOnce, 100],
  [misbehave, 100],
];

async function traffic(shared: Traffic, seconds: number): Promise<void> {
  shared.running = true;
  const workers = WORKERS.map(async ([step, restMs]) => {
    while (shared.running) {
      await step(shared);
      await pause(restMs);
    }
  });
  await Promise.race([pause(seconds * 1000), Promise.all(workers)]);
  shared.running = false;
  await Promise.all(workers);
}

async function atRest(traffic: Traffic): Promise<Pick<Checkpoint, "memory" | "handles">> {
  await pause(REST_MS);
  let least = await look(traffic);
  for (let looks = 1; looks < LOOKS; looks += 1) {
    await pause(LOOK_MS);
    const { memory, handles } = await look(traffic);
    least = { memory: Math.min(memory, least.memory), handles: Math.min(handles, least.handles) };
  }
  return least;
}

async function look({ registry }: Traffic): Promise<Pick<Checkpoint, "memory" | "handles">> {
  const status = await readFile(`/proc/${registry.pid}/status`, "utf8");
  const handles = await readdir(`/proc/${registry.pid}/fd`);
  return { memory: Math.round((Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) * 1024) / MIB), handles: handles.length };
}

/**
 * Sends mixed traffic to a fresh server for `minutes`, in `parts` of equal length, and lets it come to rest after each.
 * Connections that the client keeps open are closed by the server's own limit, or counted as handles.
 */
export async function soak(
  minutes: number,
  parts: number,
  onCheckpoint: (checkpoint: Checkpoint) => void,
): Promise<Checkpoint[]> {
  const directory = await temporaryDirectory();
  const registry = await startRegistry(join(directory, "data"));
  const shared: Traffic = { registry, directory, published: [], wrong: [], requests: 0, numbers: 0, running: false };
  const checkpoints: Checkpoint[] = [];
  try {
    for (let number = 0; number < PACKAGES; number += 1) await publishOne(shared);
    const seconds = (minutes * 60) / parts;
    for (let part = 1; part <= parts; part += 1) {
      await traffic(shared, seconds);
      const rest = await atRest(shared);
      const { requests, published } = shared;
      const seen = { ...rest, requests, wrong: shared.wrong.splice(0), versions: published.length };
      shared.requests = 0;
      checkpoints.push({ after: Math.round(part * seconds), ...seen });
      onCheckpoint(checkpoints.at(-1)!);
    }
    const code = await registry.stop();
    if (code !== 0) throw new Error(`the server ended with ${String(code)}`);
    return checkpoints;
  } finally {
    await registry.kill();
    await rm(directory, { recursive: true, force: true });
  }
}
