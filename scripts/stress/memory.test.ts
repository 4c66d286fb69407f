import { execFileSync } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { pack, publish, startRegistry, temporaryDirectory, type Packed, type RegistryProcess } from "./support.ts";

const MIB = 2 ** 20;
const DECODE_BUDGET = 256 * MIB;
const ALLOWANCE = 128 * MIB;
const IDLE_MAX = 120 * MIB;

async function memory(pid: number, field: "VmRSS" | "VmHWM"): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)![1]) * 1024;
}

/** Peak of resident memory above the idle server's while `work` runs, in bytes. */
async function growth(registry: RegistryProcess, work: () => Promise<void>): Promise<number> {
  const before = await memory(registry.pid, "VmRSS");
  // Resets the high-water mark (proc(5), clear_refs).
  await writeFile(`/proc/${registry.pid}/clear_refs`, "5");
  await work();
  return (await memory(registry.pid, "VmHWM")) - before;
}

let directory: string;
beforeAll(async () => {
  directory = await temporaryDirectory();
});
afterAll(async () => rm(directory, { recursive: true, force: true }));

async function warmServer(name: string): Promise<RegistryProcess> {
  const registry = await startRegistry(join(directory, name));
  const small = await pack({ directory, name: `warm-${name}`, version: "1.0.0", bytes: 100_000 });
  expect((await publish(registry, small)).status).toBe(201);
  return registry;
}

it.skipIf(process.platform !== "linux")(
  "eight publishes of 100 MB at once stay within the decode budget plus 128 MiB",
  async () => {
    const packages: Packed[] = [];
    for (let number = 0; number < 8; number += 1) {
      packages.push(await pack({ directory, name: `large-${number}`, version: "1.0.0", bytes: 100_000_000, level: 9 }));
    }
    const registry = await warmServer("eight");
    const grown = await growth(registry, async () => {
      const answers = await Promise.all(packages.map((packed) => publish(registry, packed)));
      expect(answers.map(({ status }) => status)).toEqual(packages.map(() => 201));
    });
    console.log(
      `eight publishes of 100 MB: ${Math.round(grown / MIB)} MiB of growth, allowed ${(DECODE_BUDGET + ALLOWANCE) / MIB}`,
    );
    expect(grown).toBeLessThanOrEqual(DECODE_BUDGET + ALLOWANCE);
    expect(await registry.stop()).toBe(0);
  },
);

it.skipIf(process.platform !== "linux")("a publish of 1 GB grows the server by at most 128 MiB", async () => {
  const packed = await pack({ directory, name: "huge", version: "1.0.0", bytes: 1_000_000_000 });
  const registry = await warmServer("huge");
  const grown = await growth(registry, async () => {
    expect((await publish(registry, packed)).status).toBe(201);
  });
  console.log(`a publish of 1 GB: ${Math.round(grown / MIB)} MiB of growth, allowed ${ALLOWANCE / MIB}`);
  expect(grown).toBeLessThanOrEqual(ALLOWANCE);
  expect(await registry.stop()).toBe(0);
});

it.skipIf(process.platform !== "linux")("a built server holds at most 120 MiB when it is idle after work", async () => {
  const build = ["exec", "turbo", "run", "build", "--filter=@lading/registry-app...", "--output-logs=errors-only"];
  execFileSync("npx", ["--yes", "--prefer-offline", "pnpm@12.21.0", ...build], { stdio: "inherit" });
  const registry = await startRegistry(join(directory, "idle"), { built: true });
  for (const version of ["1.0.0", "1.0.1", "1.0.2"]) {
    const packed = await pack({ directory, name: "small", version, bytes: 100_000 });
    expect((await publish(registry, packed)).status).toBe(201);
  }
  await expect.poll(() => memory(registry.pid, "VmRSS"), { timeout: 60_000, interval: 500 }).toBeLessThan(IDLE_MAX);
  console.log(
    `an idle server: ${Math.round((await memory(registry.pid, "VmRSS")) / MIB)} MiB, allowed ${IDLE_MAX / MIB}`,
  );
  expect(await registry.stop()).toBe(0);
});
