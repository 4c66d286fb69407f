import type { ForeignSigned, SignResult } from "@lading/engine/package";
import { defineCommand, type CommandSpec } from "../spec.ts";
import { passphraseFor } from "./secrets.ts";

export const command: CommandSpec = defineCommand({
  summary: "Sign a package file: writes FILE.sig beside it",
  description:
    "With --for minisign or --for ssh any file is signed for those programs: FILE.minisig for `minisign -V`, FILE.sshsig for `ssh-keygen -Y verify -n file`. `key export` gives the key in their forms.",
  examples: [
    "sign target/package/my-package-1.0.0.lpk --key ./my-key.pem",
    "sign my-package-1.0.0.lpk --for minisign --key ./my-key.pem",
  ],
  arguments: [{ name: "FILE", summary: "The package file", kind: "file" }],
  flags: {
    key: { type: "text", summary: "Private key file; default: setting signing.key", placeholder: "FILE" },
    for: { type: "enum", summary: "Sign for another program, in its form", values: ["minisign", "ssh"] },
  },
  async run(invocation) {
    const { args, flags, context } = invocation;
    const { sign, signForeign } = await import("@lading/engine/package");
    const engine = await context();
    const format = flags.for as "minisign" | "ssh" | undefined;
    const signed = await passphraseFor<SignResult | ForeignSigned>(invocation, (passphrase) => {
      const input = { file: args[0]!, key: flags.key, passphrase };
      return format === undefined ? sign(input, engine) : signForeign({ ...input, format }, engine);
    });
    return {
      data: signed,
      text: (style) => [`Signed ${style.bold(signed.file)}: ${signed.signature}`, `  signer ${signed.signer}`],
    };
  },
});
