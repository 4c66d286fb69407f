import { decodeUtf8, encodeBase64, encodeUtf8, tryDecodeBase64 } from "../bytes.ts";
import { openCheckpoint, type Checkpoint, type CheckpointTrust } from "./checkpoint.ts";
import { LogError } from "./log-error.ts";
import { HASH_BYTES, hashLeaf, isSize, verifyInclusion } from "./merkle.ts";
import { NOTE_MAX_BYTES } from "./note.ts";

/** First line of a proof (C2SP tlog-proof). */
export const LOG_PROOF_HEADER = "c2sp.org/tlog-proof@v1";

/** Largest proof that is looked at, in bytes. */
export const LOG_PROOF_MAX_BYTES: number = NOTE_MAX_BYTES + 65_535 * 2 + 8192;

/** That an entry is in a log, checkable without the network. */
export interface LogProof {
  readonly index: number;
  readonly proof: readonly Uint8Array[];
  /** The checkpoint's very bytes. */
  readonly checkpoint: Uint8Array;
  /** The entry itself, where it is carried along; not authenticated by itself, but the proof is of its hash. */
  readonly entry?: Uint8Array | undefined;
}

function malformed(problem: string): LogError {
  return new LogError({ code: "LOG_PROOF_MALFORMED", message: `Cannot read the proof of the log: ${problem}` });
}

/** The bytes of a proof, as `c2sp.org/tlog-proof@v1` has them; the entry goes into its `extra` line. */
export function encodeLogProof({ index, proof, checkpoint, entry }: LogProof): Uint8Array {
  const lines = [
    LOG_PROOF_HEADER,
    ...(entry === undefined ? [] : [`extra ${encodeBase64(entry)}`]),
    `index ${index}`,
    ...proof.map(encodeBase64),
    "",
    "",
  ];
  const note = decodeUtf8(checkpoint);
  if (note === undefined) throw malformed("its checkpoint is not UTF-8");
  return encodeUtf8(lines.join("\n") + note);
}

/**
 * Reads a proof. **Nothing is verified.**
 * @throws {LogError} `LOG_PROOF_MALFORMED`
 */
export function parseLogProof(bytes: Uint8Array): LogProof {
  if (bytes.length > LOG_PROOF_MAX_BYTES) throw malformed(`it has more than ${LOG_PROOF_MAX_BYTES} bytes`);
  const text = decodeUtf8(bytes);
  const split = text?.indexOf("\n\n") ?? -1;
  if (text === undefined || split < 0) throw malformed("it is not UTF-8, or has no blank line");
  const [header, ...lines] = text.slice(0, split).split("\n");
  if (header !== LOG_PROOF_HEADER) throw malformed(`it does not begin with "${LOG_PROOF_HEADER}"`);
  const extra = lines[0]?.startsWith("extra ") === true ? lines.shift()!.slice(6) : undefined;
  const entry = extra === undefined ? undefined : tryDecodeBase64(extra);
  if (extra !== undefined && entry === undefined) throw malformed("its extra data is not base64");
  const count = /^index (0|[1-9]\d{0,15})$/.exec(lines.shift() ?? "")?.[1];
  const proof = lines.map((line) => tryDecodeBase64(line));
  if (count === undefined || !isSize(Number(count))) throw malformed("it has no index");
  if (proof.length > 64 || proof.some((hash) => hash?.length !== HASH_BYTES)) throw malformed("a hash is damaged");
  return {
    index: Number(count),
    proof: proof as Uint8Array[],
    checkpoint: encodeUtf8(text.slice(split + 2)),
    ...(entry === undefined ? {} : { entry }),
  };
}

/**
 * Verifies that an entry is in a log: its checkpoint, and the way from the entry to its root.
 * @param entry the bytes of the entry; what the proof carries unless given
 * @throws {LogError} `LOG_PROOF_MALFORMED`, `LOG_INCLUSION_INVALID`, and those of `openCheckpoint`
 */
export function verifyLogProof(bytes: Uint8Array, trust: CheckpointTrust, entry?: Uint8Array): Checkpoint {
  const { index, proof, checkpoint, entry: carried } = parseLogProof(bytes);
  const leaf = entry ?? carried;
  if (leaf === undefined) throw malformed("it carries no entry, and none was given");
  const state = openCheckpoint(checkpoint, trust);
  checkInclusion(state, index, leaf, proof);
  return state;
}

/**
 * Demands that an entry is at an index of a log.
 * @throws {LogError} `LOG_INCLUSION_INVALID`
 */
export function checkInclusion(
  { origin, size, root }: Pick<Checkpoint, "origin" | "size" | "root">,
  index: number,
  entry: Uint8Array,
  proof: readonly Uint8Array[],
): void {
  if (verifyInclusion({ index, size, leafHash: hashLeaf(entry), proof, root })) return;
  throw new LogError({
    code: "LOG_INCLUSION_INVALID",
    message: `Cannot trust entry ${index} of the log "${origin}": the proof does not lead to the root of its ${size} entries`,
    index,
    size,
  });
}
