import { defineCommand, type CommandSpec } from "../spec.ts";
import { count } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "Verify a package file and its signature, or without FILE what is installed",
  examples: [
    "verify target/package/my-package-1.0.0.lpk",
    "verify target/package/my-package-1.0.0.lpk --key ./my-key.pub",
    "verify",
  ],
  arguments: [
    { name: "FILE", summary: "A package file; default: the installed packages", optional: true, kind: "file" },
  ],
  flags: {
    key: { type: "text", summary: "Public key file; default: the keys that you trust", placeholder: "FILE" },
    signature: { type: "text", summary: "Signature file; default: FILE.sig", placeholder: "FILE" },
    quick: { type: "boolean", summary: "Compare sizes and times of installed files, not every byte" },
  },
  async run({ args, flags, context }) {
    const { verifyEnvironment, verifyPackage } = await import("@lading/engine/package");
    const [file] = args;
    if (file === undefined) {
      const found = await verifyEnvironment({ full: !flags.quick }, await context());
      return {
        data: { ok: true, ...found },
        text: (style) => [
          `${style.green("✓")} ${count(found.packages, "installed package")} of generation ${found.generation} verified: ${count(found.files, "file")}`,
        ],
      };
    }
    const verified = await verifyPackage({ file, key: flags.key, signature: flags.signature }, await context());
    return {
      data: { ok: true, ...verified },
      text: (style) => [
        `${style.green("✓")} ${style.bold(verified.file)}: ${verified.name} ${verified.version} (${verified.kind}, ${verified.target}), ${count(verified.files, "file")}`,
        `  checksum ${verified.checksum}`,
        `  tree     ${verified.tree}`,
        ...verified.signers.map((signer) => `  signer   ${signer}`),
      ],
    };
  },
});
