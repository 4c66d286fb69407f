import { requireFlag } from "./require-flag.ts";
import { PLACE_FLAGS, TO_FLAG, signedLine } from "./static-place.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Sign a static registry's metadata again, before it expires",
  description:
    "To be run by a schedule, at least once in half of the registry's days. A new root comes into force by it.",
  examples: ["index-refresh --to registry"],
  flags: { ...TO_FLAG, ...PLACE_FLAGS },
  async run({ flags, context }) {
    const { staticRefresh } = await import("@lading/engine/static");
    const to = requireFlag(flags.to, "index-refresh", "to", "PLACE");
    const result = await staticRefresh({ to, keys: flags.keys, branch: flags.branch }, await context());
    return {
      data: result,
      text: (style) => [
        `${style.green("✓")} Renewed the signatures of ${result.location}`,
        signedLine(result.maintained),
      ],
    };
  },
});
