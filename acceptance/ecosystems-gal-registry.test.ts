import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  company,
  COMPANY_URL,
  companyToml,
  inside,
  main,
  MY_PACKAGE,
  open,
  project,
  publish,
  registriesToml,
  startRegistries,
  statusOf,
  stopRegistries,
} from "./lib/gal.ts";
import { apiJson, startRegistry } from "./lib/harness.ts";

const errorCode = (stderr: string): string | undefined => /error\[([A-Z_]+)\]/.exec(stderr)?.[1];

beforeAll(() => startRegistries([{ name: "rand", version: "0.8.5" }]));

afterAll(stopRegistries);

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
    const sandbox = project(MY_PACKAGE.replace("my-package", "company-package"));
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

  test("info shows all that the manifest says, every version, and what became of the signature here", async () => {
    const whole = `title = "The whole"
documentation = "https://docs.example.com/whole"
repository = "https://example.com/whole.git"
homepage = "https://whole.example.com"
gal-version = "1.0"

[dependencies]

[features]
default = ["standard"]
standard = []

[profile.release]
optimization_level = 3
chaos_profile = "production"

[chaos-profile.production]
fault_injection_rate = 0.001
`;
    const sandbox = project(
      MY_PACKAGE.replace("my-package", "whole-package").replace(/\n\[dependencies\]\n$/, `\n${whole}`),
    );
    const { stdout: made } = await sandbox.ok("gal-pkg keygen --output ./my-key.pem", inside);
    const fingerprint = /ed25519:[0-9a-f]{64}/.exec(made)![0];
    await sandbox.ok("gal-pkg publish --sign ./my-key.pem", inside);
    sandbox.write("my-package/gal.toml", sandbox.read("my-package/gal.toml").replace("1.0.0", "1.1.0"));
    await sandbox.ok("gal-pkg publish", inside);
    const stranger = project(MY_PACKAGE);
    const { stdout } = await stranger.ok("gal-pkg info whole-package@1.0.0");
    for (const line of [
      /^whole-package 1\.0\.0$/,
      /^title +The whole$/,
      /^description +A GAL package$/,
      /^license +MIT$/,
      /^authors +Your Name <your@email\.com>$/,
      /^edition +2024$/,
      /^keywords +actor, concurrency$/,
      /^categories +actor-model, utilities$/,
      /^repository +https:\/\/example\.com\/whole\.git$/,
      /^homepage +https:\/\/whole\.example\.com$/,
      /^documentation +https:\/\/docs\.example\.com\/whole$/,
      /^hosts +gal >=1\.0/,
      /^features +default, standard$/,
      /^profiles +release$/,
      /^chaos +production$/,
      new RegExp(`^signed by +${fingerprint}$`),
      /^signature +good, by the key that the registry has for it/,
      /^versions +1\.1\.0, 1\.0\.0$/,
    ])
      expect(stdout.split("\n")).toContainEqual(expect.stringMatching(line));
    const state = async (spec: string): Promise<unknown> =>
      ((await stranger.json(`gal-pkg info ${spec} --json`)) as { signature: { state: string } }).signature.state;
    expect(await state("whole-package@1.1.0")).toBe("unsigned");
    const trust = (keys: string): void =>
      stranger.write("~/.config/gal/registries.toml", registriesToml(`public_keys = ["${keys}"]\n`));
    trust(fingerprint);
    expect(await state("whole-package@1.0.0")).toBe("trusted");
    const { stdout: other } = await sandbox.ok("gal-pkg keygen --output ./other.pem", inside);
    trust(/ed25519:[0-9a-f]{64}/.exec(other)![0]);
    const { stdout: refused } = await stranger.ok("gal-pkg info whole-package@1.0.0");
    expect(refused).toMatch(/^signature +REFUSED: .*\([A-Z_]+\)$/m);
  }, 300_000);

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

describe("a package and its own publication", () => {
  test("neither add nor install takes a package as its own dependency, whatever it comes from; nothing changes", async () => {
    const manifest = MY_PACKAGE.replace("my-package", "alone");
    const sandbox = project(manifest);
    await sandbox.ok("gal-pkg publish", inside);
    for (const line of [
      "gal-pkg add alone",
      "gal-pkg install ./target/alone-1.0.0.galpkg --skip-deps",
      "gal-pkg add --path . --dev && gal-pkg remove alone && gal-pkg add --path .",
    ]) {
      const { code, stderr } = await sandbox.line(line, inside);
      expect([line, code, errorCode(stderr)]).toEqual([line, 3, "SELF_DEPENDENCY"]);
    }
    expect(sandbox.has("my-package/vendor")).toBe(false);
    // The next version may have the one before, as it is published.
    sandbox.write("my-package/gal.toml", manifest.replace('"1.0.0"', '"2.0.0"'));
    await sandbox.ok("gal-pkg add alone@^1.0", inside);
    expect(sandbox.read("my-package/gal_packages/alone/gal.toml")).toContain('version     = "1.0.0"');
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
      env: { GAL_TOKEN_BACKUP_REGISTRY: company.token },
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
