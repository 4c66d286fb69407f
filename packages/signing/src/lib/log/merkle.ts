import { sha256 } from "../hashes.ts";
import { concatBytes, equalBytes } from "../bytes.ts";

/** Bytes of a hash. */
export const HASH_BYTES = 32;
/** Root of a tree without leaves (RFC 6962 §2.1). */
export const EMPTY_ROOT: Uint8Array = sha256(new Uint8Array());

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** The hash of a leaf's bytes (RFC 6962 §2.1). */
export function hashLeaf(entry: Uint8Array): Uint8Array {
  return sha256(concatBytes(LEAF, entry));
}

/** The hash of two subtrees (RFC 6962 §2.1). */
export function hashNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concatBytes(NODE, left, right));
}

/** The root over leaf hashes that are all at hand (RFC 6962 §2.1). */
export function rootOf(leafHashes: readonly Uint8Array[]): Uint8Array {
  if (leafHashes.length === 0) return EMPTY_ROOT;
  let level = leafHashes;
  // Pairing neighbours and carrying an odd last one up is the same as splitting at the largest power of two.
  while (level.length > 1) {
    const next: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      next.push(i + 1 < level.length ? hashNode(level[i]!, level[i + 1]!) : level[i]!);
    }
    level = next;
  }
  return level[0]!;
}

/** Whether a number can be the number of leaves of a tree. */
export function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function areHashes(hashes: readonly Uint8Array[]): boolean {
  return hashes.every(({ length }) => length === HASH_BYTES);
}

const half = (value: number): number => Math.floor(value / 2);
const isOdd = (value: number): boolean => value % 2 === 1;

/** One inclusion to be checked. */
export interface Inclusion {
  readonly index: number;
  readonly size: number;
  readonly leafHash: Uint8Array;
  readonly proof: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/**
 * Whether a proof shows that a leaf is in a tree (RFC 9162 §2.1.3.2).
 * @returns false for every bad input; never throws
 */
export function verifyInclusion({ index, size, leafHash, proof, root }: Inclusion): boolean {
  if (!isSize(index) || !isSize(size) || index >= size || !areHashes([leafHash, root, ...proof])) return false;
  let [position, last, hash] = [index, size - 1, leafHash];
  for (const sibling of proof) {
    if (last === 0) return false;
    if (isOdd(position) || position === last) {
      hash = hashNode(sibling, hash);
      while (!isOdd(position) && position !== 0) [position, last] = [half(position), half(last)];
    } else {
      hash = hashNode(hash, sibling);
    }
    [position, last] = [half(position), half(last)];
  }
  return last === 0 && equalBytes(hash, root);
}

/** Two states of one tree to be compared. */
export interface Consistency {
  readonly oldSize: number;
  readonly newSize: number;
  readonly oldRoot: Uint8Array;
  readonly newRoot: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/**
 * Whether a proof shows that the older tree is the beginning of the newer one (RFC 9162 §2.1.4.2). Of an empty older
 * tree nothing can be shown, and nothing needs to be: that is false.
 * @returns false for every bad input; never throws
 */
export function verifyConsistency({ oldSize, newSize, oldRoot, newRoot, proof }: Consistency): boolean {
  if (!isSize(oldSize) || !isSize(newSize) || oldSize > newSize || oldSize === 0) return false;
  if (oldSize === newSize) return proof.length === 0 && equalBytes(oldRoot, newRoot);
  if (proof.length === 0 || !areHashes([oldRoot, newRoot, ...proof])) return false;
  let [position, last] = [oldSize - 1, newSize - 1];
  while (isOdd(position)) [position, last] = [half(position), half(last)];
  // Where the old tree is a whole subtree of the new one, its root is the first hash and is left out.
  const hashes = position === 0 ? [oldRoot, ...proof] : proof;
  let [older, newer] = [hashes[0]!, hashes[0]!];
  for (const hash of hashes.slice(1)) {
    if (last === 0) return false;
    if (isOdd(position) || position === last) {
      [older, newer] = [hashNode(hash, older), hashNode(hash, newer)];
      while (!isOdd(position) && position !== 0) [position, last] = [half(position), half(last)];
    } else {
      newer = hashNode(newer, hash);
    }
    [position, last] = [half(position), half(last)];
  }
  return last === 0 && equalBytes(older, oldRoot) && equalBytes(newer, newRoot);
}
