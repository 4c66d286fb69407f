import { spawn, type ChildProcess } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";

const root = join(import.meta.dirname, "../..");

/** A registry process of the demo's own. */
export interface DemoRegistry {
  readonly url: string;
  readonly token: string;
  readonly data: string;
  stop(): Promise<void>;
  /** Resolves when the process has ended by itself or by a signal to it. */
  ended: Promise<void>;
}

/** Starts a fresh registry on a free port of the loopback interface, exactly as its user would. */
export async function startRegistry(data: string, options: { port?: number } = {}): Promise<DemoRegistry> {
  const child = spawn(
    process.execPath,
    [
      "-C",
      "@lading/source",
      join(root, "apps/registry/src/main.ts"),
      "--data",
      data,
      "--host",
      "127.0.0.1",
      "--port",
      String(options.port ?? 0),
    ],
    { stdio: ["ignore", "pipe", "pipe"], env: serverEnvironment() },
  );
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const url = await listening(child);
  const token = (await readFile(join(data, "admin-token"), "utf8")).trim();
  return {
    url,
    token,
    data,
    ended,
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** The demo's registry is configured by nothing but its flags. */
function serverEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, ...(TMPDIR === undefined ? {} : { TMPDIR }) };
}

async function listening(child: ChildProcess): Promise<string> {
  const output: string[] = [];
  return new Promise((resolve, reject) => {
    const look = (line: string): void => {
      output.push(line);
      const found = /http:\/\/(?:127\.0\.0\.1|localhost):\d+/.exec(line);
      if (found !== null) resolve(found[0]);
    };
    createInterface({ input: child.stdout! }).on("line", look);
    createInterface({ input: child.stderr! }).on("line", look);
    child.once("exit", (code) =>
      reject(new Error(`The registry ended with ${code} before it listened:\n${output.join("\n")}`)),
    );
  });
}
