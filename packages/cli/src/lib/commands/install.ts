import { MEMBER_FLAGS } from "./member-flags.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import {
  changeLines,
  INSTALL_FLAGS,
  installInput,
  installLine,
  lockLine,
  readyData,
  readyLine,
  RESOLVE_FLAGS,
  resolveInput,
  summaryData,
} from "./shared.ts";

export const command: CommandSpec = defineCommand({
  summary: "Install the project's dependencies, or packages by name, Git address or directory",
  description:
    "A fresh lock file is installed without asking any registry. With arguments, they are added to the manifest first; where there is none, one is made.",
  examples: ["install", "install --frozen --production", "install actor-utils@^1.2.0"],
  arguments: [
    {
      name: "PACKAGE",
      summary: "NAME, NAME@REQUIREMENT, a Git address or ./DIRECTORY",
      optional: true,
      many: true,
      kind: "package",
    },
  ],
  flags: {
    ...RESOLVE_FLAGS,
    ...INSTALL_FLAGS,
    verify: { type: "enum", summary: "How stored files are checked before they are used", values: ["quick", "full"] },
    "skip-deps": { type: "boolean", summary: "Take the packages named, and nothing that they depend on" },
    "skip-tests": { type: "boolean", summary: "Run no tests of packages; this release runs none at install anyway" },
    ...MEMBER_FLAGS,
  },
  async run({ args, flags, options, context, profile, io }) {
    const input = {
      ...resolveInput(flags, options),
      ...(await installInput(flags)),
      ...(flags.verify === undefined ? {} : { verify: flags.verify as "quick" | "full" }),
      skipDependencies: flags["skip-deps"],
      package: flags.package,
      workspace: flags.workspace,
    };
    if (args.length === 0) {
      const { installedAlready } = await import("@lading/engine/start");
      const ready = await installedAlready(input, { profile, cwd: options.directory, env: io.env });
      if (ready !== undefined) return { data: readyData(ready), text: () => [readyLine(ready)] };
    }
    const { install } = await import("@lading/engine");
    const { lock, install: installed, created } = await install({ ...input, specs: args }, await context());
    return {
      data: { ...(created === undefined ? {} : { created }), ...summaryData(lock, installed) },
      text: (style) => [
        ...changeLines(lock.changes, style).map((line) => `  ${line}`),
        installed === undefined ? lockLine(lock, options.dryRun) : installLine(installed),
      ],
    };
  },
});
