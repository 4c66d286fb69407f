import { defineCommand, type CommandSpec } from "../spec.ts";
import { count, table } from "../render/table.ts";
import { hostsText } from "./environment-text.ts";

export const command: CommandSpec = defineCommand({
  summary: "Show what an environment is made for and holds",
  examples: ["env info my-project"],
  arguments: [{ name: "NAME", summary: "Name or path of an environment" }],
  flags: {},
  async run({ args, context }) {
    const { environmentInfo } = await import("@lading/engine/machine");
    const found = await environmentInfo({ name: args[0]! }, await context());
    return {
      data: found,
      text: (style) => [
        `${style.bold(found.name)}${hostsText(found.hosts)}${found.active ? ", active" : ""}`,
        `  directory  ${found.directory}`,
        `  created    ${found.created.replace(/\.\d+Z$/, "Z")}`,
        `  lock file  ${found.locked ? "yes" : "none yet"}`,
        `  installed  ${count(found.packages.length, "package")}${found.generation === undefined ? "" : `, generation ${found.generation}`}`,
        ...table(
          style,
          ["PACKAGE", "VERSION", "SOURCE"],
          found.packages.map(({ name, version, source }) => [name, version, source]),
        ),
      ],
    };
  },
});
