/** What users of other tools ask of a resolver, each by the real command against a real registry process. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import { publishPackages, removeTemporary } from "./lib/more.ts";

let registry: RegistryProcess;
const sandboxes: Sandbox[] = [];

beforeAll(async () => {
  registry = await startRegistry();
  const peer = (requirement: string, optional = false) => ({ requirement, kind: "peer", optional }) as const;
  await publishPackages(registry, [
    { name: "rw-core", version: "1.0.0" },
    { name: "rw-core", version: "2.0.0" },
    { name: "rw-theme", version: "1.0.0", needs: { "rw-core": peer(">=1.0.0 <2.0.0-0") } },
    { name: "rw-theme", version: "2.0.0", needs: { "rw-core": peer(">=2.0.0 <3.0.0-0") } },
    { name: "rw-legacy", version: "1.0.0", needs: { "rw-core": "^1.0.0" } },
    { name: "rw-extra", version: "1.0.0", needs: { "rw-core": peer(">=2.0.0 <3.0.0-0", true) } },
    { name: "rw-next", version: "1.0.0" },
    { name: "rw-next", version: "2.0.0-beta.1" },
    { name: "rw-next", version: "2.0.0-beta.2" },
    { name: "rw-eager", version: "1.0.0", needs: { "rw-next": { requirement: ">=2.0.0-beta.1 <3.0.0-0" } } },
    ...["a", "b", "c", "d"].map((letter) => ({ name: `rw-keep-${letter}`, version: "1.0.0" })),
    { name: "rw-torch", version: "1.0.0", features: { cpu: [], cuda: [] }, exclusiveFeatures: [["cpu", "cuda"]] },
    { name: "rw-vision", version: "1.0.0", needs: { "rw-torch": { features: ["cpu"] } } },
    { name: "rw-vision", version: "2.0.0", needs: { "rw-torch": { features: ["cuda"] } } },
  ]);
});
afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  removeTemporary();
  await registry.dispose();
});

/** A project of one version of each package, so that those who disagree have to agree. */
function project(dependencies: string, more = ""): Sandbox {
  const box = createSandbox({ env: { LADING_REGISTRY_URL: registry.url, LADING_TOKEN: registry.token } });
  sandboxes.push(box);
  write(box, dependencies, more);
  return box;
}

function write(box: Sandbox, dependencies: string, more = ""): void {
  box.write(
    "lading.toml",
    `[package]\nname = "app"\nversion = "1.0.0"\n\n[resolver]\ncoexistence = "single"\n${more}\n[dependencies]\n${dependencies}\n`,
  );
}

const PACKAGE = /^\[\[packages\]\]\nname = "(.*)"\nversion = "(.*)"$/gm;

function locked(box: Sandbox): string[] {
  return [...box.read("lading.lock").matchAll(PACKAGE)].map(([, name, version]) => `${name} ${version}`);
}

/** The block of each package, as it is written. */
function blocks(box: Sandbox): Map<string, string> {
  const [, ...texts] = box.read("lading.lock").split("[[packages]]\n");
  return new Map(texts.map((text) => [/^name = "(.*)"$/m.exec(text)![1]!, text.trimEnd()]));
}

test("peers are solved together with everything else: the plug-in that fits the host is taken, not the newest", async () => {
  const alone = project(`rw-theme = "*"`);
  await alone.ok("lading lock");
  expect(locked(alone)).toEqual(["rw-core 2.0.0", "rw-theme 2.0.0"]);
  const together = project(`rw-theme = "*"\nrw-legacy = "1"`);
  await together.ok("lading install");
  expect(locked(together)).toEqual(["rw-core 1.0.0", "rw-legacy 1.0.0", "rw-theme 1.0.0"]);
  const asked = project(`rw-theme = "2"\nrw-legacy = "1"`);
  const failed = await asked.line("lading lock");
  expect(failed.code).toBe(4);
  expect(failed.stderr).toContain("rw-theme");
  expect(failed.stderr).toContain("rw-legacy");
  expect(failed.stderr).toContain("help: ");
});

test("an optional peer brings nothing, and what is there has to be in its range", async () => {
  const without = project(`rw-extra = "1"`);
  await without.ok("lading lock");
  expect(locked(without)).toEqual(["rw-extra 1.0.0"]);
  const wrong = await project(`rw-extra = "1"\nrw-legacy = "1"`).line("lading lock");
  expect(wrong.code).toBe(4);
  expect(wrong.stderr).toContain("rw-extra");
});

test("a pre-release is taken where somebody names one, and of nobody else's requirement", async () => {
  const any = project(`rw-next = "*"`);
  await any.ok("lading lock");
  expect(locked(any)).toEqual(["rw-next 1.0.0"]);
  const named = project(`rw-eager = "1"`);
  await named.ok("lading lock");
  expect(locked(named)).toEqual(["rw-eager 1.0.0", "rw-next 2.0.0-beta.2"]);
  const unnamed = await project(`rw-next = ">=1.5"`).line("lading lock");
  expect(unnamed.code).toBe(4);
  expect(unnamed.stderr).toContain("2.0.0-beta.2");
  // The way out that is told is one.
  const allowed = project(`rw-next = ">=1.5"`, `prereleases = "fallback"\n`);
  await allowed.ok("lading lock");
  expect(locked(allowed)).toEqual(["rw-next 2.0.0-beta.2"]);
});

test("exclude-newer leaves out what came later and says so; minimum-release-age has exceptions by name", async () => {
  const early = await project(`rw-core = "1"`, `exclude-newer = "2020-01-01"\n`).line("lading lock");
  expect(early.code).toBe(4);
  expect(early.stderr).toMatch(/rw-core exists but was published on \S+, after exclude-newer 2020-01-01/);
  expect(early.stderr).toContain("help: ");
  const later = project(`rw-core = "1"`, `exclude-newer = "2999-01-01"\n`);
  await later.ok("lading lock");
  const young = `minimum-release-age = "3d"\nminimum-release-age-exclude = ["rw-c*"]\n`;
  const excepted = project(`rw-core = "1"`, young);
  await excepted.ok("lading lock");
  expect(locked(excepted)).toEqual(["rw-core 1.0.0"]);
  expect((await project(`rw-next = "1"`, young).line("lading lock")).stderr).toMatch(/rw-next exists but is .* old/);
});

test("[RES-25] a dependency more moves only what stands in its way, and leaves every other entry as it was, byte for byte", async () => {
  const box = project(
    `rw-core = "*"\nrw-theme = "*"\n${["a", "b", "c"].map((one) => `rw-keep-${one} = "1"`).join("\n")}`,
  );
  await box.ok("lading lock");
  const before = blocks(box);
  await publishPackages(
    registry,
    ["a", "b", "c"].map((letter) => ({ name: `rw-keep-${letter}`, version: "1.5.0" })),
  );
  await box.ok("lading add rw-keep-d");
  const more = blocks(box);
  expect([...more].filter(([name, text]) => before.get(name) !== text).map(([name]) => name)).toEqual(["rw-keep-d"]);
  await box.ok("lading add rw-legacy");
  const after = blocks(box);
  const moved = [...after].filter(([name, text]) => more.get(name) !== text).map(([name]) => name);
  expect(moved).toEqual(["rw-core", "rw-legacy", "rw-theme"]);
  expect(locked(box)).toContain("rw-core 1.0.0");
  // Nothing but a version that nobody resolves by: it is resolved again, and comes out the same.
  const withoutInputs = (): string => box.read("lading.lock").replace(/^inputs = .*$/m, "");
  const text = withoutInputs();
  box.write("lading.toml", box.read("lading.toml").replace('version = "1.0.0"', 'version = "1.0.1"'));
  expect((await box.json("lading lock --json")) as object).toMatchObject({ lock: { changed: true } });
  expect(withoutInputs()).toBe(text);
});

test("exclusive extras choose the version whose extra agrees, and one that does not exist is named", async () => {
  const box = project(`rw-torch = { version = "1", features = ["cpu"] }\nrw-vision = "*"`);
  await box.ok("lading install");
  expect(locked(box)).toEqual(["rw-torch 1.0.0", "rw-vision 1.0.0"]);
  expect(blocks(box).get("rw-torch")).toContain('features = ["cpu"]');
  const missing = await project(`rw-torch = { version = "1", features = ["tpu"] }`).line("lading lock");
  expect(missing.code).toBe(4);
  expect(missing.stderr).toContain("tpu");
});

test("what was yanked after it was locked stays locked, with a word about it, and nobody else gets it", async () => {
  await publishPackages(
    registry,
    ["1.0.0", "1.1.0"].map((version) => ({ name: "rw-yanked", version })),
  );
  const box = project(`rw-yanked = "1"`);
  await box.ok("lading lock");
  await box.ok('lading yank rw-yanked@1.1.0 --reason "loses data"');
  await box.ok("lading add rw-keep-a");
  expect(locked(box)).toContain("rw-yanked 1.1.0");
  const other = project(`rw-yanked = "1"`);
  await other.ok("lading lock");
  expect(locked(other)).toEqual(["rw-yanked 1.0.0"]);
  const exact = await project(`rw-yanked = "=1.1.0"`).line("lading lock");
  expect(exact.code).toBe(4);
  expect(exact.stderr).toContain("rw-yanked 1.1.0 exists but was yanked: loses data");
});
