import type { MigratedManifest, MigrationSource, UpgradedFile } from "@lading/engine/package";
import { defineCommand, type CommandSpec, type Outcome } from "../spec.ts";
import { count } from "../render/table.ts";
import type { Style } from "../render/style.ts";
import { findingLine } from "./shared.ts";

const SOURCES = ["npm", "cargo", "pyproject", "lading", "vitte", "gal", "attune", "revitpy"] as const;
const DIALECTS = ["lading.toml", "vitte.toml", "gal.toml", "pack.yaml", "pyproject.toml", "revitpy.toml"] as const;

export const command: CommandSpec = defineCommand({
  summary: "Convert another tool's manifest, and report what cannot be carried over",
  description:
    "Without --from, this tool's own files are brought into today's form: the lock file and the user's settings. The file as it was is kept beside the new one.",
  examples: [
    "migrate --from npm",
    "migrate --from cargo ../tool/Cargo.toml",
    "migrate --from gal --to pack.yaml",
    "migrate",
  ],
  arguments: [
    { name: "SOURCE", summary: "Directories or manifests; default: here", optional: true, many: true, kind: "file" },
  ],
  flags: {
    from: { type: "enum", summary: "The other tool, or the ecosystem", values: SOURCES },
    to: { type: "enum", summary: "Dialect to write; default: this ecosystem's", values: DIALECTS },
    force: { type: "boolean", summary: "Replace a manifest that is there" },
  },
  async run({ args, flags, options, context }) {
    const { migrate, upgradeFiles } = await import("@lading/engine/package");
    if (flags.from === undefined) {
      await refuseStray(args, flags);
      return upgradeOutcome(await upgradeFiles({ dryRun: options.dryRun }, await context()), options.dryRun);
    }
    const migrated = await migrate(
      {
        from: flags.from as MigrationSource,
        sources: args,
        ...(flags.to === undefined ? {} : { to: flags.to as (typeof DIALECTS)[number] }),
        force: flags.force,
        dryRun: options.dryRun,
      },
      await context(),
    );
    return {
      data: migrated,
      rows: migrated,
      text: (style) => migrated.flatMap((one) => convertedLines(one, options.dryRun, style)),
    };
  },
});

function convertedLines(one: MigratedManifest, dryRun: boolean, style: Style): string[] {
  const { source, target, name, version, dependencies, findings } = one;
  const needs = `${dependencies} ${dependencies === 1 ? "dependency" : "dependencies"}`;
  return [
    `${dryRun ? "Would convert" : "Converted"} ${source} to ${target}: ${style.bold(name)} ${version}, ${needs}, ${count(findings.length, "finding")}`,
    ...findings.map((finding) => findingLine(finding, style)),
  ];
}

function upgradeOutcome(files: readonly UpgradedFile[], dryRun: boolean): Outcome {
  const changed = files.filter((file) => file.changed);
  return {
    data: files,
    rows: files,
    text: (style) =>
      changed.length === 0
        ? [`${style.green("✓")} Nothing to migrate: ${count(files.length, "file")} in today's form`]
        : changed.flatMap(({ file, changes, backup }) => [
            `${dryRun ? "Would rewrite" : "Rewrote"} ${style.bold(file)}${backup === undefined ? "" : ` (as it was: ${backup})`}`,
            ...changes.map((change) => `  ${change}`),
          ]),
  };
}

async function refuseStray(
  args: readonly string[],
  flags: { readonly to: string | undefined; readonly force: boolean },
): Promise<void> {
  if (args.length === 0 && flags.to === undefined && !flags.force) return;
  const { CliError } = await import("../cli-error.ts");
  throw new CliError({
    code: "CLI_ARGUMENT_MISSING",
    message: `Cannot run the command: --from is missing, allowed are ${SOURCES.join(", ")}`,
  });
}
