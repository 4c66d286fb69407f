import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { runDsse } from "./dsse.ts";
import { readSignatureFile } from "./ed25519-forms.ts";
import { runSignatures } from "./ed25519.ts";
import { runKeys } from "./keys.ts";
import { runSpdx } from "./spdx.ts";
import { isObject, tryParseJson, type SuiteResult } from "./suite.ts";
import { runTlog } from "./tlog.ts";
import { runTuf } from "./tuf.ts";

// Only these are opened: the rest of a folder of vectors is licences, scripts and archives.
const TEXT = /\.(json|txt|json\.gz)$/;

/** What was found in a folder of vectors. */
export interface Discovery {
  readonly results: readonly SuiteResult[];
  /** Files of a form that no suite runs. */
  readonly skipped: readonly string[];
}

function isArchiveManifest(text: string): boolean {
  const value = tryParseJson(text);
  if (!isObject(value) || !Array.isArray(value["cases"])) return false;
  const [first] = value["cases"] as readonly unknown[];
  return isObject(first) && typeof first["file"] === "string" && typeof first["expect"] === "string";
}

async function runFile(path: string): Promise<SuiteResult | undefined> {
  // Loaded when a file asks for them, so that one suite runs without the others' packages.
  const { runResolver, textOf } = await import("./resolver.ts");
  const text = textOf(await readFile(path));
  const signatures = readSignatureFile(text);
  if (signatures !== undefined) return runSignatures(path, signatures);
  return (
    runDsse(path, text) ??
    (await runKeys(path, text)) ??
    (await runTuf(path, text)) ??
    (await runTlog(path, text)) ??
    runSpdx(path, text) ??
    runResolver(path, text)
  );
}

async function isArchiveFolder(folder: string, names: readonly string[]): Promise<boolean> {
  return names.includes("manifest.json") && isArchiveManifest(await readFile(join(folder, "manifest.json"), "utf8"));
}

/** Runs every file below a folder whose form a suite knows, in the order of their names. */
export async function runFolder(folder: string, report: (result: SuiteResult) => void): Promise<Discovery> {
  const results: SuiteResult[] = [];
  const skipped: string[] = [];
  const keep = (result: SuiteResult): void => {
    results.push(result);
    report(result);
  };
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.map((entry) => entry.name);
  if (await isArchiveFolder(folder, names)) {
    const { runArchives } = await import("./archives.ts");
    keep(await runArchives(folder));
    return { results, skipped };
  }
  for (const entry of entries.sort((left, right) => (left.name < right.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const below = await runFolder(path, report);
      results.push(...below.results);
      skipped.push(...below.skipped);
    } else if (TEXT.test(entry.name)) {
      const result = await runFile(path);
      if (result === undefined) skipped.push(path);
      else keep(result);
    }
  }
  return { results, skipped };
}
