import { spawn, type StdioOptions } from "node:child_process";
import { constants } from "node:os";

/** A program to run. */
export interface ChildInput {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment of the program. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  /** Milliseconds after which the program and all that it started are killed. Default: never. */
  readonly timeoutMs?: number | undefined;
  /** Bytes that are kept of each stream; the rest is read and thrown away. Default: 8 MiB. */
  readonly outputLimit?: number | undefined;
}

/** What a program came to. */
export interface ChildResult {
  /** Exit status; 128 and the signal's number where a signal ended it. */
  readonly code: number;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
  /** Milliseconds. */
  readonly durationMs: number;
}

const DEFAULT_OUTPUT_LIMIT = 8 * 2 ** 20;

/**
 * Runs a program in a process group of its own, reads what it prints, and kills the whole group when time is up or the
 * signal aborts: what a test started in the background does not outlive it.
 * @returns `undefined` where there is no such program
 */
export async function runChild(input: ChildInput): Promise<ChildResult | undefined> {
  const started = performance.now();
  const group = process.platform !== "win32";
  const child = spawn(input.command, [...input.args], {
    cwd: input.cwd,
    env: definedOnly(input.env),
    stdio: ["ignore", "pipe", "pipe"],
    detached: group,
  });
  const state = { timedOut: false };
  const kill = (): void => killGroup(child.pid, group);
  const timer =
    input.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          state.timedOut = true;
          kill();
        }, input.timeoutMs);
  input.signal.addEventListener("abort", kill, { once: true });
  const limit = input.outputLimit ?? DEFAULT_OUTPUT_LIMIT;
  const [stdout, stderr] = [collect(child.stdout, limit), collect(child.stderr, limit)];
  try {
    const code = await exitOf(child, kill);
    if (code === undefined) return undefined;
    input.signal.throwIfAborted();
    return { code, ...state, stdout: stdout(), stderr: stderr(), durationMs: Math.round(performance.now() - started) };
  } finally {
    clearTimeout(timer);
    input.signal.removeEventListener("abort", kill);
  }
}

/**
 * Runs a program on this process's own terminal: its input, its output, its signals.
 * @param input.stdout descriptor that takes the program's output in place of this process's own
 * @returns its exit status, or `undefined` where there is no such program
 */
export async function runInForeground(
  input: Omit<ChildInput, "timeoutMs" | "outputLimit"> & { readonly stdout?: 1 | 2 | undefined },
): Promise<number | undefined> {
  const stdio: StdioOptions = ["inherit", input.stdout ?? "inherit", "inherit"];
  const child = spawn(input.command, [...input.args], { cwd: input.cwd, env: definedOnly(input.env), stdio });
  // The terminal sends Ctrl-C to both; a signal that reached this process alone is passed on.
  const pass = (): void => void child.kill("SIGTERM");
  input.signal.addEventListener("abort", pass, { once: true });
  try {
    return await exitOf(child, () => {});
  } finally {
    input.signal.removeEventListener("abort", pass);
  }
}

type Child = ReturnType<typeof spawn>;

/** Waits for the end of the program, and then of its streams, which a straggler of its group may hold open. */
async function exitOf(child: Child, killRest: () => void): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    let code: number | undefined;
    child.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "EACCES" || error.code === "ENOEXEC") resolve(undefined);
      else reject(error);
    });
    child.once("exit", (status, signal) => {
      code = status ?? 128 + (signal === null ? 0 : constants.signals[signal]);
      killRest();
    });
    child.once("close", () => resolve(code ?? 1));
  });
}

function killGroup(pid: number | undefined, group: boolean): void {
  if (pid === undefined) return;
  try {
    process.kill(group ? -pid : pid, "SIGKILL");
  } catch {
    // Nothing of it is left.
  }
}

function collect(stream: NodeJS.ReadableStream | null, limit: number): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on("data", (chunk: Buffer) => {
    if (size < limit) chunks.push(chunk.subarray(0, limit - size));
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString("utf8") + (size > limit ? `\n[${size - limit} bytes left out]\n` : "");
}

function definedOnly(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
