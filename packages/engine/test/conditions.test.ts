import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { builtinProfile, isLadingError, lockForEnvironment, parseLockfile } from "@lading/core-manifest";
import { createStaticRegistry, createSandbox, type Sandbox } from "../src/testing.ts";
import type { EngineContext } from "../src/lib/engine-context.ts";
import { install, lock, registryAdd, resolve, tree } from "../src/index.ts";

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox();
});
afterEach(() => box.remove());

const manifest = (text: string): Promise<void> =>
  box.write({ "lading.toml": `[package]\nname = "app"\nversion = "1.0.0"\nlicense = "MIT"\n\n${text}\n` });

const locked = async (): Promise<string[]> =>
  parseLockfile(await box.read("lading.lock"), "lading.lock").packages.map(({ name, version }) => `${name} ${version}`);

const warnings = (): string[] =>
  box.events.flatMap((event) => {
    const message = event.type === "warning" ? event.message : "";
    return message === "" || message.includes("is not signed") ? [] : [message];
  });

async function failure(run: () => Promise<unknown>): Promise<{ code: string; message: string; explanation: string }> {
  try {
    await run();
  } catch (error) {
    if (isLadingError(error))
      return { code: error.code, message: error.message, explanation: String(error.details["explanation"]) };
    throw error;
  }
  throw new Error("expected an error");
}

describe("lock() with dependencies under conditions", () => {
  it("has a package only for the targets that it counts for, of the project and of packages", async () => {
    await box.registry.publish({ name: "posix", version: "1.0.0" });
    await box.registry.publish({ name: "registry-keys", version: "1.0.0" });
    await box.registry.publish({
      name: "both",
      version: "1.0.0",
      dependencies: { "registry-keys": { requirement: "*", targets: ["*-windows"] } },
    });
    await manifest(`[dependencies]\nboth = "1"\n\n[target.'cfg(not(windows))'.dependencies]\nposix = "1"`);
    await box.use((context) => lock({ targets: ["x86_64-linux", "arm64-linux", "x86_64-windows"] }, context));
    const { packages } = parseLockfile(await box.read("lading.lock"), "lading.lock");
    expect(packages.map(({ name, environments }) => [name, environments])).toEqual([
      ["both", undefined],
      ["posix", ["target=arm64-linux|x86_64-linux"]],
      ["registry-keys", ["target=x86_64-windows"]],
    ]);
    const shown = await box.use((context) => tree({ targets: ["x86_64-windows"] }, context));
    expect(shown.roots[0]!.dependencies.map(({ name }) => name)).toEqual(["both"]);
  });

  it("takes another range of one package for another host version", async () => {
    box = await replaced("revitpy");
    await box.registry.publish({ name: "wall", version: "1.0.0" });
    await box.registry.publish({ name: "wall", version: "2.0.0" });
    const own = `[tool.revitpy.target.'cfg(revit = ">=2025")']\ndependencies = ["wall>=2"]\n\n[tool.revitpy.target.'cfg(revit = "<2025")']\ndependencies = ["wall<2"]\n`;
    await box.write({
      "pyproject.toml": `[project]\nname = "app"\nversion = "1.0.0"\nlicense = "MIT"\n\n[tool.revitpy]\n\n${own}`,
    });
    await box.use((context) => lock({ hosts: ["revit=2024", "revit=2025"] }, context));
    const { packages } = parseLockfile(await box.read("revitpy.lock"), "revitpy.lock");
    expect(packages.map(({ version, environments }) => [version, environments])).toEqual([
      ["1.0.0", ["revit=2024"]],
      ["2.0.0", ["revit=2025"]],
    ]);
    const done = await box.use((context) => install({ hosts: ["revit=2025"], mode: "locked" }, context));
    expect(done.lock.fresh).toBe(true);
  });
});

/** The sandbox's own registry as the first, and another one. */
async function addRegistries(name: string, url: string): Promise<void> {
  await box.use((context) => registryAdd({ name: "main", url: box.registry.url }, context));
  await box.use((context) => registryAdd({ name, url }, context));
}

async function replaced(profile: "revitpy"): Promise<Sandbox> {
  await box.remove();
  return createSandbox(profile);
}

describe("lock() with features that exclude each other", () => {
  it("refuses both, naming who asks for which, and takes one", async () => {
    await box.registry.publish({
      name: "torch",
      version: "1.0.0",
      features: { cpu: [], cuda: [] },
      exclusiveFeatures: [["cpu", "cuda"]],
    });
    await manifest(`[dependencies]\ntorch = { version = "1", features = ["cpu", "cuda"] }`);
    const failed = await failure(() => box.use((context) => lock({}, context)));
    expect(failed.code).toBe("RESOLUTION_IMPOSSIBLE");
    expect(failed.explanation).toContain('torch 1.0.0 cannot have "cpu" and "cuda" on together');
    await manifest(`[dependencies]\ntorch = { version = "1", features = ["cuda"] }`);
    await box.use((context) => lock({}, context));
    expect(await box.read("lading.lock")).toContain('features = ["cuda"]');
  });

  it("holds for the project's own features", async () => {
    await manifest(`exclusive-features = [["a", "b"]]\n\n[features]\na = []\nb = []`);
    await box.use((context) => lock({ features: ["a"] }, context));
    const failed = await failure(() => box.use((context) => lock({ allFeatures: true }, context)));
    expect(failed.explanation).toContain('app cannot have "a" and "b" on together');
  });
});

describe("lock() with [patch]", () => {
  beforeEach(async () => {
    for (const version of ["1.0.0", "1.3.0", "2.0.0"]) await box.registry.publish({ name: "base", version });
    await box.registry.publish({ name: "user", version: "1.0.0", dependencies: { base: "1" } });
    await box.registry.publish({ name: "later", version: "1.0.0", dependencies: { base: "^1.2" } });
    await box.registry.publish({ name: "modern", version: "1.0.0", dependencies: { base: "2" } });
    await box.write({
      "../fork/lading.toml": `[package]\nname = "base"\nversion = "1.1.0"\nlicense = "MIT"\n`,
      "../fork/fork.txt": "mine",
    });
  });

  it("puts a directory in the place of a registry's package, wherever it is needed, and installs it", async () => {
    await manifest(`[dependencies]\nuser = "1"\n\n[patch]\nbase = { path = "../fork" }`);
    const done = await box.use((context) => install({}, context));
    expect(await locked()).toEqual(["base 1.1.0", "user 1.0.0"]);
    const text = await box.read("lading.lock");
    expect(text).toContain('source = "path+../fork"');
    expect(text).toContain('[patches]\nbase = "path+../fork"\n');
    expect(await box.read("lading_packages/base/fork.txt")).toBe("mine");
    expect(warnings()).toEqual([]);
    expect(done.lock.lock.patches).toEqual({ base: "path+../fork" });
    const again = await box.use((context) => install({ mode: "locked" }, context));
    expect(again.lock.fresh).toBe(true);
  });

  it("is explained where it stands in the way", async () => {
    await manifest(`[dependencies]\nlater = "1"\n\n[patch]\nbase = { path = "../fork" }`);
    const { explanation } = await failure(() => box.use((context) => lock({}, context)));
    expect(explanation).toContain("[patch.base] replaces it by 1.1.0 (path ../fork)");
  });

  it("leaves versions alone that are not compatible, and warns that it was not used", async () => {
    await manifest(`[dependencies]\nmodern = "1"\n\n[patch]\nbase = { path = "../fork" }`);
    await box.use((context) => lock({}, context));
    expect(await locked()).toEqual(["base 2.0.0", "modern 1.0.0"]);
    expect(warnings()).toEqual([
      'The patch of "base" by 1.1.0 (path ../fork) was not used: who needs it asks for versions that are not compatible, 2.0.0 is used',
    ]);
    await manifest(`[patch]\nbase = { path = "../fork" }`);
    await box.use((context) => lock({}, context));
    expect(warnings().at(-1)).toBe('The patch of "base" by 1.1.0 (path ../fork) was not used: no package needs it');
  });

  it("makes the lock outdated when it changes, or what it leads to does", async () => {
    await manifest(`[dependencies]\nuser = "1"\n\n[patch]\nbase = { path = "../fork" }`);
    await box.use((context) => lock({}, context));
    await box.write({ "../fork/lading.toml": `[package]\nname = "base"\nversion = "1.1.1"\nlicense = "MIT"\n` });
    expect((await failure(() => box.use((context) => lock({ mode: "locked" }, context)))).code).toBe("LOCK_OUTDATED");
    await manifest(`[dependencies]\nuser = "1"`);
    await box.use((context) => lock({}, context));
    expect(await locked()).toEqual(["base 1.3.0", "user 1.0.0"]);
  });

  it("takes other versions of a registry, and those of another registry", async () => {
    await manifest(`[dependencies]\nuser = "1"\n\n[patch]\nbase = "=1.0.0"`);
    await box.use((context) => lock({}, context));
    expect(await locked()).toEqual(["base 1.0.0", "user 1.0.0"]);
    expect(await box.read("lading.lock")).toContain('[patches]\nbase = "registry =1.0.0"');

    const mirror = await createStaticRegistry(`${box.root}/mirror`);
    await mirror.publish({ name: "base", version: "1.2.9", files: { "who.txt": "mirror" } });
    await addRegistries("mirror", mirror.url);
    await manifest(`[dependencies]\nuser = "1"\n\n[patch]\nbase = { version = "1", registry = "mirror" }`);
    await box.use((context) => install({}, context));
    expect(await locked()).toEqual(["base 1.2.9", "user 1.0.0"]);
    expect(await box.read("lading.lock")).toContain(`source = "registry+${mirror.url}"`);
    expect(await box.read("lading_packages/base/who.txt")).toBe("mirror");
  });

  it.each([
    [`base = { path = "../nowhere" }`, "PATH_DEPENDENCY_INVALID", "there is no package"],
    [`other = { path = "../fork" }`, "PATH_DEPENDENCY_INVALID", 'is called "base"'],
    [`base = { path = "../fork", version = "^2" }`, "PATH_DEPENDENCY_INVALID", "its version is 1.1.0, asked for is ^2"],
    [`base = "=9.9.9"`, "PATCH_INVALID", "there are 1.0.0, 1.3.0, 2.0.0"],
    [`base = { path = "../fork" }\nBase = "1"`, "MANIFEST_INVALID", "name rules"],
    [`base = { path = "../fork", optional = true }`, "MANIFEST_INVALID", "a patch says where a package comes from"],
  ])("refuses %s", async (patch, code, message) => {
    await manifest(`[dependencies]\nuser = "1"\n\n[patch]\n${patch}`);
    const failed = await failure(() => box.use((context) => lock({}, context)));
    expect([failed.code, failed.message]).toEqual([code, expect.stringContaining(message)]);
  });

  it("replaces the package of one registry only, where it says which", async () => {
    const company = await createStaticRegistry(`${box.root}/company`);
    await company.publish({ name: "base", version: "1.5.0" });
    await addRegistries("company", company.url);
    await manifest(
      `[dependencies]\nuser = "1"\nours = { package = "base", version = "1", registry = "company" }\n\n[patch.company]\nbase = { path = "../fork" }`,
    );
    await box.use((context) => lock({}, context));
    const { packages } = parseLockfile(await box.read("lading.lock"), "lading.lock");
    expect(packages.map(({ name, version, source }) => [name, version, source?.type])).toEqual([
      ["base", "1.1.0", "path"],
      ["base", "1.3.0", "registry"],
      ["user", "1.0.0", "registry"],
    ]);
  });
});

describe("lock() with [overrides]", () => {
  it("reaches dependencies that pin a registry, and is in the lock", async () => {
    const company = await createStaticRegistry(`${box.root}/company`);
    for (const version of ["1.0.0", "1.1.0", "2.0.0"]) await company.publish({ name: "base", version });
    await company.publish({ name: "tool", version: "1.0.0", dependencies: { base: "1" } });
    await addRegistries("company", company.url);
    await manifest(
      `[dependencies]\ntool = { version = "1", registry = "company" }\nbase = { version = "1", registry = "company" }\n\n[overrides]\nbase = "=2.0.0"`,
    );
    await box.use((context) => lock({}, context));
    expect(await locked()).toEqual(["base 2.0.0", "tool 1.0.0"]);
    expect(await box.read("lading.lock")).toContain('[overrides]\nbase = "=2.0.0"');
    expect(warnings()).toEqual([]);
    const { packages } = await box.use((context) => resolve({ explain: true }, context));
    expect(packages.find(({ name }) => name.startsWith("base"))?.version).toBe("2.0.0");
    await manifest(`[dependencies]\ntool = { version = "1", registry = "company" }\n\n[overrides]\nbase = "=3.0.0"`);
    const { explanation } = await failure(() => box.use((context) => lock({}, context)));
    expect(explanation).toContain("by an override");
  });
});

describe("lock() of one range that several locked versions meet", () => {
  it("keeps the version that met it, when it is locked again", async () => {
    await box.registry.publish({ name: "base", version: "1.9.0" });
    await box.registry.publish({ name: "modern", version: "1.0.0", dependencies: { base: "2" } });
    const text = (more: string): Promise<void> =>
      manifest(`[resolver]\ncoexistence = "per-major"\n\n[dependencies]\nbase = ">=1"\n${more}`);
    await text("");
    await box.use((context) => lock({}, context));
    await box.registry.publish({ name: "base", version: "2.5.0" });
    await text('modern = "1"');
    await box.use((context) => lock({}, context));
    const first = await box.read("lading.lock");
    expect(await locked()).toEqual(["base 1.9.0", "base 2.5.0", "modern 1.0.0"]);
    expect(first).toContain('ranges = [">=1.0.0"]');
    // Nothing but a version that nobody resolves by: it has to be resolved again.
    await box.write({ "lading.toml": (await box.read("lading.toml")).replace("1.0.0", "1.0.1") });
    await box.use((context) => lock({}, context));
    expect(await locked()).toEqual(["base 1.9.0", "base 2.5.0", "modern 1.0.0"]);
    await box.use((context) => lock({ refresh: ["base"] }, context));
    expect(await locked()).toEqual(["base 2.5.0", "modern 1.0.0"]);
    expect(await box.read("lading.lock")).not.toContain("ranges");
  });
});

describe("a lock of one range that environments meet in different versions", () => {
  const profile = { ...builtinProfile("lading"), hosts: builtinProfile("revitpy").hosts };
  const use = <Value>(run: (context: EngineContext) => Promise<Value>): Promise<Value> => box.use(run, { profile });
  const rooted = async (revit: string): Promise<Record<string, unknown>> => {
    const hosts = [`revit=${revit}`];
    await use((context) => install({ hosts, mode: "frozen" }, context));
    const { roots } = await use((context) => tree({ hosts }, context));
    const direct = roots[0]!.dependencies;
    const below = direct.find(({ name }) => name === "modern")!.dependencies;
    const installed = /^version = "(.*)"$/m.exec(await box.read("lading_packages/base/lading.toml"))?.[1];
    return { base: direct.find(({ name }) => name === "base")!.version, modern: below[0]!.version, installed };
  };

  it("says by its references which is meant in each, so that everywhere the right one is installed", async () => {
    await box.registry.publish({ name: "base", version: "1.9.0", hosts: { revit: "<2025.0.0" } });
    const text = (more: string): Promise<void> =>
      manifest(`[resolver]\ncoexistence = "per-major"\n\n[dependencies]\nbase = ">=1"\n${more}`);
    await text("");
    await use((context) => lock({ hosts: ["revit=2024"] }, context));
    await box.registry.publish({ name: "base", version: "2.5.0" });
    await box.registry.publish({ name: "modern", version: "1.0.0", dependencies: { base: "2" } });
    await text('modern = "1"');
    await use((context) => lock({ hosts: ["revit=2024", "revit=2025"] }, context));
    const written = await box.read("lading.lock");
    // Both meet ">=1", and 2024 has both; a reference holds wherever both of its ends are.
    const { members, packages } = parseLockfile(written, "lading.lock");
    expect(members).toEqual({ app: ["[revit=2025] base 2.5.0", "base 1.9.0", "modern"] });
    expect(packages.map(({ version, environments, ranges }) => [version, environments, ranges])).toEqual([
      ["1.9.0", ["revit=2024"], [">=1.0.0"]],
      ["2.5.0", undefined, undefined],
      ["1.0.0", undefined, undefined],
    ]);
    expect(await rooted("2024")).toEqual({ base: "1.9.0", modern: "2.5.0", installed: "1.9.0" });
    expect(await rooted("2025")).toEqual({ base: "2.5.0", modern: "2.5.0", installed: "2.5.0" });
    expect(await box.read("lading.lock")).toBe(written);
    // Nothing but a version that nobody resolves by: it is resolved again, and comes out the same.
    await box.write({ "lading.toml": (await box.read("lading.toml")).replace("1.0.0", "1.0.1") });
    const again = await use((context) => lock({}, context));
    expect(again.fresh).toBe(false);
    const withoutInputs = (text: string): string => text.replace(/^inputs = .*$/m, "");
    expect(withoutInputs(await box.read("lading.lock"))).toBe(withoutInputs(written));
  });

  it("puts the environments before a range that a version meets in some of its own only", async () => {
    await box.registry.publish({ name: "base", version: "1.9.0" });
    await box.registry.publish({ name: "base", version: "2.5.0" });
    await box.registry.publish({ name: "old", version: "1.0.0", dependencies: { base: "1" } });
    await box.registry.publish({ name: "modern", version: "1.0.0", dependencies: { base: "2" } });
    await box.write({
      "lading.toml": `[package]\nname = "app"\nversion = "1.0.0"\nlicense = "MIT"\n\n[resolver]\ncoexistence = "per-major"\n\n[dependencies]\nbase = ">=1"\nmodern = "1"\nold = "1"\n`,
    });
    await use((context) => lock({ hosts: ["revit=2024", "revit=2025"] }, context));
    // As a reader of another tool, or a merge, may have left it: both are everywhere, and each meets the range somewhere.
    const text = await box.read("lading.lock");
    const [before] = text.split("[[packages]]");
    const blocks = text.split("[[packages]]").slice(1);
    const ranged = blocks.map((block) => {
      const bare = block.replace(/^ranges = .*\n/m, "");
      if (bare.includes('version = "1.9.0"'))
        return bare.replace(/^(tree = .*\n)/m, '$1ranges = ["[revit=2024] >=1.0.0"]\n');
      if (bare.includes('version = "2.5.0"'))
        return bare.replace(/^(tree = .*\n)/m, '$1ranges = ["[revit=2025] >=1.0.0"]\n');
      return bare;
    });
    await box.write({
      "lading.lock": [before, ...ranged]
        .join("[[packages]]")
        .replace(/^inputs = .*\n/m, `inputs = "sha256:${"0".repeat(64)}"\n`),
    });
    await use((context) => lock({}, context));
    const { members, packages } = parseLockfile(await box.read("lading.lock"), "lading.lock");
    expect(members).toEqual({ app: ["[revit=2024] base 1.9.0", "[revit=2025] base 2.5.0", "modern", "old"] });
    expect(packages.filter(({ name }) => name === "base").map(({ version, ranges }) => [version, ranges])).toEqual([
      ["1.9.0", ["[revit=2024] >=1.0.0"]],
      ["2.5.0", ["[revit=2025] >=1.0.0"]],
    ]);
    const { packages: here } = lockForEnvironment(await parsed(), { revit: "2024" })!;
    expect(here.map(({ version, ranges }) => [version, ranges]).slice(0, 2)).toEqual([
      ["1.9.0", [">=1.0.0"]],
      ["2.5.0", undefined],
    ]);
  });
});

const parsed = async () => parseLockfile(await box.read("lading.lock"), "lading.lock");
