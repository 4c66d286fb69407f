/** What manifests say of conditions, exclusive features and patches, from the author's file to the installed package. */
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import { publishPackage, removeTemporary } from "./lib/more.ts";

let registry: RegistryProcess;
const sandboxes: Sandbox[] = [];

beforeAll(async () => {
  registry = await startRegistry();
  for (const version of ["1.0.0", "2.0.0"]) await publishPackage(registry, { name: "rm-base", version });
  await publishPackage(registry, { name: "rm-registry", version: "1.0.0" });
});
afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  removeTemporary();
  await registry.dispose();
});

function open(): Sandbox {
  const sandbox = createSandbox({
    env: {
      REVITPY_REGISTRY_URL: registry.url,
      REVITPY_TOKEN: registry.token,
      LADING_REGISTRY_URL: registry.url,
      LADING_TOKEN: registry.token,
    },
  });
  sandboxes.push(sandbox);
  return sandbox;
}

const head = (name: string): string => `[package]\nname = "${name}"\nversion = "1.0.0"\nlicense = "MIT"\n`;

describe("dependencies under conditions", () => {
  test("[RES-14] go from an author's manifest through package, index and lock to what is installed for each host", async () => {
    const box = open();
    box.write(
      "kit/pyproject.toml",
      `[project]\nname = "rm-kit"\nversion = "1.0.0"\nlicense = "MIT"\ndependencies = ["rm-registry ; sys_platform == 'win32'"]\n\n` +
        `[tool.revitpy.target.'cfg(revit = ">=2025")']\ndependencies = ["rm-base>=2"]\n\n` +
        `[tool.revitpy.target.'cfg(revit = "<2025")']\ndependencies = ["rm-base<2"]\n`,
    );
    box.write("kit/rm_kit.py", "x = 1\n");
    await box.ok("revitpy-install publish", { cwd: "kit" });
    const index = (await (await fetch(`${registry.url}/index/_/rm/rm-kit.json`)).json()) as {
      dependencies: readonly { name: string; hosts?: object; targets?: object }[];
    };
    expect(index.dependencies).toEqual([
      { name: "rm-registry", requirement: "*", targets: ["*-windows"] },
      { hosts: { revit: ">=2025.0.0" }, name: "rm-base", requirement: ">=2.0.0" },
      { hosts: { revit: "<2025.0.0-0" }, name: "rm-base", requirement: "<2.0.0-0" },
    ]);
    box.write(
      "app/pyproject.toml",
      `[project]\nname = "app"\nversion = "1.0.0"\nlicense = "MIT"\ndependencies = ["rm-kit"]\n\n[tool.revitpy]\n`,
    );
    const app = { cwd: "app" };
    await box.ok(
      "revitpy-install lock --host revit=2024 --host revit=2025 --target x86_64-linux --target x86_64-windows",
      app,
    );
    const lock = box.read("app/revitpy.lock");
    expect(lock).toMatch(/name = "rm-base"\nversion = "1\.0\.0"[^]*?environments = \["revit=2024"\]/);
    expect(lock).toMatch(/name = "rm-base"\nversion = "2\.0\.0"[^]*?environments = \["revit=2025"\]/);
    expect(lock).toMatch(/name = "rm-registry"[^]*?environments = \["target=x86_64-windows"\]/);
    for (const [host, version] of [
      ["2024", "1.0.0"],
      ["2025", "2.0.0"],
    ] as const) {
      await box.ok(`revitpy-install install --locked --host revit=${host} --target x86_64-linux`, app);
      expect(box.read("app/revitpy_packages/rm-base/lading.toml")).toContain(`version = "${version}"`);
      expect(box.has("app/revitpy_packages/rm-registry")).toBe(false);
    }
    // A recording of all four environments is answered again without any network.
    await box.ok("revitpy-install lock --record all.json", app);
    const replay = await box.ok("revitpy-install resolve --replay all.json --offline", app);
    expect(replay.stdout).toContain("The same answer as recorded in all.json");
  });

  test("the version on this machine is asked for by `detect`, and shown by `env info`", async () => {
    const box = open();
    box.write(
      "pyproject.toml",
      `[project]\nname = "app"\nversion = "1.0.0"\nlicense = "MIT"\ndependencies = []\n\n[tool.revitpy]\n`,
    );
    box.write("bin/python3", "#!/bin/sh\necho Python 3.11.4\n");
    await box.ok("chmod +x bin/python3");
    const withPython = 'PATH="$PWD/bin:$PATH" ';
    await box.ok(`${withPython}revitpy-install lock --host python=detect`);
    expect(box.read("revitpy.lock")).toContain('python = ["3.11.4"]');
    await box.ok("revitpy-install config set hosts.python detect");
    const info = await box.ok(`${withPython}revitpy-install env info`);
    expect(info.stdout).toMatch(/python +3\.11\.4 +from the settings, detected/);
    box.write("bin/python3", "#!/bin/sh\nexit 3\n");
    const failed = await box.line(`${withPython}revitpy-install lock`);
    expect(failed.code).toBe(2);
    expect(failed.stderr).toContain('Cannot detect the version of host "python": "python3 --version" cannot be run');
    expect(failed.stderr).toContain("--host python=VERSION");
  });
});

describe("exclusive features", () => {
  test("are published, and who asks for both is told who asks for which", async () => {
    const box = open();
    box.write(
      "torch/lading.toml",
      `${head("rm-torch")}exclusive-features = [["cpu", "cuda"]]\n\n[features]\ncpu = []\ncuda = []\n`,
    );
    await box.ok("lading publish", { cwd: "torch" });
    await publishPackage(registry, {
      name: "rm-vision",
      version: "1.0.0",
      needs: { "rm-torch": { features: ["cuda"] } },
    });
    box.write(
      "lading.toml",
      `${head("app")}\n[dependencies]\nrm-vision = "1"\nrm-torch = { version = "1", features = ["cpu"] }\n`,
    );
    const failed = await box.line("lading lock");
    expect(failed.code).toBe(4);
    expect(failed.stderr).toContain('rm-torch 1.0.0 cannot have "cpu" and "cuda" on together');
    expect(failed.stderr).toContain("rm-vision");
    expect(failed.stderr).toContain(
      'help: go without feature "cpu" of rm-torch and everything resolves with rm-torch 1.0.0',
    );
  });
});

describe("[patch] and [overrides]", () => {
  test("a directory stands in for a registry's package below another package, and an unused one is told", async () => {
    const box = open();
    await publishPackage(registry, { name: "rm-user", version: "1.0.0", needs: { "rm-base": "1" } });
    box.write("fork/lading.toml", head("rm-base").replace("1.0.0", "1.0.1"));
    box.write("fork/mine.txt", "patched");
    box.write(
      "app/lading.toml",
      `${head("app")}\n[dependencies]\nrm-user = "1"\n\n[patch]\nrm-base = { path = "../fork" }\n`,
    );
    const app = { cwd: "app" };
    await box.ok("lading install", app);
    expect(box.read("app/lading_packages/rm-base/mine.txt")).toBe("patched");
    expect(box.read("app/lading.lock")).toContain('[patches]\nrm-base = "path+../fork"');
    await box.ok("lading install --locked", app);
    box.write(
      "app/lading.toml",
      `${head("app")}\n[dependencies]\nrm-base = "2"\n\n[patch]\nrm-base = { path = "../fork" }\n`,
    );
    const { stderr } = await box.ok("lading lock", app);
    expect(stderr).toContain('The patch of "rm-base" by 1.0.1 (path ../fork) was not used');
    expect(box.read("app/lading.lock")).toContain('version = "2.0.0"');
  });

  test("a repository stands in for a registry's package: at the locked commit, until it is updated", async () => {
    const box = open();
    await publishPackage(registry, { name: "rm-below", version: "1.0.0", needs: { "rm-base": "1" } });
    box.write("fork/lading.toml", head("rm-base").replace("1.0.0", "1.0.1"));
    box.write("fork/mine.txt", "first");
    const git = "git -c user.name=T -c user.email=t@example.com";
    await box.ok(`git init -q -b fix && git add . && ${git} commit -qm one`, { cwd: "fork" });
    const first = (await box.ok("git rev-parse HEAD", { cwd: "fork" })).stdout.trim();
    const url = pathToFileURL(box.path("fork")).href;
    const manifest = (source: string): void =>
      box.write(
        "app/lading.toml",
        `${head("app")}\n[dependencies]\nrm-below = "1"\n\n[patch]\nrm-base = { ${source} }\n`,
      );
    const app = { cwd: "app" };
    manifest(`git = "${url}", branch = "fix"`);
    await box.ok("lading install", app);
    expect(box.read("app/lading_packages/rm-base/mine.txt")).toBe("first");
    expect(box.read("app/lading.lock")).toContain(`[patches]\nrm-base = "git+${url}#${first}"`);
    expect((await box.ok("lading verify", app)).code).toBe(0);

    box.write("fork/mine.txt", "second");
    await box.ok(`${git} commit -qam two`, { cwd: "fork" });
    const second = (await box.ok("git rev-parse HEAD", { cwd: "fork" })).stdout.trim();
    // Neither a second install nor one from nothing, with no store and no cache, follows the branch.
    const locked = box.read("app/lading.lock");
    await box.ok("lading install", app);
    await box.ok("rm -rf lading_packages .lading ~/.cache ~/.local", app);
    expect((await box.ok("find ~ -name mine.txt", app)).stdout).toBe("");
    await box.ok("lading install --locked", app);
    expect(box.read("app/lading_packages/rm-base/mine.txt")).toBe("first");
    expect(box.read("app/lading.lock")).toBe(locked);

    await box.ok("lading update rm-base", app);
    expect(box.read("app/lading.lock")).toContain(`[patches]\nrm-base = "git+${url}#${second}"`);
    await box.ok("lading install", app);
    expect(box.read("app/lading_packages/rm-base/mine.txt")).toBe("second");

    manifest(`git = "${url}", rev = "${first}", version = "2"`);
    const failed = await box.line("lading lock", app);
    expect(failed.code).not.toBe(0);
    expect(failed.stderr).toContain(
      'Cannot use dependency "rm-base" of "lading.toml": its version is 1.0.1, asked for is 2',
    );
  });
});

describe("search for a host", () => {
  test("looks at every match, so that pages and their number are right", async () => {
    const box = open();
    for (let i = 10; i < 35; i++) {
      const hosts = i % 5 === 0 ? { revit: ">=2025.0.0" } : { revit: "<2025.0.0" };
      await publishPackage(registry, { name: `rm-many-${i}`, version: "1.0.0", hosts });
    }
    const page = async (number: number): Promise<{ total: number; items: readonly { name: string }[] }> =>
      (await box.json(
        `revitpy-install search rm-many --sort name --host revit=2025 --per-page 2 --page ${number} --json`,
      )) as never;
    const names: string[] = [];
    for (const number of [1, 2, 3]) {
      const { total, items } = await page(number);
      expect(total).toBe(5);
      names.push(...items.map(({ name }) => name));
    }
    expect(names.toSorted()).toEqual(["rm-many-10", "rm-many-15", "rm-many-20", "rm-many-25", "rm-many-30"]);
  });
});
