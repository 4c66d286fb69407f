import { Readable } from "node:stream";
import { builtinProfile, type BuiltinProfileId } from "@lading/core-manifest";
import type { Sandbox } from "@lading/engine/testing";
import { createCli, type CliIo } from "../src/index.ts";

/** What one command line did. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a command line is run. */
export interface RunOptions {
  readonly profile?: BuiltinProfileId;
  readonly bin?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly tty?: boolean;
  readonly signal?: AbortSignal;
}

/** Runs a command line in this process, with captured streams and an environment of its own. */
export async function runCli(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const out: string[] = [];
  const error: string[] = [];
  const tty = options.tty === true ? { isTTY: true, columns: 80 } : {};
  const io: CliIo = {
    stdout: { write: (text) => out.push(text), ...tty },
    stderr: { write: (text) => error.push(text), ...tty },
    stdin: Readable.from(options.stdin === undefined ? [] : [options.stdin]),
    env: options.env ?? {},
    cwd: options.cwd ?? "/",
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  const cli = createCli(
    builtinProfile(options.profile ?? "lading"),
    options.bin === undefined ? {} : { bin: options.bin },
  );
  const code = await cli.run(argv, io);
  return { code, stdout: out.join(""), stderr: error.join("") };
}

/** Runs a command line in a sandbox's project, with its registry as the default one. */
export function runIn(box: Sandbox, argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const prefix = builtinProfile(options.profile ?? "lading").environmentPrefix;
  const env = {
    HOME: box.home,
    PATH: process.env["PATH"] ?? "",
    [`${prefix}_REGISTRY_URL`]: box.registry.url,
    ...options.env,
  };
  return runCli(argv, { cwd: box.project, ...options, env });
}

/** One transcript: command, exit code, both streams, with what differs between runs filtered. */
export function transcript(box: Sandbox, argv: readonly string[], ran: Ran): string {
  const filter = (text: string): string =>
    text
      .replaceAll(box.root, "<root>")
      .replaceAll(/sha256:[0-9a-f]{64}/g, "sha256:<digest>")
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>")
      .replaceAll(/\d+(?:\.\d+)? (?:KiB|MiB|B|bytes)\b/g, "<size>");
  return [
    `$ lading ${argv.join(" ")}`,
    `exit ${ran.code}`,
    "--- stdout",
    filter(ran.stdout),
    "--- stderr",
    filter(ran.stderr),
  ].join("\n");
}
