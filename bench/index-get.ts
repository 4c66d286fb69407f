import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync, type ChildProcess } from "node:child_process";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { figure, printFigures, type Figure } from "../scripts/bench/measure.ts";
import { versionOf } from "./lib/peers.ts";
import { freePort, startServer, stopServer } from "./lib/processes.ts";
import { publishSeries } from "./lib/packages.ts";
import { publishToVerdaccio, startLading, startVerdaccio } from "./lib/registries.ts";
import { processorSeconds } from "../scripts/bench/processor-time.ts";

const VERSIONS = 20;
const ROUNDS = 7;
const SECONDS = 3;
const CONNECTIONS = 32;

interface Contender {
  readonly name: string;
  readonly url: string;
  readonly process: ChildProcess;
}

/** Reads of one index document of twenty versions: ours, nginx with the same bytes, Verdaccio with its own of the same package. */
export async function run(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "lading-bench-index-"));
  const contenders: Contender[] = [];
  console.log(`\n${versionOf("wrk", ["-v"])}; ${versionOf("nginx", ["-v"])}`);
  try {
    const lading = await loadedLading(directory);
    contenders.push(lading);
    const document = Buffer.from(await (await fetch(lading.url)).arrayBuffer());
    contenders.push(await startNginx(directory, document));
    contenders.push(await loadedVerdaccio(directory));
    for (const { name, url } of contenders) {
      const bytes = (await (await fetch(url)).arrayBuffer()).byteLength;
      console.log(`${name}: ${bytes} bytes at ${new URL(url).pathname}`);
    }
    const { rates, costs } = measure(contenders);
    const title = `index GET, ${CONNECTIONS} connections, ${VERSIONS} versions`;
    printFigures(title, rates);
    if (costs.length > 0) printFigures(`${title}, for each second of the server's processor time`, costs);
  } finally {
    for (const { process } of contenders) await stopServer(process);
    rmSync(directory, { recursive: true, force: true });
  }
}

function measure(contenders: readonly Contender[]): { rates: Figure[]; costs: Figure[] } {
  const rates = contenders.map((): number[] => []);
  const costs = contenders.map((): number[] => []);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [index, { url, process }] of contenders.entries()) {
      const before = processorSeconds(process.pid!);
      const { rate, requests } = load(url, round === 0 ? 1 : SECONDS);
      const used = processorSeconds(process.pid!) - before;
      if (round === 0) continue;
      rates[index]!.push(rate);
      costs[index]!.push(requests / used);
    }
  }
  const figures = (values: readonly number[][]): Figure[] =>
    contenders.map(({ name }, index) => figure(name, values[index]!, "requests/s"));
  return { rates: figures(rates), costs: platform() === "linux" ? figures(costs) : [] };
}

/** One round of wrk from a process of its own; anything but 2xx ends the benchmark. */
function load(url: string, seconds: number): { rate: number; requests: number } {
  const args = ["-t1", `-c${CONNECTIONS}`, `-d${seconds}s`, url];
  const { stdout, error } = spawnSync("wrk", args, { encoding: "utf8" });
  if (error !== undefined) throw new Error('"wrk" is needed for this benchmark', { cause: error });
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${url} answered with errors:\n${stdout}`);
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)![1]);
  return { rate, requests: Number(/(\d+) requests in/.exec(stdout)![1]) };
}

async function loadedLading(directory: string): Promise<Contender> {
  const { url, token, process } = await startLading(directory);
  await publishSeries({ url, token, directory, name: "bench-tool", versions: VERSIONS });
  return { name: "lading-registry", url: `${url}/index/_/be/bench-tool.json`, process };
}

async function startNginx(directory: string, document: Buffer): Promise<Contender> {
  const port = await freePort();
  const home = join(directory, "nginx");
  mkdirSync(join(home, "www"), { recursive: true });
  writeFileSync(join(home, "www/bench-tool.json"), document);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${home}/${name};`,
  );
  // `user` counts only where nginx is started by root, and is a warning elsewhere.
  const user = globalThis.process.getuid?.() === 0 ? "user root;" : "";
  writeFileSync(
    join(home, "nginx.conf"),
    `daemon off; pid ${home}/pid; error_log ${home}/error.log; worker_processes 1; ${user}
events { worker_connections 256; }
http { access_log off; sendfile on; types { application/json json; } ${temporary.join(" ")}
  server { listen 127.0.0.1:${port}; root ${home}/www; } }`,
  );
  const url = `http://127.0.0.1:${port}/bench-tool.json`;
  const process = await startServer("nginx", ["-c", join(home, "nginx.conf"), "-e", join(home, "error.log")], url);
  return { name: "nginx, one worker, same bytes", url, process };
}

async function loadedVerdaccio(directory: string): Promise<Contender> {
  const { url, process } = await startVerdaccio(directory);
  for (let patch = 0; patch < VERSIONS; patch++) {
    const version = `1.0.${patch}`;
    const manifest = {
      name: "bench-tool",
      version,
      description: "A tool of the benchmark",
      license: "MIT",
      dependencies: { "bench-core": "^1.0.0", "bench-util": "^2.1.0" },
    };
    await publishToVerdaccio(url, manifest, Buffer.from(`not opened by anybody ${version}`));
  }
  return { name: "Verdaccio", url: `${url}/bench-tool`, process };
}
