import { defineCommand, type ArgumentKind, type CommandSpec, type Invocation, type Route } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Propose completions for a command line",
  examples: ["complete -- add ac"],
  arguments: [{ name: "WORD", summary: "The words so far, the last one unfinished", optional: true, many: true }],
  flags: {},
  async run(invocation) {
    const proposals = await propose(invocation);
    return { data: proposals, rows: proposals, text: () => proposals };
  },
});

async function propose(
  invocation: Pick<Invocation, "args" | "routes" | "load" | "flagsOf" | "profile" | "options">,
): Promise<string[]> {
  const words = invocation.args;
  const partial = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const routes = invocation.routes.filter(({ hidden }) => !hidden);
  const route = longestRoute(routes, before);
  const all =
    route === undefined ? commandWords(routes, before) : await argumentWords(route, before, partial, invocation);
  return [...new Set(all.filter((word) => word.startsWith(partial)))].sort();
}

function longestRoute(routes: readonly Route[], words: readonly string[]): Route | undefined {
  const typed = words.join(" ");
  const fits = routes.filter((route) => typed === route.words || typed.startsWith(`${route.words} `));
  return fits.toSorted((left, right) => right.words.length - left.words.length)[0];
}

function commandWords(routes: readonly Route[], before: readonly string[]): string[] {
  const prefix = before.length === 0 ? "" : `${before.join(" ")} `;
  return routes
    .filter(({ words }) => words.startsWith(prefix))
    .map(({ words }) => words.slice(prefix.length).split(" ")[0]!);
}

async function argumentWords(
  route: Route,
  before: readonly string[],
  partial: string,
  invocation: Pick<Invocation, "load" | "flagsOf" | "options" | "profile">,
): Promise<string[]> {
  const spec = await invocation.load(route.command);
  const back = new Map(Object.entries(route.flags).map(([here, there]) => [there, here]));
  const flags = invocation.flagsOf(spec);
  const previous = before.at(-1) ?? "";
  const own = previous.startsWith("--") ? flags[route.flags[previous.slice(2)] ?? previous.slice(2)] : undefined;
  if (own?.type === "enum") return [...own.values];
  if (own !== undefined && own.type !== "boolean") return [];
  if (partial.startsWith("-")) return Object.keys(flags).map((name) => `--${back.get(name) ?? name}`);
  const given = before.slice(route.words.split(" ").length).filter((word) => !word.startsWith("-")).length;
  const argument = spec.arguments?.[Math.min(given, spec.arguments.length - 1)];
  return argument?.kind === undefined ? [] : valuesOf(argument.kind, invocation);
}

async function valuesOf(
  kind: ArgumentKind,
  { options, profile }: Pick<Invocation, "options" | "profile">,
): Promise<string[]> {
  if (kind === "shell") return ["bash", "zsh", "fish"];
  if (kind === "code") return [...(await (await import("../catalogue.ts")).loadCatalogue()).keys()];
  if (kind === "package") return lockedNames(options.directory, profile.lockfile);
  return [];
}

/** Names in the lock: what most commands are about, and known without a network. */
async function lockedNames(directory: string, lockfile: string): Promise<string[]> {
  const { readFile } = await import("node:fs/promises");
  const path = await import("node:path");
  try {
    const text = await readFile(path.join(directory, lockfile), "utf8");
    return [...text.matchAll(/^name = "([^"]+)"$/gm)].map((match) => match[1]!);
  } catch {
    // Without a lock there is nothing to propose, and a completion must not print errors.
    return [];
  }
}
