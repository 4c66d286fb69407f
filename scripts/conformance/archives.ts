import { readFile, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { judgeArchive } from "@lading/archive/node";
import { isObject, tryParseJson, type SuiteResult } from "./suite.ts";

type Expectation = "accept" | "refuse";

/** What `manifest.json` of the folder expects of each file; empty where there is none. */
async function readExpectations(folder: string, names: readonly string[]): Promise<Map<string, Expectation>> {
  if (!names.includes("manifest.json")) return new Map();
  const manifest = tryParseJson(await readFile(join(folder, "manifest.json"), "utf8"));
  const cases: readonly unknown[] = isObject(manifest) && Array.isArray(manifest["cases"]) ? manifest["cases"] : [];
  return new Map(
    cases.flatMap((one) =>
      isObject(one) && (one["expect"] === "accept" || one["expect"] === "refuse")
        ? [[basename(String(one["file"])), one["expect"]] as const]
        : [],
    ),
  );
}

/** Judges every file of a folder by the strict reader. */
export async function runArchives(folder: string): Promise<SuiteResult> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
    .sort();
  const expectations = await readExpectations(folder, names);
  const data: { file: string; verdict: string; code?: string }[] = [];
  const failures: string[] = [];
  for (const name of names.filter((name) => name !== "manifest.json")) {
    const { verdict, code } = await judgeArchive(join(folder, name));
    data.push({ file: name, verdict, ...(code === undefined ? {} : { code }) });
    const expected = expectations.get(name);
    if (expected !== undefined && expected !== verdict) {
      failures.push(`${name}: ${verdict}${code === undefined ? "" : ` (${code})`}, expected ${expected}`);
    }
  }
  const missing = [...expectations.keys()].filter((name) => !names.includes(name));
  failures.push(...missing.map((name) => `${name}: listed in manifest.json, but not there`));
  const accepted = data.filter((one) => one.verdict === "accept").length;
  return {
    suite: "archives",
    form: expectations.size === 0 ? "folder" : "manifest",
    file: folder,
    passed: data.length + missing.length - failures.length,
    failures,
    note: `${accepted} of ${data.length} accepted`,
    data,
  };
}
