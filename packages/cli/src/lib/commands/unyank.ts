import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Undo a yank",
  examples: ["unyank my-package@1.0.0"],
  arguments: [{ name: "NAME@VERSION", summary: "The version", kind: "package" }],
  flags: {},
  async run({ args, context }) {
    const { unyank } = await import("@lading/engine/registry");
    const result = await unyank({ spec: args[0]! }, await context());
    return { data: result, text: () => [`${result.name} ${result.version} can be chosen again`] };
  },
});
