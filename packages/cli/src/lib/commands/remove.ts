import { MEMBER_FLAGS } from "./member-flags.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import { changeLines, installLine, lockMode, summaryData } from "./shared.ts";

export const command: CommandSpec = defineCommand({
  summary: "Remove dependencies from manifest, lock and installation",
  examples: ["remove actor-utils", "remove test-framework --dev"],
  arguments: [{ name: "NAME", summary: "Name of a dependency", many: true, kind: "package" }],
  flags: {
    dev: { type: "boolean", summary: "Only from the development dependencies" },
    build: { type: "boolean", summary: "Only from the build dependencies" },
    peer: { type: "boolean", summary: "Only from the peer dependencies" },
    "no-install": { type: "boolean", summary: "Change manifest and lock only" },
    package: MEMBER_FLAGS.package,
  },
  async run({ args, flags, options, context }) {
    const { remove } = await import("@lading/engine/dependencies");
    const kinds = (["dev", "build", "peer"] as const).filter((kind) => flags[kind]);
    const { member, removed, lock, install } = await remove(
      {
        names: args,
        ...(kinds.length === 0 ? {} : { kinds }),
        install: !flags["no-install"],
        package: flags.package,
        dryRun: options.dryRun,
        mode: lockMode(options),
      },
      await context(),
    );
    return {
      data: { member, removed, ...summaryData(lock, install) },
      text: (style) => [
        ...removed.map((name) => `${options.dryRun ? "Would remove" : "Removed"} ${style.bold(name)} from ${member}`),
        ...changeLines(lock.changes, style).map((line) => `  ${line}`),
        ...(install === undefined ? [] : [installLine(install)]),
      ],
    };
  },
});
