import { defineCommand, type CommandSpec } from "../spec.ts";
import { askSecret, readSecretFromInput } from "./secrets.ts";

export const command: CommandSpec = defineCommand({
  summary: "Make an Ed25519 key pair: a private file of mode 0600 and its .pub",
  examples: ["keygen --output ./my-key.pem", "keygen --output dev.json --encrypt"],
  flags: {
    output: {
      type: "text",
      alias: "o",
      summary: "Private key file; default: default.pem among your keys",
      placeholder: "FILE",
    },
    "key-format": { type: "enum", summary: "Form of the file; default: by its extension", values: ["pem", "json"] },
    encrypt: { type: "boolean", summary: "Protect it with a passphrase, which is asked for" },
    "passphrase-stdin": { type: "boolean", summary: "Protect it with a passphrase from standard input" },
    "no-trust": { type: "boolean", summary: "Do not add it to the keys that you trust" },
  },
  async run({ flags, io, context }) {
    const { keygen } = await import("@lading/engine/package");
    const passphrase = flags["passphrase-stdin"]
      ? await readSecretFromInput(io, "--passphrase-stdin")
      : flags.encrypt
        ? await askSecret(io, "Passphrase for the new key", "--passphrase-stdin")
        : undefined;
    const made = await keygen(
      {
        output: flags.output,
        ...(flags["key-format"] === undefined ? {} : { format: flags["key-format"] as "pem" | "json" }),
        passphrase,
        trust: !flags["no-trust"],
      },
      await context(),
    );
    return {
      data: made,
      text: (style) => [
        `Private key ${style.bold(made.private)} (keep it secret)`,
        `Public key  ${made.public}`,
        `Fingerprint ${made.fingerprint}`,
      ],
    };
  },
});
