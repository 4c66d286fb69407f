import { execFileSync } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { pack, publish, startRegistry, straceProblem, temporaryDirectory } from "./support.ts";

let directory: string;
beforeAll(async () => {
  directory = await temporaryDirectory();
});
afterAll(async () => rm(directory, { recursive: true, force: true }));

const problem = straceProblem();
it.skipIf(problem !== undefined)(
  `an offline client opens no socket${problem === undefined ? "" : ` (skipped: ${problem})`}`,
  async () => {
    const registry = await startRegistry(join(directory, "data"));
    const packed = await pack({ directory, name: "cached", version: "1.0.0", bytes: 1000 });
    expect((await publish(registry, packed)).status).toBe(201);
    const client = [process.execPath, "-C", "@lading/source", join(import.meta.dirname, "offline-client.ts")];
    const run = (mode: string, trace: string): string => {
      const wrapped = ["-f", "-e", "trace=socket,connect,sendto,sendmsg", "-o", trace, ...client];
      return execFileSync("strace", [...wrapped, registry.url, join(directory, "cache"), mode], { encoding: "utf8" });
    };
    const online = join(directory, "online");
    expect(run("online", online)).toBe("1.0.0\nnone\n1 found\n");
    // The trace shows a socket where there is one: otherwise the next lines would prove nothing.
    expect(await readFile(online, "utf8")).toMatch(/socket\(AF_INET/);
    await registry.stop();
    const offline = join(directory, "offline");
    expect(run("offline", offline)).toBe("1.0.0\nnone\nREGISTRY_OFFLINE\n");
    expect(await readFile(offline, "utf8")).not.toMatch(/socket\(AF_INET|connect\(/);
  },
);
