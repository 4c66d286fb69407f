import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROCESSOR_TIME, runLimited } from "./contenders.ts";
import { figure, printFigures } from "../../scripts/bench/measure.ts";
import { planted } from "./universes.ts";

const ROUNDS = 21;
/** Rounds that warm the process up and are not counted. */
const WARMING = 5;

interface Output {
  readonly statuses: readonly string[];
  readonly times: { readonly eight: readonly number[]; readonly one: readonly number[] };
  readonly cpu: { readonly eight: readonly number[]; readonly one: readonly number[] };
}

/** A lock for eight environments beside one for a single one of them. No peer that installs here makes such a lock. */
export async function runUniversal(directory: string): Promise<void> {
  const file = join(directory, "universal.json");
  writeFileSync(file, JSON.stringify(planted({ packages: 300, versions: 20, dependencies: 3, tightness: 6, seed: 1 })));
  for (const form of ["--alike", "--differing"]) {
    const script = join(import.meta.dirname, "solve-universal.ts");
    const ended = await runLimited(process.execPath, [script, file, String(ROUNDS + WARMING), form]);
    if (ended?.status !== 0)
      throw new Error(`The universal lock ended with ${ended?.status}: ${ended?.stderr.slice(-2000)}`);
    const { statuses, times, cpu } = JSON.parse(ended.stdout) as Output;
    const { eight, one } = PROCESSOR_TIME ? cpu : times;
    const what = form === "--alike" ? "that agree" : "that differ in one package of twenty";
    printFigures(`H: eight environments ${what}, 300 packages on offer (${statuses.join(", ")})`, [
      figure("eight environments", eight.slice(WARMING), "ms"),
      figure("one environment", one.slice(WARMING), "ms"),
    ]);
  }
}
