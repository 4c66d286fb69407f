import { defineCommand, type CommandSpec } from "../spec.ts";
import { bytes } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "Download a package file, verify it and its signature, and keep it",
  examples: ["fetch vitte-ast@0.1.0", "fetch vitte-ast --output ./downloads"],
  arguments: [{ name: "PACKAGE", summary: "NAME, NAME@VERSION or NAME@REQUIREMENT", kind: "package" }],
  flags: {
    output: { type: "text", alias: "o", summary: "Directory for the file; default: here", placeholder: "DIR" },
    target: { type: "text", summary: "Platform; default: any", placeholder: "TRIPLE" },
  },
  async run({ args, flags, context }) {
    const { fetch } = await import("@lading/engine/registry");
    const fetched = await fetch({ spec: args[0]!, output: flags.output, target: flags.target }, await context());
    return {
      data: fetched,
      text: (style) => [
        `Fetched ${fetched.name} ${fetched.version}: ${style.bold(fetched.file)} (${bytes(fetched.size)})`,
        `  checksum ${fetched.checksum}`,
        ...(fetched.signers.length === 0 ? ["  not signed"] : fetched.signers.map((signer) => `  signer   ${signer}`)),
      ],
    };
  },
});
