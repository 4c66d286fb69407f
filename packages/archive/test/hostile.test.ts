import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { ARCHIVE_ERRORS } from "@lading/archive";
import { importForeignArchive, inspectPackage, judgeArchive } from "@lading/archive/node";
import { buildTar, buildZip, hostileArchives, paxMember, storedZstdFrame } from "@lading/archive/testing";

vi.setConfig({ testTimeout: 60_000 });
const folder = mkdtempSync(join(tmpdir(), "lading-hostile-"));
afterAll(() => rmSync(folder, { recursive: true }));
const write = (name: string, bytes: Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};

/** What the tolerant import takes although the judge refuses it; documented in docs/spec/archive.md. */
const TOLERATED = new Set([
  "tar-gnu-magic",
  "tar-gnu-long-name",
  "tar-pax-xattr",
  "tar-base256-uid",
  "tar-base256-mtime",
  "tar-no-magic",
  "tar-name-after-nul",
  "tar-link-target-on-file",
  "tar-setgid-directory",
  "tar-type-bits-in-mode",
  "tar-duplicate-directory",
  "gzip-name",
  "gzip-comment",
  "gzip-extra",
  "gzip-header-crc",
  "gzip-text-flag",
  "gzip-time",
  "gzip-xfl",
]);

describe("judgeArchive() refuses", () => {
  const cases = hostileArchives();

  it("at least 150 different archives", () => {
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
    expect(cases.length).toBeGreaterThan(150);
  });

  it("those that the specification lists, each with its code", () => {
    const specification = readFileSync(new URL("../../../docs/spec/archive.md", import.meta.url), "utf8");
    const listed = [...specification.matchAll(/^\| `(ARCHIVE_\w+)` \| ((?:`[\w-]+` ?)+) \|$/gm)].flatMap(
      ([, code, names]) => names!.split(" ").map((name) => `${name.replaceAll("`", "")} ${code!}`),
    );
    expect(listed.sort()).toEqual(cases.map(({ name, code }) => `${name} ${code}`).sort());
  });

  it.each(cases.map((hostile) => [hostile.name, hostile] as const))("%s", async (name, { bytes, code }) => {
    const path = write(name, bytes);
    expect(await judgeArchive(path)).toMatchObject({ file: path, verdict: "refuse", code });
    expect(ARCHIVE_ERRORS[code].summary).toMatch(/\.$/);
  });

  it("what inspectPackage() refuses too, from memory as from a file", async () => {
    const codeOf = (source: string | Uint8Array): Promise<string> =>
      inspectPackage(source).then(
        () => "accepted",
        (error: unknown) => String((error as { code?: unknown }).code),
      );
    const [fromMemory, fromFiles] = [[] as string[], [] as string[]];
    for (const { name, bytes } of cases) {
      fromMemory.push(`${name} ${await codeOf(bytes)}`);
      fromFiles.push(`${name} ${await codeOf(write(name, bytes))}`);
    }
    expect(fromMemory).toEqual(fromFiles);
    expect(fromMemory.filter((line) => !/ ARCHIVE_\w+$/.test(line))).toEqual([]);
  });

  it("what importForeignArchive() refuses too, unless it is one of the documented tolerances, and leaves nothing", async () => {
    const imported: string[] = [];
    for (const { name, bytes } of cases) {
      const destination = join(folder, `out-${name}`);
      await importForeignArchive({ source: write(name, bytes), destination }).then(
        () => imported.push(name),
        () => expect(readdirSync(folder).filter((entry) => entry.includes(`out-${name}`))).toEqual([]),
      );
    }
    expect(imported.filter((name) => !TOLERATED.has(name))).toEqual([]);
  });
});

describe("judgeArchive() accepts", () => {
  const tar = buildTar([
    { name: "pkg/", type: "5" },
    { name: "pkg/a", content: "a" },
  ]);
  it.each([
    ["directories and files", tar],
    [
      "any owner, name of owner, time and mode",
      buildTar([{ name: "a", fields: { uid: "7777777", uname: "root", mtime: "14000000000", mode: "0000600" } }]),
    ],
    ["a pax path", buildTar([paxMember([["path", `${"d".repeat(150)}/${"é".repeat(90)}`]]), { name: "short" }])],
    ["a prefix", buildTar([{ name: "b", fields: { prefix: "a" } }])],
    ["the largest depth", buildTar([{ name: `${"d/".repeat(31)}f` }])],
    ["zero blocks up to a tape record", new Uint8Array([...tar, ...new Uint8Array(10240 - tar.length)])],
    ["names of many scripts", buildTar(["ünï", "漢字", "עברית", "देवनागरी", "😀"].map((name) => ({ name })))],
    ["a zstd frame without content size", storedZstdFrame(tar)],
    [
      "zip with deflate, descriptor, comment and directory",
      buildZip(
        [
          { name: "d/", mode: 0o040755, dosAttributes: 16 },
          { name: "d/a", content: "aaaaaaaaaaaa", method: 8, descriptor: true },
        ],
        { comment: new TextEncoder().encode("hello") },
      ),
    ],
    ["an empty zip", buildZip([])],
  ])("%s", async (name, bytes) => {
    expect(await judgeArchive(write(`ok-${name.replaceAll(/\W/g, "-")}`, bytes))).toMatchObject({ verdict: "accept" });
  });

  it("no file that does not exist: that is an error", async () => {
    await expect(judgeArchive(join(folder, "absent"))).rejects.toMatchObject({ code: "ARCHIVE_SOURCE_MISSING" });
  });
});
