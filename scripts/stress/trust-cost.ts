/**
 * What verification costs at 10,000 packages: bytes and times of cold and warm look-ups, and the signature path of a
 * publication. `node -C @lading/source scripts/stress/trust-cost.ts [PACKAGES]`. Bytes are those of the connection, as a
 * proxy counts them, headers and compression included, beside those of reading the same documents unverified.
 */
import { connect, createServer, type AddressInfo } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeRecord } from "@lading/archive";
import { inspectPackage } from "@lading/archive/node";
import { indexDocumentPath, parsePackageName, type Digest } from "@lading/core-manifest";
import {
  createMemoryCache,
  createMemoryTrustStore,
  createRegistryClient,
  registryConfig,
  type RegistryClient,
  type TrustStore,
} from "@lading/registry-client";
import { createNodeRegistry, serve, type NodeRegistry } from "@lading/registry-server/node";
import { fakeAccount, fakePublication } from "@lading/registry-server/testing";
import { createStatement, encodeEnvelope, formatPublicKey, generateKey, softwareSigner } from "@lading/signing";
import { createHash } from "node:crypto";
import { openAsBlob } from "node:fs";

import { pack } from "./support.ts";

const PACKAGES = Number(process.argv[2] ?? 10_000);
const CLOSURE = 55;
const PUBLICATIONS = 40;
const ROUNDS = 7;
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

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

const folder = await mkdtemp(join(tmpdir(), "lading-trust-cost-"));
const node = await createNodeRegistry({ dataDirectory: folder, loginsPerMinute: 0 });
await populate(node);
const begun = performance.now();
await node.registry.start();
console.log(`${PACKAGES} packages; log and metadata made in ${Math.round(performance.now() - begun)} ms`);
const server = await serve(node.registry, { host: "127.0.0.1", port: 0 });
const proxy = await countingProxy(Number(new URL(server.url).port));
const base = `http://127.0.0.1:${proxy.port}/`;

/** What a machine keeps between two commands. */
interface Kept {
  readonly cache: ReturnType<typeof createMemoryCache>;
  readonly trust: TrustStore;
}

const nothing = (): Kept => ({ cache: createMemoryCache(), trust: createMemoryTrustStore() });

function newClient(kept: Kept): RegistryClient {
  return createRegistryClient({ registry: registryConfig({ name: "bench", url: base }), ...kept });
}

/** The same documents without any verification: a description, and a request for each. */
async function plainly(names: readonly string[]): Promise<void> {
  const read = async (path: string): Promise<unknown> => (await fetch(`${base}${path}`)).json();
  await read(".well-known/lading.json");
  await Promise.all(names.map((name) => read(indexDocumentPath(parsePackageName(name)))));
}

interface Measured {
  readonly bytes: number;
  readonly ms: number;
  readonly cpuMs: number;
}

async function measure(work: () => Promise<unknown>): Promise<Measured> {
  proxy.take();
  const [started, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { bytes: proxy.take(), ms: performance.now() - started, cpuMs: (user + system) / 1000 };
}

function print(what: string, rounds: readonly Measured[], plain: readonly Measured[]): void {
  const of = (list: readonly Measured[], pick: (one: Measured) => number): number => median(list.map(pick));
  const [bytes, ms, cpu] = [of(rounds, (r) => r.bytes), of(rounds, (r) => r.ms), of(rounds, (r) => r.cpuMs)];
  const more = [bytes - of(plain, (r) => r.bytes), ms - of(plain, (r) => r.ms), cpu - of(plain, (r) => r.cpuMs)];
  console.log(
    `${what.padEnd(30)} ${bytes} bytes, ${ms.toFixed(0)} ms, ${cpu.toFixed(0)} ms CPU; verification adds ${more[0]} bytes, ${more[1]!.toFixed(0)} ms, ${more[2]!.toFixed(0)} ms CPU`,
  );
}

const one = [nameOf(17)];
const closure = Array.from({ length: CLOSURE }, (_, i) => nameOf((i * 181) % PACKAGES));
const cases = ["plain one", "plain closure", "one", "closure", "warm"] as const;
const results = new Map(cases.map((name) => [name, [] as Measured[]]));
for (let round = 0; round <= ROUNDS; round += 1) {
  const keep = (name: (typeof cases)[number], measured: Measured): void => {
    // The first round warms up code on both sides.
    if (round > 0) results.get(name)!.push(measured);
  };
  keep("plain one", await measure(() => plainly(one)));
  keep("plain closure", await measure(() => plainly(closure)));
  const [alone, kept] = [nothing(), nothing()];
  const clients = [newClient(alone), newClient(kept), newClient(kept)] as const;
  keep("one", await measure(() => clients[0].packageDocument(one[0]!)));
  keep("closure", await measure(() => clients[1].packageDocuments(closure)));
  keep("warm", await measure(() => clients[2].packageDocuments(closure)));
  await Promise.all(clients.map((client) => client.close()));
}
console.log(
  "Bytes are what the server sent, headers and compression included; CPU is that of client, proxy and server together.",
);
print("cold, one package", results.get("one")!, results.get("plain one")!);
print(`cold, ${CLOSURE} packages`, results.get("closure")!, results.get("plain closure")!);
print("warm, the same packages", results.get("warm")!, [{ bytes: 0, ms: 0, cpuMs: 0 }]);
for (const path of ["metadata/timestamp.json", "metadata/1.root.json", indexDocumentPath(parsePackageName(one[0]!))]) {
  const answer = await fetch(`${server.url}/${path}`);
  console.log(`  ${path}: ${(await answer.arrayBuffer()).byteLength} bytes plain`);
}
const signer = softwareSigner(generateKey().seed);
const admin = { authorization: `Bearer ${node.bootstrap!.token}` };
await fetch(`${server.url}/api/v1/keys`, {
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
  const answer = await fetch(`${server.url}/api/v1/packages/`, { method: "POST", headers: admin, body: form });
  if (answer.status !== 201) throw new Error(await answer.text());
}
const metrics = await (await fetch(`${server.url}/metrics`)).text();
for (const step of ["authorize", "verify", "log", "store", "commit", "inspect", "receive"]) {
  const value = (kind: string): number =>
    Number(new RegExp(`^lading_publish_step_seconds_${kind}\\{step="${step}"\\} (\\S+)`, "m").exec(metrics)?.[1] ?? 0);
  console.log(
    `  publish, ${step}: ${((value("sum") / value("count")) * 1000).toFixed(2)} ms on average of ${value("count")}`,
  );
}
await server.close(1000);
await rm(folder, { recursive: true, force: true });
process.exit(0);
