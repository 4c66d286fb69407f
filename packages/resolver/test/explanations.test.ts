import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { resolve, type Suggestion, type UnsolvableResolution } from "../src/index.ts";
import { compatibleRange, shortRequirement } from "../src/lib/short-requirement.ts";
import { closeNames } from "../src/lib/close-names.ts";
import { parseRequirement, parseVersion } from "@lading/core-manifest";
import { universe } from "../src/testing.ts";
import { ids, need, unsolvable } from "./support.ts";

const types = ({ suggestions }: UnsolvableResolution): Suggestion["type"][] => suggestions.map(({ type }) => type);
const only = ({ suggestions }: UnsolvableResolution, type: Suggestion["type"]): Suggestion =>
  suggestions.find((one) => one.type === type)!;

describe("shortRequirement()", () => {
  test.each([
    ["*", "any"],
    ["=1.2.3", "1.2.3"],
    [">=1.2.3 <2.0.0", "^1.2.3"],
    [">=1.2.3 <2.0.0-0", "^1.2.3"],
    [">=0.3.0 <0.4.0", "^0.3.0"],
    [">=0.0.4 <0.0.5", "^0.0.4"],
    [">=1.2.0 <1.3.0", "~1.2.0"],
    [">=1.0.0-rc.1 <2.0.0", "^1.0.0-rc.1"],
    [">=1.0.0 <3.0.0", ">=1.0.0 <3.0.0"],
    [">=1.0.0 <2.0.0 || >=3.0.0 <4.0.0", "^1.0.0 || ^3.0.0"],
    ["not a range", "not a range"],
  ])("words %j as %j", (canonical, text) => {
    expect(shortRequirement(canonical)).toBe(text);
  });

  test("means what the caret syntax means by it", () => {
    const number = fc.nat(3);
    fc.assert(
      fc.property(number, number, number, number, number, number, (a, b, c, d, e, f) => {
        const canonical = `>=${a}.${b}.${c} <${d}.${e}.${f}`;
        const short = shortRequirement(canonical);
        const read = parseRequirement(short, "caret");
        const version = parseVersion(`${d}.${e}.${f}`);
        const inside = parseVersion(`${a}.${b}.${c}`);
        const given = parseRequirement(canonical, "canonical");
        expect(read.matches(version)).toBe(given.matches(version));
        expect(read.matches(inside)).toBe(given.matches(inside));
      }),
    );
  });
});

test.each(["3.2.1", "0.3.4", "0.0.4", "1.0.0-rc.1"])(
  "compatibleRange(%j) holds the version, in text and in canon",
  (version) => {
    const range = compatibleRange(version)!;
    expect(parseRequirement(range.canonical, "canonical").matches(parseVersion(version))).toBe(true);
    expect(parseRequirement(range.text, "caret").matches(parseVersion(version))).toBe(true);
  },
);

test("closeNames() gives the nearest few, never the name itself", () => {
  expect(closeNames("lodahs", ["lodash", "lodahs", "express", "lodas"])).toEqual(["lodas", "lodash"]);
});

describe("explanations", () => {
  test("a diamond is told in as few words as there are, with both requirers", async () => {
    const world = universe()
      .package("left", "1.0.0", { base: ">=1.0.0 <2.0.0" })
      .package("right", "1.0.0", { base: ">=2.0.0 <3.0.0" })
      .package("base", "1.0.0")
      .package("base", "2.0.0");
    const { explanation } = await unsolvable(world, { left: "*", right: "*" });
    expect(explanation).toBe(
      "Because myapp depends on left any which depends on base ^1.0.0, base 1.0.0 is required.\n" +
        "So, because myapp depends on right any which depends on base ^2.0.0, there is no solution.",
    );
  });

  test("a circle that cannot close says what is impossible before why it matters", async () => {
    const world = universe()
      .package("a", "1.0.0", { b: "=1.0.0" })
      .package("a", "2.0.0", { b: "=2.0.0" })
      .package("b", "1.0.0", { a: "=2.0.0" })
      .package("b", "2.0.0", { a: "=1.0.0" });
    const { explanation } = await unsolvable(world, { a: "*", b: "*" });
    expect(explanation.split("\n").slice(-2)).toEqual([
      "Thus, a cannot be used.",
      "So, because myapp depends on a any, there is no solution.",
    ]);
  });

  test("cite a minimal set of facts: without any one of them there is a solution", async () => {
    const world = universe()
      .package("a", "1.0.0", { c: ">=2.0.0" })
      .package("b", "1.0.0", { c: "<2.0.0" })
      .package("c", "1.0.0")
      .package("c", "2.0.0", { excluded: [{ reason: "yanked", text: "it was yanked" }] });
    // b's requirement and a's contradict each other; that c 2.0.0 is yanked adds nothing to a's being hopeless.
    const { explanation } = await unsolvable(world, { a: "*", b: "*" });
    expect(explanation.match(/c 2\.0\.0 exists|b 1\.0\.0 depends|both/g)?.length).toBeLessThan(3);
  });

  test("are in the words that the caller asks for", async () => {
    const world = universe().package("a", "1.0.0");
    const { explanation } = await unsolvable(world, { a: ">=2.0.0" }, { wording: (text) => `[${text}]` });
    expect(explanation).toContain("myapp depends on a [>=2.0.0]");
  });

  test("say nothing of suggestions, which are told apart", async () => {
    const { explanation, suggestions } = await unsolvable(universe().package("a", "1.0.0"), { a: ">=2.0.0" });
    expect(suggestions).not.toEqual([]);
    expect(explanation).not.toContain("everything resolves");
  });
});

describe("suggestions", () => {
  const late = { reason: "cooldown", until: "2026-01-02T00:00:00Z" } as const;

  test("name a new requirement that was really solved", async () => {
    const world = universe()
      .package("x", "1.0.0", { base: "=1.0.0" })
      .package("x", "3.2.1", { base: "=2.0.0" })
      .package("y", "1.0.0", { base: "=2.0.0" })
      .package("base", "1.0.0")
      .package("base", "2.0.0");
    const failure = await unsolvable(world, { x: ">=1.0.0 <2.0.0", y: "*" });
    expect(only(failure, "loosen-root")).toEqual({
      type: "loosen-root",
      key: "x",
      version: "3.2.1",
      requirement: ">=3.0.0 <4.0.0",
      message: "widen x to ^3 and everything resolves with x 3.2.1",
    });
    expect(await ids(world, { x: only(failure, "loosen-root").requirement!, y: "*" })).toContain("x 3.2.1");
  });

  test("name the version of the range that they propose, where another major is there too", async () => {
    const world = universe()
      .package("left", "1.0.0", { x: ">=1.0.0 <2.0.0" })
      .package("x", "1.5.0")
      .package("x", "2.0.0");
    const failure = await unsolvable(world, { left: "*", x: ">=3.0.0 <4.0.0" }, { coexistence: "per-major" });
    expect(only(failure, "loosen-root").message).toBe("lower x to ^2 and everything resolves with x 2.0.0");
  });

  test("name the version of a cooldown that is free first, and when", async () => {
    const world = universe()
      .package("x", "1.0.0")
      .package("x", "2.0.0", { excluded: [{ ...late, text: "it is 23 hours old; allowed in 1 hour" }] })
      .package("x", "2.1.0", {
        excluded: [{ ...late, until: "2026-01-03T00:00:00Z", text: "it is 3 hours old; allowed in 21 hours" }],
      });
    const failure = await unsolvable(world, { x: ">=2.0.0" });
    expect(only(failure, "allow-excluded")).toMatchObject({ version: "2.0.0", until: late.until });
    expect(only(failure, "allow-excluded").message).toBe(
      "allow x 2.0.0 and everything resolves (it is 23 hours old; allowed in 1 hour)",
    );
  });

  test("lift a cooldown as a whole where what is young needs what is young", async () => {
    const young = (until: string) => ({ excluded: [{ ...late, until, text: "it is new" }] });
    const world = universe()
      .package("x", "1.0.0", { dependencies: { y: "*" }, ...young("2026-01-02T00:00:00Z") })
      .package("y", "1.0.0", young("2026-01-05T00:00:00Z"));
    const { suggestions } = await unsolvable(world, { x: "*" });
    expect(suggestions).toEqual([
      {
        type: "allow-reason",
        key: "x",
        version: "1.0.0",
        reason: "cooldown",
        until: "2026-01-05T00:00:00Z",
        message:
          "allow younger versions of every package and everything resolves with x 1.0.0, as it does by itself from 2026-01-05T00:00:00Z on",
      },
    ]);
  });

  test("ask for a pre-release by its name where one would do", async () => {
    const world = universe().package("x", "1.0.0").package("x", "2.0.0-rc.1");
    const failure = await unsolvable(world, { x: ">=2.0.0-0 <3.0.0" }, { prereleases: "never" });
    expect(types(failure)).toContain("allow-prerelease");
    const named = await unsolvable(world, { x: ">=1.5.0 <3.0.0" });
    expect(only(named, "allow-prerelease")).toMatchObject({
      version: "2.0.0-rc.1",
      requirement: ">=2.0.0-rc.1 <3.0.0",
    });
  });

  test("propose another override, and to drop it", async () => {
    const world = universe().package("x", "1.0.0", { y: "=1.0.0" }).package("y", "1.0.0").package("y", "2.0.0");
    const failure = await unsolvable(world, { x: "*" }, { overrides: [{ key: "y", requirement: "=3.0.0" }] });
    expect(types(failure)).toEqual(["change-override", "drop-override"]);
    expect(only(failure, "change-override").message).toBe("override y with ^2 and everything resolves with y 2.0.0");
  });

  test("propose to go without a feature that nothing has", async () => {
    const world = universe().package("x", "1.0.0", { dependencies: {}, features: { tls: [] } });
    const failure = await unsolvable(world, [need("x", "*", { features: ["tsl"] })]);
    expect(only(failure, "drop-features").message).toBe(
      'go without feature "tsl" of x and everything resolves with x 1.0.0',
    );
  });

  test("propose a name that the provider knows and that is close to one that does not exist", async () => {
    const provider = { ...universe().package("core", "1.0.0").provider(), names: () => ["core", "unrelated"] };
    const roots = [{ name: "myapp", dependencies: [{ key: "croe", requirement: "*" }] }];
    const failure = (await resolve({ roots }, provider)) as UnsolvableResolution;
    expect(only(failure, "rename-root").message).toBe("did you mean core? with core 1.0.0 everything resolves");
  });

  test("propose to remove a package only where nothing else helps", async () => {
    const world = universe().package("a", "1.0.0");
    expect(types(await unsolvable(world, { a: "*", gone: "*" }))).toEqual(["remove-root"]);
    expect(types(await unsolvable(world, { a: ">=2.0.0" }))).toEqual(["loosen-root"]);
  });

  test("propose to overrule a package where the root can change nothing", async () => {
    const world = universe().package("a", "1.0.0", { b: ">=2.0.0" }).package("b", "1.0.0");
    const failure = await unsolvable(world, { a: "*" });
    expect(types(failure)).toEqual(["add-override"]);
    expect(only(failure, "add-override").message).toBe(
      "override b with ^1 and everything resolves with b 1.0.0, against the >=2.0.0 that a asks for",
    );
  });

  test("are never told twice", async () => {
    const world = universe().package("a", "1.0.0").package("b", "1.0.0", { a: ">=2.0.0" }).package("a", "2.0.0");
    const { suggestions } = await unsolvable(world, { a: "<2.0.0", b: "*" });
    expect(new Set(suggestions.map(({ message }) => message)).size).toBe(suggestions.length);
  });

  test("of a workspace name the member", async () => {
    const provider = universe().package("a", "1.0.0").provider();
    const roots = [
      { name: "one", dependencies: [{ key: "a", requirement: "*" }] },
      { name: "two", dependencies: [{ key: "a", requirement: ">=2.0.0" }] },
    ];
    const failure = (await resolve({ roots }, provider)) as UnsolvableResolution;
    expect(only(failure, "loosen-root").message).toBe("lower a in two to ^1 and everything resolves with a 1.0.0");
  });
});
