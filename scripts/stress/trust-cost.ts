/**
 * What verification costs at 10,000 packages: bytes and times of cold and warm look-ups, and the signature path of a
 * publication. `node -C @lading/source scripts/stress/trust-cost.ts [PACKAGES]`.
 *
 * The server is a process of its own. Each kind of look-up is done by the same client, once verifying and once against a
 * registry that says nothing of signed metadata, in turns. Bytes are those of the connection, headers and compression
 * included, counted by a proxy in rounds of their own, so that the proxy costs nothing in those that are timed.
 */
import { fork, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { openAsBlob } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeRecord } from "@lading/archive";
import { inspectPackage } from "@lading/archive/node";
import type { Digest } from "@lading/core-manifest";
import {
  createMemoryCache,
  createMemoryTrustStore,
  createRegistryClient,
  registryConfig,
  type Fetch,
  type FetchResponse,
  type TrustStore,
} from "@lading/registry-client";
import { createNodeFetch } from "@lading/registry-client/node";
import { createNodeRegistry, serve, type NodeRegistry } from "@lading/registry-server/node";
import { fakeAccount, fakePublication } from "@lading/registry-server/testing";
import { createStatement, encodeEnvelope, formatPublicKey, generateKey, softwareSigner } from "@lading/signing";

import { pack } from "./support.ts";

const PACKAGES = Number(process.argv[2] ?? 10_000);
const CLOSURE = 55;
const PUBLICATIONS = 40;
const ROUNDS = 21;
const DESCRIPTION = ".well-known/lading.json";
const nameOf = (i: number): string => `package-${createHash("sha256").update(String(i)).digest("hex").slice(0, 8)}`;

/** Publications straight into the store: how they got there does not matter to who reads. */
async function populate({ metadata }: NodeRegistry): Promise<void> {
  const account = fakeAccount("publisher");
  await metadata.createAccount(account, { at: Date.now(), actor: "system", action: "account.create", details: {} });
  for (let from = 0; from < PACKAGES; from += 500) {
    const group = Array.from({ length: Math.min(500, PACKAGES - from) }, (_, i) => from + i);
    await Promise.all(group.map((i) => metadata.publish(publication(account, i))));
  }
}

function publication(account: ReturnType<typeof fakeAccount>, i: number): ReturnType<typeof fakePublication> {
  const made = fakePublication(account, nameOf(i), "1.0.0", { at: Date.now() });
  const digest = (what: string): typeof made.artifact.blob =>
    `sha256:${createHash("sha256").update(`${what} ${i}`).digest("hex")}` as typeof made.artifact.blob;
  return { ...made, artifact: { ...made.artifact, blob: digest("blob"), tree: digest("tree") } };
}

/** What the server's process says when it listens, and whenever it is asked: milliseconds of CPU that it used. */
interface Told {
  readonly url: string;
  readonly token: string;
  readonly startMs: number;
  readonly cpuMs: number;
}

async function serveHere(folder: string): Promise<void> {
  const node = await createNodeRegistry({ dataDirectory: folder, loginsPerMinute: 0 });
  await populate(node);
  const begun = performance.now();
  await node.registry.start();
  const startMs = performance.now() - begun;
  const server = await serve(node.registry, { host: "127.0.0.1", port: 0 });
  const tell = (): void => {
    const { user, system } = process.cpuUsage();
    const told: Told = { url: server.url, token: node.bootstrap!.token, startMs, cpuMs: (user + system) / 1000 };
    process.send!(told);
  };
  process.on("message", tell);
  tell();
}

/** Counts what a server sends. */
async function countingProxy(port: number): Promise<{ readonly port: number; take(): number }> {
  let count = 0;
  const proxy = createServer((socket) => {
    const onward = connect(port, "127.0.0.1");
    onward.on("data", (chunk) => {
      count += chunk.length;
      socket.write(chunk);
    });
    socket.pipe(onward);
    for (const one of [socket, onward]) one.on("error", () => socket.destroy());
    onward.on("end", () => socket.end());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  proxy.unref();
  return {
    port: (proxy.address() as AddressInfo).port,
    take: () => {
      const taken = count;
      count = 0;
      return taken;
    },
  };
}

/** What a machine keeps between two commands. */
interface Kept {
  readonly cache: ReturnType<typeof createMemoryCache>;
  readonly trust: TrustStore;
}

const nothing = (): Kept => ({ cache: createMemoryCache(), trust: createMemoryTrustStore() });

/** A registry whose description says nothing of signed metadata. */
function withoutTrust(fetch: Fetch): Fetch {
  return async (url, init) => {
    const answer = await fetch(url, init);
    if (!url.endsWith(DESCRIPTION)) return answer;
    const parts: Uint8Array[] = [];
    for await (const part of answer.body ?? []) parts.push(part);
    const { metadata: _, files: _files, log: _log, root: _root, ...rest } = JSON.parse(Buffer.concat(parts).toString());
    const headers: FetchResponse["headers"] = { get: (name) => (name === "etag" ? null : answer.headers.get(name)) };
    return { ...answer, status: answer.status, headers, body: oneChunk(Buffer.from(JSON.stringify(rest))) };
  };
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function look(names: readonly string[], url: string, kept: Kept, how: "verified" | "unverified"): Promise<void> {
  const { fetch, close } = createNodeFetch();
  const client = createRegistryClient({
    registry: registryConfig({ name: "bench", url }),
    ...kept,
    fetch: how === "verified" ? fetch : withoutTrust(fetch),
  });
  const found = await client.packageDocuments(names);
  if (found.includes(undefined)) throw new Error("a package is missing");
  await client.close();
  await close();
}

interface Measured {
  readonly bytes: number;
  readonly ms: number;
  readonly clientMs: number;
  readonly serverMs: number;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

function medians(rounds: readonly Measured[]): Measured {
  const of = (pick: (one: Measured) => number): number => median(rounds.map(pick));
  return {
    bytes: of((r) => r.bytes),
    ms: of((r) => r.ms),
    clientMs: of((r) => r.clientMs),
    serverMs: of((r) => r.serverMs),
  };
}

async function cpuOf(server: ChildProcess): Promise<number> {
  const told = once(server, "message") as Promise<[Told]>;
  server.send("cpu");
  return (await told)[0].cpuMs;
}

if (process.argv[3] === "serve") {
  await serveHere(process.argv[4]!);
} else {
  await measureAll();
}

async function measureAll(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "lading-trust-cost-"));
  const child = fork(fileURLToPath(import.meta.url), [String(PACKAGES), "serve", folder], {
    execArgv: process.execArgv,
  });
  const [told] = (await once(child, "message")) as [Told];
  console.log(`${PACKAGES} packages; log and metadata made in ${Math.round(told.startMs)} ms`);
  await measureLookups(child, told.url);
  await measurePublications(folder, told);
  child.kill();
  await once(child, "exit");
  await rm(folder, { recursive: true, force: true });
}

async function measureLookups(child: ChildProcess, url: string): Promise<void> {
  const proxy = await countingProxy(Number(new URL(url).port));
  const measure = async (work: (base: string, kept: Kept) => Promise<void>, before: Kept): Promise<Measured> => {
    const copy = { cache: before.cache, trust: before.trust };
    const serverBefore = await cpuOf(child);
    const [started, cpu] = [performance.now(), process.cpuUsage()];
    await work(`${url}/`, copy);
    const { user, system } = process.cpuUsage(cpu);
    const ms = performance.now() - started;
    return { bytes: 0, ms, clientMs: (user + system) / 1000, serverMs: (await cpuOf(child)) - serverBefore };
  };
  const countBytes = async (work: (base: string, kept: Kept) => Promise<void>, kept: Kept): Promise<number> => {
    proxy.take();
    await work(`http://127.0.0.1:${proxy.port}/`, kept);
    return proxy.take();
  };
  const one = [nameOf(17)];
  const closure = Array.from({ length: CLOSURE }, (_, i) => nameOf((i * 181) % PACKAGES));
  const cases = [
    { title: "cold, one package", names: one, warm: false },
    { title: `cold, ${CLOSURE} packages`, names: closure, warm: false },
    { title: "warm, the same packages", names: closure, warm: true },
  ] as const;
  console.log("medians; CPU is of client + server; in brackets what verification adds");
  for (const { title, names, warm } of cases) {
    const results = { verified: [] as Measured[], unverified: [] as Measured[] };
    const bytes = { verified: 0, unverified: 0 };
    for (let round = 0; round <= ROUNDS; round += 1) {
      for (const how of ["verified", "unverified"] as const) {
        const work = (base: string, kept: Kept): Promise<void> => look(names, base, kept, how);
        const kept = nothing();
        if (warm) await work(`${url}/`, kept);
        const measured = await measure(work, kept);
        // The first round warms up code on both sides.
        if (round > 0) results[how].push(measured);
        if (round > 0) continue;
        const counted = nothing();
        if (warm) await work(`http://127.0.0.1:${proxy.port}/`, counted);
        bytes[how] = await countBytes(work, counted);
      }
    }
    const [verified, plain] = [medians(results.verified), medians(results.unverified)];
    const line = (label: string, value: number, base: number, unit: string, digits: number): string =>
      `${label}${value.toFixed(digits)}${unit} (${value >= base ? "+" : ""}${(value - base).toFixed(digits)})`;
    console.log(
      [
        title.padEnd(26),
        line("", bytes.verified, bytes.unverified, " bytes", 0),
        line("", verified.ms, plain.ms, " ms", 1),
        `CPU ${line("", verified.clientMs, plain.clientMs, "", 1)} + ${line("", verified.serverMs, plain.serverMs, " ms", 1)}`,
      ].join("  "),
    );
  }
}

async function measurePublications(folder: string, { url, token }: Told): Promise<void> {
  const signer = softwareSigner(generateKey().seed);
  const admin = { authorization: `Bearer ${token}` };
  await fetch(`${url}/api/v1/keys`, {
    method: "POST",
    headers: { ...admin, "content-type": "application/json" },
    body: JSON.stringify({ public_key: formatPublicKey(signer.publicKey) }),
  });
  for (let i = 0; i < PUBLICATIONS; i += 1) {
    const packed = await pack({ directory: folder, name: "measured", version: `1.0.${i}`, bytes: 2000 });
    const { record } = await inspectPackage(packed.path);
    const manifest = createHash("sha256").update(encodeRecord(record)).digest("hex");
    const statement = await encodeEnvelope(
      createStatement({
        name: "measured",
        version: packed.version,
        kind: record.kind,
        target: record.target,
        blob: packed.blob as Digest,
        tree: packed.tree as Digest,
        manifestDigest: `sha256:${manifest}` as Digest,
      }),
      [signer],
    );
    const form = new FormData();
    form.append("metadata", JSON.stringify({ blob: packed.blob, size: packed.size, tree: packed.tree }));
    form.append("statement", new Blob([statement.slice()], { type: "application/vnd.dsse+json" }), "p.sig");
    form.append("package", await openAsBlob(packed.path), "p.lpk");
    const answer = await fetch(`${url}/api/v1/packages/`, { method: "POST", headers: admin, body: form });
    if (answer.status !== 201) throw new Error(await answer.text());
  }
  const metrics = await (await fetch(`${url}/metrics`)).text();
  for (const step of ["authorize", "verify", "log", "store", "commit", "inspect", "receive"]) {
    const value = (kind: string): number =>
      Number(
        new RegExp(`^lading_publish_step_seconds_${kind}\\{step="${step}"\\} (\\S+)`, "m").exec(metrics)?.[1] ?? 0,
      );
    console.log(
      `  publish, ${step}: ${((value("sum") / value("count")) * 1000).toFixed(2)} ms on average of ${value("count")}`,
    );
  }
}
