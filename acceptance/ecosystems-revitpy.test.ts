import { createServer, type AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiJson, createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let registry: RegistryProcess;
const sandboxes: Sandbox[] = [];

function open(): Sandbox {
  const sandbox = createSandbox({
    replace: { "https://internal.company.com/registry": registry.url, "your-auth-token": registry.token },
  });
  sandboxes.push(sandbox);
  return sandbox;
}

/** A user whose registry is the local one. */
async function loggedIn(): Promise<Sandbox> {
  const sandbox = open();
  sandbox.write("~/.revitpy/config.toml", `[registry]\nurl = "${registry.url}"\ntimeout = 30\n`);
  await sandbox.ok("revitpy-install config set auth.token your-auth-token");
  return sandbox;
}

function writePackage(
  sandbox: Sandbox,
  directory: string,
  facts: { name: string; version: string; hosts?: readonly string[] },
): void {
  const hosts = facts.hosts ?? ["2024", "2025"];
  sandbox.write(
    `${directory}/pyproject.toml`,
    `[project]\nname = "${facts.name}"\nversion = "${facts.version}"\ndescription = "The ${facts.name} package"\nlicense = "MIT"\n\n[tool.revitpy]\nsupported_revit_versions = ${JSON.stringify(hosts)}\n`,
  );
  sandbox.write(`${directory}/${facts.name.replaceAll("-", "_")}/__init__.py`, `VERSION = "${facts.version}"\n`);
}

beforeAll(async () => {
  registry = await startRegistry({ bin: "revitpy-registry" });
});

afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await registry.dispose();
});

describe("revitpy-build", () => {
  test("[CLI-15] [MAN-04] [ARC-03] package --source builds dist/ here from the package there", async () => {
    const sandbox = open();
    sandbox.copy("examples/revitpy/my-package", "my-package");
    await sandbox.ok("revitpy-build package --source ./my-package");
    const { stdout } = await sandbox.ok("tar tzf ./dist/my-package-1.0.0.tar.gz");
    expect(stdout.split("\n")).toEqual(expect.arrayContaining(["pyproject.toml", "my_package/__init__.py"]));
  });

  test("[MAN-04] [MAN-36] [MAN-37] package builds from the table [revitpy] of the documents, and from an extra that names others", async () => {
    const sandbox = open();
    sandbox.write(
      "my-package/pyproject.toml",
      `[project]\nname = "my-revitpy-package"\nversion = "1.0.0"\ndescription = "A sample RevitPy package"\nauthors = [{name = "Your Name", email = "you@example.com"}]\nlicense = {text = "MIT"}\nrequires-python = ">=3.11"\ndependencies = [\n    "revitpy-core>=1.0.0",\n]\n\n[project.optional-dependencies]\nall = ["my-revitpy-package[dev,extra_features]"]\n\n# RevitPy-specific metadata\n[revitpy]\nsupported_revit_versions = ["2024", "2025"]\nentry_points = {commands = ["my_command = my_package.commands:main_command"]}\ncategories = ["geometry", "utilities"]\n\n[revitpy.dependencies.optional]\ndev = ["pytest>=6.0", "black>=22.0"]\nextra_features = ["matplotlib>=3.5.0"]\n`,
    );
    sandbox.write("my-package/my_package/__init__.py", "");
    await sandbox.ok("revitpy-build package --source ./my-package");
    await sandbox.ok("tar xzf dist/my-revitpy-package-1.0.0.tar.gz .lading/package.json");
    const { manifest } = JSON.parse(sandbox.read(".lading/package.json")) as { manifest: Record<string, unknown> };
    expect(manifest).toMatchObject({
      name: "my-revitpy-package",
      hosts: { revit: ">=2024.0.0 <2026.0.0" },
      features: { all: ["dev", "extra_features"], dev: ["pytest", "black"], extra_features: ["matplotlib"] },
    });
    const names = (manifest["dependencies"] as { name: string }[]).map(({ name }) => name);
    expect(names).not.toContain("my-revitpy-package");
  });

  test("[CLI-17] [SIG-05] [SIG-06] [CLI-18] [SIG-07] generate-key and sign leave the package's bytes as they are", async () => {
    const sandbox = open();
    sandbox.copy("examples/revitpy/my-package", "my-package");
    await sandbox.ok("revitpy-build package --source ./my-package && cp dist/my-package-1.0.0.tar.gz package.tar.gz");
    await sandbox.ok("revitpy-build generate-key --output signing.key");
    expect(sandbox.mode("signing.key")).toBe(0o600);
    expect(sandbox.has("signing.pub")).toBe(true);
    const before = (await sandbox.ok("sha256sum package.tar.gz")).stdout;
    await sandbox.ok("revitpy-build sign package.tar.gz --key signing.key");
    expect((await sandbox.ok("sha256sum package.tar.gz")).stdout).toBe(before);
    await sandbox.ok("revitpy-install verify package.tar.gz --key signing.pub");
  });

  test("[CLI-19] [SIG-08] verify --key refuses an altered byte, another key and a private key", async () => {
    const sandbox = open();
    sandbox.copy("examples/revitpy/my-package", "my-package");
    await sandbox.ok("revitpy-build package --source ./my-package && cp dist/my-package-1.0.0.tar.gz package.tar.gz");
    await sandbox.ok(
      "revitpy-build generate-key --output signing.key && revitpy-build generate-key --output other.key",
    );
    await sandbox.ok("revitpy-build sign package.tar.gz --key signing.key");
    await sandbox.ok("revitpy-install verify package.tar.gz --key signing.pub");
    expect((await sandbox.line("revitpy-install verify package.tar.gz --key other.pub")).code).toBe(7);
    const secret = await sandbox.line("revitpy-install verify package.tar.gz --key signing.key");
    expect(secret.code).not.toBe(0);
    expect(secret.stderr).toMatch(/private key/i);
    await sandbox.ok("printf X | dd of=package.tar.gz bs=1 seek=100 conv=notrunc status=none");
    expect((await sandbox.line("revitpy-install verify package.tar.gz --key signing.pub")).code).not.toBe(0);
  });

  test("[CLI-16] publish sends the file that is named", async () => {
    const sandbox = await loggedIn();
    sandbox.copy("examples/revitpy/my-package", "my-package");
    await sandbox.ok("revitpy-build package --source ./my-package");
    await sandbox.ok("revitpy-build publish ./dist/my-package-1.0.0.tar.gz");
    const { items } = await apiJson<{ items: { version: string }[] }>(registry, "/api/v1/packages/my-package/versions");
    expect(items.map(({ version }) => version)).toEqual(["1.0.0"]);
  });
});

describe("revitpy-install", () => {
  test("[CLI-20] [CCH-19] [CCH-20] config set writes dotted keys, and a token where only its owner reads it", async () => {
    const sandbox = open();
    await sandbox.ok("revitpy-install config set registry.url https://internal.company.com/registry");
    await sandbox.ok("revitpy-install config set auth.token your-auth-token");
    expect(sandbox.read("~/.revitpy/config.toml")).toMatch(new RegExp(`\\[registry\\]\\nurl = "${registry.url}/?"`));
    expect(sandbox.read("~/.revitpy/config.toml")).not.toContain(registry.token);
    expect(sandbox.mode("~/.revitpy/credentials.toml")).toBe(0o600);
    const { stdout } = await sandbox.ok("revitpy-install config list");
    expect(stdout).toContain(registry.url);
    expect(stdout).not.toContain(registry.token);
    expect((await sandbox.ok("revitpy-install whoami")).stdout).toContain("admin");
  });

  test("[CLI-13] [INS-01] [CCH-14] [CCH-15] install NAME installs from the configured registry into a new project", async () => {
    const sandbox = await loggedIn();
    writePackage(sandbox, "revitpy-geometry", { name: "revitpy-geometry", version: "1.2.0" });
    await sandbox.ok("revitpy-build publish", { cwd: "revitpy-geometry" });
    sandbox.write("project/.keep", "");
    await sandbox.ok("revitpy-install install revitpy-geometry", { cwd: "project" });
    expect(sandbox.read("project/revitpy_packages/revitpy-geometry/revitpy_geometry/__init__.py")).toContain("1.2.0");
    const lock = sandbox.read("project/revitpy.lock");
    expect(lock).toMatch(/name = "revitpy-geometry"\nversion = "1\.2\.0"/);
    expect(lock).toContain(`source = "registry+${registry.url}/"`);
    expect((await sandbox.ok("revitpy-install verify", { cwd: "project" })).stdout).toContain("1 installed package");

    await sandbox.ok("revitpy-install config set registry.url http://127.0.0.1:2");
    const elsewhere = await sandbox.line("revitpy-install search geometry");
    expect(elsewhere.code).toBe(5);
    expect(elsewhere.stderr).toContain("127.0.0.1:2");
  });

  test("[INS-15] verify of what is installed fails when a file of it is gone", async () => {
    const sandbox = await loggedIn();
    writePackage(sandbox, "walls", { name: "walls", version: "1.0.0" });
    await sandbox.ok("revitpy-build publish", { cwd: "walls" });
    sandbox.write("project/.keep", "");
    await sandbox.ok("revitpy-install install walls", { cwd: "project" });
    await sandbox.ok("chmod -R u+w revitpy_packages/walls/ && rm revitpy_packages/walls/walls/__init__.py", {
      cwd: "project",
    });
    const { code, stderr } = await sandbox.line("revitpy-install verify", { cwd: "project" });
    expect({ code, named: stderr.includes("walls") }).toEqual({ code: 7, named: true });
  });

  test("[RES-14] [MAN-36] a version that does not support the host is passed over", async () => {
    const sandbox = await loggedIn();
    for (const [version, hosts] of [
      ["1.0.0", ["2024", "2025"]],
      ["2.0.0", ["2024"]],
    ] as const) {
      writePackage(sandbox, `columns-${version}`, { name: "columns", version, hosts });
      await sandbox.ok("revitpy-build publish", { cwd: `columns-${version}` });
    }
    for (const [host, version] of [
      ["2025", "1.0.0"],
      ["2024", "2.0.0"],
    ] as const) {
      sandbox.write(`host-${host}/.keep`, "");
      await sandbox.ok(`revitpy-install install "columns@>=1.0" --revit-version ${host}`, { cwd: `host-${host}` });
      expect(sandbox.read(`host-${host}/revitpy_packages/columns/columns/__init__.py`)).toContain(version);
    }
  });

  test("[CLI-21] [INS-27] install --index-url of a private registry's index uses the token that was configured for it", async () => {
    const own = await startRegistry({ bin: "revitpy-registry", env: { REGISTRY_READ_PUBLIC: "false" } });
    const sandbox = createSandbox({
      replace: { "https://internal.company.com/registry": own.url, "https://internal.company.com": own.url },
      env: { TOKEN: own.token },
    });
    try {
      const line = "revitpy-install install --index-url https://internal.company.com/simple/ private-package";
      await sandbox.ok("revitpy-install config set registry.url https://internal.company.com/registry");
      await sandbox.ok("revitpy-install config set auth.token $TOKEN");
      writePackage(sandbox, "private-package", { name: "private-package", version: "1.0.0" });
      await sandbox.ok("revitpy-build publish", { cwd: "private-package" });
      sandbox.write("project/.keep", "");
      await sandbox.ok(line, { cwd: "project" });
      expect(sandbox.has("project/revitpy_packages/private-package/pyproject.toml")).toBe(true);
      await sandbox.ok("revitpy-install config unset auth.token");
      sandbox.write("stranger/.keep", "");
      const refused = await sandbox.line(line, { cwd: "stranger" });
      expect([refused.code, refused.stderr]).toEqual([6, expect.stringContaining("REGISTRY_AUTH_REQUIRED")]);
    } finally {
      await sandbox.dispose();
      await own.dispose();
    }
  });

  test("install --index-url asks that registry", async () => {
    const owner = await loggedIn();
    writePackage(owner, "private-package", { name: "private-package", version: "1.0.0" });
    await owner.ok("revitpy-build publish", { cwd: "private-package" });
    const sandbox = open();
    await sandbox.ok("revitpy-install install --index-url https://internal.company.com/registry private-package");
    expect(sandbox.has("revitpy_packages/private-package/pyproject.toml")).toBe(true);
  });
});

describe("revitpy-registry", () => {
  test("[CLI-11] [SRV-01] it listens where it is told, is healthy, and ends cleanly on SIGTERM", async () => {
    const port = await freePort();
    const own = await startRegistry({ bin: "revitpy-registry", host: "0.0.0.0", port });
    expect(new URL(own.url).port).toBe(String(port));
    const health = await fetch(`http://127.0.0.1:${port}/api/v1/health`);
    expect(health.status).toBe(200);
    expect(await health.json()).toMatchObject({ status: "ok" });
    expect(await own.stop()).toBe(0);
    await own.dispose();
  });

  test("its default port is RevitPy's", async () => {
    const { stdout } = await open().ok("revitpy-registry --print-config");
    expect(stdout).toMatch(/^server\.port = 8000 /m);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
