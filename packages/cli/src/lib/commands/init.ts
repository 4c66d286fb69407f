import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Make a package in this directory, or at --path",
  examples: ["init my-package", "init my-package --path ./packages/my-package --license MIT"],
  arguments: [{ name: "NAME", summary: "Name of the package; default: the directory's", optional: true }],
  flags: {
    path: { type: "text", summary: "Directory of the package", placeholder: "DIR" },
    license: { type: "text", summary: "SPDX expression of the licence", placeholder: "SPDX" },
    description: { type: "text", summary: "What the package is, in one sentence" },
    "initial-version": { type: "text", summary: "Version to start with (0.1.0)", placeholder: "VERSION" },
  },
  async run({ args, flags, options, context }) {
    const { init } = await import("@lading/engine/package");
    const { path, license, description, "initial-version": version } = flags;
    const input = { name: args[0], path, license, description, version, dryRun: options.dryRun };
    const made = await init(input, await context());
    return {
      data: made,
      text: () => [
        `${options.dryRun ? "Would make" : "Made"} package "${made.name}" in ${made.directory}`,
        ...made.files.map((file) => `  ${file}`),
      ],
    };
  },
});
