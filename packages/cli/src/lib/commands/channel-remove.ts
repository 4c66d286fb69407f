import { channelsOutcome } from "./channels-text.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Remove a channel; its version stays",
  examples: ["channel remove my-package beta"],
  arguments: [
    { name: "PACKAGE", summary: "Name of the package", kind: "package" },
    { name: "CHANNEL", summary: "Name of the channel" },
  ],
  flags: {},
  async run({ args, context }) {
    const { channelRemove } = await import("@lading/engine/registry");
    return channelsOutcome(await channelRemove({ name: args[0]!, channel: args[1]! }, await context()));
  },
});
