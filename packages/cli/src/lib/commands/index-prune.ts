import { requireFlag } from "./require-flag.ts";
import { PLACE_FLAGS, TO_FLAG } from "./static-place.ts";
import { bytes } from "../render/table.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Remove what a static registry has replaced",
  description:
    "Takes away metadata and index documents that no client can come to any more: neither the snapshot in force leads to them, nor one that has not expired yet. Roots, package files, statements and the log stay. --dry-run says what would go.",
  examples: ["index-prune --to registry --dry-run", "index-prune --to registry"],
  flags: { ...TO_FLAG, ...PLACE_FLAGS },
  async run({ flags, context, options }) {
    const { staticPrune } = await import("@lading/engine/static");
    const to = requireFlag(flags.to, "index-prune", "to", "PLACE");
    const input = { to, keys: flags.keys, branch: flags.branch, dryRun: options.dryRun };
    const result = await staticPrune(input, await context());
    const { dryRun, removed, kept, keptBytes, location } = result;
    const count = `${removed.length} superseded file${removed.length === 1 ? "" : "s"}, ${bytes(result.bytes)}`;
    return {
      data: result,
      text: (style) => [
        ...(dryRun ? removed.map((path) => `  ${path}`) : []),
        dryRun ? `Would remove ${count}` : `${style.green("✓")} Removed ${count}, from ${location}`,
        ...(kept === 0 ? [] : [`  ${kept} more (${bytes(keptBytes)}) wait until the signatures that name them expire`]),
      ],
    };
  },
});
