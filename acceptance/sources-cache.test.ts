import { randomBytes } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatRate, install, lock, packageMetrics } from "@lading/engine";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import { anHourPasses, createProject, publishPackage, removeTemporary } from "./lib/more.ts";

let registry: RegistryProcess;
const sandboxes: Sandbox[] = [];

/** A user of RevitPy whose configuration file is as documented, with these lines below `[installer]`. */
function open(installer: string): Sandbox {
  const sandbox = createSandbox({ env: { REVITPY_TOKEN: registry.token } });
  sandboxes.push(sandbox);
  sandbox.write(
    "~/.revitpy/config.toml",
    `[registry]\nurl = "${registry.url}"\ntimeout = 30\n\n[installer]\n${installer}\n`,
  );
  return sandbox;
}

const BIG_BYTES = 400_000;

beforeAll(async () => {
  registry = await startRegistry({ bin: "revitpy-registry" });
  const author = open("");
  for (const name of ["big-one", "big-two", "big-three"]) {
    author.write(
      `${name}/pyproject.toml`,
      `[project]\nname = "${name}"\nversion = "1.0.0"\ndescription = "Big"\nlicense = "MIT"\n\n[tool.revitpy]\nsupported_revit_versions = ["2025"]\n`,
    );
    writeFileSync(author.path(name, "data.bin"), randomBytes(BIG_BYTES));
    await author.ok("revitpy-build publish", { cwd: name });
  }
});

afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  removeTemporary();
  await registry.dispose();
});

function bytesBelow(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(path.join(entry.parentPath, entry.name)).size, 0);
}

async function installIn(sandbox: Sandbox, cwd: string, name: string): Promise<void> {
  mkdirSync(sandbox.path(cwd));
  await sandbox.ok(`revitpy-install install ${name}`, { cwd });
}

describe("the documented cache", () => {
  test('[CCH-17] cache_dir = "~/.revitpy/cache" is below the home directory, and files land there', async () => {
    const sandbox = open('cache_dir = "~/.revitpy/cache"');
    await installIn(sandbox, "app", "big-one");
    expect(bytesBelow(`${sandbox.home}/.revitpy/cache`)).toBeGreaterThan(0);
    expect(sandbox.has("~/.cache/revitpy")).toBe(false);
    expect(sandbox.has("app/~")).toBe(false);
  });

  test.each(["1MB", "900kb"])(
    "[CCH-18] max_cache_size = %s keeps the packages below it, the least recently used go first",
    async (limit) => {
      const sandbox = open(`max_cache_size = "${limit}"`);
      for (const name of ["big-one", "big-two", "big-three"]) {
        await installIn(sandbox, name, name);
        // What nothing uses any more may go.
        if (name !== "big-three") await sandbox.ok(`rm -rf ${name}`);
        anHourPasses(`${sandbox.home}/.local/share/revitpy/store/v1`);
      }
      const kept = execFileSync("find", [`${sandbox.home}/.local/share/revitpy/store`, "-name", "data.bin"], {
        encoding: "utf8",
      });
      expect(kept.trim().split("\n")).toHaveLength(2);
      expect(bytesBelow(`${sandbox.home}/.local/share/revitpy/store`)).toBeLessThan(1_000_000 + 300_000);
      await sandbox.ok("revitpy-install verify", { cwd: "big-three" });
    },
  );

  test("[CCH-37] what a copy of cache and configuration restores works without the registry", async () => {
    const sandbox = open('cache_dir = "~/.revitpy/cache"');
    await installIn(sandbox, "app", "big-one");
    await sandbox.ok("tar czf ../backup.tar.gz -C ~ .revitpy .local/share/revitpy");
    await sandbox.ok(
      "chmod -R u+w ~/.revitpy ~/.local/share/revitpy && rm -rf ~/.revitpy ~/.local/share/revitpy app/.lading app/revitpy_packages",
    );
    expect((await sandbox.line("revitpy-install install --frozen --offline", { cwd: "app" })).code).not.toBe(0);
    await sandbox.ok("tar xzf ../backup.tar.gz -C ~");
    await sandbox.ok("revitpy-install install --frozen --offline", { cwd: "app" });
    expect(statSync(sandbox.path("app/revitpy_packages/big-one/data.bin")).size).toBe(BIG_BYTES);
    await sandbox.ok("revitpy-install verify", { cwd: "app" });
  });
});

describe("metrics of the library", () => {
  test("[OBS-03] [OBS-04] [OBS-06] one object counts stored packages, requests and the share of cache hits", async () => {
    await publishPackage(registry, { name: "counted-one", version: "1.0.0" });
    await publishPackage(registry, { name: "counted-two", version: "1.0.0", needs: { "counted-one": "1" } });
    const metrics = packageMetrics();
    expect(packageMetrics()).toBe(metrics);
    const [requests, cached] = [metrics.registryRequests(), metrics.cachedPackages()];
    const project = createProject(
      { "lading.toml": '[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\ncounted-two = "1"\n' },
      { registry: registry.url },
    );
    await project.use((context) => install({}, context));
    expect(metrics.cachedPackages() - cached).toBe(2);
    const stored = execFileSync("find", [project.home, "-path", "*.lading/package.json"], { encoding: "utf8" });
    expect(stored.trim().split("\n")).toHaveLength(2);
    const after = metrics.registryRequests();
    expect(after).toBeGreaterThan(requests);
    const rate = metrics.cacheHitRate();
    await project.use((context) => lock({ refresh: "all" }, context));
    expect(metrics.registryRequests()).toBeGreaterThan(after);
    expect(metrics.cacheHitRate()).toBeGreaterThan(rate);
    expect(metrics.cacheHitRate()).toBeLessThanOrEqual(1);
    expect(formatRate(metrics.cacheHitRate())).toMatch(/^\d{1,3}\.\d\d%$/);
    expect(formatRate(0.875)).toBe("87.50%");
  });
});

describe("what is printed", () => {
  test("[CLI-30] a bar is drawn on a terminal, and none into a pipe", async () => {
    const sandbox = open("");
    mkdirSync(sandbox.path("piped"));
    const piped = await sandbox.ok("revitpy-install install big-two", { cwd: "piped" });
    expect(`${piped.stdout}${piped.stderr}`).not.toMatch(/\[[#-]{20}\]|\r/);
    mkdirSync(sandbox.path("drawn"));
    await sandbox.ok(
      "revitpy-install clean --all && cp piped/revitpy.toml drawn/ 2>/dev/null || cp piped/pyproject.toml drawn/",
    );
    const drawn = await sandbox.terminal("cd drawn && revitpy-install install big-three", []);
    expect(drawn.stdout).toContain("\u001b[2K");
  });

  test("[CLI-67] [OBS-02] RUST_LOG and our own variable show debug lines on standard error, and nothing on standard output", async () => {
    const sandbox = createSandbox({ env: { GAL_REGISTRY_URL: registry.url } });
    sandboxes.push(sandbox);
    sandbox.write("gal.toml", '[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\ncounted-one = "1"\n');
    const plain = await sandbox.ok("gal-pkg install && rm -rf .lading gal_packages gal.lock");
    expect(plain.stderr).not.toContain("debug http");
    const lines = [
      "export RUST_LOG=gal::package=debug\ngal-pkg install",
      "GAL_LOG=debug gal-pkg install",
      "GAL_DEBUG=1 gal-pkg install",
    ];
    for (const line of lines) {
      const { stdout, stderr } = await sandbox.ok(`${line} && rm -rf .lading gal_packages gal.lock`);
      expect(stderr).toMatch(/debug (?:http|cache): /);
      expect(stdout).not.toContain("debug");
    }
  });

  test("[CLI-68] with --json, standard output is one JSON document and nothing else", async () => {
    const sandbox = createSandbox({ env: { GAL_REGISTRY_URL: registry.url } });
    sandboxes.push(sandbox);
    sandbox.write("gal.toml", '[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\ncounted-one = "1"\n');
    for (const line of [
      "install --json",
      "tree --format json",
      "info counted-one --json",
      "check --json",
      "config list --json",
    ]) {
      const { stdout } = await sandbox.line(`gal-pkg ${line} | python3 -m json.tool > /dev/null && echo whole`);
      expect(`${line}: ${stdout}`).toBe(`${line}: whole\n`);
    }
  });
});
