import { defineCommand, type CommandSpec } from "../spec.ts";
import { passphraseFor } from "./secrets.ts";

export const command: CommandSpec = defineCommand({
  summary: "Sign a package file: writes FILE.sig beside it",
  examples: ["sign target/package/my-package-1.0.0.lpk --key ./my-key.pem"],
  arguments: [{ name: "FILE", summary: "The package file", kind: "file" }],
  flags: { key: { type: "text", summary: "Private key file; default: setting signing.key", placeholder: "FILE" } },
  async run(invocation) {
    const { args, flags, context } = invocation;
    const { sign } = await import("@lading/engine/package");
    const engine = await context();
    const signed = await passphraseFor(invocation, (passphrase) =>
      sign({ file: args[0]!, key: flags.key, passphrase }, engine),
    );
    return {
      data: signed,
      text: (style) => [`Signed ${style.bold(signed.file)}: ${signed.signature}`, `  signer ${signed.signer}`],
    };
  },
});
