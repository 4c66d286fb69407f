import { describe, expect, test } from "vitest";
import { createResolver, resolve, ResolverError, type DependencyProvider } from "../src/index.ts";
import { universe } from "../src/testing.ts";
import { ask, ids, need, solved, unsolvable } from "./support.ts";

const shared = universe()
  .package("foo", "1.0.0", { shared: ">=1.0.0 <2.0.0" })
  .package("bar", "1.0.0", { shared: ">=2.0.0 <3.0.0" })
  .package("shared", "1.0.0")
  .package("shared", "1.5.0")
  .package("shared", "2.0.0");

describe("resolve() under single", () => {
  test("follows dependencies of dependencies", async () => {
    const world = universe().package("a", "1.0.0", { b: "*" }).package("b", "1.0.0", { c: "*" }).package("c", "1.0.0");
    expect(await ids(world, { a: "*" })).toEqual(["a 1.0.0", "b 1.0.0", "c 1.0.0"]);
  });

  test("solves what a greedy choice of the newest cannot", async () => {
    const world = universe()
      .package("a", "2.0.0", { c: "=1.0.0" })
      .package("a", "1.0.0", { c: "*" })
      .package("b", "1.0.0", { c: "=2.0.0" })
      .package("c", "1.0.0")
      .package("c", "2.0.0");
    expect(await ids(world, { a: "*", b: "*" })).toEqual(["a 1.0.0", "b 1.0.0", "c 2.0.0"]);
  });

  test("orders versions as numbers, not as text", async () => {
    const world = universe().package("a", "1.9.0").package("a", "1.10.0").package("a", "1.2.0");
    expect(await ids(world, { a: "*" })).toEqual(["a 1.10.0"]);
  });

  test("names both requirers and both ranges of a conflict, in words and in data", async () => {
    const failure = await unsolvable(shared, { foo: ">=1.0.0", bar: ">=1.0.0" });
    expect(failure.explanation).toContain("depends on shared ^1.0.0");
    expect(failure.explanation).toContain("depends on shared ^2.0.0");
    expect(failure.requirements).toContainEqual({
      dependent: "foo 1.0.0",
      package: "shared",
      requirement: ">=1.0.0 <2.0.0",
    });
    expect(failure.proof.statements.at(-1)!.terms).toEqual([]);
  });

  test("tells only of the requirements that matter", async () => {
    const failure = await unsolvable(shared, { foo: ">=1.0.0", bar: ">=1.0.0", shared: ">=1.0.0" });
    expect(failure.explanation).not.toContain("myapp depends on shared");
  });

  test("suggests only a change with which a solution was found", async () => {
    const world = universe()
      .package("foo", "1.0.0", { shared: "=1.0.0" })
      .package("bar", "2.0.0", { shared: "=2.0.0" })
      .package("bar", "1.0.0", { shared: "=1.0.0" })
      .package("shared", "1.0.0")
      .package("shared", "2.0.0");
    const { suggestions } = await unsolvable(world, { foo: "*", bar: ">=2.0.0" });
    expect(suggestions).toEqual([
      {
        type: "loosen-root",
        key: "bar",
        version: "1.0.0",
        requirement: ">=1.0.0 <2.0.0",
        message: "lower bar to ^1 and everything resolves with bar 1.0.0",
      },
    ]);
  });

  test("says what is missing where a package does not exist", async () => {
    const { explanation } = await unsolvable(universe().package("a", "1.0.0", { gone: "*" }), { a: "*" });
    expect(explanation).toContain("depends on gone any, which does not exist (not in the fake registry)");
  });

  test("says what is on offer where no version matches", async () => {
    const { explanation } = await unsolvable(universe().package("a", "1.0.0").package("a", "2.0.0"), { a: ">=3.0.0" });
    expect(explanation).toContain("myapp depends on a >=3.0.0 and only 1.0.0 and 2.0.0 exist");
  });

  test("reports cycles with their path and installs them", async () => {
    const world = universe()
      .package("a", "1.0.0", { b: "*" })
      .package("b", "1.0.0", { c: "*" })
      .package("c", "1.0.0", { a: "*" })
      .package("self", "1.0.0", { self: "*" });
    const answer = await solved(world, { a: "*", self: "*" });
    expect(answer.cycles).toEqual([
      ["a 1.0.0", "b 1.0.0", "c 1.0.0", "a 1.0.0"],
      ["self 1.0.0", "self 1.0.0"],
    ]);
  });

  test("skips a version that contradicts itself by a cycle", async () => {
    const world = universe().package("a", "2.0.0", { a: "=1.0.0" }).package("a", "1.0.0", { a: "=1.0.0" });
    expect(await ids(world, { a: "*" })).toEqual(["a 1.0.0"]);
  });

  test("heeds what it learns of a package in the moment that it looks at its versions", async () => {
    const world = universe()
      .package("d", "3.0.0", { b: ">=2.0.0" })
      .package("b", "2.0.0", { a: ">=2.0.0" })
      .package("b", "3.0.0", { a: "=3.0.0" })
      .package("a", "0.1.0")
      .package("a", "2.0.0", { c: "=3.0.0" })
      .package("c", "0.1.0");
    const { proof } = await unsolvable(world, { d: ">=2.0.0" });
    expect(proof.statements.at(-1)!.terms).toEqual([]);
  });

  test("a version that meets its own dependency is not passed over for one that does not", async () => {
    const world = universe().package("a", "2.0.0", { a: "=3.0.0" }).package("a", "3.0.0", { a: "=3.0.0" });
    expect(await ids(world.package("a", "4.0.0"), { a: ">=2.0.0" }, { prefer: "oldest" })).toEqual(["a 3.0.0"]);
  });

  test("an optional peer of a package on itself rules its version out for good", async () => {
    const self = need("c", ">=2.0.0", { kind: "peer", optional: true });
    const world = universe()
      .package("a", "1.0.0", { b: "*" })
      .package("b", "2.0.0", { c: "=1.0.0" })
      .package("b", "1.0.0", { c: "*" })
      .package("c", "1.0.0", { dependencies: [self] })
      .package("c", "0.5.0");
    expect(await ids(world, { a: "*" })).toEqual(["a 1.0.0", "b 1.0.0", "c 0.5.0"]);
  });

  test("handles packages with more than 31 versions", async () => {
    let world = universe().package("other", "1.0.0", { a: "<1.40.0 >=1.33.0" });
    for (let i = 0; i < 100; i++) world = world.package("a", `1.${i}.0`, { b: `=1.${i}.0` }).package("b", `1.${i}.0`);
    expect(await ids(world, { a: "*", other: "*", b: "<1.35.0" })).toEqual(["a 1.34.0", "b 1.34.0", "other 1.0.0"]);
  });
});

describe("preferences", () => {
  const world = universe()
    .package("a", "1.0.0", { b: "*" })
    .package("a", "2.0.0", { b: "*" })
    .package("b", "1.0.0")
    .package("b", "2.0.0");

  test.each([
    ["newest", ["a 2.0.0", "b 2.0.0"]],
    ["oldest", ["a 1.0.0", "b 1.0.0"]],
    ["lowest-direct", ["a 1.0.0", "b 2.0.0"]],
  ] as const)("%s", async (prefer, expected) => {
    expect(await ids(world, { a: "*" }, { prefer })).toEqual(expected);
  });

  test("a lock is kept, and said to be", async () => {
    const answer = await solved(world, { a: "*" }, { locked: [{ key: "b", version: "1.0.0" }] });
    expect(answer.packages.map(({ id, locked }) => [id, locked])).toEqual([
      ["a 2.0.0", false],
      ["b 1.0.0", true],
    ]);
  });

  test("a lock gives way where it must, and only there", async () => {
    const locked = [
      { key: "foo", version: "1.0.0" },
      { key: "shared", version: "1.0.0" },
      { key: "quiet", version: "1.0.0" },
    ];
    const busy = universe()
      .package("foo", "1.0.0", { shared: "*", quiet: "*" })
      .package("foo", "2.0.0", { shared: "*", quiet: "*" })
      .package("new", "1.0.0", { shared: ">=2.0.0" })
      .package("shared", "1.0.0")
      .package("shared", "2.0.0")
      .package("quiet", "1.0.0")
      .package("quiet", "2.0.0");
    expect(await ids(busy, { foo: "*", new: "*" }, { locked })).toEqual([
      "foo 1.0.0",
      "new 1.0.0",
      "quiet 1.0.0",
      "shared 2.0.0",
    ]);
  });

  test("an override replaces every requirement on the package and is named in the explanation", async () => {
    const bound = universe()
      .package("a", "1.0.0", { b: "=1.0.0" })
      .package("b", "1.0.0")
      .package("b", "2.0.0", { c: "=9.0.0" })
      .package("c", "1.0.0");
    const overrides = [{ key: "b", requirement: "=2.0.0" }];
    expect(await ids(bound.package("c", "9.0.0"), { a: "*" }, { overrides })).toEqual([
      "a 1.0.0",
      "b 2.0.0",
      "c 9.0.0",
    ]);
    const failure = await unsolvable(bound, { a: "*", c: "<9.0.0" }, { overrides });
    expect(failure.explanation).toContain("depends on b 2.0.0 (by an override)");
    expect(failure.suggestions.map(({ type }) => type)).toContain("drop-override");
  });
});

describe("pre-releases", () => {
  const world = universe().package("a", "1.0.0").package("a", "2.0.0-rc.1").package("only", "1.0.0-rc.1");

  test.each([
    ["named", "*", "a 1.0.0"],
    ["named", ">=2.0.0-rc.0", "a 2.0.0-rc.1"],
    ["fallback", "*", "a 1.0.0"],
    ["fallback", ">1.0.0", "a 2.0.0-rc.1"],
    ["allow", "*", "a 2.0.0-rc.1"],
    ["never", "*", "a 1.0.0"],
  ] as const)("%s with %s", async (prereleases, requirement, expected) => {
    expect(await ids(world, { a: requirement }, { prereleases })).toEqual([expected]);
  });

  test("one that would do is named, and suggested", async () => {
    const failure = await unsolvable(world, { only: "*" });
    expect(failure.explanation).toContain("only the pre-release 1.0.0-rc.1 would fit");
    expect(failure.suggestions.map(({ type }) => type)).toEqual(["allow-prerelease"]);
  });

  test("never refuses even the one that is named, and says why", async () => {
    const failure = await unsolvable(world, { only: ">=1.0.0-rc.1" }, { prereleases: "never" });
    expect(failure.explanation).toContain("only 1.0.0-rc.1 exists but is a pre-release, and none are allowed");
  });
});

describe("exclusions", () => {
  const yanked = { reason: "yanked", text: "it was yanked: leaks memory" } as const;
  const world = universe()
    .package("a", "1.0.0")
    .package("a", "2.0.0", { excluded: [yanked] });

  test("a yanked version is passed over", async () => {
    expect(await ids(world, { a: "*" })).toEqual(["a 1.0.0"]);
  });

  test("a lock keeps the yanked version that it has", async () => {
    expect(await ids(world, { a: "*" }, { locked: [{ key: "a", version: "2.0.0" }] })).toEqual(["a 2.0.0"]);
  });

  test("a lock does not keep a version that is held", async () => {
    const held = universe()
      .package("a", "1.0.0")
      .package("a", "2.0.0", { excluded: [{ reason: "held", text: "not approved" }] });
    expect(await ids(held, { a: "*" }, { locked: [{ key: "a", version: "2.0.0" }] })).toEqual(["a 1.0.0"]);
  });

  test.each(["removed", "revoked"] as const)("nothing lifts %s, and nothing suggests to", async (reason) => {
    const withdrawn = universe().package("a", "2.0.0", { excluded: [{ reason, text: `it was ${reason}` }] });
    const failure = await unsolvable(withdrawn, { a: "*" }, { locked: [{ key: "a", version: "2.0.0" }] });
    expect(failure.explanation).toContain(`was ${reason}`);
    expect(failure.suggestions.filter(({ type }) => type.startsWith("allow"))).toEqual([]);
  });

  test("the reason is in the explanation, and lifting it is suggested", async () => {
    const failure = await unsolvable(world, { a: ">=2.0.0" });
    expect(failure.explanation).toContain("a 2.0.0 exists but was yanked: leaks memory");
    expect(failure.suggestions).toContainEqual(
      expect.objectContaining({ type: "allow-excluded", key: "a", version: "2.0.0" }),
    );
  });

  test("the caller's policy excludes too", async () => {
    const exclude: NonNullable<Parameters<typeof resolve>[0]["exclude"]> = (_, { version }) =>
      version === "1.0.0" ? [{ reason: "cooldown", text: "it is 3 hours old" }] : [];
    const { explanation } = await unsolvable(world, { a: "*" }, { exclude });
    expect(explanation).toContain("a 1.0.0 exists but is 3 hours old");
  });

  test("a version whose requirement cannot be read is passed over; the others stay", async () => {
    const bad = universe().package("a", "1.0.0").package("a", "2.0.0", { b: "not a range" });
    expect(await ids(bad, { a: "*" })).toEqual(["a 1.0.0"]);
    const { explanation } = await unsolvable(bad, { a: ">=2.0.0" });
    expect(explanation).toContain('its requirement on "b" cannot be read');
  });
});

describe("hosts", () => {
  let world = universe();
  for (const year of [2021, 2022, 2023, 2024, 2025]) {
    world = world.package("addin", `${year - 2020}.0.0`, { hosts: { revit: `>=${year}.0.0 <${year + 1}.0.0` } });
  }

  test.each([2021, 2022, 2023, 2024, 2025])("revit %i gets the version made for it", async (year) => {
    expect(await ids(world, { addin: "*" }, { hosts: { revit: [`${year}`] } })).toEqual([`addin ${year - 2020}.0.0`]);
  });

  test("every declared version must be met", async () => {
    const wide = world.package("addin", "0.5.0", { hosts: { revit: ">=2020.0.0" } });
    expect(await ids(wide, { addin: "*" }, { hosts: { revit: ["2023", "2025"] } })).toEqual(["addin 0.5.0"]);
  });

  test("a version whose host requirement cannot be read is passed over", async () => {
    const odd = world.package("addin", "9.0.0", { hosts: { revit: "newest" } });
    expect(await ids(odd, { addin: "*" }, { hosts: { revit: ["2025"] } })).toEqual(["addin 5.0.0"]);
    const { explanation } = await unsolvable(odd, { addin: "=9.0.0" }, { hosts: { revit: ["2025"] } });
    expect(explanation).toContain("its requirement on host revit cannot be read");
  });

  test("an axis that is not declared constrains nothing", async () => {
    expect(await ids(world, { addin: "*" }, { hosts: { python: ["3.11"] } })).toEqual(["addin 5.0.0"]);
  });

  test("a host that nothing supports is explained, with a host that would do", async () => {
    const failure = await unsolvable(world, { addin: "=3.0.0" }, { hosts: { revit: ["2026"] } });
    expect(failure.explanation).toContain("addin 3.0.0 which needs revit ^2023.0.0 and the host is 2026");
    expect(failure.suggestions).toContainEqual(expect.objectContaining({ type: "change-host", version: "3.0.0" }));
  });
});

describe("kinds of dependencies", () => {
  test("dev counts for roots only, and is marked", async () => {
    const world = universe()
      .package("a", "1.0.0", {
        dependencies: [need("never", "*", { kind: "dev" }), need("tool", "*", { kind: "build" })],
      })
      .package("tool", "1.0.0")
      .package("lint", "1.0.0", { both: "*" })
      .package("both", "1.0.0");
    const answer = await solved(world, [need("a", "*"), need("lint", "*", { kind: "dev" }), need("both", "*")]);
    expect(answer.packages.map(({ key, kinds, direct }) => [key, kinds, direct])).toEqual([
      ["a", ["normal"], true],
      ["both", ["dev", "normal"], true],
      ["lint", ["dev"], true],
      ["tool", ["build"], false],
    ]);
  });

  const plugin = (optional: boolean) =>
    universe()
      .package("plugin", "1.0.0", { dependencies: [need("core", ">=2.0.0", { kind: "peer", optional })] })
      .package("core", "1.0.0")
      .package("core", "2.0.0");

  test("a peer is provided, and shared with who else needs it", async () => {
    expect(await ids(plugin(false), { plugin: "*" })).toEqual(["core 2.0.0", "plugin 1.0.0"]);
    const { explanation } = await unsolvable(plugin(false), { plugin: "*", core: "<2.0.0" });
    expect(explanation).toContain("myapp depends on plugin any which expects core >=2.0.0");
  });

  test("an optional peer is only checked where it is present", async () => {
    expect(await ids(plugin(true), { plugin: "*" })).toEqual(["plugin 1.0.0"]);
    expect(await ids(plugin(true), { plugin: "*", core: "*" })).toEqual(["core 2.0.0", "plugin 1.0.0"]);
    expect((await ask(plugin(true), { plugin: "*", core: "<2.0.0" })).status).toBe("unsolvable");
  });

  test("with peers checked only, a missing one is noted", async () => {
    const answer = await solved(plugin(false), { plugin: "*" }, { peers: "check" });
    expect(answer.packages.map(({ id }) => id)).toEqual(["plugin 1.0.0"]);
    expect(answer.notes).toMatchObject([{ type: "peer-missing", dependent: "plugin 1.0.0", key: "core" }]);
    expect((await ask(plugin(false), { plugin: "*", core: "<2.0.0" }, { peers: "check" })).status).toBe("unsolvable");
  });

  test("metadata of an optional peer that nobody brings is not loaded", async () => {
    const provider = plugin(true).lazyProvider();
    await resolve({ roots: [{ name: "myapp", dependencies: [need("plugin", "*")] }] }, provider);
    expect(provider.loads.flat()).toEqual(["plugin"]);
  });

  test("ifPossible never fails a resolution: it is taken, or left out with a note", async () => {
    const world = universe()
      .package("a", "1.0.0", {
        dependencies: [need("gone", "*", { ifPossible: true }), need("nice", "*", { ifPossible: true })],
      })
      .package("nice", "1.0.0");
    const answer = await solved(world, { a: "*" });
    expect(answer.packages.map(({ id, kinds }) => [id, kinds])).toEqual([
      ["a 1.0.0", ["normal"]],
      ["nice 1.0.0", ["optional"]],
    ]);
    expect(answer.notes).toMatchObject([{ type: "optional-left-out", dependent: "a 1.0.0", key: "gone" }]);
  });

  test("an optional dependency that nothing asks for need not even exist", async () => {
    const optional = need("gone", "*", { optional: true });
    expect(
      await ids(universe().package("a", "1.0.0", { dependencies: [optional] }), [need("a", "*"), optional]),
    ).toEqual(["a 1.0.0"]);
  });

  test("dependencies for other targets do not count", async () => {
    const world = universe()
      .package("a", "1.0.0", { dependencies: [need("win", "*", { targets: ["x86_64-windows"] })] })
      .package("win", "1.0.0");
    expect(await ids(world, { a: "*" }, { targets: ["x86_64-linux"] })).toEqual(["a 1.0.0"]);
    expect(await ids(world, { a: "*" })).toEqual(["a 1.0.0", "win 1.0.0"]);
  });
});

describe("createResolver()", () => {
  test("asks for everything that is needed at once, and speculates one step ahead", () => {
    const world = universe().package("a", "1.0.0", { x: "*" }).package("b", "1.0.0", { y: "*" });
    const step = createResolver(
      { roots: [{ name: "myapp", dependencies: [need("a", "*"), need("b", "*")] }] },
      world.lazyProvider(),
    ).step();
    expect(step).toMatchObject({ status: "needs", packages: ["a", "b"] });
  });

  test("takes one round trip a level", async () => {
    let world = universe();
    for (const branch of ["p", "q", "r", "s"]) {
      for (let i = 0; i < 4; i++)
        world = world.package(`${branch}${i}`, "1.0.0", i < 3 ? { [`${branch}${i + 1}`]: "*" } : {});
    }
    const answer = await solved(world, { p0: "*", q0: "*", r0: "*", s0: "*" });
    expect(answer.packages).toHaveLength(16);
    expect(answer.statistics.loads).toBeLessThanOrEqual(4);
  });

  test("loads only what is reached", async () => {
    const provider = universe()
      .package("a", "1.0.0", { b: "*" })
      .package("b", "1.0.0")
      .package("z", "1.0.0")
      .lazyProvider();
    await resolve({ roots: [{ name: "myapp", dependencies: [need("a", "*")] }] }, provider);
    expect(new Set(provider.loads.flat())).toEqual(new Set(["a", "b"]));
  });
});

describe("resolve() and its surroundings", () => {
  const world = universe().package("a", "1.0.0", { b: "*" }).package("b", "1.0.0");
  const input = { roots: [{ name: "myapp", dependencies: [need("a", "*")] }] };

  test("stops when the signal does", async () => {
    const control = new AbortController();
    control.abort(new Error("enough"));
    await expect(resolve(input, world.lazyProvider(), { signal: control.signal })).rejects.toThrow("enough");
  });

  test("passes a failing load on", async () => {
    const failing: DependencyProvider = {
      get: () => undefined,
      load: () => Promise.reject(new Error("registry is down")),
    };
    await expect(resolve(input, failing)).rejects.toThrow("registry is down");
  });

  test("tells its progress", async () => {
    const events: unknown[] = [];
    await resolve(input, world.lazyProvider(), { onEvent: (event) => events.push(event) });
    expect(events[0]).toEqual({ type: "resolving", packages: 1, requests: 1 });
  });

  test.each([
    ["no roots", { roots: [] }, "there is no root"],
    ["twins", { roots: [input.roots[0]!, input.roots[0]!] }, 'two roots are called "myapp"'],
    ["a bad requirement", { roots: [{ name: "r", dependencies: [need("a", "1 || ")] }] }, 'the dependency "a" of "r"'],
    ["an unknown feature", { roots: [{ name: "r", dependencies: [], enable: ["x"] }] }, 'has no feature "x"'],
    ["a bad feature entry", { roots: [{ name: "r", dependencies: [], features: { f: ["x"] } }] }, 'lists "x"'],
    ["a bad host", { ...input, hosts: { revit: ["new"] } }, 'host "revit" has version "new"'],
    ["a double override", { ...input, overrides: [need("a", "*"), need("a", "*")] }, "overridden twice"],
  ])("refuses %s with RESOLVE_INPUT_INVALID", async (_, wrong, message) => {
    const error = await resolve(wrong, world.provider()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ResolverError);
    expect(error).toMatchObject({ code: "RESOLVE_INPUT_INVALID", message: expect.stringContaining(message) as string });
  });

  test("a provider that loads nothing is a fault of the provider's", async () => {
    const lazy: DependencyProvider = { get: () => undefined, load: () => Promise.resolve() };
    await expect(resolve(input, lazy)).rejects.toMatchObject({ code: "RESOLVE_METADATA_INCOMPLETE" });
  });

  test.each([["1.0"], ["latest"]])("version %s in metadata is RESOLVE_METADATA_INVALID", async (version) => {
    await expect(resolve(input, universe().package("a", version).provider())).rejects.toMatchObject({
      code: "RESOLVE_METADATA_INVALID",
    });
  });

  test("a version listed twice is RESOLVE_METADATA_INVALID", async () => {
    const twice = universe().package("a", "1.0.0").package("a", "1.0.0");
    await expect(resolve(input, twice.provider())).rejects.toMatchObject({ code: "RESOLVE_METADATA_INVALID" });
  });
});
