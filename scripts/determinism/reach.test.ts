import { describe, expect, test } from "vitest";
import { resolve, type Candidate, type DependencyProvider, type PackageMetadata } from "@lading/resolver";

const VERSIONS = 100;
/** Packages that the newest versions lead to. */
const REACHED = 50;

/** A registry that makes a document when it is asked for, and counts what was asked. */
interface Registry extends DependencyProvider {
  readonly named: ReadonlySet<string>;
  readonly loads: number;
  readonly made: number;
}

/**
 * The newest versions form a tree of `REACHED` packages, of which the last ask for the oldest versions of the first. Older
 * versions need packages from all over the registry, which an answer never does.
 */
function registry(size: number): Registry {
  const known = new Map<string, PackageMetadata>();
  const named = new Set<string>();
  let loads = 0;
  const make = (key: string): PackageMetadata => {
    const number = Number(key.slice(1));
    return { candidates: Array.from({ length: VERSIONS }, (_, version) => candidate(number, version, size)) };
  };
  return {
    named,
    get loads() {
      return loads;
    },
    get made() {
      return known.size;
    },
    get(key) {
      named.add(key);
      return known.get(key);
    },
    load(keys, { speculative }) {
      loads++;
      for (const key of [...keys, ...speculative]) {
        named.add(key);
        if (!known.has(key)) known.set(key, make(key));
      }
      return Promise.resolve();
    },
  };
}

function candidate(number: number, version: number, size: number): Candidate {
  const needs = new Map<number, string>();
  const recent = version >= VERSIONS / 2;
  for (const child of [2 * number + 1, 2 * number + 2]) {
    if (child < REACHED) needs.set(child, recent ? `>=1.${version - 40}.0` : "*");
  }
  if (!recent)
    for (let step = 1; step <= 3; step++) needs.set((number * 7919 + version * 104729 + step * 1299709) % size, "*");
  needs.delete(number);
  const dependencies = [...needs].map(([other, requirement]) => ({ key: `p${other}`, requirement }));
  return { version: `1.${version}.0`, dependencies };
}

async function reach(size: number): Promise<{ chosen: number; named: number; made: number; loads: number }> {
  const provider = registry(size);
  const input = { roots: [{ name: "project", dependencies: [{ key: "p0", requirement: "*" }] }] };
  globalThis.gc?.();
  const [heap, cpu] = [process.memoryUsage().heapUsed, process.cpuUsage()];
  const answer = await resolve(input, provider);
  const { user, system } = process.cpuUsage(cpu);
  const grown = (process.memoryUsage().heapUsed - heap) / 1e6;
  if (answer.status !== "solved") throw new Error(answer.explanation);
  const chosen = answer.packages.length;
  const { named, made, loads } = provider;
  console.log(
    `${size} packages of ${VERSIONS} versions: ${chosen} chosen, ${named.size} named, ${made} documents in ${loads} loads, ${((user + system) / 1000).toFixed(0)} ms of processor time, heap ${grown.toFixed(1)} MB more`,
  );
  return { chosen, named: named.size, made, loads };
}

describe("resolve() does work in proportion to what is reached", () => {
  test("10,000 packages of 100 versions cost what 100 packages cost", async () => {
    await reach(100);
    const small = await reach(100);
    const large = await reach(10_000);
    const vast = await reach(1_000_000);
    expect(small.chosen).toBe(REACHED);
    expect(large).toEqual(small);
    expect(vast).toEqual(small);
  });

  test("no document is asked for that neither the answer nor a newest version needs", async () => {
    const { chosen, named, made, loads } = await reach(10_000);
    expect(made).toBeLessThanOrEqual(chosen);
    expect(named).toBeLessThanOrEqual(2 * chosen);
    // One for each level of the tree at most.
    expect(loads).toBeLessThanOrEqual(Math.ceil(Math.log2(REACHED)) + 1);
  });
});
