import { HERE_FLAGS, hereInput } from "./shared.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Show the chains of dependencies that lead to a package",
  examples: ["why rand"],
  arguments: [{ name: "NAME", summary: "Package in the lock", kind: "package" }],
  flags: HERE_FLAGS,
  async run({ args, flags, context }) {
    const { why } = await import("@lading/engine/inspect");
    const result = await why({ name: args[0]!, ...hereInput(flags) }, await context());
    return {
      data: result,
      rows: result.packages,
      text: (style) =>
        result.packages.flatMap(({ version, paths, more }) => [
          style.bold(`${result.name} ${version}`),
          ...paths.map((path) => `  ${path.join(" > ")}`),
          ...(more ? ["  and more"] : []),
        ]),
    };
  },
});
