/**
 * Holds the documents against the code: `docs/errors.md` lists every error code and no other, and relative
 * links in Markdown files lead somewhere. `--write` renders `docs/errors.md` anew.
 */
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { errorCatalogues } from "./lib/error-catalogues.ts";

const root = new URL("..", import.meta.url).pathname;
const problems: string[] = [];

function renderErrors(): string {
  const parts = [
    "# Error codes",
    "",
    "Every error that Lading raises on purpose has one of these codes; `lading explain CODE` prints the same text.",
    "The category decides the exit code of the command (`docs/spec/cli.md`). This page is rendered from the code by `pnpm docs:check --write` and compared with it by `pnpm docs:check`.",
  ];
  for (const [packageName, catalogue] of Object.entries(errorCatalogues)) {
    parts.push("", `## ${packageName}`, "", "| code | category | what happened | what to do |", "|---|---|---|---|");
    for (const [code, entry] of Object.entries(catalogue)) {
      const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");
      parts.push(`| \`${code}\` | ${entry.category} | ${cell(entry.summary)} | ${cell(entry.help)} |`);
    }
  }
  return `${parts.join("\n")}\n`;
}

function checkErrors(): void {
  const file = join(root, "docs/errors.md");
  const expected = renderErrors();
  if (process.argv.includes("--write")) writeFileSync(file, expected);
  const documented = new Set(
    [...(existsSync(file) ? readFileSync(file, "utf8") : "").matchAll(/^\| `([A-Z0-9_]+)`/gm)].map(
      (match) => match[1]!,
    ),
  );
  const known = new Set(Object.values(errorCatalogues).flatMap((catalogue) => Object.keys(catalogue)));
  for (const code of known) if (!documented.has(code)) problems.push(`docs/errors.md: code ${code} is missing`);
  for (const code of documented) if (!known.has(code)) problems.push(`docs/errors.md: code ${code} is not in the code`);
  if (problems.length === 0 && readFileSync(file, "utf8") !== expected) {
    problems.push("docs/errors.md: texts differ from the code; run `pnpm docs:check --write`");
  }
}

function sourceFiles(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending) && !/(^|\/)(node_modules|dist)\//.test(name))
    .map((name) => join(folder, name));
}

/** A code in a catalogue that nothing raises is a promise without a program behind it. */
function checkCodesAreRaised(): void {
  const code = ["packages", "apps"]
    .flatMap((folder) => sourceFiles(folder, ".ts"))
    .filter((name) => !name.includes(".test."))
    .map((name) => readFileSync(join(root, name), "utf8"))
    .join("\n");
  for (const known of Object.values(errorCatalogues).flatMap((catalogue) => Object.keys(catalogue))) {
    const uses = code.match(new RegExp(`["'\`]${known}["'\`]`, "g"))?.length ?? 0;
    // One use is the member of the union of codes.
    if (uses < 2) problems.push(`code ${known} is in a catalogue but nothing raises it`);
  }
}

function checkLinks(): void {
  const files = ["docs", "packages", "apps", "examples", "decisions", "bench"]
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => sourceFiles(folder, ".md"))
    .concat(readdirSync(root).filter((name) => name.endsWith(".md")));
  for (const file of files) {
    for (const [, target] of readFileSync(join(root, file), "utf8").matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      const path = join(root, dirname(file), target!);
      if (!existsSync(path)) problems.push(`${file}: link to "${relative(root, path)}" leads nowhere`);
    }
  }
}

checkErrors();
checkCodesAreRaised();
checkLinks();
for (const problem of problems) console.error(problem);
console.log(problems.length === 0 ? "documents agree with the code" : `${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
