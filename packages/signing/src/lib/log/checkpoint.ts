import { encodeBase64, equalBytes, tryDecodeBase64 } from "../bytes.ts";
import { portableVerifier, type Signer, type Verifier } from "../signer.ts";
import { LogError } from "./log-error.ts";
import { EMPTY_ROOT, HASH_BYTES, isSize, verifyConsistency } from "./merkle.ts";
import {
  encodeNote,
  parseNote,
  signNote,
  verifyNote,
  type Note,
  type NoteKey,
  type VerifiedSignature,
} from "./note.ts";
import { consistencyProof, type ReadTile } from "./tiles.ts";

/** A state of a log. */
export interface LogState {
  /** The log's identity, first line of its checkpoints. */
  readonly origin: string;
  /** Leaves. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/** A checkpoint that was verified. */
export interface Checkpoint extends LogState {
  /** Lines after the third; no program audits them. */
  readonly extensions: readonly string[];
  /** Signatures that hold: of the log, and of known witnesses with their times. */
  readonly verified: readonly VerifiedSignature[];
  /** The note, with signature lines of unknown keys. */
  readonly note: Note;
  /** The very bytes, to be kept. */
  readonly bytes: Uint8Array;
}

function malformed(problem: string): LogError {
  return new LogError({ code: "LOG_CHECKPOINT_MALFORMED", message: `Cannot read the checkpoint: ${problem}` });
}

/** The text of a checkpoint (C2SP tlog-checkpoint). */
export function checkpointText({ origin, size, root }: LogState): string {
  if (origin === "" || /[\n\r]/.test(origin)) throw malformed("its origin is empty or has several lines");
  if (!isSize(size) || root.length !== HASH_BYTES) throw malformed("its size or root cannot be one");
  return `${origin}\n${size}\n${encodeBase64(root)}\n`;
}

/**
 * Reads the text of a checkpoint.
 * @throws {LogError} `LOG_CHECKPOINT_MALFORMED`
 */
export function parseCheckpointText(text: string): LogState & { readonly extensions: readonly string[] } {
  const lines = text.split("\n");
  const [origin = "", count = "", hash = "", ...extensions] = lines.slice(0, -1);
  if (lines.at(-1) !== "" || lines.slice(0, -1).some((line) => line === "")) throw malformed("it has an empty line");
  const [size, root] = [Number(count), tryDecodeBase64(hash)];
  if (!/^(0|[1-9]\d{0,15})$/.test(count) || !isSize(size)) throw malformed(`"${count.slice(0, 40)}" is no tree size`);
  if (root?.length !== HASH_BYTES) throw malformed("its root is not 32 bytes in base64");
  if (size === 0 && !equalBytes(root, EMPTY_ROOT)) throw malformed("its root is not that of an empty tree");
  return { origin, size, root, extensions };
}

/** Whom a checkpoint is to be by. */
export interface CheckpointTrust {
  readonly origin: string;
  /** Keys of the log; one of them must have signed. */
  readonly keys: readonly NoteKey[];
  readonly witnesses?: readonly NoteKey[] | undefined;
  /** How many of the witnesses must have cosigned; none unless given. */
  readonly witnessThreshold?: number | undefined;
  readonly verifier?: Verifier | undefined;
}

/**
 * Reads and verifies a checkpoint: a key of the log signed it, no signature of a known key is broken, it is of this log.
 * @throws {LogError} `LOG_NOTE_MALFORMED`, `LOG_CHECKPOINT_ALTERED`, `LOG_CHECKPOINT_UNTRUSTED`, `LOG_CHECKPOINT_MALFORMED`,
 * `LOG_ORIGIN_MISMATCH`, `LOG_WITNESSES_MISSING`
 */
export function openCheckpoint(bytes: Uint8Array, trust: CheckpointTrust): Checkpoint {
  const { origin, keys, witnesses = [], witnessThreshold = 0, verifier = portableVerifier } = trust;
  const note = parseNote(bytes);
  const verified = verifyNote(note, [...keys, ...witnesses], verifier);
  if (!verified.some(({ key }) => keys.includes(key))) {
    throw new LogError({
      code: "LOG_CHECKPOINT_UNTRUSTED",
      message: `Cannot trust the checkpoint of "${origin}": no known key of the log signed it`,
      origin,
    });
  }
  const state = parseCheckpointText(note.text);
  if (state.origin !== origin) {
    throw new LogError({
      code: "LOG_ORIGIN_MISMATCH",
      message: `Cannot trust the checkpoint: it is of "${state.origin}", expected "${origin}"`,
      origin,
    });
  }
  const seenBy = new Set(verified.filter(({ key }) => witnesses.includes(key)).map(({ key }) => key.id)).size;
  if (seenBy < witnessThreshold) {
    throw new LogError({
      code: "LOG_WITNESSES_MISSING",
      message: `Cannot trust the checkpoint of "${origin}": ${seenBy} witnesses cosigned it, demanded are ${witnessThreshold}`,
      origin,
    });
  }
  return { ...state, verified, note, bytes };
}

/**
 * Signs a checkpoint; the name of its keys is the origin.
 * @param verifier checks each signature before it is given out; the portable one unless given
 * @throws {LogError} `LOG_CHECKPOINT_MALFORMED`, `LOG_KEY_INVALID`, `LOG_SIGNER_FAULTY`
 */
export async function signCheckpoint(
  state: LogState,
  signers: readonly Signer[],
  verifier?: Verifier,
): Promise<Uint8Array> {
  return encodeNote(await signNote(checkpointText(state), state.origin, signers, verifier));
}

function describe({ origin, size }: LogState): string {
  return `the log "${origin}" of ${size} entries`;
}

/**
 * Compares two states of one log that need no proof.
 * @returns whether there is something left to prove
 * @throws {LogError} `LOG_ORIGIN_MISMATCH`, `LOG_ROLLBACK` (shorter than before), `LOG_SPLIT_VIEW` (same size, other root)
 */
function compareStates(before: LogState, now: LogState): boolean {
  if (before.origin !== now.origin) {
    throw new LogError({
      code: "LOG_ORIGIN_MISMATCH",
      message: `Cannot compare logs: one is "${before.origin}", the other "${now.origin}"`,
    });
  }
  if (now.size < before.size) {
    throw new LogError({
      code: "LOG_ROLLBACK",
      message: `Cannot trust ${describe(now)}: it had ${before.size} before`,
      before: before.size,
      now: now.size,
    });
  }
  if (now.size === before.size && !equalBytes(now.root, before.root)) {
    throw new LogError({
      code: "LOG_SPLIT_VIEW",
      message: `Cannot trust ${describe(now)}: another root was stated for as many before`,
      size: now.size,
    });
  }
  return now.size > before.size && before.size > 0;
}

/**
 * Demands that a state of a log follows from one seen before, by a proof that was given.
 * @throws {LogError} `LOG_ORIGIN_MISMATCH`, `LOG_ROLLBACK`, `LOG_SPLIT_VIEW`, `LOG_INCONSISTENT`
 */
export function checkConsistency(before: LogState, now: LogState, proof: readonly Uint8Array[]): void {
  if (!compareStates(before, now)) return;
  const [old, next] = [before, now];
  const holds = verifyConsistency({
    oldSize: old.size,
    newSize: next.size,
    oldRoot: old.root,
    newRoot: next.root,
    proof,
  });
  if (holds) return;
  throw new LogError({
    code: "LOG_INCONSISTENT",
    message: `Cannot trust ${describe(now)}: its first ${before.size} are not those that were there before`,
    before: before.size,
    now: now.size,
  });
}

/**
 * As {@link checkConsistency}, with the proof made from tiles, which need not be trusted.
 * @throws {LogError} as there, and `LOG_TILE_MISSING`, `LOG_TILE_INVALID`
 */
export async function followLog(before: LogState, now: LogState, read: ReadTile): Promise<void> {
  if (!compareStates(before, now)) return;
  checkConsistency(before, now, await consistencyProof(before.size, now.size, read));
}
