import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isLadingError, type LadingError } from "@lading/core-manifest";
import { add, install, invertedTree, lock, outdated, resolve, update, upgrade, whyNot } from "../src/index.ts";
import { duration, readAge, readCutoff, readNames } from "../src/lib/release-rules.ts";
import { createSandbox, type Sandbox } from "../src/testing.ts";

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox();
});
afterEach(() => box.remove());

const NOW = Date.parse("2026-06-10T12:00:00Z");
const clock = { now: () => NOW };
const hoursAgo = (hours: number): string => new Date(NOW - hours * 3_600_000).toISOString().replace(".000Z", "Z");

const manifest = (dependencies: string, more = ""): string =>
  `[package]\nname = "app"\nversion = "1.0.0"\n${more}\n[dependencies]\n${dependencies}\n`;
const SINGLE = `\n[resolver]\ncoexistence = "single"\n`;

const versions = (outcome: { lock: { packages: readonly { name: string; version: string }[] } }): string[] =>
  outcome.lock.packages.map(({ name, version }) => `${name} ${version}`);

async function failure(run: () => Promise<unknown>): Promise<LadingError> {
  try {
    await run();
  } catch (error) {
    if (isLadingError(error)) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

const warnings = (): string[] => box.events.flatMap((event) => (event.type === "warning" ? [event.message] : []));

async function publishDiamond(): Promise<void> {
  for (const version of ["1.0.0", "1.5.0", "2.0.0"]) await box.registry.publish({ name: "base", version });
  await box.registry.publish({ name: "left", version: "1.0.0", dependencies: { base: "^1.0.0" } });
  await box.registry.publish({ name: "right", version: "1.0.0", dependencies: { base: "^1.0.0" } });
  await box.registry.publish({ name: "right", version: "2.0.0", dependencies: { base: "^2.0.0" } });
}

describe("minimum release age", () => {
  const publishAges = async (): Promise<void> => {
    await box.registry.publish({ name: "leaf", version: "1.0.0", published: hoursAgo(1000) });
    await box.registry.publish({ name: "leaf", version: "1.1.0", published: hoursAgo(3) });
  };
  const rule = (text: string): string => `\n[resolver]\n${text}\n`;
  const locked = async (more: string, input = {}): Promise<string[]> => {
    await box.write({ "lading.toml": manifest('leaf = "1"', more) });
    return versions(await box.use((context) => lock({ dryRun: true, ...input }, context), clock));
  };

  it("passes over a version that is too young, from manifest, setting or command line", async () => {
    await publishAges();
    expect(await locked("")).toEqual(["leaf 1.1.0"]);
    expect(await locked(rule('minimum-release-age = "24h"'))).toEqual(["leaf 1.0.0"]);
    expect(await locked('\n[config.resolver]\nminimum-release-age = "1d"\n')).toEqual(["leaf 1.0.0"]);
    expect(await locked("", { minimumReleaseAge: "4h" })).toEqual(["leaf 1.0.0"]);
    expect(await locked("", { minimumReleaseAge: "3h" })).toEqual(["leaf 1.1.0"]);
  });

  it("takes the stricter of manifest and setting; the command line beats both", async () => {
    await publishAges();
    const both = `${rule('minimum-release-age = "1h"')}\n[config.resolver]\nminimum-release-age = "7d"\n`;
    expect(await locked(both)).toEqual(["leaf 1.0.0"]);
    expect(await locked(both, { minimumReleaseAge: "0s" })).toEqual(["leaf 1.1.0"]);
  });

  it("makes exceptions by name, pattern and version", async () => {
    await publishAges();
    const age = 'minimum-release-age = "24h"\n';
    expect(await locked(rule(`${age}minimum-release-age-exclude = ["le*"]`))).toEqual(["leaf 1.1.0"]);
    expect(await locked(rule(`${age}minimum-release-age-exclude = ["other"]`))).toEqual(["leaf 1.0.0"]);
    expect(await locked(rule(`${age}allow = ["leaf@1.1.0"]`))).toEqual(["leaf 1.1.0"]);
  });

  it("keeps what a lock has, and says when a version is allowed", async () => {
    await publishAges();
    await box.write({ "lading.toml": manifest('leaf = "^1.1"') });
    await box.use((context) => lock({}, context), clock);
    await box.write({ "lading.toml": manifest('leaf = "^1.1.0"', rule('minimum-release-age = "24h"')) });
    expect(versions(await box.use((context) => lock({}, context), clock))).toEqual(["leaf 1.1.0"]);
    const error = await failure(() => box.use((context) => lock({ refresh: "all" }, context), clock));
    expect(error.details["explanation"]).toContain("leaf 1.1.0 exists but is 3 hours old; allowed in 21 hours");
    expect(error.hint).toContain(
      'allow leaf 1.1.0 and everything resolves (it is 3 hours old; allowed in 21 hours): add "leaf@1.1.0" to [resolver] allow',
    );
    expect(error.details["suggestions"]).toContainEqual(
      expect.objectContaining({ reason: "cooldown", until: "2026-06-11T09:00:00Z" }),
    );
  });

  it("lets add() and upgrade() choose a version that is old enough", async () => {
    await publishAges();
    await box.write({ "lading.toml": manifest("", rule('minimum-release-age = "24h"')) });
    const added = await box.use((context) => add({ specs: ["leaf"], install: false }, context), clock);
    expect(added.added).toMatchObject([{ requirement: "^1.0.0" }]);
    expect(box.events).toContainEqual({
      type: "info",
      message: '"leaf" 1.1.0 exists but is 3 hours old; allowed in 21 hours; 1.0.0 is the newest that may be chosen',
    });
    await box.write({ "lading.toml": manifest('leaf = "=0.9.0"', rule('minimum-release-age = "24h"')) });
    const raised = await box.use((context) => upgrade({ install: false }, context), clock);
    expect(raised.edited).toMatchObject([{ to: "^1.0.0" }]);
  });

  it("exclude-newer hides what was published later, a whole day being in", async () => {
    await publishAges();
    expect(await locked(rule('exclude-newer = "2026-06-09"'))).toEqual(["leaf 1.0.0"]);
    expect(await locked(rule('exclude-newer = "2026-06-10"'))).toEqual(["leaf 1.1.0"]);
    expect(await locked(rule("exclude-newer = 2026-06-09"))).toEqual(["leaf 1.0.0"]);
    expect(await locked("", { excludeNewer: "2026-06-10T08:59:59Z" })).toEqual(["leaf 1.0.0"]);
    await box.write({ "lading.toml": manifest('leaf = "1"', rule('exclude-newer = "2020-01-01"')) });
    const error = await failure(() => box.use((context) => lock({}, context), clock));
    expect(error.details["explanation"]).toContain("after exclude-newer 2020-01-01");
    expect(error.hint).toContain("allow leaf 1.1.0 and everything resolves");
  });

  it.each([
    ['minimum-release-age = "soon"', '"resolver.minimum-release-age"'],
    ["minimum-release-age = 24", '"resolver.minimum-release-age"'],
    ['exclude-newer = "2026-02-30"', '"resolver.exclude-newer"'],
    ['exclude-newer = "yesterday"', '"resolver.exclude-newer"'],
    ['minimum-release-age = "1d"\nminimum-release-age-exclude = ["a b"]', '"resolver.minimum-release-age-exclude"'],
    ['prefer = "best"', '"resolver.prefer"'],
  ])("refuses %s", async (text, key) => {
    await box.write({ "lading.toml": manifest("", rule(text)) });
    const error = await failure(() => box.use((context) => lock({}, context)));
    expect(error.code).toBe("CONFIG_VALUE_INVALID");
    expect(error.message).toContain(key);
  });

  it("refuses a key that nobody knows, which would switch a rule off without a word", async () => {
    await box.write({ "lading.toml": manifest("", rule('minimum-releases-age = "1d"')) });
    const error = await failure(() => box.use((context) => lock({}, context)));
    expect(error.code).toBe("CONFIG_KEY_UNKNOWN");
    expect(error.message).toContain("minimum-release-age,");
    await box.write({ "lading.toml": `overrides = "all"\n${manifest("")}` });
    expect((await failure(() => box.use((context) => lock({}, context)))).message).toContain("it is no table");
  });

  it("words durations by their largest unit", () => {
    const words = [0, 1, 90_000, 3_600_000, 36 * 3_600_000, 49 * 3_600_000, 30 * 86_400_000].map((one) =>
      duration(one),
    );
    expect(duration(119 * 60_000, Math.floor)).toBe("1 hour");
    expect(words).toEqual(["0 minutes", "1 minute", "2 minutes", "1 hour", "36 hours", "3 days", "30 days"]);
    expect(readAge("k", "1d12h")).toBe(36 * 3_600_000);
    expect(readCutoff("k", "2026-01-01").instant).toBe(Date.parse("2026-01-01T23:59:59.999Z"));
    expect(readNames("k", "a, company/*")).toEqual(["a", "company/*"]);
  });
});

describe("overrides", () => {
  it("stand in for everybody's requirement, and make the lock outdated", async () => {
    await publishDiamond();
    await box.write({ "lading.toml": manifest('left = "1"\nright = "2"', SINGLE) });
    expect((await failure(() => box.use((context) => lock({}, context)))).code).toBe("RESOLUTION_IMPOSSIBLE");
    await box.write({ "lading.toml": manifest('left = "1"\nright = "2"', `${SINGLE}\n[overrides]\nbase = "2"\n`) });
    expect(versions(await box.use((context) => lock({}, context)))).toEqual([
      "base 2.0.0",
      "left 1.0.0",
      "right 2.0.0",
    ]);
    await box.write({ "lading.toml": manifest('left = "1"\nright = "2"', `${SINGLE}\n[overrides]\nbase = "1"\n`) });
    expect((await failure(() => box.use((context) => lock({ mode: "locked" }, context)))).code).toBe("LOCK_OUTDATED");
  });

  it("are told of where they change nothing, and refused where they cannot be read", async () => {
    await publishDiamond();
    await box.write({ "lading.toml": manifest('left = "1"', '\n[overrides]\nright = "1"\n') });
    await box.use((context) => lock({}, context));
    expect(warnings()).toContain('The override of "right" changes nothing: no package needs it');
    for (const wrong of ['base = "not a range"', "base = 1", '"no name!" = "1"']) {
      await box.write({ "lading.toml": manifest('left = "1"', `\n[overrides]\n${wrong}\n`) });
      expect((await failure(() => box.use((context) => lock({}, context)))).message).toContain('for "overrides.');
    }
  });
});

describe("lock()", () => {
  it("does not depend on the order of the manifest's table", async () => {
    await box.registry.publish({ name: "aa", version: "1.0.0", dependencies: { zz: ">=1.0.0" } });
    await box.registry.publish({ name: "aa", version: "2.0.0", dependencies: { zz: "=1.0.0" } });
    await box.registry.publish({ name: "zz", version: "1.0.0" });
    await box.registry.publish({ name: "zz", version: "2.0.0" });
    const texts = new Set<string>();
    for (const dependencies of ['aa = "*"\nzz = "*"', 'zz = "*"\naa = "*"']) {
      await box.write({ "lading.toml": manifest(dependencies, SINGLE) });
      await rm(path.join(box.project, "lading.lock"), { force: true });
      texts.add((await box.use((context) => lock({}, context))).text.replace(/^inputs = .*$/m, ""));
    }
    expect(texts.size).toBe(1);
  });

  it("takes the lowest versions where asked, of all or of what the manifest names", async () => {
    await publishDiamond();
    await box.write({ "lading.toml": manifest('right = "*"\nleft = "*"', SINGLE) });
    const locked = async (prefer: "oldest" | "lowest-direct" | undefined): Promise<string[]> =>
      versions(await box.use((context) => lock({ prefer, refresh: "all" }, context)));
    expect(await locked("oldest")).toEqual(["base 1.0.0", "left 1.0.0", "right 1.0.0"]);
    expect(await locked("lowest-direct")).toEqual(["base 1.5.0", "left 1.0.0", "right 1.0.0"]);
  });

  it("warns of what is deprecated, with reason and replacement, and of a yanked version that it keeps", async () => {
    await publishDiamond();
    await box.write({ "lading.toml": manifest('left = "1"') });
    await box.use((context) => lock({}, context));
    await box.registry.change("left", "1.0.0", { status: "deprecated", reason: "too slow", replacement: "right" });
    await box.registry.change("base", "1.5.0", { status: "yanked", reason: "leaks" });
    await box.write({ "lading.toml": manifest('left = ">=1.0.0"') });
    await box.use((context) => lock({}, context));
    expect(warnings()).toEqual([
      '"base" 1.5.0 was yanked: leaks; it is kept because the lock has it',
      '"left" 1.0.0 is deprecated: too slow; use "right" instead',
    ]);
  });
});

describe("add()", () => {
  it("restores manifest and lock where what was added cannot be downloaded", async () => {
    await publishDiamond();
    const artefact = await box.registry.publish({ name: "broken", version: "1.0.0" });
    await box.write({ "lading.toml": manifest('left = "1"') });
    await box.use((context) => install({}, context));
    const before = [await box.read("lading.toml"), await box.read("lading.lock")];
    await rm(box.registry.blobPath(artefact.blob));
    const error = await failure(() => box.use((context) => add({ specs: ["broken"] }, context)));
    expect(error.code).not.toBe("RESOLUTION_IMPOSSIBLE");
    expect([await box.read("lading.toml"), await box.read("lading.lock")]).toEqual(before);
  });

  it("leaves no lock behind where there was none", async () => {
    const artefact = await box.registry.publish({ name: "broken", version: "1.0.0" });
    await rm(box.registry.blobPath(artefact.blob));
    await box.write({ "lading.toml": manifest("") });
    await failure(() => box.use((context) => add({ specs: ["broken"] }, context)));
    expect(await box.read("lading.toml")).toBe(manifest(""));
    await expect(box.read("lading.lock")).rejects.toThrow("ENOENT");
  });

  it("says why no version may be chosen", async () => {
    await publishDiamond();
    for (const version of ["1.0.0", "1.5.0", "2.0.0"])
      await box.registry.change("base", version, { status: "yanked", reason: `bad ${version}` });
    await box.registry.change("left", "1.0.0", { status: "yanked", reason: "gone wrong" });
    await box.write({ "lading.toml": manifest("") });
    const message = async (name: string): Promise<string> =>
      (await failure(() => box.use((context) => add({ specs: [name] }, context)))).message;
    expect(await message("base")).toBe('Cannot add "base": all its 3 versions were yanked (2.0.0: bad 2.0.0)');
    expect(await message("left")).toBe('Cannot add "left": its only version 1.0.0 was yanked (gone wrong)');
  });
});

describe("update() to a precise version", () => {
  it("moves one package to it, newer or older, and leaves every other entry as it is", async () => {
    await publishDiamond();
    await box.write({ "lading.toml": manifest('left = "1"\nright = "1"', SINGLE) });
    await box.use((context) => lock({}, context));
    const before = await box.read("lading.lock");
    const moved = await box.use((context) => update({ precise: "base@1.0.0", install: false }, context));
    expect(moved.lock.changes).toEqual({
      added: [],
      removed: [],
      updated: [{ name: "base", from: "1.5.0", to: "1.0.0" }],
    });
    const entries = (text: string): string[] =>
      text.split("[[packages]]").filter((part) => !part.includes('name = "base"'));
    expect(entries(await box.read("lading.lock"))).toEqual(entries(before));
    await box.use((context) => update({ names: ["base"], precise: "1.5.0", install: false }, context));
    expect(await box.read("lading.lock")).toBe(before);
  });

  it("moves what stands against it, and nothing else", async () => {
    await publishDiamond();
    await box.registry.publish({ name: "able", version: "1.0.0", dependencies: { base: ">=1.0.0" } });
    await box.registry.publish({ name: "able", version: "2.0.0", dependencies: { base: ">=1.5.0" } });
    await box.write({ "lading.toml": manifest('able = "*"\nleft = "1"', SINGLE) });
    await box.use((context) => lock({}, context));
    const moved = await box.use((context) => update({ precise: "base@1.0.0", install: false }, context));
    expect(versions(moved.lock)).toEqual(["able 1.0.0", "base 1.0.0", "left 1.0.0"]);
  });

  it("may name a yanked version", async () => {
    await publishDiamond();
    await box.registry.change("base", "1.0.0", { status: "yanked", reason: "leaks" });
    await box.write({ "lading.toml": manifest('left = "1"', SINGLE) });
    await box.use((context) => lock({}, context));
    const moved = await box.use((context) => update({ precise: "base@1.0.0", install: false }, context));
    expect(versions(moved.lock)).toContain("base 1.0.0");
    expect(warnings().join()).toContain('"base" 1.0.0 was yanked: leaks');
  });

  it("refuses one that no solution has, with the conflict, and one that is not there", async () => {
    await publishDiamond();
    await box.write({ "lading.toml": manifest('left = "1"', SINGLE) });
    await box.use((context) => lock({}, context));
    const before = await box.read("lading.lock");
    const conflict = await failure(() => box.use((context) => update({ precise: "base@2.0.0" }, context)));
    expect(conflict).toMatchObject({
      code: "RESOLUTION_IMPOSSIBLE",
      message: 'Cannot update "base" to 2.0.0: no solution has it',
    });
    expect(conflict.details["explanation"]).toContain("you ask for base 2.0.0");
    const absent = await failure(() => box.use((context) => update({ precise: "base@9.0.0" }, context)));
    expect(absent.message).toBe('Cannot update "base" to 9.0.0: base has no version 9.0.0; it has 1.0.0, 1.5.0, 2.0.0');
    const two = await failure(() =>
      box.use((context) => update({ names: ["left", "base"], precise: "1.0.0" }, context)),
    );
    expect(two.code).toBe("SPEC_INVALID");
    expect(await box.read("lading.lock")).toBe(before);
  });
});

describe("why not", () => {
  it("whyNot() shows the conflict of a version, and what is preferred to it", async () => {
    await publishDiamond();
    await box.write({ "lading.toml": manifest('left = "1"\nright = "*"', SINGLE) });
    await box.use((context) => lock({}, context));
    const ask = (spec: string) => box.use((context) => whyNot({ spec }, context));
    expect(await ask("right@2.0.0")).toMatchObject({ verdict: "impossible", chosen: ["1.0.0"] });
    expect(await ask("base@1.0.0")).toMatchObject({ verdict: "outranked" });
    expect((await failure(() => ask("base@7.0.0"))).code).toBe("VERSION_NOT_FOUND");
    expect((await failure(() => ask("nowhere@1.0.0"))).code).toBe("PACKAGE_NOT_FOUND");
    expect((await failure(() => ask("base"))).code).toBe("SPEC_INVALID");
  });

  it("outdated() gives the reason of every row", async () => {
    await publishDiamond();
    await box.write({ "lading.toml": manifest('left = "1"\nright = "*"', SINGLE) });
    await box.use((context) => lock({}, context));
    const [row] = await box.use((context) => outdated({}, context));
    expect(row).toMatchObject({ name: "right", current: "1.0.0", wanted: "2.0.0" });
    expect(row!.reason).toContain("you ask for right 2.0.0 which depends on base ^2.0.0");
    await box.registry.publish({ name: "left", version: "1.1.0" });
    const rows = await box.use((context) => outdated({}, context));
    expect(rows.find(({ name }) => name === "left")!.reason).toBe('the lock keeps 1.0.0; "update left" moves it');
    await box.registry.publish({ name: "left", version: "2.0.0", dependencies: { base: "^2.0.0" } });
    await box.write({ "lading.toml": manifest('left = "1"\nright = "1"', SINGLE) });
    const both = await box.use((context) => outdated({}, context));
    expect(both.map(({ name, wantedReason, latestReason }) => [name, wantedReason, latestReason])).toEqual([
      [
        "left",
        'the lock keeps 1.0.0; "update left" moves it',
        expect.stringContaining("there were no solution: Because"),
      ],
      ["right", undefined, 'the manifest asks for 1; "upgrade right" allows 2.0.0'],
    ]);
  });

  it("invertedTree() shows who depends on a package, up to the members", async () => {
    await publishDiamond();
    await box.write({ "lading.toml": manifest('left = "1"\nright = "1"', SINGLE) });
    await box.use((context) => lock({}, context));
    const { roots } = await box.use((context) => invertedTree({ name: "base" }, context));
    expect(roots).toMatchObject([
      {
        name: "base",
        dependencies: [
          { name: "left", dependencies: [{ name: "app" }] },
          { name: "right", dependencies: [{ name: "app" }] },
        ],
      },
    ]);
    expect((await failure(() => box.use((context) => invertedTree({ name: "no" }, context)))).code).toBe(
      "LOCK_PACKAGE_UNKNOWN",
    );
  });
});

describe("resolve()", () => {
  it("writes nothing, and explains every choice", async () => {
    await publishDiamond();
    await box.write({ "lading.toml": manifest('left = "1"\nright = "*"', SINGLE) });
    const { packages } = await box.use((context) => resolve({ explain: true }, context));
    await expect(box.read("lading.lock")).rejects.toThrow("ENOENT");
    expect(packages.map(({ name, version }) => `${name} ${version}`)).toEqual([
      "base 1.5.0",
      "left 1.0.0",
      "right 1.0.0",
    ]);
    expect(packages[0]!.choice).toMatchObject({
      newest: "2.0.0",
      whyNotNewest: expect.stringContaining("left 1.0.0 asks for"),
    });
  });

  it("records an answer and a failure, and replays both where no registry is", async () => {
    await publishDiamond();
    const replay = () =>
      box.use((context) => resolve({ replay: "r.json" }, context), { offline: true, registry: "file:///nowhere/" });
    await box.write({ "lading.toml": manifest('left = "1"\nright = "*"', SINGLE) });
    await box.use((context) => lock({ record: "r.json" }, context), clock);
    expect(await replay()).toMatchObject({ replay: { same: true, clock: "2026-06-10T12:00:00.000Z" } });
    const text = await readFile(path.join(box.project, "r.json"), "utf8");
    expect(text).not.toContain(box.root);
    await box.write({ "lading.toml": manifest('left = "1"\nright = "2"', SINGLE) });
    const first = await failure(() => box.use((context) => resolve({ record: "r.json" }, context)));
    const again = await failure(replay);
    expect(again.details["explanation"]).toBe(first.details["explanation"]);
    await box.write({ "r.json": "{}" });
    expect((await failure(replay)).code).toBe("RESOLVE_RECORDING_INVALID");
  });
});
