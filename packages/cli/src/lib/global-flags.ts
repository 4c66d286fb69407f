import type { FlagSpecs } from "./spec.ts";

/** Flags that every command takes, before or after the command's words. */
export const GLOBAL_FLAGS = {
  dir: { type: "text", alias: "C", summary: "Work in this directory", placeholder: "DIR" },
  registry: { type: "text", summary: "Use this registry: a configured name or a URL", placeholder: "NAME|URL" },
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
} as const satisfies FlagSpecs;

/** `-p NAME` and `--workspace`, on commands for which they make sense. */
export const MEMBER_FLAGS = {
  package: { type: "text", alias: "p", summary: "Act on this workspace member", placeholder: "NAME" },
  workspace: { type: "boolean", summary: "Act on every workspace member" },
} as const satisfies FlagSpecs;
