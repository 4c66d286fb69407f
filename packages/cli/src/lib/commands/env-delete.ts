import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Delete an environment with everything in it",
  examples: ["env delete my-project"],
  arguments: [{ name: "NAME", summary: "Name or path of an environment" }],
  flags: {},
  async run({ args, options, context }) {
    const { deleteEnvironment } = await import("@lading/engine/machine");
    const gone = await deleteEnvironment({ name: args[0]!, dryRun: options.dryRun }, await context());
    const verb = options.dryRun ? "Would delete" : "Deleted";
    return { data: gone, text: (style) => [`${verb} environment ${style.bold(gone.name)} in ${gone.directory}`] };
  },
});
