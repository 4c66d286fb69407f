import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Check an ecosystem profile against its schema, and list every mistake",
  examples: ["profile check ./my-ecosystem.toml"],
  arguments: [{ name: "FILE", summary: "The profile", kind: "file" }],
  flags: {},
  async run({ args, options }) {
    const { parseProfile } = await import("@lading/core-manifest");
    const file = args[0]!;
    const profile = parseProfile(await readProfile(path.resolve(options.directory, file)), file);
    const { id, title, bins } = profile;
    return {
      data: {
        id,
        title,
        bins: bins.map(({ name, commands, inherit }) => ({ name, inherit, commands: commands.length })),
      },
      text: (style) => [
        `${style.green("✓")} ${file}: profile "${id}" (${title})`,
        ...bins.map(
          ({ name, commands, inherit }) =>
            `  ${name}: ${commands.length} spellings${inherit ? " and all of Lading's commands" : ""}`,
        ),
      ],
    };
  },
});

async function readProfile(file: string): Promise<string> {
  try {
    // A pipe would be waited for, and nothing could end the wait.
    if (!(await stat(file)).isFile()) throw new Error("it is no regular file");
    return await readFile(file, "utf8");
  } catch (error) {
    const { EngineError } = await import("@lading/engine/context");
    throw new EngineError({
      code: "PROJECT_FILE_UNREADABLE",
      message: `Cannot read "${file}": ${error instanceof Error ? error.message : String(error)}`,
      cause: error,
    });
  }
}
