import { SOURCE_FLAGS, sourceInput } from "./pack-source.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Print a pack's entry for a flat index",
  examples: ["index-entry path/to/pack --git-url https://github.com/org/pack --git-ref v1.0.0"],
  arguments: [{ name: "PACK", summary: "Directory of the pack; default: here", optional: true, kind: "file" }],
  flags: SOURCE_FLAGS,
  async run({ args, flags, context }) {
    const { indexEntry } = await import("@lading/engine/package");
    const entry = await indexEntry({ ...sourceInput(flags), pack: args[0] }, await context());
    return { data: entry, text: () => JSON.stringify(entry, undefined, 2).split("\n") };
  },
});
