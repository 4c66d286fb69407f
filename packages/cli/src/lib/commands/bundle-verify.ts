import { bundleLines } from "./bundle-text.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Verify an offline bundle, and say how old its state is",
  description: "What ran out longer ago than security.offline_max_age is refused.",
  examples: ["bundle verify ./bundle --root sha256:DIGEST"],
  arguments: [{ name: "DIR", summary: "Directory of the bundle", kind: "file" }],
  flags: { root: { type: "text", summary: "Digest of the root that it must be signed under", placeholder: "DIGEST" } },
  async run({ args, flags, context }) {
    const { bundleVerify } = await import("@lading/engine/static");
    const { parseDigest } = await import("@lading/core-manifest");
    const root = flags.root === undefined ? undefined : parseDigest(flags.root);
    const result = await bundleVerify({ directory: args[0]!, root }, await context());
    return { data: result, text: (style) => bundleLines("Verified", result, style) };
  },
});
