/** One lock for several host versions and targets, against a real registry process. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { install, lock, outdated, tree, why } from "@lading/engine";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import { createProject, failure, locked, publishPackage, removeTemporary, type Project } from "./lib/more.ts";

let registry: RegistryProcess;
const sandboxes: Sandbox[] = [];
const range = (from: number, to: number): { revit: string } => ({ revit: `>=${from}.0.0 <${to + 1}.0.0` });

beforeAll(async () => {
  registry = await startRegistry();
  for (const spec of [
    { name: "ul-geometry", version: "1.0.0", hosts: range(2021, 2024), needs: { "ul-core": "1" } },
    { name: "ul-geometry", version: "2.0.0", hosts: range(2025, 2025), needs: { "ul-core": "1" } },
    { name: "ul-core", version: "1.4.0" },
    { name: "ul-newest", version: "1.0.0", hosts: range(2021, 2022) },
    { name: "ul-newest", version: "2.0.0", hosts: range(2023, 2024) },
    { name: "ul-newest", version: "3.0.0", hosts: range(2025, 2025) },
    { name: "ul-posix", version: "1.0.0" },
    { name: "ul-wine", version: "1.0.0" },
  ]) {
    await publishPackage(registry, { ...spec, files: { "version.txt": spec.version } });
  }
});
afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  removeTemporary();
  await registry.dispose();
});

function open(): Sandbox {
  const sandbox = createSandbox({ env: { REVITPY_REGISTRY_URL: registry.url, LADING_REGISTRY_URL: registry.url } });
  sandboxes.push(sandbox);
  return sandbox;
}

const pyproject = (dependencies: readonly string[], own = ""): string =>
  `[project]\nname = "app"\nversion = "1.0.0"\ndependencies = ${JSON.stringify(dependencies)}\n\n[tool.revitpy]\n${own}`;

const plugin = (dependencies: readonly string[], own?: string): Project =>
  createProject({ "pyproject.toml": pyproject(dependencies, own) }, { profile: "revitpy", registry: registry.url });

describe("one lock for several host versions", () => {
  test("[RES-14] [RES-15] is made by one command, and each host installs what is for it", async () => {
    const sandbox = open();
    sandbox.write("pyproject.toml", pyproject(["ul-geometry"]));
    const made = await sandbox.ok("revitpy-install lock --revit-version 2024 --revit-version 2025");
    expect(made.stdout).toContain("Locked 3 packages for 2 environments");
    const text = sandbox.read("revitpy.lock");
    expect(text).toMatch(/revit = \[\n {2}"2024",\n {2}"2025",\n\]/);
    expect(text).toMatch(/version = "1\.0\.0"\nsource[^]*?environments = \["revit=2024"\]/);
    expect(text).toMatch(/version = "2\.0\.0"\nsource[^]*?environments = \["revit=2025"\]/);
    for (const [host, version] of [
      ["2024", "1.0.0"],
      ["2025", "2.0.0"],
      ["2024", "1.0.0"],
    ] as const) {
      await sandbox.ok(`revitpy-install install --revit-version ${host}`);
      expect(sandbox.read("revitpy_packages/ul-geometry/version.txt")).toBe(version);
      expect(sandbox.read("revitpy_packages/ul-core/version.txt")).toBe("1.4.0");
    }
    expect(sandbox.read("revitpy.lock")).toBe(text);
  });

  test("[RES-10] refuses a host that it does not cover, with the command that adds it; one that is not named is asked for", async () => {
    const sandbox = open();
    sandbox.write("pyproject.toml", pyproject(["ul-geometry"]));
    await sandbox.ok("revitpy-install lock --host revit=2024 --host revit=2025");
    const missing = await sandbox.line("revitpy-install install --host revit=2023");
    expect(missing.code).toBe(3);
    expect(missing.stderr).toContain('Cannot use the lock of "app" for revit 2023: it covers revit 2024, 2025');
    expect(missing.stderr).toContain("lock --host revit=2024 --host revit=2025 --host revit=2023");
    const unsaid = await sandbox.line("revitpy-install install");
    expect(unsaid.code).toBe(2);
    expect(unsaid.stderr).toContain("--host revit=2025");
    await sandbox.ok("revitpy-install config set hosts.revit 2025");
    await sandbox.ok("revitpy-install install --frozen");
    expect(sandbox.read("revitpy_packages/ul-geometry/version.txt")).toBe("2.0.0");
    await sandbox.ok("revitpy-install lock --host revit=2024 --host revit=2025 --host revit=2023");
    await sandbox.ok("revitpy-install install --host revit=2023");
    expect(sandbox.read("revitpy_packages/ul-geometry/version.txt")).toBe("1.0.0");
  });

  test("[RES-15] --all-hosts locks for every known version that the project supports", async () => {
    const project = plugin(["ul-newest"], `supported_revit_versions = ["2021", "2022", "2023", "2024", "2025"]\n`);
    const made = await project.use((context) => lock({ allHosts: true }, context));
    expect(made.environments).toEqual(["2021", "2022", "2023", "2024", "2025"].map((revit) => ({ revit })));
    expect(made.lock.packages.map(({ version, environments }) => [version, environments])).toEqual([
      ["1.0.0", ["revit=2021|2022"]],
      ["2.0.0", ["revit=2023|2024"]],
      ["3.0.0", ["revit=2025"]],
    ]);
    for (const [revit, version] of [
      ["2021", "1.0.0"],
      ["2024", "2.0.0"],
      ["2025", "3.0.0"],
    ] as const) {
      const shown = await project.use((context) => tree({ hosts: [`revit=${revit}`] }, context));
      expect(shown.roots[0]!.dependencies.map((node) => node.version)).toEqual([version]);
      expect(shown.environment).toEqual({ revit });
      const found = await project.use((context) => why({ name: "ul-newest", hosts: [`revit=${revit}`] }, context));
      expect(found.packages.map((one) => one.version)).toEqual([version]);
      expect(await project.use((context) => outdated({ hosts: [`revit=${revit}`] }, context))).toEqual([]);
    }
  });

  test("[RES-22] [RES-25] the manifest declares the environments, and changing one leaves the others' entries alone", async () => {
    const declare = (years: string): string => `\n[tool.revitpy.environments]\nrevit = ${years}\n`;
    const project = plugin(["ul-geometry", "ul-newest"], declare(`["2022", "2024"]`));
    await project.use((context) => install({ hosts: ["revit=2022"] }, context));
    const before = project.read("revitpy.lock");
    expect(await failure(() => project.use((context) => install({ hosts: ["revit=2025"] }, context)))).toBe(
      "LOCK_ENVIRONMENT_MISSING",
    );
    project.write({ "pyproject.toml": pyproject(["ul-geometry", "ul-newest"], declare(`["2022", "2024", "2025"]`)) });
    expect(
      await failure(() => project.use((context) => install({ mode: "locked", hosts: ["revit=2022"] }, context))),
    ).toBe("LOCK_OUTDATED");
    await project.use((context) => install({ hosts: ["revit=2025"] }, context));
    expect(locked(project.lock())).toEqual([
      "ul-core 1.4.0",
      "ul-geometry 1.0.0",
      "ul-geometry 2.0.0",
      "ul-newest 1.0.0",
      "ul-newest 2.0.0",
      "ul-newest 3.0.0",
    ]);
    const core = /name = "ul-core"[^[]*/.exec(before)![0];
    expect(project.read("revitpy.lock")).toContain(core);
    const again = project.read("revitpy.lock");
    await project.use((context) => lock({ refresh: [] }, context));
    expect(project.read("revitpy.lock")).toBe(again);
    project.write({ "pyproject.toml": pyproject(["ul-geometry"], declare(`["2030"]`)) });
    expect(await failure(() => project.use((context) => lock({}, context)))).toBe("HOST_INVALID");
    project.write({ "pyproject.toml": pyproject(["ul-geometry"], `\n[tool.revitpy.environments]\nrivet = ["1"]\n`) });
    expect(await failure(() => project.use((context) => lock({}, context)))).toBe("ENVIRONMENTS_INVALID");
  });

  test("[RES-09] [RES-10] an environment without a solution is named, with leaving it out as a way", async () => {
    const sandbox = open();
    sandbox.write("pyproject.toml", pyproject(["ul-geometry"]));
    const { code, stderr } = await sandbox.line("revitpy-install lock --host revit=2025 --host revit=2026");
    expect(code).toBe(4);
    expect(stderr).toContain("For revit 2026:");
    expect(stderr).toContain("leave out revit 2026: every other environment has a solution");
    expect(sandbox.has("revitpy.lock")).toBe(false);
  });

  test("one answer for all of them where the project wants that", async () => {
    const project = plugin(["ul-geometry"], `\n[tool.revitpy.resolver]\nenvironments = "every"\n`);
    expect(await failure(() => project.use((context) => lock({ hosts: ["revit=2024", "revit=2025"] }, context)))).toBe(
      "RESOLUTION_IMPOSSIBLE",
    );
    const made = await project.use((context) => lock({ hosts: ["revit=2023", "revit=2024"] }, context));
    expect(locked(made.lock)).toEqual(["ul-core 1.4.0", "ul-geometry 1.0.0"]);
  });
});

test("[MAN-36] one lock for several targets has what each of them needs", async () => {
  const sandbox = open();
  sandbox.write(
    "lading.toml",
    `[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\nul-core = "1"\nul-posix = { version = "1", targets = ["x86_64-linux"] }\nul-wine = { version = "1", targets = ["x86_64-windows"] }\n`,
  );
  const made = (await sandbox.json("lading --json lock --target x86_64-linux --target x86_64-windows")) as {
    readonly data?: { readonly lock: { readonly environments: unknown } };
    readonly lock?: { readonly environments: unknown };
  };
  expect((made.data ?? made).lock).toMatchObject({
    environments: [{ target: "x86_64-linux" }, { target: "x86_64-windows" }],
  });
  for (const [target, there, gone] of [
    ["x86_64-windows", "ul-wine", "ul-posix"],
    ["x86_64-linux", "ul-posix", "ul-wine"],
  ] as const) {
    await sandbox.ok(`lading install --target ${target}`);
    expect([sandbox.has(`lading_packages/${there}`), sandbox.has(`lading_packages/${gone}`)]).toEqual([true, false]);
    const shown = await sandbox.ok(`lading tree --target ${target}`);
    expect(shown.stdout).toContain(there);
    expect(shown.stdout).not.toContain(gone);
  }
  const missing = await sandbox.line("lading install --target wasm32");
  expect(missing.code).toBe(3);
  expect(missing.stderr).toContain("lock --target x86_64-linux --target x86_64-windows --target wasm32");
});
