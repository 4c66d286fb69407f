import { channelsOutcome } from "./channels-text.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "List the channels of a package",
  description: "A channel is a name for a version, such as beta. The name of a package alone means channel latest.",
  examples: ["channel list my-package"],
  arguments: [{ name: "PACKAGE", summary: "Name of the package", kind: "package" }],
  flags: {},
  async run({ args, context }) {
    const { channelList } = await import("@lading/engine/registry");
    return channelsOutcome(await channelList({ name: args[0]! }, await context()));
  },
});
