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

/** Help of the whole bin, or of one group of commands: summaries by purpose. */
export function rootHelp(options: {
  readonly bin: string;
  readonly title: string;
  readonly routes: readonly Route[];
  readonly style: Style;
}): string[] {
  const { bin, style } = options;
  const visible = options.routes.filter(({ hidden }) => !hidden);
  const width = Math.max(...visible.map(({ words }) => words.length));
  const groups = Object.entries(GROUP_TITLES).flatMap(([group, title]) => {
    const members = visible.filter((route) => route.group === group);
    const lines = members.map((route) => `  ${style.cyan(route.words.padEnd(width))}  ${route.summary}`);
    return members.length === 0 ? [] : ["", style.bold(title), ...lines];
  });
  return [
    options.title,
    "",
    `${style.bold("Usage")}  ${bin} [FLAGS] COMMAND [ARGUMENTS]`,
    ...groups,
    "",
    style.bold("Flags of every command"),
    ...flagLines(GLOBAL_FLAGS, style),
    `  ${style.cyan("-h, --help".padEnd(24))}  Show help; after a command, that command's`,
    `  ${style.cyan("-V, --version".padEnd(24))}  Show the version`,
    "",
    `Run "${bin} COMMAND --help" for a command's flags and an example.`,
  ];
}

/** Help of one command, as it is spelled in this bin. */
export function commandHelp(options: {
  readonly bin: string;
  readonly route: Route;
  readonly command: CommandSpec;
  /** Names of the bin's ecosystem; absent for Lading's own, in which everything is written. */
  readonly profile?: EcosystemProfile | undefined;
  readonly style: Style;
}): string[] {
  const { bin, route, command, style } = options;
  const flags = spelledFlags(command.flags ?? {}, route, options.profile?.hosts ?? []);
  const width = Math.max(0, ...(command.arguments ?? []).map(({ name }) => name.length));
  return [
    command.summary,
    ...(command.description === undefined ? [] : ["", command.description]),
    "",
    `${style.bold("Usage")}  ${bin} ${route.words} ${usageOf(command)}`.trimEnd(),
    ...section(
      "Arguments",
      (command.arguments ?? []).map(({ name, summary }) => `  ${style.cyan(name.padEnd(width))}  ${summary}`),
      style,
    ),
    ...section("Flags", flagLines(flags, style), style),
    ...section("Flags of every command", flagLines(GLOBAL_FLAGS, style), style),
    ...section(
      "Examples",
      examplesOf(command, route, options.profile).map((example) => `  ${bin} ${example}`),
      style,
    ),
  ];
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

function flagLines(flags: FlagSpecs, style: Style): string[] {
  return Object.entries(flags)
    .filter(([, spec]) => !("hidden" in spec && spec.hidden))
    .map(([name, spec]) => `  ${style.cyan(flagUsage(name, spec).padEnd(24))}  ${spec.summary}${allowedOf(spec)}`);
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
