import { defineCommand, type CommandSpec } from "../spec.ts";
import { hostsText } from "./environment-text.ts";

export const command: CommandSpec = defineCommand({
  summary: "Make an isolated environment with its own lock file and packages",
  description:
    "Packages in it are chosen for the host versions given here. Use it with --env NAME, or make it your shell's with `env activate`.",
  examples: ["env create my-project", "env create ./sandbox"],
  arguments: [{ name: "NAME", summary: "One directory name below environments.base_dir, or a path with a separator" }],
  flags: {
    host: { type: "list", summary: "Pin this version of a host", placeholder: "AXIS=VERSION" },
  },
  async run({ args, flags, options, context }) {
    const { createEnvironment } = await import("@lading/engine/machine");
    const made = await createEnvironment(
      { name: args[0]!, hosts: flags.host, dryRun: options.dryRun },
      await context(),
    );
    return {
      data: made,
      text: (style) => [
        `${options.dryRun ? "Would make" : "Made"} environment ${style.bold(made.name)}${hostsText(made.hosts)} in ${made.directory}`,
      ],
    };
  },
});
