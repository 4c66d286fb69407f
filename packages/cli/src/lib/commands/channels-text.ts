import type { PackageChannels } from "@lading/engine/registry";
import type { Outcome } from "../spec.ts";
import { table } from "../render/table.ts";

/** The channels of a package as every command about them shows them. */
export function channelsOutcome({ name, channels }: PackageChannels): Outcome {
  const rows = Object.entries(channels)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([channel, version]) => ({ channel, version }));
  return {
    data: { name, channels },
    rows,
    text: (style) =>
      table(
        style,
        ["CHANNEL", "VERSION"],
        rows.map(({ channel, version }) => [channel, version]),
      ),
  };
}
