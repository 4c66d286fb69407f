import { bundleLines } from "./bundle-text.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Copy everything that the lock names out of its registries, for a place without a network",
  description:
    "The directory holds signed metadata, index documents, package files, signatures and the log's hashes. There, set registry.bundle to it (or the environment variable) and install as ever.",
  examples: ["bundle create ./bundle"],
  arguments: [{ name: "DIR", summary: "Directory to make", kind: "file" }],
  flags: {},
  async run({ args, context }) {
    const { bundleCreate } = await import("@lading/engine/static");
    const result = await bundleCreate({ directory: args[0]! }, await context());
    return { data: result, text: (style) => bundleLines("Made", result, style) };
  },
});
