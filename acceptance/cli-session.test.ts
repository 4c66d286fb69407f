import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

/** One person's session with a real registry, from an empty home to a rollback; each check continues the one before. */
let registry: RegistryProcess;
let box: Sandbox;

beforeAll(async () => {
  registry = await startRegistry();
  box = createSandbox({ env: { LADING_TOKEN: registry.token } });
  await box.ok(`lading registry add local ${registry.url} && lading keygen`);
});
afterAll(async () => {
  await box.dispose();
  await registry.dispose();
});

async function publish(name: string, version: string, dependencies = ""): Promise<void> {
  box.write(
    `${name}-${version}/lading.toml`,
    `[package]\nname = "${name}"\nversion = "${version}"\nlicense = "MIT"\n\n[dependencies]\n${dependencies}`,
  );
  box.write(`${name}-${version}/data.txt`, `${name} ${version}\n`);
  await box.ok("lading publish --key default --quiet", { cwd: `${name}-${version}` });
}

const inApp = { cwd: "app" };

describe("a session", () => {
  it("[CLI-45] [SIG-10] publishes signed packages; the same content again is accepted, other content refused", async () => {
    for (const version of ["1.0.0", "1.1.0", "2.0.0"]) await publish("leaf", version);
    await publish("tool", "1.0.0", 'leaf = "1"\n');
    expect((await box.json("lading publish --key default --json", { cwd: "tool-1.0.0" })) as object).toMatchObject({
      outcome: "exists",
    });
    box.write("tool-1.0.0/data.txt", "changed\n");
    await box.ok("lading pack", { cwd: "tool-1.0.0" });
    const refused = await box.line("lading publish --key default", { cwd: "tool-1.0.0" });
    expect(refused.code).toBe(8);
    expect(refused.stderr).toContain("PUBLISH_VERSION_EXISTS");
    expect((await box.json("lading info tool --json")) as object).toMatchObject({
      version: "1.0.0",
      signers: [expect.stringContaining("ed25519:")],
    });
  });

  it("[CLI-33] [CLI-42] [SIG-22] [LCK-07] adds, verifies and installs, keeping comments; the tree comes from the lock", async () => {
    box.write("app/lading.toml", '# mine\n[package]\nname = "app"\nversion = "1.0.0" # first\n\n[dependencies]\n');
    const added = await box.json("lading add tool --json", inApp);
    expect(added).toMatchObject({ install: { packages: 2, downloaded: 2, verified: 2 } });
    expect(box.read("app/lading.toml")).toBe(
      '# mine\n[package]\nname = "app"\nversion = "1.0.0" # first\n\n[dependencies]\ntool = "^1.0.0"\n',
    );
    expect((await box.ok("lading tree", inApp)).stdout).toBe("app 1.0.0\n└── tool 1.0.0\n    └── leaf 1.1.0\n");
    expect(box.read("app/lading_packages/leaf/data.txt")).toBe("leaf 1.1.0\n");
  });

  it("[LCK-08] [CCH-22] installs from the lock in an empty project without asking for anything newer", async () => {
    await publish("leaf", "1.2.0");
    box.write("clone/lading.toml", box.read("app/lading.toml"));
    box.write("clone/lading.lock", box.read("app/lading.lock"));
    await box.ok("lading install --offline --locked", { cwd: "clone" });
    expect(box.read("clone/lading_packages/leaf/data.txt")).toBe("leaf 1.1.0\n");
  });

  it("[CLI-39] [RES-25] updates one package, leaving the other entry as it was", async () => {
    const blockOfTool = (): string => /\[\[packages\]\]\nname = "tool"[^[]*/.exec(box.read("app/lading.lock"))![0];
    const before = blockOfTool();
    await box.ok("lading update leaf", inApp);
    expect(box.read("app/lading.lock")).toContain('version = "1.2.0"');
    expect(blockOfTool()).toBe(before);
  });

  it("[CLI-44] [INS-16] keeps two majors side by side, upgrades and rolls back", async () => {
    await box.ok("lading add leaf@^2.0.0", inApp);
    expect((await box.ok("lading tree --duplicates", inApp)).stdout).toContain("2.0.0 required by app");
    expect(box.read("app/lading_packages/leaf/data.txt")).toBe("leaf 2.0.0\n");
    await box.ok("lading rollback", inApp);
    expect(box.read("app/lading_packages/leaf/data.txt")).toBe("leaf 1.2.0\n");
    await box.ok("lading install", inApp);
    expect(box.read("app/lading_packages/leaf/data.txt")).toBe("leaf 2.0.0\n");
  });

  it("[CLI-49] yanks: an old lock still installs, a new one does not choose it, info says why", async () => {
    await box.ok('lading yank leaf@1.2.0 --reason "broken on Tuesdays"');
    expect((await box.ok("lading info leaf@1.2.0")).stdout).toContain("yanked: broken on Tuesdays");
    await box.ok("lading clean --all && lading install --locked", inApp);
    box.write("fresh/lading.toml", '[package]\nname = "fresh"\nversion = "1.0.0"\n\n[dependencies]\nleaf = "1"\n');
    await box.ok("lading lock", { cwd: "fresh" });
    expect(box.read("fresh/lading.lock")).toContain('version = "1.1.0"');
    await box.ok("lading unyank leaf@1.2.0");
  });

  it("[CLI-49] says of a version that is not there what info says of it", async () => {
    for (const line of [
      "info leaf@7.0.0",
      "yank leaf@7.0.0 --reason x",
      "unyank leaf@7.0.0",
      "deprecate leaf@7.0.0 --reason x",
    ]) {
      const refused = await box.line(`lading ${line}`);
      expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("VERSION_NOT_FOUND") as string });
    }
    const unknown = await box.line("lading yank no-such-package@1.0.0 --reason x");
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining("PACKAGE_NOT_FOUND") as string });
  });

  it("[INS-15] [ARC-14] finds a changed file in what is installed", async () => {
    await box.ok("lading verify", inApp);
    await box.ok("f=$(readlink -f lading_packages/tool/data.txt); chmod u+w $f; echo changed > $f", inApp);
    const found = await box.line("lading verify", inApp);
    expect(found.code).toBe(7);
    expect(found.stderr).toContain("tool/data.txt");
  });

  it("[CLI-63] [CLI-55] [CCH-20] keeps a token in a file of mode 0600 and shows it masked", async () => {
    const env = { LADING_TOKEN: "" };
    await box.ok("lading login --token-stdin", { env, input: `${registry.token}\n` });
    expect(box.mode("~/.config/lading/credentials.toml")).toBe(0o600);
    const shown = await box.ok("lading config get auth.token && lading config list", { env });
    expect(shown.stdout).toContain("****");
    expect(shown.stdout).not.toContain(registry.token);
    await box.ok("lading logout", { env });
    expect((await box.line("lading whoami", { env })).code).toBe(6);
  });
});
