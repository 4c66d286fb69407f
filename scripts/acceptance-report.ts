/**
 * Prints which requirement rows an end-to-end check covers, by reading test titles such as
 * `[CLI-33] add keeps comments`, and which rows have none yet.
 *
 *     pnpm acceptance:report [--uncovered] [--json]
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const root = new URL("..", import.meta.url).pathname;

interface Row {
  readonly id: string;
  readonly feature: string;
  readonly tag: string;
  readonly tests: string[];
}

function readRows(): Map<string, Row> {
  const lines = readFileSync(join(root, "acceptance/requirements.tsv"), "utf8").trimEnd().split("\n").slice(1);
  return new Map(
    lines.map((line) => {
      const [id, feature, tag] = line.split("\t") as [string, string, string];
      return [id, { id, feature, tag, tests: [] }];
    }),
  );
}

function testFiles(): string[] {
  // Those that need a whole data centre have a suite of their own, `pnpm services`.
  return ["acceptance", "scripts/services"]
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
    )
    .filter((name) => name.endsWith(".test.ts") && !name.includes("node_modules"))
    .sort();
}

function collect(rows: Map<string, Row>): string[] {
  const unknown: string[] = [];
  for (const file of testFiles()) {
    const text = readFileSync(join(root, file), "utf8");
    for (const [, ids, title] of text.matchAll(/["'`]\s*((?:\[[A-Z]{3}-\d{2}\]\s*)+)([^"'`\n]*)/g)) {
      for (const [, id] of ids!.matchAll(/\[([A-Z]{3}-\d{2})\]/g)) {
        const row = rows.get(id!);
        if (row === undefined) unknown.push(`${file}: [${id!}] is no requirement`);
        else row.tests.push(`${file}: ${title!.trim()}`);
      }
    }
  }
  return unknown;
}

function summary(rows: readonly Row[]): string[] {
  const areas = new Map<string, { covered: number; total: number }>();
  for (const row of rows) {
    const area = row.id.slice(0, 3);
    const entry = areas.get(area) ?? { covered: 0, total: 0 };
    entry.total++;
    if (row.tests.length > 0) entry.covered++;
    areas.set(area, entry);
  }
  return [...areas].map(([area, { covered, total }]) => `${area}  ${String(covered).padStart(3)} of ${total}`);
}

const rows = readRows();
const unknown = collect(rows);
const all = [...rows.values()];
const covered = all.filter((row) => row.tests.length > 0);

if (process.argv.includes("--json")) {
  console.log(JSON.stringify({ covered: covered.length, total: all.length, rows: all }, null, 2));
} else {
  for (const row of all) {
    if (row.tests.length > 0 && !process.argv.includes("--uncovered")) console.log(`✓ ${row.id}  ${row.feature}`);
    if (row.tests.length === 0) console.log(`· ${row.id}  ${row.feature}  (${row.tag})`);
  }
  console.log(
    `\n${summary(all).join("\n")}\n\n${covered.length} of ${all.length} requirement rows have an end-to-end check`,
  );
}
for (const line of unknown) console.error(line);
process.exitCode = unknown.length === 0 ? 0 : 1;
