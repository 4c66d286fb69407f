import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { solveConformanceFile } from "@lading/resolver/testing";
import { chance, type Chance } from "./random.ts";

const CASES = 500;
const PYTHON = "/usr/bin/python3";
const script = join(import.meta.dirname, "../../bench/peers/libsolv.py");

type Range = readonly [text: string, ...bounds: number[]];

interface RandomPackage {
  readonly versions: string[];
  readonly ranges: Range[];
  readonly deps: Record<string, number>[];
  readonly optional: Record<string, number>[];
}

interface RandomCase {
  readonly universe: Record<string, RandomPackage>;
  readonly root: Record<string, Range>;
}

/** A set of version numbers as intervals, sometimes empty, sometimes with a gap. */
function range({ below }: Chance, versions: number): Range {
  const bounds: number[] = [];
  for (let at = below(2); at < versions; at += 1 + below(4)) {
    const end = Math.min(versions - 1, at + below(2));
    bounds.push(at, end);
    at = end + 1;
    if (below(2) === 0) break;
  }
  return [bounds.join(" "), ...bounds];
}

/** Small and dense, so that about half of the cases have no solution. */
function randomCase(seed: number): RandomCase {
  const random = chance(seed);
  const names = Array.from({ length: 4 + random.below(6) }, (_, index) => `p${index}`);
  const versions = names.map(() => random.below(5));
  const universe: Record<string, RandomPackage> = {};
  for (const [index, name] of names.entries()) {
    const count = versions[index]!;
    universe[name] = {
      versions: Array.from({ length: count }, (_, version) => `1.${version}.0`),
      ranges: Array.from({ length: 6 }, () => range(random, count)),
      deps: Array.from({ length: count }, () => table(random, names, name, 3)),
      optional: Array.from({ length: count }, () => table(random, names, name, 2)),
    };
  }
  const wanted = random.shuffled(names).slice(0, 1 + random.below(3));
  const root = wanted.map((name): [string, Range] => [
    name,
    ["*", 0, Math.max(0, universe[name]!.versions.length - 1)],
  ]);
  return { universe, root: Object.fromEntries(root) };
}

function table(
  { below, shuffled }: Chance,
  names: readonly string[],
  own: string,
  most: number,
): Record<string, number> {
  const others = shuffled(names.filter((one) => one !== own)).slice(0, below(most + 1));
  return Object.fromEntries(others.map((name) => [name, below(6)]));
}

function libsolvAnswers(file: object): Record<string, string> {
  const directory = mkdtempSync(join(tmpdir(), "lading-oracle-"));
  try {
    const path = join(directory, "cases.json");
    writeFileSync(path, JSON.stringify(file));
    const { status, stdout, stderr } = spawnSync(PYTHON, [script, path], { encoding: "utf8", maxBuffer: 2 ** 26 });
    if (status !== 0) throw new Error(`libsolv ended with ${status}: ${stderr}`);
    return (JSON.parse(stdout) as { answers: Record<string, string> }).answers;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

test(`resolve() and libsolv agree on ${CASES} random registries`, (context) => {
  if (spawnSync(PYTHON, ["-c", "import solv"]).status !== 0) {
    const reason = "libsolv is not here: install the Debian package python3-solv";
    console.log(`skipped: ${reason}`);
    context.skip(reason);
    return;
  }
  const made = Array.from({ length: CASES }, (_, seed) => randomCase(seed));
  const file = {
    format: "resolver-cases/1",
    universes: Object.fromEntries(made.map(({ universe }, seed) => [`u${seed}`, universe])),
    cases: made.map(({ root }, seed) => ({ name: `seed ${seed}`, universe: `u${seed}`, root, expect: {} })),
  };
  const theirs = libsolvAnswers(file);
  const ours = Object.fromEntries(
    Object.entries(solveConformanceFile(file).answers).map(([name, one]) => [name, (one as { result: string }).result]),
  );
  expect(ours).toEqual(theirs);
  const unsolvable = Object.values(theirs).filter((answer) => answer === "unsat").length;
  console.log(`${CASES} registries: ${CASES - unsolvable} with a solution, ${unsolvable} without`);
  expect(Math.min(unsolvable, CASES - unsolvable)).toBeGreaterThan(CASES / 5);
});
