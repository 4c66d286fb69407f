import { defineCommand, type CommandSpec } from "../spec.ts";
import { describeChange } from "./key-change.ts";

export const command: CommandSpec = defineCommand({
  summary: "End the trust in a signing key from an entry of the log on; what it signed before stays good",
  examples: ["key revoke --key stolen.pem", "key revoke --key backup.pem --revoked stolen.pub --from 4711"],
  flags: {
    key: {
      type: "text",
      alias: "k",
      summary: "A private key of yours in use, also the one itself; default: setting signing.key",
      placeholder: "FILE",
    },
    revoked: { type: "text", summary: "Public key that is revoked; default: that of --key", placeholder: "FILE" },
    from: { type: "number", summary: "First entry of the log for which it is not trusted; default: from now on" },
    reason: { type: "text", summary: "Why, for everybody to read" },
  },
  async run({ flags, context }) {
    const { keyRevoke } = await import("@lading/engine/package");
    const { key, revoked, from: fromIndex, reason } = flags;
    const done = await keyRevoke({ key, revoked, fromIndex, reason }, await context());
    return { data: done, text: () => describeChange(done) };
  },
});
