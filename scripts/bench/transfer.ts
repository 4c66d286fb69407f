import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canonicalName, parseDigest, parsePackageName } from "@lading/core-manifest";
import { createRegistryClient, registryConfig, type RegistryClient } from "@lading/registry-client";
import { createNodeFetch } from "@lading/registry-client/node";
import { median, printFigures, program, race, type Contender, type Figure } from "./measure.ts";
import { pack, startRegistry, type Packed, type RegistryProcess } from "../stress/support.ts";

/** How much is sent. */
interface Amount {
  readonly rounds: number;
  readonly downloadBytes: number;
  readonly uploadBytes: number;
  readonly smallPackages: number;
}

const WHOLE: Amount = { rounds: 5, downloadBytes: 256 * 2 ** 20, uploadBytes: 64 * 2 ** 20, smallPackages: 300 };
const QUICK: Amount = { rounds: 1, downloadBytes: 2 ** 20, uploadBytes: 2 ** 20, smallPackages: 5 };

interface Bench {
  readonly directory: string;
  readonly registry: RegistryProcess;
  readonly client: RegistryClient;
  readonly amount: Amount;
}

/** Downloads and uploads of our client beside curl's from and to the same server, and how long one small package takes. */
export async function run({ quick }: { readonly quick: boolean }): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "lading-bench-transfer-"));
  const registry = await startRegistry(join(directory, "registry"), { built: !quick });
  const pool = createNodeFetch();
  const client = createRegistryClient({
    registry: registryConfig({ name: "bench", url: registry.url }),
    fetch: pool.fetch,
  });
  client.authenticate({ type: "token", token: registry.token });
  console.log(`\n${spawnSync("curl", ["--version"], { encoding: "utf8" }).stdout.split("\n")[0]}`);
  try {
    const bench = { directory, registry, client, amount: quick ? QUICK : WHOLE };
    await downloads(bench);
    await uploads(bench);
    await smallPackages(bench);
  } finally {
    await client.close();
    await pool.close();
    await registry.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function publish({ client }: Bench, { path, blob, size, tree }: Packed): Promise<void> {
  await client.publish({ artifact: path, blob: parseDigest(blob), size, tree: parseDigest(tree), wait: false });
}

/** Bytes a second in place of the time that they took. */
function speed({ name, median, min, max }: Figure, bytes: number): Figure {
  const of = (milliseconds: number): number => bytes / 1000 / milliseconds;
  return { name, median: of(median), min: of(max), max: of(min), unit: "MB/s" };
}

async function compare(title: string, bytes: number, contenders: readonly Contender[], rounds: number): Promise<void> {
  const figures = await race(contenders, rounds);
  printFigures(
    `${title}, ${(bytes / 1e6).toFixed(0)} MB over loopback`,
    figures.map((one) => speed(one, bytes)),
  );
}

/** Ours checks length and digest of what arrives; curl writes it as it comes. */
async function downloads(bench: Bench): Promise<void> {
  const { directory, registry, client, amount } = bench;
  const packed = await pack({ directory, name: "large", version: "1.0.0", bytes: amount.downloadBytes });
  await publish(bench, packed);
  const blob = parseDigest(packed.blob);
  const url = `${registry.url}/blobs/sha256/${packed.blob.slice("sha256:".length)}`;
  const [ours, theirs] = [join(directory, "ours"), join(directory, "theirs")];
  const contenders: Contender[] = [
    {
      name: "lading, digest checked",
      prepare: () => rmSync(ours, { force: true }),
      run: () => client.download({ blob, size: packed.size }, ours),
    },
    {
      name: "curl",
      prepare: () => rmSync(theirs, { force: true }),
      run: () => program("curl", ["--fail", "--silent", "--output", theirs, url]),
    },
  ];
  await compare("download", packed.size, contenders, amount.rounds);
}

async function uploads(bench: Bench): Promise<void> {
  const { directory, registry, amount } = bench;
  const queue: Packed[] = [];
  // Each contender, each round, and one round to warm up.
  for (let at = 0; at < 2 * (amount.rounds + 1); at += 1)
    queue.push(await pack({ directory, name: "upload", version: `1.${at}.0`, bytes: amount.uploadBytes }));
  const { size } = queue[0]!;
  const contenders: Contender[] = [
    { name: "lading", run: () => publish(bench, queue.pop()!) },
    {
      name: "curl",
      run: () => {
        const { path, blob, size: bytes, tree } = queue.pop()!;
        const metadata = JSON.stringify({ blob, size: bytes, tree });
        const form = ["--form", `metadata=${metadata}`, "--form", `package=@${path}`];
        const head = ["--fail", "--silent", "--header", `authorization: Bearer ${registry.token}`];
        program("curl", [...head, ...form, `${registry.url}/api/v1/packages/`]);
      },
    },
  ];
  await compare("upload until it is published", size, contenders, amount.rounds);
}

function percentile(values: readonly number[], part: number): number {
  return values.toSorted((left, right) => left - right)[Math.ceil(values.length * part) - 1]!;
}

function printTimes(name: string, times: readonly number[]): void {
  const [p50, p95] = [median(times), percentile(times, 0.95)];
  console.log(`  ${name.padEnd(34)}p50 ${p50.toFixed(1).padStart(7)} ms   p95 ${p95.toFixed(1).padStart(7)} ms`);
}

/** One after another, as a person would. */
async function smallPackages(bench: Bench): Promise<void> {
  const { directory, client, amount } = bench;
  const times = { publish: [] as number[], fetch: [] as number[] };
  const timed = async (list: number[], work: () => Promise<void>): Promise<void> => {
    const started = performance.now();
    await work();
    list.push(performance.now() - started);
  };
  const names = Array.from({ length: amount.smallPackages }, (_, at) => `small-${at}`);
  for (const name of names) {
    const packed = await pack({ directory, name, version: "1.0.0", bytes: 4000 });
    await timed(times.publish, () => publish(bench, packed));
  }
  // Signed metadata follows within a second; from then on every package can be fetched by it.
  await client.packageDocument(canonicalName(parsePackageName(names.at(-1)!)), { refresh: true });
  for (const name of names) {
    await timed(times.fetch, async () => {
      const document = await client.packageDocument(canonicalName(parsePackageName(name)), { refresh: true });
      const [artifact] = document!.versions[0]!.artifacts;
      await client.download({ blob: artifact!.blob, size: artifact!.size }, join(directory, name));
    });
  }
  console.log(`\n${amount.smallPackages} small packages, one after another`);
  printTimes("publish, until it is durable", times.publish);
  printTimes("fetch, index document and file", times.fetch);
}
