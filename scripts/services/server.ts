import { spawn, type ChildProcess } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { BucketAccess } from "./radosgw.ts";

const root = join(import.meta.dirname, "../..");

/** A registry server as its operator starts it. */
export interface Server {
  readonly url: string;
  /** Data directory of this server alone. */
  readonly data: string;
  readonly pid: number;
  /** What it wrote to its log, at most the last lines. */
  readonly lines: () => readonly string[];
  kill(): Promise<void>;
  /** Asks it to end; resolves with its exit code. */
  stop(): Promise<number | null>;
}

/** How a server is started. */
export interface ServerOptions {
  readonly data: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
  /** Put before the command line, `prlimit …`. */
  readonly wrapper?: readonly string[];
}

/** Variables that name an S3 bucket to a server. */
export function bucketVariables(access: BucketAccess): Readonly<Record<string, string>> {
  return {
    S3_BUCKET_NAME: access.bucket,
    S3_REGION: access.region,
    S3_ENDPOINT_URL: access.endpoint,
    AWS_ACCESS_KEY_ID: access.accessKeyId,
    AWS_SECRET_ACCESS_KEY: access.secretAccessKey,
  };
}

function environment(own: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, ...(TMPDIR === undefined ? {} : { TMPDIR }), ...own };
}

const PROGRAM = [process.execPath, "-C", "@lading/source", join(root, "apps/registry/src/main.ts")];

/** Starts a server on a free port of the loopback interface. */
export async function startServer({ data, env, flags = [], wrapper = [] }: ServerOptions): Promise<Server> {
  const own = ["--data", data, "--host", "127.0.0.1", "--port", "0", "--log-level", "warn", "--login-rate-limit", "0"];
  const [program, ...args] = [...wrapper, ...PROGRAM, ...own, ...flags];
  const child = spawn(program!, args, { env: environment(env), stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const lines: string[] = [];
  const url = await listening(child, lines);
  return {
    url,
    data,
    pid: child.pid!,
    lines: () => lines,
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
    stop: async () => {
      child.kill("SIGTERM");
      return ended;
    },
  };
}

async function listening(child: ChildProcess, lines: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const look = (line: string): void => {
      lines.push(line);
      if (lines.length > 200) lines.shift();
      const found = / listens on (http:\S+)/.exec(line);
      if (found !== null) resolve(found[1]!);
    };
    createInterface({ input: child.stderr! }).on("line", look);
    createInterface({ input: child.stdout! }).on("line", look);
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${lines.join("\n")}`)));
  });
}

/** The token of the account that a server made at its first start. */
export async function adminToken(data: string): Promise<string> {
  return (await readFile(join(data, "admin-token"), "utf8")).trim();
}

/** Runs a command of the server's program to its end. */
export async function runCommand(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const [program, ...args] = [...PROGRAM, ...words];
  const child = spawn(program!, args, { env: environment(env), stdio: ["ignore", "pipe", "pipe"] });
  const [out, err] = [[] as Buffer[], [] as Buffer[]];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() };
}
