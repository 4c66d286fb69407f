import type { BinProfile, EcosystemProfile } from "@lading/core-manifest";
import { ROUTES, ownRoutes } from "./router.ts";
import type { Route } from "./spec.ts";

/**
 * The routes of one bin: the profile's spellings first, so that they win over a command of Lading's own
 * with the same words, then, where the bin inherits, every other command under its own name.
 */
export function routesOf(bin: BinProfile): Route[] {
  const spelled = bin.commands.filter(({ command }) => command in ROUTES).map(spelledRoute);
  if (!bin.inherit) return spelled;
  const taken = new Set(spelled.map(({ words }) => words));
  return [...spelled, ...ownRoutes().filter(({ words }) => !taken.has(words))];
}

function spelledRoute(spelling: BinProfile["commands"][number]): Route {
  const entry = ROUTES[spelling.command]!;
  return {
    words: spelling.spelling,
    command: spelling.command,
    summary: spelling.summary ?? entry.summary,
    group: entry.group,
    hidden: false,
    flags: spelling.flags ?? {},
    defaults: spelling.defaults ?? {},
  };
}

/** Turns the flags as they are spelled in this bin, host flags included, into the command's own. */
export function translateFlags(argv: readonly string[], route: Route, profile: EcosystemProfile): string[] {
  const hosts = new Map(profile.hosts.flatMap(({ axis, flag }) => (flag === undefined ? [] : [[flag, axis] as const])));
  const result: string[] = [];
  for (let index = 0; index < argv.length; index += 1) {
    const argument = argv[index]!;
    if (argument === "--") return [...result, ...argv.slice(index)];
    const equals = argument.startsWith("--") ? argument.indexOf("=") : -1;
    const flag = equals === -1 ? argument : argument.slice(0, equals);
    const inline = equals === -1 ? undefined : argument.slice(equals + 1);
    const axis = hosts.get(flag);
    const own = flag.startsWith("--") ? route.flags[flag.slice(2)] : undefined;
    if (axis !== undefined) {
      const value = inline ?? argv[(index += 1)];
      result.push("--host", `${axis}=${value ?? ""}`);
    } else if (own === undefined) result.push(argument);
    else result.push(inline === undefined ? `--${own}` : `--${own}=${inline}`);
  }
  return result;
}
