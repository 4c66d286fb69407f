import type { EcosystemProfile } from "@lading/core-manifest";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import type { CommandSpec, FlagSpec, FlagSpecs, Route } from "./spec.ts";
import type { Style } from "./render/style.ts";

const GROUP_TITLES = {
  project: "Project",
  inspect: "Inspect",
  package: "Package",
  registry: "Registry",
  index: "Static index",
  machine: "This machine",
} as const;

/** How help is laid out. */
export interface HelpLayout {
  readonly style: Style;
  /** Columns of the terminal; absent: nothing is wrapped, for what reads it may wrap it itself. */
  readonly columns?: number | undefined;
}

/** A word with what it means. */
type Entry = readonly [word: string, meaning: string];

const OTHER_FLAGS: readonly Entry[] = [
  ["-h, --help", "Show help; after a command, that command's"],
  ["-V, --version", "Show the version"],
];

/** Help of the whole bin, or of one group of commands: summaries by purpose. */
export function rootHelp(
  options: HelpLayout & { readonly bin: string; readonly title: string; readonly routes: readonly Route[] },
): string[] {
  const { bin, style } = options;
  const visible = options.routes.filter(({ hidden }) => !hidden);
  const width = Math.max(...visible.map(({ words }) => words.length));
  const groups = Object.entries(GROUP_TITLES).flatMap(([group, title]) => {
    const members = visible
      .filter((route) => route.group === group)
      .map(({ words, summary }): Entry => [words, summary]);
    return section(title, entryLines(members, options, width), style);
  });
  return [
    ...wrapped(options.title, options),
    "",
    `${style.bold("Usage")}  ${bin} [FLAGS] COMMAND [ARGUMENTS]`,
    ...groups,
    ...section("Flags of every command", entryLines([...flagEntries(GLOBAL_FLAGS), ...OTHER_FLAGS], options), style),
    "",
    ...wrapped(`Run "${bin} COMMAND --help" for a command's flags and an example.`, options),
  ];
}

/** Help of one command, as it is spelled in this bin. */
export function commandHelp(
  options: HelpLayout & {
    readonly bin: string;
    readonly route: Route;
    readonly command: CommandSpec;
    /** Names of the bin's ecosystem; absent for Lading's own, in which everything is written. */
    readonly profile?: EcosystemProfile | undefined;
  },
): string[] {
  const { bin, route, command, style, profile } = options;
  const own = flagEntries(spelledFlags(command.flags ?? {}, route, profile?.hosts ?? []));
  const everywhere = flagEntries(GLOBAL_FLAGS);
  const width = widthOf([...own, ...everywhere]);
  const taken = (command.arguments ?? []).map(({ name, summary }): Entry => [name, summary]);
  const examples = examplesOf(command, route, profile).map((example) => `  ${bin} ${example}`);
  return [
    ...wrapped(command.summary, options),
    ...(command.description === undefined ? [] : ["", ...wrapped(command.description, options)]),
    "",
    `${style.bold("Usage")}  ${bin} ${route.words} ${usageOf(command)}`.trimEnd(),
    ...section("Arguments", entryLines(taken, options), style),
    ...section("Flags", entryLines(own, options, width), style),
    ...section("Flags of every command", entryLines(everywhere, options, width), style),
    ...section("Examples", examples, style),
  ];
}

function widthOf(entries: readonly Entry[]): number {
  return Math.max(0, ...entries.map(([word]) => word.length));
}

/** Two columns; the second is wrapped where the terminal leaves it room to be read in. */
function entryLines(entries: readonly Entry[], { style, columns }: HelpLayout, width = widthOf(entries)): string[] {
  const room = (columns ?? Infinity) - width - 4;
  return entries.flatMap(([word, meaning]) => {
    const [first, ...rest] = wrap(meaning, room < 20 ? Infinity : room);
    return [`  ${style.cyan(word.padEnd(width))}  ${first}`, ...rest.map((line) => `${" ".repeat(width + 4)}${line}`)];
  });
}

function wrapped(text: string, { columns }: HelpLayout): string[] {
  return wrap(text, columns ?? Infinity);
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function section(title: string, lines: readonly string[], style: Style): string[] {
  return lines.length === 0 ? [] : ["", style.bold(title), ...lines];
}

function usageOf(command: CommandSpec): string {
  const flags = Object.keys(command.flags ?? {}).length === 0 ? [] : ["[FLAGS]"];
  const args = (command.arguments ?? []).map(({ name, optional, many }) => {
    const word = `${name}${many === true ? "..." : ""}`;
    return optional === true ? `[${word}]` : word;
  });
  return [...flags, ...args].join(" ");
}

/** How examples name files, and what an ecosystem calls them. */
function namesOf(profile: EcosystemProfile | undefined): readonly (readonly [string, string])[] {
  if (profile === undefined) return [];
  const { manifest, lockfile, package: formats } = profile;
  return [
    ["lading.toml", manifest.files[0]!.name],
    ["lading.lock", lockfile],
    [".lpk", formats.binary.extension],
    [".lmod", formats.source.extension],
    ["target/package/", `${formats.outputDirectory}/`],
  ];
}

function examplesOf(command: CommandSpec, route: Route, profile: EcosystemProfile | undefined): string[] {
  const names = namesOf(profile);
  const back = Object.entries(route.flags);
  return command.examples.map((example) => {
    const own = example.startsWith(route.command) ? example.slice(route.command.length) : ` ${example}`;
    const spelled = back.reduce(
      (line, [here, there]) => line.replaceAll(new RegExp(`--${there}\\b`, "g"), `--${here}`),
      own,
    );
    return `${route.words}${names.reduce((line, [ours, theirs]) => line.replaceAll(ours, theirs), spelled)}`;
  });
}

/** The command's flags as they are spelled here, with those of every command that have another name here. */
function spelledFlags(flags: FlagSpecs, route: Route, hosts: EcosystemProfile["hosts"]): FlagSpecs {
  const spelling = new Map(Object.entries(route.flags).map(([here, there]) => [there, here]));
  const own = Object.entries(flags).map(([name, spec]) => [spelling.get(name) ?? name, spec] as const);
  const everywhere = Object.entries(route.flags).flatMap(([here, there]) => {
    const spec: FlagSpec | undefined = (GLOBAL_FLAGS as FlagSpecs)[there];
    return spec === undefined || there in flags ? [] : [[here, withoutAlias(spec)] as const];
  });
  const axes = hosts.flatMap(({ axis, flag }) =>
    flag === undefined ? [] : [[flag.replace(/^--/, ""), hostFlag(axis)] as const],
  );
  return Object.fromEntries([...own, ...everywhere, ...("host" in flags ? axes : [])]);
}

function withoutAlias(spec: FlagSpec): FlagSpec {
  const { alias: _, ...rest } = spec;
  return rest;
}

function hostFlag(axis: string): FlagSpec {
  return { type: "text", summary: `Resolve for this version of ${axis}`, placeholder: "VERSION" };
}

function flagEntries(flags: FlagSpecs): Entry[] {
  return Object.entries(flags)
    .filter(([, spec]) => !("hidden" in spec && spec.hidden))
    .map(([name, spec]) => [flagUsage(name, spec), `${spec.summary}${allowedOf(spec)}`]);
}

function flagUsage(name: string, spec: FlagSpec): string {
  const alias = spec.alias === undefined ? "" : `-${spec.alias}, `;
  const placeholder = spec.type === "boolean" ? "" : ` ${placeholderOf(spec)}`;
  return `${alias}--${name}${placeholder}`;
}

function placeholderOf(spec: Exclude<FlagSpec, { type: "boolean" }>): string {
  if (spec.type === "enum") return "WHICH";
  return spec.placeholder ?? (spec.type === "number" ? "N" : spec.type === "list" ? "A,B" : "VALUE");
}

function allowedOf(spec: FlagSpec): string {
  return spec.type === "enum" ? ` (${spec.values.join(", ")})` : "";
}
