import { GLOBAL_FLAGS } from "./global-flags.ts";
import type { CommandSpec, FlagSpecs } from "./spec.ts";

/** A command line after parsing, with the flags that were given. */
export interface ParsedLine {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly args: readonly string[];
}

/** All flags that a command takes. */
export function flagsOf(command: CommandSpec): FlagSpecs {
  return { ...GLOBAL_FLAGS, ...command.flags };
}

/**
 * Parses a line of nothing but long switches and `--NAME TEXT`, each given once, which most lines are: the parser need not
 * be loaded for it. `undefined` for every other line, and for one that lacks an argument.
 */
export function parsePlain(command: CommandSpec, specs: FlagSpecs, argv: readonly string[]): ParsedLine | undefined {
  if ((command.arguments ?? []).some(({ optional }) => optional !== true)) return undefined;
  const flags = new Map<string, string | true>();
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!;
    const name = word.startsWith("--") ? word.slice(2) : "";
    if (!Object.hasOwn(specs, name) || flags.has(name)) return undefined;
    const value = specs[name]!.type === "boolean" ? true : plainText(specs[name]!, argv[++at]);
    if (value === undefined) return undefined;
    flags.set(name, value);
  }
  return { flags: Object.fromEntries(flags), args: [] };
}

/** What follows a flag that takes any text; what could be a flag itself is the parser's to judge. */
function plainText({ type }: FlagSpecs[string], word: string | undefined): string | undefined {
  return type === "text" && word !== undefined && /^[^-]/.test(word) ? word : undefined;
}

/** Gives every flag a value: `false`, an empty list or `undefined` where it was not given. */
export function completeFlags(
  specs: FlagSpecs,
  flags: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(specs).map(([name, spec]) => {
      const value = flags[name];
      if (spec.type === "boolean") return [name, value === true];
      if (spec.type === "list") return [name, ((value as string[] | undefined) ?? []).filter((part) => part !== "")];
      return [name, value];
    }),
  );
}

/**
 * The arguments with an end of our flags before the first word that is no flag and no flag's value, for a command whose
 * further words are another program's; those of every other command as they are.
 */
export function endFlags(command: CommandSpec, argv: readonly string[]): readonly string[] {
  if (command.passThrough !== true) return argv;
  const specs = flagsOf(command);
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at]!;
    if (word === "--") return argv;
    if (!word.startsWith("-")) return [...argv.slice(0, at), "--", ...argv.slice(at)];
    if (!word.includes("=") && takesValue(word, specs)) at += 1;
  }
  return argv;
}

function takesValue(word: string, specs: FlagSpecs): boolean {
  const found = Object.entries(specs).find(([name, { alias }]) => word === `--${name}` || word === `-${alias ?? ""}`);
  return found !== undefined && found[1].type !== "boolean";
}
