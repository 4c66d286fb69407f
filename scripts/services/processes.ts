import { execFile, spawn, type ChildProcess } from "node:child_process";
import { createServer, type AddressInfo } from "node:net";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

/** Debian packages that the suite starts its services from. */
export const DEBIAN_PACKAGES = "slapd postgresql redis-server radosgw ceph-mon ceph-osd";

/** A program that is not installed fails the suite, and says what to do. */
export function missing(program: string): Error {
  return new Error(
    `Cannot find ${program}: this suite runs against the real thing; install it with: apt-get install --no-install-recommends ${DEBIAN_PACKAGES}`,
  );
}

/** Runs a program to its end. */
export async function run(program: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 16 * 2 ** 20 });
    return stdout;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw missing(program);
    throw error;
  }
}

/** A process of the suite, with what it printed. */
export interface Service {
  readonly pid: number;
  readonly printed: () => string;
  /** Ends it at once with SIGKILL. */
  kill(): Promise<void>;
  /** Asks it to end. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  readonly running: () => boolean;
}

/** Starts a program that stays. It dies with this process, however that ends. */
export async function startService(program: string, args: readonly string[]): Promise<Service> {
  // The kernel ends the service when its parent is gone: a test run that is killed leaves nothing behind.
  const child: ChildProcess = spawn("setpriv", ["--pdeathsig", "KILL", program, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  const note = (chunk: Buffer): void => {
    printed = (printed + chunk.toString()).slice(-20_000);
  };
  child.stdout?.on("data", note);
  child.stderr?.on("data", note);
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", () => reject(missing("setpriv")));
  });
  return {
    pid: child.pid!,
    printed: () => printed,
    running: () => child.exitCode === null && child.signalCode === null,
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
    stop: async (signal = "SIGTERM") => {
      child.kill(signal);
      const late = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await ended;
      clearTimeout(late);
    },
  };
}

/** A port of the loopback interface that nobody has. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** Waits until `works` does not reject any more. */
export async function until(
  what: string,
  works: () => Promise<unknown>,
  options: { readonly seconds?: number; readonly service?: Service } = {},
): Promise<void> {
  const { seconds = 30, service } = options;
  const end = performance.now() + seconds * 1000;
  for (;;) {
    try {
      await works();
      return;
    } catch (error) {
      const over = performance.now() > end || service?.running() === false;
      if (over)
        throw new Error(`${what} did not come up: ${String(error)}\n${service?.printed() ?? ""}`, { cause: error });
    }
    await delay(50);
  }
}

/** A directory that goes with {@link Directory.remove}. */
export interface Directory {
  readonly path: string;
  remove(): Promise<void>;
}

/** A fresh directory that every user may enter. */
export async function freshDirectory(name: string): Promise<Directory> {
  const path = await mkdtemp(join(tmpdir(), `lading-${name}-`));
  await chmod(path, 0o755);
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
