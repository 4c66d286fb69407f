import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it, vi } from "vitest";
import {
  ArchiveError,
  decodePath,
  checkPath,
  comparePaths,
  detectFormat,
  foldPart,
  readZstdHeader,
  ZstdFrameWalker,
} from "@lading/archive";
import { importForeignArchive, inspectPackage, judgeArchive, packDirectory } from "@lading/archive/node";
import { buildZip, sampleRecord, storedZstdFrame } from "@lading/archive/testing";
import { Xxh32 } from "../src/lib/xxh32.ts";

vi.setConfig({ testTimeout: 60_000 });
const folder = mkdtempSync(join(tmpdir(), "lading-codecs-"));
afterAll(() => rmSync(folder, { recursive: true }));
const utf8 = new TextEncoder();

/** The ArchiveError that `run` throws; anything else it throws goes on. */
const refusal = (run: () => void): ArchiveError | undefined => {
  try {
    run();
  } catch (error) {
    if (error instanceof ArchiveError) return error;
    throw error;
  }
};

describe("Xxh32", () => {
  it.each([
    ["", 0x02cc5d05],
    ["a", 0x550d7456],
    ["abc", 0x32d153ff],
    ["Nobody inspects the spammish repetition", 0xe2293b2f],
  ])("of %j is the published value, whole and in pieces", (input, expected) => {
    const bytes = utf8.encode(input);
    expect(new Xxh32().update(bytes).digest()).toBe(expected);
    const pieces = new Xxh32();
    for (const byte of bytes) pieces.update(Uint8Array.of(byte));
    expect(pieces.digest()).toBe(expected);
  });
});

describe("LZ4 frames", () => {
  it("are refused unless they are the one form that packages have", async () => {
    const directory = join(folder, "tree");
    mkdirSync(directory);
    writeFileSync(join(directory, "lading.toml"), "x".repeat(3000));
    const packed = await packDirectory({
      directory,
      record: sampleRecord(),
      output: join(folder, "x.lz4"),
      codec: "lz4",
    });
    const bytes = await import("node:fs").then(({ readFileSync }) => readFileSync(packed.path));
    const variants: [number, number][] = [
      [4, 0x60],
      [4, 0x44],
      [5, 0x40],
      [6, 1],
      [13, 1],
      [14, bytes[14]! ^ 1],
      [17, 0xff],
      [bytes.length - 1, bytes.at(-1)! ^ 1],
    ];
    for (const [at, value] of variants) {
      const path = join(folder, "variant.lz4");
      writeFileSync(
        path,
        bytes.map((byte, i) => (i === at ? value : byte)),
      );
      await expect(inspectPackage(path), `byte ${at}`).rejects.toMatchObject({ code: "ARCHIVE_LZ4_INVALID" });
    }
  });
});

describe("ZstdFrameWalker", () => {
  it("finds the end of a frame in pieces of any size, and throws nothing but ArchiveError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200_000 }), fc.integer({ min: 1, max: 70_000 }), (plain, step) => {
        const frame = storedZstdFrame(plain);
        const walker = new ZstdFrameWalker();
        for (let at = 0; at < frame.length; at += step) walker.push(frame.subarray(at, at + step));
        walker.finish();
        expect(walker.header?.windowBytes).toBe(2 ** 20);
        expect(refusal(() => walker.push(Uint8Array.of(0)))).toMatchObject({ code: "ARCHIVE_TRAILING_DATA" });
      }),
      { numRuns: 30 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
        const bytes = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, ...noise);
        refusal(() => {
          readZstdHeader(bytes);
          const walker = new ZstdFrameWalker();
          walker.push(bytes);
          walker.finish();
        });
      }),
    );
  });
});

describe("judgeArchive()", () => {
  it("gives a verdict on any damage to a zip, and never another error", async () => {
    const zip = buildZip([
      { name: "a", content: "hello hello hello", method: 8 },
      { name: "d/b", content: "b", descriptor: true },
    ]);
    const path = join(folder, "damaged.zip");
    await fc.assert(
      fc.asyncProperty(
        fc.nat(zip.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.integer({ min: 0, max: 2 }),
        async (at, change, kind) => {
          const damaged = kind === 0 ? zip.slice(0, at) : zip.map((byte, i) => (i === at ? byte ^ change : byte));
          writeFileSync(path, damaged);
          expect((await judgeArchive(path)).verdict).toMatch(/accept|refuse/);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe("checkPath()", () => {
  it("throws nothing but ArchiveError, and what it takes is NFC, relative and stable under a second check", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.webPath(), fc.stringMatching(/^[ -~]{1,30}$/)), (path) => {
        if (refusal(() => checkPath(path)) !== undefined) return;
        expect(path.normalize("NFC")).toBe(path);
        expect(path.split("/")).not.toContain("..");
        expect(decodePath(utf8.encode(path))).toBe(path);
        expect(foldPart(foldPart(path))).toBe(foldPart(path));
      }),
      { numRuns: 200 },
    );
  });
});

describe("comparePaths()", () => {
  it("orders as the UTF-8 bytes do", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }), (a, b) => {
        expect(Math.sign(comparePaths(a, b))).toBe(Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))));
      }),
    );
    expect(comparePaths("\uffee", "\u{1f600}")).toBeLessThan(0);
  });
});

describe("the system's refusals", () => {
  it("become ARCHIVE_IO with the action and the path", async () => {
    const directory = join(folder, "taken");
    mkdirSync(join(directory, "sub"), { recursive: true });
    writeFileSync(join(directory, "lading.toml"), "");
    const output = join(directory, "sub");
    await expect(packDirectory({ directory, record: sampleRecord(), output, codec: "none" })).rejects.toMatchObject({
      code: "ARCHIVE_IO",
      details: { path: output },
    });
    await expect(
      importForeignArchive({ source: join(folder, "absent"), destination: join(folder, "x") }),
    ).rejects.toMatchObject({ code: "ARCHIVE_SOURCE_MISSING" });
  });
});

describe("detectFormat()", () => {
  it("goes by magic bytes, and never throws", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => void detectFormat(bytes)));
    expect(detectFormat(utf8.encode("PK\u0003\u0004"))).toBe("zip");
    expect(detectFormat(new Uint8Array(0))).toBeUndefined();
  });
});
