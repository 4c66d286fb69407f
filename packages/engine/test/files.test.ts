import { execFileSync } from "node:child_process";
import { chmod, mkdir, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { check, fetch, init, keygen, pack } from "../src/index.ts";
import { fileError, makeDirectory, readText, readTextIfExists, writeFileAtomic } from "../src/lib/files.ts";
import { createSandbox, type Sandbox } from "../src/testing.ts";

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox();
});
afterEach(() => box.remove());

const at = (file: string): string => path.join(box.project, file);
const pipe = (file: string): unknown => execFileSync("mkfifo", [at(file)]);

describe.skipIf(process.platform === "win32")("a pipe where a file is expected", () => {
  it("is refused by readText() and readTextIfExists(), and not waited for", async () => {
    pipe("some.toml");
    for (const read of [readText, readTextIfExists]) {
      await expect(read(at("some.toml"))).rejects.toMatchObject({
        code: "PROJECT_FILE_UNREADABLE",
        message: expect.stringContaining("it is a pipe, not a file"),
      });
    }
  });

  it("is refused as a manifest", async () => {
    pipe("lading.toml");
    await expect(box.use((context) => check({}, context))).rejects.toMatchObject({ code: "PROJECT_FILE_UNREADABLE" });
  });
});

describe("reading what is no text", () => {
  it("readText() refuses a directory", async () => {
    await mkdir(at("lading.toml"));
    await expect(readText(at("lading.toml"))).rejects.toMatchObject({
      message: expect.stringContaining("it is a directory, not a file"),
    });
  });

  it("check() says of a manifest in UTF-16 that it is not UTF-8", async () => {
    await writeFile(at("lading.toml"), Buffer.from('\uFEFF[package]\nname = "a"\n', "utf16le"));
    const { problems } = await box.use((context) => check({}, context));
    expect(problems).toContainEqual(expect.objectContaining({ message: expect.stringContaining("UTF-8") }));
  });
});

describe("a place to write to", () => {
  it("is made with all that is missing above it by makeDirectory(), also by many at once", async () => {
    await Promise.all(Array.from({ length: 8 }, () => makeDirectory(at("a/b/c"))));
    expect((await stat(at("a/b/c"))).isDirectory()).toBe(true);
  });

  it("cannot be below a file, in any operation", async () => {
    await box.registry.publish({ name: "greeter", version: "0.1.0" });
    await box.write({ "some-file": "", "p/lading.toml": '[package]\nname = "p"\nversion = "1.0.0"\n' });
    const refused = {
      code: "PROJECT_FILE_UNREADABLE",
      exitCode: 5,
      message: expect.stringContaining(`"${at("some-file")}" is not a directory`),
    };
    const below = at("some-file/x");
    const operations: (() => Promise<unknown>)[] = [
      () => box.use((context) => fetch({ spec: "greeter@0.1.0", output: below }, context)),
      () => box.use((context) => init({ path: below, name: "x" }, context)),
      () => box.use((context) => pack({ source: "p", output: below }, context)),
      () => box.use((context) => keygen({ output: path.join(below, "k.pem") }, context)),
      () => writeFileAtomic(path.join(below, "a.txt"), ""),
    ];
    for (const operation of operations) await expect(operation()).rejects.toMatchObject(refused);
  });

  it.skipIf(process.platform === "win32")(
    "gives what writeFileAtomic() puts there the permissions of any new file, or of the file that it replaces",
    async () => {
      const mode = async (file: string): Promise<number> => (await stat(at(file))).mode & 0o777;
      await writeFile(at("ordinary"), "");
      await writeFileAtomic(at("new"), "1");
      expect(await mode("new")).toBe(await mode("ordinary"));
      for (const wanted of [0o600, 0o664, 0o755]) {
        await chmod(at("new"), wanted);
        await writeFileAtomic(at("new"), "2");
        expect(await mode("new")).toBe(wanted);
      }
      await writeFileAtomic(at("new"), "3", 0o600);
      expect(await mode("new")).toBe(0o600);
    },
  );

  it.runIf(process.platform === "linux")("cannot be below /proc, which is said and not tried for ever", async () => {
    await expect(makeDirectory("/proc/no-such/x")).rejects.toMatchObject({ code: "PROJECT_FILE_UNREADABLE" });
  });

  it("is told to need free space where the disk is full", () => {
    const cause = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    expect(fileError("write", "a.txt", cause)).toMatchObject({ hint: expect.stringContaining("Free some space") });
  });
});
