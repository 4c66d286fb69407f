import { MEMBER_FLAGS } from "./member-flags.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import {
  changeLines,
  INSTALL_FLAGS,
  installInput,
  installLine,
  RESOLVE_FLAGS,
  resolveInput,
  summaryData,
} from "./shared.ts";

export const command: CommandSpec = defineCommand({
  summary: "Edit ranges in the manifest so that the newest versions are allowed, lock and install them",
  examples: ["upgrade", "upgrade actor-utils", "upgrade actor-utils --to 2.0.0"],
  arguments: [{ name: "NAME", summary: "Direct dependency", optional: true, many: true, kind: "package" }],
  flags: {
    to: { type: "text", summary: "Go to this version", placeholder: "VERSION" },
    "no-install": { type: "boolean", summary: "Change manifest and lock only" },
    ...RESOLVE_FLAGS,
    ...INSTALL_FLAGS,
    ...MEMBER_FLAGS,
  },
  async run({ args, flags, options, context }) {
    const { upgrade } = await import("@lading/engine/dependencies");
    const { edited, lock, install } = await upgrade(
      {
        ...resolveInput(flags, options),
        ...(await installInput(flags)),
        names: args,
        to: flags.to,
        install: !flags["no-install"],
        package: flags.package,
        workspace: flags.workspace,
      },
      await context(),
    );
    return {
      data: { edited, ...summaryData(lock, install) },
      text: (style) => [
        ...(edited.length === 0 ? ["Every range allows the newest version"] : []),
        ...edited.map(
          ({ name, from, to }) => `${options.dryRun ? "Would edit" : "Edited"} ${style.bold(name)}: ${from} -> ${to}`,
        ),
        ...changeLines(lock.changes, style).map((line) => `  ${line}`),
        ...(install === undefined ? [] : [installLine(install)]),
      ],
    };
  },
});
