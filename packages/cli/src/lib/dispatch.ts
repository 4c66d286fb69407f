import path from "node:path";
import type { EcosystemProfile } from "@lading/core-manifest";
import type { EngineContext } from "@lading/engine";
import type { Brand } from "./brand.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { commandHelp, rootHelp } from "./help.ts";
import type { CliIo } from "./io.ts";
import { completeFlags, endFlags, flagsOf, parsePlain } from "./parse-plain.ts";
import { matchRoute, ROUTES } from "./router.ts";
import { renderOutcome } from "./render/output.ts";
import type { EventRenderer } from "./render/progress.ts";
import { createStyle, wantsColor, type Style } from "./render/style.ts";
import type { Program } from "./render/advice.ts";
import { routesOf, translateFlags } from "./spelling.ts";
import type { CommandSpec, FlagSpec, GlobalOptions, Invocation, Outcome, Route } from "./spec.ts";

/** One command line on its way. */
export interface DispatchInput {
  readonly argv: readonly string[];
  readonly io: CliIo;
  readonly brand: Brand;
}

/** What the steps know of how to print before the command line is parsed. */
interface Printing {
  readonly format: GlobalOptions["format"];
  readonly verbose: boolean;
  /** Directory that paths in messages are relative to. */
  readonly directory: string;
  readonly outStyle: Style;
  readonly errorStyle: Style;
}

/** Runs one command line: separate the global flags, choose the route, load it, answer help or parse and run it. */
export async function dispatch(input: DispatchInput): Promise<number> {
  const printing = printingOf(input.argv, input.io);
  try {
    const { leading, words } = await separateGlobals(input.argv);
    if (leading.some(isVersion)) return await printVersion(input);
    const routes = await input.brand.routes();
    if (words.length === 0) return await printRootHelp(input, routes, printing, leading.some(isHelp));
    const match = matchRoute(routes, words);
    if (match.type === "group") return await printRootHelp(input, match.routes, printing, words.some(isHelp));
    if (match.type === "unknown") throw await unknownCommand(match.input, routes, input);
    const { command } = await ROUTES[match.route.command]!.load();
    const rest = endFlags(command, match.rest);
    if (asksHelp(rest) || leading.some(isHelp)) {
      return await printCommandHelp(input, match.route, command, printing);
    }
    return await runCommand(input, { route: match.route, command, argv: [...leading, ...rest] });
  } catch (error) {
    return await printError(error, input, printing);
  }
}

const isHelp = (argument: string): boolean => argument === "--help" || argument === "-h";
const isVersion = (argument: string): boolean => argument === "--version" || argument === "-V";

function asksHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end === -1 ? argv : argv.slice(0, end)).some(isHelp);
}

function printingOf(argv: readonly string[], io: CliIo): Printing {
  const flag = (name: string): string | undefined => {
    const index = argv.findIndex((argument) => argument === `--${name}` || argument.startsWith(`--${name}=`));
    if (index === -1) return undefined;
    const [, inline] = argv[index]!.split("=", 2);
    return inline ?? argv[index + 1];
  };
  const format = argv.includes("--json") ? "json" : flag("format");
  const known = (["json", "yaml", "ndjson"] as const).find((candidate) => candidate === format);
  return {
    format: known ?? "text",
    directory: path.resolve(io.cwd, directoryOf(argv) ?? "."),
    verbose: argv.includes("--verbose") || argv.includes("-v"),
    outStyle: createStyle(wantsColor(flag("color"), io.env, io.stdout)),
    errorStyle: createStyle(wantsColor(flag("color"), io.env, io.stderr)),
  };
}

function directoryOf(argv: readonly string[]): string | undefined {
  const index = argv.findIndex(
    (argument) => argument === "-C" || argument === "--dir" || argument.startsWith("--dir="),
  );
  const argument = argv[index];
  return argument?.startsWith("--dir=") ? argument.slice("--dir=".length) : argument && argv[index + 1];
}

async function separateGlobals(argv: readonly string[]): Promise<{ leading: string[]; words: string[] }> {
  const leading: string[] = [];
  let index = 0;
  while (index < argv.length && argv[index]!.startsWith("-") && argv[index] !== "--") {
    const argument = argv[index]!;
    leading.push(argument);
    index += 1;
    if (isHelp(argument) || isVersion(argument)) continue;
    const spec = globalFlag(argument);
    if (spec === undefined) throw await unknownGlobal(argument);
    if (spec.type !== "boolean" && !argument.includes("=") && index < argv.length) leading.push(argv[index++]!);
  }
  return { leading, words: argv.slice(index) };
}

function globalFlag(argument: string): FlagSpec | undefined {
  const name = argument.split("=", 1)[0]!;
  const entries: [string, FlagSpec][] = Object.entries(GLOBAL_FLAGS);
  return entries.find(
    ([flag, spec]) => name === `--${flag}` || (spec.alias !== undefined && name === `-${spec.alias}`),
  )?.[1];
}

async function unknownGlobal(argument: string): Promise<Error> {
  const { CliError } = await import("./cli-error.ts");
  return new CliError({
    code: "CLI_FLAG_UNKNOWN",
    message: `Cannot use flag "${argument}" before a command: allowed there are the flags of every command`,
    hint: "Write a command's own flags after its name",
    flag: argument,
  });
}

async function unknownCommand(input: string, routes: readonly Route[], { brand }: DispatchInput): Promise<Error> {
  const { CliError } = await import("./cli-error.ts");
  const { closestRoutes } = await import("./suggest.ts");
  const suggestions = closestRoutes(input, routes);
  const bin = await brand.bin();
  return new CliError({
    code: "CLI_COMMAND_UNKNOWN",
    message: `Cannot run "${input}": ${bin} has no such command`,
    hint:
      suggestions.length === 0
        ? `Run "${bin} --help" to see every command`
        : `Did you mean ${suggestions.map((words) => `"${bin} ${words}"`).join(" or ")}?`,
    command: input,
  });
}

async function printVersion({ brand, io }: DispatchInput): Promise<number> {
  io.stdout.write(`${await brand.bin()} ${brand.version}\n`);
  return 0;
}

async function printRootHelp(
  { brand, io }: DispatchInput,
  routes: readonly Route[],
  printing: Printing,
  asked: boolean,
): Promise<number> {
  // Without a command, help is what went wrong rather than the result.
  const stream = asked ? io.stdout : io.stderr;
  const { columns } = stream;
  const style = asked ? printing.outStyle : printing.errorStyle;
  const lines = rootHelp({ bin: await brand.bin(), title: await brand.title(), routes, style, columns });
  stream.write(`${lines.join("\n")}\n`);
  return asked ? 0 : 2;
}

async function printCommandHelp(
  { brand, io }: DispatchInput,
  route: Route,
  command: CommandSpec,
  printing: Printing,
): Promise<number> {
  const profile = brand.ownCommands ? undefined : await brand.profile();
  const style = printing.outStyle;
  const { columns } = io.stdout;
  const lines = commandHelp({ bin: await brand.bin(), route, command, profile, style, columns });
  io.stdout.write(`${lines.join("\n")}\n`);
  return 0;
}

interface ChosenCommand {
  readonly route: Route;
  readonly command: CommandSpec;
  readonly argv: readonly string[];
}

async function runCommand(input: DispatchInput, chosen: ChosenCommand): Promise<number> {
  const { io, brand } = input;
  const profile = await brand.profile();
  const parsed = await parseLine(chosen, profile);
  const options = globalOptions(parsed.flags, io);
  if (options.dryRun) await refuseDryRun(chosen.route, parsed.flags);
  if (parsed.flags["dir"] !== undefined) await refuseMissingDirectory(options.directory);
  // Only a context tells of anything, so that a command without one draws nothing and loads nothing to draw with.
  let events: EventRenderer | undefined;
  const open = async (): Promise<EventRenderer> => (events ??= await openEvents(options, parsed.flags, profile, io));
  const contexts: EngineContext[] = [];
  let outcome: Outcome;
  try {
    outcome = await chosen.command.run(await invocationOf(input, { parsed, options, profile, open, contexts }));
  } finally {
    events?.close();
    await Promise.all(contexts.map((context) => context.close()));
  }
  const style = createStyle(wantsColor(parsed.flags["color"] as string | undefined, io.env, io.stdout));
  io.stdout.write(await renderOutcome(outcome, options.format, style));
  return outcome.exitCode ?? 0;
}

async function parseLine({ route, command, argv }: ChosenCommand, profile: EcosystemProfile) {
  const translated = translateFlags(argv, route, profile);
  const given = (flag: string): boolean =>
    translated.some((word) => word === `--${flag}` || word.startsWith(`--${flag}=`));
  const defaults = Object.entries(route.defaults)
    .filter(([flag]) => !given(flag))
    .map(([flag, value]) => (value === "true" ? `--${flag}` : `--${flag}=${value}`));
  const line = [...defaults, ...translated];
  const specs = flagsOf(command);
  const parsed =
    parsePlain(command, specs, line) ?? (await (await import("./parse.ts")).parseArguments(command, specs, line));
  return { ...parsed, flags: completeFlags(specs, parsed.flags) };
}

function globalOptions(flags: Readonly<Record<string, unknown>>, io: CliIo): GlobalOptions {
  const text = (name: string): string | undefined => flags[name] as string | undefined;
  return {
    directory: path.resolve(io.cwd, text("dir") ?? "."),
    registry: text("registry"),
    environment: text("env"),
    format: flags["json"] === true ? "json" : ((text("format") ?? "text") as GlobalOptions["format"]),
    events: flags["events"] === true,
    quiet: flags["quiet"] === true,
    verbose: flags["verbose"] === true,
    progress: flags["no-progress"] !== true,
    offline: flags["offline"] === true,
    locked: flags["locked"] === true,
    frozen: flags["frozen"] === true,
    dryRun: flags["dry-run"] === true,
    yes: flags["yes"] === true,
  };
}

async function refuseDryRun(
  { command, words, flags: spelled }: Route,
  flags: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { keepsDryRun, unplannedOption } = await import("./dry-run.ts");
  const unplanned = unplannedOption(command, flags);
  if (keepsDryRun(command) && unplanned === undefined) return;
  const { CliError } = await import("./cli-error.ts");
  const own = Object.keys(spelled).find((flag) => spelled[flag] === unplanned?.option) ?? unplanned?.option;
  throw new CliError({
    code: "CLI_FLAG_INVALID",
    message:
      unplanned === undefined
        ? `Cannot use "--dry-run" with ${words}: it cannot say what it would do without doing it`
        : `Cannot use "--dry-run" with ${words} --${own}: ${unplanned.reason}`,
    hint: "Nothing was done; run it without the flag when it is to be done",
  });
}

async function refuseMissingDirectory(directory: string): Promise<void> {
  const found = process.getBuiltinModule("node:fs").statSync(directory, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return;
  const { CliError } = await import("./cli-error.ts");
  throw new CliError({
    code: "CLI_FLAG_INVALID",
    message: `Cannot work in "${directory}": ${found === undefined ? "there is no such directory" : "it is no directory"}`,
    hint: "Give an existing directory to -C",
  });
}

async function openEvents(
  options: GlobalOptions,
  flags: Readonly<Record<string, unknown>>,
  profile: EcosystemProfile,
  io: CliIo,
): Promise<EventRenderer> {
  const { createEventRenderer } = await import("./render/progress.ts");
  return createEventRenderer({
    stream: io.stderr,
    style: createStyle(wantsColor(flags["color"] as string | undefined, io.env, io.stderr)),
    mode: options.events ? "ndjson" : "text",
    quiet: options.quiet,
    verbose: options.verbose || wantsDetails(profile, io.env),
    progress: options.progress,
    now: () => performance.now(),
  });
}

/**
 * Whether a variable asks for details: the ecosystem's own one with anything but `0` and `false`, the others in the
 * words of env_logger (`debug`, `gal::package=debug`), in which `info` asks for nothing more than is printed anyway.
 */
function wantsDetails(profile: EcosystemProfile, env: CliIo["env"]): boolean {
  const own = env[`${profile.environmentPrefix}_DEBUG`] ?? "";
  const filters = profile.debugVariables.flatMap((name) => (env[name] ?? "").toLowerCase().split(","));
  return !["", "0", "false"].includes(own) || filters.some((filter) => /(?:^|=)(?:debug|trace)$/.test(filter.trim()));
}

async function invocationOf(
  { brand, io }: DispatchInput,
  made: {
    readonly parsed: { readonly flags: Readonly<Record<string, unknown>>; readonly args: readonly string[] };
    readonly options: GlobalOptions;
    readonly profile: EcosystemProfile;
    readonly open: () => Promise<EventRenderer>;
    /** Receives every context that is made, to be closed at the end. */
    readonly contexts: EngineContext[];
  },
): Promise<Invocation> {
  const { parsed, options, profile, open, contexts } = made;
  const routes = await brand.routes();
  const signal = io.signal ?? new AbortController().signal;
  return {
    bin: await brand.bin(),
    profile,
    flags: parsed.flags as Invocation["flags"],
    args: parsed.args,
    options,
    io,
    signal,
    routes,
    load: async (command) => (await ROUTES[command]!.load()).command,
    flagsOf,
    async context() {
      const { createContext } = await import("@lading/engine/context");
      const { offline, registry, environment } = options;
      const context = createContext({
        profile,
        cwd: options.directory,
        env: io.env,
        onEvent: (await open()).listen,
        signal,
        offline,
        ...(registry === undefined ? {} : { registry }),
        ...(environment === undefined ? {} : { environment }),
      });
      contexts.push(context);
      return context;
    },
  };
}

async function printError(thrown: unknown, { io, brand }: DispatchInput, printing: Printing): Promise<number> {
  const { renderError, toLadingError } = await import("./render/error.ts");
  const error = toLadingError(thrown, io.signal);
  if (printing.format === "text") {
    const { advise } = await import("./render/advice.ts");
    const programs = await programsOf(brand);
    const lines = renderError(error, {
      style: printing.errorStyle,
      verbose: printing.verbose && error.category === "internal",
      readSource: (file) => readSource(path.resolve(printing.directory, file)),
      advise: (hint) => advise(hint, programs),
      ...(error.hint === undefined ? { help: await generalHelp(error.code) } : {}),
    });
    io.stderr.write(`${lines.join("\n")}\n`);
  } else {
    const { renderErrorObject } = await import("./render/error-object.ts");
    io.stderr.write(await renderErrorObject(error, printing.format));
  }
  return error.exitCode;
}

/** This bin, and then the others of its ecosystem. */
async function programsOf(brand: Brand): Promise<readonly Program[]> {
  try {
    const { bins } = await brand.profile();
    const others = bins.map((bin) => ({ bin: bin.name, routes: routesOf(bin) }));
    return [{ bin: await brand.bin(), routes: await brand.routes() }, ...others];
  } catch {
    // The profile may be what the error is about: then nothing is known of what is typed.
    return [];
  }
}

/** What the catalogue says of a code, where the error itself has no better advice. */
async function generalHelp(code: string): Promise<string> {
  const { loadCatalogue } = await import("./catalogue.ts");
  return (await loadCatalogue()).get(code)?.help ?? "Run with --verbose for details";
}

function readSource(file: string): string | undefined {
  try {
    return process.getBuiltinModule("node:fs").readFileSync(file, "utf8");
  } catch {
    // The excerpt is an aid: without the file the place alone is shown.
    return undefined;
  }
}
