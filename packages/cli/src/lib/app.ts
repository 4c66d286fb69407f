import type { EcosystemProfile } from "@lading/core-manifest";
import type { Brand } from "./brand.ts";
import type { CliIo } from "./io.ts";
import { ownRoutes } from "./router.ts";
import { CLI_VERSION } from "./version.ts";

/** An ecosystem profile, or a function that loads it when a command first needs it. */
export type ProfileInput = EcosystemProfile | (() => EcosystemProfile | Promise<EcosystemProfile>);

/** How a bin is made from a profile. */
export interface CliOptions {
  /** One of the profile's bins. Default: its first. */
  readonly bin?: string;
  /** Shown by `--version`. Default: this package's version. */
  readonly version?: string;
  /** First line of `--help`. Default: the bin's summary or the profile's title. */
  readonly title?: string;
  /**
   * The bin has exactly Lading's own commands under their own names: `--help` and `--version` then need no
   * profile. Needs `bin` and `title`.
   */
  readonly ownCommands?: boolean;
}

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
export function createCli(profile: ProfileInput, options: CliOptions = {}): Cli {
  const brand = createBrand(profile, options);
  const run = async (argv: readonly string[], io: CliIo): Promise<number> => {
    const answered = answerWithoutProfile(argv, options, io);
    if (answered !== undefined) return answered;
    const { dispatch } = await import("./dispatch.ts");
    return dispatch({ argv, io, brand });
  };
  return {
    run,
    async main() {
      const { runProcess } = await import("./process.ts");
      await runProcess(run);
    },
  };
}

function createBrand(input: ProfileInput, options: CliOptions): Brand {
  let loaded: Promise<EcosystemProfile> | undefined;
  const profile = (): Promise<EcosystemProfile> =>
    (loaded ??= Promise.resolve().then(() => (typeof input === "function" ? input() : input)));
  const branded = async () => {
    const { binOf } = await import("./bin.ts");
    return binOf(await profile(), options.bin);
  };
  return {
    version: options.version ?? CLI_VERSION,
    ownCommands: options.ownCommands === true,
    profile,
    bin: async () => options.bin ?? (await branded()).name,
    title: async () => options.title ?? (await branded()).summary ?? (await profile()).title,
    async routes() {
      if (options.ownCommands === true) return ownRoutes();
      const { routesOf } = await import("./spelling.ts");
      return routesOf(await branded());
    },
  };
}

function answerWithoutProfile(argv: readonly string[], options: CliOptions, io: CliIo): number | undefined {
  if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V") && options.bin !== undefined) {
    io.stdout.write(`${options.bin} ${options.version ?? CLI_VERSION}\n`);
    return 0;
  }
  return undefined;
}
