import { chmodSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let registry: RegistryProcess;
const sandboxes: Sandbox[] = [];

function open(): Sandbox {
  const sandbox = createSandbox({ env: { ATTUNE_TOKEN: registry.token, VITTE_TOKEN: registry.token } });
  sandboxes.push(sandbox);
  return sandbox;
}

beforeAll(async () => {
  registry = await startRegistry();
});

afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await registry.dispose();
});

const pack = (ref: string, version: string, more = ""): string =>
  `ref: ${ref}\nlabel: ${ref}\ndescription: The ${ref} pack\nversion: ${version}\nauthor: Ada\nmeta:\n  license: MIT\n${more}`;

test("[RES-18] a pack that needs the missing pack core is refused before anything is registered", async () => {
  const sandbox = open();
  await sandbox.ok(`attune registry add local ${registry.url}`);
  sandbox.write("needs/pack.yaml", pack("needs", "1.0.0", 'dependencies:\n  - "core>=1.2.0"\n'));
  sandbox.write("needs/actions/run.sh", "#!/bin/sh\n");
  sandbox.write("app/.keep", "");
  const everything = (): Promise<string> =>
    sandbox.ok("find . -not -name . | sort", { cwd: "app" }).then((it) => it.stdout);
  const before = await everything();

  const missing = await sandbox.line("attune pack install ../needs --json --quiet", { cwd: "app" });
  expect(missing.code).toBe(4);
  expect(JSON.parse(missing.stderr)).toMatchObject({ error: { code: "RESOLUTION_IMPOSSIBLE" } });
  expect(missing.stderr).toMatch(/needs.*core/s);
  expect(await everything()).toBe(before);

  // An older one is installed: it is held to the constraint, and told with what was found.
  sandbox.write("core/pack.yaml", pack("core", "1.1.0"));
  await sandbox.ok("attune pack install ../core", { cwd: "app" });
  const registered = await everything();
  const locked = sandbox.read("app/pack.lock");
  const old = await sandbox.line("attune pack install ../needs", { cwd: "app" });
  expect(old.code).toBe(4);
  expect(old.stderr).toContain("1.1.0");
  expect(old.stderr).toMatch(/core.*1\.2\.0/s);
  expect(await everything()).toBe(registered);
  expect(sandbox.read("app/pack.lock")).toBe(locked);

  sandbox.write("core/pack.yaml", pack("core", "1.2.0"));
  await sandbox.ok("attune pack install ../core ../needs", { cwd: "app" });
  for (const name of ["core", "needs"]) expect(sandbox.has(`app/packs/${name}/pack.yaml`)).toBe(true);
});

test("[RES-23] a build tool's call resolves and fetches the registry's packages, with no installation before", async () => {
  const sandbox = open();
  await sandbox.ok(`vitte registry add local ${registry.url}`);
  for (const [name, more] of [
    ["leaf", ""],
    ["ast", '\n[dependencies]\nleaf = "1"\n'],
  ] as const) {
    sandbox.write(
      `${name}/vitte.toml`,
      `[package]\nname = "${name}"\nversion = "1.0.0"\ndescription = "The ${name}"\nlicense = "MIT"\n${more}`,
    );
    sandbox.write(`${name}/src/${name}.vitte`, `module ${name}\n`);
    await sandbox.ok("vitte package publish", { cwd: name });
  }
  sandbox.write("app/vitte.toml", '[package]\nname = "app"\nversion = "0.1.0"\n\n[dependencies]\nast = "^1.0"\n');
  // A build tool in another language: it knows one command line, and reads what that prints.
  const build = sandbox.path("vitte-build");
  sandbox.write(
    "vitte-build",
    `#!/bin/sh
set -e
vitte prepare --json --quiet "$@" > prepared.json
for directory in $(sed -n 's/^ *"directory": "\\(.*\\)",*$/\\1/p' prepared.json); do cat "$directory"/src/*.vitte; done > out.txt
`,
  );
  chmodSync(build, 0o755);

  await sandbox.ok(build, { cwd: "app" });
  expect(sandbox.read("app/out.txt").split("\n").filter(Boolean).sort()).toEqual(["module ast", "module leaf"]);
  expect(sandbox.read("app/vitte.lock")).toContain('name = "leaf"');
  expect(sandbox.has("app/vitte_packages")).toBe(false);
  const first = JSON.parse(sandbox.read("app/prepared.json")) as {
    downloaded: number;
    packages: { name: string; directory: string; direct: boolean; dependencies: Record<string, string> }[];
  };
  expect(first).toMatchObject({ lockChanged: true, downloaded: 2 });
  const [ast, leaf] = ["ast", "leaf"].map((name) => first.packages.find((one) => one.name === name)!);
  expect([ast!.direct, leaf!.direct]).toEqual([true, false]);
  expect(ast!.dependencies).toEqual({ leaf: leaf!.directory });
  expect(path.isAbsolute(ast!.directory)).toBe(true);

  // The next build needs nobody.
  await sandbox.ok(`${build} --offline --locked`, { cwd: "app" });
  expect(JSON.parse(sandbox.read("app/prepared.json"))).toMatchObject({ lockChanged: false, downloaded: 0 });
  // A dependency that is changed is resolved and fetched by the next build.
  sandbox.write("app/vitte.toml", '[package]\nname = "app"\nversion = "0.1.0"\n\n[dependencies]\nleaf = "=1.0.0"\n');
  const refused = await sandbox.line(`${build} --locked`, { cwd: "app" });
  expect(refused.code).toBe(3);
  await sandbox.ok(build, { cwd: "app" });
  expect(sandbox.read("app/out.txt")).toBe("module leaf\n");
});
