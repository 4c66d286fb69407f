import { spawnSync, type ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { processorSeconds } from "../../scripts/bench/processor-time.ts";

/** What a round of requests is. */
export interface Load {
  readonly connections: number;
  readonly seconds: number;
  /** Addresses below `base`, of which each request takes one at random. */
  readonly paths: readonly string[];
}

/** How a round of requests went. */
export interface LoadResult {
  readonly requests: number;
  /** Requests a second. */
  readonly rate: number;
  /** Milliseconds within which 50, 95 and 99 of a hundred requests were answered. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** Answers other than 2xx and 3xx, connections that failed, and requests without an answer. */
  readonly errors: number;
  /** Requests for each second of the server's processor time; 0 where it cannot be known. */
  readonly perProcessorSecond: number;
}

function script(paths: readonly string[]): string {
  return `local paths = { ${paths.map((path) => JSON.stringify(path)).join(", ")} }
math.randomseed(os.time())
function request() return wrk.format("GET", paths[math.random(#paths)]) end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("\\nRESULT {\\"requests\\":%d,\\"us\\":%d,\\"p50\\":%d,\\"p95\\":%d,\\"p99\\":%d,\\"errors\\":%d}\\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(95), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
`;
}

/** One round of wrk, from a process of its own, against the server `child` at `base`. */
export function load(
  directory: string,
  base: string,
  child: ChildProcess,
  { connections, seconds, paths }: Load,
): LoadResult {
  const file = join(directory, "paths.lua");
  writeFileSync(file, script(paths));
  const before = processorSeconds(child.pid!);
  const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "-s", file, base];
  const { stdout, error } = spawnSync("wrk", args, { encoding: "utf8" });
  if (error !== undefined) throw new Error('"wrk" is needed for this benchmark', { cause: error });
  const used = processorSeconds(child.pid!) - before;
  const found = /^RESULT (.+)$/m.exec(stdout)?.[1];
  if (found === undefined) throw new Error(`wrk told nothing of ${base}:\n${stdout}`);
  const { requests, us, p50, p95, p99, errors } = JSON.parse(found) as Record<
    "requests" | "us" | "p50" | "p95" | "p99" | "errors",
    number
  >;
  return {
    requests,
    rate: (requests * 1_000_000) / us,
    p50: p50 / 1000,
    p95: p95 / 1000,
    p99: p99 / 1000,
    errors,
    perProcessorSecond: used === 0 ? 0 : requests / used,
  };
}
