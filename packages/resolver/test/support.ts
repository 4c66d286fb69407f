import {
  resolve,
  type Dependency,
  type Resolution,
  type ResolveInput,
  type SolvedResolution,
  type UnsolvableResolution,
} from "../src/index.ts";
import { dependencyList, type UniverseBuilder } from "../src/testing.ts";

type Wanted = Readonly<Record<string, string>> | readonly Dependency[];

/** Resolves one root called "myapp" over a lazy provider. */
export function ask(world: UniverseBuilder, wanted: Wanted, more: Partial<ResolveInput> = {}): Promise<Resolution> {
  return resolve({ roots: [{ name: "myapp", dependencies: dependencyList(wanted) }], ...more }, world.lazyProvider());
}

export async function solved(
  world: UniverseBuilder,
  wanted: Wanted,
  more: Partial<ResolveInput> = {},
): Promise<SolvedResolution> {
  const resolution = await ask(world, wanted, more);
  if (resolution.status !== "solved") throw new Error(`expected a solution:\n${resolution.explanation}`);
  return resolution;
}

/** Ids of the answer. */
export async function ids(world: UniverseBuilder, wanted: Wanted, more: Partial<ResolveInput> = {}): Promise<string[]> {
  return (await solved(world, wanted, more)).packages.map(({ id }) => id);
}

export async function unsolvable(
  world: UniverseBuilder,
  wanted: Wanted,
  more: Partial<ResolveInput> = {},
): Promise<UnsolvableResolution> {
  const resolution = await ask(world, wanted, more);
  if (resolution.status !== "unsolvable")
    throw new Error(`expected none: ${resolution.packages.map(({ id }) => id).join()}`);
  return resolution;
}

/** A dependency in full. */
export function need(key: string, requirement: string, more: Partial<Dependency> = {}): Dependency {
  return { key, requirement, ...more };
}
