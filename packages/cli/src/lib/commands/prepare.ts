import { MEMBER_FLAGS } from "./member-flags.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import { count } from "../render/table.ts";
import { INSTALL_FLAGS, installInput, RESOLVE_FLAGS, resolveInput } from "./shared.ts";

const { link: _link, ...FETCH_FLAGS } = INSTALL_FLAGS;

export const command: CommandSpec = defineCommand({
  summary: "Resolve and fetch what this project needs, and say where each package lies: for build tools",
  description:
    "What a build tool calls before it builds: the lock is brought up to date, what the store lacks is verified and fetched, and the directory of every package is printed. Nothing is installed, so that no installation has to be made before. The directories are shared with other projects and read-only.",
  examples: ["prepare", "prepare --json", "prepare --locked --production --json", "prepare --host revit=2025 --json"],
  flags: { ...RESOLVE_FLAGS, ...FETCH_FLAGS, ...MEMBER_FLAGS },
  async run({ flags, options, context }) {
    const { dryRun: _dryRun, ...asked } = resolveInput(flags, options);
    const { prepare } = await import("@lading/engine/install");
    const { package: chosen, workspace } = flags;
    const result = await prepare(
      { ...asked, ...(await installInput({ ...flags, link: undefined })), package: chosen, workspace },
      await context(),
    );
    return {
      data: result,
      rows: result.packages,
      text: (style) => [
        `${count(result.packages.length, "package")} ready (${result.downloaded} downloaded)`,
        ...result.packages.map(({ name, version, directory }) => `  ${style.bold(name)} ${version}  ${directory}`),
      ],
    };
  },
});
