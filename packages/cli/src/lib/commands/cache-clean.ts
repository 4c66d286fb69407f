import { defineCommand, type CommandSpec } from "../spec.ts";
import { command as clean } from "./clean.ts";

export const command: CommandSpec = defineCommand({
  summary: "Delete index documents, downloads and stored packages that no project uses",
  description: "The same as clean --cache.",
  examples: ["cache clean", "cache clean --dry-run"],
  flags: {},
  run: (invocation) => clean.run({ ...invocation, flags: { cache: true, all: false } }),
});
