import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Make a package in a new directory",
  examples: ["new my-package", "new ./packages/my-package --name company/my-package"],
  arguments: [{ name: "PATH", summary: "Directory to make; its last part is the name", kind: "file" }],
  flags: {
    name: { type: "text", summary: "Name of the package, where it is not the directory's" },
    license: { type: "text", summary: "SPDX expression of the licence", placeholder: "SPDX" },
    description: { type: "text", summary: "What the package is, in one sentence" },
  },
  async run({ args, flags, options, context }) {
    const { init } = await import("@lading/engine/package");
    const made = await init({ path: args[0], ...flags, dryRun: options.dryRun }, await context());
    return {
      data: made,
      text: () => [
        `${options.dryRun ? "Would make" : "Made"} package "${made.name}" in ${made.directory}`,
        ...made.files.map((file) => `  ${file}`),
      ],
    };
  },
});
