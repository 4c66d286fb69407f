import { followLog, openCheckpoint, parseNoteKey, type Checkpoint, type LogState } from "@lading/signing/log";
import type { LogBinding } from "@lading/signing/metadata";
import { nodeVerifier } from "@lading/signing/node";
import type { TrustSource } from "./trust-source.ts";

/** Largest checkpoint that is looked at, in bytes; the format's own limit. */
export const CHECKPOINT_BYTES = 65_536;
/** Largest tile or bundle: 256 entries of 65,535 bytes with their lengths. */
const TILE_BYTES = 256 * 65_537;
export const CHECKPOINT_PATH = "log/checkpoint";

/** Who must have seen a log beside its registry, as its user demands. */
export interface WitnessDemand {
  /** Text forms of keys of C2SP cosignature/v1. */
  readonly witnesses: readonly string[];
  /** How many of them must have cosigned. */
  readonly threshold: number;
}

/** A log of which a client keeps the state that it saw last. */
export class LogFollower {
  readonly #source: TrustSource;
  /** Text form of the log's key. */
  readonly key: string;
  readonly origin: string;
  #seen: Checkpoint | undefined;
  readonly #demand: WitnessDemand | undefined;

  /** @param known the key that the log had when `seen` was kept, where it has another one now, and what is demanded */
  constructor(
    source: TrustSource,
    key: string,
    seen: Uint8Array | undefined,
    known: { readonly former?: string | undefined; readonly demand?: WitnessDemand | undefined } = {},
  ) {
    const { former = key, demand } = known;
    this.#source = source;
    this.#demand = demand;
    this.key = key;
    this.origin = parseNoteKey(key).name;
    this.#seen = seen === undefined ? undefined : this.#open(seen, key === former ? [key] : [key, former]);
  }

  /** The state that was seen last. */
  get seen(): Checkpoint | undefined {
    return this.#seen;
  }

  /** Reads a checkpoint. @throws {LogError} where the log's key did not sign it */
  open(bytes: Uint8Array): Checkpoint {
    return this.#open(bytes, [this.key]);
  }

  #open(bytes: Uint8Array, keys: readonly string[], demand?: WitnessDemand): Checkpoint {
    return openCheckpoint(bytes, {
      origin: this.origin,
      keys: keys.map(parseNoteKey),
      witnesses: demand?.witnesses.map(parseNoteKey),
      witnessThreshold: demand?.threshold,
      verifier: nodeVerifier,
    });
  }

  /** A tile or bundle by its path below the log's prefix. */
  readonly readTile = (path: string): Promise<Uint8Array | undefined> =>
    this.#source.file({ path: `log/${path}`, maxBytes: TILE_BYTES });

  /**
   * Demands that the log continues what was seen of it, and that the timestamp's state is one of it (`docs/spec/log.md` §3).
   * @returns the state that is to be kept
   * @throws {LogError} `LOG_ROLLBACK`, `LOG_SPLIT_VIEW`, `LOG_INCONSISTENT`, and those of checkpoints and tiles
   */
  async follow(binding: LogBinding): Promise<Checkpoint> {
    let now = await this.#served();
    // It was asked for beside the timestamp: one that was signed in between is no rollback.
    if (now.size < Math.max(binding.size, this.#seen?.size ?? 0)) now = await this.#served();
    if (this.#seen !== undefined) await followLog(this.#seen, now, this.readTile);
    await followLog(binding, now, this.readTile);
    this.#seen = now;
    return now;
  }

  async #served(): Promise<Checkpoint> {
    const bytes = await this.#source.file({
      path: CHECKPOINT_PATH,
      maxBytes: CHECKPOINT_BYTES,
      known: this.#seen?.bytes,
    });
    return this.#open(bytes ?? new Uint8Array(), [this.key], this.#demand);
  }

  /**
   * Demands that a state of the log, given with a proof, is of the same history as what was seen.
   * @throws {LogError} as {@link follow}
   */
  async agree(state: Checkpoint): Promise<void> {
    const seen: LogState | undefined = this.#seen;
    if (seen === undefined || seen.size <= state.size) {
      if (seen !== undefined) await followLog(seen, state, this.readTile);
      // A state that comes with a proof is newer than what witnesses have seen.
      if (this.#demand === undefined) this.#seen = state;
    } else await followLog(state, seen, this.readTile);
  }
}
