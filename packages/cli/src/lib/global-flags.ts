import type { FlagSpec } from "./spec.ts";

/** Keeps a table's exact type where `isolatedDeclarations` wants it spelled out. */
type Flag<Type extends FlagSpec["type"]> = Extract<FlagSpec, { type: Type }>;

/** Types of {@link GLOBAL_FLAGS}. */
export type GlobalFlags = {
  readonly dir: Flag<"text">;
  readonly registry: Flag<"text">;
  readonly env: Flag<"text">;
  readonly format: Flag<"enum">;
  readonly json: Flag<"boolean">;
  readonly events: Flag<"boolean">;
  readonly quiet: Flag<"boolean">;
  readonly verbose: Flag<"boolean">;
  readonly color: Flag<"enum">;
  readonly "no-progress": Flag<"boolean">;
  readonly offline: Flag<"boolean">;
  readonly locked: Flag<"boolean">;
  readonly frozen: Flag<"boolean">;
  readonly "dry-run": Flag<"boolean">;
  readonly yes: Flag<"boolean">;
};

/** Flags that every command takes, before or after the command's words. */
export const GLOBAL_FLAGS: GlobalFlags = {
  dir: { type: "text", alias: "C", summary: "Work in this directory", placeholder: "DIR" },
  registry: { type: "text", summary: "Use this registry: a configured name or a URL", placeholder: "NAME|URL" },
  env: { type: "text", summary: "Work in this environment: a name or a path", placeholder: "NAME" },
  format: { type: "enum", summary: "How to print the result", values: ["text", "json", "yaml", "ndjson"] },
  json: { type: "boolean", summary: "Short for --format json" },
  events: { type: "boolean", summary: "Print what happens as NDJSON on standard error" },
  quiet: { type: "boolean", alias: "q", summary: "Print the result and errors only" },
  verbose: { type: "boolean", alias: "v", summary: "Print details, and stack traces of our own faults" },
  color: { type: "enum", summary: "When to use colours", values: ["auto", "always", "never"] },
  "no-progress": { type: "boolean", summary: "Draw no progress bars" },
  offline: { type: "boolean", summary: "Open no socket" },
  locked: { type: "boolean", summary: "Fail where the lock file would change" },
  frozen: { type: "boolean", summary: "Use the lock file without comparing it to the manifest" },
  "dry-run": { type: "boolean", summary: "Say what would be done, and change nothing" },
  yes: { type: "boolean", alias: "y", summary: "Answer every question with yes" },
};
