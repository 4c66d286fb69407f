import { defineCommand, type CommandSpec } from "../spec.ts";
import { describeChange } from "./key-change.ts";

export const command: CommandSpec = defineCommand({
  summary: "Put a new signing key in the place of an old one: both sign, and whoever pinned the old one can follow",
  examples: ["key rotate --key old.pem --to new.pem", 'key rotate --to new.json --reason "new laptop"'],
  flags: {
    key: {
      type: "text",
      alias: "k",
      summary: "The old private key; default: setting signing.key",
      placeholder: "FILE",
    },
    to: { type: "text", summary: "The new private key, made by keygen", placeholder: "FILE" },
    reason: { type: "text", summary: "Why, for everybody to read" },
  },
  async run({ flags, context }) {
    const { keyRotate } = await import("@lading/engine/package");
    const { requireFlag } = await import("./require-flag.ts");
    const to = requireFlag(flags.to, "key rotate", "to", "FILE");
    const done = await keyRotate({ key: flags.key, to, reason: flags.reason }, await context());
    return { data: done, text: () => describeChange(done) };
  },
});
