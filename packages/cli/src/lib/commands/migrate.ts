import { defineCommand, type CommandSpec } from "../spec.ts";
import { count } from "../render/table.ts";
import { findingLine } from "./shared.ts";

export const command: CommandSpec = defineCommand({
  summary: "Convert a package.json or Cargo.toml, and report what cannot be taken",
  examples: ["migrate --from npm", "migrate --from cargo ../tool/Cargo.toml"],
  arguments: [
    { name: "SOURCE", summary: "Directories or manifests; default: here", optional: true, many: true, kind: "file" },
  ],
  flags: {
    from: { type: "enum", summary: "The other tool", values: ["npm", "cargo"] },
    force: { type: "boolean", summary: "Replace a manifest that is there" },
  },
  async run({ args, flags, options, context }) {
    const { migrate } = await import("@lading/engine/package");
    const from = await neededSource(flags.from);
    const migrated = await migrate(
      { from, sources: args, force: flags.force, dryRun: options.dryRun },
      await context(),
    );
    return {
      data: migrated,
      rows: migrated,
      text: (style) =>
        migrated.flatMap(({ source, target, name, version, dependencies, findings }) => [
          `${options.dryRun ? "Would convert" : "Converted"} ${source} to ${target}: ${style.bold(name)} ${version}, ${count(dependencies, "dependency").replace(/ys$/, "ies")}, ${count(findings.length, "finding")}`,
          ...findings.map((finding) => findingLine(finding, style)),
        ]),
    };
  },
});

async function neededSource(from: string | undefined): Promise<"npm" | "cargo"> {
  if (from === "npm" || from === "cargo") return from;
  const { CliError } = await import("../cli-error.ts");
  throw new CliError({
    code: "CLI_ARGUMENT_MISSING",
    message: "Cannot run the command: --from is missing, allowed are npm and cargo",
  });
}
