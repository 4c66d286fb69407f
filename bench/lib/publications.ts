import { closeSync, fdatasyncSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { builtinProfile } from "@lading/core-manifest";
import { createContext, pack } from "@lading/engine";
import { cleanEnvironment } from "./peers.ts";
import { verdaccioPublication } from "./registries.ts";

/** One request that publishes a version. */
export interface Upload {
  readonly method: "POST" | "PUT";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** A round of publications. */
export interface Series {
  readonly round: number;
  readonly count: number;
  readonly clients: number;
  readonly directory: string;
}

const PACKAGES = 32;
const PROBE_MS = 1000;

/** Pairs of small writes a second, each made durable, of this disk now: what a durable publication cannot do without. */
export function syncPairs(directory: string): number {
  const path = join(directory, "probe");
  const file = openSync(path, "w");
  const started = performance.now();
  let pairs = 0;
  for (; performance.now() - started < PROBE_MS; pairs += 1) {
    for (let time = 0; time < 2; time += 1) {
      writeSync(file, Buffer.alloc(4096), 0, 4096, pairs * 4096);
      fdatasyncSync(file);
    }
  }
  closeSync(file);
  rmSync(path);
  return (pairs * 1000) / (performance.now() - started);
}

const versionAt = (round: number, at: number): string => `${round}.${Math.floor(at / PACKAGES)}.0`;

/** Uploads of small packages to a registry of ours, as its client sends them. */
export async function ladingUploads(
  registry: { readonly url: string; readonly token: string },
  { round, count, directory }: Series,
): Promise<Upload[]> {
  const uploads: Upload[] = [];
  for (let at = 0; at < count; at += 1) {
    const source = join(directory, "uploads", `${round}-${at}`);
    mkdirSync(source, { recursive: true });
    const name = `load-${at % PACKAGES}`;
    writeFileSync(
      join(source, "lading.toml"),
      `[package]\nname = "${name}"\nversion = "${versionAt(round, at)}"\nlicense = "MIT"\n`,
    );
    writeFileSync(join(source, "index.txt"), `release ${round} ${at}\n`.repeat(100));
    const context = createContext({ profile: builtinProfile("lading"), cwd: source, env: cleanEnvironment(directory) });
    const [packed] = await pack({}, context);
    await context.close();
    const { path, checksum, size, tree } = packed!;
    const head = `--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n${JSON.stringify({ blob: checksum, size, tree })}\r\n--b\r\nContent-Disposition: form-data; name="package"; filename="p.lpk"\r\nContent-Type: application/octet-stream\r\n\r\n`;
    const body = Buffer.concat([Buffer.from(head), readFileSync(path), Buffer.from("\r\n--b--\r\n")]);
    const headers = { authorization: `Bearer ${registry.token}`, "content-type": "multipart/form-data; boundary=b" };
    uploads.push({ method: "POST", url: `${registry.url}/api/v1/packages/`, headers, body });
    rmSync(source, { recursive: true });
  }
  return uploads;
}

/** Uploads of as many small packages to Verdaccio, as npm sends them. */
export function verdaccioUploads({ url }: { readonly url: string }, { round, count }: Series): Upload[] {
  return Array.from({ length: count }, (_, at) => {
    const manifest = { name: `load-${at % PACKAGES}`, version: versionAt(round, at), license: "MIT" };
    const { path, body } = verdaccioPublication(url, manifest, Buffer.from(`release ${round} ${at}\n`.repeat(100)));
    return {
      method: "PUT",
      url: `${url}${path}`,
      headers: { "content-type": "application/json" },
      body: Buffer.from(body),
    };
  });
}

async function send({ method, url, headers, body }: Upload, agent: Agent): Promise<void> {
  const status = await new Promise<number>((resolve, reject) => {
    const outgoing = request(url, { method, agent, headers: { ...headers, "content-length": String(body.length) } });
    outgoing.once("error", reject);
    outgoing.once("response", (answer) => {
      answer.resume();
      answer.once("error", reject);
      answer.once("end", () => resolve(answer.statusCode!));
    });
    outgoing.end(body);
  });
  if (status !== 201) throw new Error(`${method} ${url} was answered ${status}`);
}

/** Sends all uploads; publications a second. Those of one package follow one another. */
export async function publishAll(uploads: readonly Upload[], { clients }: Series): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const started = performance.now();
  const lanes = Array.from({ length: clients }, (_, lane) => uploads.filter((_, at) => at % clients === lane));
  await Promise.all(
    lanes.map(async (lane) => {
      for (const upload of lane) await send(upload, agent);
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  agent.destroy();
  return uploads.length / seconds;
}
