import { spawn, type ChildProcess } from "node:child_process";
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";

const ROOT = path.join(import.meta.dirname, "..");
const LIMIT_MS = 90_000;

let copy: string;
let server: ChildProcess;
let output = "";

/** The repository as far as `pnpm dev` starts it: what is changed is a copy, what it is built from are links. */
beforeAll(() => {
  copy = mkdtempSync(path.join(tmpdir(), "lading-dev-"));
  mkdirSync(path.join(copy, "apps/registry"), { recursive: true });
  for (const name of ["package.json", "src"])
    cpSync(path.join(ROOT, "apps/registry", name), path.join(copy, "apps/registry", name), { recursive: true });
  symlinkSync(path.join(ROOT, "apps/registry/node_modules"), path.join(copy, "apps/registry/node_modules"));
});

afterAll(async () => {
  if (server !== undefined && server.exitCode === null) {
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    await ended;
  }
  rmSync(copy, { recursive: true, force: true, maxRetries: 3 });
});

/** Addresses at which it has listened so far. */
const addresses = (): string[] => [...output.matchAll(/ listens on (http:\S+)/g)].map(([, url]) => url!);

async function started(times: number): Promise<string> {
  for (const deadline = Date.now() + LIMIT_MS; Date.now() < deadline; await delay(100))
    if (addresses().length >= times) return addresses().at(-1)!;
  throw new Error(`it has not started ${times} times:\n${output}`);
}

const health = async (url: string): Promise<number> => (await fetch(`${url}/api/v1/health/ready`)).status;

test("[SRV-29] pnpm dev serves, and restarts with the new code when a file changes", async () => {
  const { scripts } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  const env = {
    PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin`,
    HOME: copy,
    NODE_COMPILE_CACHE: path.join(tmpdir(), "lading-acceptance-cache"),
  };
  // As a package manager runs it: the script's text, with the arguments behind it. `exec` so that the signal reaches it.
  server = spawn("/bin/sh", ["-c", `exec ${scripts["dev"]!} --host 127.0.0.1 --port 0 --data data`], {
    cwd: copy,
    env,
  });
  for (const stream of [server.stdout!, server.stderr!])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));

  expect(await health(await started(1))).toBe(200);
  expect(output).not.toContain("changed by somebody");
  appendFileSync(path.join(copy, "apps/registry/src/main.ts"), 'console.error("changed by somebody");\n');
  const again = await started(2);
  expect(await health(again)).toBe(200);
  // The line stands behind the server's end, so that it shows when the new code is asked to stop.
  appendFileSync(path.join(copy, "apps/registry/src/main.ts"), "// and once more\n");
  expect(await health(await started(3))).toBe(200);
  expect(output).toContain("changed by somebody");
});
