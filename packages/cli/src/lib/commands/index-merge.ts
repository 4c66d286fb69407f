import { requireFlag } from "./require-flag.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Merge flat indexes into one; of each pack the highest version stays",
  examples: ["index-merge --output merged.json official/index.json community/index.json"],
  arguments: [{ name: "INDEX", summary: "An index file", many: true, kind: "file" }],
  flags: {
    output: { type: "text", alias: "o", summary: "The file to write", placeholder: "FILE" },
    force: { type: "boolean", summary: "Replace the output where it is there" },
  },
  async run({ args, flags, options, context }) {
    const { indexMerge } = await import("@lading/engine/package");
    const output = requireFlag(flags.output, "index-merge", "output", "FILE");
    const result = await indexMerge(
      { inputs: args, output, force: flags.force, dryRun: options.dryRun },
      await context(),
    );
    return {
      data: result,
      text: (style) => [
        `${style.green("✓")} ${options.dryRun ? "Would merge" : "Merged"} ${result.inputs} index ${result.inputs === 1 ? "file" : "files"} into ${result.file}`,
        `  Total packs loaded: ${result.loaded}`,
        `  Unique packs: ${result.unique}`,
        `  Duplicates resolved: ${result.duplicates}`,
      ],
    };
  },
});
