import { spawn, type ChildProcess } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";

const root = join(import.meta.dirname, "../..");

/** A registry process as its user starts it: the demo's, and the one that the stress suite torments. */
export interface RegistryProcess {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  /** Resolves with the exit code when the process has ended, by itself or by a signal. */
  readonly ended: Promise<number | null>;
  /** Ends it at once, as a power cut of the process would. */
  kill(): Promise<void>;
  /** Asks it to end, and tells its exit code. */
  stop(): Promise<number | null>;
}

/**
 * Starts a registry on a free port of the loopback interface, configured by nothing but its flags. `wrapper` is put
 * before its command line (`strace -f …`); `built` takes what `pnpm build` made instead of the sources.
 */
export async function startRegistry(
  data: string,
  options: { readonly wrapper?: readonly string[]; readonly flags?: readonly string[]; readonly built?: boolean } = {},
): Promise<RegistryProcess> {
  const main =
    options.built === true
      ? [join(root, "apps/registry/dist/main.js")]
      : ["-C", "@lading/source", join(root, "apps/registry/src/main.ts")];
  const [program, ...args] = [
    ...(options.wrapper ?? []),
    process.execPath,
    ...main,
    "--data",
    data,
    "--host",
    "127.0.0.1",
    "--port",
    "0",
    ...(options.flags ?? []),
  ];
  const { PATH, HOME, TMPDIR } = process.env;
  const env = { PATH, HOME, ...(TMPDIR === undefined ? {} : { TMPDIR }) };
  const child = spawn(program!, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const url = await listening(child);
  return {
    url,
    token: (await readFile(join(data, "admin-token"), "utf8")).trim(),
    pid: child.pid!,
    ended,
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

async function listening(child: ChildProcess): Promise<string> {
  const lines: string[] = [];
  return new Promise((resolve, reject) => {
    const look = (line: string): void => {
      lines.push(line);
      const found = / listens on (http:\S+)/.exec(line);
      if (found !== null) resolve(found[1]!);
    };
    createInterface({ input: child.stderr! }).on("line", look);
    createInterface({ input: child.stdout! }).on("line", look);
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${lines.join("\n")}`)));
  });
}
