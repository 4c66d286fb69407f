import { MEMBER_FLAGS } from "./member-flags.ts";
import type { EngineContext } from "@lading/engine";
import { defineCommand, type CommandSpec, type Outcome } from "../spec.ts";
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
  summary: "Install the project's dependencies, or packages by name, address, directory or file",
  description:
    "A fresh lock file is installed without asking any registry. With arguments, they are added to the manifest first; where there is none, one is made.",
  examples: [
    "install",
    "install --frozen --production",
    "install actor-utils@^1.2.0",
    "install ./actor-utils-1.2.0.lpk",
    "install https://example.org/actor-utils-1.2.0.lpk --checksum sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  ],
  arguments: [
    {
      name: "PACKAGE",
      summary: "NAME, NAME@REQUIREMENT, a Git address, ./DIRECTORY, or a package file or its https: address",
      optional: true,
      many: true,
      kind: "package",
    },
  ],
  flags: {
    ...RESOLVE_FLAGS,
    ...INSTALL_FLAGS,
    verify: { type: "enum", summary: "How stored files are checked before they are used", values: ["quick", "full"] },
    checksum: { type: "text", summary: "What the package file's bytes must sum to", placeholder: "sha256:HEX" },
    "skip-deps": { type: "boolean", summary: "Take the packages named, and nothing that they depend on" },
    "allow-build": {
      type: "list",
      summary: "Let this package's native build steps run; * for every package's",
      placeholder: "NAME",
    },
    remote: { type: "boolean", summary: "Have the registry's server install the one package on its own machine" },
    "chaos-profile": {
      type: "text",
      summary: "Let exchanges with registries meet the faults of this chaos profile",
      placeholder: "NAME",
    },
    "chaos-seed": { type: "number", summary: "Seed in place of the chaos profile's own", placeholder: "NUMBER" },
    ...MEMBER_FLAGS,
  },
  async run({ args, flags, options, context, profile, io }) {
    if (flags.remote) return installRemotely(args, flags, await context());
    const input = {
      ...resolveInput(flags, options),
      ...(await installInput(flags)),
      ...(flags.verify === undefined ? {} : { verify: flags.verify as "quick" | "full" }),
      skipDependencies: flags["skip-deps"],
      ...(flags["allow-build"].length === 0 ? {} : { allowBuild: flags["allow-build"] }),
      package: flags.package,
      workspace: flags.workspace,
    };
    if (args.length === 0 && options.environment === undefined && flags["chaos-profile"] === undefined) {
      const { installedAlready } = await import("@lading/engine/start");
      const ready = await installedAlready(input, { profile, cwd: options.directory, env: io.env });
      if (ready !== undefined) return { data: readyData(ready), text: () => [readyLine(ready)] };
    }
    const { install } = await import("@lading/engine/install");
    const {
      lock,
      install: installed,
      created,
    } = await install(
      {
        ...input,
        specs: args,
        checksum: flags.checksum,
        chaosProfile: flags["chaos-profile"],
        chaosSeed: flags["chaos-seed"],
      },
      await context(),
    );
    return {
      data: { ...(created === undefined ? {} : { created }), ...summaryData(lock, installed) },
      text: (style) => [
        ...changeLines(lock.changes, style).map((line) => `  ${line}`),
        installed === undefined ? lockLine(lock, options.dryRun) : installLine(installed),
      ],
    };
  },
});

/** The server's side does what `install` does here, and its progress is shown as ours. */
async function installRemotely(
  args: readonly string[],
  flags: {
    readonly checksum: string | undefined;
    readonly "skip-deps": boolean;
    readonly "skip-tests": boolean;
  },
  context: EngineContext,
): Promise<Outcome> {
  const [spec, ...others] = args;
  if (spec === undefined || others.length > 0) {
    const { CliError } = await import("../cli-error.ts");
    throw new CliError({
      code: "CLI_FLAG_INVALID",
      message: `Cannot use --remote with ${args.length} packages: a server installs one at a time`,
    });
  }
  const { remoteInstall } = await import("@lading/engine/install");
  const [source, ref] = /[:/]/.test(spec) ? spec.split("#", 2) : [spec];
  const done = await remoteInstall(
    {
      source: source!,
      ref,
      checksum: flags.checksum,
      skipDependencies: flags["skip-deps"],
      skipTests: flags["skip-tests"],
    },
    context,
  );
  return {
    data: done,
    text: (style) => [
      ...done.packs.map(({ name, version }) => `  ${style.green("✓")} ${name} ${version}`),
      `Installed on the server: ${done.packs.length} packages`,
    ],
  };
}
