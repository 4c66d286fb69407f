import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it, vi } from "vitest";
import type { Digest } from "@lading/core-manifest";
import {
  ArchiveError,
  CanonicalTarReader,
  DEFAULT_LIMITS,
  encodeMemberHeader,
  endOfArchive,
  paddingOf,
  type ArchiveCodec,
  type MemberHeader,
} from "@lading/archive";
import { inspectPackage, judgeArchive, packDirectory } from "@lading/archive/node";
import { concatBytes, sampleRecord } from "@lading/archive/testing";
import { readPlainHeader } from "../src/lib/canonical-header.ts";

vi.setConfig({ testTimeout: 120_000 });
const folder = mkdtempSync(join(tmpdir(), "lading-flips-"));
afterAll(() => rmSync(folder, { recursive: true }));
const corpus = new URL("corpus/", import.meta.url);

/** What a package's tar says, encoded again; the error where it is refused. */
function decodedAndEncoded(tar: Uint8Array): Uint8Array | ArchiveError {
  const parts: Uint8Array[] = [];
  let member: MemberHeader;
  const sink = {
    member: (next: MemberHeader) => void parts.push(encodeMemberHeader((member = next))),
    data: (chunk: Uint8Array) => void parts.push(chunk.slice()),
    memberEnd: () => void parts.push(new Uint8Array(paddingOf(member.size))),
  };
  const reader = new CanonicalTarReader(sink, DEFAULT_LIMITS);
  try {
    reader.push(tar);
    reader.finish();
    return concatBytes([...parts, endOfArchive()]);
  } catch (error) {
    if (error instanceof ArchiveError) return error;
    throw error;
  }
}

/** Every single bit with `LADING_EVERY_BIT=1`, which takes a minute; else one in so many that each position of a byte comes. */
function* flips(bytes: Uint8Array): Generator<Uint8Array> {
  const every = process.env["LADING_EVERY_BIT"] === "1" ? 1 : bytes.length > 2000 ? 211 : 29;
  for (let bit = 0; bit < bytes.length * 8; bit += every) {
    const flipped = Uint8Array.from(bytes);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    yield flipped;
  }
}

async function samplePackage(codec: ArchiveCodec): Promise<{ bytes: Uint8Array; tree: Digest; path: string }> {
  const directory = join(folder, "tree");
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "lading.toml"), "[package]\n");
  writeFileSync(join(directory, "é.txt"), "hello hello hello");
  const path = join(folder, `sample.${codec}`);
  const { tree } = await packDirectory({ directory, record: sampleRecord(), output: path, codec });
  return { bytes: readFileSync(path), tree, path };
}

describe.each(["zstd", "gzip", "lz4", "none"] as const)("inspectPackage() with %s, single bits flipped,", (codec) => {
  it("accepts none where the digest is known", async () => {
    const { bytes, tree, path } = await samplePackage(codec);
    const { blob, size } = await inspectPackage(path);
    let accepted = 0;
    for (const flipped of flips(bytes)) {
      writeFileSync(path, flipped);
      await inspectPackage(path, { expect: { blob, size, tree } }).then(
        () => (accepted += 1),
        (error: unknown) => expect(error).toBeInstanceOf(ArchiveError),
      );
    }
    expect(accepted).toBe(0);
  });
});

describe.each(["zstd", "gzip", "lz4"] as const)("inspectPackage() with %s, single bits flipped,", (codec) => {
  it("never reads another tree, even without any digest: its checksums stand for the content", async () => {
    const { bytes, tree, path } = await samplePackage(codec);
    const trees = new Set<string>();
    for (const flipped of flips(bytes)) {
      writeFileSync(path, flipped);
      const found = await inspectPackage(path).catch((error: unknown) => {
        if (!(error instanceof ArchiveError)) throw error;
      });
      if (found !== undefined) trees.add(found.tree);
    }
    expect([...trees].filter((found) => found !== tree)).toEqual([]);
  });
});

describe("CanonicalTarReader", () => {
  it("accepts of single-bit flips only other contents, never another encoding of a header or of padding", async () => {
    const { bytes } = await samplePackage("none");
    for (const flipped of flips(bytes)) {
      const again = decodedAndEncoded(flipped);
      expect(again instanceof ArchiveError || Buffer.compare(again, flipped) === 0).toBe(true);
    }
  });
});

describe("readPlainHeader()", () => {
  const path = fc.oneof(
    fc.stringMatching(/^[a-z./ A-Z0-9-]{1,110}$/),
    fc.constantFrom("é", "a\u007f", `${"p/".repeat(49)}aa`),
  );
  it("takes exactly what encodeMemberHeader() writes, and nothing with a byte changed", () => {
    fc.assert(
      fc.property(
        path,
        fc.nat(8 ** 11 - 1),
        fc.boolean(),
        fc.nat(511),
        fc.nat(255),
        (name, size, executable, at, byte) => {
          const member = { path: name, size, executable };
          const block = encodeMemberHeader(member);
          const plain = block.length === 512 && name.length <= 100;
          expect(readPlainHeader(block.slice(0, 512))).toEqual(plain ? member : undefined);
          const changed = block.slice(0, 512);
          changed[at] = byte;
          const read = plain ? readPlainHeader(changed) : undefined;
          expect(read === undefined ? changed : encodeMemberHeader(read)).toEqual(changed);
        },
      ),
      { numRuns: 500 },
    );
  });
});

type Edit =
  | { readonly kind: "set"; readonly at: number; readonly byte: number }
  | { readonly kind: "cut" | "repeat" | "zero"; readonly at: number; readonly length: number };

function edited(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  let out = bytes;
  for (const edit of edits) {
    const at = Math.floor(edit.at * out.length);
    if (edit.kind === "set") {
      out = Uint8Array.from(out, (byte, i) => (i === at ? edit.byte : byte));
      continue;
    }
    const piece = out.slice(at, at + edit.length);
    const middle = { cut: [], repeat: [piece, piece], zero: [new Uint8Array(piece.length)] }[edit.kind];
    out = concatBytes([out.slice(0, at), ...middle, out.slice(at + piece.length)]);
  }
  return out;
}

describe("with damaged files of the corpus", () => {
  const seeds = readdirSync(corpus).sort();
  const place = fc.double({ min: 0, max: 0.999, noNaN: true });
  const edit = fc.oneof(
    fc.record({ kind: fc.constant("set" as const), at: place, byte: fc.nat(255) }),
    fc.record({
      kind: fc.constantFrom("cut" as const, "repeat" as const, "zero" as const),
      at: place,
      length: fc.oneof(fc.integer({ min: 1, max: 16 }), fc.constantFrom(512, 1024)),
    }),
  );

  it("has every format", () => {
    expect(new Set(seeds.map((name) => name.split(".").at(-1)))).toEqual(
      new Set(["zstd", "gzip", "lz4", "none", "tar", "tgz", "zip"]),
    );
  });

  it("judgeArchive() and inspectPackage() throw nothing but ArchiveError, and a tar that passes is canonical", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...seeds),
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        async (seed, edits) => {
          const bytes = edited(readFileSync(new URL(seed, corpus)), edits);
          const path = join(folder, "fuzzed");
          writeFileSync(path, bytes);
          expect((await judgeArchive(path)).verdict).toMatch(/^(accept|refuse)$/);
          const found = await inspectPackage(path).catch((error: unknown) => {
            if (!(error instanceof ArchiveError)) throw error;
          });
          const again = found?.codec === "none" ? decodedAndEncoded(bytes) : undefined;
          expect(again === undefined || (!(again instanceof ArchiveError) && Buffer.compare(again, bytes) === 0)).toBe(
            true,
          );
        },
      ),
      { numRuns: 200 },
    );
  });
});
