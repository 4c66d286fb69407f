import { existsSync, readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let registry: RegistryProcess;
const sandboxes: Sandbox[] = [];

/** A user of RevitPy as the documents configure one, with the local registry. */
function open(): Sandbox {
  const sandbox = createSandbox({ env: { REVITPY_TOKEN: registry.token } });
  sandboxes.push(sandbox);
  sandbox.write(
    "~/.revitpy/config.toml",
    `[registry]\nurl = "${registry.url}"\ntimeout = 30\n\n[environments]\nbase_dir = "~/.revitpy/envs"\npython_version = "3.11"\n`,
  );
  return sandbox;
}

async function publish(sandbox: Sandbox, version: string, hosts: readonly string[]): Promise<void> {
  const directory = `geometry-${version}`;
  sandbox.write(
    `${directory}/pyproject.toml`,
    `[project]\nname = "revitpy-geometry"\nversion = "${version}"\ndescription = "Geometry"\nlicense = "MIT"\n\n[tool.revitpy]\nsupported_revit_versions = ${JSON.stringify(hosts)}\n`,
  );
  sandbox.write(`${directory}/revitpy_geometry/__init__.py`, `VERSION = "${version}"\n`);
  await sandbox.ok("revitpy-build publish", { cwd: directory });
}

beforeAll(async () => {
  registry = await startRegistry({ bin: "revitpy-registry" });
  const sandbox = open();
  await publish(sandbox, "1.0.0", ["2023", "2024"]);
  await publish(sandbox, "2.0.0", ["2025", "2026"]);
});

afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await registry.dispose();
});

interface Environment {
  readonly name: string;
  readonly directory: string;
  readonly hosts: Readonly<Record<string, string>>;
  readonly packages: readonly { readonly name: string; readonly version: string }[];
  readonly generations: readonly number[];
  readonly generation: number;
  readonly locked: boolean;
  readonly active: boolean;
}

const info = (sandbox: Sandbox, name: string): Promise<Environment> =>
  sandbox.json(`revitpy-install env info ${name} --json`) as Promise<Environment>;

describe("named environments", () => {
  test("[CLI-14] [INS-11] [INS-12] [INS-13] create-env pins the Revit version given and the configured Python", async () => {
    const sandbox = open();
    const { stdout } = await sandbox.ok("revitpy-install create-env my-project --revit-version 2025");
    expect(stdout).toBe(
      `Made environment my-project for python 3.11, revit 2025 in ${sandbox.home}/.revitpy/envs/my-project\n`,
    );
    expect(JSON.parse(sandbox.read("~/.revitpy/envs/my-project/lading-environment.json"))).toMatchObject({
      format: 1,
      name: "my-project",
      ecosystem: "revitpy",
      hosts: { python: "3.11", revit: "2025" },
    });
    await sandbox.ok("revitpy-install create-env other --revit-version 2024 --python-version 3.12");
    expect((await info(sandbox, "other")).hosts).toEqual({ python: "3.12", revit: "2024" });

    const refused = await sandbox.line("revitpy-install install revitpy-geometry@==1.0.0 --env my-project");
    expect(refused.code).toBe(4);
    expect(refused.stderr).toMatch(/2025/);
    const other = await sandbox.line("revitpy-install install --env my-project --revit-version 2024");
    expect(other.code).toBe(2);
    expect(other.stderr).toContain("this environment is made for revit 2025");
    expect((await info(sandbox, "my-project")).locked).toBe(false);
    // Not even a variable of the shell makes it an environment of another Revit.
    await sandbox.ok("revitpy-install install revitpy-geometry --env my-project", {
      env: { REVITPY_HOSTS_REVIT: "2024" },
    });
    expect((await info(sandbox, "my-project")).packages).toMatchObject([
      { name: "revitpy-geometry", version: "2.0.0" },
    ]);
  });

  test("[INS-10] [LCK-10] two environments hold different versions of one package, each with a lock inside", async () => {
    const sandbox = open();
    await sandbox.ok("revitpy-install create-env old --revit-version 2024");
    await sandbox.ok("revitpy-install create-env new --revit-version 2025");
    for (const name of ["old", "new"]) await sandbox.ok(`revitpy-install install revitpy-geometry --env ${name}`);
    for (const [name, version] of [
      ["old", "1.0.0"],
      ["new", "2.0.0"],
    ] as const) {
      const inside = `~/.revitpy/envs/${name}`;
      expect(sandbox.read(`${inside}/revitpy_packages/revitpy-geometry/revitpy_geometry/__init__.py`)).toContain(
        version,
      );
      expect(sandbox.read(`${inside}/revitpy.lock`)).toContain(`version = "${version}"`);
      expect((await info(sandbox, name)).packages).toMatchObject([{ name: "revitpy-geometry", version }]);
    }
    expect(readdirSync(sandbox.work)).toEqual([]);
    const listed = (await sandbox.json("revitpy-install env list --json")) as Environment[];
    expect(listed.map(({ name, hosts }) => [name, hosts["revit"]])).toEqual([
      ["new", "2025"],
      ["old", "2024"],
    ]);
  });

  test("[INS-15] [INS-16] an environment's generations are listed, verified and rolled back", async () => {
    const sandbox = open();
    await sandbox.ok("revitpy-install create-env e --revit-version 2025");
    await sandbox.ok("revitpy-install install revitpy-geometry --env e");
    await sandbox.ok("revitpy-install remove revitpy-geometry --env e");
    expect(await info(sandbox, "e")).toMatchObject({ packages: [], generations: [1, 2], generation: 2 });
    await sandbox.ok("revitpy-install rollback --env e");
    expect(await info(sandbox, "e")).toMatchObject({ packages: [{ version: "2.0.0" }], generation: 1 });
    await sandbox.ok("revitpy-install verify --env e");
    const file = "~/.revitpy/envs/e/revitpy_packages/revitpy-geometry/revitpy_geometry/__init__.py";
    await sandbox.ok(`f=$(readlink -f ${file}) && chmod u+w "$f" "$(dirname "$f")" && rm "$f"`);
    expect((await sandbox.line("revitpy-install verify --env e")).code).toBe(7);
  });

  test("clone copies manifest, lock and hosts and installs the same; delete takes one and leaves the other", async () => {
    const sandbox = open();
    await sandbox.ok("revitpy-install create-env a --revit-version 2025");
    await sandbox.ok("revitpy-install install revitpy-geometry --env a");
    await sandbox.ok("revitpy-install env clone a b");
    const { name, hosts, packages } = await info(sandbox, "b");
    expect({ name, hosts, packages }).toMatchObject({
      name: "b",
      hosts: { revit: "2025" },
      packages: [{ name: "revitpy-geometry", version: "2.0.0" }],
    });
    expect(sandbox.read("~/.revitpy/envs/b/revitpy.lock")).toBe(sandbox.read("~/.revitpy/envs/a/revitpy.lock"));
    await sandbox.ok("revitpy-install env delete a");
    expect(readdirSync(`${sandbox.home}/.revitpy/envs`)).toEqual(["b"]);
    await sandbox.ok("revitpy-install verify --env b");
    const gone = await sandbox.line("revitpy-install env info a");
    expect({ code: gone.code, told: gone.stderr.includes("ENVIRONMENT_NOT_FOUND") }).toEqual({ code: 2, told: true });
  });

  test("a clone that cannot be installed is none", async () => {
    const sandbox = open();
    await sandbox.ok("revitpy-install create-env a --revit-version 2025");
    await sandbox.ok("revitpy-install install revitpy-geometry --env a");
    const lock = sandbox.read("~/.revitpy/envs/a/revitpy.lock");
    sandbox.write("~/.revitpy/envs/a/revitpy.lock", lock.replace(/sha256:[0-9a-f]{64}/g, `sha256:${"0".repeat(64)}`));
    expect((await sandbox.line("revitpy-install env clone a b")).code).not.toBe(0);
    expect(readdirSync(`${sandbox.home}/.revitpy/envs`)).toEqual(["a"]);
  });

  test.each([
    ["create-env my-project --revit-version 2025", 8, "ENVIRONMENT_EXISTS"],
    ["create-env x --revit-version 2019", 2, "HOST_INVALID"],
    ["create-env ../x", 8, "ENVIRONMENT_EXISTS"],
    ["create-env .hidden", 2, "ENVIRONMENT_NAME_INVALID"],
    ["create-env x --revit-version 2024 --revit-version 2025", 2, "HOST_INVALID"],
    ["env clone none x", 2, "ENVIRONMENT_NOT_FOUND"],
    ["env delete none", 2, "ENVIRONMENT_NOT_FOUND"],
    ["env activate none", 2, "ENVIRONMENT_NOT_FOUND"],
    ["install --env none", 2, "ENVIRONMENT_NOT_FOUND"],
    ["env info damaged", 5, "ENVIRONMENT_DAMAGED"],
  ])("revitpy-install %s ends with %i %s and changes nothing", async (line, code, error) => {
    const sandbox = open();
    await sandbox.ok("revitpy-install create-env my-project --revit-version 2025");
    sandbox.write("x/.keep", "");
    sandbox.write("~/.revitpy/envs/damaged/lading-environment.json", "{");
    sandbox.write("inner/.keep", "");
    const before = readdirSync(`${sandbox.home}/.revitpy/envs`);
    const refused = await sandbox.line(`revitpy-install ${line}`, { cwd: "inner" });
    expect({ code: refused.code, error: /error\[(\w+)\]/.exec(refused.stderr)?.[1] }).toEqual({ code, error });
    expect(readdirSync(`${sandbox.home}/.revitpy/envs`)).toEqual(before);
  });
});

describe("activation", () => {
  async function made(): Promise<Sandbox> {
    const sandbox = open();
    await sandbox.ok("revitpy-install create-env my-project --revit-version 2025");
    return sandbox;
  }

  test("in bash, packages go to the active environment where there is no project, and deactivation takes it back", async () => {
    const sandbox = await made();
    sandbox.write(
      "session.bash",
      [
        "set -eu; PS1='$ '",
        'eval "$(revitpy-install env activate my-project --shell bash)"',
        "revitpy-install install revitpy-geometry",
        "revitpy-install env list",
        'echo "$REVITPY_ENVIRONMENT_NAME $REVITPY_ENVIRONMENT_REVIT $PS1"',
        "deactivate_revitpy",
        'echo "after: ${REVITPY_ENVIRONMENT-none} ${PS1-}"',
        "",
      ].join("\n"),
    );
    const { stdout } = await sandbox.ok("bash session.bash");
    expect(stdout).toContain("my-project 2025 (my-project) $ \n");
    expect(stdout).toMatch(/^\* +my-project/m);
    expect(stdout).toMatch(/after: none \$ \n$/);
    expect((await info(sandbox, "my-project")).packages).toMatchObject([{ version: "2.0.0" }]);
    expect(sandbox.has("revitpy.lock")).toBe(false);
  });

  test("a project here comes before the active environment", async () => {
    const sandbox = await made();
    sandbox.write("project/revitpy.toml", '[package]\nname = "project"\nversion = "1.0.0"\n');
    await sandbox.ok(
      'eval "$(revitpy-install env activate my-project --shell bash)" && cd project && revitpy-install install revitpy-geometry',
    );
    expect(sandbox.has("project/revitpy.lock")).toBe(true);
    expect((await info(sandbox, "my-project")).packages).toEqual([]);
  });

  test("the lines for each shell set the same variables, whatever the directory is called", async () => {
    const sandbox = open();
    await sandbox.ok(`revitpy-install create-env "./it's a \\$place"`);
    for (const shell of ["bash", "zsh", "fish", "powershell"]) {
      const { stdout } = await sandbox.ok(`revitpy-install env activate "./it's a \\$place" --shell ${shell}`);
      for (const name of ["REVITPY_ENVIRONMENT", "REVITPY_ENVIRONMENT_NAME"]) expect(stdout).toContain(name);
      expect(stdout).toContain("deactivate_revitpy");
    }
    const { stdout } = await sandbox.ok(
      `eval "$(revitpy-install env activate "./it's a \\$place" --shell bash)" && echo "$REVITPY_ENVIRONMENT"`,
    );
    expect(stdout).toBe(`${sandbox.path("it's a $place")}\n`);
  });

  for (const shell of ["zsh", "fish", "pwsh"]) {
    const there = ["/usr/bin", "/bin", "/usr/local/bin"].some((directory) => existsSync(`${directory}/${shell}`));
    test.skipIf(!there)(`${shell} reads its lines`, async () => {
      const sandbox = await made();
      const name = shell === "pwsh" ? "powershell" : shell;
      await sandbox.ok(`revitpy-install env activate my-project --shell ${name} > lines`);
      const ask = shell === "pwsh" ? "Write-Output $env:REVITPY_ENVIRONMENT_NAME" : 'echo "$REVITPY_ENVIRONMENT_NAME"';
      const script = { zsh: ". ./lines", fish: "source lines", pwsh: "Get-Content lines -Raw | Invoke-Expression" }[
        shell
      ];
      sandbox.write("session", `${script}\n${ask}\ndeactivate_revitpy\n${ask}\n`);
      expect((await sandbox.ok(`${shell} ${shell === "pwsh" ? "-File " : ""}session`)).stdout).toMatch(
        /^my-project\n\n?$/,
      );
    });
  }
});

describe("native build steps", () => {
  const NATIVE = `
[[native]]
name = "geometry"
command = ["{compiler}", "-shared", "-fPIC", "-o", "geometry.so", "geometry.c"]
outputs = ["geometry.so"]
platforms = ["linux", "macos", "windows"]

[[native]]
name = "note"
command = ["sh", "-c", "echo building in $PWD with token $REVITPY_TOKEN; pwd > built.txt"]
outputs = ["built.txt"]
`;

  async function published(name: string, steps: string): Promise<Sandbox> {
    const sandbox = open();
    sandbox.write(
      `${name}/revitpy.toml`,
      `[package]\nname = "${name}"\nversion = "1.0.0"\ndescription = "Native"\nlicense = "MIT"\n${steps}`,
    );
    sandbox.write(`${name}/geometry.c`, "int one(void) { return 1; }\n");
    const checked = await sandbox.ok("revitpy-build check", { cwd: name });
    expect(checked.stdout + checked.stderr).not.toContain("warning");
    await sandbox.ok("revitpy-build publish", { cwd: name });
    sandbox.write("app/revitpy.toml", `[package]\nname = "app"\nversion = "1.0.0"\n`);
    return sandbox;
  }

  test("[INS-14] a declared step runs where it is allowed, in a clean directory, with a log, and once", async () => {
    const sandbox = await published("native-good", NATIVE);
    const inside = { cwd: "app" };
    const plain = await sandbox.ok("revitpy-install install native-good", inside);
    expect(plain.stderr).toMatch(
      /⚠ native-good 1\.0\.0 has native build steps, which were not run: nobody allowed them/,
    );
    const place = "app/revitpy_packages/native-good";
    expect(sandbox.has(`${place}/geometry.c`) && !sandbox.has(`${place}/geometry.so`)).toBe(true);

    const built = await sandbox.ok("revitpy-install install --allow-build native-good", inside);
    expect(built.stderr).toMatch(/✓ Building native-good 1\.0\.0/);
    expect(sandbox.has(`${place}/geometry.so`)).toBe(true);
    expect(sandbox.read(`${place}/built.txt`)).toMatch(/app\/\.lading\/native\/\.tmp-\w+\n$/);
    const [log] = readdirSync(sandbox.path("app/.lading/native")).filter((name) => name.endsWith(".log"));
    expect(sandbox.read(`app/.lading/native/${log!}`)).toMatch(/building in .* with token ?\n/);

    const again = await sandbox.ok(
      "rm -rf app/.lading/ready.json && cd app && revitpy-install install --allow-build native-good",
    );
    expect(again.stderr).not.toContain("Building");
    await sandbox.ok("revitpy-install verify", inside);
  });

  test("[INS-14] without a compiler the step is skipped with a message, and the package is installed", async () => {
    const sandbox = await published("native-alone", NATIVE);
    await sandbox.ok("revitpy-install config set native.allow native-alone");
    await sandbox.ok("revitpy-install config set native.compiler no-such-compiler");
    const { stderr } = await sandbox.ok("revitpy-install install native-alone", { cwd: "app" });
    expect(stderr).toContain('no compiler "no-such-compiler" was found');
    expect(sandbox.has("app/revitpy_packages/native-alone/geometry.c")).toBe(true);
    expect(sandbox.has("app/revitpy_packages/native-alone/geometry.so")).toBe(false);
  });

  test("a step that fails leaves what was installed, and its last lines are shown", async () => {
    const sandbox = await published(
      "native-bad",
      '[[native]]\nname = "fails"\ncommand = ["sh", "-c", "echo half way; echo broken >&2; exit 3"]\n',
    );
    sandbox.write("lib/revitpy.toml", `[package]\nname = "lib"\nversion = "1.0.0"\n`);
    await sandbox.ok("revitpy-install install ../lib", { cwd: "app" });
    const before = [sandbox.read("app/revitpy.toml"), sandbox.read("app/revitpy.lock")];
    const failed = await sandbox.line("revitpy-install install native-bad --allow-build '*'", { cwd: "app" });
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/NATIVE_BUILD_FAILED[^]*step "fails": it ended with 3\n {2}half way\n {2}broken/);
    expect([sandbox.read("app/revitpy.toml"), sandbox.read("app/revitpy.lock")]).toEqual(before);
    expect(readdirSync(sandbox.path("app/revitpy_packages")).filter((name) => !name.startsWith("."))).toEqual(["lib"]);
    expect(readdirSync(sandbox.path("app/.lading/native")).filter((name) => name.startsWith(".tmp"))).toEqual([]);
  });
});
