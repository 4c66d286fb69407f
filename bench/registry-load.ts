import { mkdtempSync, rmSync } from "node:fs";
import type { ChildProcess } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { figure, median, printFigures } from "../scripts/bench/measure.ts";
import { versionOf } from "./lib/peers.ts";
import { publishSeries } from "./lib/packages.ts";
import { stopServer, untilIdle } from "./lib/processes.ts";
import { syncPairs } from "../scripts/bench/disk.ts";
import { processorSeconds } from "../scripts/bench/processor-time.ts";
import { ladingUploads, verdaccioUploads } from "./lib/publications.ts";
import { publishToVerdaccio, startLading, startVerdaccio } from "./lib/registries.ts";
import { SEEDED_WORDS, seedRegistry, seededName } from "../scripts/bench/seeded.ts";
import { publishAll } from "../scripts/bench/uploads.ts";
import { load, type Load, type LoadResult } from "./lib/wrk.ts";

const ROUNDS = 5;
const SECONDS = 3;
const VERSIONS = 500;
const PUBLISHERS = 32;
const PUBLICATIONS = 640;
const [SEEDED_PACKAGES, SEEDED_VERSIONS] = [10_000, 10];

interface Server {
  readonly name: string;
  readonly base: string;
  readonly process: ChildProcess;
}

/** A registry under load: a long index beside Verdaccio's, a thousand connections, durable publications, a full registry. */
export async function run(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "lading-bench-load-"));
  console.log(`\n${versionOf("wrk", ["-v"])}`);
  try {
    await longIndex(directory);
    await publications(directory);
    await fullRegistry(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function printLoad(name: string, results: readonly LoadResult[]): void {
  const middle = (pick: (result: LoadResult) => number, digits = 0): string =>
    median(results.map(pick)).toFixed(digits);
  const errors = results.reduce((sum, result) => sum + result.errors, 0);
  console.log(
    `  ${name.padEnd(44)}${middle((r) => r.rate).padStart(8)} requests/s, ${middle((r) => r.perProcessorSecond).padStart(8)} per processor second, p50 ${middle((r) => r.p50, 1)} ms, p95 ${middle((r) => r.p95, 1)} ms, p99 ${middle((r) => r.p99, 1)} ms, ${errors} errors`,
  );
}

async function rounds(directory: string, servers: readonly Server[], loads: readonly Load[]): Promise<LoadResult[][]> {
  const results = servers.map((): LoadResult[] => []);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [at, { base, process }] of servers.entries()) {
      // What was asked of another server in its round and not waited for would take a processor from this one.
      for (const other of servers) await untilIdle(other.process);
      const result = load(directory, base, process, loads[at]!);
      // The first round warms up.
      if (round > 0) results[at]!.push(result);
    }
  }
  return results;
}

async function longIndex(directory: string): Promise<void> {
  const lading = await startLading(directory);
  const verdaccio = await startVerdaccio(directory);
  try {
    await publishSeries({ ...lading, directory, name: "bench-tool", versions: VERSIONS });
    for (let patch = 0; patch < VERSIONS; patch++) {
      const manifest = { name: "bench-tool", version: `1.0.${patch}`, dependencies: { "bench-core": "^1.0.0" } };
      await publishToVerdaccio(verdaccio.url, manifest, Buffer.from(`not opened by anybody ${patch}`));
    }
    const ours = { name: "lading-registry", base: lading.url, process: lading.process };
    const servers = [ours, { name: "Verdaccio", base: verdaccio.url, process: verdaccio.process }];
    const document = { paths: ["/index/_/be/bench-tool.json"], connections: 50, seconds: SECONDS };
    const found = await rounds(directory, servers, [document, { ...document, paths: ["/bench-tool"] }]);
    console.log(`\nindex GET, ${VERSIONS} versions, 50 connections`);
    for (const [at, { name }] of servers.entries()) printLoad(name, found[at]!);
    const rate = (at: number): number => median(found[at]!.map((result) => result.rate));
    console.log(`  ours / theirs: ${(rate(0) / rate(1)).toFixed(0)}`);
    console.log("\n1,000 connections");
    for (const paths of [document.paths, ["/api/v1/packages/bench-tool"]]) {
      const [many] = await rounds(directory, [ours], [{ paths, connections: 1000, seconds: SECONDS }]);
      printLoad(paths[0]!, many!);
    }
  } finally {
    await stopServer(lading.process);
    await stopServer(verdaccio.process);
    for (const name of ["lading", "verdaccio"]) rmSync(join(directory, name), { recursive: true, force: true });
  }
}

async function publications(directory: string): Promise<void> {
  const lading = await startLading(directory);
  const verdaccio = await startVerdaccio(directory);
  try {
    const rates = { ours: [] as number[], theirs: [] as number[], pairs: [] as number[], cost: [] as number[] };
    for (let round = 0; round <= ROUNDS; round++) {
      const pairs = syncPairs(directory);
      const given = { round, count: PUBLICATIONS, directory };
      const uploads = await ladingUploads(lading, given);
      const before = processorSeconds(lading.process.pid!);
      const ours = await publishAll(uploads, PUBLISHERS);
      const cost = ((processorSeconds(lading.process.pid!) - before) * 1000) / PUBLICATIONS;
      const theirs = await publishAll(verdaccioUploads(verdaccio, given), PUBLISHERS);
      if (round === 0) continue;
      rates.pairs.push(pairs);
      rates.ours.push(ours);
      rates.theirs.push(theirs);
      rates.cost.push(cost);
    }
    printFigures(`durable publications, ${PUBLISHERS} clients, small packages`, [
      figure("lading-registry", rates.ours, "requests/s"),
      figure("Verdaccio", rates.theirs, "requests/s"),
      figure("pairs of syncs on this disk", rates.pairs, "requests/s"),
    ]);
    console.log(`  ${median(rates.cost).toFixed(2)} ms of our server's processor time each`);
  } finally {
    await stopServer(lading.process);
    await stopServer(verdaccio.process);
  }
}

async function fullRegistry(directory: string): Promise<void> {
  const data = await seedRegistry(directory, SEEDED_PACKAGES, SEEDED_VERSIONS);
  const lading = await startLading(directory, { data });
  try {
    const server = { name: "lading-registry", base: lading.url, process: lading.process };
    const names = Array.from({ length: 500 }, (_, i) => seededName(i * 20));
    const cases: Readonly<Record<string, readonly string[]>> = {
      "index document of a package": names.map((name) => `/index/_/${name.slice(0, 2)}/${name}.json`),
      "metadata of a package": names.map((name) => `/api/v1/packages/${name}`),
      "versions of a package": names.map((name) => `/api/v1/packages/${name}/versions`),
      "search by a word": SEEDED_WORDS.map((word) => `/api/v1/packages/?q=${word}`),
      "search by a prefix": SEEDED_WORDS.map((word) => `/api/v1/packages/?q=${word.slice(0, 3)}`),
    };
    console.log(`\n${SEEDED_PACKAGES} packages of ${SEEDED_VERSIONS} versions, 16 connections`);
    for (const [name, paths] of Object.entries(cases)) {
      const [found] = await rounds(directory, [server], [{ paths, connections: 16, seconds: SECONDS }]);
      printLoad(name, found!);
    }
  } finally {
    await stopServer(lading.process);
  }
}
