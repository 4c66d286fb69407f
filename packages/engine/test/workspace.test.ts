import { execFileSync } from "node:child_process";
import { mkdir, stat, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { inspectPackage } from "@lading/archive/node";
import { add, check, init, install, lock, migrate, migrateNpmPackage, pack, tree } from "../src/index.ts";
import { createSandbox, type Sandbox } from "../src/testing.ts";

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox();
});
afterEach(() => box.remove());

const member = (name: string, dependencies = ""): string =>
  `[package]\nname = "${name}"\nversion = "1.0.0"\nlicense = "MIT"\ndescription = "d"\n\n[dependencies]\n${dependencies}`;

const inside = (...parts: string[]): { cwd: string } => ({ cwd: path.join(box.project, ...parts) });

describe("workspaces", () => {
  beforeEach(async () => {
    await box.registry.publish({ name: "leaf", version: "1.0.0" });
    await box.registry.publish({ name: "leaf", version: "2.0.0" });
    await box.write({
      "lading.toml": '[workspace]\nmembers = ["packages/*"]\nexclude = ["packages/old"]\n',
      "packages/core/lading.toml": member("core", 'leaf = "1"\n'),
      "packages/app/lading.toml": member("app", 'core = { path = "../core", version = "1.0" }\n'),
      "packages/old/lading.toml": member("old"),
    });
  });

  it("answer what another workspace calls its own, where they have a member of that name", async () => {
    const dependencies = { core: "workspace:*", leaf: "^2.0.0", stranger: "workspace:^" };
    await box.write({
      "packages/web/lading.toml": member("web"),
      "packages/web/package.json": JSON.stringify({ name: "web", version: "1.0.0", dependencies }),
    });
    const { added, findings } = await box.use(
      (context) => add({ specs: [], fromNpm: "package.json" }, context),
      inside("packages", "web"),
    );
    expect(added.map(({ name, source }) => [name, source])).toEqual([
      ["leaf", { type: "registry" }],
      ["core", { type: "path", path: "../core" }],
    ]);
    expect(findings.map(({ key, severity }) => [key, severity])).toEqual([["dependencies.stranger", "error"]]);
    expect(await box.read("packages/web/lading.toml")).toContain('core = { path = "../core" }');
  });

  it("have members by glob, one lock at the root and path dependencies between members", async () => {
    const summary = await box.use((context) => install({}, context), inside("packages", "app"));
    expect(summary.lock.lock.packages.map(({ name, source }) => [name, source?.type])).toEqual([
      ["core", "path"],
      ["leaf", "registry"],
    ]);
    expect(Object.keys(summary.lock.lock.members!)).toEqual(["app", "core"]);
    await expect(stat(path.join(box.project, "packages/app/lading.lock"))).rejects.toMatchObject({ code: "ENOENT" });
    const shown = await box.use((context) => tree({ package: "app" }, context));
    expect(shown.roots[0]!.dependencies[0]).toMatchObject({
      name: "core",
      source: "path packages/core",
      dependencies: [{ name: "leaf" }],
    });
  });

  it("change the member that is meant, and refuse to guess one", async () => {
    await expect(box.use((context) => add({ specs: ["leaf"] }, context))).rejects.toMatchObject({
      code: "WORKSPACE_MEMBER_UNKNOWN",
    });
    await box.use((context) => add({ specs: ["leaf@1"], package: "app", install: false }, context));
    expect(await box.read("packages/app/lading.toml")).toContain('leaf = "1"');
    await expect(box.use((context) => add({ specs: ["leaf"], package: "old" }, context))).rejects.toMatchObject({
      code: "WORKSPACE_MEMBER_UNKNOWN",
      message: expect.stringContaining('"app", "core"'),
    });
  });

  it("pack every member, with path dependencies by their version", async () => {
    const packed = await box.use((context) => pack({ workspace: true }, context));
    expect(packed.map(({ name }) => name)).toEqual(["app", "core"]);
    const { record } = await inspectPackage(packed[0]!.path);
    expect(record.manifest.dependencies).toMatchObject([{ name: "core", requirement: ">=1.0.0 <2.0.0-0" }]);
    expect(packed[0]!.contents).not.toContain("lading_packages");
  });

  it("report a circle of path dependencies with its path", async () => {
    await box.write({ "packages/core/lading.toml": member("core", 'app = { path = "../app" }\n') });
    await expect(box.use((context) => lock({}, context))).rejects.toMatchObject({
      code: "PATH_DEPENDENCY_CYCLE",
      message: expect.stringContaining("packages/app -> packages/core -> packages/app"),
    });
  });

  it("refuse a member that depends on itself, by a path or by what is published of it; its tests may use its directory", async () => {
    const refused = { code: "SELF_DEPENDENCY", message: expect.stringContaining('"core" 1.0.0') };
    for (const dependency of ['core = { path = "." }', 'core = "1"', 'again = { version = ">=1", package = "core" }']) {
      await box.write({ "packages/core/lading.toml": member("core", `${dependency}\n`) });
      await expect(box.use((context) => lock({}, context))).rejects.toMatchObject(refused);
    }
    const tests = '\n[dev-dependencies]\ncore = { path = "." }\n';
    await box.write({ "packages/core/lading.toml": member("core", tests) });
    await box.use((context) => lock({}, context));
    await expect(box.use((context) => add({ specs: ["app"], package: "app" }, context))).rejects.toMatchObject({
      code: "PACKAGE_NOT_FOUND",
    });
    await box.registry.publish({ name: "app", version: "1.0.0" });
    await expect(box.use((context) => add({ specs: ["app"], package: "app" }, context))).rejects.toMatchObject({
      code: "SELF_DEPENDENCY",
    });
  });

  it("refuse two members of one name, patterns that lead outside, and a path that leads to another package", async () => {
    await box.write({ "packages/twin/lading.toml": member("core") });
    await expect(box.use((context) => lock({}, context))).rejects.toMatchObject({ code: "WORKSPACE_INVALID" });
    await box.write({ "packages/twin/lading.toml": member("twin", 'wrong = { path = "../core" }\n') });
    await expect(box.use((context) => lock({}, context))).rejects.toMatchObject({
      code: "PATH_DEPENDENCY_INVALID",
      message: expect.stringContaining('called "core"'),
    });
    await box.write({ "packages/twin/lading.toml": member("twin", 'gone = { path = "../gone" }\n') });
    await expect(box.use((context) => lock({}, context))).rejects.toMatchObject({ code: "PATH_DEPENDENCY_INVALID" });
    await box.write({ "lading.toml": '[workspace]\nmembers = ["../*"]\n' });
    await expect(box.use((context) => lock({}, context))).rejects.toMatchObject({ code: "WORKSPACE_INVALID" });
  });

  it("need no registry where every dependency is local", async () => {
    await box.write({ "packages/core/lading.toml": member("core") });
    const env = { PATH: process.env["PATH"] };
    const summary = await box.use((context) => install({}, context), { env });
    expect(summary.install!.packages).toBe(1);
  });
});

describe("Git sources", () => {
  const git = (cwd: string, ...args: string[]): string =>
    execFileSync(
      "git",
      ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false", ...args],
      { cwd, encoding: "utf8" },
    ).trim();

  async function repository(): Promise<string> {
    const directory = path.join(box.root, "repository");
    await mkdir(directory);
    await writeFile(path.join(directory, "lading.toml"), member("from-git"));
    await writeFile(path.join(directory, "file.txt"), "tagged");
    git(directory, "init", "--quiet", "-b", "main");
    git(directory, "add", ".");
    git(directory, "commit", "--quiet", "-m", "one");
    git(directory, "tag", "v1.0");
    await writeFile(path.join(directory, "file.txt"), "newer");
    git(directory, "commit", "--quiet", "-am", "two");
    return directory;
  }

  it("are installed at their tag, with the commit in the lock, and stay there", async () => {
    const directory = await repository();
    const commit = git(directory, "rev-parse", "v1.0");
    await box.write({ "lading.toml": member("app", `from-git = { git = "file://${directory}", tag = "v1.0" }\n`) });
    await box.use((context) => install({}, context));
    expect(await box.read("lading_packages/from-git/file.txt")).toBe("tagged");
    expect(await box.read("lading.lock")).toContain(`source = "git+file://${directory}#${commit}"`);
    const again = await box.use((context) => install({}, context), { offline: true });
    expect(again.install!.upToDate).toBe(true);
  });

  it("name a tag that is missing, and refuse addresses that git would take for something else", async () => {
    const directory = await repository();
    await box.write({ "lading.toml": member("app", `from-git = { git = "file://${directory}", tag = "v9" }\n`) });
    await expect(box.use((context) => lock({}, context))).rejects.toMatchObject({
      code: "GIT_FAILED",
      message: expect.stringContaining('tag "v9"'),
    });
    for (const url of ["--upload-pack=touch x", "ext::sh -c id", "http://example.org/x.git", "-x:y"]) {
      await expect(box.use((context) => add({ specs: [], git: url }, context))).rejects.toMatchObject({
        code: "GIT_SOURCE_REFUSED",
      });
    }
    await expect(
      box.use((context) => add({ specs: [], git: `file://${directory}`, rev: "--all" }, context)),
    ).rejects.toMatchObject({ code: "GIT_SOURCE_REFUSED" });
  });
});

describe("init(), check() and migrate()", () => {
  it("init() makes a package that has no problems and ignores what is installed, not the lock", async () => {
    const made = await box.use((context) => init({ name: "company/app", license: "MIT", description: "x" }, context));
    expect(made.files).toEqual([".gitignore", "README.md", "lading.toml", "src/"]);
    expect(await box.read(".gitignore")).not.toContain("lading.lock");
    expect((await box.use((context) => check({}, context))).problems).toEqual([]);
    await expect(box.use((context) => init({}, context))).rejects.toMatchObject({ code: "PROJECT_EXISTS" });
    await expect(box.use((context) => init({ path: "x", license: "nonsense licence" }, context))).rejects.toMatchObject(
      { code: "SPEC_INVALID" },
    );
  });

  it("init() asks for a name where the directory's gives none", async () => {
    await expect(box.use((context) => init({ path: "é" }, context))).rejects.toMatchObject({
      code: "SPEC_INVALID",
      hint: expect.stringContaining("--name"),
    });
    expect(await box.use((context) => init({ path: "é", name: "e" }, context))).toMatchObject({ name: "e" });
  });

  it("init() writes rules by which git ignores the link to what is installed", async () => {
    await box.use((context) => init({ name: "app" }, context));
    await mkdir(path.join(box.project, ".lading/generations/1"), { recursive: true });
    await symlink(".lading/generations/1", path.join(box.project, "lading_packages"));
    const git = (...args: string[]): string => execFileSync("git", args, { cwd: box.project, encoding: "utf8" });
    git("init", "--quiet");
    expect(git("check-ignore", "lading_packages", ".lading/x", "target/package/x").trim().split("\n")).toEqual([
      "lading_packages",
      ".lading/x",
      "target/package/x",
    ]);
  });

  it("check() lists manifest, file and licence problems together", async () => {
    await box.write({
      "lading.toml":
        '[package]\nname = "app"\nversion = "1.0.0"\nlicense = "Nonsense"\nreadme = "GONE.md"\nexecutables = ["bin/x"]\n',
    });
    const { problems, errors } = await box.use((context) => check({}, context));
    expect(errors).toBe(2);
    expect(problems.filter(({ severity }) => severity === "error").map(({ message }) => message)).toEqual([
      'Readme "GONE.md" does not exist',
      'Executable "bin/x" is not among the files of the package',
    ]);
    expect(problems.some(({ message }) => message.includes("Nonsense"))).toBe(true);
    const near = '[package]\nname = "near"\nversion = "1.0.0"\nlicense = "MIT"\ndescription = "d"\n';
    const app = `${near.replace("near", "app")}\n[dependencies]\nnear = { path = "near" }\n`;
    await box.write({ "near/lading.toml": near, "lading.toml": app });
    expect(await box.use((context) => check({}, context))).toMatchObject({
      errors: 0,
      problems: [{ code: "MANIFEST_DEPENDENCY_UNPUBLISHABLE", severity: "warning" }],
    });
    await box.write({ "lading.toml": '[package]\nname = "Bad Name"\nversion = "1"\n' });
    expect((await box.use((context) => check({}, context))).errors).toBeGreaterThanOrEqual(2);
  });

  it("migrate() converts package.json beside it, reports what it cannot say, and overwrites nothing", async () => {
    await box.write({
      "package.json": JSON.stringify({
        name: "@scope/thing",
        version: "1.2.3",
        license: "MIT",
        dependencies: { leaf: "^1.0.0" },
        scripts: { postinstall: "x" },
      }),
    });
    const [migrated] = await box.use((context) => migrate({ from: "npm" }, context));
    expect(migrated).toMatchObject({ name: "scope/thing", version: "1.2.3", dependencies: 1, written: true });
    expect(await box.read("lading.toml")).toContain('leaf = "^1.0.0"');
    await expect(box.use((context) => migrate({ from: "npm" }, context))).rejects.toMatchObject({
      code: "MIGRATE_TARGET_EXISTS",
    });
    await box.write({ "bad/package.json": JSON.stringify({ name: "UPPER case", version: "1.0.0" }) });
    await expect(box.use((context) => migrate({ from: "npm", sources: ["bad"] }, context))).rejects.toMatchObject({
      code: "MIGRATE_SOURCE_INVALID",
    });
  });

  it("migrateNpmPackage() makes a tree of all its files that packs, ignore files or not", async () => {
    await box.write({
      "npm/package.json": JSON.stringify({ name: "lib", version: "2.0.0", main: "dist/index.js" }),
      "npm/dist/index.js": "1",
      "npm/.gitignore": "dist\n",
      "npm/node_modules/inner/package.json": "{}",
    });
    const migrated = await migrateNpmPackage({
      directory: path.join(box.project, "npm"),
      output: path.join(box.root, "out"),
    });
    expect(migrated.manifest.package).toMatchObject({ name: "lib", version: "2.0.0" });
    const [packed] = await box.use((context) => pack({}, context), { cwd: migrated.directory });
    expect(packed!.contents).toContain("dist/index.js");
    expect(packed!.contents.filter((file) => file.includes("node_modules"))).toEqual([]);
    await expect(
      migrateNpmPackage({ directory: path.join(box.project, "npm"), output: migrated.directory }),
    ).rejects.toMatchObject({ code: "MIGRATE_TARGET_EXISTS" });
  });
});
