/** What manifests say of conditions, exclusive features and patches, from the author's file to the installed package. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import { publishPackage, publishPackages, removeTemporary } from "./lib/more.ts";

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

/** A registry's server with a list of what it was asked; without `knowsHosts` one of before searches knew hosts. */
async function between(knowsHosts: boolean): Promise<{ url: string; asked: string[]; close: () => Promise<void> }> {
  const asked: string[] = [];
  let own = "";
  const server = createServer((request, response) => {
    const url = new URL(request.url!, registry.url);
    asked.push(url.pathname);
    if (!knowsHosts) url.searchParams.delete("host");
    const passOn = async (): Promise<void> => {
      const answer = await fetch(url);
      const type = answer.headers.get("content-type") ?? "application/octet-stream";
      const bytes = Buffer.from(await answer.arrayBuffer());
      // What describes the registry must lead back here.
      const described = url.pathname === "/.well-known/lading.json";
      const { files: _files, ...rest } = described
        ? (JSON.parse(bytes.toString().replaceAll(registry.url, own)) as Record<string, unknown>)
        : {};
      response.writeHead(answer.status, { "content-type": type });
      response.end(described ? JSON.stringify(rest) : bytes);
    };
    passOn().catch(() => response.destroy());
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  own = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((done) => void server.close(done));
  };
  return { url: own, asked, close };
}

describe("search for a host", () => {
  beforeAll(async () => {
    const specs = Array.from({ length: 25 }, (_, i) => ({
      name: `rm-many-${i + 10}`,
      version: "1.0.0",
      hosts: i % 5 === 0 ? { revit: ">=2025.0.0" } : { revit: "<2025.0.0" },
    }));
    await publishPackages(registry, [
      ...specs,
      { name: "rm-many-10", version: "2.0.0", hosts: { revit: "<2025.0.0" } },
    ]);
  });

  test.each([
    ["is one request of a registry that chooses itself", true],
    ["looks at every match at one that does not", false],
  ])("%s, and has the pages and the number of what fits", async (_, knowsHosts) => {
    const box = open();
    const server = await between(knowsHosts);
    const page = async (number: number) =>
      (await box.json(
        `revitpy-install search rm-many --sort name --host revit=2025 --per-page 2 --page ${number} --json`,
        { env: { REVITPY_REGISTRY_URL: server.url } },
      )) as { total: number; hosts: Record<string, string>; items: readonly { name: string; version: string }[] };
    const found: string[] = [];
    const asked: number[][] = [];
    for (const number of [1, 2, 3]) {
      server.asked.length = 0;
      const { total, hosts, items } = await page(number);
      expect([total, hosts["revit"]]).toEqual([5, "2025"]);
      found.push(...items.map(({ name, version }) => `${name} ${version}`));
      asked.push([
        server.asked.filter((path) => path === "/api/v1/search").length,
        server.asked.filter((path) => path.includes("index/") && path.endsWith(".json")).length,
        server.asked.length,
      ]);
    }
    const [[, documents]] = asked as [number[]];
    expect(asked.map(([searches]) => searches)).toEqual(knowsHosts ? [1, 1, 1] : [2, 2, 2]);
    expect(documents! > 0).toBe(!knowsHosts);
    // Where the registry chooses, nothing else is asked but how to reach it.
    expect(asked.every(([, , all]) => all! <= 2)).toBe(knowsHosts);
    expect(found.toSorted()).toEqual(["10", "15", "20", "25", "30"].map((n) => `rm-many-${n} 1.0.0`));
    await server.close();
  });

  test("without words lists the packages of a category", async () => {
    await publishPackage(registry, { name: "rm-listed", version: "1.0.0", categories: ["rm-roofing"] });
    const found = (await open().json("lading search --category rm-roofing --json")) as { items: { name: string }[] };
    expect(found.items.map(({ name }) => name)).toEqual(["rm-listed"]);
  });
});
