import { SOURCE_FLAGS, sourceInput } from "./pack-source.ts";
import { requireFlag } from "./require-flag.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Put a pack's entry into a flat index file",
  examples: [
    "index-update --index index.json path/to/pack --git-url https://github.com/org/pack --git-ref v1.0.0 --update",
  ],
  arguments: [{ name: "PACK", summary: "Directory of the pack; default: here", optional: true, kind: "file" }],
  flags: {
    index: { type: "text", summary: "The index file", placeholder: "FILE" },
    ...SOURCE_FLAGS,
    update: { type: "boolean", summary: "Replace the pack's entry where there is one" },
  },
  async run({ args, flags, options, context }) {
    const { indexUpdate } = await import("@lading/engine/package");
    const index = requireFlag(flags.index, "index-update", "index", "FILE");
    const result = await indexUpdate(
      { ...sourceInput(flags), pack: args[0], index, update: flags.update, dryRun: options.dryRun },
      await context(),
    );
    return { data: result, text: (style) => [`${style.green("✓")} ${line(result, options.dryRun)}`] };
  },
});

function line(
  { file, ref, version, before, change, packs }: Awaited<ReturnType<typeof import("@lading/engine").indexUpdate>>,
  dryRun: boolean,
): string {
  if (change === "unchanged") return `${ref} ${version} is in ${file} already, with the same sources`;
  const verb = change === "added" ? (dryRun ? "Would add" : "Added") : dryRun ? "Would update" : "Updated";
  const from = before === undefined || before === version ? "" : ` (from ${before})`;
  return `${verb} ${ref} ${version}${from} in ${file}: ${packs} ${packs === 1 ? "pack" : "packs"}`;
}
