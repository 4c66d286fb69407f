import {
  EMPTY_LOG,
  EMPTY_ROOT,
  HASH_BYTES,
  TILE_WIDTH,
  appendToLog,
  createNoteKey,
  decodeEntries,
  encodeEntries,
  encodeLogProof,
  entriesPath,
  formatNoteKey,
  inclusionProof,
  decodeLogEvent,
  signCheckpoint,
  tilePath,
  type LogState,
  type SubtreeHashes,
  type LogTree,
} from "@lading/signing/log";
import type { DocumentStore, MetadataStore } from "../ports.ts";
import { RegistryError } from "../registry-error.ts";
import { ALL_PACKAGES } from "./log-entries.ts";
import type { RegistryTrust } from "./registry-trust.ts";

/** Entries that are read at once. */
const CHUNK = 4096;
/** Hashes of subtrees that are kept for the next proofs, which are mostly about the last entries. */
const SUBTREES_MAX = 8192;
const POLICY_MARK = Buffer.from('"type":"policy"');

/** Where a change is in the log, checkable without the network. */
export interface LogReceipt {
  readonly index: number;
  /** The signed note, verbatim. */
  readonly checkpoint: string;
  /** `c2sp.org/tlog-proof@v1` of the entry, which it carries, against that checkpoint. */
  readonly proof: string;
}

/** Entries with their proofs against one checkpoint, by index. */
export interface LogProofs {
  /** The signed note, verbatim. */
  readonly checkpoint: string;
  readonly proofs: ReadonlyMap<number, { readonly entry: Uint8Array; readonly hashes: readonly Uint8Array[] }>;
}

interface Signed extends LogState {
  readonly tree: LogTree;
  readonly checkpoint: Uint8Array;
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** An error of a stored file that is not what the server wrote. */
export function damaged(path: string, problem: string, cause?: unknown): RegistryError {
  return new RegistryError({
    code: "METADATA_DAMAGED",
    message: `Cannot use the stored file "${path}": ${problem}`,
    hint: "Check the disk, then stop the server and run: lading-registry admin rebuild-index",
    path,
    ...(cause === undefined ? {} : { cause }),
  });
}

// Signing for other entries would show everybody who saw the former ones that the registry rewrote its history.
function rewritten({ size }: LogState): RegistryError {
  return new RegistryError({
    code: "METADATA_DAMAGED",
    message: `Cannot use the stored log: its first ${size} entries are not those that were signed for`,
    hint: "Restore a backup: what is derived from the entries can be made again, the entries cannot",
  });
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

/**
 * The transparency log over the entries that the metadata store holds in order. A change is in the store, durably, before
 * its entry is signed for; tiles and checkpoints are derived from entries alone, so that a crash loses neither entry nor
 * place. One checkpoint is signed for all entries that came together.
 */
export class LogService {
  readonly #metadata: MetadataStore;
  readonly #documents: DocumentStore;
  readonly #trust: RegistryTrust;
  readonly #shared: boolean;
  /** Text form of the log's key. */
  readonly key: string;
  #signed: Signed;
  #advancing: Promise<void> | undefined;
  #policy: Uint8Array | undefined;
  readonly #subtrees: SubtreeHashes = new Map();

  /** With `shared`, other servers append to the log as well; what they sign for the same entries is the same. */
  constructor(options: {
    readonly metadata: MetadataStore;
    readonly documents: DocumentStore;
    readonly trust: RegistryTrust;
    readonly shared?: boolean;
  }) {
    this.#shared = options.shared ?? false;
    this.#metadata = options.metadata;
    this.#documents = options.documents;
    this.#trust = options.trust;
    const { logOrigin: origin, logSigner } = options.trust;
    this.key = formatNoteKey(createNoteKey(origin, logSigner.publicKey));
    this.#signed = { origin, size: 0, root: EMPTY_ROOT, tree: EMPTY_LOG, checkpoint: new Uint8Array() };
  }

  /** Size and root that the last checkpoint states. */
  get state(): LogState & { readonly key: string } {
    const { origin, size, root } = this.#signed;
    return { origin, size, root, key: this.key };
  }

  /** The last checkpoint. */
  get checkpoint(): Uint8Array {
    return this.#signed.checkpoint;
  }

  /** The checkpoint that no reader has seen a later one than, whichever server answered. */
  async currentCheckpoint(): Promise<Uint8Array> {
    if (this.#shared) await this.advance();
    return this.#signed.checkpoint;
  }

  /** The last entry about the registry's policy. */
  get policy(): Uint8Array | undefined {
    return this.#policy;
  }

  /**
   * Takes up the log: every entry is hashed again and every stored tile compared; missing ones are stored.
   * @param options.signedFor a state that was signed for, of which the log must be a continuation
   * @param options.tiles `repair` replaces tiles that differ, `ignore` leaves them; else they are refused
   * @throws {RegistryError} `METADATA_DAMAGED`
   */
  async start(
    options: { readonly signedFor?: LogState | undefined; readonly tiles?: "check" | "ignore" | "repair" } = {},
  ): Promise<void> {
    const { signedFor, tiles = "check" } = options;
    this.#subtrees.clear();
    let tree = EMPTY_LOG;
    let root = EMPTY_ROOT;
    for (;;) {
      const missing = (signedFor?.size ?? 0) - tree.size;
      const entries = await this.#metadata.logEntries(tree.size, missing > 0 ? Math.min(missing, CHUNK) : CHUNK);
      if (entries.length === 0) break;
      const grown = appendToLog(tree, entries);
      for (const [path, bytes] of tiles === "ignore" ? [] : grown.files)
        if (!path.includes(".p/")) await this.#checkTile(path, bytes, tiles === "repair");
      this.#notePolicy(entries);
      [tree, root] = [grown.tree, grown.root];
      if (tree.size === signedFor?.size && !sameBytes(root, signedFor.root)) throw rewritten(signedFor);
    }
    if (signedFor !== undefined && tree.size < signedFor.size) throw rewritten(signedFor);
    await this.#sign({ origin: this.#trust.logOrigin, size: tree.size, root, tree });
  }

  async #checkTile(path: string, bytes: Uint8Array, repair: boolean): Promise<void> {
    const stored = await this.#documents.get(`log/${path}`);
    if (stored !== undefined && sameBytes(stored, bytes)) return;
    if (stored !== undefined && !repair) throw damaged(`log/${path}`, "it is not that of the log's entries");
    await this.#documents.put(`log/${path}`, bytes);
  }

  #notePolicy(entries: readonly Uint8Array[]): void {
    for (const entry of entries) {
      if (!Buffer.from(entry.buffer, entry.byteOffset, entry.length).includes(POLICY_MARK)) continue;
      const event = decodeLogEvent(entry);
      // Others are of single packages, by their owners or for an upstream's.
      if (event.type === "policy" && event.names === ALL_PACKAGES) this.#policy = entry;
    }
  }

  async #sign(state: Omit<Signed, "checkpoint">): Promise<void> {
    const { logSigner, logCosigners = [], verifier } = this.#trust;
    const checkpoint = await signCheckpoint(state, [logSigner, ...logCosigners], verifier);
    this.#signed = { ...state, checkpoint };
  }

  /** Signs for every entry that the metadata store has by now. */
  async advance(): Promise<void> {
    // One that runs already may have read the entries before the caller's was among them.
    await this.#advancing?.catch(() => {});
    this.#advancing ??= this.#advance().finally(() => {
      this.#advancing = undefined;
    });
    await this.#advancing;
  }

  async #advance(): Promise<void> {
    const { origin } = this.#signed;
    for (;;) {
      const entries = await this.#metadata.logEntries(this.#signed.size, CHUNK);
      if (entries.length === 0) return;
      const { tree, root, files } = appendToLog(this.#signed.tree, entries);
      // What is complete is stored before anybody can ask for it; what is not comes from the edge in memory.
      for (const [path, bytes] of files) if (!path.includes(".p/")) await this.#documents.put(`log/${path}`, bytes);
      this.#notePolicy(entries);
      await this.#sign({ origin, size: tree.size, root, tree });
      if (entries.length < CHUNK) return;
    }
  }

  /** Waits until a checkpoint covers the entry, and proves that it does. */
  async receipt(index: number): Promise<LogReceipt> {
    if (this.#signed.size <= index) await this.advance();
    const signed = this.#signed;
    const { hashes: proof, entry } = await this.#proofIn(signed, index);
    const { checkpoint } = signed;
    return { index, checkpoint: text(checkpoint), proof: text(encodeLogProof({ index, proof, checkpoint, entry })) };
  }

  /** Waits until a checkpoint covers all entries, and proves that it does. */
  async proofs(indices: readonly number[]): Promise<LogProofs> {
    if (this.#signed.size <= Math.max(-1, ...indices)) await this.advance();
    const signed = this.#signed;
    const proofs = new Map<number, { readonly entry: Uint8Array; readonly hashes: readonly Uint8Array[] }>();
    for (const index of new Set(indices)) proofs.set(index, await this.#proofIn(signed, index));
    return { checkpoint: text(signed.checkpoint), proofs };
  }

  async #proofIn(
    signed: Signed,
    index: number,
  ): Promise<{ readonly entry: Uint8Array; readonly hashes: readonly Uint8Array[] }> {
    if (this.#subtrees.size > SUBTREES_MAX) this.#subtrees.clear();
    const hashes = await inclusionProof(signed.size, index, (path) => this.#tileOf(signed, path), this.#subtrees);
    const pending = index - (signed.size - signed.tree.pending.length);
    const entry = signed.tree.pending[pending] ?? (await this.#metadata.logEntries(index, 1))[0];
    return { entry: entry!, hashes };
  }

  /** The tile or bundle at a path below the log's prefix, of any width that the log has reached. */
  async tile(path: string): Promise<Uint8Array | undefined> {
    const found = await this.#tileOf(this.#signed, path);
    if (found !== undefined || !this.#shared || parseTilePath(path) === undefined) return found;
    // Another server may have signed for more entries, and sent its reader here.
    await this.advance();
    return this.#tileOf(this.#signed, path);
  }

  async #tileOf({ tree }: Signed, path: string): Promise<Uint8Array | undefined> {
    const place = parseTilePath(path);
    if (place === undefined) return undefined;
    const { level, index, width } = place;
    const there = Math.floor(tree.size / TILE_WIDTH ** (level ?? 0)) - index * TILE_WIDTH;
    if (there < width) return undefined;
    if (there < TILE_WIDTH) return edgeOf(tree, level, width);
    const full = level === undefined ? entriesPath(index) : tilePath(level, index);
    const bytes = await this.#documents.get(`log/${full}`);
    if (bytes === undefined || width === TILE_WIDTH) return bytes;
    if (level !== undefined) return bytes.slice(0, width * HASH_BYTES);
    return encodeEntries(decodeEntries(bytes, TILE_WIDTH).slice(0, width));
  }
}

function edgeOf(tree: LogTree, level: number | undefined, width: number): Uint8Array {
  if (level === undefined) return encodeEntries(tree.pending.slice(0, width));
  return Buffer.concat((tree.edge[level] ?? []).slice(0, width));
}

/** Reads `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]` (C2SP tlog-tiles); `undefined` for anything else. */
export function parseTilePath(
  path: string,
): { readonly level: number | undefined; readonly index: number; readonly width: number } | undefined {
  const match = /^tile\/(entries|\d|[1-5]\d|6[0-3])\/((?:x\d{3}\/){0,4}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path);
  if (match === null) return undefined;
  const [, what, number, partial] = match;
  const level = what === "entries" ? undefined : Number(what);
  const index = Number(number!.replaceAll(/[x/]/g, ""));
  const width = partial === undefined ? TILE_WIDTH : Number(partial);
  // One path for each tile: no leading groups of zeroes, no partial tile as wide as a full one.
  const canonical = level === undefined ? entriesPath(index, width) : tilePath(level, index, width);
  return width <= TILE_WIDTH && canonical === path ? { level, index, width } : undefined;
}
