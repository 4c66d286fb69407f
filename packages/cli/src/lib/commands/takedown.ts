import { requireReason } from "./reason.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Take a version down, as an admin: its number and digest stay, and its files are sent to nobody",
  examples: ['takedown bad-package@1.0.0 --reason "It steals passwords"', "takedown good-package@1.0.0 --undo"],
  arguments: [{ name: "NAME@VERSION", summary: "The version", kind: "package" }],
  flags: {
    reason: { type: "text", summary: "Why; told to everybody who asks for it", placeholder: "TEXT" },
    purge: { type: "boolean", summary: "Let garbage collection delete the files: it cannot be undone then" },
    undo: { type: "boolean", summary: "Bring the version back as it was" },
  },
  async run({ args, flags, context }) {
    const { bringBack, takeDown } = await import("@lading/engine/registry");
    const spec = args[0]!;
    if (flags.undo) {
      const result = await bringBack({ spec }, await context());
      return { data: result, text: () => [`${result.name} ${result.version} is back`] };
    }
    const reason = requireReason(flags.reason, "takedown");
    const result = await takeDown({ spec, reason, purge: flags.purge }, await context());
    return { data: result, text: () => [`Took ${result.name} ${result.version} down: ${reason}`] };
  },
});
