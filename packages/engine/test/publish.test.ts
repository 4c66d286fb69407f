import { readdir, readFile, symlink } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { keygen, pack, publish, sign } from "../src/index.ts";
import { createSandbox, type Sandbox } from "../src/testing.ts";

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox();
  await box.write({ "lading.toml": '[package]\nname = "tool"\nversion = "1.0.0"\n', "a.txt": "one" });
});
afterEach(() => box.remove());

const dryRun = async (): Promise<string> =>
  (await box.use((context) => publish({ dryRun: true }, context)))[0]!.checksum;
const packed = async (): Promise<string> => (await box.use((context) => pack({}, context)))[0]!.checksum!;
const output = (): string => path.join(box.project, "target/package");

describe("publish() chooses the package file", () => {
  it("takes the one that is there while it holds what the files hold", async () => {
    const checksum = await packed();
    const before = await readFile(path.join(output(), "tool-1.0.0.lpk"));
    expect(await dryRun()).toBe(checksum);
    expect(await readFile(path.join(output(), "tool-1.0.0.lpk"))).toEqual(before);
    expect(await readdir(output())).toEqual(["tool-1.0.0.lpk"]);
  });

  it("writes nothing among the files in a dry run, and says what it would do", async () => {
    const [only] = await box.use((context) => publish({ dryRun: true }, context));
    expect(only).toMatchObject({ outcome: "dry-run", file: "tool-1.0.0.lpk" });
    expect(await readdir(box.project)).toEqual(["a.txt", "lading.toml"]);
    const told = box.events.map((event) => ("message" in event ? event.message : event.type));
    expect(told.filter((text) => /^Pack|^Publishing/.test(text))).toEqual([]);
    expect(told).toContainEqual(expect.stringMatching(/^Would publish tool-1\.0\.0\.lpk to /));
  });

  it("leaves a stale package file as it is in a dry run", async () => {
    await packed();
    const before = await readFile(path.join(output(), "tool-1.0.0.lpk"));
    await box.write({ "a.txt": "two" });
    await dryRun();
    expect(await readFile(path.join(output(), "tool-1.0.0.lpk"))).toEqual(before);
  });

  it("packs again what has changed since, so that a corrected package is what is published", async () => {
    const stale = await packed();
    await box.write({ "a.txt": "two" });
    const published = await dryRun();
    expect(published).not.toBe(stale);
    expect(published).toBe(await packed());
    expect(await readdir(output())).toEqual(["tool-1.0.0.lpk"]);
  });

  it("leaves a signed file as it is, and says that its files have changed", async () => {
    const checksum = await packed();
    await box.use((context) => keygen({ output: path.join(box.home, "dev.pem") }, context));
    await box.use((context) =>
      sign({ file: "target/package/tool-1.0.0.lpk", key: path.join(box.home, "dev.pem") }, context),
    );
    await box.write({ "a.txt": "two" });
    expect(await dryRun()).toBe(checksum);
    expect(box.events).toContainEqual(
      expect.objectContaining({
        type: "warning",
        message: expect.stringContaining("signed and is published as it is"),
      }),
    );
    expect((await readdir(output())).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});

describe("pack() of a directory with other packages in it", () => {
  const contents = async (): Promise<readonly string[]> =>
    (await box.use((context) => pack({ dryRun: true }, context)))[0]!.contents;
  const told = (): readonly unknown[] => box.events.map((event) => ("message" in event ? event.message : ""));

  it("leaves out what has a manifest of its own, with the link to what is installed there", async () => {
    await box.write({ "demo/lading.toml": '[package]\nname = "demo"\nversion = "1.0.0"\n', "demo/a.txt": "" });
    await symlink("nowhere", path.join(box.project, "demo/lading_packages"));
    expect(await contents()).toEqual(["a.txt", "lading.toml"]);
    expect(told()).toContain('Left out "demo/": it is a package of its own');
  });

  it("ignores the link to what is installed at any depth, and a nested state directory", async () => {
    await box.write({ "demo/.lading/x": "", "demo/a.txt": "" });
    await symlink("nowhere", path.join(box.project, "demo/lading_packages"));
    expect(await contents()).toEqual(["a.txt", "demo/a.txt", "lading.toml"]);
  });

  it("leaves out package files beside the manifest, unless they are selected", async () => {
    await box.write({ "greeter-0.1.0.lpk": "", "greeter-0.1.0.lpk.sig": "", "data/x-1.0.0.lpk": "", "own.lpk": "" });
    expect(await contents()).toEqual(["a.txt", "data/x-1.0.0.lpk", "lading.toml", "own.lpk"]);
    expect(told()).toContainEqual(expect.stringContaining('Left out "greeter-0.1.0.lpk"'));
    await box.write({ "lading.toml": '[package]\nname = "tool"\nversion = "1.0.0"\ninclude = ["*.lpk"]\n' });
    expect(await contents()).toContain("greeter-0.1.0.lpk");
  });
});

describe("pack() into the package's own directory", () => {
  it("packs no earlier package file, so that the same files give the same bytes", async () => {
    const here = async (): Promise<string> =>
      (await box.use((context) => pack({ output: "." }, context)))[0]!.checksum!;
    const first = await here();
    expect(await here()).toBe(first);
  });
});
