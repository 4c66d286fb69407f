import { defineCommand, type CommandSpec } from "../spec.ts";
import { bytes } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "Delete build outputs, with --cache caches; never manifest or lock",
  examples: ["clean", "clean --cache", "clean --all --dry-run"],
  flags: {
    cache: { type: "boolean", summary: "Delete index documents, downloads and unused stored packages" },
    all: { type: "boolean", summary: "Delete caches, build outputs and what is installed" },
  },
  async run({ flags, options, context }) {
    const { clean } = await import("@lading/engine/machine");
    const result = await clean({ cache: flags.cache, all: flags.all, dryRun: options.dryRun }, await context());
    return {
      data: result,
      text: () =>
        result.removed.length === 0
          ? ["Nothing to delete"]
          : [
              ...result.removed.map((path) => `${options.dryRun ? "Would delete" : "Deleted"} ${path}`),
              ...(result.freedBytes === 0 ? [] : [`${bytes(result.freedBytes)} of stored packages`]),
            ],
    };
  },
});
