import { requireFlag } from "./require-flag.ts";
import { PLACE_FLAGS, PUBLISHER_FLAG, TO_FLAG, signedLine } from "./static-place.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

const STATUSES = ["active", "yanked", "deprecated"] as const;

export const command: CommandSpec = defineCommand({
  summary: "Yank or deprecate a version of a static registry, or take that back",
  examples: ['index-status tool 1.0.0 yanked --reason "loses data" --to registry'],
  arguments: [
    { name: "PACKAGE", summary: "Name of the package", kind: "package" },
    { name: "VERSION", summary: "Its version" },
    { name: "STATUS", summary: "active, yanked or deprecated" },
  ],
  flags: {
    ...TO_FLAG,
    ...PLACE_FLAGS,
    reason: { type: "text", summary: "Why, for those who meet it", placeholder: "TEXT" },
    replacement: { type: "text", summary: "What to use instead", placeholder: "NAME" },
    ...PUBLISHER_FLAG,
  },
  async run({ args, flags, context }) {
    const { staticStatus } = await import("@lading/engine/static");
    const [name, version, word] = args as [string, string, string];
    const status = STATUSES.find((one) => one === word);
    if (status === undefined) {
      const { CliError } = await import("../cli-error.ts");
      throw new CliError({
        code: "CLI_ARGUMENT_UNEXPECTED",
        message: `Cannot make ${name} ${version} "${word.slice(0, 40)}": allowed are ${STATUSES.join(", ")}`,
      });
    }
    const to = requireFlag(flags.to, "index-status", "to", "PLACE");
    const { keys, branch, reason, replacement, publisher } = flags;
    const result = await staticStatus(
      { to, keys, branch, name, version, status, reason, replacement, publisher },
      await context(),
    );
    const { maintained } = result;
    return {
      data: { name, version, status, ...result },
      text: (style) =>
        result.changed
          ? [`${style.green("✓")} ${name} ${version} is ${status} now`, ...(maintained ? [signedLine(maintained)] : [])]
          : [`${name} ${version} is ${status} already`],
    };
  },
});
