import { defineCommand, type CommandSpec } from "../spec.ts";
import { passphraseFor } from "./secrets.ts";

const FORMS = ["pem", "json", "minisign", "ssh", "allowed-signer"] as const;

export const command: CommandSpec = defineCommand({
  summary: "Print a public key as openssl, minisign or ssh read it",
  description:
    "pem: SubjectPublicKeyInfo, as openssl reads it. json: a JSON key file. minisign: for `minisign -p`. ssh: a line for authorized keys. allowed-signer: a line for `ssh-keygen -Y verify -f`, with --principal.",
  examples: [
    "key export my-key.pem --as minisign",
    "key export my-key.pub --as allowed-signer --principal ann@example.com",
  ],
  arguments: [
    {
      name: "KEY",
      summary: "A key file, public or private; default: setting signing.key",
      optional: true,
      kind: "file",
    },
  ],
  flags: {
    as: { type: "enum", summary: "Form; default: pem", values: FORMS },
    principal: { type: "text", summary: "Whom an allowed signer's line names", placeholder: "NAME" },
  },
  async run(invocation) {
    const { args, flags, context } = invocation;
    const { exportKey } = await import("@lading/engine/package");
    const engine = await context();
    const format = (flags.as ?? "pem") as (typeof FORMS)[number];
    const exported = await passphraseFor(invocation, (passphrase) =>
      exportKey({ key: args[0], format, principal: flags.principal, passphrase }, engine),
    );
    return { data: exported, text: () => exported.text.trimEnd().split("\n") };
  },
});
