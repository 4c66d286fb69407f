import { count } from "../render/table.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "List every mistake of flat index files",
  examples: ["index-validate index.json"],
  arguments: [{ name: "INDEX", summary: "An index file", many: true, kind: "file" }],
  flags: { strict: { type: "boolean", summary: "Fail on what only the published schema refuses, too" } },
  async run({ args, flags, context }) {
    const { indexValidate } = await import("@lading/engine/package");
    const files = await indexValidate({ files: args }, await context());
    const fatal = files.some(({ problems }) => problems.some(({ severity }) => flags.strict || severity === "error"));
    return {
      data: files,
      rows: files,
      exitCode: fatal ? 1 : 0,
      text: (style) =>
        files.flatMap(({ file, packs, problems }) =>
          problems.length === 0
            ? [`${style.green("✓")} ${file}: ${count(packs, "pack")}`]
            : [
                `${file}: ${count(problems.length, "problem")}`,
                ...problems.map(({ severity, path, message }) => {
                  const mark = severity === "error" ? style.red("✗") : style.yellow("⚠");
                  return `  ${mark} ${path === "" ? "" : `${path}: `}${message}`;
                }),
              ],
        ),
    };
  },
});
