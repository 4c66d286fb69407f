import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { api, apiJson, createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

const DEFAULT_URL = "https://registry.gal-lang.org";
const COMPANY_URL = "https://packages.company.com";

let main: RegistryProcess;
let company: RegistryProcess;
const sandboxes: Sandbox[] = [];

/** A home of its own. Documented addresses stand for the two local registries, documented secrets for real ones. */
function open(env: Readonly<Record<string, string>> = {}): Sandbox {
  const sandbox = createSandbox({
    replace: {
      [DEFAULT_URL]: main.url,
      [COMPANY_URL]: company.url,
      "--token abc123": `--token ${company.token}`,
      "--token your-api-token": `--token ${main.token}`,
      "--password pass": "--password a-long-password",
    },
    env,
  });
  sandboxes.push(sandbox);
  return sandbox;
}

/** The registry that a user of GAL has by default, here on this machine. */
function registriesToml(more = ""): string {
  return `default_registry = "default"\n\n[registries.default]\nname = "default"\nurl = "${main.url}"\nauth_type = "Token"\nverify_signatures = false\nallow_insecure = false\ntimeout_seconds = 30\nmax_retries = 3\n${more}`;
}

const companyToml = (): string =>
  `\n[registries.company]\nname = "company"\nurl = "${company.url}"\nauth_type = "Token"\nverify_signatures = false\n`;

/** A sandbox with the default registry configured and a project in `my-package`. */
function project(manifest: string, env: Readonly<Record<string, string>> = {}): Sandbox {
  const sandbox = open({ GAL_REGISTRY_TOKEN: main.token, ...env });
  sandbox.write("~/.config/gal/registries.toml", registriesToml());
  sandbox.write("my-package/gal.toml", manifest);
  sandbox.write("my-package/src/main.gal", "actor Main {}\n");
  return sandbox;
}

const MY_PACKAGE = `# The package of the walkthrough
[package]
name        = "my-package"   # aligned by hand
version     = "1.0.0"
authors     = ["Your Name <your@email.com>"]
description = "A GAL package"
license     = "MIT"
keywords    = ["actor", "concurrency"]
categories  = ["actor-model", "utilities"]
edition     = "2024"

[dependencies]
`;

const inside = { cwd: "my-package" };

interface Fixture {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly more?: string;
}

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

async function publish(
  sandbox: Sandbox,
  { name, version, description = `The ${name} package`, more = "" }: Fixture,
): Promise<void> {
  const directory = `fixtures/${name}-${version}`;
  sandbox.write(
    `${directory}/gal.toml`,
    `[package]\nname = "${name}"\nversion = "${version}"\ndescription = "${description}"\nlicense = "MIT"\nkeywords = ["actor"]\n\n${more}`,
  );
  sandbox.write(`${directory}/src/lib.gal`, `// ${name} ${version}\n`);
  await sandbox.ok("gal-pkg publish", { cwd: directory });
}

const statusOf = async (registry: RegistryProcess, name: string, version: string): Promise<number> =>
  (await api(registry, `/api/v1/packages/${name}/versions/${version}`)).status;
const errorCode = (stderr: string): string | undefined => /error\[([A-Z_]+)\]/.exec(stderr)?.[1];

beforeAll(async () => {
  [main, company] = await Promise.all([startRegistry(), startRegistry()]);
  const publisher = open({ GAL_REGISTRY_TOKEN: main.token });
  publisher.write("~/.config/gal/registries.toml", registriesToml());
  for (let index = 0; index < FIXTURES.length; index += 2) {
    await Promise.all(FIXTURES.slice(index, index + 2).map((fixture) => publish(publisher, fixture)));
  }
});

afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await Promise.all([main, company].map((registry) => registry.dispose()));
});

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

describe("publishing", () => {
  test("[CLI-47] publish --dry-run validates everything and sends nothing", async () => {
    const sandbox = project(MY_PACKAGE.replace("my-package", "dry-package"));
    await sandbox.ok("gal-pkg publish --dry-run", inside);
    expect(await statusOf(main, "dry-package", "1.0.0")).toBe(404);
    const invalid = project(MY_PACKAGE.replace('"1.0.0"', '"abc"'));
    expect((await invalid.line("gal-pkg publish --dry-run", inside)).code).toBe(3);
  });

  test("[CLI-45] [CCH-30] [MAN-34] publish with the variable alone; other content of that version is refused", async () => {
    const sandbox = project(MY_PACKAGE);
    await sandbox.ok("gal-pkg publish", inside);
    expect((await sandbox.ok("gal-pkg search my-package", inside)).stdout).toMatch(/^my-package +1\.0\.0/m);
    expect((await sandbox.ok("gal-pkg publish", inside)).stdout).toContain("published already, with the same content");
    sandbox.write("my-package/src/main.gal", "actor Other {}\n");
    await sandbox.ok("gal-pkg clean", inside);
    const refused = await sandbox.line("gal-pkg publish", inside);
    expect(refused.code).toBe(8);
    expect(refused.stderr).toContain("1.0.0");
    for (const version of ["1.0", "abc"]) {
      const wrong = project(MY_PACKAGE.replace('"1.0.0"', `"${version}"`));
      const { code, stderr } = await wrong.line("gal-pkg publish", inside);
      expect({ code, stderr }).toMatchObject({ code: 3, stderr: expect.stringContaining(version) as string });
    }
  });

  test("[CLI-46] publish --registry goes to that registry only", async () => {
    const sandbox = project(MY_PACKAGE.replace("my-package", "company-package"), { GAL_REGISTRY_TOKEN: "" });
    await sandbox.ok(`gal-pkg registry add company-registry ${COMPANY_URL}`);
    await sandbox.ok("gal-pkg login --registry company-registry --token abc123");
    await sandbox.ok("gal-pkg publish --registry company-registry", inside);
    expect(await statusOf(company, "company-package", "1.0.0")).toBe(200);
    expect(await statusOf(main, "company-package", "1.0.0")).toBe(404);
  });

  test("[CLI-48] [SIG-09] [SIG-10] [SIG-19] [CLI-64] publish --sign signs with a key that openssl reads", async () => {
    const sandbox = project(MY_PACKAGE.replace("my-package", "signed-package"));
    const { stdout } = await sandbox.ok("gal-pkg keygen --output ./my-key.pem", inside);
    const fingerprint = /ed25519:[0-9a-f]{64}/.exec(stdout)![0];
    expect((await sandbox.ok("openssl pkey -in my-key.pem -noout -text", inside)).stdout).toContain("ED25519");
    expect(sandbox.mode("my-package/my-key.pem")).toBe(0o600);
    await sandbox.ok("gal-pkg publish --sign ./my-key.pem", inside);
    const details = await apiJson<{ signature?: { algorithm: string; signers: readonly string[] } }>(
      main,
      "/api/v1/packages/signed-package/versions/1.0.0",
    );
    expect(details.signature).toMatchObject({ algorithm: "ed25519", signers: [fingerprint] });
    const { stdout: listed } = await sandbox.ok("tar --zstd -tf target/signed-package-1.0.0.galpkg", inside);
    expect(listed).not.toContain("my-key.pem");
  });

  test("[SIG-11] with signing.key and signing.auto set, plain publish signs", async () => {
    const sandbox = project(MY_PACKAGE.replace("my-package", "auto-signed"));
    await sandbox.ok("gal-pkg keygen --output ./my-key.pem", inside);
    await sandbox.ok("gal-pkg config set signing.key ./my-key.pem", inside);
    await sandbox.ok("gal-pkg config set signing.auto true", inside);
    expect((await sandbox.ok("gal-pkg publish", inside)).stdout).toMatch(/signer +ed25519:/);
  });

  test("[CLI-49] yank keeps a version from new locks and in old ones, with its reason", async () => {
    const sandbox = project(MY_PACKAGE.replace("my-package", "consumer") + 'yanked-lib = "^1.0"\n');
    for (const version of ["1.0.0", "1.0.1"]) await publish(sandbox, { name: "yanked-lib", version });
    await sandbox.ok("gal-pkg install", inside);
    expect(sandbox.read("my-package/gal.lock")).toContain('version = "1.0.1"');

    await sandbox.ok('gal-pkg yank yanked-lib@1.0.1 --reason "Security vulnerability"');
    expect((await sandbox.ok("gal-pkg info yanked-lib@1.0.1")).stdout).toContain("Security vulnerability");
    const stranger = project(sandbox.read("my-package/gal.toml"));
    await stranger.ok("gal-pkg install", inside);
    expect(stranger.read("my-package/gal.lock")).toContain('version = "1.0.0"');
    const old = project(sandbox.read("my-package/gal.toml"));
    old.write("my-package/gal.lock", sandbox.read("my-package/gal.lock"));
    await old.ok("gal-pkg install", inside);
    expect(old.read("my-package/gal_packages/yanked-lib/src/lib.gal")).toBe("// yanked-lib 1.0.1\n");
  });
});

describe("registry management", () => {
  test("[CLI-52] [CCH-07] [CCH-10] [CLI-54] registry add and remove edit registries.toml, below XDG_CONFIG_HOME", async () => {
    const sandbox = open();
    const env = { XDG_CONFIG_HOME: `${sandbox.root}/configuration` };
    await sandbox.ok("gal-pkg registry add company https://packages.company.com", { env });
    const file = `${sandbox.root}/configuration/gal/registries.toml`;
    expect(sandbox.read(file)).toContain(
      `[registries.company]\nname = "company"\nurl = "${company.url}/"\nauth_type = "Token"\n`,
    );
    expect(sandbox.has("~/.config/gal/registries.toml")).toBe(false);
    await sandbox.ok("gal-pkg login --registry company --token abc123", { env });
    await sandbox.ok("gal-pkg registry remove company", { env });
    expect(sandbox.read(file)).not.toContain("company");
    expect(sandbox.read(`${sandbox.root}/configuration/gal/credentials.toml`)).not.toContain(company.token);
    await sandbox.ok("gal-pkg registry list --no-check", { env });
  });

  test("[CLI-53] registry list says which registries answer", async () => {
    const sandbox = open();
    sandbox.write("~/.config/gal/registries.toml", registriesToml(companyToml()));
    await sandbox.ok("gal-pkg registry add gone http://127.0.0.1:2");
    const { stdout } = await sandbox.ok("gal-pkg registry list");
    expect(stdout).toMatch(/^\* +default +\S+ +reachable/m);
    expect(stdout).toMatch(/^ +company +\S+ +reachable/m);
    expect(stdout).toMatch(/^ +gone +\S+ +unreachable/m);
  });

  test("[CLI-55] [CLI-59] [CLI-63] [AUT-09] login stores a token per registry, logout forgets it", async () => {
    const sandbox = open();
    sandbox.write("~/.config/gal/registries.toml", registriesToml(companyToml()));
    await sandbox.ok("gal-pkg login --registry company --token abc123");
    await sandbox.ok("gal-pkg login --token your-api-token");
    const file = "~/.config/gal/credentials.toml";
    expect(sandbox.mode(file)).toBe(0o600);
    expect(sandbox.read(file)).toContain(company.token);
    expect(sandbox.read(file)).toContain(main.token);

    const masked = await sandbox.ok("gal-pkg config get auth.token");
    expect(masked.stdout.trim()).not.toBe("");
    expect(masked.stdout).not.toContain(main.token);
    expect((await sandbox.ok("gal-pkg config get auth.token --reveal")).stdout.trim()).toBe(main.token);

    await sandbox.ok("gal-pkg logout --registry company");
    expect(sandbox.read(file)).not.toContain(company.token);
    expect(sandbox.read(file)).toContain(main.token);
  });

  test("[CLI-56] [SRV-08] login with user and password stores the token that the server issues, not the password", async () => {
    const body = JSON.stringify({ username: "user", password: "a-long-password" });
    await apiJson(main, "/api/v1/auth/register", { method: "POST", body });
    const sandbox = open();
    sandbox.write("~/.config/gal/registries.toml", registriesToml());
    await sandbox.ok("gal-pkg login --username user --password pass");
    expect(sandbox.read("~/.config/gal/credentials.toml")).not.toContain("a-long-password");
    expect((await sandbox.ok("gal-pkg whoami")).stdout).toMatch(/^user at /);
    const wrong = await sandbox.line("gal-pkg login --username user --password wrong-password");
    expect(wrong.code).toBe(6);
  });

  test.runIf(existsSync("/usr/bin/script"))(
    "[CLI-58] login with only a registry asks on a terminal, and reads the environment elsewhere",
    async () => {
      const body = JSON.stringify({ username: "asked", password: "a-long-password" });
      await apiJson(main, "/api/v1/auth/register", { method: "POST", body });
      const sandbox = open();
      sandbox.write("~/.config/gal/registries.toml", registriesToml());
      const { code, stdout } = await sandbox.terminal("gal-pkg login --registry default", [
        ["User name", "asked"],
        ["Password", "a-long-password"],
      ]);
      expect(code).toBe(0);
      expect(stdout).toContain("Logged in to");
      expect(stdout).not.toContain("a-long-password");
      expect((await sandbox.ok("gal-pkg whoami")).stdout).toMatch(/^asked at /);

      const elsewhere = await sandbox.ok("gal-pkg login --registry default", {
        env: { GAL_REGISTRY_TOKEN: main.token },
      });
      expect(elsewhere.stdout).toContain("as admin");
      expect(sandbox.read("~/.config/gal/credentials.toml")).toContain(main.token);
      const neither = await open().line("gal-pkg login --registry default");
      expect(neither.code).not.toBe(0);
    },
  );

  test("[CLI-38] [RES-27] install --registry takes another registry while the default one is down", async () => {
    const sandbox = project(`${MY_PACKAGE}backed-up = "^1.0"\n`, { GAL_REGISTRY_TOKEN: "" });
    sandbox.write("~/.config/gal/registries.toml", registriesToml().replace(main.url, "http://127.0.0.1:2"));
    await sandbox.ok(`gal-pkg registry add backup-registry ${COMPANY_URL}`);
    sandbox.write("fixtures/backed-up/gal.toml", '[package]\nname = "backed-up"\nversion = "1.0.0"\n');
    await sandbox.ok("gal-pkg publish --registry backup-registry", {
      cwd: "fixtures/backed-up",
      env: { GAL_REGISTRY_TOKEN: company.token },
    });
    expect((await sandbox.line("gal-pkg install", inside)).code).toBe(5);
    await sandbox.ok("gal-pkg install --registry backup-registry", inside);
    expect(sandbox.has("my-package/gal_packages/backed-up/gal.toml")).toBe(true);
  });

  test("[SIG-12] verify_signatures = true refuses an unsigned package at install, false accepts it", async () => {
    const sandbox = project(`${MY_PACKAGE}rand = "0.8"\n`);
    sandbox.write(
      "~/.config/gal/registries.toml",
      registriesToml().replace("verify_signatures = false", "verify_signatures = true"),
    );
    const refused = await sandbox.line("gal-pkg install", inside);
    expect(refused.code).toBe(7);
    expect(refused.stderr).toContain("rand");
    expect(sandbox.has("my-package/gal_packages")).toBe(false);
    sandbox.write("~/.config/gal/registries.toml", registriesToml());
    const { stderr } = await sandbox.ok("gal-pkg install", inside);
    expect(stderr).toMatch(/⚠.*not signed/);
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
    dependencies: { rand: "~0.8.1", "actor-utils": "^1.2.0 || ^2.0.0", local: "file:../local", member: "workspace:*" },
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
    const { stdout, stderr } = await sandbox.ok("gal-pkg migrate --from npm");
    const manifest = sandbox.read("gal.toml");
    // Below 1.0.0 "about 0.8.1" and "compatible with 0.8.1" are the same versions.
    expect(manifest).toContain('rand = "^0.8.1"');
    expect(manifest).toMatch(/actor-utils = ">=1\.2\.0 .* \|\| >=2\.0\.0 .*"/);
    expect(manifest).toMatch(/\[dev-dependencies\]\ntest-framework = "\^2\.0\.0"/);
    expect(`${stdout}${stderr}`).toContain("member");
  });

  test("[CLI-66] [MIG-02] add --from-cargo and --from-npm append what the manifests depend on, and keep what is there", async () => {
    const sandbox = project(`${MY_PACKAGE}test-framework = "^2.0"\n`);
    sandbox.write("my-package/Cargo.toml", CARGO);
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

describe("offline and hostile", () => {
  test("[CCH-22] a second installation works from the cache with the registry gone", async () => {
    const registry = await startRegistry();
    const sandbox = project(`${MY_PACKAGE}cached-lib = "^1.0"\n`, { GAL_REGISTRY_TOKEN: registry.token });
    sandbox.write("~/.config/gal/registries.toml", registriesToml().replace(main.url, registry.url));
    await publish(sandbox, { name: "cached-lib", version: "1.0.0" });
    await sandbox.ok("gal-pkg install", inside);
    expect(await registry.stop()).toBe(0);
    await sandbox.ok("rm -rf gal_packages .lading && gal-pkg install", inside);
    expect(sandbox.has("my-package/gal_packages/cached-lib/src/lib.gal")).toBe(true);
    await registry.dispose();
  });

  test("[LCK-02] a lock of an unknown version is refused and left as it is", async () => {
    const sandbox = project(`${MY_PACKAGE}rand = "0.8"\n`);
    sandbox.write("my-package/gal.lock", 'version = 99\nroot = "my-package"\n');
    const { code, stderr } = await sandbox.line("gal-pkg install", inside);
    expect(code).toBe(3);
    expect(errorCode(stderr)).toMatch(/^LOCKFILE_/);
    expect(sandbox.read("my-package/gal.lock")).toBe('version = 99\nroot = "my-package"\n');
  });
});
