import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { validateWorkflow } from "@action-validator/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import {
  api,
  createSandbox,
  startRegistry,
  type CliResult,
  type RegistryProcess,
  type Sandbox,
} from "./lib/harness.ts";

const ROOT = path.join(import.meta.dirname, "..");
const GITLAB = createRequire(import.meta.url).resolve("gitlab-ci-local");

let registry: RegistryProcess;
/** Where the single-file programs are, as a pipeline downloads them; and a Node on the path. */
let downloads: string;
const sandboxes: Sandbox[] = [];

beforeAll(async () => {
  registry = await startRegistry();
  downloads = mkdtempSync(path.join(tmpdir(), "lading-downloads-"));
  for (const name of ["attune", "gal-pkg"]) {
    execFileSync(process.execPath, [
      "-C",
      "@lading/source",
      path.join(ROOT, "scripts/single-file/main.ts"),
      name,
      path.join(downloads, name),
    ]);
  }
  mkdirSync(path.join(downloads, "node"));
  symlinkSync(process.execPath, path.join(downloads, "node/node"));
});
afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await registry.dispose();
  rmSync(downloads, { recursive: true, force: true });
});

/** A home without any of our programs, but with Node, Git and a `gh` that notes what it is asked. */
function open(): Sandbox {
  const box = createSandbox();
  sandboxes.push(box);
  box.write(
    "~/.gitconfig",
    `[user]\n  name = Ada\n  email = ada@example.com\n[init]\n  defaultBranch = main\n[protocol "file"]\n  allow = always\n[url "file://${box.root}/repositories/"]\n  insteadOf = https://x-access-token:s3cret@github.com/\n  insteadOf = https://gitlab-ci-token:s3cret@gitlab.example.com/\n`,
  );
  box.write("tools/gh", '#!/bin/sh\nprintf "%s\\n" "$*" >> "$HOME/gh.log"\n');
  execFileSync("chmod", ["+x", box.path("tools/gh")]);
  return box;
}

const pathOf = (box: Sandbox): string =>
  [`${box.home}/.local/bin`, box.path("tools"), path.join(downloads, "node"), "/usr/bin", "/bin"].join(":");

const PACK = (ref: string, version: string): string =>
  `ref: ${ref}\nlabel: ${ref}\ndescription: The ${ref} pack\nversion: "${version}"\nauthor: Ada\nmeta:\n  license: MIT\ntesting:\n  runners:\n    shell: { type: script, entry_point: tests/run.sh }\n`;

function writePack(box: Sandbox, directory: string, ref: string, version: string): void {
  box.write(`${directory}/pack.yaml`, PACK(ref, version));
  box.write(`${directory}/tests/run.sh`, "echo Passed: 1\necho Failed: 0\n");
  box.write(`${directory}/README.md`, `# ${ref}\n`);
}

const git = (box: Sandbox, script: string, cwd: string): Promise<CliResult> => box.ok(script, { cwd });

/** The repository of the static registry, bare, with an empty index. */
async function indexRepository(box: Sandbox): Promise<void> {
  await box.ok("attune pack index-init registry --url https://registry.example.com/index.json");
  await git(box, "git init -q . && git add -A && git commit -qm init && git branch -M main", "registry");
  await box.ok(`git clone -q --bare registry ${box.root}/repositories/org/registry.git`);
}

async function indexOf(box: Sandbox): Promise<{ ref: string; version: string; install_sources: { type: string }[] }[]> {
  const { stdout } = await box.ok(`git --git-dir ${box.root}/repositories/org/registry.git show main:index.json`);
  return (JSON.parse(stdout) as { packs: never }).packs;
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, { readonly steps: readonly Step[]; readonly needs?: string }>>;
}

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly if?: string;
  readonly "working-directory"?: string;
}

interface Runner {
  readonly box: Sandbox;
  readonly cwd: string;
  /** Expression -> value. */
  readonly values: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the shell steps of a job as the service's runner does. */
async function runJob(job: Workflow["jobs"][string], runner: Runner): Promise<Readonly<Record<string, string>>> {
  const { box, cwd } = runner;
  const fill = (text: string): string =>
    text.replaceAll(/\$\{\{\s*(.*?)\s*\}\}/g, (_, expression: string) => {
      const value = runner.values[expression];
      if (value === undefined) throw new Error(`The test has no value for "${expression}"`);
      return value;
    });
  box.write("runner/path", "");
  box.write("runner/output", "");
  for (const step of job.steps) {
    if (step.run === undefined || (step.if !== undefined && runner.values[step.if] !== "true")) continue;
    const env = Object.fromEntries(Object.entries(step.env ?? {}).map(([key, value]) => [key, fill(value)]));
    box.write("runner/step.sh", fill(step.run));
    await box.ok(`/bin/bash --noprofile --norc -eo pipefail ${box.path("runner/step.sh")}`, {
      cwd: path.posix.join(cwd, fill(step["working-directory"] ?? ".")),
      env: {
        PATH: pathOf(box),
        GITHUB_PATH: box.path("runner/path"),
        GITHUB_OUTPUT: box.path("runner/output"),
        ...runner.env,
        ...env,
      },
    });
  }
  return Object.fromEntries(
    box
      .read("runner/output")
      .trim()
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]),
  );
}

const workflow = (box: Sandbox, file: string): Workflow => parse(box.read(file)) as Workflow;

const VALUES = (): Record<string, string> => ({
  "vars.ATTUNE_CLI_URL": `file://${downloads}`,
  "vars.GAL_CLI_URL": `file://${downloads}`,
  "vars.REGISTRY_REPOSITORY": "org/registry",
  "secrets.TOKEN": "s3cret",
  "secrets.GAL_REGISTRY_TOKEN": registry.token,
  "secrets.SIGNING_KEY": "",
  "github.token": "t",
  "github.actor": "ada",
  "github.repository": "org/pack",
  "github.ref_name": "v1.2.0",
  "runner.temp": tmpdir(),
});

describe("the single-file program", () => {
  test("[CIC-09] runs with Node and nothing else, wherever it is put", async () => {
    const box = open();
    writePack(box, "pack", "demo", "1.0.0");
    cpSync(path.join(downloads, "attune"), box.path("alone/attune"));
    const env = { PATH: `${path.join(downloads, "node")}:/usr/bin:/bin` };
    const run = (line: string): Promise<CliResult> => box.ok(`../alone/attune ${line}`, { cwd: "pack", env });
    expect((await run("--version")).stdout).toMatch(/^attune \d+\.\d+\.\d+\n$/);
    expect((await run("pack test . --detailed")).stdout).toContain("1 of 1 tests passed");
    const { stdout } = await run("pack checksum . --json");
    expect(JSON.parse(stdout)).toMatchObject({ checksum: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string });
    await run("pack build");
    expect(readdirSync(box.path("pack/dist"))).toEqual(["demo-1.0.0.tar.gz"]);
    await run("pack index-entry . --git-url https://github.com/org/demo --git-ref v1.0.0");
  });
});

describe("ci init github", () => {
  test("writes workflows that fit the format's schema, with actions pinned by commit", async () => {
    const box = open();
    await box.ok("attune ci init github && gal-pkg ci init github --output gal && vitte ci init github --output vitte");
    for (const directory of [".", "gal", "vitte"]) {
      const files = readdirSync(box.path(directory, ".github/workflows"));
      expect(files).toEqual(["build.yml", "packages.yml", "publish.yml", "registry.yml"]);
      for (const file of files) {
        const text = box.read(`${directory}/.github/workflows/${file}`);
        expect([file, validateWorkflow(text).errors]).toEqual([file, []]);
        for (const [, version] of text.matchAll(/uses: [^@\n]+@(\S+)/g)) expect(version).toMatch(/^[0-9a-f]{40}$/);
        // A tag's name must never become part of a script.
        for (const { run = "" } of Object.values(workflow(box, `${directory}/.github/workflows/${file}`).jobs).flatMap(
          ({ steps }) => steps,
        )) {
          expect(run).not.toContain("${{");
        }
      }
    }
  });

  test("[CIC-01] [CIC-04] [CIC-12] [CIC-13] the steps for a tag test, release and list the pack in the registry's repository", async () => {
    const box = open();
    await indexRepository(box);
    writePack(box, "pack", "demo", "1.2.0");
    await box.ok("attune ci init github", { cwd: "pack" });
    await git(box, "git init -q . && git add -A && git commit -qm one && git tag v1.2.0", "pack");
    const { on, jobs, permissions } = workflow(box, "pack/.github/workflows/publish.yml");
    expect(on).toEqual({ push: { tags: ["v*.*.*"] } });
    expect(permissions).toEqual({ contents: "write" });
    const runner = {
      box,
      cwd: "pack",
      values: VALUES(),
      env: { GITHUB_REF_NAME: "v1.2.0", GITHUB_REPOSITORY: "org/pack" },
    };
    await runJob(jobs["publish"]!, runner);
    expect(box.read("~/gh.log")).toContain(
      "release create v1.2.0 --verify-tag --generate-notes dist/demo-1.2.0.tar.gz",
    );
    const [entry] = await indexOf(box);
    expect(entry).toMatchObject({
      ref: "demo",
      version: "1.2.0",
      install_sources: [{ type: "git", url: "https://github.com/org/pack", ref: "v1.2.0" }],
    });
    // The listed checksum is the one of a fresh checkout, whatever building has left behind.
    await box.ok("git clone -q pack fresh");
    const { stdout } = await box.ok("attune pack checksum fresh");
    expect(JSON.stringify(entry)).toContain(stdout.split(" ")[0]!);
    // The same again changes nothing and does not fail; another tag than the version does.
    await runJob(jobs["publish"]!, runner);
    await expect(
      runJob(jobs["publish"]!, { ...runner, env: { ...runner.env, GITHUB_REF_NAME: "v9.9.9" } }),
    ).rejects.toThrow("The tag is v9.9.9, the version in pack.yaml is 1.2.0");
  });

  test("[CIC-02] the steps for a repository of several packs publish those that changed, and only those", async () => {
    const box = open();
    await indexRepository(box);
    for (const name of ["one", "two"]) writePack(box, `mono/packs/${name}`, name, "1.0.0");
    await box.ok("attune ci init github", { cwd: "mono" });
    await git(box, "git init -q . && git add -A && git commit -qm one", "mono");
    const { jobs } = workflow(box, "mono/.github/workflows/packages.yml");
    const find = async (before: string): Promise<string[]> => {
      const values = { ...VALUES(), "github.event.before": before };
      const { packages } = await runJob(jobs["changed"]!, { box, cwd: "mono", values });
      return JSON.parse(packages!) as string[];
    };
    expect(await find("0".repeat(40))).toEqual(["packs/one", "packs/two"]);
    const first = (await git(box, "git rev-parse HEAD", "mono")).stdout.trim();
    expect(await find(first)).toEqual([]);
    writePack(box, "mono/packs/two", "two", "1.1.0");
    await git(box, "git commit -qam two", "mono");
    expect(await find(first)).toEqual(["packs/two"]);
    await runJob(jobs["publish"]!, {
      box,
      cwd: "mono",
      values: { ...VALUES(), "matrix.package": "packs/two" },
      env: { GITHUB_REPOSITORY: "org/mono" },
    });
    expect(box.read("~/gh.log")).toContain("release create two-v1.1.0");
    expect(await indexOf(box)).toMatchObject([
      {
        ref: "two",
        version: "1.1.0",
        install_sources: [
          { type: "archive", url: "https://github.com/org/mono/releases/download/two-v1.1.0/two-1.1.0.tar.gz" },
        ],
      },
    ]);
  });

  test("[CIC-03] the scheduled steps merge a registry's indexes, check the result and commit it", async () => {
    const box = open();
    for (const [name, version] of [
      ["one", "1.0.0"],
      ["two", "2.0.0"],
    ] as const) {
      writePack(box, name, name, version);
      await box.ok(
        `attune pack index-init ${name}-index --url https://registry.example.com/${name}.json && mkdir -p registry/sources`,
      );
      await box.ok(
        `attune pack index-update --index ${name}-index/index.json ${name} --git-url https://github.com/org/${name} --git-ref v${version} && cp ${name}-index/index.json registry/sources/${name}.json`,
      );
    }
    await box.ok("attune ci init github", { cwd: "registry" });
    await git(box, "git init -q . && git add -A && git commit -qm one && git branch -M main", "registry");
    await box.ok(
      `git clone -q --bare registry ${box.root}/repositories/org/registry.git && git clone -q ${box.root}/repositories/org/registry.git checkout`,
    );
    const { jobs, on } = workflow(box, "registry/.github/workflows/registry.yml");
    expect(on["schedule"]).toEqual([{ cron: "17 4 * * *" }]);
    await runJob(jobs["maintain"]!, { box, cwd: "checkout", values: VALUES() });
    expect((await indexOf(box)).map(({ ref }) => ref)).toEqual(["one", "two"]);
    const before = (await git(box, "git rev-parse HEAD", "checkout")).stdout;
    await runJob(jobs["maintain"]!, { box, cwd: "checkout", values: VALUES() });
    expect((await git(box, "git rev-parse HEAD", "checkout")).stdout).toBe(before);
    box.write("checkout/sources/two.json", "{}");
    await expect(runJob(jobs["maintain"]!, { box, cwd: "checkout", values: VALUES() })).rejects.toThrow(
      "sources/two.json",
    );
  });

  test("[CIC-05] the steps of a build check every change, and publish to the registry on a release by the secret token", async () => {
    const box = open();
    const manifest =
      '[package]\nname = "ci-demo"\nversion = "1.0.0"\ndescription = "d"\nlicense = "MIT"\n\n[testing.runners.shell]\ntype = "script"\nentry_point = "t.sh"\n';
    box.write("p/gal.toml", manifest);
    box.write("p/t.sh", "exit 0\n");
    await box.ok("gal-pkg ci init github", { cwd: "p" });
    const text = box.read("p/.github/workflows/build.yml");
    expect(text).toContain("GAL_REGISTRY_TOKEN: ${{ secrets.GAL_REGISTRY_TOKEN }}");
    expect(text).toContain("# gal-pkg scan --fail-on high");
    expect(text).toContain("if: github.event_name == 'release'");
    const { jobs } = workflow(box, "p/.github/workflows/build.yml");
    const env = { GAL_REGISTRY_URL: registry.url };
    const release = "github.event_name == 'release'";
    await runJob(jobs["test"]!, { box, cwd: "p", values: { ...VALUES(), [release]: "false" }, env });
    expect((await api(registry, "/api/v1/packages/ci-demo")).status).toBe(404);
    const key = await box.ok("gal-pkg keygen --output key.pem && cat key.pem");
    const signed = {
      ...VALUES(),
      [release]: "true",
      "secrets.SIGNING_KEY": key.stdout.slice(key.stdout.indexOf("-----BEGIN")),
    };
    await runJob(jobs["test"]!, { box, cwd: "p", values: signed, env });
    const { status, ...answer } = await api(registry, "/api/v1/packages/ci-demo/versions/1.0.0");
    expect([status, answer]).toEqual([200, expect.anything()]);
    box.write("p/t.sh", "exit 1\n");
    await expect(
      runJob(jobs["test"]!, { box, cwd: "p", values: { ...VALUES(), [release]: "false" }, env }),
    ).rejects.toThrow("0 of 1 passed");
  });

  test("[CIC-02] the steps for several packages of a registry publish what changed, each at its own version", async () => {
    const box = open();
    const manifest = (name: string): string =>
      `[package]\nname = "${name}"\nversion = "1.0.0"\ndescription = "d"\nlicense = "MIT"\n`;
    for (const name of ["several-one", "several-two"]) box.write(`mono/packages/${name}/gal.toml`, manifest(name));
    await box.ok("gal-pkg ci init github", { cwd: "mono" });
    await git(box, "git init -q . && git add -A && git commit -qm one", "mono");
    const { jobs } = workflow(box, "mono/.github/workflows/packages.yml");
    for (const name of ["several-one", "several-two"]) {
      const values = { ...VALUES(), "matrix.package": `packages/${name}` };
      await runJob(jobs["publish"]!, { box, cwd: "mono", values, env: { GAL_REGISTRY_URL: registry.url } });
      expect((await api(registry, `/api/v1/packages/${name}/versions/1.0.0`)).status).toBe(200);
    }
  });

  test("names the manifest that the repository has, where an ecosystem has several", async () => {
    const box = open();
    box.copy("examples/revitpy/my-package", "p");
    await box.ok("revitpy-install ci init script && revitpy-install ci init gitlab", { cwd: "p" });
    expect(box.read("p/.gitlab-ci.yml")).toContain("exists: [pyproject.toml]");
    box.write("p/.gitignore", "dist/\n");
    await git(box, "git init -q . && git add -A && git commit -qm one", "p");
    const { stdout } = await box.ok("scripts/publish.sh --dry-run", { cwd: "p" });
    expect(stdout).toContain("Would tag v1.0.0 and publish");
  });

  test("replaces nothing without --force, and refuses services that it does not know", async () => {
    const box = open();
    box.write(".github/workflows/publish.yml", "mine\n");
    const refused = await box.line("attune ci init github");
    expect([refused.code, refused.stderr]).toEqual([8, expect.stringContaining("CI_FILE_EXISTS")]);
    expect(readdirSync(box.path(".github/workflows"))).toEqual(["publish.yml"]);
    await box.ok("attune ci init github --dry-run --force");
    expect(box.read(".github/workflows/publish.yml")).toBe("mine\n");
    expect((await box.line("attune ci init travis")).code).toBe(2);
    // One of two programs of an ecosystem may lack what the other has.
    await box.ok("revitpy-install ci init github --output revitpy");
    expect(box.read("revitpy/.github/workflows/build.yml")).toContain("revitpy-build publish");
  });
});

/** Reads a pipeline with GitLab's schema and rules, and lists its jobs. */
function gitlabJobs(box: Sandbox, cwd: string): Promise<CliResult> {
  const line = `"${process.execPath}" "${GITLAB}" --list-all --no-color`;
  return box.line(line, { cwd, env: { PATH: pathOf(box) } });
}

interface GitlabJob {
  readonly extends?: string;
  readonly before_script?: readonly string[];
  readonly script: readonly string[];
  readonly variables?: Readonly<Record<string, string>>;
}

/** Runs a job's scripts as GitLab's shell does. */
async function runGitlab(
  box: Sandbox,
  cwd: string,
  name: string,
  env: Readonly<Record<string, string>>,
): Promise<CliResult> {
  const pipeline = parse(box.read(`${cwd}/.gitlab-ci.yml`)) as Readonly<Record<string, GitlabJob>>;
  const job = pipeline[name]!;
  const { before_script: before = [] } = pipeline[job.extends!]!;
  box.write("gitlab.sh", [...before, ...job.script].join("\n"));
  const { CHECKSUMS } = (pipeline as unknown as { variables: { CHECKSUMS: string } }).variables;
  // The service fills in its own variables where the pipeline's and the job's name them.
  const own = Object.fromEntries(
    Object.entries(job.variables ?? {}).map(([key, value]) => [
      key,
      value.replaceAll(/\$(\w+)/g, (_, variable: string) => env[variable] ?? ""),
    ]),
  );
  return box.ok(`/bin/bash -eo pipefail ${box.path("gitlab.sh")}`, {
    cwd,
    env: { PATH: pathOf(box), CHECKSUMS, ...env, ...own },
  });
}

describe("ci init gitlab", () => {
  test("[CIC-06] the pipeline fits GitLab's schema, and its jobs test, pack and publish", async () => {
    const box = open();
    box.write("p/gal.toml", '[package]\nname = "gl-demo"\nversion = "1.2.0"\ndescription = "d"\nlicense = "MIT"\n');
    await box.ok("gal-pkg ci init gitlab", { cwd: "p" });
    await git(
      box,
      "git init -q . && git add -A && git commit -qm one && git tag v1.2.0 && git remote add origin git@gitlab.example.com:org/p.git",
      "p",
    );
    const env = {
      GAL_CLI_URL: `file://${downloads}`,
      GAL_REGISTRY_TOKEN: registry.token,
      GAL_REGISTRY_URL: registry.url,
    };
    expect((await runGitlab(box, "p", "test", env)).stdout).toContain("gl-demo-1.2.0");
    await runGitlab(box, "p", "publish", { ...env, CI_COMMIT_TAG: "v1.2.0" });
    expect((await api(registry, "/api/v1/packages/gl-demo/versions/1.2.0")).status).toBe(200);
    // Nothing that the pipeline made is in what it published.
    expect((await box.ok("tar --zstd -tf target/gl-demo-1.2.0.galpkg", { cwd: "p" })).stdout).not.toContain("checksum");
    expect(box.has("p/target/checksum.json")).toBe(true);
    for (const ecosystem of ["attune", "vitte", "gal-pkg"] as const) {
      await box.ok(`${ecosystem} ci init gitlab --output ${ecosystem}`);
      await git(
        box,
        "git init -q . && git add -A && git commit -qm one && git remote add origin git@gitlab.example.com:org/p.git",
        ecosystem,
      );
      const listed = await gitlabJobs(box, ecosystem);
      expect([ecosystem, listed.code, listed.stderr]).toEqual([
        ecosystem,
        0,
        expect.stringContaining("schema validated"),
      ]);
      for (const job of ["test", "publish", "packages", "registry"]) {
        expect(listed.stdout).toMatch(new RegExp(`^${job} `, "m"));
      }
    }
    box.write("attune/.gitlab-ci.yml", box.read("attune/.gitlab-ci.yml").replace("stages: [", "stages: [3, "));
    expect((await gitlabJobs(box, "attune")).code).not.toBe(0);
  });

  test("the job for several packs uploads and lists those that changed", async () => {
    const box = open();
    await indexRepository(box);
    for (const name of ["one", "two"]) writePack(box, `mono/packs/${name}`, name, "1.0.0");
    await box.ok("attune ci init gitlab", { cwd: "mono" });
    await git(box, "git init -q . && git add -A && git commit -qm one", "mono");
    box.write(
      "tools/curl",
      '#!/bin/sh\nif [ "$1" = -fsSL ]; then exec /usr/bin/curl "$@"; fi\nprintf "%s\\n" "$*" >> "$HOME/curl.log"\n',
    );
    await box.ok("chmod +x tools/curl");
    await runGitlab(box, "mono", "packages", {
      ATTUNE_CLI_URL: `file://${downloads}`,
      CI_COMMIT_BEFORE_SHA: "0".repeat(40),
      CI_API_V4_URL: "https://gitlab.example.com/api/v4",
      CI_PROJECT_ID: "7",
      CI_SERVER_HOST: "gitlab.example.com",
      CI_JOB_TOKEN: "job",
      CI_PROJECT_URL: "https://gitlab.example.com/org/mono",
      CI_COMMIT_REF_NAME: "main",
      REGISTRY_TOKEN: "s3cret",
      REGISTRY_REPOSITORY: "org/registry",
      GIT_USER: "ada",
      GIT_EMAIL: "ada@example.com",
    });
    expect(box.read("~/curl.log").trim().split("\n")).toHaveLength(2);
    const url = (name: string): string =>
      `https://gitlab.example.com/api/v4/projects/7/packages/generic/${name}/1.0.0/${name}-1.0.0.tar.gz`;
    expect((await indexOf(box)).map(({ install_sources: [source] }) => source)).toMatchObject([
      { type: "archive", url: url("one") },
      { type: "archive", url: url("two") },
    ]);
  });
});

describe("ci init gitlab for a static registry", () => {
  const SERVICE = {
    CI_SERVER_HOST: "gitlab.example.com",
    REGISTRY_TOKEN: "s3cret",
    REGISTRY_REPOSITORY: "org/registry",
    GIT_USER: "ada",
    GIT_EMAIL: "ada@example.com",
  };

  test("[CIC-06] the job for a tag lists the pack where its tag is, with the checksum of what is in Git", async () => {
    const box = open();
    await indexRepository(box);
    writePack(box, "pack", "demo", "1.2.0");
    await box.ok("attune ci init gitlab", { cwd: "pack" });
    await git(box, "git init -q . && git add -A && git commit -qm one && git tag v1.2.0", "pack");
    const env = {
      ...SERVICE,
      ATTUNE_CLI_URL: `file://${downloads}`,
      CI_COMMIT_TAG: "v1.2.0",
      CI_COMMIT_REF_NAME: "v1.2.0",
      CI_PROJECT_URL: "https://gitlab.example.com/org/pack",
    };
    await runGitlab(box, "pack", "test", env);
    await runGitlab(box, "pack", "publish", env);
    await box.ok("git clone -q pack fresh");
    const checksum = (await box.ok("attune pack checksum fresh")).stdout.split(" ")[0];
    const url = "https://gitlab.example.com/org/pack";
    expect(await indexOf(box)).toMatchObject([
      { ref: "demo", version: "1.2.0", install_sources: [{ type: "git", url, ref: "v1.2.0", checksum }] },
    ]);
    expect((await box.ok("tar tzf dist/demo-1.2.0.tar.gz", { cwd: "pack" })).stdout).not.toContain("checksum.json");
  });

  test("[CIC-06] the scheduled job merges a registry's indexes from the commit that the service checks out", async () => {
    const box = open();
    await registrySources(box, "attune ci init gitlab");
    const env = { ...SERVICE, ATTUNE_CLI_URL: `file://${downloads}` };
    const branch = { CI_COMMIT_REF_NAME: "main", CI_PROJECT_PATH: "org/registry" };
    await runGitlab(box, "checkout", "registry", { ...env, ...branch });
    expect((await indexOf(box)).map(({ ref }) => ref)).toEqual(["one", "two"]);
  });
});

/** The repository of a static registry with two indexes to merge, and a checkout of its commit without a branch. */
async function registrySources(box: Sandbox, init: string): Promise<void> {
  for (const name of ["one", "two"]) {
    writePack(box, name, name, "1.0.0");
    await box.ok(`attune pack index-init ${name}-index --url https://registry.example.com/${name}.json`);
    await box.ok(
      `attune pack index-update --index ${name}-index/index.json ${name} --git-url https://github.com/org/${name} --git-ref v1.0.0`,
    );
    await box.ok(`mkdir -p registry/sources && cp ${name}-index/index.json registry/sources/${name}.json`);
  }
  await box.ok(init, { cwd: "registry" });
  await git(box, "git init -q . && git add -A && git commit -qm one && git branch -M main", "registry");
  await box.ok(`git clone -q --bare registry ${box.root}/repositories/org/registry.git`);
  await box.ok(
    `git clone -q ${box.root}/repositories/org/registry.git checkout && git -C checkout checkout -q --detach`,
  );
}

/** The scripts of a declarative pipeline by their stage, as the shell gets them. */
function stages(jenkinsfile: string): ReadonlyMap<string, string> {
  const found = [...jenkinsfile.matchAll(/stage\('([^']+)'\) \{.*?sh '''(.*?)'''/gs)];
  return new Map(found.map(([, name, script]) => [name!, script!.replaceAll("\\\\", "\\")]));
}

/** Runs a stage's script as the service's shell does. */
async function runStage(
  box: Sandbox,
  cwd: string,
  name: string,
  env: Readonly<Record<string, string>>,
): Promise<CliResult> {
  const text = box.read(`${cwd}/Jenkinsfile`);
  const [, checksums] = /CHECKSUMS = '([^']+)'/.exec(text)!;
  writeFileSync(box.path("stage.sh"), stages(text).get(name)!);
  return box.ok(`sh ${box.path("stage.sh")}`, { cwd, env: { PATH: pathOf(box), CHECKSUMS: checksums!, ...env } });
}

describe("ci init jenkins", () => {
  test("[CIC-07] the pipeline is balanced, and its stages test, pack and publish", async () => {
    const box = open();
    box.write("p/gal.toml", '[package]\nname = "jk-demo"\nversion = "1.2.0"\ndescription = "d"\nlicense = "MIT"\n');
    await box.ok("gal-pkg ci init jenkins", { cwd: "p" });
    const text = box.read("p/Jenkinsfile");
    const outside = text
      .replaceAll(/'''.*?'''/gs, "''")
      .replaceAll(/'(?:[^'\\]|\\.)*'/g, "''")
      .replaceAll(/^\/\/.*$/gm, "");
    for (const [left, right] of ["{}", "()", "[]"]) {
      expect(outside.split(left!).length).toBe(outside.split(right!).length);
    }
    expect(outside).toMatch(/^\s*pipeline \{\s*agent any/);
    const scripts = stages(text);
    expect([...scripts.keys()]).toEqual(["Install the command line", "Test", "Publish", "Packages", "Registry"]);
    await git(box, "git init -q . && git add -A && git commit -qm one", "p");
    const env = {
      GAL_CLI_URL: `file://${downloads}`,
      GAL_REGISTRY_TOKEN: registry.token,
      GAL_REGISTRY_URL: registry.url,
      TAG_NAME: "v1.2.0",
    };
    for (const name of ["Install the command line", "Test", "Publish"]) await runStage(box, "p", name, env);
    expect((await api(registry, "/api/v1/packages/jk-demo/versions/1.2.0")).status).toBe(200);
    expect((await box.ok("tar --zstd -tf target/jk-demo-1.2.0.galpkg", { cwd: "p" })).stdout).not.toContain("checksum");
  });

  const SERVICE = {
    REGISTRY_TOKEN: "s3cret",
    REGISTRY_HOST: "github.com",
    REGISTRY_REPOSITORY: "org/registry",
    GIT_USER: "jenkins",
    GIT_EMAIL: "jenkins@localhost",
  };

  test("[CIC-07] the stages list a pack by its tag, and those of several that changed by their files", async () => {
    const box = open();
    await indexRepository(box);
    const env = { ...SERVICE, ATTUNE_CLI_URL: `file://${downloads}` };
    writePack(box, "pack", "demo", "1.2.0");
    await box.ok("attune ci init jenkins", { cwd: "pack" });
    await git(box, "git init -q . && git add -A && git commit -qm one && git tag v1.2.0", "pack");
    const tagged = { ...env, TAG_NAME: "v1.2.0", GIT_URL: "https://github.com/org/pack.git" };
    for (const name of ["Install the command line", "Test", "Publish"]) await runStage(box, "pack", name, tagged);

    for (const name of ["one", "two"]) writePack(box, `mono/packs/${name}`, name, "1.0.0");
    await box.ok("attune ci init jenkins", { cwd: "mono" });
    await git(box, "git init -q . && git add -A && git commit -qm one", "mono");
    const first = (await git(box, "git rev-parse HEAD", "mono")).stdout.trim();
    writePack(box, "mono/packs/two", "two", "1.1.0");
    await git(box, "git commit -qam two", "mono");
    box.write("tools/curl", '#!/bin/sh\nprintf "%s\\n" "$*" >> "$HOME/curl.log"\n');
    await box.ok("chmod +x tools/curl");
    await runStage(box, "mono", "Packages", {
      ...env,
      ARCHIVE_URL: "https://files.example.com/packs",
      GIT_URL: "https://github.com/org/mono.git",
      GIT_COMMIT: first,
      GIT_PREVIOUS_SUCCESSFUL_COMMIT: first,
    });
    const url = "https://files.example.com/packs/two/1.1.0/two-1.1.0.tar.gz";
    expect(box.read("~/curl.log")).toBe(`-fsS --upload-file dist/two-1.1.0.tar.gz ${url}\n`);
    expect((await indexOf(box)).map(({ ref, version, install_sources: [source] }) => [ref, version, source])).toEqual([
      ["demo", "1.2.0", expect.objectContaining({ url: "https://github.com/org/pack", ref: "v1.2.0" })],
      ["two", "1.1.0", expect.objectContaining({ type: "archive", url })],
    ]);
  });

  test("[CIC-07] the timed stage merges a registry's indexes, and pushes from the commit that the service checks out", async () => {
    const box = open();
    await registrySources(box, "attune ci init jenkins");
    const env = {
      ...SERVICE,
      ATTUNE_CLI_URL: `file://${downloads}`,
      GIT_URL: "https://github.com/org/registry.git",
      BRANCH_NAME: "main",
    };
    await runStage(box, "checkout", "Install the command line", env);
    await runStage(box, "checkout", "Registry", env);
    expect((await indexOf(box)).map(({ ref }) => ref)).toEqual(["one", "two"]);
  });
});

describe("the script for publishing by hand", () => {
  test("[CIC-18] checks, tests, tags and publishes to a local registry; --dry-run does neither of the last two", async () => {
    const box = open();
    box.write("p/gal.toml", '[package]\nname = "by-hand"\nversion = "2.0.0"\ndescription = "d"\nlicense = "MIT"\n');
    await box.ok("gal-pkg ci init script", { cwd: "p" });
    expect(box.mode("p/scripts/publish.sh") & 0o111).toBe(0o111);
    box.write("p/.gitignore", "target/\n");
    await git(box, "git init -q . && git add -A && git commit -qm one", "p");
    await box.ok(
      `git clone -q --bare p ${box.root}/repositories/p.git && git -C p remote add origin ${box.root}/repositories/p.git`,
    );
    const run = { cwd: "p", env: { GAL_REGISTRY_TOKEN: registry.token, GAL_REGISTRY_URL: registry.url } };
    expect((await box.ok("scripts/publish.sh --dry-run", run)).stdout).toContain("Would tag v2.0.0 and publish");
    expect((await api(registry, "/api/v1/packages/by-hand")).status).toBe(404);
    box.write("p/stray", "");
    expect((await box.line("scripts/publish.sh", run)).stderr).toContain("commit or remove the changes");
    await box.ok("rm stray", run);
    expect((await box.ok("scripts/publish.sh", run)).stdout).toContain("Published v2.0.0");
    expect((await api(registry, "/api/v1/packages/by-hand/versions/2.0.0")).status).toBe(200);
    expect((await git(box, "git ls-remote --tags origin", "p")).stdout).toContain("refs/tags/v2.0.0");
    box.write("p/README.md", "more\n");
    await git(box, "git add -A && git commit -qm two", "p");
    expect((await box.line("scripts/publish.sh", run)).stderr).toContain("tag v2.0.0 is at another commit");
  });

  test("lists a pack in the repository of a static registry", async () => {
    const box = open();
    await indexRepository(box);
    writePack(box, "pack", "demo", "1.0.0");
    // As YAML may quote it just as well, in a file of another system.
    box.write("pack/pack.yaml", PACK("demo", "1.0.0").replace('"1.0.0"', "'1.0.0'").replaceAll("\n", "\r\n"));
    box.write("pack/.gitignore", "dist/\n");
    await box.ok("attune ci init script", { cwd: "pack" });
    await git(box, "git init -q . && git add -A && git commit -qm one", "pack");
    await box.ok(`git clone -q --bare pack ${box.root}/repositories/org/pack.git`);
    await git(box, `git remote add origin https://github.com/org/pack`, "pack");
    await git(
      box,
      `git config --global url.file://${box.root}/repositories/org/pack.git.insteadOf https://github.com/org/pack`,
      "pack",
    );
    const env = { REGISTRY_REPOSITORY: `${box.root}/repositories/org/registry.git` };
    await box.ok("scripts/publish.sh", { cwd: "pack", env });
    expect(await indexOf(box)).toMatchObject([{ ref: "demo", version: "1.0.0" }]);
  });
});
