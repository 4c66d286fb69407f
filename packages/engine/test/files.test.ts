import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { check } from "../src/index.ts";
import { readText, readTextIfExists } from "../src/lib/files.ts";
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
