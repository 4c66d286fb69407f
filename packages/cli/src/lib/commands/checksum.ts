import { SOURCE_FLAGS, sourceInput } from "./pack-source.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Print the SHA-256 of a package directory or of a file",
  description:
    "With --json the answer is an install source of a flat index: of a directory with the address and the tag or commit that is checked out, of a file with --archive-url.",
  examples: ["checksum .", "checksum my-package-1.0.0.tar.gz", "checksum . --json"],
  arguments: [{ name: "PATH", summary: "A directory or a file; default: here", optional: true, kind: "file" }],
  flags: SOURCE_FLAGS,
  async run({ args, flags, context }) {
    const { checksum } = await import("@lading/engine/package");
    const { path, ...source } = await checksum({ ...sourceInput(flags), path: args[0] ?? "." }, await context());
    return { data: source, text: () => [`${source.checksum}  ${path}`] };
  },
});
