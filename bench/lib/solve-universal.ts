/**
 * A process that solves for eight environments and for one of them in turn, with the built bundle, and prints JSON.
 *
 *     node solve-universal.ts FILE ROUNDS [--differing]
 *
 * With `--differing`, one package of twenty has versions for newer hosts only, and dependencies for one target only.
 */
import { readFileSync } from "node:fs";
import {
  resolve,
  resolveUniversal,
  type Candidate,
  type Dependency,
  type DependencyProvider,
  type PackageMetadata,
} from "@lading/resolver";
import type { CaseFile } from "./universes.ts";

const [file, rounds = "1", form] = process.argv.slice(2);
const differing = form === "--differing";
const data = JSON.parse(readFileSync(file!, "utf8")) as CaseFile;
const [question] = data.cases!;
const universe = data.universes[question!.universe]!;
const hosts = ["2023", "2024", "2025", "2026"];
const targets = ["linux", "windows"];

const metadata = new Map(
  Object.entries(universe).map(([key, { versions, deps }], number): [string, PackageMetadata] => {
    const special = differing && number % 20 === 7;
    const candidates = versions.map((version, index): Candidate => {
      const dependencies = Object.entries(deps[index]!).map(([to, range], place): Dependency => ({
        key: to,
        requirement: universe[to]!.ranges[range]![0],
        ...(special && place === 0 ? { targets: ["linux"] } : {}),
      }));
      const newer = special && index % 4 === 3;
      return { version, dependencies, ...(newer ? { hosts: { app: ">=2025.0.0" } } : {}) };
    });
    return [key, { candidates }];
  }),
);
const provider: DependencyProvider = { get: (key) => metadata.get(key), load: () => Promise.resolve() };
const dependencies = Object.entries(question!.root).map(([key, [requirement]]) => ({ key, requirement }));
const roots = [{ name: "project", dependencies }];

async function one(): Promise<string> {
  const { status } = await resolve({ roots, hosts: { app: ["2026"] }, targets: ["linux"], suggest: false }, provider);
  return status;
}

async function eight(): Promise<string> {
  const { status } = await resolveUniversal(
    { roots, environments: { hosts: { app: hosts }, targets }, suggest: false },
    provider,
  );
  return status;
}

const contenders = { eight, one };
const times: Record<string, number[]> = { eight: [], one: [] };
const cpu: Record<string, number[]> = { eight: [], one: [] };
const statuses = new Set<string>();
for (let round = 0; round < Number(rounds); round++) {
  for (const [name, run] of Object.entries(contenders)) {
    const [start, before] = [performance.now(), process.cpuUsage()];
    statuses.add(await run());
    times[name]!.push(performance.now() - start);
    const { user, system } = process.cpuUsage(before);
    cpu[name]!.push((user + system) / 1000);
  }
}
console.log(JSON.stringify({ statuses: [...statuses], times, cpu }));
