import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync, type ChildProcess } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { figure, printFigures, type Figure } from "./lib/measure.ts";
import { freePort, startServer, stopServer } from "./lib/processes.ts";
import { publishSeries } from "./lib/packages.ts";

const root = join(import.meta.dirname, "..");
const VERSIONS = 20;
const ROUNDS = 5;

interface Contender {
  readonly name: string;
  readonly url: string;
  readonly process: ChildProcess;
}

/** Reads of one index document of twenty versions: ours, nginx with the same bytes, Verdaccio with its own of the same package. */
export async function run(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "lading-bench-index-"));
  const contenders: Contender[] = [];
  try {
    const lading = await startLading(directory);
    contenders.push(lading);
    const document = Buffer.from(await (await fetch(lading.url)).arrayBuffer());
    contenders.push(await startNginx(directory, document), await startVerdaccio(directory));
    for (const { name, url } of contenders) {
      const bytes = (await (await fetch(url)).arrayBuffer()).byteLength;
      console.log(`${name}: ${bytes} bytes at ${new URL(url).pathname}`);
    }
    printFigures(`index GET, 32 connections, ${VERSIONS} versions`, measure(contenders));
  } finally {
    for (const { process } of contenders) await stopServer(process);
    rmSync(directory, { recursive: true, force: true });
  }
}

function measure(contenders: readonly Contender[]): Figure[] {
  const rates = contenders.map((): number[] => []);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [index, { url }] of contenders.entries()) {
      const rate = load(url, round === 0 ? 1 : 3);
      if (round > 0) rates[index]!.push(rate);
    }
  }
  return contenders.map(({ name }, index) => figure(name, rates[index]!, "requests/s"));
}

/** One round of wrk from a process of its own; anything but 2xx ends the benchmark. */
function load(url: string, seconds: number): number {
  const { stdout, error } = spawnSync("wrk", ["-t1", "-c32", `-d${seconds}s`, url], { encoding: "utf8" });
  if (error !== undefined) throw new Error("wrk is needed: apt-get install wrk", { cause: error });
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${url} answered with errors:\n${stdout}`);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)![1]);
}

async function startLading(directory: string): Promise<Contender> {
  const port = await freePort();
  const data = join(directory, "lading");
  const url = `http://127.0.0.1:${port}`;
  const process = await startServer(
    globalThis.process.execPath,
    [join(root, "apps/registry/dist/main.js"), "--data", data, "--host", "127.0.0.1", "--port", String(port)],
    `${url}/api/v1/health/live`,
  );
  const token = readFileSync(join(data, "admin-token"), "utf8").trim();
  await publishSeries({ url, token, directory, name: "bench-tool", versions: VERSIONS });
  return { name: "lading-registry", url: `${url}/index/_/be/bench-tool.json`, process };
}

async function startNginx(directory: string, document: Buffer): Promise<Contender> {
  const port = await freePort();
  const home = join(directory, "nginx");
  mkdirSync(join(home, "www"), { recursive: true });
  writeFileSync(join(home, "www/bench-tool.json"), document);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${home}/${name};`);
  writeFileSync(
    join(home, "nginx.conf"),
    `daemon off; pid ${home}/pid; error_log ${home}/error.log; worker_processes 1; user root;
events { worker_connections 256; }
http { access_log off; sendfile on; types { application/json json; } ${temporary.join(" ")}
  server { listen 127.0.0.1:${port}; root ${home}/www; } }`,
  );
  const url = `http://127.0.0.1:${port}/bench-tool.json`;
  const process = await startServer("nginx", ["-c", join(home, "nginx.conf"), "-e", join(home, "error.log")], url);
  return { name: "nginx, one worker, same bytes", url, process };
}

async function startVerdaccio(directory: string): Promise<Contender> {
  const port = await freePort();
  const home = join(directory, "verdaccio");
  mkdirSync(home, { recursive: true });
  writeFileSync(
    join(home, "config.yaml"),
    `storage: ${home}/storage
auth: { htpasswd: { file: ${home}/htpasswd } }
packages: { "**": { access: $all, publish: $all } }
log: { type: stdout, format: json, level: fatal }
`,
  );
  const base = `http://127.0.0.1:${port}`;
  const process = await startServer(
    globalThis.process.execPath,
    [join(import.meta.dirname, "node_modules/verdaccio/bin/verdaccio"), "--config", join(home, "config.yaml"), "--listen", String(port)],
    `${base}/-/ping`,
  );
  for (let patch = 0; patch < VERSIONS; patch++) await publishToVerdaccio(base, `1.0.${patch}`);
  return { name: "Verdaccio", url: `${base}/bench-tool`, process };
}

/** The request that `npm publish` makes. */
async function publishToVerdaccio(base: string, version: string): Promise<void> {
  const tarball = Buffer.from(`not opened by anybody ${version}`);
  const name = "bench-tool";
  const file = `${name}-${version}.tgz`;
  const response = await fetch(`${base}/${name}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      _id: name,
      name,
      "dist-tags": { latest: version },
      versions: {
        [version]: {
          name,
          version,
          description: "A tool of the benchmark",
          license: "MIT",
          dependencies: { "bench-core": "^1.0.0", "bench-util": "^2.1.0" },
          dist: { tarball: `${base}/${name}/-/${file}`, shasum: createHash("sha1").update(tarball).digest("hex") },
        },
      },
      _attachments: { [file]: { content_type: "application/octet-stream", data: tarball.toString("base64"), length: tarball.length } },
    }),
  });
  if (!response.ok) throw new Error(`Verdaccio answered ${response.status}: ${await response.text()}`);
}
