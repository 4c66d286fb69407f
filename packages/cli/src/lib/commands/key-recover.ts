import { defineCommand, type CommandSpec } from "../spec.ts";
import { describeChange } from "./key-change.ts";

export const command: CommandSpec = defineCommand({
  summary: "Announce a new signing key in the place of a lost one; it takes effect after seven days",
  examples: ["key recover --key new.pem", "key recover --key new.pem --lost ed25519:06e3..."],
  flags: {
    key: {
      type: "text",
      alias: "k",
      summary: "The new private key; default: setting signing.key",
      placeholder: "FILE",
    },
    lost: { type: "text", summary: "Fingerprint of the lost key; default: the only one in use", placeholder: "KEY" },
    reason: { type: "text", summary: "Why, for everybody to read" },
  },
  async run({ flags, context }) {
    const { keyRecover } = await import("@lading/engine/package");
    const done = await keyRecover({ key: flags.key, lost: flags.lost, reason: flags.reason }, await context());
    return { data: done, text: () => describeChange(done) };
  },
});
