import { cp, mkdir, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { builtinProfile } from "@lading/core-manifest";
import { clean, install, remove, rollback, type InstallCommandInput } from "../src/index.ts";
import { installedAlready, type ReadyInstallation } from "../src/start.ts";
import { createSandbox, type Sandbox } from "../src/testing.ts";

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox();
  await box.registry.publish({ name: "leaf", version: "1.0.0", files: { "leaf.txt": "one" } });
  await box.registry.publish({ name: "tool", version: "1.0.0", dependencies: { leaf: "^1.0.0" } });
  await box.write({ "lading.toml": manifest("app", 'tool = "1"') });
});
afterEach(() => box.remove());

const manifest = (name: string, dependencies: string): string =>
  `[package]\nname = "${name}"\nversion = "1.0.0"\n\n[dependencies]\n${dependencies}\n`;

const PLAIN: InstallCommandInput = { mode: "update", hosts: [], features: [] };

/** Installs as the command does, and says what was installed. */
const installAs = (input: InstallCommandInput = PLAIN, cwd = box.project) =>
  box.use((context) => install(input, context), { cwd });

function ready(
  input: InstallCommandInput = PLAIN,
  change: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<ReadyInstallation | undefined> {
  const env = { PATH: process.env["PATH"], LADING_REGISTRY_URL: box.registry.url, ...change.env };
  return installedAlready(input, {
    profile: builtinProfile("lading"),
    cwd: change.cwd ?? box.project,
    env,
    home: box.home,
  });
}

describe("installedAlready()", () => {
  it("knows nothing of a project that was never installed, nor of a directory without one", async () => {
    expect(await ready()).toBeUndefined();
    expect(await ready(PLAIN, { cwd: box.home })).toBeUndefined();
  });

  it("answers for an installed project what the installation came to, also from a directory below", async () => {
    const { install: installed, lock } = await installAs();
    const { environments } = lock;
    const answer = { locked: 2, environments, packages: 2, generation: installed!.result.generation.number };
    expect(await ready()).toEqual(answer);
    await mkdir(path.join(box.project, "src/deep"), { recursive: true });
    expect(await ready(PLAIN, { cwd: path.join(box.project, "src/deep") })).toEqual(answer);
  });

  it.each<[string, () => Promise<unknown>]>([
    ["the manifest", () => box.write({ "lading.toml": manifest("app", 'leaf = "1"') })],
    ["the lock", async () => box.write({ "lading.lock": `${await box.read("lading.lock")}# changed\n` })],
    ["the lock is gone", () => rm(path.join(box.project, "lading.lock"))],
    ["a manifest above", () => writeFile(path.join(box.root, "lading.toml"), '[workspace]\nmembers = ["project"]\n')],
    ["the user's settings", () => config("config.toml", '[installer]\nlink = "copy"\n')],
    ["the registries", () => config("registries.toml", `[registries.a]\nurl = "${box.registry.url}"\n`)],
    ["the trusted keys", () => config("keys/trusted.json", "{}")],
    ["what is installed", () => rm(path.join(box.project, "lading_packages"))],
    ["the generation", () => rm(path.join(box.project, ".lading/gen"), { recursive: true })],
    ["the store", () => rm(path.join(box.home, ".local"), { recursive: true })],
    ["the state file is cut", () => box.write({ ".lading/ready.json": '{"format":1,"fil' })],
    [
      "the state file is another release's",
      () => box.write({ ".lading/ready.json": '{"format":2,"files":[],"manifests":[]}' }),
    ],
  ])("does not vouch once %s changed", async (_what, change) => {
    await installAs();
    expect(await ready()).toBeDefined();
    await change();
    expect(await ready()).toBeUndefined();
  });

  async function config(file: string, text: string): Promise<void> {
    const target = path.join(box.home, ".config/lading", file);
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, text);
  }

  it.each<[string, InstallCommandInput, Readonly<Record<string, string>>]>([
    ["another kind is left out", { ...PLAIN, omit: ["dev"] }, {}],
    ["a feature is asked for", { ...PLAIN, features: ["extra"] }, {}],
    ["every file is to be verified", { ...PLAIN, verify: "full" }, {}],
    ["nothing is to be done", { ...PLAIN, dryRun: true }, {}],
    ["packages are to be refreshed", { ...PLAIN, refresh: "all" }, {}],
    ["signatures are demanded", PLAIN, { LADING_SECURITY_VERIFY_SIGNATURES: "true" }],
    ["the store is elsewhere", PLAIN, { LADING_DATA_DIR: "/nowhere" }],
  ])("does not vouch where %s", async (_what, input, env) => {
    await installAs();
    expect(await ready(input, { env })).toBeUndefined();
  });

  it("does not take what --frozen installed for compared with the manifest, and the other way round does", async () => {
    await installAs();
    expect(await ready({ ...PLAIN, mode: "frozen" })).toBeDefined();
    expect(await ready({ ...PLAIN, mode: "locked" })).toBeDefined();
    await box.write({ "lading.toml": manifest("app", 'leaf = "1"') });
    await installAs({ ...PLAIN, mode: "frozen" });
    expect(await ready({ ...PLAIN, mode: "frozen" })).toBeDefined();
    expect(await ready()).toBeUndefined();
  });

  it("compares bytes where only a stamp differs", async () => {
    await installAs();
    await utimes(path.join(box.project, "lading.toml"), 1, 1);
    expect(await ready()).toBeDefined();
    const text = await box.read("lading.lock");
    await rename(path.join(box.project, "lading.lock"), path.join(box.project, "old.lock"));
    await box.write({ "lading.lock": text });
    expect(await ready()).toBeDefined();
  });

  it("sees an edit that was made while the installation ran", async () => {
    await box.use(async (context) => {
      const { loadProject, installProject } = await import("../src/index.ts");
      const project = await loadProject(context);
      await box.write({ "lading.toml": manifest("app", 'leaf = "1"') });
      await installProject(project, PLAIN, context);
    });
    expect(await ready()).toBeUndefined();
  });

  it("does not vouch for a generation that was rolled back, nor after clean", async () => {
    await installAs();
    await box.use((context) => remove({ names: ["tool"] }, context));
    await installAs();
    expect(await ready()).toBeDefined();
    await box.use((context) => rollback({}, context));
    expect(await ready()).toBeUndefined();
    await installAs();
    const { removed } = await box.use((context) => clean({ all: true }, context));
    expect(removed.slice(0, 2)).toEqual(["lading_packages", ".lading"]);
    expect(await ready()).toBeUndefined();
    await installAs();
    expect(await ready()).toBeDefined();
  });

  it("works in every member of a workspace, and sees a new member and a path dependency's manifest", async () => {
    const member = (name: string, dependencies: string): Promise<void> =>
      box.write({ [`packages/${name}/lading.toml`]: manifest(name, dependencies) });
    await box.write({ "lading.toml": '[workspace]\nmembers = ["packages/*"]\n' });
    await member("one", 'leaf = "1"');
    await member("two", 'one = { path = "../one" }\nlocal = { path = "../../local" }');
    await box.write({ "local/lading.toml": manifest("local", "") });
    const inOne = { cwd: path.join(box.project, "packages/one") };
    await installAs(PLAIN, path.join(box.project, "packages/two"));
    for (const cwd of [box.project, inOne.cwd]) expect(await ready(PLAIN, { cwd })).toBeDefined();

    await box.write({ "local/lading.toml": manifest("local", 'tool = "1"') });
    expect(await ready(PLAIN, inOne)).toBeUndefined();
    await installAs();
    expect(await ready(PLAIN, inOne)).toBeDefined();

    await mkdir(path.join(box.project, "packages/three"));
    expect(await ready(PLAIN, inOne)).toBeUndefined();
    await installAs();
    expect(await ready(PLAIN, inOne)).toBeDefined();
    await member("three", 'tool = "1"');
    expect(await ready(PLAIN, inOne)).toBeUndefined();
  });

  it("does not answer for another project inside this one", async () => {
    await installAs();
    await box.write({ "examples/demo/lading.toml": manifest("demo", 'tool = "1"') });
    expect(await ready(PLAIN, { cwd: path.join(box.project, "examples/demo") })).toBeUndefined();
    expect(await ready()).toBeDefined();
  });

  it("does not believe a state that was made elsewhere: for a copied project, or with another store", async () => {
    await installAs();
    const copy = path.join(box.root, "copy");
    await cp(box.project, copy, { recursive: true, verbatimSymlinks: true });
    expect(await ready(PLAIN, { cwd: copy })).toBeUndefined();
    const store = path.join(box.home, ".local/share/lading/store/v1");
    await rename(store, `${store}-old`);
    expect(await ready()).toBeUndefined();
    await cp(`${store}-old`, store, { recursive: true });
    expect(await ready()).toBeUndefined();
  });

  it("keeps no secret in its state", async () => {
    await box.use((context) => install(PLAIN, context), {
      env: { PATH: process.env["PATH"], LADING_REGISTRY_URL: box.registry.url, LADING_TOKEN: "lt_very-secret-token" },
    });
    const text = await readFile(path.join(box.project, ".lading/ready.json"), "utf8");
    expect(text).not.toContain("very-secret");
    expect(text).not.toContain(box.registry.url);
  });
});
