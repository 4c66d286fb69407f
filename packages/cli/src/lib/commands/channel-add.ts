import { channelsOutcome } from "./channels-text.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Let a channel name a version",
  examples: ["channel add my-package@2.0.0-rc.1 beta", "channel add my-package@1.4.2 latest"],
  arguments: [
    { name: "NAME@VERSION", summary: "A published version", kind: "package" },
    { name: "CHANNEL", summary: "Name of the channel, such as beta" },
  ],
  flags: {},
  async run({ args, context }) {
    const { channelAdd } = await import("@lading/engine/registry");
    return channelsOutcome(await channelAdd({ spec: args[0]!, channel: args[1]! }, await context()));
  },
});
