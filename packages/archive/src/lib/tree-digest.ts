import { sha256 } from "@noble/hashes/sha2.js";
import { digestFromBytes, digestHex, type Digest } from "@lading/core-manifest";

/** What the tree digest says of one file. */
export interface TreeFile {
  readonly path: string;
  readonly sha256: Digest;
  readonly executable: boolean;
}

/** Order of members and of tree lines: by the UTF-8 bytes of the path, which is by code point. */
export function comparePaths(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return surrogatesLast(x) - surrogatesLast(y);
  }
  return a.length - b.length;
}

/** UTF-16 puts surrogates below U+E000 to U+FFFF; UTF-8 puts what they encode above. */
function surrogatesLast(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/**
 * The text whose SHA-256 is the tree digest: `lading-tree-v1`, then for each file, sorted bytewise by path, its
 * SHA-256 in hexadecimal, `x` or `-`, and its path (`docs/spec/archive.md` §tree-digest).
 */
export function treeText(files: readonly TreeFile[]): string {
  const sorted = files.every((file, i) => i === 0 || comparePaths(files[i - 1]!.path, file.path) < 0);
  const lines = (sorted ? files : files.toSorted((a, b) => comparePaths(a.path, b.path))).map(
    (file) => `${digestHex(file.sha256)} ${file.executable ? "x" : "-"} ${file.path}\n`,
  );
  return `lading-tree-v1\n${lines.join("")}`;
}

/**
 * Identity of a tree of files: the same under every codec, level, runtime and order of `files`. Paths must have passed
 * `checkPath`, so that none holds a line break.
 */
export function treeDigest(files: readonly TreeFile[]): Digest {
  return digestFromBytes(sha256(new TextEncoder().encode(treeText(files))));
}
