import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseManifest, parseRequirement, parseVersion } from "@lading/core-manifest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let registry: RegistryProcess;
const sandboxes: Sandbox[] = [];

function open(): Sandbox {
  const sandbox = createSandbox({ env: { GAL_REGISTRY_TOKEN: registry.token, LADING_TOKEN: registry.token } });
  sandboxes.push(sandbox);
  sandbox.write(
    "~/.config/gal/registries.toml",
    `default_registry = "default"\n\n[registries.default]\nname = "default"\nurl = "${registry.url}"\nverify_signatures = false\n`,
  );
  return sandbox;
}

beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await registry.dispose();
});

const VERSIONS = [
  "0.0.1",
  "0.0.3",
  "0.1.0",
  "0.2.3",
  "0.2.9",
  "0.3.0",
  "1.0.0-rc.1",
  "1.0.0",
  "1.2.0",
  "1.2.3",
  "1.2.9",
  "1.3.0",
  "1.9.1",
  "2.0.0",
  "2.3.4",
  "3.0.0",
  "10.0.0",
];
const REQUIREMENTS = [
  "1",
  "1.2",
  "1.2.3",
  "0",
  "0.2",
  "0.2.3",
  "0.0",
  "0.0.3",
  "^1.2.3",
  "^0.2",
  "^0.0.1",
  "~1.2.3",
  "~1.2",
  "~1",
  "~0.2",
  "*",
  "1.*",
  "1.2.*",
  "0.*",
  "=1.2.3",
  "=1.2",
  "=1",
  ">=1.2.3",
  ">1.2",
  ">1.2.9",
  ">1",
  "<2",
  "<1.2.3",
  "<=1.2",
  "<=1",
  ">=1.2, <1.9",
  ">=1, <3",
  ">0.2, <=2.0.0",
  "^1, <1.3",
  "1.0.0-rc.1",
  "=1.0.0-rc.1",
  ">=1.0.0-rc.1, <1.0.1",
  "~1.0.0-rc.1",
  "^10",
];

/** The version that the installed cargo takes for each requirement, from one lock of a registry of files. */
async function chosenByCargo(box: Sandbox): Promise<ReadonlyMap<string, string>> {
  const names = REQUIREMENTS.map((_, index) => `crate${String(index).padStart(2, "0")}`);
  for (const name of names) {
    const file = box.path("registry/index", name.slice(0, 2), name.slice(2, 4), name);
    mkdirSync(path.dirname(file), { recursive: true });
    const line = (vers: string): string =>
      JSON.stringify({ name, vers, deps: [], cksum: "0".repeat(64), features: {}, yanked: false });
    writeFileSync(file, `${VERSIONS.map(line).join("\n")}\n`);
  }
  box.write("project/src/lib.rs", "");
  box.write(
    "project/.cargo/config.toml",
    `[source.crates-io]\nreplace-with = "files"\n\n[source.files]\nlocal-registry = "${box.path("registry")}"\n`,
  );
  const lines = names.map((name, index) => `${name} = "${REQUIREMENTS[index]!}"\n`).join("");
  box.write(
    "project/Cargo.toml",
    `[package]\nname = "project"\nversion = "1.0.0"\nedition = "2021"\n\n[dependencies]\n${lines}`,
  );
  await box.ok("cargo generate-lockfile --offline", { cwd: "project", env: cargoEnvironment(box) });
  const lock = box.read("project/Cargo.lock");
  return new Map(
    names.map((name, index) => [
      REQUIREMENTS[index]!,
      new RegExp(`name = "${name}"\nversion = "([^"]+)"`).exec(lock)![1]!,
    ]),
  );
}

function cargoEnvironment(box: Sandbox): Record<string, string> {
  const { RUSTUP_HOME, HOME, PATH } = process.env;
  return { PATH: PATH!, CARGO_HOME: box.path("cargo"), RUSTUP_HOME: RUSTUP_HOME ?? `${HOME}/.rustup` };
}

const CARGO_HERE = await (async () => {
  const box = createSandbox();
  const { code } = await box.line("cargo --version", { env: cargoEnvironment(box) });
  await box.dispose();
  return code === 0;
})();

describe("migrate", () => {
  test.skipIf(!CARGO_HERE)(
    "[MIG-01] every requirement of a Cargo.toml means in each dialect what the installed cargo takes it for",
    async () => {
      const box = open();
      const chosen = await chosenByCargo(box);
      const versions = VERSIONS.map((version) => parseVersion(version));
      for (const dialect of ["gal.toml", "pack.yaml", "revitpy.toml"] as const) {
        const { stdout } = await box.ok(`gal-pkg migrate --from cargo --to ${dialect} --json --force`, {
          cwd: "project",
        });
        const [{ findings }] = JSON.parse(stdout) as [{ findings: { key: string }[] }];
        const { dependencies } = parseManifest(box.read(`project/${dialect}`), { file: dialect, dialect });
        const ours = new Map(
          dependencies.map(({ name, canonicalRequirement }) => {
            const requirement = parseRequirement(canonicalRequirement!, "canonical");
            return [
              REQUIREMENTS[Number(name.slice(-2))]!,
              versions.findLast((version) => requirement.matches(version)),
            ];
          }),
        );
        // What a dialect has no words for is reported; the rest means the same.
        const meant = [...ours].map(([text, version]) => [text, version ?? "none"]);
        expect(meant).toEqual([...chosen].filter(([text]) => ours.has(text)));
        const silent = dialect === "gal.toml" || findings.length === 0;
        expect(ours.size).toBe(silent ? REQUIREMENTS.length : ours.size);
      }
    },
  );

  test("[MIG-06] manifests of the four ecosystems convert into each other, with a report of what is lost", async () => {
    const box = open();
    const gal = `[package]\nname = "my-package"\nversion = "1.0.0"\ndescription = "d"\nlicense = "MIT"\ngal-version = "1.0"\n\n[dependencies]\nactor-utils = "^1.2.0"\nchaos-lib = { version = "0.5", features = ["scheduling"] }\ngit-dep = { git = "https://github.com/user/repo", tag = "v1.0" }\n\n[dev-dependencies]\ntest-framework = "^2.0"\n\n[features]\ndefault = ["standard"]\nstandard = ["actor-utils/default"]\n\n[chaos-profile.testing]\nfault_injection_rate = 0.5\nallowed_faults = ["all"]\nmax_fault_duration = "1m"\n`;
    const want = (file: string, dialect: "gal.toml" | "vitte.toml" | "pack.yaml" | "revitpy.toml") =>
      parseManifest(box.read(file), { file, dialect });
    const facts = ({ package: info, dependencies, features }: ReturnType<typeof want>) => ({
      name: info!.name,
      version: info!.version,
      license: info!.license,
      features,
      dependencies: dependencies.map(({ name, kind, canonicalRequirement, source, features: own }) => ({
        name,
        kind,
        canonicalRequirement,
        source,
        own,
      })),
    });
    box.write("p/gal.toml", gal);
    const before = facts(want("p/gal.toml", "gal.toml"));
    const inside = { cwd: "p" };
    await box.ok("gal-pkg migrate --from gal --to vitte.toml", inside);
    await box.ok("gal-pkg migrate --from vitte --to pack.yaml", inside);
    await box.ok("attune pack migrate --from attune --to revitpy.toml", inside);
    await box.ok("rm gal.toml", inside);
    await box.ok("gal-pkg migrate --from revitpy", inside);
    for (const [file, dialect] of [
      ["p/vitte.toml", "vitte.toml"],
      ["p/pack.yaml", "pack.yaml"],
      ["p/gal.toml", "gal.toml"],
    ] as const) {
      expect(facts(want(file, dialect))).toEqual(before);
    }
    expect(want("p/gal.toml", "gal.toml").chaosProfiles["testing"]).toMatchObject({ maxFaultDurationMs: 60_000 });

    // What only packs have is named, key by key; how they are tested goes along.
    box.write(
      "pack/pack.yaml",
      'ref: demo\nversion: "1.0.0"\nlabel: Demo\nsystem: true\nconf_schema: {}\ntags: [a]\ntesting:\n  runners:\n    one: { type: command, command: ["true"] }\n',
    );
    const { stdout } = await box.ok("vitte migrate --from attune", { cwd: "pack" });
    expect(stdout).toContain('Cannot write "extra.system" as "vitte.toml"');
    expect(stdout).toContain('Cannot write "extra.conf_schema" as "vitte.toml"');
    expect(stdout).toMatch(/Converted pack\.yaml to vitte\.toml: demo 1\.0\.0, 0 dependencies, 2 findings/);
    await box.ok("vitte test", { cwd: "pack" });
  });

  test("converts pyproject.toml, of the standard's tables and of Poetry's", async () => {
    const box = open();
    box.write(
      "std/pyproject.toml",
      '[project]\nname = "Web-App"\nversion = "1.0.0"\nrequires-python = ">=3.10"\ndependencies = ["requests>=2.28,<3", "click==8.1.0"]\n\n[tool.black]\nline-length = 100\n',
    );
    const std = await box.ok("gal-pkg migrate --from pyproject", { cwd: "std" });
    expect(std.stdout).toContain('found "black"');
    expect(box.read("std/gal.toml")).toContain('requests = "^2.28.0"');
    expect(box.read("std/gal.toml")).toContain('click = "=8.1.0"');
    box.write(
      "poetry/pyproject.toml",
      '[tool.poetry]\nname = "app"\nversion = "1.0.0"\ndescription = "d"\nauthors = ["A <a@b.c>"]\n\n[tool.poetry.dependencies]\npython = "^3.9"\nrequests = "^2.28"\nclick = "8.1.0"\n\n[tool.poetry.group.dev.dependencies]\npytest = "~7.2"\n',
    );
    await box.ok("gal-pkg migrate --from pyproject", { cwd: "poetry" });
    const manifest = parseManifest(box.read("poetry/gal.toml"), { file: "gal.toml", dialect: "gal.toml" });
    expect(manifest.dependencies.map(({ name, kind, requirement }) => [name, kind, requirement])).toEqual([
      ["requests", "normal", "^2.28"],
      ["click", "normal", "=8.1.0"],
      ["pytest", "dev", "~7.2"],
    ]);
  });

  test("leaves everything as it was where the target exists, the source is the target, or the source is broken", async () => {
    const box = open();
    box.write("p/gal.toml", '[package]\nname = "p"\nversion = "1.0.0"\n');
    box.write("p/package.json", '{"name":"p","version":"2.0.0"}');
    const exists = await box.line("gal-pkg migrate --from npm", { cwd: "p" });
    expect([exists.code, exists.stderr]).toEqual([8, expect.stringContaining("MIGRATE_TARGET_EXISTS")]);
    const itself = await box.line("gal-pkg migrate --from gal --force", { cwd: "p" });
    expect([itself.code, itself.stderr]).toEqual([8, expect.stringContaining("of that dialect already")]);
    box.write("p/package.json", '{"name":"UPPER","version":"x"}');
    const broken = await box.line("gal-pkg migrate --from npm --force", { cwd: "p" });
    expect([broken.code, broken.stderr]).toEqual([3, expect.stringContaining("MIGRATE_SOURCE_INVALID")]);
    expect(box.read("p/gal.toml")).toBe('[package]\nname = "p"\nversion = "1.0.0"\n');
    await box.ok("gal-pkg migrate --from cargo . 2>&1 || test $? = 5", { cwd: "p" });
  });

  test("[MIG-04] add --from-npm takes what is compatible, and names what it skips with the reason", async () => {
    const box = open();
    const publish = async (name: string, version: string): Promise<void> => {
      box.write(`f/${name}/gal.toml`, `[package]\nname = "${name}"\nversion = "${version}"\nlicense = "MIT"\n`);
      await box.ok("gal-pkg publish", { cwd: `f/${name}` });
    };
    await publish("left", "1.4.0");
    await publish("right", "2.1.0");
    box.write("p/gal.toml", '[package]\nname = "p"\nversion = "1.0.0"\n\n[dependencies]\n# kept\n');
    const dependencies = {
      left: "^1.2.0",
      here: "workspace:*",
      file: "file:../file",
      url: "https://example.com/url.tgz",
      tag: "latest",
    };
    box.write(
      "p/package.json",
      JSON.stringify({ name: "q", version: "1.0.0", dependencies, devDependencies: { right: "~2.1.0" } }),
    );
    const { stdout } = await box.ok("gal-pkg add --from-npm package.json", { cwd: "p" });
    expect(box.read("p/gal.toml")).toContain("# kept");
    expect(box.read("p/gal.toml")).toContain('left = "^1.2.0"');
    expect(box.read("p/gal.lock")).toContain('version = "2.1.0"');
    for (const reason of ["own workspace", "directory dependency", "archive from a URL", "dist-tag"]) {
      expect(stdout).toContain(reason);
    }
    for (const name of ["here", "file =", "url", "tag"]) expect(box.read("p/gal.toml")).not.toContain(name);

    // Converting the same file leaves the same out, for the same reasons; a directory stays what it was beside it.
    await box.ok("mkdir q && cp p/package.json q/ && mkdir file");
    const migrated = await box.ok("gal-pkg migrate --from npm", { cwd: "q" });
    for (const reason of ["own workspace", "archive from a URL", "dist-tag"]) {
      expect(migrated.stdout).toContain(reason);
    }
    expect(migrated.stdout).toContain("3 dependencies, 3 findings");
    const taken = parseManifest(box.read("q/gal.toml"), { file: "gal.toml", dialect: "gal.toml" }).dependencies;
    expect(taken.map(({ name }) => name)).toEqual(["left", "file", "right"]);
  });

  test("what npm packages that are converted together take from each other they take by path", async () => {
    const box = open();
    const write = (name: string, dependencies: Readonly<Record<string, string>>): void =>
      box.write(
        `packages/${name}/package.json`,
        JSON.stringify({ name: `@acme/${name}`, version: "1.0.0", dependencies }),
      );
    write("core", {});
    write("web", { "@acme/core": "workspace:^", "@acme/gone": "workspace:*" });
    const { stdout } = await box.ok("gal-pkg migrate --from npm packages/core packages/web");
    expect(stdout).toContain('"dependencies."@acme/gone""');
    expect(stdout).not.toContain('"dependencies."@acme/core""');
    expect(box.read("packages/web/gal.toml")).toContain('"acme/core" = { path = "../core" }');
    await box.ok("gal-pkg install", { cwd: "packages/web" });
    expect((await box.ok("gal-pkg verify", { cwd: "packages/web" })).stdout).toContain("1 installed package");
  });

  test("[MIG-05] migrate brings an old lock and old settings into today's form, keeps both, and the project works on", async () => {
    const box = open();
    box.write("f/gal.toml", '[package]\nname = "actor-utils"\nversion = "1.2.3"\nlicense = "MIT"\n');
    await box.ok("gal-pkg publish", { cwd: "f" });
    box.write(
      "p/gal.toml",
      '[package]\nname = "my-package"\nversion = "1.0.0"\n\n[dependencies]\nactor-utils = "^1.2.0"\n',
    );
    await box.ok("gal-pkg install", { cwd: "p" });
    const checksum = /checksum = "(.*)"/.exec(box.read("p/gal.lock"))![1]!;
    // The form of the documents: no sources, no trees, no inputs.
    const old = `version = 1\nroot = "my-package"\n\n[[packages]]\nname   = "actor-utils"\nversion = "1.2.3"\nchecksum = "${checksum}"\nfeatures = ["default"]\n`;
    box.write("p/gal.lock", old);
    const config = '# mine\n[resolver]\nminimum_release_age = "0s" # note\n[signing]\nauto = false\n';
    box.write("~/.config/gal/config.toml", config);
    const dry = await box.ok("gal-pkg migrate --dry-run", { cwd: "p" });
    expect(dry.stdout).toContain("Would rewrite");
    expect(box.read("p/gal.lock")).toBe(old);
    const { stdout } = await box.ok("gal-pkg migrate", { cwd: "p" });
    expect(stdout).toContain("gal.lock");
    expect(stdout).toContain('"resolver.minimum_release_age" is "resolver.minimum-release-age"');
    expect(box.read("p/gal.lock.bak")).toBe(old);
    expect(box.read("~/.config/gal/config.toml.bak")).toBe(config);
    expect(box.read("~/.config/gal/config.toml")).toContain("# mine");
    expect((await box.ok("gal-pkg config get resolver.minimum-release-age", { cwd: "p" })).stdout.trim()).toBe("0s");
    expect((await box.ok("gal-pkg migrate", { cwd: "p" })).stdout).toContain("Nothing to migrate");
    await box.ok("gal-pkg lock && gal-pkg install --locked && gal-pkg verify", { cwd: "p" });
    expect(box.read("p/gal.lock")).toContain(checksum);
    // The old form promises bytes by their checksum: others are not taken for them.
    box.write("p/gal.lock", old.replace(checksum, `sha256:${"0".repeat(64)}`));
    const swapped = await box.line("gal-pkg lock", { cwd: "p" });
    expect([swapped.code, swapped.stderr]).toEqual([7, expect.stringContaining("LOCK_CHECKSUM_MISMATCH")]);
    box.write("p/gal.lock", "version = 99\n");
    const newer = await box.line("gal-pkg migrate", { cwd: "p" });
    expect([newer.code, newer.stderr]).toEqual([3, expect.stringContaining("LOCKFILE_VERSION_UNSUPPORTED")]);
    expect(readFileSync(box.path("p/gal.lock"), "utf8")).toBe("version = 99\n");
  });
});
