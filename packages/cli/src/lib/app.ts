import type { CliIo } from "./io.ts";
import type { CliOptions, ProfileInput } from "./options.ts";
import { CLI_VERSION } from "./version.ts";

// Every start pays for what this module imports: types, and the version's one line.

/** A command line. */
export interface Cli {
  /**
   * Runs one command line, `argv` without interpreter and script. Never rejects: what went wrong is
   * printed, and the answer is the exit code of `docs/spec/cli.md` §exit codes.
   */
  run(argv: readonly string[], io: CliIo): Promise<number>;
  /** Runs this process's command line with its streams and signals and sets `process.exitCode`. */
  main(): Promise<void>;
}

/**
 * Makes a branded command line from an ecosystem profile: its bins, their spellings of commands, flags and
 * defaults are data of the profile (`docs/guides/ecosystem-profile.md`).
 */
export function createCli(profile: ProfileInput, given: CliOptions = {}): Cli {
  const options = { version: CLI_VERSION, ...given };
  const run = async (argv: readonly string[], io: CliIo): Promise<number> => {
    const version = versionLine(argv, options);
    if (version !== undefined) {
      io.stdout.write(version);
      return 0;
    }
    const { runLine } = await import("./run.ts");
    return runLine(argv, io, { profile, options });
  };
  return {
    run,
    async main() {
      const version = versionLine(process.argv.slice(2), options);
      if (version !== undefined && writeAtOnce(version)) return;
      const { runLine, runProcess } = await import("./run.ts");
      await runProcess((argv, io) => runLine(argv, io, { profile, options }));
    },
  };
}

/** The answer to `--version` alone, which nothing is loaded for. */
function versionLine(argv: readonly string[], { bin, version }: CliOptions): string | undefined {
  const asked = argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V");
  return asked && bin !== undefined ? `${bin} ${version}\n` : undefined;
}

/** Writes one line to standard output without making a stream of it; `false` where that was not possible. */
function writeAtOnce(line: string): boolean {
  try {
    return process.getBuiltinModule("node:fs").writeSync(1, line) === line.length;
  } catch {
    return false;
  }
}
