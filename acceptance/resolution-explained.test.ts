import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import { publishPackages, removeTemporary, type PackageSpec } from "./lib/more.ts";

let registry: RegistryProcess;
let box: Sandbox;

const publishAll = (...specs: readonly PackageSpec[]): Promise<void> => publishPackages(registry, specs);

beforeAll(async () => {
  registry = await startRegistry();
  box = createSandbox({ env: { LADING_REGISTRY_URL: registry.url } });
  await publishAll(
    { name: "ex-base", version: "1.0.0" },
    { name: "ex-base", version: "1.5.0" },
    { name: "ex-base", version: "2.0.0" },
    { name: "ex-left", version: "1.0.0", needs: { "ex-base": "1" } },
    { name: "ex-right", version: "1.0.0", needs: { "ex-base": "1" } },
    { name: "ex-right", version: "2.0.0", needs: { "ex-base": "2" } },
  );
});

afterAll(async () => {
  await box.dispose();
  await registry.dispose();
  removeTemporary();
});

const project = (dependencies: string, more = ""): void =>
  box.write(
    "lading.toml",
    `[package]\nname = "app"\nversion = "1.0.0"\n\n[resolver]\ncoexistence = "single"\n${more}\n[dependencies]\n${dependencies}\n`,
  );

/** The error, without the lines of progress that a slow machine prints before it. */
const told = (stderr: string): string => stderr.slice(Math.max(0, stderr.indexOf("error[")));

describe("a conflict", () => {
  test("[RES-09] [RES-10] is told in two sentences, with a change that was tried, once", async () => {
    project(`ex-left = "1"\nex-right = "2"`);
    const { code, stderr } = await box.line("lading lock");
    expect(code).toBe(4);
    expect(told(stderr)).toBe(
      [
        "error[RESOLUTION_IMPOSSIBLE]: Cannot find versions that satisfy every requirement",
        "  Because app depends on ex-left ^1.0.0 which depends on ex-base ^1.0.0, ex-base <2.0.0 is required.",
        "  So, because app depends on ex-right ^2.0.0 which depends on ex-base ^2.0.0, there is no solution.",
        "help: lower ex-right to ^1 and everything resolves with ex-right 1.0.0",
        "",
      ].join("\n"),
    );
    project(`ex-left = "1"\nex-right = "^1"`);
    await box.ok("lading lock --dry-run");
  });

  test("[RES-10] of a name that does not exist proposes the one that was meant", async () => {
    project(`ex-rihgt = "1"`);
    const { stderr } = await box.line("lading lock");
    expect(stderr).toContain("app depends on ex-rihgt ^1.0.0, which does not exist");
    expect(stderr).toContain("help: did you mean ex-right? with ex-right 1.0.0 everything resolves");
  });

  test("[RES-10] with what is too young says when it is allowed, and how to allow it now", async () => {
    project(`ex-left = "1"`, `minimum-release-age = "24h"`);
    const { code, stderr } = await box.line("lading lock");
    expect(code).toBe(4);
    expect(stderr).toContain("ex-left 1.0.0 exists but is less than a minute old; allowed in 24 hours");
    expect(stderr).toMatch(
      /help: allow younger versions of every package .* ex-left 1\.0\.0, as it does by itself from .*Z on: --minimum-release-age 0s/,
    );
    project(`ex-base = "^1.5"`, `minimum-release-age = "24h"`);
    const alone = await box.line("lading lock");
    expect(alone.stderr).toContain("help: allow ex-base 1.5.0 and everything resolves (it is less than a minute old");
    expect(alone.stderr).toContain('add "ex-base@1.5.0" to [resolver] allow');
    const added = await box.line("lading add ex-right");
    expect(added.stderr).toContain(
      'Cannot add "ex-right": none of its 2 versions may be chosen; the newest, 2.0.0, is',
    );
    project(`ex-left = "1"`, `minimum-release-age = "24h"\nallow = ["ex-left@1.0.0", "ex-base@1.0.0"]`);
    expect((await box.ok("lading lock --dry-run")).stdout).toContain("+ ex-base 1.0.0");
    expect((await box.ok("lading lock --dry-run --minimum-release-age 0s")).stdout).toContain("+ ex-base 1.5.0");
  });
});

describe("the reason of a choice", () => {
  beforeAll(async () => {
    project(`ex-right = "*"\nex-left = "1"`);
    await box.ok("rm -f lading.lock");
    await box.ok("lading lock");
  });

  test("[RES-10] why-not shows the conflict that a version would make, and what is preferred to one that is allowed", async () => {
    const impossible = await box.ok("lading why-not ex-right@2.0.0");
    expect(impossible.stdout).toContain(
      [
        "ex-right 2.0.0: no solution has it",
        "  Because app depends on ex-left ^1.0.0 which depends on ex-base ^1.0.0, ex-base <2.0.0 is required.",
        "  So, because you ask for ex-right 2.0.0 which depends on ex-base ^2.0.0, there is no solution.",
        "Chosen is ex-right 1.0.0",
        "help: override ex-base with ^",
      ].join("\n"),
    );
    expect(await box.json("lading why-not ex-base@1.0.0 --json")).toMatchObject({
      verdict: "outranked",
      reason: "ex-base 1.5.0 is allowed as well and newer, which is preferred",
      changes: [{ name: "ex-base", from: "1.5.0", to: "1.0.0" }],
    });
  });

  test("[RES-10] outdated and resolve --explain say why nothing newer is chosen", async () => {
    const outdated = (await box.json("lading outdated --json")) as readonly { readonly reason: string }[];
    expect(outdated.map(({ reason }) => reason)).toEqual([
      expect.stringContaining("you ask for ex-right 2.0.0 which depends on ex-base ^2.0.0"),
    ]);
    const { stdout } = await box.ok("lading resolve --explain");
    expect(stdout).toContain(
      "ex-base 1.5.0\n  asked for by ex-left 1.0.0: ^1.0.0\n  asked for by ex-right 1.0.0: ^1.0.0\n  not 2.0.0: ex-left 1.0.0 asks for ^1.0.0",
    );
  });

  test("[LCK-07] the tree upside down shows who needs a package", async () => {
    const { stdout } = await box.ok("lading tree --invert ex-base");
    expect(stdout).toBe("ex-base 1.5.0\n├── ex-left 1.0.0\n│   └── app\n└── ex-right 1.0.0\n    └── app\n");
  });

  test("[RES-25] update --precise moves one package and leaves every other entry byte-identical", async () => {
    const before = box.read("lading.lock");
    await box.ok("lading update --precise ex-base@1.0.0 --no-install");
    const entries = (text: string): string[] =>
      text.split("[[packages]]").filter((entry) => !entry.includes('name = "ex-base"'));
    expect(box.read("lading.lock")).toContain('name = "ex-base"\nversion = "1.0.0"');
    expect(entries(box.read("lading.lock"))).toEqual(entries(before));
    await box.ok("lading update ex-base --no-install");
    expect(box.read("lading.lock")).toBe(before);
    const refused = await box.line("lading update --precise ex-base@2.0.0");
    expect(refused.code).toBe(4);
    expect(refused.stderr).toContain("So, because you ask for ex-base 2.0.0, there is no solution");
    expect(box.read("lading.lock")).toBe(before);
  });

  test("[RES-22] the order of a manifest's table changes nothing in the lock", async () => {
    const before = box.read("lading.lock");
    project(`ex-left = "1"\nex-right = "*"`);
    await box.ok("rm lading.lock");
    await box.ok("lading lock");
    const resolved = (text: string): string => text.replace(/^inputs = .*$/m, "");
    expect(resolved(box.read("lading.lock"))).toBe(resolved(before));
  });

  test("[RES-28] lock --minimal takes the lowest versions, --lowest-direct only of what the manifest names", async () => {
    const minimal = await box.json("lading lock --minimal --dry-run --json");
    expect(minimal).toMatchObject({ lock: { updated: [{ name: "ex-base", from: "1.5.0", to: "1.0.0" }] } });
    expect(await box.json("lading lock --lowest-direct --dry-run --json")).toMatchObject({ lock: { updated: [] } });
    expect((await box.line("lading lock --minimal --lowest-direct")).code).toBe(2);
  });

  test("[RES-01] a resolution is recorded, and replayed without any registry", async () => {
    await box.ok("lading resolve --record answer.json");
    const away = { env: { LADING_REGISTRY_URL: "http://127.0.0.1:1/" } };
    const replayed = await box.ok("lading --offline resolve --replay answer.json --explain", away);
    expect(replayed.stdout).toContain("The same answer as recorded in answer.json");
    expect(replayed.stdout).toContain("not 2.0.0: ex-left 1.0.0 asks for ^1.0.0");
    expect(box.read("answer.json")).not.toContain(box.root);
    project(`ex-left = "1"\nex-right = "2"`);
    const failed = await box.line("lading lock --record failure.json");
    const again = await box.line("lading resolve --replay failure.json", away);
    expect(again.code).toBe(4);
    expect(told(again.stderr)).toBe(told(failed.stderr));
    box.write("failure.json", "{}");
    const damaged = await box.line("lading resolve --replay failure.json");
    expect(damaged).toMatchObject({ code: 2, stdout: "" });
    expect(damaged.stderr).toContain("RESOLVE_RECORDING_INVALID");
  });
});

describe("the project's own word", () => {
  test("[RES-09] an override ends a conflict", async () => {
    box.write(
      "lading.toml",
      `[package]\nname = "app"\nversion = "1.0.0"\n\n[resolver]\ncoexistence = "single"\n\n[overrides]\nex-base = "2"\n\n[dependencies]\nex-left = "1"\nex-right = "2"\n`,
    );
    expect((await box.json("lading lock --dry-run --json")) as object).toMatchObject({ lock: { changed: true } });
    const { stdout } = await box.ok("lading resolve --explain");
    expect(stdout).toContain("ex-base 2.0.0\n  asked for by ex-left 1.0.0: ^2.0.0");
  });

  test("[RES-10] what is deprecated is locked with a warning that names reason and replacement", async () => {
    await publishAll({ name: "ex-old", version: "1.0.0" });
    const token = { env: { LADING_TOKEN: registry.token } };
    await box.ok('lading deprecate ex-old@1.0.0 --reason "too slow" --replacement ex-left', token);
    project(`ex-old = "1"`);
    const { stderr } = await box.ok("lading lock");
    expect(stderr).toContain('"ex-old" 1.0.0 is deprecated: too slow; use "ex-left" instead');
  });

  test("[SRC-05] search --host shows packages at a version that the host can use", async () => {
    await publishAll(
      { name: "ex-hosted", version: "1.0.0", hosts: { revit: ">=2023.0.0 <2025.0.0" } },
      { name: "ex-hosted", version: "2.0.0", hosts: { revit: ">=2025.0.0" } },
      { name: "ex-hostile", version: "1.0.0", hosts: { revit: ">=2026.0.0" } },
    );
    const env = { env: { REVITPY_REGISTRY_URL: registry.url } };
    const found = (await box.json("revitpy-install search ex-host --host revit=2024 --json", env)) as {
      readonly items: readonly { readonly name: string; readonly version: string }[];
    };
    expect(found.items.map(({ name, version }) => `${name} ${version}`)).toEqual(["ex-hosted 1.0.0"]);
  });
});
