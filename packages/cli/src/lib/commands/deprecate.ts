import { requireReason } from "./reason.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Mark a version as superseded; it stays installable, with a note",
  examples: ['deprecate my-package@1.0.0 --reason "Use the new one" --replacement my-package-2'],
  arguments: [{ name: "NAME@VERSION", summary: "The version", kind: "package" }],
  flags: {
    reason: { type: "text", summary: "Why; shown to everybody who has it", placeholder: "TEXT" },
    replacement: { type: "text", summary: "Package to use instead", placeholder: "NAME" },
    undo: { type: "boolean", summary: "Take the mark away" },
  },
  async run({ args, flags, context }) {
    const { deprecate } = await import("@lading/engine/registry");
    const { reason, replacement, undo } = flags;
    const result = await deprecate(
      { spec: args[0]!, reason: undo ? "" : requireReason(reason, "deprecate"), replacement, undo },
      await context(),
    );
    return {
      data: result,
      text: () => [
        undo
          ? `${result.name} ${result.version} is not deprecated any more`
          : `Deprecated ${result.name} ${result.version}${result.replacement === undefined ? "" : `, use ${result.replacement}`}`,
      ],
    };
  },
});
