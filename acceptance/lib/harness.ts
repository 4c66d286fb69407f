/**
 * What the end-to-end checks stand on: a real registry process, command lines as real processes through a shell, and
 * temporary directories with an empty home. Nothing here knows the inside of any package.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import path from "node:path";

const ROOT = path.join(import.meta.dirname, "../..");

/** Every bin that a line may begin with, and the file that is it. */
const BINS = {
  lading: "apps/lading/src/main.ts",
  "lading-registry": "apps/registry/src/main.ts",
  vitte: "examples/vitte/src/vitte.ts",
  "gal-pkg": "examples/gal/src/gal-pkg.ts",
  attune: "examples/attune/src/attune.ts",
  "revitpy-install": "examples/revitpy/src/revitpy-install.ts",
  "revitpy-build": "examples/revitpy/src/revitpy-build.ts",
  "revitpy-registry": "examples/revitpy/src/revitpy-registry.ts",
  "attune-registry": "examples/attune/src/attune-registry.ts",
  tess: "examples/own-ecosystem/src/tess.ts",
} as const;

/** Name of a bin. */
export type BinName = keyof typeof BINS;

/** What a command came to. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a command is run. */
export interface RunOptions {
  /** Below the sandbox, or absolute. Default: the sandbox's `work`. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input; default: empty. */
  readonly input?: string;
}

/** A directory of its own with an empty home, where command lines run. Disposed of by `await using` or {@link dispose}. */
export interface Sandbox {
  readonly root: string;
  readonly home: string;
  /** Working directory of command lines. */
  readonly work: string;
  /** A path below `work`. */
  path(...parts: string[]): string;
  read(file: string): string;
  has(file: string): boolean;
  /** Mode bits of a file, such as 0o600. */
  mode(file: string): number;
  write(file: string, text: string): void;
  /** Copies a directory of this repository into `work`. */
  copy(from: string, to: string): void;
  /** Runs one line as a user types it. */
  line(line: string, options?: RunOptions): Promise<CliResult>;
  /** Runs a line that must succeed. */
  ok(line: string, options?: RunOptions): Promise<CliResult>;
  /** Runs a line that must succeed and reads the JSON that it prints. */
  json(line: string, options?: RunOptions): Promise<unknown>;
  /** Runs one line on a terminal of its own, and answers each question once its text has been shown. */
  terminal(line: string, answers: readonly (readonly [question: string, answer: string])[]): Promise<CliResult>;
  /** Runs one command without a shell. */
  run(bin: BinName, args: readonly string[], options?: RunOptions): Promise<CliResult>;
  dispose(): Promise<void>;
}

/** How a sandbox is made. */
export interface SandboxOptions {
  /** Text in lines -> text that is run, such as a documented address -> the local registry's. */
  readonly replace?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

/** Makes a sandbox. */
export function createSandbox(options: SandboxOptions = {}): Sandbox {
  const root = mkdtempSync(path.join(tmpdir(), "lading-acceptance-"));
  const home = path.join(root, "home");
  const work = path.join(root, "work");
  const bin = path.join(root, "bin");
  for (const directory of [home, work, bin]) mkdirSync(directory);
  for (const [name, file] of Object.entries(BINS)) writeShim(path.join(bin, name), file);
  const env = (own: RunOptions["env"]): Record<string, string> => ({
    ...baseEnvironment(bin, home),
    ...options.env,
    ...own,
  });
  const replaced = (line: string): string =>
    Object.entries(options.replace ?? {}).reduce((text, [from, to]) => text.replaceAll(from, to), line);
  const at = (file: string): string =>
    file.startsWith("~/") ? path.join(home, file.slice(2)) : path.resolve(work, file);
  const start = (command: string, args: readonly string[], { cwd, env: own, input }: RunOptions = {}) =>
    collect(command, args, { cwd: at(cwd ?? "."), env: env(own), input });
  const line = (text: string, run?: RunOptions): Promise<CliResult> => start("/bin/sh", ["-c", replaced(text)], run);
  const ok = async (text: string, run?: RunOptions): Promise<CliResult> => expectSuccess(text, await line(text, run));
  return {
    root,
    home,
    work,
    path: (...parts) => path.join(work, ...parts),
    read: (file) => readFileSync(at(file), "utf8"),
    has: (file) => existsSync(at(file)),
    mode: (file) => statSync(at(file)).mode & 0o777,
    write(file, text) {
      mkdirSync(path.dirname(at(file)), { recursive: true });
      writeFileSync(at(file), text);
    },
    copy: (from, to) =>
      cpSync(path.resolve(ROOT, from), at(to), { recursive: true, filter: (file) => !file.includes("node_modules") }),
    line,
    ok,
    json: async (text, run) => JSON.parse((await ok(text, run)).stdout) as unknown,
    terminal: (text, answers) =>
      converse(["/usr/bin/script", "-qec", `stty cols 100 rows 40; ${replaced(text)}`, "/dev/null"], answers, {
        cwd: work,
        env: { ...env({}), TERM: "xterm" },
      }),
    run: (name, args, run) => start(path.join(bin, name), args, run),
    dispose: async () => rmSync(root, { recursive: true, force: true, maxRetries: 3 }),
  };
}

/** Runs one command in a home of its own that is thrown away. */
export async function runCli(bin: BinName, args: readonly string[], options: RunOptions = {}): Promise<CliResult> {
  const sandbox = createSandbox();
  try {
    return await sandbox.run(bin, args, options);
  } finally {
    await sandbox.dispose();
  }
}

/** A registry process. */
export interface RegistryProcess {
  readonly url: string;
  /** Token of the account `admin`, which the first start made. */
  readonly token: string;
  readonly data: string;
  /** Everything that it has printed so far. */
  output(): string;
  /** Ends it with SIGTERM and answers its exit code. */
  stop(): Promise<number>;
  /** Stops it and deletes its data. */
  dispose(): Promise<void>;
}

/** How a registry is started. */
export interface RegistryOptions {
  readonly bin?: Extract<BinName, "lading-registry" | "revitpy-registry" | "attune-registry">;
  /** Default: a new directory. */
  readonly data?: string;
  /** Default: 127.0.0.1. */
  readonly host?: string;
  /** Default: any free one. */
  readonly port?: number;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a registry on a free port of the loopback interface, as its user would: one command, no configuration. */
export async function startRegistry(options: RegistryOptions = {}): Promise<RegistryProcess> {
  const root = mkdtempSync(path.join(tmpdir(), "lading-registry-"));
  const data = options.data ?? path.join(root, "data");
  const { host = "127.0.0.1", port = 0 } = options;
  const args = ["--data", data, "--host", host, "--port", String(port), ...(options.args ?? [])];
  const child = spawn(
    process.execPath,
    [...NODE_FLAGS, path.join(ROOT, BINS[options.bin ?? "lading-registry"]), ...args],
    {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...baseEnvironment("/usr/bin", root), ...options.env },
    },
  );
  const lines: string[] = [];
  const ended = new Promise<number>((resolve) =>
    child.once("exit", (code, signal) => resolve(code ?? (signal === null ? 0 : -1))),
  );
  const url = await listening(child, lines);
  const stop = async (): Promise<number> => {
    child.kill("SIGTERM");
    return ended;
  };
  return {
    url,
    data,
    token: readFileSync(path.join(data, "admin-token"), "utf8").trim(),
    output: () => lines.join("\n"),
    stop,
    async dispose() {
      await stop();
      rmSync(root, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** Asks the registry's API with its administrator's token. */
export async function api(registry: RegistryProcess, route: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`${registry.url}${route}`, {
    ...init,
    headers: {
      authorization: `Bearer ${registry.token}`,
      "content-type": "application/json",
      ...(init.headers as Record<string, string>),
    },
  });
}

/** The JSON of an answer that must be a success. */
export async function apiJson<Body>(registry: RegistryProcess, route: string, init?: RequestInit): Promise<Body> {
  const response = await api(registry, route, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${route} answered ${response.status}: ${text}`);
  return JSON.parse(text) as Body;
}

const NODE_FLAGS = ["--disable-warning=ExperimentalWarning", "-C", "@lading/source"];

function writeShim(file: string, entry: string): void {
  const command = [process.execPath, ...NODE_FLAGS, path.join(ROOT, entry)].map((part) => `"${part}"`).join(" ");
  writeFileSync(file, `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
}

/** Nothing of the machine's own settings reaches a command; compiled code is shared, since it decides nothing. */
function baseEnvironment(bin: string, home: string): Record<string, string> {
  return {
    PATH: `${bin}:/usr/local/bin:/usr/bin:/bin`,
    HOME: home,
    TMPDIR: tmpdir(),
    LANG: "C.UTF-8",
    GIT_CONFIG_NOSYSTEM: "1",
    NODE_COMPILE_CACHE: path.join(tmpdir(), "lading-acceptance-cache"),
  };
}

async function collect(
  command: string,
  args: readonly string[],
  { input, ...options }: { cwd: string; env: Record<string, string>; input: string | undefined },
): Promise<CliResult> {
  const child = spawn(command, args, { ...options, stdio: ["pipe", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
  // A command that reads nothing may be gone before its input is written.
  child.stdin.on("error", () => {});
  child.stdin.end(input ?? "");
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve(status ?? -1));
  });
  return { code, ...output };
}

const CONVERSATION_MS = 30_000;

/** `script` (util-linux) gives the command a terminal and passes its exit code on. */
async function converse(
  [command, ...args]: readonly [string, ...string[]],
  answers: readonly (readonly [question: string, answer: string])[],
  options: { cwd: string; env: Record<string, string> },
): Promise<CliResult> {
  const child = spawn(command, args, { ...options, stdio: ["pipe", "pipe", "pipe"] });
  // A question that never comes must not hold up the run.
  const timer = setTimeout(() => child.kill(), CONVERSATION_MS);
  const waiting = [...answers];
  let shown = 0;
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    const [question, answer] = waiting[0] ?? [];
    if (question === undefined || !stdout.slice(shown).includes(question)) return;
    waiting.shift();
    shown = stdout.length;
    child.stdin.write(`${answer}\r`);
  });
  child.stdin.on("error", () => {});
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve(status ?? -1));
  });
  clearTimeout(timer);
  return { code, stdout, stderr: "" };
}

function expectSuccess(line: string, result: CliResult): CliResult {
  if (result.code === 0) return result;
  throw new Error(`"${line}" ended with ${result.code}:\n${result.stdout}${result.stderr}`);
}

async function listening(child: ChildProcess, lines: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const look = (line: string): void => {
      lines.push(line);
      const found = /http:\/\/(?:127\.0\.0\.1|localhost|0\.0\.0\.0):\d+/.exec(line);
      if (found !== null) resolve(found[0]);
    };
    createInterface({ input: child.stdout! }).on("line", look);
    createInterface({ input: child.stderr! }).on("line", look);
    child.once("exit", (code) =>
      reject(new Error(`The registry ended with ${code} before it listened:\n${lines.join("\n")}`)),
    );
  });
}
