import { expect, it } from "vitest";
import { resolveUniversal, type CoexistencePolicy } from "../src/index.ts";
import { universe } from "../src/testing.ts";
import { need } from "./support.ts";

// The newest `a` and `b` do not go together: `b` comes first and keeps its newest version, and `a` takes one that needs more.
const world = universe()
  .package("a", "1.0.0", { old: ">=1.0.0" })
  .package("a", "1.1.0", { new: ">=1.0.0" })
  .package("b", "1.0.0", { a: "<1.1.0" })
  .package("new", "1.0.0", { deep: ">=1.0.0" })
  .package("old", "1.0.0", { below: ">=1.0.0" })
  .package("deep", "1.0.0")
  .package("below", "1.0.0")
  .package("elsewhere", "1.0.0");

async function locked(order: readonly string[], coexistence: CoexistencePolicy) {
  const provider = world.lazyProvider();
  const roots = [{ name: "app", dependencies: order.map((key) => need(key, ">=1.0.0")) }];
  const asked: string[][] = [];
  const watched = {
    ...provider,
    load: (keys: readonly string[], options: Parameters<typeof provider.load>[1]) => {
      asked.push([...keys, ...options.speculative].sort());
      return provider.load(keys, options);
    },
  };
  const answer = await resolveUniversal({ roots, coexistence, environments: {} }, watched);
  return { asked, ids: answer.status === "solved" ? answer.packages.map(({ id }) => id) : [], of: answer.statistics };
}

it.each(["single", "per-major"] as const)(
  "a lock under %s loads level by level what it comes upon, and nothing that it is not led to",
  async (coexistence) => {
    const { asked, ids, of } = await locked(["a"], coexistence);
    expect(asked).toEqual([["a"], ["new"], ["deep"]]);
    expect(ids).toEqual(["a 1.1.0", "deep 1.0.0", "new 1.0.0"]);
    expect(of).toMatchObject({ loads: 3, conflicts: 0, solved: 1 });
  },
);

it.each(["single", "per-major"] as const)(
  "a lock under %s whose newest versions do not go together has the answer of one of which all is known",
  async (coexistence) => {
    for (const order of [
      ["b", "a"],
      ["a", "b"],
    ]) {
      const { asked, ids } = await locked(order, coexistence);
      expect(asked.flat()).not.toContain("elsewhere");
      expect(asked.flat().length).toBe(new Set(asked.flat()).size);
      const roots = [{ name: "app", dependencies: order.map((key) => need(key, ">=1.0.0")) }];
      const known = await resolveUniversal({ roots, coexistence, environments: {} }, world.provider());
      expect(known.status === "solved" && known.packages.map(({ id }) => id)).toEqual(ids);
      expect(ids).toEqual(["a 1.0.0", "b 1.0.0", "below 1.0.0", "old 1.0.0"]);
    }
  },
);
