import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "lading-app-"));
});
afterAll(async () => rm(directory, { recursive: true, force: true }));

it("lading-registry starts without configuration, serves, and ends with 0 on SIGTERM", async () => {
  const main = join(import.meta.dirname, "../src/main.ts");
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, ["-C", "@lading/source", main, "--port", "0"], {
    cwd: directory,
    env: { PATH, HOME },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  let output = "";
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stdout.resume();
  await expect.poll(() => output, { timeout: 20_000 }).toMatch(/lading-registry listens on http:\/\/127\.0\.0\.1:\d+/);
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(output)![0];
  const token = (await readFile(join(directory, "lading-data", "admin-token"), "utf8")).trim();
  const whoami = await fetch(`${url}/api/v1/auth/whoami`, { headers: { authorization: `Bearer ${token}` } });
  expect(await whoami.json()).toMatchObject({ username: "admin", admin: true });
  child.kill("SIGTERM");
  expect(await ended).toBe(0);
}, 30_000);
