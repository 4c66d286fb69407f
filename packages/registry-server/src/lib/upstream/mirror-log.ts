import type { Verifier } from "@lading/signing";
import {
  EMPTY_LOG,
  TILE_WIDTH,
  LogError,
  appendToLog,
  entriesPath,
  followLog,
  loadLogTree,
  openCheckpoint,
  parseNoteKey,
  readEntries,
  tilePath,
  type Checkpoint,
  type LogTree,
  type ReadTile,
} from "@lading/signing/log";
import type { LogBinding } from "@lading/signing/metadata";
import type { UpstreamFiles } from "./upstream-files.ts";
import { refusedUpstream, type UpstreamSource } from "./upstream-source.ts";
import { logStateOf, type UpstreamState } from "./upstream-state.ts";

/** Path of a log's signed state. */
export const CHECKPOINT = "log/checkpoint";
const CHECKPOINT_BYTES = 65_536;
/** 256 entries of 65,535 bytes with their lengths. */
const TILE_BYTES = 256 * 65_537;
/** Entries that are hashed at once. */
const CHUNK = 4096;

/** A log that was followed to its newest state. */
export interface MirroredLog {
  readonly checkpoint: Checkpoint;
  readonly key: string;
  /** Partial tiles of the state before, which the new ones take the place of. */
  readonly superseded: readonly string[];
}

interface Walk {
  readonly name: string;
  readonly source: UpstreamSource;
  readonly files: UpstreamFiles;
  readonly verifier: Verifier | undefined;
  /** Told every entry that was not held before, in order. */
  readonly onEntry: (index: number, entry: Uint8Array) => void;
}

function reader({ source }: Walk): ReadTile {
  return async (path) => (await source.read([{ path: `log/${path}`, maxBytes: TILE_BYTES }]))[0];
}

/** A tile or bundle as it is held, of any width that was reached. */
export function heldTiles(files: Pick<UpstreamFiles, "read">): ReadTile {
  return (path) => files.read(`log/${path}`);
}

function isPartial(path: string): boolean {
  return path.includes(".p/");
}

/**
 * Hashes every new entry of an upstream's log onto what is held of it, and demands that this is what the log's key signed.
 * @throws {LogError} `LOG_ROLLBACK`, `LOG_SPLIT_VIEW`, `LOG_INCONSISTENT`, and those of checkpoints and tiles
 */
export async function mirrorLog(
  walk: Walk & { readonly before: UpstreamState | undefined; readonly binding: LogBinding; readonly key: string },
): Promise<MirroredLog> {
  const { before, binding, key, source, files, verifier } = walk;
  const [bytes] = await source.read([{ path: CHECKPOINT, maxBytes: CHECKPOINT_BYTES }]);
  if (bytes === undefined) throw refusedUpstream(walk.name, `"${CHECKPOINT}" is missing`);
  const checkpoint = openCheckpoint(bytes, { origin: binding.origin, keys: [parseNoteKey(key)], verifier });
  const upstreamTile = reader(walk);
  if (before !== undefined) await followLog(logStateOf(before), checkpoint, upstreamTile);
  await followLog(binding, checkpoint, upstreamTile);
  const held = before === undefined ? EMPTY_LOG : await loadLogTree(before.log.size, heldTiles(files));
  const tree = await append(walk, held, checkpoint);
  files.add(CHECKPOINT, bytes);
  const superseded = tree.size === held.size ? [] : tilesBefore(held);
  return { checkpoint, key, superseded };
}

async function append(walk: Walk, held: LogTree, checkpoint: Checkpoint): Promise<LogTree> {
  const { files, onEntry } = walk;
  let [tree, root] = [held, undefined as Uint8Array | undefined];
  let chunk: Uint8Array[] = [];
  const take = (isLast: boolean): void => {
    if (chunk.length === 0) return;
    const grown = appendToLog(tree, chunk);
    for (const [path, bytes] of grown.files) if (isLast || !isPartial(path)) files.add(`log/${path}`, bytes);
    [tree, root, chunk] = [grown.tree, grown.root, []];
  };
  for await (const { index, entry } of readEntries(checkpoint.size, reader(walk), held.size)) {
    onEntry(index, entry);
    chunk.push(entry);
    if (chunk.length === CHUNK && index + 1 < checkpoint.size) take(false);
  }
  take(true);
  // Following compared what the upstream says of its hashes; this is what its entries come to.
  if (root !== undefined && Buffer.compare(root, checkpoint.root) !== 0) {
    throw new LogError({
      code: "LOG_INCONSISTENT",
      message: `Cannot trust the log "${checkpoint.origin}": its ${checkpoint.size} entries are not those that were signed for`,
      size: checkpoint.size,
    });
  }
  return tree;
}

/** Partial tiles and bundle of a log. */
function tilesBefore({ size, edge, pending }: LogTree): string[] {
  const paths: string[] = [];
  for (const [level, hashes] of edge.entries()) {
    const index = Math.floor(size / TILE_WIDTH ** (level + 1));
    if (hashes.length > 0) paths.push(`log/${tilePath(level, index, hashes.length)}`);
  }
  if (pending.length > 0) paths.push(`log/${entriesPath(Math.floor(size / TILE_WIDTH), pending.length)}`);
  return paths;
}
