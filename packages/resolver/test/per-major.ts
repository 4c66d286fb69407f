import fc from "fast-check";
import {
  lockedSlotsOf,
  type Dependency,
  type TargetEnvironment,
  type UniversalInput,
  type UniversalSolution,
} from "../src/index.ts";
import { universe, type UniverseBuilder } from "../src/testing.ts";
import { need } from "./support.ts";

export const KEYS = ["a", "b", "c", "d"] as const;
export const RANGES = [
  ">=1.0.0",
  ">=2.0.0",
  ">=1.0.0 <2.0.0-0",
  ">=2.0.0 <3.0.0-0",
  "<3.0.0",
  ">=1.1.0 <4.0.0-0",
] as const;
export const dependencies: fc.Arbitrary<Dependency[]> = fc.uniqueArray(
  fc.tuple(fc.constantFrom(...KEYS), fc.constantFrom(...RANGES)).map(([key, range]) => need(key, range)),
  { selector: ({ key, requirement }) => `${key} ${requirement as string}`, maxLength: 3 },
);
export const versions: fc.Arbitrary<string[]> = fc.uniqueArray(
  fc.constantFrom("1.0.0", "1.1.0", "2.0.0", "2.1.0", "3.0.0"),
  { minLength: 1 },
);
export const worlds: fc.Arbitrary<UniverseBuilder> = fc
  .array(
    versions.chain((all) =>
      fc.tuple(fc.constant(all), fc.array(dependencies, { minLength: all.length, maxLength: all.length })),
    ),
    { minLength: KEYS.length, maxLength: KEYS.length },
  )
  .map((packages) => {
    let world = universe();
    packages.forEach(([all, needs], i) =>
      all.forEach((version, j) => (world = world.package(KEYS[i]!, version, { dependencies: needs[j]! }))),
    );
    return world;
  });

export const GRID: UniversalInput["environments"] = { hosts: { revit: ["2023", "2024", "2025"] } };

/** What a lock keeps of an answer, as preferences for the next one. */
export function asLock(answer: UniversalSolution): Pick<UniversalInput, "locked" | "lockedSlots"> {
  const revitOf = (cells: readonly number[]): Set<string> =>
    new Set(cells.map((cell) => answer.environments[cell]!["revit"]!));
  const appliesTo = (cells: readonly number[]) => {
    const own = revitOf(cells);
    return ({ revit = "" }: TargetEnvironment): boolean => own.has(revit);
  };
  const cellsOf = new Map(answer.packages.map(({ key, version, cells }) => [`${key} ${version}`, cells]));
  return {
    locked: answer.packages.map(({ key, version, cells }) => ({ key, version, appliesTo: appliesTo(cells) })),
    lockedSlots: lockedSlotsOf(answer).map(({ cells, ...slot }) => ({
      ...slot,
      appliesTo: appliesTo(cells ?? cellsOf.get(`${slot.key} ${slot.version}`)!),
    })),
  };
}

/** All that a lock says of an answer: which package leads where, in which environments. */
export function edgesOf({ packages, roots }: UniversalSolution, without: readonly string[] = []): string[] {
  const owners = [
    ...roots.map(({ name, dependencies: edges }) => ({ id: name, edges })),
    ...packages.map(({ id, dependencies: edges }) => ({ id, edges })),
  ];
  return owners
    .flatMap(({ id, edges }) =>
      edges.map((edge) => `${id} -> ${edge.id} (${edge.requirement}) in ${edge.cells.join()}`),
    )
    .filter((text) => !without.some((key) => text.includes(` ${key} `)));
}
