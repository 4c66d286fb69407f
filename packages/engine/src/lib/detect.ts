import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { EngineContext } from "./engine-context.ts";

const run = promisify(execFile);

/** A program that asks for more time than this before it names its version is taken as absent. */
const DETECT_MS = 10_000;

/**
 * Programs that print a runtime's version, the first that is there wins. A closed table: a package names runtimes, and
 * what it names must never become a program that is run because a package said so.
 */
const RUNTIMES: Readonly<Record<string, readonly (readonly [string, ...string[]])[]>> = {
  python: [
    ["python3", "--version"],
    ["python", "--version"],
  ],
  python3: [
    ["python3", "--version"],
    ["python", "--version"],
  ],
  nodejs: [["node", "--version"]],
  node: [["node", "--version"]],
  deno: [["deno", "--version"]],
  bun: [["bun", "--version"]],
  ruby: [["ruby", "--version"]],
  perl: [["perl", "-e", "printf '%vd', $^V"]],
  php: [["php", "--version"]],
  java: [["java", "-version"]],
  dotnet: [["dotnet", "--version"]],
  go: [["go", "version"]],
  rust: [["rustc", "--version"]],
  bash: [["bash", "--version"]],
};

/** Programs that have no version of their own: whether they run is all that can be known. */
const UNVERSIONED: Readonly<Record<string, readonly [string, ...string[]]>> = {
  shell: ["sh", "-c", ":"],
  sh: ["sh", "-c", ":"],
};

/** What was found of a runtime. */
export type DetectedRuntime =
  /** Without a version: it is there, and says none. */
  | { readonly state: "found"; readonly version?: string }
  | { readonly state: "missing" }
  /** No way to ask for it is known. */
  | { readonly state: "unknown" };

const answers = new WeakMap<EngineContext, Map<string, Promise<string | undefined>>>();

/**
 * The first version that a program prints, to three components; `undefined` where it cannot be run or prints none. A
 * context asks each program once.
 */
export function detectVersion(context: EngineContext, command: readonly string[]): Promise<string | undefined> {
  let known = answers.get(context);
  if (known === undefined) answers.set(context, (known = new Map()));
  const key = JSON.stringify(command);
  const answer = known.get(key) ?? askVersion(context, command);
  known.set(key, answer);
  return answer;
}

async function askVersion(context: EngineContext, command: readonly string[]): Promise<string | undefined> {
  const [program, ...args] = command;
  if (program === undefined) return undefined;
  try {
    const { stdout, stderr } = await run(program, args, {
      env: { ...process.env, ...context.env, LC_ALL: "C" },
      cwd: context.home,
      signal: context.signal,
      timeout: DETECT_MS,
      maxBuffer: 2 ** 20,
    });
    return versionIn(`${stdout}\n${stderr}`);
  } catch {
    // Not there, not allowed, failed, or silent: all of them mean that nothing can be said of its version.
    context.signal.throwIfAborted();
    return undefined;
  }
}

/** The first `1.2.3` or `1.2` of a text, as a whole version. */
export function versionIn(text: string): string | undefined {
  const found = /(?:^|[^\d.])(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?/.exec(text);
  if (found === null) return undefined;
  return [found[1], found[2], found[3] ?? "0"].map((part) => String(Number(part))).join(".");
}

/**
 * Looks for a runtime on this machine: by the ecosystem's own way of asking where its profile has one, else by the table
 * of well-known runtimes.
 */
export async function detectRuntime(context: EngineContext, runtime: string): Promise<DetectedRuntime> {
  if (Object.hasOwn(UNVERSIONED, runtime)) return { state: (await runs(UNVERSIONED[runtime]!)) ? "found" : "missing" };
  const own = context.profile.hosts.find(({ axis }) => axis === runtime)?.detect;
  const commands = own === undefined ? runtimeCommands(runtime) : [own];
  if (commands.length === 0) return { state: "unknown" };
  for (const command of commands) {
    const version = await detectVersion(context, command);
    // `python` may be the second generation of it, which is no python3.
    if (version !== undefined && (runtime !== "python3" || !/^[012]\./.test(version)))
      return { state: "found", version };
  }
  return { state: "missing" };
}

async function runs([program, ...args]: readonly [string, ...string[]]): Promise<boolean> {
  try {
    await run(program, args, { timeout: DETECT_MS });
    return true;
  } catch {
    return false;
  }
}

function runtimeCommands(runtime: string): readonly (readonly string[])[] {
  return Object.hasOwn(RUNTIMES, runtime) ? RUNTIMES[runtime]! : [];
}
