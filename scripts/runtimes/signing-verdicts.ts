// Runs in every engine: runs the signing vectors of folders and prints a verdict for each case, as JSON.
import { readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { runDsse } from "../conformance/dsse.ts";
import { readSignatureFile } from "../conformance/ed25519-forms.ts";
import { runSignatures } from "../conformance/ed25519.ts";
import { runKeys } from "../conformance/keys.ts";
import type { SuiteResult } from "../conformance/suite.ts";
import { runTlog } from "../conformance/tlog.ts";
import { runTuf } from "../conformance/tuf.ts";

async function run(file: string): Promise<SuiteResult | undefined> {
  const bytes = readFileSync(file);
  const text = (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
  const signatures = readSignatureFile(text);
  if (signatures !== undefined) return runSignatures(file, signatures);
  return (
    runDsse(file, text) ?? (await runKeys(file, text)) ?? (await runTuf(file, text)) ?? (await runTlog(file, text))
  );
}

/** One line for each case where the suite tells them, else for the file. */
function linesOf({ suite, form, file, passed, failures, data }: SuiteResult): [string, string][] {
  const name = `${suite} ${form} ${basename(file)}`;
  const { verdicts } = data as {
    readonly verdicts?: readonly { readonly case: string; readonly portable: string; readonly node: string }[];
  };
  const whole: [string, string] = [name, `${passed} passed, failed: ${failures.join("; ") || "none"}`];
  return [
    whole,
    ...(verdicts ?? []).map((one): [string, string] => [`${name} ${one.case}`, `${one.portable} ${one.node}`]),
  ];
}

async function main(folders: readonly string[]): Promise<void> {
  const lines: [string, string][] = [];
  for (const folder of folders) {
    for (const name of readdirSync(folder).sort()) {
      const result = /\.(?:json|txt|json\.gz)$/.test(name) ? await run(join(folder, name)) : undefined;
      if (result !== undefined) lines.push(...linesOf(result));
    }
  }
  console.log(JSON.stringify(Object.fromEntries(lines)));
}

void main(process.argv.slice(process.argv.findIndex((argument) => argument.endsWith("signing-verdicts.cjs")) + 1));
