import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseLockfile } from "@lading/core-manifest";
import { check, duplicates, install, lock, resolve, tree, update } from "../src/index.ts";
import { environmentOfLock, machineTarget } from "../src/lib/environments.ts";
import { createSandbox, type Sandbox } from "../src/testing.ts";

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox("revitpy");
});
afterEach(() => box.remove());

const manifest = (dependencies: readonly string[], own = ""): string =>
  `[project]\nname = "app"\nversion = "1.0.0"\nlicense = "MIT"\ndependencies = ${JSON.stringify(dependencies)}\n\n[tool.revitpy]\n${own}`;
const range = (from: number, to: number): { revit: string } => ({ revit: `>=${from}.0.0 <${to + 1}.0.0` });

async function publishTwo(): Promise<void> {
  await box.registry.publish({ name: "base", version: "1.0.0" });
  await box.registry.publish({ name: "base", version: "2.0.0" });
  await box.registry.publish({
    name: "geometry",
    version: "1.0.0",
    hosts: range(2021, 2024),
    dependencies: { base: "1" },
  });
  await box.registry.publish({
    name: "geometry",
    version: "2.0.0",
    hosts: range(2025, 2026),
    dependencies: { base: "2" },
  });
}

const lockFor = (...hosts: readonly string[]) => box.use((context) => lock({ hosts }, context));

describe("lock() for several environments", () => {
  it("has two versions of one package for different hosts where one environment has one", async () => {
    await publishTwo();
    await box.write({ "pyproject.toml": manifest(["geometry"]) });
    await lockFor("revit=2024", "revit=2025");
    const { packages } = parseLockfile(await box.read("revitpy.lock"), "revitpy.lock");
    expect(packages.map(({ name, version, environments }) => [name, version, environments])).toEqual([
      ["base", "1.0.0", ["revit=2024"]],
      ["base", "2.0.0", ["revit=2025"]],
      ["geometry", "1.0.0", ["revit=2024"]],
      ["geometry", "2.0.0", ["revit=2025"]],
    ]);
    const shown = await box.use((context) => tree({ hosts: ["revit=2025"] }, context));
    expect(shown.roots[0]!.dependencies[0]!.dependencies[0]).toMatchObject({ name: "base", version: "2.0.0" });
    expect(await box.use((context) => duplicates(context, { hosts: ["revit=2025"] }))).toEqual([]);
  });

  it("keeps its environments through update and install, and changes axes that are named only", async () => {
    await publishTwo();
    await box.write({ "pyproject.toml": manifest(["geometry"]) });
    await lockFor("revit=2024", "revit=2025", "python=3.11");
    const updated = await box.use((context) => update({ install: false }, context));
    expect(updated.lock.environments).toEqual([
      { python: "3.11", revit: "2024" },
      { python: "3.11", revit: "2025" },
    ]);
    const narrowed = await lockFor("revit=2025");
    expect(narrowed.environments).toEqual([{ python: "3.11", revit: "2025" }]);
    expect(narrowed.lock.packages.map(({ version }) => version)).toEqual(["2.0.0", "2.0.0"]);
  });

  it("leaves other environments' entries as they are when one is added", async () => {
    await publishTwo();
    await box.write({ "pyproject.toml": manifest(["geometry"]) });
    await lockFor("revit=2024");
    await box.registry.publish({
      name: "geometry",
      version: "1.5.0",
      hosts: range(2021, 2026),
      dependencies: { base: "1" },
    });
    const { lock: made } = await lockFor("revit=2024", "revit=2026");
    // 1.0.0 stays where it was; elsewhere it is preferred too, and cannot be had.
    expect(
      made.packages.map(({ name, version, environments }) => `${name} ${version} ${environments?.join() ?? ""}`),
    ).toEqual([
      "base 1.0.0 revit=2024",
      "base 2.0.0 revit=2026",
      "geometry 1.0.0 revit=2024",
      "geometry 2.0.0 revit=2026",
    ]);
  });

  it("takes them from a setting with several versions", async () => {
    await publishTwo();
    await box.write({ "pyproject.toml": manifest(["geometry"]) });
    const env = { REVITPY_HOSTS_REVIT: "2024, 2025", REVITPY_REGISTRY_URL: box.registry.url };
    const made = await box.use((context) => lock({}, context), { env });
    expect(made.environments).toEqual([{ revit: "2024" }, { revit: "2025" }]);
  });

  it.each([
    [
      "two versions of a host for one installation",
      () => install({ hosts: ["revit=2024", "revit=2025"] }, box.context()),
      "HOST_INVALID",
    ],
    ["a target that is none", () => lock({ targets: ["Not A Target"] }, box.context()), "ENVIRONMENTS_INVALID"],
    ["a host of another ecosystem", () => lock({ hosts: ["gal=1.0"] }, box.context()), "HOST_INVALID"],
  ])("refuses %s", async (_what, run, code) => {
    await box.write({ "pyproject.toml": manifest([]) });
    await expect(run()).rejects.toMatchObject({ code });
  });

  it.each([
    [`environments = 3\n`, "is no table"],
    [`environments = { rivet = ["1"] }\n`, '"environments.rivet"'],
    [`environments = { revit = [] }\n`, "expected a list"],
    [`environments = { target = ["A B"] }\n`, '"A B"'],
  ])("refuses a manifest's %j", async (own, text) => {
    await box.write({ "pyproject.toml": manifest([], own) });
    await expect(box.use((context) => lock({}, context))).rejects.toMatchObject({
      code: "ENVIRONMENTS_INVALID",
      message: expect.stringContaining(text) as string,
    });
  });

  it("is not outdated to check() for what only other targets need", async () => {
    await box.write({
      "pyproject.toml": manifest(["absent"], `\n[tool.revitpy.sources]\nabsent = { targets = ["wasm32"] }\n`),
    });
    await box.use((context) => lock({ targets: ["x86_64-linux"] }, context));
    const found = await box.use((context) => check({}, context));
    expect(JSON.stringify(found)).not.toContain("CHECK_LOCK_OUTDATED");
  });
});

describe("environmentOfLock()", () => {
  const base = { version: 1 as const, root: "app", packages: [] };

  it("needs to know an axis only where the lock differs", () => {
    const environment = { revit: ["2024", "2025"], python: ["3.11"] };
    const here = { hosts: {}, targets: [machineTarget()] };
    expect(environmentOfLock({ ...base, environment }, here)).toEqual({ python: "3.11", revit: "2024" });
    const one = { name: "a", version: "1.0.0", features: [], dependencies: [], environments: ["revit=2024"] };
    expect(() => environmentOfLock({ ...base, environment, packages: [one] }, here)).toThrow(
      expect.objectContaining({ code: "LOCK_ENVIRONMENT_AMBIGUOUS" }) as Error,
    );
    expect(
      environmentOfLock({ ...base, environment, packages: [one] }, { ...here, hosts: { revit: "2025.0" } }),
    ).toEqual({
      python: "3.11",
      revit: "2025",
    });
  });

  it("takes the first target that the lock has", () => {
    const environment = { target: ["arm64-linux", "wasm32"] };
    expect(environmentOfLock({ ...base, environment }, { hosts: {}, targets: ["riscv", "wasm32"] })).toEqual({
      target: "wasm32",
    });
    expect(() => environmentOfLock({ ...base, environment }, { hosts: {}, targets: ["riscv"] })).toThrow(
      expect.objectContaining({ code: "LOCK_ENVIRONMENT_MISSING" }) as Error,
    );
  });
});

describe("lock() with a recording", () => {
  it("records every environment, and a replay answers all of them again without the registry", async () => {
    await publishTwo();
    await box.write({ "pyproject.toml": manifest(["geometry"]) });
    const record = { hosts: ["revit=2024", "revit=2025"], record: "resolution.json" };
    const outcome = await box.use((context) => lock(record, context));
    const replayed = await box.use((context) => resolve({ replay: "resolution.json" }, context), { offline: true });
    expect(replayed.replay).toMatchObject({ same: true });
    expect(replayed.environments).toEqual([{ revit: "2025" }, { revit: "2024" }]);
    expect(replayed.packages.map(({ name, version, environments }) => [name, version, environments])).toEqual(
      outcome.lock.packages.map(({ name, version, environments }) => [
        name,
        version,
        environments!.map((one) => ({ revit: one.slice("revit=".length) })),
      ]),
    );
    // Locked again, each environment's own versions are recorded as its preferences.
    await box.use((context) => lock(record, context));
    const text = await box.read("resolution.json");
    expect(JSON.parse(text)).toMatchObject({
      format: "lading-resolution/2",
      input: { locked: expect.arrayContaining([{ key: "base", version: "1.0.0", environments: [1] }]) as unknown },
    });
    await box.write({ "resolution.json": text.replaceAll('"base 1.0.0"', '"base 0.9.0"') });
    const other = await box.use((context) => resolve({ replay: "resolution.json" }, context));
    expect(other.replay).toMatchObject({ same: false });
    const explained = await box.use((context) => resolve({ replay: "resolution.json", explain: true }, context));
    expect(explained.packages.some(({ choice }) => choice !== undefined)).toBe(true);
  });
});
