import { appendFileSync } from "node:fs";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { builtinProfile } from "@lading/core-manifest";
import { generateKey, softwareSigner } from "@lading/signing";
import {
  add,
  duplicates,
  history,
  install,
  lock,
  outdated,
  remove,
  rollback,
  tree,
  update,
  upgrade,
  verifyEnvironment,
  why,
} from "../src/index.ts";
import { ENGINE_ERRORS } from "../src/lib/engine-error.ts";
import { registriesPath } from "../src/lib/configured-registries.ts";
import { createSandbox, type Sandbox } from "../src/testing.ts";

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox();
});
afterEach(() => box.remove());

const manifest = (dependencies = ""): string => `# hand written
[package]
name = "app"
version = "1.0.0" # keep me

[dependencies]
${dependencies}`;

async function publishSet(): Promise<void> {
  await box.registry.publish({ name: "leaf", version: "1.0.0", files: { "leaf.txt": "one" } });
  await box.registry.publish({ name: "leaf", version: "1.1.0", files: { "leaf.txt": "one point one" } });
  await box.registry.publish({ name: "leaf", version: "2.0.0", files: { "leaf.txt": "two" } });
  await box.registry.publish({
    name: "tool",
    version: "1.0.0",
    dependencies: { leaf: "^1.0.0" },
    files: { "tool.txt": "tool" },
  });
  await box.registry.publish({
    name: "other",
    version: "0.3.1",
    dependencies: { leaf: ">=2.0.0 <3.0.0" },
    files: { "other.txt": "o" },
  });
}

describe("add()", () => {
  it("takes the newest version, keeps every other byte of the manifest, locks and installs", async () => {
    await publishSet();
    await box.write({ "lading.toml": manifest() });
    const result = await box.use((context) => add({ specs: ["tool"] }, context));
    expect(result.added).toMatchObject([{ name: "tool", requirement: "^1.0.0" }]);
    expect(await box.read("lading.toml")).toBe(manifest('tool = "^1.0.0"\n'));
    expect(await box.read("lading.lock")).toContain('name = "leaf"\nversion = "1.1.0"');
    expect(await box.read("lading_packages/tool/tool.txt")).toBe("tool");
    expect(await box.read("lading_packages/leaf/leaf.txt")).toBe("one point one");
  });

  it("writes nothing when no solution exists", async () => {
    await publishSet();
    const before = manifest('leaf = "=1.0.0"\n');
    await box.write({ "lading.toml": `${before}\n[resolver]\ncoexistence = "single"\n` });
    const text = await box.read("lading.toml");
    await expect(box.use((context) => add({ specs: ["other"] }, context))).rejects.toMatchObject({
      code: "RESOLUTION_IMPOSSIBLE",
      details: { explanation: expect.stringContaining("leaf") },
    });
    expect(await box.read("lading.toml")).toBe(text);
    await expect(stat(path.join(box.project, "lading.lock"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("names the package and the registry when there is no such package", async () => {
    await box.write({ "lading.toml": manifest() });
    await expect(box.use((context) => add({ specs: ["no-such-thing"] }, context))).rejects.toMatchObject({
      code: "PACKAGE_NOT_FOUND",
      message: expect.stringContaining('"no-such-thing"'),
    });
  });

  it("with dryRun changes no file", async () => {
    await publishSet();
    await box.write({ "lading.toml": manifest() });
    const result = await box.use((context) => add({ specs: ["tool@1"], dryRun: true }, context));
    expect(result.lock.changes.added).toHaveLength(2);
    expect(await box.read("lading.toml")).toBe(manifest());
  });
});

describe("remove()", () => {
  it("takes a dependency out of manifest, lock and installation", async () => {
    await publishSet();
    await box.write({ "lading.toml": manifest('tool = "^1.0.0"\nleaf = "2"\n') });
    await box.use((context) => install({}, context));
    const result = await box.use((context) => remove({ names: ["tool"] }, context));
    expect(result.lock.changes.removed.map(({ name }) => name)).toEqual(["leaf", "tool"]);
    expect(await box.read("lading.toml")).toBe(manifest('leaf = "2"\n'));
    await expect(stat(path.join(box.project, "lading_packages/tool"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("install()", () => {
  it("makes no new generation where the manifest was edited and nothing is different", async () => {
    await publishSet();
    await box.write({ "lading.toml": manifest('tool = "1"\n') });
    const first = await box.use((context) => install({}, context));
    await box.write({ "lading.toml": manifest('tool = "1" # the best\n') });
    for (const mode of ["frozen", "update"] as const) {
      const again = await box.use((context) => install({ mode }, context));
      expect(again.install!.upToDate).toBe(true);
      expect(again.install!.result.generation.number).toBe(first.install!.result.generation.number);
    }
    expect(await box.use((context) => history({}, context))).toHaveLength(1);
  });

  it("uses a fresh lock without asking the registry, and takes no newer version", async () => {
    await publishSet();
    await box.write({ "lading.toml": manifest('tool = "^1.0.0"\n') });
    await box.use((context) => install({}, context));
    await box.registry.publish({ name: "leaf", version: "1.2.0" });
    const before = await box.read("lading.lock");
    const second = await box.use((context) => install({}, context), { offline: true });
    expect(second.lock.fresh).toBe(true);
    expect(await box.read("lading.lock")).toBe(before);
  });

  it("with mode locked refuses a lock that would change, with frozen uses it as it is", async () => {
    await publishSet();
    await box.write({ "lading.toml": manifest('tool = "^1.0.0"\n') });
    await expect(box.use((context) => install({ mode: "locked" }, context))).rejects.toMatchObject({
      code: "LOCK_MISSING",
    });
    await box.use((context) => install({}, context));
    await box.write({ "lading.toml": manifest('tool = "^1.0.0"\nother = "0.3"\n') });
    await expect(box.use((context) => install({ mode: "locked" }, context))).rejects.toMatchObject({
      code: "LOCK_OUTDATED",
    });
    const frozen = await box.use((context) => install({ mode: "frozen" }, context));
    expect(frozen.lock.lock.packages.map(({ name }) => name)).toEqual(["leaf", "tool"]);
  });

  it("keeps two majors of a package where the policy is per-major, and tells who needs which", async () => {
    await publishSet();
    await box.write({ "lading.toml": manifest('tool = "^1.0.0"\nother = "0.3"\n') });
    const summary = await box.use((context) => install({}, context));
    expect(summary.install!.packages).toBe(4);
    expect(await box.use((context) => duplicates(context))).toEqual([
      {
        name: "leaf",
        versions: [
          { version: "1.1.0", requiredBy: ["tool 1.0.0"] },
          { version: "2.0.0", requiredBy: ["other 0.3.1"] },
        ],
      },
    ]);
    const shown = await box.use((context) => tree({ depth: 1 }, context));
    expect(shown.roots[0]!.dependencies.map(({ name, dependencies }) => [name, dependencies.length])).toEqual([
      ["other", 0],
      ["tool", 0],
    ]);
    const reasons = await box.use((context) => why({ name: "leaf" }, context));
    expect(reasons.packages.map(({ paths }) => paths)).toEqual([
      [["app", "tool 1.0.0", "leaf 1.1.0"]],
      [["app", "other 0.3.1", "leaf 2.0.0"]],
    ]);
  });

  it("refuses a download whose bytes are not those of the lock, and leaves nothing installed", async () => {
    await publishSet();
    const artifact = await box.registry.publish({ name: "leaf", version: "1.3.0", files: { "leaf.txt": "good" } });
    await box.write({ "lading.toml": manifest('leaf = "1.3.0"\n') });
    const blob = box.registry.blobPath(artifact.blob);
    const bytes = await readFile(blob);
    bytes[1500]! ^= 1;
    await writeFile(blob, bytes);
    await expect(box.use((context) => install({}, context))).rejects.toMatchObject({
      code: "DOWNLOAD_DIGEST_MISMATCH",
      category: "integrity",
    });
    await expect(stat(path.join(box.project, "lading_packages"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("refuses a licence that the manifest does not allow", async () => {
    await box.registry.publish({ name: "viral", version: "1.0.0", license: "GPL-3.0-only" });
    await box.write({ "lading.toml": `${manifest('viral = "1"\n')}\n[security]\nallowed_licenses = ["MIT"]\n` });
    await expect(box.use((context) => install({}, context))).rejects.toMatchObject({
      code: "LICENSE_NOT_ALLOWED",
      exitCode: 8,
    });
  });

  it("refuses an impossible feature, profile or host by name", async () => {
    await box.write({ "lading.toml": manifest() });
    await expect(box.use((context) => install({ features: ["nope"] }, context))).rejects.toMatchObject({
      code: "FEATURE_UNKNOWN",
    });
    await expect(box.use((context) => install({ profile: "nope" }, context))).rejects.toMatchObject({
      code: "BUILD_PROFILE_UNKNOWN",
    });
    await expect(box.use((context) => install({ hosts: ["revit=2025"] }, context))).rejects.toMatchObject({
      code: "HOST_INVALID",
    });
  });

  it("tells the steps in order: resolve, verify, download, extract, install", async () => {
    await publishSet();
    await box.write({ "lading.toml": manifest('leaf = "2"\n') });
    await box.use((context) => install({}, context));
    const steps = box.events.flatMap((event) =>
      event.type === "step-started" ? [event.step] : event.type === "extracting" ? ["extract"] : [],
    );
    expect(steps.filter((name) => ["resolve", "verify", "download", "extract", "install"].includes(name))).toEqual([
      "resolve",
      "verify",
      "download",
      "extract",
      "install",
    ]);
  });
});

describe.skipIf(process.platform === "win32")("tests of packages before an installation", () => {
  const profile = builtinProfile("lading");
  const testing = { ...profile, install: { ...profile.install, tests: "direct" as const } };
  const publish = async (commands: string): Promise<void> => {
    await box.registry.publish({ name: "leaf", version: "1.0.0", files: { "leaf.txt": "one" } });
    await box.registry.publish({
      name: "tool",
      version: "1.0.0",
      extra: { testing: { runners: { unit: { type: "script", entry_point: "run_tests.sh" } } } },
      files: { "run_tests.sh": `${commands}\necho "PASS: all"\n` },
    });
    await box.write({ "lading.toml": manifest('tool = "1"\nleaf = "1"\n') });
  };

  it("install what they leave as it was", async () => {
    await publish("cat lading_packages/leaf/leaf.txt");
    await box.use((context) => install({}, context), { profile: testing });
    expect(await box.read("lading_packages/leaf/leaf.txt")).toBe("one");
  });

  it("do not get a package installed that they changed in the store", async () => {
    await publish("chmod u+w lading_packages/leaf/leaf.txt && echo more >> lading_packages/leaf/leaf.txt || exit 1");
    await expect(box.use((context) => install({}, context), { profile: testing })).rejects.toMatchObject({
      code: "STORE_PACKAGE_DAMAGED",
    });
    await expect(stat(path.join(box.project, "lading_packages"))).rejects.toMatchObject({ code: "ENOENT" });
    await box.use((context) => install({ skipTests: true }, context), { profile: testing });
    expect(await box.read("lading_packages/leaf/leaf.txt"), "fetched again").toBe("one");
  });
});

describe("a file that is edited during an installation", () => {
  /** Whether the next installation believes what the last one recorded, and so records nothing itself. */
  const believed = async (): Promise<boolean> => {
    const before = await box.read(".lading/state.json");
    const { install: done } = await box.use((context) => install({ mode: "frozen" }, context));
    expect(done!.upToDate).toBe(true);
    return (await box.read(".lading/state.json")) === before;
  };

  it.each([
    ["the manifest", "step-completed", "resolve", () => path.join(box.project, "lading.toml")],
    ["the lock", "step-started", "install", () => path.join(box.project, "lading.lock")],
    ["registries.toml", "step-completed", "resolve", () => registriesPath(box.context())],
  ])("is not taken for what was installed: %s", async (_, when, step, file) => {
    await publishSet();
    const registries = registriesPath(box.context());
    await mkdir(path.dirname(registries), { recursive: true });
    await writeFile(registries, `[registries.main]\nurl = "${box.registry.url}"\nverify_signatures = false\n`);
    await box.write({ "lading.toml": manifest('tool = "1"\n') });
    await box.use((context) => install({}, context), {
      onEvent: (event) => {
        if (event.type === when && "step" in event && event.step === step) appendFileSync(file(), "# edited\n");
      },
    });
    expect(await believed()).toBe(false);
    expect(await believed()).toBe(true);
  });

  it("counts as installed when the command itself wrote it", async () => {
    await publishSet();
    await box.write({ "lading.toml": manifest() });
    await box.use((context) => add({ specs: ["tool"] }, context));
    expect(await believed()).toBe(true);
  });
});

describe("signatures at install", () => {
  const key = softwareSigner(generateKey().seed);
  const stranger = softwareSigner(generateKey().seed);

  it("verifies them, pins the signer in the lock and records it", async () => {
    await box.registry.publish({ name: "signed", version: "1.0.0", signer: key });
    await box.write({ "lading.toml": manifest('signed = "1"\n') });
    const summary = await box.use((context) => install({}, context));
    expect(summary.install!.verified).toBe(1);
    expect(summary.install!.result.generation.packages[0]!.signers).toEqual([`ed25519:${key.keyId}`]);
    expect(await box.read("lading.lock")).toContain(`publisher = "ed25519:${key.keyId}"`);
  });

  it("notes an unsigned package, and refuses it where signatures are required", async () => {
    await box.registry.publish({ name: "plain", version: "1.0.0" });
    await box.write({ "lading.toml": manifest('plain = "1"\n') });
    await box.use((context) => install({}, context));
    expect(box.events).toContainEqual(expect.objectContaining({ type: "warning", code: "SIGNATURE_MISSING" }));
    await box.write({ "lading.toml": `${manifest('plain = "1"\n')}\n[security]\nrequire_signatures = true\n` });
    await expect(box.use((context) => install({}, context))).rejects.toMatchObject({
      code: "SIGNATURE_REQUIRED",
      exitCode: 7,
    });
  });

  it("refuses a version that another key has signed, until that is accepted", async () => {
    await box.registry.publish({ name: "signed", version: "1.0.0", signer: key });
    await box.write({ "lading.toml": manifest('signed = "1"\n') });
    await box.use((context) => install({}, context));
    await box.registry.publish({ name: "signed", version: "1.1.0", signer: stranger });
    await expect(box.use((context) => update({}, context))).rejects.toMatchObject({
      code: "PUBLISHER_CHANGED",
      exitCode: 7,
    });
    const accepted = await box.use((context) => update({ acceptPublishers: ["signed"] }, context));
    expect(accepted.lock.lock.packages[0]!.publisher).toBe(`ed25519:${stranger.keyId}`);
  });

  it("refuses a statement that does not belong to the artefact", async () => {
    const first = await box.registry.publish({ name: "signed", version: "1.0.0", signer: key });
    const second = await box.registry.publish({ name: "signed", version: "1.0.1", signer: key, files: { x: "x" } });
    await box.registry.change("signed", "1.0.1", { artifacts: [{ ...second, statement: first.statement! }] });
    await box.write({ "lading.toml": manifest('signed = "1"\n') });
    await expect(box.use((context) => install({}, context))).rejects.toMatchObject({
      code: "SIGNATURE_SUBJECT_MISMATCH",
    });
  });
});

describe("update() and upgrade()", () => {
  it("update() moves one package within its range and leaves other entries byte-identical", async () => {
    await publishSet();
    await box.registry.publish({ name: "still", version: "1.0.0" });
    await box.write({ "lading.toml": manifest('tool = "^1.0.0"\nstill = "1"\n') });
    await box.use((context) => install({}, context));
    const before = await box.read("lading.lock");
    await box.registry.publish({ name: "still", version: "1.5.0" });
    await box.registry.publish({ name: "leaf", version: "1.9.0" });
    const result = await box.use((context) => update({ names: ["leaf"] }, context));
    expect(result.lock.changes.updated).toEqual([{ name: "leaf", from: "1.1.0", to: "1.9.0" }]);
    const blocks = (text: string): string[] =>
      text.split("[[packages]]").filter((block) => !block.includes('name = "leaf"'));
    expect(blocks(await box.read("lading.lock"))).toEqual(blocks(before));
    await expect(box.use((context) => update({ names: ["nobody"] }, context))).rejects.toMatchObject({
      code: "LOCK_PACKAGE_UNKNOWN",
    });
  });

  it("tree() without a lock speaks of no flag that was not given", async () => {
    await box.write({ "lading.toml": manifest("") });
    await expect(box.use((context) => tree({}, context))).rejects.toMatchObject({
      code: "LOCK_MISSING",
      hint: undefined,
    });
    expect(ENGINE_ERRORS.LOCK_MISSING.help).not.toContain("--");
    await expect(box.use((context) => install({ mode: "locked" }, context))).rejects.toMatchObject({
      code: "LOCK_MISSING",
      hint: expect.stringContaining("--locked"),
    });
  });

  it("outdated() leaves out what is optional and no feature turns on", async () => {
    await publishSet();
    const optional = `${manifest('leaf = { version = "1", optional = true }\n')}\n[features]\nmore = ["dep:leaf"]\n`;
    await box.write({ "lading.toml": optional });
    await box.use((context) => install({}, context));
    expect(await box.use((context) => outdated({}, context))).toEqual([]);
    await box.use((context) => install({ features: ["more"] }, context));
    expect(await box.use((context) => outdated({}, context))).toMatchObject([{ name: "leaf", latest: "2.0.0" }]);
  });

  it("upgrade() edits the range, outdated() says what it would do", async () => {
    await publishSet();
    await box.write({ "lading.toml": manifest('leaf = "1" # why one\n') });
    await box.use((context) => install({}, context));
    expect(await box.use((context) => outdated({}, context))).toEqual([
      {
        member: "app",
        name: "leaf",
        current: "1.1.0",
        wanted: "1.1.0",
        latest: "2.0.0",
        requirement: "1",
        latestReason: 'the manifest asks for 1; "upgrade leaf" allows 2.0.0',
        reason: 'the manifest asks for 1; "upgrade leaf" allows 2.0.0',
      },
    ]);
    const result = await box.use((context) => upgrade({}, context));
    expect(result.edited).toEqual([{ member: "app", name: "leaf", from: "1", to: "^2.0.0" }]);
    expect(await box.read("lading.toml")).toBe(manifest('leaf = "^2.0.0" # why one\n'));
    const back = await box.use((context) => upgrade({ names: ["leaf"], to: "1.0.0" }, context));
    expect(back.lock.changes.updated).toEqual([{ name: "leaf", from: "2.0.0", to: "1.1.0" }]);
  });
});

describe("rollback() and verifyEnvironment()", () => {
  it("returns to the generation before, and finds a changed file", async () => {
    await publishSet();
    await box.write({ "lading.toml": manifest('leaf = "1"\n') });
    await box.use((context) => install({}, context));
    await box.use((context) => upgrade({}, context));
    expect(await box.read("lading_packages/leaf/leaf.txt")).toBe("two");
    const { to } = await box.use((context) => rollback({}, context));
    expect(to.number).toBe(1);
    expect(await box.read("lading_packages/leaf/leaf.txt")).toBe("one point one");
    expect((await box.use((context) => history({}, context))).map(({ current }) => current)).toEqual([true, false]);
    await expect(box.use((context) => verifyEnvironment({}, context))).resolves.toMatchObject({
      generation: 1,
      packages: 1,
    });
  });
});

describe("yanked versions", () => {
  it("are not chosen by a new lock, and stay in an old one", async () => {
    await publishSet();
    await box.write({ "lading.toml": manifest('leaf = "1"\n') });
    await box.use((context) => install({}, context));
    await box.registry.change("leaf", "1.1.0", { status: "yanked", reason: "broken" });
    await box.write({ "lading.toml": manifest('leaf = "1"\ntool = "1"\n') });
    const kept = await box.use((context) => lock({}, context));
    expect(kept.lock.packages.find(({ name }) => name === "leaf")!.version).toBe("1.1.0");
    const moved = await box.use((context) => update({}, context));
    expect(moved.lock.lock.packages.find(({ name }) => name === "leaf")!.version).toBe("1.0.0");
  });
});
