import { describe, expect, test } from "vitest";
import {
  createResolver,
  resolve,
  type DependencyProvider,
  type PackageMetadata,
  type ResolveInput,
} from "../src/index.ts";
import { universe, type UniverseBuilder } from "../src/testing.ts";

/** Pigeons that each need a hole of their own: no solution, and a proof that grows with their number beyond measure. */
function pigeons(count: number): { input: ResolveInput; provider: DependencyProvider } {
  const packages = new Map<string, PackageMetadata>();
  const holes = Array.from({ length: count - 1 }, (_, hole) => hole);
  for (let pigeon = 0; pigeon < count; pigeon++) {
    const candidates = holes.map((hole) => ({
      version: `1.0.${hole}`,
      dependencies: [{ key: `hole${hole}`, requirement: `=1.0.${pigeon}` }],
    }));
    packages.set(`pigeon${pigeon}`, { candidates });
  }
  for (const hole of holes) {
    const candidates = Array.from({ length: count }, (_, pigeon) => ({ version: `1.0.${pigeon}`, dependencies: [] }));
    packages.set(`hole${hole}`, { candidates });
  }
  const dependencies = Array.from({ length: count }, (_, pigeon) => ({ key: `pigeon${pigeon}`, requirement: "*" }));
  const provider: DependencyProvider = {
    get: (key) => packages.get(key) ?? { candidates: [] },
    load: () => Promise.resolve(),
  };
  return { input: { roots: [{ name: "myapp", dependencies }], suggest: false }, provider };
}

describe("the work budget", () => {
  test("ends a hopeless search with RESOLVE_BUDGET_EXCEEDED, which says how to go on", async () => {
    const { input, provider } = pigeons(12);
    const error = await resolve({ ...input, budget: 500 }, provider).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "RESOLVE_BUDGET_EXCEEDED",
      category: "resolution",
      message: expect.stringContaining("within the work budget of 500 steps") as string,
      hint: expect.stringContaining("raise the budget") as string,
    });
  });

  test("does not touch what is solved within it", async () => {
    const { input, provider } = pigeons(5);
    expect((await resolve({ ...input, budget: 100_000 }, provider)).status).toBe("unsolvable");
  });

  test.each([0, -1, Number.NaN])("of %d is refused with RESOLVE_INPUT_INVALID", async (budget) => {
    const { input, provider } = pigeons(3);
    await expect(resolve({ ...input, budget }, provider)).rejects.toMatchObject({ code: "RESOLVE_INPUT_INVALID" });
  });
});

describe("a long search", () => {
  test("stops at the signal, which may come from a timer, and tells that it is alive", async () => {
    const { input, provider } = pigeons(12);
    const control = new AbortController();
    const events: string[] = [];
    setTimeout(() => control.abort(new Error("enough")), 5);
    const options = { signal: control.signal, onEvent: ({ type }: { type: string }) => void events.push(type) };
    await expect(resolve(input, provider, options)).rejects.toThrow("enough");
    expect(events).toContain("resolving");
  });

  test("gives control back after the steps granted, and comes to the same answer", () => {
    const { input, provider } = pigeons(6);
    const whole = createResolver(input, provider).step();
    const slow = createResolver(input, provider);
    let pauses = 0;
    let step = slow.step(10);
    for (; step.status === "working"; step = slow.step(10)) pauses++;
    expect(pauses).toBeGreaterThan(3);
    expect(step.status === "done" && step.resolution.status).toBe("unsolvable");
    expect(whole.status).toBe("done");
  });
});

describe("an explanation under way", () => {
  const conflicting = (): UniverseBuilder => {
    let world = universe().package("base", "1.0.0").package("base", "2.0.0");
    for (let i = 0; i < 12; i++)
      world = world.package(`p${i}`, "1.0.0", { base: i % 2 === 0 ? ">=1.0.0 <2.0.0-0" : ">=2.0.0 <3.0.0-0" });
    return world;
  };
  const input = {
    roots: [
      {
        name: "myapp",
        dependencies: Array.from({ length: 12 }, (_, i) => ({ key: `p${i}`, requirement: ">=1.0.0" })),
      },
    ],
  };

  test("step(most) comes back between its parts, step() does not", () => {
    const resolver = createResolver(input, conflicting().provider());
    let pauses = 0;
    for (let step = resolver.step(1_000_000); step.status !== "done"; step = resolver.step(1_000_000)) pauses++;
    expect(pauses).toBeGreaterThan(10);
    expect(createResolver(input, conflicting().provider()).step().status).toBe("done");
  });

  test("resolve() ends it by the signal", async () => {
    const controller = new AbortController();
    const provider = conflicting().provider();
    // Names are only asked for where something is put in words.
    const displayName = (key: string): string => {
      controller.abort(new Error("enough"));
      return key;
    };
    await expect(resolve(input, { ...provider, displayName }, { signal: controller.signal })).rejects.toThrow("enough");
  });
});
