import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import { removeTemporary, sha256 } from "./lib/more.ts";

const PART = 64 * 1024;
const SIZE = 6 * 2 ** 20;
const ENV = { REGISTRY_UPLOAD_FROM: "1MiB", REGISTRY_UPLOAD_PART: "64KiB" };
afterAll(() => removeTemporary());

/** Id of a registry's process, by its data directory, which no other one has. */
async function processOf(sandbox: Sandbox, { data }: RegistryProcess): Promise<number> {
  const { stdout } = await sandbox.ok(`pgrep -f -- "main.ts --data ${data} "`);
  return Math.min(...stdout.trim().split("\n").map(Number));
}

function partsOf({ data }: RegistryProcess): number {
  const uploads = path.join(data, "uploads");
  if (!existsSync(uploads)) return 0;
  return readdirSync(uploads).reduce((sum, id) => sum + readdirSync(path.join(uploads, id)).length, 0);
}

test("[STO-05] a large publication whose server is killed goes on where it was when it is run again", async () => {
  const first = await startRegistry({ env: ENV });
  const box = createSandbox({ env: { LADING_TOKEN: first.token } });
  await box.ok(`lading registry add local ${first.url}`);
  let again: RegistryProcess | undefined;
  try {
    box.write("large/lading.toml", '[package]\nname = "large"\nversion = "1.0.0"\n');
    writeFileSync(box.path("large", "random.bin"), randomBytes(SIZE));
    const pid = await processOf(box, first);
    const running = box.line("lading publish", { cwd: "large" });
    await expect.poll(() => partsOf(first), { timeout: 60_000, interval: 2 }).toBeGreaterThan(4);
    process.kill(pid, "SIGKILL");
    const parts = partsOf(first);
    expect(parts).toBeLessThan(SIZE / PART);
    again = await startRegistry({ data: first.data, port: Number(new URL(first.url).port), env: ENV });
    // It may have found the server again by itself.
    const interrupted = await running;
    const { code, stderr } = await box.line("lading publish", { cwd: "large" });
    expect([code, [0, 5].includes(interrupted.code), stderr]).toEqual([0, true, expect.anything()]);
    const version = await fetch(`${again.url}/api/v1/packages/large/versions/1.0.0`);
    const [artifact] = ((await version.json()) as { artifacts: { blob: string; size: number }[] }).artifacts;
    const sent = (): number => again!.output().match(/"method":"PATCH"/g)?.length ?? 0;
    // What was there when the server died is not sent again; one part may have broken off in the middle.
    await expect.poll(sent, { timeout: 10_000 }).toBeGreaterThan(0);
    expect(sent()).toBeLessThanOrEqual(Math.ceil(artifact!.size / PART) - parts + 1);
    const blob = await fetch(`${again.url}/blobs/sha256/${artifact!.blob.slice(7)}`);
    expect(sha256(new Uint8Array(await blob.arrayBuffer()))).toBe(artifact!.blob);
    expect(partsOf(again)).toBe(0);
  } finally {
    await again?.dispose();
    await first.dispose();
    await box.dispose();
  }
});
