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
 * Parses a line of nothing but long switches, each given once, which most lines are: the parser need not be loaded for
 * it. `undefined` for every other line, and for one that lacks an argument.
 */
export function parsePlain(command: CommandSpec, specs: FlagSpecs, argv: readonly string[]): ParsedLine | undefined {
  if ((command.arguments ?? []).some(({ optional }) => optional !== true)) return undefined;
  const names = argv.map((word) => (word.startsWith("--") ? word.slice(2) : ""));
  const plain = names.every((name) => Object.hasOwn(specs, name) && specs[name]!.type === "boolean");
  if (!plain || new Set(names).size !== names.length) return undefined;
  return { flags: Object.fromEntries(names.map((name) => [name, true])), args: [] };
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
