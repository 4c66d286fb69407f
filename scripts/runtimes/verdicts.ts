// Runs in every engine: reads the archives of a folder and prints a verdict for each, as JSON.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { isLadingError } from "@lading/core-manifest";
import { inspectPackage, judgeArchive } from "@lading/archive/node";

/** A package must open as one; everything else is held against the strict reader of foreign archives. */
async function verdict(folder: string, file: string): Promise<string> {
  const path = join(folder, file);
  try {
    if (!file.startsWith("package-")) {
      const judged = await judgeArchive(path);
      return judged.code ?? judged.verdict;
    }
    return (await inspectPackage(path)).tree;
  } catch (error) {
    if (isLadingError(error)) return error.code;
    throw error;
  }
}

async function main(folder: string): Promise<void> {
  const verdicts: Record<string, string> = {};
  for (const file of readdirSync(folder).sort()) verdicts[file] = await verdict(folder, file);
  console.log(JSON.stringify(verdicts));
}

void main(process.argv.at(-1)!);
