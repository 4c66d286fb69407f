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
  readonly hostFlags: readonly string[];
  readonly style: Style;
}): string[] {
  const { bin, route, command, style } = options;
  const flags = spelledFlags(command.flags ?? {}, route, options.hostFlags);
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
      examplesOf(command, route).map((example) => `  ${bin} ${example}`),
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

function examplesOf(command: CommandSpec, route: Route): string[] {
  const back = Object.entries(route.flags);
  return command.examples.map((example) => {
    const own = example.startsWith(route.command) ? example.slice(route.command.length) : ` ${example}`;
    const spelled = back.reduce(
      (line, [here, there]) => line.replaceAll(new RegExp(`--${there}\\b`, "g"), `--${here}`),
      own,
    );
    return `${route.words}${spelled}`;
  });
}

function spelledFlags(flags: FlagSpecs, route: Route, hostFlags: readonly string[]): FlagSpecs {
  const spelling = new Map(Object.entries(route.flags).map(([here, there]) => [there, here]));
  const own = Object.entries(flags).map(([name, spec]) => [spelling.get(name) ?? name, spec] as const);
  const hosts = hostFlags.map(
    (flag) =>
      [flag.replace(/^--/, ""), { type: "text", summary: "Version of the host", placeholder: "VERSION" }] as const,
  );
  return Object.fromEntries("host" in flags ? [...own, ...hosts] : own);
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
