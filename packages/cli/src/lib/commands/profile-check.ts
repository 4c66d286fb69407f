import path from "node:path";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Check an ecosystem profile against its schema, and list every mistake",
  examples: ["profile check ./my-ecosystem.toml"],
  arguments: [{ name: "FILE", summary: "The profile", kind: "file" }],
  flags: {},
  async run({ args, options }) {
    const [{ parseProfile }, { readText }] = await Promise.all([
      import("@lading/core-manifest"),
      import("@lading/engine/context"),
    ]);
    const file = args[0]!;
    const profile = parseProfile(await readText(path.resolve(options.directory, file)), file);
    const { id, title, bins } = profile;
    return {
      data: {
        id,
        title,
        bins: bins.map(({ name, commands, inherit }) => ({ name, inherit, commands: commands.length })),
      },
      text: (style) => [
        `${style.green("✓")} ${file}: profile "${id}" (${title})`,
        ...bins.map(
          ({ name, commands, inherit }) =>
            `  ${name}: ${commands.length} spellings${inherit ? " and all of Lading's commands" : ""}`,
        ),
      ],
    };
  },
});
