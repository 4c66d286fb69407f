import type { ErrorCatalogueEntry } from "@lading/core-manifest";
import { defineCommand, type CommandSpec } from "../spec.ts";
import { loadCatalogue } from "../catalogue.ts";

export const command: CommandSpec = defineCommand({
  summary: "Explain an error code; without one, list them all",
  examples: ["explain LOCK_OUTDATED"],
  arguments: [{ name: "CODE", summary: "The code between the brackets of an error", optional: true, kind: "code" }],
  flags: {},
  async run({ args }) {
    const { EXIT_CODES } = await import("@lading/core-manifest");
    const catalogue = await loadCatalogue();
    const describe = (code: string, { category, summary, help }: ErrorCatalogueEntry) => ({
      code,
      category,
      exitCode: EXIT_CODES[category],
      summary,
      help,
    });
    const [code] = args;
    if (code === undefined) {
      const rows = [...catalogue].map(([name, entry]) => describe(name, entry));
      return { data: rows, rows, text: (style) => rows.map((row) => `${style.bold(row.code)}  ${row.summary}`) };
    }
    const entry = catalogue.get(code.toUpperCase());
    if (entry === undefined) throw await unknownCode(code, [...catalogue.keys()]);
    const row = describe(code.toUpperCase(), entry);
    return {
      data: row,
      text: (style) => [
        `${style.bold(row.code)} (exit code ${row.exitCode}, ${row.category})`,
        "",
        row.summary,
        "",
        row.help,
      ],
    };
  },
});

async function unknownCode(code: string, known: readonly string[]): Promise<Error> {
  const { CliError } = await import("../cli-error.ts");
  const { editDistance } = await import("../edit-distance.ts");
  const [best] = known
    .map((name) => ({ name, distance: editDistance(code.toUpperCase(), name) }))
    .toSorted((left, right) => left.distance - right.distance);
  return new CliError({
    code: "CLI_CODE_UNKNOWN",
    message: `Cannot explain "${code}": no package throws such a code`,
    ...(best === undefined || best.distance > 4 ? {} : { hint: `Did you mean "${best.name}"?` }),
  });
}
