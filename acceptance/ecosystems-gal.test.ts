import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  company,
  inside,
  main,
  MY_PACKAGE,
  open,
  project,
  publish,
  startRegistries,
  statusOf,
  stopRegistries,
  type Fixture,
} from "./lib/gal.ts";
import { apiJson } from "./lib/harness.ts";
import { anHourPasses } from "./lib/more.ts";

const FIXTURES: readonly Fixture[] = [
  { name: "actor-utils", version: "1.2.0", description: "Helpers for an actor system" },
  { name: "actor-utils", version: "1.2.3", description: "Helpers for an actor system" },
  { name: "actor-utils", version: "2.0.0", description: "Helpers for an actor system" },
  { name: "test-framework", version: "2.1.0" },
  { name: "rand", version: "0.8.5" },
  {
    name: "chaos-lib",
    version: "0.5.2",
    more: `[dependencies]\nrand = "0.8"\n\n[dev-dependencies]\ntest-framework = "^2.0"\n\n[features]\nscheduling = []\nexperimental = []\n`,
  },
  { name: "old-actors", version: "1.0.0", more: `[dependencies]\nactor-utils = "^1.2.0"\n` },
];

beforeAll(() => startRegistries(FIXTURES));

afterAll(stopRegistries);

describe("package initialization", () => {
  test("[CLI-31] init makes a manifest and a source skeleton, and its ignore file keeps the lock", async () => {
    const sandbox = open();
    await sandbox.ok("gal-pkg init my-package");
    expect(sandbox.read("gal.toml")).toMatch(/^\[package\]\nname = "my-package"\nversion = "0\.1\.0"$/m);
    expect(sandbox.has("src")).toBe(true);
    expect(sandbox.read(".gitignore")).not.toMatch(/lock/);
    await sandbox.ok("gal-pkg check");
  });

  test("[CLI-32] init --path makes the package at that path", async () => {
    const sandbox = open();
    await sandbox.ok("gal-pkg init my-package --path ./packages/my-package");
    expect(sandbox.read("packages/my-package/gal.toml")).toContain('name = "my-package"');
    expect(sandbox.has("packages/my-package/src")).toBe(true);
    expect(sandbox.has("gal.toml")).toBe(false);
  });
});

describe("the example's package", () => {
  test("it has no problems and packs", async () => {
    const sandbox = open();
    sandbox.copy("examples/gal/project", "project");
    expect((await sandbox.ok("gal-pkg check", { cwd: "project" })).stdout).toContain("No problems");
    await sandbox.ok("gal-pkg pack", { cwd: "project" });
    expect(sandbox.has("project/target/my-package-1.0.0.galpkg")).toBe(true);
  });
});

/** The manifest of the document, as it stands there. */
const DOCUMENTED = `[package]
name = "my-package"
version = "1.0.0"
authors = ["Your Name <your@email.com>"]
description = "A GAL package"
license = "MIT"
repository = "https://github.com/user/my-package"
homepage = "https://my-package.example.com"
keywords = ["actor", "concurrency"]
categories = ["actor-model", "utilities"]
edition = "2024"
gal-version = "1.0"

[dependencies]
actor-utils = "^1.2.0"
chaos-lib = { version = "0.5", features = ["scheduling"] }
local-dep = { path = "../local-dep" }
git-dep = { git = "https://github.com/user/repo", tag = "v1.0" }

[dev-dependencies]
test-framework = "^2.0"

[build-dependencies]
codegen-helper = "1.0"

# Chaos engineering profiles
[chaos-profile.production]
fault_injection_rate = 0.001
allowed_faults = ["network_delay", "packet_loss"]
max_fault_duration = "5s"
network_partition_probability = 0.0001
message_drop_rate = 0.001

[chaos-profile.testing]
fault_injection_rate = 0.5
allowed_faults = ["all"]
chaos_seed = 12345
max_fault_duration = "1m"
network_partition_probability = 0.1
message_drop_rate = 0.2

# Build profiles
[profile.dev]
optimization_level = 0
debug = true
chaos_profile = "testing"

[profile.release]
optimization_level = 3
debug = false
lto = "fat"
chaos_profile = "production"

# Features
[features]
default = ["standard"]
standard = ["actor-utils/default"]
experimental = ["chaos-lib/experimental"]
`;

describe("the documented manifest", () => {
  test("[MAN-19] [MAN-20] [MAN-26] [MAN-27] installs from registry, directory and Git as it stands, by each of its profiles and features", async () => {
    const sandbox = project(DOCUMENTED);
    await publish(sandbox, { name: "codegen-helper", version: "1.0.4" });
    sandbox.write("local-dep/gal.toml", '[package]\nname = "local-dep"\nversion = "0.1.0"\n');
    sandbox.write("repo/gal.toml", '[package]\nname = "git-dep"\nversion = "1.0.0"\n');
    sandbox.write(
      "~/.gitconfig",
      `[user]\n  name = Ada\n  email = ada@example.com\n[url "file://${sandbox.work}/"]\n  insteadOf = https://github.com/user/\n`,
    );
    await sandbox.ok("git init -q . && git add -A && git commit -q -m 1 && git tag v1.0", { cwd: "repo" });
    const checked = await sandbox.ok("gal-pkg check", inside);
    expect(checked.stdout).toContain("0 errors, 3 warnings");
    expect(checked.stdout).toContain("the commit is not in the cache");
    await sandbox.ok("gal-pkg install", inside);
    const names = ["actor-utils", "chaos-lib", "codegen-helper", "git-dep", "local-dep", "rand", "test-framework"];
    const lock = sandbox.read("my-package/gal.lock");
    expect([...lock.matchAll(/^name = "(.*)"$/gm)].map((match) => match[1])).toEqual(names);
    expect(lock).toMatch(/name = "chaos-lib"[^[]*features = \["scheduling"\]/);
    expect((await sandbox.ok("gal-pkg check", inside)).stdout).toContain("0 errors, 2 warnings");
    await sandbox.ok("gal-pkg install --features experimental --profile release", inside);
    expect(sandbox.read("my-package/gal.lock")).toMatch(/features = \["experimental", "scheduling"\]/);
    expect((await sandbox.ok("gal-pkg config get profile.release.lto", inside)).stdout).toBe("fat\n");
    expect(await sandbox.json("gal-pkg chaos export dev", inside)).toMatchObject({ profile: "testing" });
  });
});

describe("dependency management", () => {
  test("[CLI-33] [MAN-17] [RES-04] add writes the requirement and keeps every other byte", async () => {
    const sandbox = project(MY_PACKAGE);
    await sandbox.ok("gal-pkg add actor-utils@^1.2.0", inside);
    expect(sandbox.read("my-package/gal.toml")).toBe(`${MY_PACKAGE}actor-utils = "^1.2.0"\n`);
    expect(sandbox.read("my-package/gal.lock")).toMatch(/name = "actor-utils"\nversion = "1\.2\.3"/);
    expect(sandbox.read("my-package/gal_packages/actor-utils/src/lib.gal")).toBe("// actor-utils 1.2.3\n");
  });

  test("[CLI-34] [MAN-23] add --dev goes to dev-dependencies, which a dependent never gets", async () => {
    const sandbox = project(MY_PACKAGE);
    await sandbox.ok("gal-pkg add test-framework@^2.0 --dev", inside);
    expect(sandbox.read("my-package/gal.toml")).toMatch(/\[dev-dependencies\]\ntest-framework = "\^2\.0"/);
    expect(sandbox.has("my-package/gal_packages/test-framework")).toBe(true);

    const dependent = project(`${MY_PACKAGE}chaos-lib = "0.5"\n`);
    await dependent.ok("gal-pkg install", inside);
    expect(dependent.has("my-package/gal_packages/chaos-lib")).toBe(true);
    expect(dependent.has("my-package/gal_packages/test-framework")).toBe(false);
    expect(dependent.read("my-package/gal.lock")).not.toContain("test-framework");
    // They are not even told: what is published names the dependencies that others get.
    const published = await apiJson<{ dependencies: { name: string }[] }>(
      main,
      "/api/v1/packages/chaos-lib/versions/0.5.2",
    );
    expect(published.dependencies.map(({ name }) => name)).toEqual(["rand"]);

    // A directory still has them: that it is a dependency there leaves them out.
    dependent.write(
      "beside/gal.toml",
      `[package]\nname = "beside"\nversion = "1.0.0"\n\n[dependencies]\nrand = "0.8"\n\n[dev-dependencies]\ntest-framework = "^2.0"\n`,
    );
    dependent.write("my-package/gal.toml", `${MY_PACKAGE}beside = { path = "../beside" }\n`);
    await dependent.ok("gal-pkg install", inside);
    expect(dependent.has("my-package/gal_packages/beside")).toBe(true);
    expect(dependent.read("my-package/gal.lock")).not.toContain("test-framework");
  });

  test("[CLI-35] [MAN-18] [LCK-06] add --features writes the table form, and the lock has the features", async () => {
    const sandbox = project(MY_PACKAGE);
    await sandbox.ok("gal-pkg add chaos-lib@0.5 --features scheduling,experimental", inside);
    expect(sandbox.read("my-package/gal.toml")).toContain(
      `chaos-lib = { version = "0.5", features = ["scheduling", "experimental"] }\n`,
    );
    const entry = /name = "chaos-lib"[^[]*(?:\[[^\]]*\][^[]*)*/.exec(sandbox.read("my-package/gal.lock"))![0];
    expect(entry).toContain('features = ["experimental", "scheduling"]');
    expect(entry).toContain('dependencies = ["rand"]');
  });

  test("[CLI-36] remove takes the package from manifest, lock and installation", async () => {
    const sandbox = project(`${MY_PACKAGE}actor-utils = "^1.2.0"  # for now\nrand = "0.8"\n`);
    await sandbox.ok("gal-pkg install", inside);
    await sandbox.ok("gal-pkg remove actor-utils", inside);
    expect(sandbox.read("my-package/gal.toml")).toBe(`${MY_PACKAGE}rand = "0.8"\n`);
    expect(sandbox.read("my-package/gal.lock")).not.toContain("actor-utils");
    expect(sandbox.has("my-package/gal_packages/actor-utils")).toBe(false);
    expect(sandbox.has("my-package/gal_packages/rand")).toBe(true);
  });

  test("[INS-25] [LCK-01] [LCK-03] [LCK-04] install installs every entry of the lock it writes", async () => {
    const sandbox = project(`${MY_PACKAGE}actor-utils = "^1.2.0"\nchaos-lib = "0.5"\n`);
    await sandbox.ok("gal-pkg install", inside);
    const lock = sandbox.read("my-package/gal.lock");
    expect(lock).toMatch(/^version = 1$/m);
    expect(lock).toMatch(/^root = "my-package"$/m);
    const names = [...lock.matchAll(/^name = "(.*)"$/gm)].map((match) => match[1]!);
    expect(names).toEqual(["actor-utils", "chaos-lib", "rand"]);
    expect(lock.match(/^checksum = "sha256:[0-9a-f]{64}"$/gm)).toHaveLength(3);
    const { stdout } = await sandbox.ok("gal-pkg verify", inside);
    expect(stdout).toContain("3 installed packages");
  });

  test("[CLI-37] [INS-26] install --profile release installs what that profile's features need", async () => {
    const sandbox = project(
      `${MY_PACKAGE}actor-utils = "^1.2.0"\nrand = { version = "0.8", optional = true }\n\n[features]\nfast = ["dep:rand"]\n\n[profile.dev]\ndebug = true\n\n[profile.release]\noptimization_level = 3\nfeatures = ["fast"]\n`,
    );
    await sandbox.ok("gal-pkg install", inside);
    expect(sandbox.has("my-package/gal_packages/rand")).toBe(false);
    await sandbox.ok("gal-pkg install --profile release", inside);
    expect(sandbox.has("my-package/gal_packages/rand")).toBe(true);
  });

  test("[LCK-08] [LCK-09] [CLI-39] [RES-25] install keeps the lock, update moves all of it or one package", async () => {
    const sandbox = project(`${MY_PACKAGE}moving = "^1.0"\nother = "^1.0"\n`);
    for (const name of ["moving", "other"]) await publish(sandbox, { name, version: "1.0.0" });
    await sandbox.ok("gal-pkg install", inside);
    for (const name of ["moving", "other"]) await publish(sandbox, { name, version: "1.1.0" });
    const versions = (): string[] =>
      [...sandbox.read("my-package/gal.lock").matchAll(/^name = "(.*)"\nversion = "(.*)"$/gm)].map(
        (match) => `${match[1]} ${match[2]}`,
      );

    await sandbox.ok("gal-pkg install", inside);
    expect(versions()).toEqual(["moving 1.0.0", "other 1.0.0"]);
    const entry = (name: string): string | undefined =>
      sandbox
        .read("my-package/gal.lock")
        .split("[[packages]]")
        .find((text) => text.includes(`name = "${name}"`));
    const before = entry("other");
    await sandbox.ok("gal-pkg update moving", inside);
    expect(versions()).toEqual(["moving 1.1.0", "other 1.0.0"]);
    expect(entry("other")).toBe(before);
    await sandbox.ok("gal-pkg update", inside);
    expect(versions()).toEqual(["moving 1.1.0", "other 1.1.0"]);

    sandbox.write(
      "my-package/gal.lock",
      sandbox.read("my-package/gal.lock").replaceAll('version = "1.1.0"', 'version = "1.0.0"'),
    );
    await sandbox.ok("rm gal.lock && gal-pkg install", inside);
    expect(versions()).toEqual(["moving 1.1.0", "other 1.1.0"]);
  });
});

describe("a token that is not valid any more", () => {
  test("stands in the way of nothing that is public: documents, proofs of the log and files", async () => {
    const sandbox = project(`${MY_PACKAGE}actor-utils = "^1.2.0"\n`, { GAL_REGISTRY_TOKEN: `ldg_${"0".repeat(36)}` });
    const { stderr } = await sandbox.ok("gal-pkg install", inside);
    expect(stderr).toContain("what is public is read without it");
    expect(sandbox.has("my-package/gal_packages/actor-utils/gal.toml")).toBe(true);
  });
});

describe("package discovery", () => {
  test("[CLI-40] [SRC-02] [MAN-09] search finds by several words, as a table and as JSON", async () => {
    const sandbox = project(MY_PACKAGE);
    const { stdout } = await sandbox.ok('gal-pkg search "actor system"', inside);
    expect(stdout).toMatch(/^actor-utils +2\.0\.0 +Helpers for an actor system$/m);
    const found = await sandbox.json('gal-pkg search "actor system" --json', inside);
    expect(found).toMatchObject({ items: [{ name: "actor-utils", version: "2.0.0" }] });
    expect((await sandbox.ok("gal-pkg info actor-utils", inside)).stdout).toContain("Helpers for an actor system");
  });

  test("[CLI-41] info shows the latest version, or exactly the one that is named", async () => {
    const sandbox = project(MY_PACKAGE);
    expect((await sandbox.ok("gal-pkg info actor-utils", inside)).stdout).toMatch(/^actor-utils 2\.0\.0$/m);
    expect((await sandbox.ok("gal-pkg info actor-utils@1.2.3", inside)).stdout).toMatch(/^actor-utils 1\.2\.3$/m);
    const missing = await sandbox.line("gal-pkg info actor-utils@9.9.9", inside);
    expect(missing.code).not.toBe(0);
  });

  test("[CLI-42] [CLI-43] [LCK-07] tree draws the lock, no deeper than --depth, without a registry", async () => {
    const sandbox = project(`${MY_PACKAGE}chaos-lib = "0.5"\n`);
    await sandbox.ok("gal-pkg install", inside);
    expect((await sandbox.ok("gal-pkg tree --offline", inside)).stdout).toBe(
      "my-package 1.0.0\n└── chaos-lib 0.5.2\n    └── rand 0.8.5\n",
    );
    expect((await sandbox.ok("gal-pkg tree --depth 1", inside)).stdout).toBe("my-package 1.0.0\n└── chaos-lib 0.5.2\n");
    expect((await sandbox.ok("gal-pkg tree --depth 3", inside)).stdout).toContain("rand 0.8.5");
  });

  test("[CLI-44] tree --duplicates lists a package in two versions, with who requires each", async () => {
    const sandbox = project(`${MY_PACKAGE}actor-utils = "^2.0"\nold-actors = "1.0"\n`);
    await sandbox.ok("gal-pkg install", inside);
    const { stdout } = await sandbox.ok("gal-pkg tree --duplicates", inside);
    expect(stdout).toMatch(/actor-utils\n +1\.2\.3 required by old-actors[^\n]*\n +2\.0\.0 required by my-package/);
  });
});

describe("utilities", () => {
  test("[CLI-60] [MAN-10] [MAN-28] check reports manifest, file, licence, chaos and feature problems, and its exit code tells", async () => {
    const sandbox = project(MY_PACKAGE);
    await sandbox.ok("gal-pkg check", inside);
    const withKeys = (keys: string): string => MY_PACKAGE.replace("[dependencies]", `${keys}\n\n[dependencies]`);

    sandbox.write("my-package/gal.toml", withKeys("unknown-key = 1").replace('"MIT"', '"My Licence"'));
    const warned = await sandbox.line("gal-pkg check", inside);
    expect(warned.code).toBe(0);
    for (const problem of ["My Licence", "unknown-key"]) expect(warned.stdout).toContain(problem);
    expect((await sandbox.line("gal-pkg check --strict", inside)).code).toBe(1);

    sandbox.write("my-package/gal.toml", withKeys('readme = "MISSING.md"'));
    const files = await sandbox.line("gal-pkg check", inside);
    expect({ code: files.code, missing: files.stdout.includes("MISSING.md") }).toEqual({ code: 1, missing: true });

    const broken = '\n[profile.release]\nchaos_profile = "production"\n\n[features]\ndefault = ["absent"]\n';
    sandbox.write("my-package/gal.toml", `${MY_PACKAGE}${broken}`);
    const { code, stdout } = await sandbox.line("gal-pkg check", inside);
    expect(code).toBe(1);
    for (const place of ["profile.release.chaos_profile", "features.default[0]"]) expect(stdout).toContain(place);
  });

  test("[CLI-61] clean deletes caches and build outputs, never manifest or lock", async () => {
    const sandbox = project(`${MY_PACKAGE}actor-utils = "^1.2.0"\n`);
    await sandbox.ok("gal-pkg install", inside);
    await sandbox.ok("gal-pkg pack", inside);
    const cached = async (): Promise<number> =>
      Number((await sandbox.ok("find ~/.cache/gal -type f 2>/dev/null | wc -l")).stdout);
    expect(await cached()).toBeGreaterThan(0);
    await sandbox.ok("gal-pkg clean --cache", inside);
    expect(await cached()).toBe(0);
    expect(sandbox.has("my-package/target")).toBe(true);
    await sandbox.ok("gal-pkg clean --all", inside);
    expect(sandbox.has("my-package/target")).toBe(false);
    anHourPasses(`${sandbox.home}/.local/share/gal/store/v1`);
    await sandbox.ok("gal-pkg clean --cache", inside);
    expect(await sandbox.json("gal-pkg cache info --json")).toMatchObject({ store: { packages: 0 } });
    for (const file of ["gal.toml", "gal.lock", "src/main.gal"]) expect(sandbox.has(`my-package/${file}`)).toBe(true);
  });

  test("[CLI-62] [CCH-08] config set, get and list agree, and commands use the default registry that is set", async () => {
    const sandbox = project(MY_PACKAGE.replace("my-package", "to-company"));
    await sandbox.ok("gal-pkg registry add company https://packages.company.com");
    await sandbox.ok("gal-pkg config set default-registry company");
    expect((await sandbox.ok("gal-pkg config get default-registry")).stdout).toBe("company\n");
    expect((await sandbox.ok("gal-pkg config list")).stdout).toMatch(/^registry\.default +company /m);
    await sandbox.ok("gal-pkg publish", { ...inside, env: { GAL_REGISTRY_TOKEN: company.token } });
    expect(await statusOf(company, "to-company", "1.0.0")).toBe(200);
    expect(await statusOf(main, "to-company", "1.0.0")).toBe(404);
  });
});

describe("migration", () => {
  const CARGO = `[package]\nname = "from-cargo"\nversion = "1.0.0"\nedition = "2021"\nrust-version = "1.80"\nlicense = "MIT"\n\n[dependencies]\nrand = "0.8"\nactor-utils = { version = "1.2", features = [] }\n\n[workspace.lints.rust]\nunsafe_code = "forbid"\n`;
  const NPM = JSON.stringify({
    name: "from-npm",
    version: "1.0.0",
    license: "MIT",
    scripts: { build: "tsc" },
    dependencies: { rand: "~0.8.1", "actor-utils": "^1.2.0 || ^2.0.0", local: "file:../local" },
    devDependencies: { "test-framework": ">=2 <3" },
  });

  test("[CLI-65] [MIG-01] migrate --from cargo writes gal.toml and lists what it could not take", async () => {
    const sandbox = open();
    sandbox.write("Cargo.toml", CARGO);
    const { stdout, stderr } = await sandbox.ok("gal-pkg migrate --from cargo");
    expect(sandbox.read("gal.toml")).toMatch(/name = "from-cargo"[\s\S]*rand = "0\.8"/);
    expect(`${stdout}${stderr}`).toContain("workspace");
    await sandbox.ok("gal-pkg check");
  });

  test("[CLI-65] [MIG-03] migrate --from npm translates the ranges", async () => {
    const sandbox = open();
    sandbox.write("package.json", NPM);
    await sandbox.ok("gal-pkg migrate --from npm");
    const manifest = sandbox.read("gal.toml");
    // Below 1.0.0 "about 0.8.1" and "compatible with 0.8.1" are the same versions.
    expect(manifest).toContain('rand = "^0.8.1"');
    expect(manifest).toMatch(/actor-utils = ">=1\.2\.0 .* \|\| >=2\.0\.0 .*"/);
    expect(manifest).toMatch(/\[dev-dependencies\]\ntest-framework = "\^2\.0\.0"/);
    // "This workspace's version" is known to nobody else: to take any version for it would be another requirement.
    sandbox.write("package.json", NPM.replace("file:../local", "workspace:*"));
    const { stdout } = await sandbox.ok("gal-pkg migrate --from npm --force");
    expect(stdout).toMatch(/1 finding\n.*"dependencies\.local".*its own workspace/);
    expect(sandbox.read("gal.toml")).not.toContain("local");
  });

  test("[CLI-66] [MIG-02] add --from-cargo and --from-npm append what the manifests depend on, and keep what is there", async () => {
    const sandbox = project(`${MY_PACKAGE}test-framework = "^2.0"\n`);
    // What is there stays as it is written, whatever the other manifest says of it.
    sandbox.write("my-package/Cargo.toml", CARGO.replace("rand =", 'test-framework = "=2.1.0"\nrand ='));
    sandbox.write(
      "my-package/package.json",
      JSON.stringify({
        name: "x",
        version: "1.0.0",
        dependencies: { "chaos-lib": "~0.5.1", archive: "https://example.com/a.tgz" },
      }),
    );
    await sandbox.ok("gal-pkg add --from-cargo Cargo.toml", inside);
    expect(sandbox.read("my-package/gal.toml")).toMatch(/test-framework = "\^2\.0"[\s\S]*rand = "0\.8"/);
    const { stdout, stderr } = await sandbox.ok("gal-pkg add --from-npm package.json", inside);
    expect(sandbox.read("my-package/gal.toml")).toMatch(/rand = "0\.8"[\s\S]*chaos-lib = "\^0\.5\.1"/);
    expect(`${stdout}${stderr}`).toContain("dependencies.archive");
    expect(sandbox.has("my-package/gal_packages/chaos-lib")).toBe(true);
  });
});
