import fc from "fast-check";
import { expect, it } from "vitest";
import { lockedSlotsOf, resolve, resolveUniversal, type ResolveInput, type SolvedResolution } from "../src/index.ts";
import { universe } from "../src/testing.ts";
import { GRID, KEYS, asLock, dependencies, edgesOf, worlds } from "./per-major.ts";
import { ids, need, solved } from "./support.ts";

const PER_MAJOR = { coexistence: "per-major" } as const;

it("a range that spans two locked slots stays in the one that met it", async () => {
  const world = universe()
    .package("base", "1.9.0")
    .package("base", "2.5.0")
    .package("modern", "1.0.0", { base: ">=2.0.0 <3.0.0-0" });
  const wanted = { base: ">=1.0.0", modern: ">=1.0.0" };
  const locked = [{ key: "base", version: "1.9.0" }];
  const answer = await solved(world, wanted, { ...PER_MAJOR, locked });
  expect(answer.packages.map(({ id }) => id)).toEqual(["base 1.9.0", "base 2.5.0", "modern 1.0.0"]);
  const lockedSlots = lockedSlotsOf(answer);
  expect(lockedSlots).toEqual([{ key: "base", requirement: ">=1.0.0", version: "1.9.0" }]);
  const both = answer.packages.map(({ key, version }) => ({ key, version }));
  expect(await ids(world, wanted, { ...PER_MAJOR, locked: both, lockedSlots })).toEqual(
    answer.packages.map(({ id }) => id),
  );
  // Without it the newest of the two locked slots would be preferred.
  expect(await ids(world, wanted, { ...PER_MAJOR, locked: both })).toEqual(["base 2.5.0", "modern 1.0.0"]);
});

const idsOf = ({ packages }: SolvedResolution): string[] => packages.map(({ id }) => id);

it("an answer under per-major given back as the lock is the answer again, whatever was locked before", async () => {
  let ambiguous = 0;
  const before = fc.array(
    fc.record({ key: fc.constantFrom(...KEYS), version: fc.constantFrom("1.0.0", "1.1.0", "2.0.0", "2.1.0") }),
    { maxLength: 5 },
  );
  await fc.assert(
    fc.asyncProperty(worlds, dependencies, before, async (world, wanted, locked) => {
      const input: ResolveInput = {
        roots: [{ name: "myapp", dependencies: wanted }],
        ...PER_MAJOR,
        suggest: false,
        locked,
      };
      const first = await resolve(input, world.provider());
      fc.pre(first.status === "solved");
      const lockedSlots = lockedSlotsOf(first);
      if (lockedSlots.length > 0) ambiguous++;
      const again = await resolve(
        { ...input, locked: first.packages.map(({ key, version }) => ({ key, version })), lockedSlots },
        world.provider(),
      );
      expect(again.status === "solved" && idsOf(again)).toEqual(idsOf(first));
      expect(again.status === "solved" && lockedSlotsOf(again)).toEqual(lockedSlots);
    }),
    { numRuns: 300, seed: 11 },
  );
  // Ranges that span several chosen slots have to have occurred.
  expect(ambiguous).toBeGreaterThan(10);
});

it("tells of a range that environments meet in different versions where several of them are there", async () => {
  const world = universe()
    .package("base", "1.9.0", { hosts: { revit: "<2025.0.0" } })
    .package("base", "2.5.0")
    .package("modern", "1.0.0", { base: ">=2.0.0 <3.0.0-0" });
  const roots = [{ name: "myapp", dependencies: [need("base", ">=1.0.0"), need("modern", ">=1.0.0")] }];
  const input = { roots, ...PER_MAJOR, environments: GRID, locked: [{ key: "base", version: "1.9.0" }] };
  const first = await resolveUniversal(input, world.provider());
  if (first.status === "unsolvable") throw new Error(first.explanation);
  // 2024 and 2023 have both, 2025 has the newer alone.
  expect(lockedSlotsOf(first)).toEqual([{ key: "base", requirement: ">=1.0.0", version: "1.9.0", cells: [1, 2] }]);
  const again = await resolveUniversal({ ...input, ...asLock(first) }, world.provider());
  expect(again.status === "solved" && edgesOf(again)).toEqual(edgesOf(first));
  const { locked } = asLock(first);
  const without = await resolveUniversal({ ...input, locked: locked! }, world.provider());
  expect(without.status === "solved" && edgesOf(without)).not.toEqual(edgesOf(first));
});
