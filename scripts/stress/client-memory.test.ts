import { spawn } from "node:child_process";
import { mkdir, open, rm, stat, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startRegistry, temporaryDirectory, type RegistryProcess } from "./support.ts";

const MIB = 2 ** 20;
const ALLOWANCE = 128 * MIB;
/** Bytes of the large package: `LADING_STRESS_BYTES=1000000000` for the gigabyte of the requirement, which takes minutes. */
const LARGE = Number(process.env["LADING_STRESS_BYTES"] ?? 256 * MIB);
const main = new URL("../../apps/lading/src/main.ts", import.meta.url).pathname;

let directory: string;
let registry: RegistryProcess;
beforeAll(async () => {
  directory = await temporaryDirectory();
  registry = await startRegistry(join(directory, "registry"));
  // A busy machine takes longer than the usual 30 seconds to check a gigabyte before it answers.
  await peakOf(directory, "registry", "add", "stress", registry.url, "--timeout", "600");
});
afterAll(async () => {
  await registry.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Runs the command line as a process and returns its peak of resident memory, in bytes. */
async function peakOf(cwd: string, ...args: string[]): Promise<number> {
  const env = { PATH: process.env["PATH"], HOME: directory, LADING_TOKEN: registry.token, NO_COLOR: "1" };
  const command = ["-C", "@lading/source", main, ...args];
  const child = spawn(process.execPath, command, { cwd, env, stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  let peak = 0;
  // The kernel keeps the high-water mark, so looking now and then loses nothing but what the last moments add.
  const timer = setInterval(() => (peak = Math.max(peak, highWaterMark(child.pid!))), 10);
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  clearInterval(timer);
  if (code !== 0) throw new Error(`lading ${args.join(" ")} ended with ${code}: ${errors}`);
  return peak;
}

function highWaterMark(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return 0;
    throw error;
  }
}

async function writeProject(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const project = join(directory, name);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(project, path)), { recursive: true });
    await writeFile(join(project, path), text);
  }
  return project;
}

/** Half noise, half text, as programs with their data are. */
async function writeContent(path: string, bytes: number): Promise<void> {
  const text = Buffer.alloc(MIB / 2, "the same line of text again and again\n");
  const file = await open(path, "w");
  for (let left = bytes; left > 0; left -= MIB)
    await file.write(Buffer.concat([randomBytes(MIB / 2), text]).subarray(0, left));
  await file.close();
}

/** Packs, publishes and installs a package of `bytes`, and returns the peak of each command. */
async function peaks(name: string, bytes: number): Promise<Record<"pack" | "publish" | "install", number>> {
  const source = await writeProject(name, { "lading.toml": `[package]\nname = "${name}"\nversion = "1.0.0"\n` });
  await writeContent(join(source, "content.bin"), bytes);
  const pack = await peakOf(source, "pack");
  const publish = await peakOf(source, "publish", "--registry", "stress", "--yes");
  const user = await writeProject(`${name}-user`, {
    "lading.toml": `[package]\nname = "${name}-user"\nversion = "1.0.0"\n\n[dependencies]\n${name} = "^1.0.0"\n`,
  });
  const install = await peakOf(user, "install", "--registry", "stress", "--yes");
  expect((await stat(join(user, `lading_packages/${name}/content.bin`))).size).toBe(bytes);
  return { pack, publish, install };
}

it.skipIf(process.platform !== "linux")(
  `pack, publish and install of ${Math.round(LARGE / 1e6)} MB grow the client by at most 128 MiB each`,
  async () => {
    const idle = await peaks("small", 1000);
    const large = await peaks("large", LARGE);
    for (const command of ["pack", "publish", "install"] as const) {
      const growth = large[command] - idle[command];
      console.log(
        `${command}: ${Math.round(growth / MIB)} MiB of growth (peak ${Math.round(large[command] / MIB)}), allowed ${ALLOWANCE / MIB}`,
      );
      expect(growth).toBeLessThanOrEqual(ALLOWANCE);
    }
  },
);
