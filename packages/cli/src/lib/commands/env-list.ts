import { defineCommand, type CommandSpec } from "../spec.ts";
import { table } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "List environments",
  examples: ["env list"],
  flags: {},
  async run({ context }) {
    const { listEnvironments } = await import("@lading/engine/machine");
    const rows = await listEnvironments({}, await context());
    return {
      data: rows,
      rows,
      text: (style) =>
        rows.length === 0
          ? ["There is no environment yet"]
          : table(
              style,
              ["", "NAME", "HOSTS", "CREATED", "DIRECTORY"],
              rows.map(({ name, hosts, created, directory, active }) => [
                active ? "*" : " ",
                name,
                Object.entries(hosts)
                  .map(([axis, version]) => `${axis} ${version}`)
                  .join(", "),
                created.replace(/\.\d+Z$/, "Z"),
                directory,
              ]),
            ),
    };
  },
});
