import type { LinkResult } from "@lading/engine/machine";
import { defineCommand, type CommandSpec, type Outcome } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Let a directory stand in for a package of the project",
  description:
    "On this machine only: manifest and lock stay as they are, and every install keeps the link until unlink. Without a directory, links are listed.",
  examples: ["link ../actor-utils", "link"],
  arguments: [{ name: "DIR", summary: "Directory of the package", optional: true, many: true, kind: "file" }],
  flags: {},
  async run({ args, options, context }) {
    const { link } = await import("@lading/engine/machine");
    const result = await link({ directories: args, dryRun: options.dryRun }, await context());
    return linkOutcome(result);
  },
});

/** What is linked, one line each. */
export function linkOutcome(result: LinkResult): Outcome {
  return {
    data: result,
    rows: result.linked,
    text: (style) => [
      ...result.removed.map((name) => `${style.red("-")} ${name}`),
      ...result.linked.map(
        ({ name, directory }) =>
          `${result.added.includes(name) ? style.green("+") : " "} ${style.bold(name)} -> ${directory}`,
      ),
      ...(result.linked.length + result.removed.length === 0 ? ["No packages are linked"] : []),
    ],
  };
}
