import { existsSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { runFolder } from "./discover.ts";
import { runDsseFile } from "./dsse.ts";
import { runSignatureFile } from "./ed25519.ts";
import { UnknownFormError, type SuiteResult } from "./suite.ts";
import { runTlogFile, tlogFiles } from "./tlog.ts";
import { runTufFile } from "./tuf.ts";

const USAGE = `Usage: pnpm conformance [--vectors DIR]          run every known vector file below DIR, or the project's own
       pnpm conformance archives DIR             verdict and code of each file, as JSON
       pnpm conformance ed25519 FILE...          verdicts of both verifiers, as JSON
       pnpm conformance dsse FILE...             results, as JSON
       pnpm conformance tuf FILE...              replayed client traces, as JSON
       pnpm conformance tlog FILE|DIR...         results, as JSON
       pnpm conformance resolver FILE [--answers OUT]   answers as JSON, to stdout or OUT
Exit code: 0 all passed, 1 some failed, 2 wrong use`;

const SHOWN_FAILURES = 20;
const root = new URL("../..", import.meta.url).pathname;

function describe({ suite, form, file, passed, failures, note }: SuiteResult): string {
  const name = relative(process.cwd(), file) || ".";
  const counts = `${String(passed).padStart(6)} passed ${String(failures.length).padStart(5)} failed`;
  return `${suite.padEnd(9)} ${form.padEnd(18)} ${counts}  ${name}${note === undefined ? "" : `  (${note})`}`;
}

function printFailures({ failures }: SuiteResult, print: (line: string) => void): void {
  for (const failure of failures.slice(0, SHOWN_FAILURES)) print(`          ${failure}`);
  if (failures.length > SHOWN_FAILURES) print(`          and ${failures.length - SHOWN_FAILURES} more`);
}

function exitCode(results: readonly SuiteResult[]): number {
  return results.some(({ failures }) => failures.length > 0) ? 1 : 0;
}

/** Prints one suite's JSON on stdout, and what people want to know on stderr. */
function printAlone(results: readonly SuiteResult[], data: unknown): number {
  for (const result of results) {
    console.error(describe(result));
    printFailures(result, console.error);
  }
  process.stdout.write(`${JSON.stringify(data, undefined, 2)}\n`);
  return exitCode(results);
}

/** Runs every file; one of an unknown form does not keep the others from being run, but shows in the exit code. */
async function runFiles(files: readonly string[], run: (file: string) => Promise<SuiteResult>): Promise<number> {
  const results: SuiteResult[] = [];
  let unknown = false;
  for (const file of files) {
    try {
      results.push(await run(file));
    } catch (error) {
      if (!(error instanceof UnknownFormError)) throw error;
      console.error(error.message);
      unknown = true;
    }
  }
  const code = printAlone(
    results,
    results.map(({ data }) => data),
  );
  return code === 0 && unknown ? 2 : code;
}

async function runArchivesCommand([folder]: readonly string[]): Promise<number> {
  const { runArchives } = await import("./archives.ts");
  const result = await runArchives(folder!);
  return printAlone([result], result.data);
}

async function runResolverCommand([file]: readonly string[], answers: string | undefined): Promise<number> {
  const { runResolverFile } = await import("./resolver.ts");
  const result = await runResolverFile(file!);
  if (answers === undefined) return printAlone([result], result.data);
  await writeFile(answers, `${JSON.stringify(result.data)}\n`);
  console.error(describe(result));
  printFailures(result, console.error);
  return exitCode([result]);
}

async function ownFolders(): Promise<string[]> {
  const packages = (await readdir(join(root, "packages"))).sort();
  return packages.map((name) => join(root, "packages", name, "test/vectors")).filter((folder) => existsSync(folder));
}

async function runAll(folders: readonly string[]): Promise<number> {
  const results: SuiteResult[] = [];
  const skipped: string[] = [];
  for (const folder of folders) {
    const found = await runFolder(folder, (result) => {
      console.log(describe(result));
      printFailures(result, console.log);
    });
    results.push(...found.results);
    skipped.push(...found.skipped);
  }
  for (const file of skipped) console.log(`skipped   no suite runs this form    ${relative(process.cwd(), file)}`);
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const failed = results.reduce((sum, result) => sum + result.failures.length, 0);
  console.log(`${passed} passed, ${failed} failed`);
  return results.length === 0 ? 1 : exitCode(results);
}

function wrongUse(): number {
  console.error(USAGE);
  return 2;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { vectors: { type: "string" }, answers: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  const [command, ...files] = positionals;
  if (values.help === true) {
    console.log(USAGE);
    return 0;
  }
  if (command === undefined) return runAll(values.vectors === undefined ? await ownFolders() : [values.vectors]);
  if (files.length === 0) return wrongUse();
  switch (command) {
    case "archives":
      return files.length === 1 ? runArchivesCommand(files) : wrongUse();
    case "ed25519":
      return runFiles(files, runSignatureFile);
    case "dsse":
      return runFiles(files, runDsseFile);
    case "tuf":
      return runFiles(files, runTufFile);
    case "tlog":
      return runFiles(await tlogFiles(files), runTlogFile);
    case "resolver":
      return files.length === 1 ? runResolverCommand(files, values.answers) : wrongUse();
    default:
      return wrongUse();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  // A missing file, a bad option or an unknown form is the caller's; anything else shows where it broke.
  const expected = error instanceof UnknownFormError || (error instanceof Error && "code" in error);
  if (!expected) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
