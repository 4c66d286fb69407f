import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Install a package's programs for yourself, outside any project",
  description: "Each tool has an environment and a lock of its own. The same line again updates it.",
  examples: ["tool install actor-lint", "tool install actor-lint@^1.2"],
  arguments: [{ name: "PACKAGE", summary: "NAME or NAME@REQUIREMENT", kind: "package" }],
  flags: { force: { type: "boolean", summary: "Take names of programs that somebody else has" } },
  async run({ args, flags, context }) {
    const { toolInstall } = await import("@lading/engine/machine");
    const tool = await toolInstall({ spec: args[0]!, force: flags.force }, await context());
    return {
      data: tool,
      text: (style) => [
        `Installed ${style.bold(tool.name)} ${tool.version}: ${tool.commands.join(", ")} in ${tool.directory}`,
        ...(tool.onPath ? [] : [style.yellow(`  Add it to your path: export PATH="${tool.directory}:$PATH"`)]),
      ],
    };
  },
});
