import { execFileSync } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { pack, publish, startRegistry, straceProblem, temporaryDirectory } from "./support.ts";

/** System calls in the order of their completion; the start of a write counts as its time. */
function systemCalls(trace: string): string[] {
  const calls: string[] = [];
  const unfinished = new Map<string, string>();
  for (const line of trace.split("\n")) {
    const [, pid, rest] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || rest === undefined) continue;
    if (/^(?:write|writev|sendto|sendmsg)\(/.test(rest)) calls.push(rest);
    else if (rest.endsWith("<unfinished ...>")) unfinished.set(pid, rest.slice(0, -"<unfinished ...>".length));
    else if (rest.startsWith("<...")) {
      calls.push(`${unfinished.get(pid) ?? ""}${rest.replace(/^<\.\.\. \w+ resumed>/, "")}`);
      unfinished.delete(pid);
    } else calls.push(rest);
  }
  return calls;
}

let directory: string;
beforeAll(async () => {
  directory = await temporaryDirectory();
});
afterAll(async () => rm(directory, { recursive: true, force: true }));

const problem = straceProblem();
it.skipIf(problem !== undefined)(
  `every 201 is preceded by the syncs of blob, folder and database${problem === undefined ? "" : ` (skipped: ${problem})`}`,
  async () => {
    const data = join(directory, "data");
    // A first run, so that no folder of the layout is new.
    const warm = await startRegistry(data);
    await warm.stop();
    const output = join(directory, "trace");
    const calls = "trace=fsync,fdatasync,rename,renameat,renameat2,write,writev,sendto,sendmsg";
    const registry = await startRegistry(data, {
      wrapper: ["strace", "-f", "-y", "-s", "200", "-e", calls, "-o", output],
    });
    const published = [];
    for (let number = 0; number < 5; number += 1) {
      const packed = await pack({ directory, name: `durable-${number}`, version: "1.0.0", bytes: 10_000 });
      expect((await publish(registry, packed)).status).toBe(201);
      published.push(packed);
    }
    // strace passes SIGTERM on to nobody: the server is told directly.
    const server = execFileSync("pgrep", ["-P", String(registry.pid)], { encoding: "utf8" }).trim();
    process.kill(Number(server.split("\n")[0]), "SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const seen = systemCalls(await readFile(output, "utf8"));
    let from = 0;
    for (const { blob } of published) {
      const hex = blob.slice("sha256:".length);
      const answer = seen.findIndex((call, at) => at > from && /HTTP\/1\.1 201/.test(call));
      expect(answer, "a 201 in the trace").toBeGreaterThan(from);
      const before = seen.slice(from, answer);
      const renamed = before.findIndex(
        (call) => call.startsWith("rename") && call.includes(`/blobs/sha256/${hex.slice(0, 2)}/${hex}`),
      );
      expect(renamed, `rename of ${hex}`).toBeGreaterThanOrEqual(0);
      const temporary = /"([^"]*\/tmp\/upload-[^"]*)"/.exec(before[renamed]!)?.[1];
      const synced = (call: string, path: string): boolean =>
        /^f(?:data)?sync\(/.test(call) && call.includes(`<${path}>`) && call.endsWith(" = 0");
      const file = before.findIndex((call) => synced(call, temporary!));
      expect(file, "sync of the blob's file").toBeGreaterThanOrEqual(0);
      expect(file, "file synced before its rename").toBeLessThan(renamed);
      const folder = before.findIndex(
        (call, at) => at > renamed && synced(call, join(data, "blobs/sha256", hex.slice(0, 2))),
      );
      expect(folder, "sync of the blob's folder, after the rename").toBeGreaterThan(renamed);
      const database = before.findIndex((call, at) => at > folder && synced(call, join(data, "registry.db-wal")));
      expect(database, "sync of the database's log, after the blob").toBeGreaterThan(folder);
      from = answer;
    }
  },
);
