import { channelsOutcome } from "./channels-text.ts";
import { CHANNEL_FLAGS } from "./static-place.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Let a channel name a version",
  examples: [
    "channel add my-package@2.0.0-rc.1 beta",
    "channel add my-package@1.4.2 latest",
    "channel add my-package@1.4.2 latest --to registry",
  ],
  arguments: [
    { name: "NAME@VERSION", summary: "A published version", kind: "package" },
    { name: "CHANNEL", summary: "Name of the channel, such as beta" },
  ],
  flags: CHANNEL_FLAGS,
  async run({ args, flags: { to, keys, branch, publisher }, context }) {
    const [spec, channel] = args as [string, string];
    if (to !== undefined) {
      const { staticChannel } = await import("@lading/engine/static");
      return channelsOutcome(await staticChannel({ to, keys, branch, publisher, spec, channel }, await context()));
    }
    const { channelAdd } = await import("@lading/engine/registry");
    return channelsOutcome(await channelAdd({ spec, channel }, await context()));
  },
});
