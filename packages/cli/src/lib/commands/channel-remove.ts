import { channelsOutcome } from "./channels-text.ts";
import { CHANNEL_FLAGS } from "./static-place.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Remove a channel; its version stays",
  examples: ["channel remove my-package beta"],
  arguments: [
    { name: "PACKAGE", summary: "Name of the package", kind: "package" },
    { name: "CHANNEL", summary: "Name of the channel" },
  ],
  flags: CHANNEL_FLAGS,
  async run({ args, flags: { to, keys, branch, publisher }, context }) {
    const [name, channel] = args as [string, string];
    if (to !== undefined) {
      const { staticChannel } = await import("@lading/engine/static");
      return channelsOutcome(
        await staticChannel({ to, keys, branch, publisher, spec: name, channel, remove: true }, await context()),
      );
    }
    const { channelRemove } = await import("@lading/engine/registry");
    return channelsOutcome(await channelRemove({ name, channel }, await context()));
  },
});
