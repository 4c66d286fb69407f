import { concatBytes, copyBytes } from "../bytes.ts";
import { LogError } from "./log-error.ts";
import { EMPTY_ROOT, HASH_BYTES, hashLeaf, hashNode, isSize, rootOf } from "./merkle.ts";

/** Hashes in a full tile: eight levels of the tree. */
export const TILE_WIDTH = 256;
/** Longest entry, in bytes: bundles have lengths of 16 bits. */
export const ENTRY_MAX_BYTES = 65_535;

function paddedIndex(index: number): string {
  let text = String(index % 1000).padStart(3, "0");
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    text = `x${String(rest % 1000).padStart(3, "0")}/${text}`;
  }
  return text;
}

function widthSuffix(width: number): string {
  return width === TILE_WIDTH ? "" : `.p/${width}`;
}

/** Path of a tile below the log's prefix: `tile/0/x001/234.p/17` (C2SP tlog-tiles). */
export function tilePath(level: number, index: number, width: number = TILE_WIDTH): string {
  return `tile/${level}/${paddedIndex(index)}${widthSuffix(width)}`;
}

/** Path of a bundle of entries: `tile/entries/x001/234.p/17` (C2SP tlog-tiles). */
export function entriesPath(index: number, width: number = TILE_WIDTH): string {
  return `tile/entries/${paddedIndex(index)}${widthSuffix(width)}`;
}

/**
 * The right edge of a log: all that is needed to append to it. A value: appending makes another one.
 */
export interface LogTree {
  readonly size: number;
  /** Hashes of the last, incomplete tile of each level; 0 to 255 each. */
  readonly edge: readonly (readonly Uint8Array[])[];
  /** Entries of the last, incomplete bundle. */
  readonly pending: readonly Uint8Array[];
}

/** A log without entries. */
export const EMPTY_LOG: LogTree = { size: 0, edge: [], pending: [] };

/** What appending made. */
export interface AppendedLog {
  readonly tree: LogTree;
  /** RFC 6962 root over all leaves, 32 bytes. */
  readonly root: Uint8Array;
  /** New tiles and bundles by path. They must be stored before a checkpoint of this size is published. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

function encodeEntry(entry: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(entry.length >> 8, entry.length & 255), entry);
}

/** A bundle of entries: each with its length in 16 bits, big-endian, before it. */
export function encodeEntries(entries: readonly Uint8Array[]): Uint8Array {
  return concatBytes(...entries.map(encodeEntry));
}

/**
 * Reads a bundle of entries.
 * @param width how many there must be
 * @throws {LogError} `LOG_TILE_INVALID`
 */
export function decodeEntries(bytes: Uint8Array, width: number): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const length = offset + 2 <= bytes.length ? (bytes[offset]! << 8) | bytes[offset + 1]! : bytes.length;
    if (offset + 2 + length > bytes.length) throw tileInvalid("a bundle of entries", "it is cut off");
    entries.push(copyBytes(bytes, offset + 2, offset + 2 + length));
    offset += 2 + length;
  }
  if (entries.length === width) return entries;
  throw tileInvalid("a bundle of entries", `it has ${entries.length} entries, expected ${width}`);
}

function tileInvalid(what: string, problem: string): LogError {
  return new LogError({ code: "LOG_TILE_INVALID", message: `Cannot use ${what} of the log: ${problem}` });
}

/** The perfect subtrees that a number of hashes consists of, as positions: the largest first. */
function perfectParts(from: number, to: number): { readonly height: number; readonly start: number }[] {
  const parts: { height: number; start: number }[] = [];
  let start = from;
  while (start < to) {
    let [height, span] = [0, 1];
    while (start % (span * 2) === 0 && start + span * 2 <= to) [height, span] = [height + 1, span * 2];
    parts.push({ height, start });
    start += span;
  }
  return parts;
}

/** Puts neighbouring perfect subtrees together, from the right (RFC 6962 §2.1 splits at the largest power of two). */
function fold(hashes: readonly Uint8Array[]): Uint8Array {
  return hashes.length === 0
    ? EMPTY_ROOT
    : hashes.slice(0, -1).reduceRight((right, left) => hashNode(left, right), hashes.at(-1)!);
}

// An edge keeps its hashes while it grows, and with them most of what is above them: kept by the left one of two.
const NODES = new WeakMap<Uint8Array, { readonly right: Uint8Array; readonly hash: Uint8Array }>();

function nodeOver(left: Uint8Array, right: Uint8Array): Uint8Array {
  const known = NODES.get(left);
  if (known?.right === right) return known.hash;
  const hash = hashNode(left, right);
  NODES.set(left, { right, hash });
  return hash;
}

/** The root of a perfect subtree over hashes of an edge. */
function rootOfPart(hashes: readonly Uint8Array[], { height, start }: { height: number; start: number }): Uint8Array {
  if (height === 0) return hashes[start]!;
  const below = height - 1;
  return nodeOver(
    rootOfPart(hashes, { height: below, start }),
    rootOfPart(hashes, { height: below, start: start + 2 ** below }),
  );
}

/** The root of a log from its right edge alone. */
export function rootOfTree({ edge }: LogTree): Uint8Array {
  const parts = edge
    .toReversed()
    .flatMap((hashes) => perfectParts(0, hashes.length).map((part) => rootOfPart(hashes, part)));
  return fold(parts);
}

interface Growing {
  size: number;
  readonly edge: Uint8Array[][];
  pending: Uint8Array[];
  readonly files: Map<string, Uint8Array>;
}

function push(log: Growing, level: number, hash: Uint8Array): void {
  const tile = (log.edge[level] ??= []);
  tile.push(hash);
  if (tile.length < TILE_WIDTH) return;
  const index = Math.floor((log.size - 1) / TILE_WIDTH ** (level + 1));
  log.files.set(tilePath(level, index), concatBytes(...tile));
  log.edge[level] = [];
  push(log, level + 1, rootOf(tile));
}

function append(log: Growing, entry: Uint8Array): void {
  if (entry.length > ENTRY_MAX_BYTES) {
    throw new LogError({
      code: "LOG_ENTRY_TOO_LARGE",
      message: `Cannot log an entry of ${entry.length} bytes, allowed are ${ENTRY_MAX_BYTES}`,
    });
  }
  log.size += 1;
  log.pending.push(entry);
  if (log.pending.length === TILE_WIDTH) {
    log.files.set(entriesPath(log.size / TILE_WIDTH - 1), encodeEntries(log.pending));
    log.pending = [];
  }
  push(log, 0, hashLeaf(entry));
}

function writePartial({ size, edge, pending, files }: Growing): void {
  for (const [level, hashes] of edge.entries()) {
    const index = Math.floor(size / TILE_WIDTH ** (level + 1));
    if (hashes.length > 0) files.set(tilePath(level, index, hashes.length), concatBytes(...hashes));
  }
  const bundle = Math.floor(size / TILE_WIDTH);
  if (pending.length > 0) files.set(entriesPath(bundle, pending.length), encodeEntries(pending));
}

/**
 * Appends entries to a log: in order, in memory that does not grow with the log.
 * @throws {LogError} `LOG_ENTRY_TOO_LARGE`
 */
export function appendToLog(tree: LogTree, entries: readonly Uint8Array[]): AppendedLog {
  const log: Growing = {
    size: tree.size,
    edge: tree.edge.map((hashes) => [...hashes]),
    pending: [...tree.pending],
    files: new Map(),
  };
  for (const entry of entries) append(log, entry);
  if (entries.length > 0) writePartial(log);
  const { size, edge, pending, files } = log;
  const grown = { size, edge, pending };
  return { tree: grown, root: rootOfTree(grown), files };
}

/** Reads a tile or bundle by its path below the log's prefix; `undefined` where there is none. Nothing of it is trusted. */
export type ReadTile = (path: string) => Promise<Uint8Array | undefined>;

/** How many hashes a tile of a tree of that size has. */
function widthOf(size: number, level: number, index: number): number {
  const hashes = Math.floor(size / TILE_WIDTH ** level) - index * TILE_WIDTH;
  return Math.min(TILE_WIDTH, hashes);
}

/** Reads one, or the full one in its place: logs may delete partial ones once they are full (C2SP tlog-tiles). */
async function readEither(
  read: ReadTile,
  pathOf: (width: number) => string,
  width: number,
): Promise<{ readonly bytes: Uint8Array; readonly width: number }> {
  const bytes = await read(pathOf(width));
  if (bytes !== undefined) return { bytes, width };
  const full = width === TILE_WIDTH ? undefined : await read(pathOf(TILE_WIDTH));
  if (full !== undefined) return { bytes: full, width: TILE_WIDTH };
  const path = pathOf(width);
  throw new LogError({ code: "LOG_TILE_MISSING", message: `Cannot read the log: "${path}" is not served`, path });
}

async function readHashes(read: ReadTile, size: number, level: number, index: number): Promise<Uint8Array[]> {
  const wanted = widthOf(size, level, index);
  const pathOf = (width: number): string => tilePath(level, index, width);
  const { bytes, width } = await readEither(read, pathOf, wanted);
  if (bytes.length !== width * HASH_BYTES) {
    throw tileInvalid(`"${pathOf(width)}"`, `it has ${bytes.length} bytes, expected ${width * HASH_BYTES}`);
  }
  return Array.from({ length: wanted }, (_, i) => copyBytes(bytes, i * HASH_BYTES, (i + 1) * HASH_BYTES));
}

/**
 * Reads entries of a log, bundle by bundle; they are **not** compared with the tree.
 * @throws {LogError} `LOG_TILE_MISSING`, `LOG_TILE_INVALID`, `LOG_RANGE_INVALID`
 */
export async function* readEntries(
  size: number,
  read: ReadTile,
  from: number = 0,
  to: number = size,
): AsyncGenerator<{ readonly index: number; readonly entry: Uint8Array }> {
  if (!isSize(size) || !isSize(from) || !isSize(to) || from > to || to > size) {
    throw rangeInvalid(`entries ${from} to ${to} of a log of ${size}`);
  }
  for (let bundle = Math.floor(from / TILE_WIDTH); bundle * TILE_WIDTH < to; bundle++) {
    const { bytes, width } = await readEither(read, (w) => entriesPath(bundle, w), widthOf(size, 0, bundle));
    const entries = decodeEntries(bytes, width);
    const first = bundle * TILE_WIDTH;
    for (let i = Math.max(from, first); i < Math.min(to, first + TILE_WIDTH); i++) {
      yield { index: i, entry: entries[i - first]! };
    }
  }
}

/**
 * The right edge of a stored log, to append to it.
 * @throws {LogError} `LOG_TILE_MISSING`, `LOG_TILE_INVALID`
 */
export async function loadLogTree(size: number, read: ReadTile): Promise<LogTree> {
  if (!isSize(size)) throw rangeInvalid(`a log of ${size} entries`);
  const edge: Uint8Array[][] = [];
  for (let level = 0; TILE_WIDTH ** level <= size; level++) {
    const index = Math.floor(size / TILE_WIDTH ** (level + 1));
    edge.push(widthOf(size, level, index) === 0 ? [] : await readHashes(read, size, level, index));
  }
  const pending: Uint8Array[] = [];
  for await (const { entry } of readEntries(size, read, size - (size % TILE_WIDTH))) pending.push(entry);
  return { size, edge, pending };
}

function rangeInvalid(what: string): LogError {
  return new LogError({ code: "LOG_RANGE_INVALID", message: `Cannot use ${what}: there is no such thing` });
}

/**
 * Hashes of perfect subtrees of one log, by height and first leaf. They never change while it grows, so that whoever makes
 * many proofs keeps them from one to the next.
 */
export type SubtreeHashes = Map<string, Uint8Array>;

/** Computes hashes of ranges of leaves out of tiles, each tile being read once. */
class TileHashes {
  readonly #size: number;
  readonly #read: ReadTile;
  readonly #subtrees: SubtreeHashes;
  readonly #tiles = new Map<string, Promise<Uint8Array[]>>();

  constructor(size: number, read: ReadTile, subtrees: SubtreeHashes) {
    this.#size = size;
    this.#read = read;
    this.#subtrees = subtrees;
  }

  #tile(level: number, index: number): Promise<Uint8Array[]> {
    const key = `${level}/${index}`;
    const known = this.#tiles.get(key) ?? readHashes(this.#read, this.#size, level, index);
    this.#tiles.set(key, known);
    return known;
  }

  /** A perfect subtree: leaves `start` to `start + 2 ** height`. */
  async #perfect(height: number, start: number): Promise<Uint8Array> {
    const key = `${height}/${start}`;
    const known = this.#subtrees.get(key) ?? (await this.#compute(height, start));
    this.#subtrees.set(key, known);
    return known;
  }

  async #compute(height: number, start: number): Promise<Uint8Array> {
    const level = Math.floor(height / 8);
    const first = start / TILE_WIDTH ** level;
    const hashes = await this.#tile(level, Math.floor(first / TILE_WIDTH));
    const inside = first % TILE_WIDTH;
    return rootOf(hashes.slice(inside, inside + 2 ** (height % 8)));
  }

  /** `MTH(D[from:to])` of RFC 6962 §2.1, where the range is one that its proofs speak of. */
  async range(from: number, to: number): Promise<Uint8Array> {
    return fold(await Promise.all(perfectParts(from, to).map(({ height, start }) => this.#perfect(height, start))));
  }
}

/** The largest power of two below a number of at least two. */
function splitOf(count: number): number {
  let split = 1;
  while (split * 2 < count) split *= 2;
  return split;
}

type Range = readonly [from: number, to: number];

/** `PATH(m, D[n])` of RFC 6962 §2.1.1 as ranges, from the leaf up. */
function inclusionRanges(index: number, from: number, to: number): Range[] {
  if (to - from === 1) return [];
  const middle = from + splitOf(to - from);
  return index < middle
    ? [...inclusionRanges(index, from, middle), [middle, to]]
    : [...inclusionRanges(index, middle, to), [from, middle]];
}

/** `SUBPROOF(m, D[n], b)` of RFC 6962 §2.1.2 as ranges. */
function consistencyRanges(oldSize: number, from: number, to: number, whole: boolean): Range[] {
  if (oldSize === to) return whole ? [] : [[from, to]];
  const middle = from + splitOf(to - from);
  return oldSize <= middle
    ? [...consistencyRanges(oldSize, from, middle, whole), [middle, to]]
    : [...consistencyRanges(oldSize, middle, to, false), [from, middle]];
}

async function hashesOf(
  ranges: readonly Range[],
  size: number,
  read: ReadTile,
  subtrees: SubtreeHashes = new Map(),
): Promise<Uint8Array[]> {
  const hashes = new TileHashes(size, read, subtrees);
  return Promise.all(ranges.map(([from, to]) => hashes.range(from, to)));
}

/**
 * The proof that the leaf at an index is in the tree of a size, from tiles (RFC 6962 §2.1.1).
 * @param subtrees what earlier proofs in the same log computed, and this one adds to; only for tiles that are one's own
 * @throws {LogError} `LOG_RANGE_INVALID`, `LOG_TILE_MISSING`, `LOG_TILE_INVALID`
 */
export function inclusionProof(
  size: number,
  index: number,
  read: ReadTile,
  subtrees?: SubtreeHashes,
): Promise<Uint8Array[]> {
  if (!isSize(size) || !isSize(index) || index >= size) {
    return Promise.reject(rangeInvalid(`entry ${index} of a log of ${size}`));
  }
  return hashesOf(inclusionRanges(index, 0, size), size, read, subtrees);
}

/**
 * The proof that the tree of the older size is the beginning of the tree of the newer one, from tiles (RFC 6962 §2.1.2).
 * @throws {LogError} `LOG_RANGE_INVALID`, `LOG_TILE_MISSING`, `LOG_TILE_INVALID`
 */
export function consistencyProof(oldSize: number, newSize: number, read: ReadTile): Promise<Uint8Array[]> {
  if (!isSize(newSize) || !isSize(oldSize) || oldSize > newSize) {
    return Promise.reject(rangeInvalid(`a log that grew from ${oldSize} to ${newSize} entries`));
  }
  if (oldSize === 0 || oldSize === newSize) return Promise.resolve([]);
  return hashesOf(consistencyRanges(oldSize, 0, newSize, true), newSize, read);
}

/**
 * The root of the tree of a size, from tiles. To be compared with a signed checkpoint.
 * @throws {LogError} `LOG_RANGE_INVALID`, `LOG_TILE_MISSING`, `LOG_TILE_INVALID`
 */
export async function rootFromTiles(size: number, read: ReadTile): Promise<Uint8Array> {
  if (!isSize(size)) throw rangeInvalid(`a log of ${size} entries`);
  return size === 0 ? EMPTY_ROOT : new TileHashes(size, read, new Map()).range(0, size);
}
