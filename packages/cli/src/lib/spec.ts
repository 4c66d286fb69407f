import type { EngineContext } from "@lading/engine";
import type { EcosystemProfile } from "@lading/core-manifest";
import type { CliIo } from "./io.ts";
import type { Style } from "./render/style.ts";

/** What a flag takes. */
export type FlagSpec =
  | { readonly type: "boolean"; readonly summary: string; readonly alias?: string; readonly hidden?: boolean }
  | {
      readonly type: "text";
      readonly summary: string;
      readonly alias?: string;
      readonly placeholder?: string;
      readonly hidden?: boolean;
    }
  | { readonly type: "number"; readonly summary: string; readonly alias?: string; readonly placeholder?: string }
  | { readonly type: "enum"; readonly summary: string; readonly alias?: string; readonly values: readonly string[] }
  | {
      /** May be repeated, and each value may hold several separated by commas. */
      readonly type: "list";
      readonly summary: string;
      readonly alias?: string;
      readonly placeholder?: string;
    };

/** Flags of a command by their name without dashes. */
export type FlagSpecs = Readonly<Record<string, FlagSpec>>;

/** Value of one parsed flag. */
export type FlagValue<Spec extends FlagSpec> = Spec extends { type: "boolean" }
  ? boolean
  : Spec extends { type: "number" }
    ? number | undefined
    : Spec extends { type: "list" }
      ? readonly string[]
      : string | undefined;

/** Values of parsed flags. */
export type FlagValues<Flags extends FlagSpecs> = { readonly [Name in keyof Flags]: FlagValue<Flags[Name]> };

/** What an argument is, for completion. */
export type ArgumentKind = "package" | "file" | "code" | "shell";

/** One positional argument. */
export interface ArgumentSpec {
  readonly name: string;
  readonly summary: string;
  readonly optional?: boolean;
  /** Takes all that remain; only the last argument may. */
  readonly many?: boolean;
  /** Two names in one word with a slash between them, which people write as two words. */
  readonly pair?: boolean;
  readonly kind?: ArgumentKind;
}

/** Flags that every command takes, after parsing. */
export interface GlobalOptions {
  readonly directory: string;
  readonly registry: string | undefined;
  /** Name or path of a named environment. */
  readonly environment: string | undefined;
  readonly format: "text" | "json" | "yaml" | "ndjson";
  readonly events: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly progress: boolean;
  readonly offline: boolean;
  readonly locked: boolean;
  readonly frozen: boolean;
  readonly dryRun: boolean;
  readonly yes: boolean;
}

/** What a command is given when it runs. */
export interface Invocation<Flags extends FlagSpecs = FlagSpecs> {
  readonly bin: string;
  readonly profile: EcosystemProfile;
  readonly flags: FlagValues<Flags>;
  readonly args: readonly string[];
  readonly options: GlobalOptions;
  readonly io: CliIo;
  readonly signal: AbortSignal;
  /** Everything that can be typed in this bin. */
  readonly routes: readonly Route[];
  /** Loads another command, for completion. */
  readonly load: (command: string) => Promise<CommandSpec>;
  /** All flags of a command, those of every command included. */
  readonly flagsOf: (command: CommandSpec) => FlagSpecs;
  /** Makes the engine's context; loads the engine. */
  readonly context: () => Promise<EngineContext>;
}

/** What a command answers. */
export interface Outcome {
  /** The result as plain JSON; what `--format json|yaml` prints. */
  readonly data: unknown;
  /** One line each under `--format ndjson`; absent: `data` is the one line. */
  readonly rows?: readonly unknown[];
  /** Lines for people, on standard output. */
  readonly text: (style: Style) => readonly string[];
  /** Exit code where it is not 0: a check that found something. */
  readonly exitCode?: number;
}

/** One command: what it takes, what it does, and an example that runs. */
export interface CommandSpec {
  readonly summary: string;
  /** More than the summary says, where that is needed. */
  readonly description?: string;
  /** Command lines without the bin's name. */
  readonly examples: readonly string[];
  readonly arguments?: readonly ArgumentSpec[];
  readonly flags?: FlagSpecs;
  /** The first argument is a program's name, and all that follows it, flags too, is the program's. */
  readonly passThrough?: boolean;
  readonly run: (invocation: Invocation) => Promise<Outcome>;
}

/** What the router knows of a command without loading it. */
export interface RouteEntry {
  readonly summary: string;
  readonly group: "project" | "inspect" | "package" | "registry" | "index" | "machine";
  readonly hidden?: boolean;
  readonly load: () => Promise<{ readonly command: CommandSpec }>;
}

/** One line that can be typed in this bin. */
export interface Route {
  /** Words after the bin's name. */
  readonly words: string;
  /** Key of the router's table. */
  readonly command: string;
  readonly summary: string;
  readonly hidden: boolean;
  readonly group: RouteEntry["group"];
  /** Flag spelled here -> flag of the command. */
  readonly flags: Readonly<Record<string, string>>;
  /** Flags that hold unless given. */
  readonly defaults: Readonly<Record<string, string>>;
}

/** Types a command's `run` by its flags. */
export function defineCommand<const Flags extends FlagSpecs>(
  spec: Omit<CommandSpec, "run" | "flags"> & {
    readonly flags: Flags;
    readonly run: (invocation: Invocation<Flags>) => Promise<Outcome>;
  },
): CommandSpec {
  return spec as unknown as CommandSpec;
}
