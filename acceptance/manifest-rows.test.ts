/** What manifests of every dialect say, seen from the command line. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createCli } from "@lading/cli";
import { builtinProfile, parseLockfile } from "@lading/core-manifest";
import { lock } from "@lading/engine";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import { createProject, failure, publishPackage, removeTemporary } from "./lib/more.ts";

let registry: RegistryProcess;
const sandboxes: Sandbox[] = [];

beforeAll(async () => {
  registry = await startRegistry();
  for (const name of ["mr-lib", "mr-extra"]) {
    await publishPackage(registry, { name, version: "1.0.0", files: { "a.txt": "one" } });
    await publishPackage(registry, { name, version: "1.1.0", files: { "a.txt": "two" } });
  }
  await publishPackage(registry, { name: "mr-changing", version: "1.0.0", extra: { "self-modifying": true } });
});
afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  removeTemporary();
  await registry.dispose();
});

function open(): Sandbox {
  const variables = ["LADING", "VITTE", "GAL", "REVITPY", "ATTUNE"].map((one) => [`${one}_REGISTRY_URL`, registry.url]);
  const sandbox = createSandbox({ env: Object.fromEntries(variables) as Record<string, string> });
  sandboxes.push(sandbox);
  return sandbox;
}

/** A pack as Attune's own documents write it, with every key that they know. */
const PACK = `ref: monitoring
label: Monitoring Pack
description: Watches hosts and services
version: "2.3.1"
author: Ada Lovelace
email: ada@example.com
system: false
enabled: true
conf_schema:
  type: object
  properties:
    endpoint: { type: string, description: Where to ask, default: "http://localhost" }
  required: [endpoint]
config:
  endpoint: "http://localhost:9090"
meta:
  category: monitoring
  license: Apache-2.0
  keywords: [metrics, alerts]
  documentation_url: https://docs.example.com/monitoring
  repository_url: https://github.com/org/pack-monitoring
  homepage_url: https://example.com/monitoring
tags: [ops]
runtime_deps: ["python3>=3.8", "nodejs>=14.0", shell]
dependencies: [mr-lib]
is_standard: false
testing:
  enabled: true
  runners:
    shell: { type: script, entry_point: tests/run_tests.sh, timeout: 60, result_format: simple }
  result_path: tests/results/
  min_pass_rate: 0.95
  on_failure: block
`;

describe("pack.yaml", () => {
  test("[MAN-03] a manifest with every documented key is read without a warning", async () => {
    const box = open();
    box.write("pack.yaml", PACK);
    box.write("README.md", "# Monitoring\n");
    box.write("tests/run_tests.sh", "#!/bin/sh\n");
    const found = (await box.json("attune pack check --json")) as {
      readonly problems?: readonly { readonly code: string; readonly message: string }[];
    };
    const manifest = JSON.stringify(found).match(/MANIFEST_[A-Z_]+/g) ?? [];
    expect(manifest).toEqual([]);
    const made = await box.ok("attune pack lock");
    expect(made.stderr).not.toContain("warning");
    expect(box.read("pack.lock")).toContain('name = "mr-lib"');
  });

  test.each([
    ["ref", PACK.replace(/^ref: .*\n/m, "")],
    ["version", PACK.replace(/^version: .*\n/m, "")],
  ])("[MAN-32] without %s is refused by index-update, which names it", async (field, text) => {
    const box = open();
    box.write("pack/pack.yaml", text);
    await box.ok("attune pack index-init registry --url https://packs.example.com");
    const { code, stderr } = await box.line(
      "attune pack index-update --index registry/index.json pack --git-url https://github.com/org/pack --git-ref v1",
    );
    expect(code).toBe(3);
    expect(stderr).toContain(`"${field}"`);
    expect(JSON.parse(box.read("registry/index.json"))).toMatchObject({ packs: [] });
  });

  test("[MAN-33] all that it says is in the index entry; [MAN-29] a ref that is there twice is an error", async () => {
    const box = open();
    box.write("pack/pack.yaml", PACK);
    box.write("pack/actions/ping.yaml", "name: ping\nref: monitoring.ping\ndescription: Pings a host\n");
    await box.ok("attune pack index-init registry --url https://packs.example.com");
    await box.ok(
      "attune pack index-update --index registry/index.json pack --git-url https://github.com/org/pack --git-ref v2.3.1",
    );
    const index = JSON.parse(box.read("registry/index.json")) as { packs: Record<string, unknown>[] };
    expect(index.packs).toHaveLength(1);
    expect(index.packs[0]).toMatchObject({
      ref: "monitoring",
      label: "Monitoring Pack",
      description: "Watches hosts and services",
      version: "2.3.1",
      author: "Ada Lovelace",
      license: "Apache-2.0",
      runtime_deps: ["python3>=3.8", "nodejs>=14.0", "shell"],
      install_sources: [{ type: "git", url: "https://github.com/org/pack", ref: "v2.3.1" }],
      contents: { actions: [{ name: "ping", description: "Pings a host" }] },
    });
    expect(index.packs[0]!["keywords"]).toEqual(expect.arrayContaining(["metrics", "alerts"]));
    box.write("twice.json", JSON.stringify({ ...index, packs: [index.packs[0], index.packs[0]] }));
    const twice = await box.line("attune pack index-validate twice.json");
    expect(twice.code).not.toBe(0);
    expect(`${twice.stdout}${twice.stderr}`).toContain("monitoring");
  });

  test("[MAN-29] merging two indexes that both have a ref does not list it twice", async () => {
    const box = open();
    box.write("pack/pack.yaml", PACK);
    await box.ok("attune pack index-init a --url https://packs.example.com");
    await box.ok(
      "attune pack index-update --index a/index.json pack --git-url https://github.com/org/pack --git-ref v1",
    );
    await box.ok("cp -r a b");
    await box.ok("attune pack index-merge --output merged.json a/index.json b/index.json");
    expect((JSON.parse(box.read("merged.json")) as { packs: unknown[] }).packs).toHaveLength(1);
  });
});

describe("build profiles", () => {
  const manifest = (lto: string): string =>
    `[package]\nname = "app"\nversion = "1.0.0"\nlicense = "MIT"\n\n[profile.dev]\noptimization_level = 0\ndebug = true\n\n` +
    `[profile.release]\ninherits = "dev"\noptimization_level = 3\nlto = "${lto}"\n`;

  test("[MAN-27] config prints the effective profile, and an unknown value is refused", async () => {
    const box = open();
    box.write("gal.toml", manifest("fat"));
    const whole = await box.ok("gal-pkg config get profile.release");
    expect(JSON.parse(whole.stdout.trim())).toEqual({ optimization_level: 3, debug: true, lto: "fat" });
    expect((await box.ok("gal-pkg config get profile.release.debug")).stdout.trim()).toBe("true");
    const unknown = await box.line("gal-pkg config get profile.fast");
    expect(unknown.stderr).toContain('there are "dev", "release"');
    box.write("gal.toml", manifest("fatt"));
    const refused = await box.line("gal-pkg check");
    expect(refused.code).not.toBe(0);
    expect(`${refused.stdout}${refused.stderr}`).toContain("profile.release.lto");
    expect((await box.line("gal-pkg config get profile.release")).code).toBe(3);
  });

  test("[RES-03] resolving with a profile and a feature changes the lock and records both", async () => {
    const project = createProject(
      {
        "gal.toml":
          `[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\nmr-lib = "1"\nmr-extra = { version = "1", optional = true }\n\n` +
          `[features]\nexperimental = ["mr-extra"]\n\n[profile.release]\noptimization_level = 3\n`,
      },
      { profile: "gal", registry: registry.url },
    );
    const plain = await project.use((context) => lock({}, context));
    expect(plain.lock.packages.map(({ name }) => name)).toEqual(["mr-lib"]);
    const made = await project.use((context) => lock({ profile: "release", features: ["experimental"] }, context));
    expect(made.lock.packages.map(({ name }) => name)).toEqual(["mr-extra", "mr-lib"]);
    expect(parseLockfile(project.read("gal.lock"), "gal.lock").environment).toMatchObject({
      profile: ["release"],
      features: ["experimental"],
    });
    expect(await failure(() => project.use((context) => lock({ features: ["none"] }, context)))).toBe(
      "FEATURE_UNKNOWN",
    );
  });
});

test("[MAN-40] a manifest can declare that it changes its own code, and a policy can refuse that", async () => {
  const box = open();
  const app = (policy: string): string =>
    `[package]\nname = "app"\nversion = "1.0.0"\nlicense = "MIT"\n\n[dependencies]\nmr-changing = "1"\n${policy}`;
  box.write("gal.toml", app(""));
  await box.ok("gal-pkg install");
  box.write("gal.toml", app("\n[security]\nallow_self_modifying = false\n"));
  await box.ok("rm -rf gal_packages .gal .lading");
  const refused = await box.line("gal-pkg install");
  expect(refused.code).toBe(8);
  expect(refused.stderr).toContain("mr-changing");
});

test("[LCK-11] a page says why to commit lock files, and init does not ignore the lock", async () => {
  const guide = readFileSync(path.join(import.meta.dirname, "../docs/guides/lock-files.md"), "utf8");
  expect(guide).toContain("**Commit it**");
  const box = open();
  await box.ok("git init --quiet .");
  for (const [line, lockfile] of [
    ["lading init app", "lading.lock"],
    ["gal-pkg init app", "gal.lock"],
  ] as const) {
    const directory = lockfile.replace(".lock", "");
    await box.ok(`mkdir ${directory}`);
    await box.ok(line, { cwd: directory });
    expect(box.has(`${directory}/.gitignore`)).toBe(true);
    expect((await box.line(`git check-ignore ${lockfile}`, { cwd: directory })).code).toBe(1);
  }
});

describe("[MAN-41] one repository with a manifest of every dialect", () => {
  const toml = `[package]\nname = "app"\nversion = "1.0.0"\nlicense = "MIT"\n`;
  const directories = {
    lading: { profile: "lading", file: "lading.toml", text: toml, exact: "=1.0.0" },
    vitte: { profile: "vitte", file: "vitte.toml", text: toml, exact: "=1.0.0" },
    gal: { profile: "gal", file: "gal.toml", text: toml, exact: "=1.0.0" },
    pack: {
      profile: "attune",
      file: "pack.yaml",
      text: `ref: app\nversion: "1.0.0"\nmeta: { license: MIT }\n`,
      exact: "1.0.0",
    },
    revit: {
      profile: "revitpy",
      file: "pyproject.toml",
      text: `[project]\nname = "app"\nversion = "1.0.0"\nlicense = "MIT"\n\n[tool.revitpy]\n`,
      exact: "==1.0.0",
    },
  } as const;
  let box: Sandbox;
  beforeAll(() => {
    box = open();
    for (const [directory, { file, text }] of Object.entries(directories)) {
      box.write(`${directory}/${file}`, text);
      box.write(`${directory}/src/a.txt`, "a");
    }
  });

  test.each(Object.entries(directories))(
    "every verb of a project works in %s",
    async (directory, { profile, exact }) => {
      // Attune's own program spells few of them; a program that takes over all commands works on the same files.
      const bins = [{ name: "tool", inherit: true, commands: [] }];
      const cli = createCli({ ...builtinProfile(profile), bins });
      const say = async (...words: readonly string[]): Promise<string> => {
        const written = { stdout: "", stderr: "" };
        const stream = (name: keyof typeof written) => ({
          isTTY: false,
          write: (text: string) => ((written[name] += text), true),
        });
        const env = {
          PATH: process.env["PATH"],
          HOME: box.home,
          [`${profile.toUpperCase()}_REGISTRY_URL`]: registry.url,
        };
        const io = {
          stdout: stream("stdout"),
          stderr: stream("stderr"),
          stdin: Readable.from([]),
          env,
          cwd: box.path(directory),
        };
        const code = await cli.run(words, io);
        expect([words.join(" "), code, written.stderr.includes("error[") ? written.stderr : ""]).toEqual([
          words.join(" "),
          0,
          "",
        ]);
        return written.stdout;
      };
      await say("add", `mr-lib@${exact}`);
      await say("lock");
      await say("install");
      expect(await say("tree")).toContain("mr-lib 1.0.0");
      expect(await say("why", "mr-lib")).toContain("mr-lib");
      expect(await say("why-not", "mr-lib@1.1.0")).toContain("1.1.0");
      expect(await say("outdated")).toContain("1.1.0");
      expect(await say("resolve", "--explain")).toContain("mr-lib 1.0.0");
      expect(await say("info", "mr-lib")).toContain("1.1.0");
      expect(await say("search", "mr-lib")).toContain("mr-lib");
      await say("upgrade", "mr-lib");
      expect(await say("tree")).toContain("mr-lib 1.1.0");
      await say("update");
      await say("history");
      await say("check");
      await say("clean", "--dry-run");
      await say("remove", "mr-lib");
      expect(await say("tree")).not.toContain("mr-lib");
    },
  );
});
