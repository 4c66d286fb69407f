import { defineCommand, type CommandSpec } from "../spec.ts";
import { bytes, count } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "Copy every locked package into the project",
  description:
    "install then needs no network and no registry: it looks into the directory first, and holds what is there to the lock's digests and to the signatures that are demanded.",
  examples: ["vendor", "vendor third_party"],
  arguments: [{ name: "DIR", summary: "Default: vendor in the project", optional: true, kind: "file" }],
  flags: {},
  async run({ args, options, context }) {
    const { vendor } = await import("@lading/engine/machine");
    const result = await vendor({ directory: args[0], dryRun: options.dryRun }, await context());
    return {
      data: result,
      rows: result.packages,
      text: (style) => [
        `${options.dryRun ? "Would copy" : "Copied"} ${count(result.packages.length, "package")} to ${style.bold(result.directory)} (${bytes(result.bytes)})`,
        ...result.removed.map((one) => `  ${style.red("-")} ${one}`),
        ...(result.setting === undefined
          ? []
          : [
              `  For install to look there, put this into the manifest: [config] installer.vendor_dir = "${result.setting}"`,
            ]),
      ],
    };
  },
});
