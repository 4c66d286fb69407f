import { describe, expect, test } from "vitest";
import { explainChoices, resolve, whyNot, type ResolveInput, type WhyNotAnswer } from "../src/index.ts";
import { dependencyList, universe, type UniverseBuilder } from "../src/testing.ts";

const world = universe()
  .package("app-kit", "1.0.0", { base: ">=1.0.0 <2.0.0" })
  .package("tool", "1.0.0", { base: ">=1.0.0" })
  .package("tool", "2.0.0", { base: ">=2.0.0" })
  .package("base", "1.0.0")
  .package("base", "1.5.0")
  .package("base", "2.0.0")
  .package("late", "1.0.0")
  .package("late", "1.1.0", { excluded: [{ reason: "cooldown", text: "it is 3 hours old; allowed in 21 hours" }] })
  .package("stray", "1.0.0");

type Wanted = Readonly<Record<string, string>>;

const inputOf = (wanted: Wanted, more: Partial<ResolveInput> = {}): ResolveInput => ({
  roots: [{ name: "myapp", dependencies: dependencyList(wanted) }],
  ...more,
});

const why = (
  spec: string,
  wanted: Wanted,
  more: Partial<ResolveInput> = {},
  from: UniverseBuilder = world,
): Promise<WhyNotAnswer> => {
  const [key, version] = spec.split("@") as [string, string];
  return whyNot({ input: inputOf(wanted, more), provider: from.lazyProvider() }, key, version);
};

describe("whyNot()", () => {
  test("shows the conflict that the version would make, with what would help", async () => {
    const answer = await why("tool@2.0.0", { "app-kit": "*", tool: "*" });
    expect(answer).toMatchObject({ verdict: "impossible", chosen: ["1.0.0"] });
    expect(answer.reason).toContain("you ask for tool 2.0.0 which depends on base >=2.0.0");
    expect(answer.reason).toContain("myapp depends on app-kit any which depends on base ^1.0.0");
    expect(answer.suggestions.map(({ message }) => message)).toEqual([
      "override base with ^2 and everything resolves with base 2.0.0, against the ^1.0.0 that app-kit asks for",
    ]);
  });

  test("says that a version exists but is too young", async () => {
    const answer = await why("late@1.1.0", { late: "*" });
    expect(answer.verdict).toBe("impossible");
    expect(answer.reason).toContain("late 1.1.0 exists but is 3 hours old; allowed in 21 hours");
    expect(answer.suggestions[0]!.message).toContain("allow late 1.1.0");
  });

  test("says that the lock has another, and what would change", async () => {
    const answer = await why("base@2.0.0", { base: "*" }, { locked: [{ key: "base", version: "1.0.0" }] });
    expect(answer).toMatchObject({
      verdict: "locked",
      reason: "the lock has base 1.0.0, and a lock is kept wherever a solution allows it",
      changes: [{ name: "base", from: "1.0.0", to: "2.0.0" }],
    });
  });

  test("says which rule prefers another", async () => {
    expect((await why("base@1.0.0", { base: "*" })).reason).toBe(
      "base 2.0.0 is allowed as well and newer, which is preferred",
    );
    expect((await why("base@2.0.0", { base: "*" }, { prefer: "oldest" })).reason).toBe(
      'base 1.0.0 is allowed as well and older, which is preferred (prefer is "oldest")',
    );
  });

  test("says which earlier choices stand against it", async () => {
    const tied = universe()
      .package("first", "1.0.0", { second: "*" })
      .package("first", "2.0.0", { second: "<2.0.0" })
      .package("second", "1.0.0")
      .package("second", "2.0.0");
    const answer = await why("second@2.0.0", { first: "*" }, {}, tied);
    expect(answer).toMatchObject({ verdict: "outranked", chosen: ["1.0.0"] });
    expect(answer.reason).toBe(
      "a solution with second 2.0.0 exists, but earlier choices are preferred: first 2.0.0 would be 1.0.0",
    );
  });

  test("says who does not take it, and that nobody needs it", async () => {
    const kept = await why("base@2.0.0", { "app-kit": "*" }, { coexistence: "per-major" });
    expect(kept).toMatchObject({
      verdict: "unneeded",
      reason: "nobody takes base 2.0.0: app-kit 1.0.0 asks for ^1.0.0",
    });
    expect(await why("stray@1.0.0", { base: "*" })).toMatchObject({
      verdict: "unneeded",
      reason: "nothing here needs stray",
    });
  });

  test.each([
    ["base@9.0.0", "base has no version 9.0.0; it has 1.0.0, 1.5.0, 2.0.0"],
    ["gone@1.0.0", "gone does not exist"],
  ])("knows no %s", async (spec, reason) => {
    expect(await why(spec, { base: "*" })).toMatchObject({ verdict: "unknown", reason });
  });

  test("answers for what is chosen, and for a project without any solution", async () => {
    expect(await why("base@2.0.0", { base: "*" })).toMatchObject({ verdict: "chosen" });
    expect(await why("base@1.0.0", { base: ">=9.0.0" })).toMatchObject({ verdict: "unsolvable" });
  });
});

describe("explainChoices()", () => {
  const explain = async (wanted: Wanted, more: Partial<ResolveInput> = {}) => {
    const question = { input: inputOf(wanted, more), provider: world.lazyProvider() };
    const answer = await resolve(question.input, question.provider);
    if (answer.status !== "solved") throw new Error(answer.explanation);
    return explainChoices(question, answer);
  };

  test("names who asks, with which range, and whose range holds it back", async () => {
    const choices = await explain({ "app-kit": "*", base: ">=1.0.0" });
    expect(choices.find(({ name }) => name === "base")).toEqual({
      id: "base 1.5.0",
      name: "base",
      version: "1.5.0",
      locked: false,
      requiredBy: [
        { dependent: "myapp", requirement: ">=1.0.0", kind: "normal" },
        { dependent: "app-kit 1.0.0", requirement: "^1.0.0", kind: "normal" },
      ],
      newest: "2.0.0",
      whyNotNewest: "app-kit 1.0.0 asks for ^1.0.0",
    });
  });

  test("gives the reason of an exclusion, of the lock and of a conflict", async () => {
    const reason = async (name: string, wanted: Wanted, more: Partial<ResolveInput> = {}) =>
      (await explain(wanted, more)).find((one) => one.name === name)!.whyNotNewest;
    expect(await reason("late", { late: "*" })).toBe("1.1.0 is 3 hours old; allowed in 21 hours");
    expect(await reason("base", { base: "*" }, { locked: [{ key: "base", version: "1.0.0" }] })).toContain(
      "the lock has",
    );
    expect(await reason("tool", { "app-kit": "*", tool: "*" })).toContain("you ask for tool 2.0.0");
    expect(await reason("base", { base: "*" })).toBeUndefined();
  });

  test("gives the host that a newer version is not for", async () => {
    const hosted = universe()
      .package("addin", "1.0.0")
      .package("addin", "2.0.0", { hosts: { revit: ">=2025.0.0" } });
    const question = { input: inputOf({ addin: "*" }, { hosts: { revit: ["2024"] } }), provider: hosted.provider() };
    const answer = await resolve(question.input, question.provider);
    if (answer.status !== "solved") throw new Error(answer.explanation);
    expect((await explainChoices(question, answer))[0]!.whyNotNewest).toBe(
      "2.0.0 needs revit >=2025.0.0 and the host is 2024",
    );
  });
});
