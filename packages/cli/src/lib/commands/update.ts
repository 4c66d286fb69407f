import { MEMBER_FLAGS } from "./member-flags.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import {
  changeLines,
  INSTALL_FLAGS,
  installInput,
  installLine,
  lockLine,
  RESOLVE_FLAGS,
  resolveInput,
  summaryData,
} from "./shared.ts";

export const command: CommandSpec = defineCommand({
  summary: "Move locked versions to the newest that the manifest allows",
  description: "With names, only those move, and what they newly need; every other entry of the lock stays as it is.",
  examples: ["update", "update actor-utils", "update --precise actor-utils@1.4.2", "update --dry-run"],
  arguments: [{ name: "NAME", summary: "Package in the lock", optional: true, many: true, kind: "package" }],
  flags: {
    precise: {
      type: "text",
      summary: "Move a package to exactly this version, newer or older",
      placeholder: "NAME@VERSION",
    },
    "no-install": { type: "boolean", summary: "Change the lock only" },
    ...RESOLVE_FLAGS,
    ...INSTALL_FLAGS,
    ...MEMBER_FLAGS,
  },
  async run({ args, flags, options, context }) {
    const { update } = await import("@lading/engine/dependencies");
    const { lock, install } = await update(
      {
        ...resolveInput(flags, options),
        ...(await installInput(flags)),
        names: args,
        precise: flags.precise,
        install: !flags["no-install"],
        package: flags.package,
        workspace: flags.workspace,
      },
      await context(),
    );
    return {
      data: summaryData(lock, install),
      text: (style) => [
        ...changeLines(lock.changes, style).map((line) => `  ${line}`),
        install === undefined ? lockLine(lock, options.dryRun) : installLine(install),
      ],
    };
  },
});
