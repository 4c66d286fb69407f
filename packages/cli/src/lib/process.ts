import { boundBufferMemory } from "./buffer-memory.ts";
import { processIo, type CliIo } from "./io.ts";

/** Signals that end a command: the exit code is 128 and the signal's number. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs a command line as this process. The first signal aborts the command, which leaves nothing half done and
 * lets it say so; a second one ends the process at once.
 */
export async function runProcess(run: (argv: readonly string[], io: CliIo) => Promise<number>): Promise<void> {
  const controller = new AbortController();
  let received: (typeof SIGNALS)[number] | undefined;
  const listeners = SIGNALS.map((name) => {
    const listener = (): void => {
      if (received !== undefined) process.exit(exitCodeOf(name));
      received = name;
      controller.abort(new Error(`interrupted by ${name}`));
    };
    process.on(name, listener);
    return { name, listener };
  });
  const release = boundBufferMemory();
  const code = await run(process.argv.slice(2), processIo(controller.signal));
  release();
  for (const { name, listener } of listeners) process.off(name, listener);
  process.exitCode = received === undefined ? code : exitCodeOf(received);
}

const exitCodeOf = (name: (typeof SIGNALS)[number]): number =>
  128 + process.getBuiltinModule("node:os").constants.signals[name];
