import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiJson, createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let registry: RegistryProcess;
const sandboxes: Sandbox[] = [];

/** A home whose Git finds the documented repositories on this machine. */
function open(): Sandbox {
  const sandbox = createSandbox({ env: { ATTUNE_TOKEN: registry.token } });
  sandboxes.push(sandbox);
  sandbox.write(
    "~/.gitconfig",
    `[user]\n  name = Ada\n  email = ada@example.com\n[init]\n  defaultBranch = main\n[url "file://${sandbox.root}/repositories/"]\n  insteadOf = https://github.com/org/\n`,
  );
  return sandbox;
}

const pack = (ref: string, version: string, more = ""): string =>
  `ref: ${ref}\nlabel: ${ref}\ndescription: The ${ref} pack\nversion: ${version}\nauthor: Ada\nmeta:\n  license: MIT\n${more}`;

function writePack(sandbox: Sandbox, directory: string, manifest: string): void {
  sandbox.write(`${directory}/pack.yaml`, manifest);
  sandbox.write(`${directory}/actions/run.sh`, "#!/bin/sh\necho run\n");
}

/** A bare repository at the place that `https://github.com/org/<name>.git` stands for. */
async function repository(sandbox: Sandbox, name: string, versions: readonly string[], more = ""): Promise<void> {
  const source = `source-${name}`;
  for (const version of versions) {
    writePack(sandbox, source, pack(name, version, more));
    await sandbox.ok(`git init -q . && git add -A && git commit -q -m ${version} && git tag v${version}`, {
      cwd: source,
    });
  }
  await sandbox.ok(`git clone -q --bare ${source} ${sandbox.root}/repositories/${name}.git`);
}

beforeAll(async () => {
  registry = await startRegistry();
});

afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await registry.dispose();
});

describe("attune pack", () => {
  test("attune pack --help lists the commands of packs", async () => {
    const { stdout } = await open().ok("attune pack --help");
    for (const command of ["install", "build", "sign", "verify", "publish", "search", "fetch", "info"]) {
      expect(stdout).toMatch(new RegExp(`^ {2}pack ${command} `, "m"));
    }
  });

  test("[ARC-03] pack build, sign and verify work from pack.yaml", async () => {
    const sandbox = open();
    sandbox.copy("examples/attune/pack", "greeter");
    const inside = { cwd: "greeter" };
    const checked = await sandbox.ok("attune pack check", inside);
    expect(checked.stdout).not.toContain("warning");
    await sandbox.ok("attune pack build", inside);
    const { stdout } = await sandbox.ok("tar tzf dist/greeter-1.0.0.tar.gz", inside);
    expect(stdout.split("\n")).toEqual(expect.arrayContaining(["pack.yaml", "actions/greet.sh", "actions/greet.yaml"]));
    await sandbox.ok("attune pack keygen --output pack.pem", inside);
    await sandbox.ok("attune pack sign dist/greeter-1.0.0.tar.gz --key pack.pem", inside);
    expect((await sandbox.ok("attune pack verify dist/greeter-1.0.0.tar.gz", inside)).stdout).toContain(
      "greeter 1.0.0",
    );
  });

  test("[INS-08] [RES-08] packs published to a registry install by reference, with what they need", async () => {
    const sandbox = open();
    await sandbox.ok(`attune registry add local ${registry.url}`);
    writePack(sandbox, "core", pack("core", "1.0.0"));
    writePack(sandbox, "http", pack("http", "1.1.0", "dependencies:\n  - core>=1.0.0\n"));
    writePack(sandbox, "mail", pack("mail", "2.0.0", "dependencies:\n  - http@1.1.0\n"));
    for (const cwd of ["core", "http", "mail"]) await sandbox.ok("attune pack publish", { cwd });
    expect((await sandbox.ok("attune pack search mail")).stdout).toMatch(/^mail +2\.0\.0 +The mail pack$/m);
    expect(await apiJson(registry, "/api/v1/packages/mail/versions/2.0.0")).toMatchObject({ version: "2.0.0" });

    sandbox.write("by-ref/.keep", "");
    await sandbox.ok("attune pack install mail", { cwd: "by-ref" });
    for (const name of ["mail", "http", "core"]) expect(sandbox.has(`by-ref/packs/${name}/pack.yaml`)).toBe(true);
    sandbox.write("by-version/.keep", "");
    await sandbox.ok("attune pack install http@1.1.0", { cwd: "by-version" });
    expect(sandbox.read("by-version/packs/http/pack.yaml")).toContain("version: 1.1.0");
    await sandbox.ok("attune pack fetch core@1.0.0", { cwd: "by-version" });
    expect(sandbox.has("by-version/core-1.0.0.tar.gz")).toBe(true);
  });

  test("[INS-02] [INS-04] pack install takes a repository at its default branch, a tag or a branch", async () => {
    const sandbox = open();
    await repository(sandbox, "pack", ["1.0.0", "1.1.0"]);
    sandbox.write("newest/.keep", "");
    await sandbox.ok("attune pack install https://github.com/org/pack.git", { cwd: "newest" });
    expect(sandbox.read("newest/packs/pack/pack.yaml")).toContain("version: 1.1.0");
    const head = (await sandbox.ok("git rev-parse HEAD", { cwd: "source-pack" })).stdout.trim();
    expect(sandbox.read("newest/pack.lock")).toContain(head);

    sandbox.write("tagged/.keep", "");
    await sandbox.ok("attune pack install https://github.com/org/pack.git#v1.0.0", { cwd: "tagged" });
    expect(sandbox.read("tagged/packs/pack/pack.yaml")).toContain("version: 1.0.0");
    const tag = (await sandbox.ok("git rev-parse v1.0.0^{commit}", { cwd: "source-pack" })).stdout.trim();
    expect(sandbox.read("tagged/pack.lock")).toContain(tag);

    await sandbox.ok("git checkout -q -b stable v1.0.0 && git push -q $REPOSITORY stable", {
      cwd: "source-pack",
      env: { REPOSITORY: `${sandbox.root}/repositories/pack.git` },
    });
    sandbox.write("branched/.keep", "");
    await sandbox.ok("attune pack install https://github.com/org/pack.git#stable", { cwd: "branched" });
    expect(sandbox.read("branched/packs/pack/pack.yaml")).toContain("version: 1.0.0");
    expect(sandbox.read("branched/pack.lock")).toContain(tag);

    const missing = await sandbox.line("attune pack install https://github.com/org/pack.git#v9.9.9", { cwd: "tagged" });
    expect(missing.code).not.toBe(0);
    expect(missing.stderr).toContain("v9.9.9");
  });

  test("[CLI-22] [INS-20] pack install runs with its three documented lines; --skip-deps takes the pack alone", async () => {
    const sandbox = open();
    await repository(sandbox, "pack", ["1.0.0"], "dependencies:\n  - absent-pack\n");
    const lines = {
      whole: "attune pack install https://github.com/org/pack.git",
      alone: "attune pack install https://github.com/org/pack.git --skip-deps",
      untested: "attune pack install https://github.com/org/pack.git --skip-tests",
    };
    for (const directory of Object.keys(lines)) sandbox.write(`${directory}/.keep`, "");
    await sandbox.ok(`attune registry add local ${registry.url}`);
    const refused = await sandbox.line(lines.whole, { cwd: "whole" });
    expect({ code: refused.code, named: refused.stderr.includes("absent-pack") }).toEqual({ code: 4, named: true });
    await sandbox.ok(lines.alone, { cwd: "alone" });
    expect(sandbox.has("alone/packs/pack/pack.yaml")).toBe(true);
    // Skipping tests skips no dependency: they are two flags.
    expect((await sandbox.line(lines.untested, { cwd: "untested" })).code).toBe(4);

    writePack(sandbox, "absent-pack", pack("absent-pack", "1.0.0"));
    await sandbox.ok("attune pack publish", { cwd: "absent-pack" });
    for (const [cwd, line] of [
      ["whole", lines.whole],
      ["untested", lines.untested],
    ] as const) {
      await sandbox.ok(line, { cwd });
      for (const name of ["pack", "absent-pack"]) expect(sandbox.has(`${cwd}/packs/${name}/pack.yaml`)).toBe(true);
    }
  });

  test("[INS-06] pack install takes a directory", async () => {
    const sandbox = open();
    writePack(sandbox, "local-pack", pack("local-pack", "1.0.0"));
    sandbox.write("app/.keep", "");
    await sandbox.ok("attune pack install ../local-pack", { cwd: "app" });
    expect(sandbox.read("app/packs/local-pack/actions/run.sh")).toContain("echo run");
    expect(sandbox.read("app/pack.yaml")).toContain("local-pack");
  });

  test("[INS-18] [INS-19] an installation that cannot be completed leaves nothing behind", async () => {
    const sandbox = open();
    await sandbox.ok(`attune registry add local ${registry.url}`);
    writePack(sandbox, "app", pack("app", "1.0.0", "dependencies: []\n"));
    const before = sandbox.read("app/pack.yaml");
    sandbox.write("temporary/.keep", "");
    const failed = await sandbox.line("attune pack install no-such-pack", {
      cwd: "app",
      env: { TMPDIR: sandbox.path("temporary") },
    });
    expect(failed.code).not.toBe(0);
    expect(failed.stderr).toContain("no-such-pack");
    expect(sandbox.read("app/pack.yaml")).toBe(before);
    expect((await sandbox.ok("ls -A", { cwd: "app" })).stdout).toBe("actions\npack.yaml\n");
    expect((await sandbox.ok("ls -A temporary")).stdout).toBe(".keep\n");
  });
});
