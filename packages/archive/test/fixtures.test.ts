import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import type { Digest } from "@lading/core-manifest";
import { treeDigest, type TreeFile } from "@lading/archive";
import { inspectPackage } from "@lading/archive/node";

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const known = JSON.parse(readFileSync(fixture("v1.json"), "utf8")) as {
  readonly tree: Digest;
  readonly files: readonly TreeFile[];
  readonly blobs: Readonly<Record<string, Digest>>;
};

it.each(["zstd", "gzip", "lz4", "none"])(
  "inspectPackage() opens the format 1 package in %s that an earlier release wrote",
  async (codec) => {
    const found = await inspectPackage(fixture(`v1.${codec}`), {
      expect: { blob: known.blobs[codec], tree: known.tree },
    });
    expect(found.files).toEqual(known.files);
    expect(treeDigest(found.files)).toBe(known.tree);
    const inMemory = await inspectPackage(readFileSync(fixture(`v1.${codec}`)), {
      expect: { blob: known.blobs[codec] },
    });
    expect(inMemory).toEqual(found);
  },
);
