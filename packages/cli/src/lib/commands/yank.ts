import { requireReason } from "./reason.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Withdraw a version: new locks do not choose it, locks that have it go on installing it",
  examples: ['yank my-package@1.0.0 --reason "Security vulnerability"'],
  arguments: [{ name: "NAME@VERSION", summary: "The version", kind: "package" }],
  flags: { reason: { type: "text", summary: "Why; shown to everybody who has it", placeholder: "TEXT" } },
  async run({ args, flags, context }) {
    const { yank } = await import("@lading/engine/registry");
    const result = await yank({ spec: args[0]!, reason: requireReason(flags.reason, "yank") }, await context());
    return {
      data: result,
      text: () => [`Yanked ${result.name} ${result.version}: ${result.reason}`],
    };
  },
});
