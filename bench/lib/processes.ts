import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { createServer } from "node:net";
import { processorSeconds } from "../../scripts/bench/processor-time.ts";

/** A port of the loopback interface that was free a moment ago. */
export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Starts a server process and waits until `url` answers at all. */
export async function startServer(
  command: string,
  args: readonly string[],
  url: string,
  options: SpawnOptions = {},
): Promise<ChildProcess> {
  const child = spawn(command, args, { stdio: "ignore", ...options });
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`${command} ended with ${child.exitCode}`);
    try {
      await (await fetch(url)).arrayBuffer();
      return child;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  child.kill();
  throw new Error(`${command} did not answer at ${url} within 30 s`);
}

const IDLE_LOOK_MS = 200;
const IDLE_SHARE = 0.05;

/** Waits until a process leaves its processor alone; 30 s at most. */
export async function untilIdle(child: ChildProcess): Promise<void> {
  const deadline = performance.now() + 30_000;
  for (let used = Number.POSITIVE_INFINITY; performance.now() < deadline && used > IDLE_SHARE * IDLE_LOOK_MS;) {
    const before = processorSeconds(child.pid!);
    await new Promise((resolve) => setTimeout(resolve, IDLE_LOOK_MS));
    used = (processorSeconds(child.pid!) - before) * 1000;
  }
}

export async function stopServer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}
