/**
 * A process that answers a `resolver-cases/1` file as the built bundle does, and prints JSON.
 *
 *     node solve-cases.ts FILE ROUNDS [--semver]
 *
 * The first of the rounds is what a fresh process needs, from the parsed file to the checked answer. `--semver` goes
 * through the public `resolve` with canonical requirement text, the way a registry's documents do.
 */
import { readFileSync } from "node:fs";
import { resolve, type DependencyProvider, type PackageMetadata } from "@lading/resolver";
import { solveConformanceFile } from "@lading/resolver/testing";
import type { Case, CaseFile, CaseUniverse } from "./universes.ts";

const [file, rounds = "1", form] = process.argv.slice(2);
const data = JSON.parse(readFileSync(file!, "utf8")) as CaseFile;

function answers(): Record<string, string> {
  const { answers: all } = solveConformanceFile(data);
  return Object.fromEntries(
    Object.entries(all).map(([name, one]): [string, string] => [name, typeof one === "string" ? one : one.result]),
  );
}

async function semverAnswers(): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const one of data.cases ?? []) found[one.name] = await semverAnswer(one, data.universes[one.universe]!);
  return found;
}

async function semverAnswer({ root }: Case, universe: CaseUniverse): Promise<string> {
  const known = new Map<string, PackageMetadata>();
  const metadata = (key: string): PackageMetadata => {
    const { versions, deps } = universe[key]!;
    const dependenciesOf = (index: number): { key: string; requirement: string }[] =>
      Object.entries(deps[index]!).map(([to, range]) => ({ key: to, requirement: universe[to]!.ranges[range]![0] }));
    return {
      candidates: versions.map((version, index) => ({ version, dependencies: dependenciesOf(index) })),
      missing: "it has no version",
    };
  };
  const provider: DependencyProvider = {
    get: (key) => known.get(key),
    load: async (keys, { speculative }) => {
      for (const key of [...keys, ...speculative]) if (!known.has(key)) known.set(key, metadata(key));
    },
  };
  const dependencies = Object.entries(root).map(([key, [requirement]]) => ({ key, requirement }));
  const { status } = await resolve({ roots: [{ name: "project", dependencies }], suggest: false }, provider);
  return status === "solved" ? "sat" : "unsat";
}

const times: number[] = [];
/** Processor time of the same rounds, helper threads of Node included, in milliseconds. */
const cpu: number[] = [];
let found: Record<string, string> = {};
for (let round = 0; round < Number(rounds); round++) {
  const [start, before] = [performance.now(), process.cpuUsage()];
  found = form === "--semver" ? await semverAnswers() : answers();
  times.push(performance.now() - start);
  const { user, system } = process.cpuUsage(before);
  cpu.push((user + system) / 1000);
}
console.log(JSON.stringify({ answers: found, times, cpu, heap: process.memoryUsage().heapUsed }));
