import { MEMBER_FLAGS } from "./member-flags.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import {
  changeLines,
  findingLine,
  hostInput,
  INSTALL_FLAGS,
  installInput,
  installLine,
  RESOLVE_FLAGS,
  summaryData,
} from "./shared.ts";

export const command: CommandSpec = defineCommand({
  summary: "Add dependencies to the manifest, lock and install them",
  description:
    "Without a requirement the newest version that fits is taken, and versions compatible with it are allowed.",
  examples: [
    "add actor-utils@^1.2.0",
    "add test-framework@^2.0 --dev",
    "add chaos-lib@0.5 --features scheduling,experimental",
  ],
  arguments: [{ name: "PACKAGE", summary: "NAME or NAME@REQUIREMENT", optional: true, many: true, kind: "package" }],
  flags: {
    dev: { type: "boolean", summary: "As a development dependency" },
    build: { type: "boolean", summary: "As a build dependency" },
    peer: { type: "boolean", summary: "As a peer dependency" },
    optional: { type: "boolean", summary: "Only where a feature asks for it" },
    features: { type: "list", summary: "Features of what is added", placeholder: "A,B" },
    "no-default-features": { type: "boolean", summary: "Leave its default features off" },
    path: { type: "text", summary: "A package in this directory", placeholder: "DIR" },
    git: { type: "text", summary: "A package in this Git repository", placeholder: "URL" },
    tag: { type: "text", summary: "Tag of the Git repository" },
    branch: { type: "text", summary: "Branch of the Git repository" },
    rev: { type: "text", summary: "Commit of the Git repository" },
    "from-cargo": { type: "text", summary: "Add what this Cargo.toml depends on", placeholder: "FILE" },
    "from-npm": { type: "text", summary: "Add what this package.json depends on", placeholder: "FILE" },
    "no-install": { type: "boolean", summary: "Change manifest and lock only" },
    host: RESOLVE_FLAGS.host,
    "accept-publisher": RESOLVE_FLAGS["accept-publisher"],
    "minimum-release-age": RESOLVE_FLAGS["minimum-release-age"],
    "exclude-newer": RESOLVE_FLAGS["exclude-newer"],
    ...INSTALL_FLAGS,
    package: MEMBER_FLAGS.package,
  },
  async run({ args, flags, options, context }) {
    const { add } = await import("@lading/engine/dependencies");
    const kind = flags.dev ? "dev" : flags.build ? "build" : flags.peer ? "peer" : "normal";
    const result = await add(
      {
        ...(await installInput(flags)),
        ...hostInput(flags, options),
        specs: args,
        kind,
        optional: flags.optional,
        dependencyFeatures: flags.features.length === 0 ? undefined : flags.features,
        withoutDefaultFeatures: flags["no-default-features"],
        path: flags.path,
        git: flags.git,
        tag: flags.tag,
        branch: flags.branch,
        rev: flags.rev,
        fromCargo: flags["from-cargo"],
        fromNpm: flags["from-npm"],
        install: !flags["no-install"],
        package: flags.package,
      },
      await context(),
    );
    const { member, added, findings, lock, install } = result;
    return {
      data: { member, added, findings, ...summaryData(lock, install) },
      text: (style) => [
        ...added.map(
          (one) =>
            `${options.dryRun ? "Would add" : "Added"} ${style.bold(one.name)}${one.requirement === undefined ? "" : ` ${one.requirement}`} to ${member}${one.kind === "normal" ? "" : ` (${one.kind})`}`,
        ),
        ...findings.map((finding) => findingLine(finding, style)),
        ...changeLines(lock.changes, style).map((line) => `  ${line}`),
        ...(install === undefined ? [] : [installLine(install)]),
      ],
    };
  },
});
