import fc from "fast-check";
import { expect, it } from "vitest";
import { lockedSlotsOf, resolveUniversal, type Dependency, type UniversalInput } from "../src/index.ts";
import { universe, type UniverseBuilder } from "../src/testing.ts";
import { GRID, KEYS, asLock, dependencies, edgesOf, versions } from "./per-major.ts";
import { need } from "./support.ts";

const PER_MAJOR = { coexistence: "per-major" } as const;

const HOSTS = [{}, { revit: "<2025.0.0" }, { revit: ">=2024.0.0" }, { revit: ">=2024.0.0 <2025.0.0" }] as const;
const conditional: fc.Arbitrary<Dependency[]> = fc
  .tuple(dependencies, fc.array(fc.constantFrom(...HOSTS, ...HOSTS.slice(0, 1)), { minLength: 3, maxLength: 3 }))
  .map(([all, hosts]) => all.map((one, i) => ({ ...one, hosts: hosts[i]! })));
const hostWorlds: fc.Arbitrary<UniverseBuilder> = fc
  .array(
    versions.chain((all) =>
      fc.tuple(
        fc.constant(all),
        fc.array(fc.tuple(conditional, fc.constantFrom(...HOSTS)), { minLength: all.length, maxLength: all.length }),
      ),
    ),
    { minLength: KEYS.length, maxLength: KEYS.length },
  )
  .map((packages) => {
    let world = universe()
      .package("other", "1.0.0", { below: ">=1.0.0" })
      .package("below", "1.0.0")
      .package("below", "2.0.0");
    packages.forEach(([all, made], i) =>
      all.forEach((version, j) => {
        const [needs, hosts] = made[j]!;
        world = world.package(KEYS[i]!, version, { dependencies: needs, hosts });
      }),
    );
    return world;
  });

// Ten seconds of work: on a machine that does much else, minutes.
const options = { timeout: 300_000 };

it("a lock made again is the same, and a package that shares nothing moves none of it", options, async () => {
  let told = 0;
  const before = fc.array(
    fc.record({ key: fc.constantFrom(...KEYS), version: fc.constantFrom("1.0.0", "1.1.0", "2.0.0", "2.1.0") }),
    { maxLength: 5 },
  );
  await fc.assert(
    fc.asyncProperty(hostWorlds, conditional, before, async (world, wanted, locked) => {
      const input: UniversalInput = {
        roots: [{ name: "myapp", dependencies: wanted }],
        ...PER_MAJOR,
        suggest: false,
        environments: GRID,
        locked,
      };
      const first = await resolveUniversal(input, world.provider());
      fc.pre(first.status === "solved");
      if (first.status !== "solved") return;
      const slots = lockedSlotsOf(first);
      if (slots.some(({ cells }) => cells !== undefined)) told++;
      const lock = asLock(first);
      const again = await resolveUniversal({ ...input, ...lock }, world.provider());
      expect(again.status === "solved" && edgesOf(again)).toEqual(edgesOf(first));
      expect(again.status === "solved" && lockedSlotsOf(again)).toEqual(slots);
      const roots = [{ name: "myapp", dependencies: [need("other", ">=1.0.0"), ...wanted] }];
      const more = await resolveUniversal({ ...input, ...lock, roots }, world.provider());
      expect(more.status === "solved" && edgesOf(more, ["other", "below"]).sort()).toEqual(edgesOf(first).sort());
    }),
    { numRuns: 400, seed: 12 },
  );
  expect(told).toBeGreaterThan(5);
});
