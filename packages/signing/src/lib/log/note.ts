import { sha256 } from "../hashes.ts";
import { concatBytes, decodeUtf8, encodeBase64, encodeHex, encodeUtf8, tryDecodeBase64 } from "../bytes.ts";
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES, isAllowedPublicKey } from "../ed25519.ts";
import { portableVerifier, type Signer, type Verifier } from "../signer.ts";
import { LogError } from "./log-error.ts";

/** Largest signed note that is looked at, in bytes. */
export const NOTE_MAX_BYTES = 65_536;
/** Most signatures on one note; C2SP demands that at least 16 are accepted. */
export const NOTE_MAX_SIGNATURES = 64;

/** Type of a key: what it signs. `log`: the text (0x01); `witness`: the text and a time (0x04, C2SP tlog-cosignature). */
export type NoteKeyType = "log" | "witness";

/** A key that verifies notes. */
export interface NoteKey {
  /** `registry.example/log`. */
  readonly name: string;
  /** Four bytes as eight hexadecimal digits. */
  readonly id: string;
  readonly type: NoteKeyType;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** A signature line. Lines of unknown keys are kept, as C2SP demands. */
export interface NoteSignature {
  readonly name: string;
  readonly id: string;
  /** Without the four bytes of the key id. */
  readonly signature: Uint8Array;
}

/** A signed note that was read. Nothing in it is verified yet. */
export interface Note {
  /** The signed text with its final line feed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

const TYPES: Readonly<Record<NoteKeyType, number>> = { log: 1, witness: 4 };
const NAME = /^[^\s+\u0085\p{C}]{1,255}$/u;

function malformed(problem: string): LogError {
  return new LogError({ code: "LOG_NOTE_MALFORMED", message: `Cannot read the signed note: ${problem}` });
}

function keyInvalid(problem: string): LogError {
  return new LogError({ code: "LOG_KEY_INVALID", message: `Cannot use the key of the log: ${problem}` });
}

/**
 * Makes the key of a log or witness.
 * @throws {LogError} `LOG_KEY_INVALID` for a name with spaces or `+`, or a public key that cannot be one
 */
export function createNoteKey(name: string, publicKey: Uint8Array, type: NoteKeyType = "log"): NoteKey {
  if (!NAME.test(name)) throw keyInvalid(`its name "${name.slice(0, 60)}" is empty, or has spaces or "+"`);
  if (publicKey.length !== PUBLIC_KEY_BYTES || !isAllowedPublicKey(publicKey)) {
    throw keyInvalid("it is no Ed25519 public key, or one of low order");
  }
  const id = sha256(concatBytes(encodeUtf8(`${name}\n`), Uint8Array.of(TYPES[type]), publicKey)).subarray(0, 4);
  return { name, id: encodeHex(id), type, publicKey };
}

/** The text form of a key: `name+id+base64` (C2SP signed-note, "vkey"). */
export function formatNoteKey({ name, id, type, publicKey }: NoteKey): string {
  return `${name}+${id}+${encodeBase64(concatBytes(Uint8Array.of(TYPES[type]), publicKey))}`;
}

/**
 * Reads the text form of a key.
 * @throws {LogError} `LOG_KEY_INVALID`, also where the id is not that of the key
 */
export function parseNoteKey(text: string): NoteKey {
  const [, name = "", id = "", body = ""] = /^([^+]*)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
  const bytes = tryDecodeBase64(body);
  const type = (Object.keys(TYPES) as NoteKeyType[]).find((one) => TYPES[one] === bytes?.[0]);
  if (bytes === undefined || type === undefined) throw keyInvalid(`"${text.slice(0, 100)}" is not "name+id+base64"`);
  const key = createNoteKey(name, bytes.subarray(1), type);
  if (key.id === id) return key;
  throw keyInvalid(`its id is "${id}", that of the key is "${key.id}"`);
}

function readSignature(line: string): NoteSignature {
  const [, name = "", body = ""] = /^\u2014 (\S+) ([A-Za-z0-9+/=]+)$/u.exec(line) ?? [];
  const bytes = tryDecodeBase64(body);
  if (!NAME.test(name) || bytes === undefined || bytes.length < 5) throw malformed("a signature line is damaged");
  return { name, id: encodeHex(bytes.subarray(0, 4)), signature: bytes.subarray(4) };
}

const nameOf = ({ name, id }: { readonly name: string; readonly id: string }): string => `${name}+${id}`;

/**
 * Reads a signed note strictly: UTF-8, no control characters but line feeds, canonical base64, each key once.
 * @throws {LogError} `LOG_NOTE_MALFORMED`
 */
export function parseNote(bytes: Uint8Array): Note {
  if (bytes.length > NOTE_MAX_BYTES) throw malformed(`it has ${bytes.length} bytes, allowed are ${NOTE_MAX_BYTES}`);
  const whole = decodeUtf8(bytes);
  // oxlint-disable-next-line no-control-regex
  if (whole === undefined || /[\u0000-\u0009\u000b-\u001f\ufeff]/.test(whole)) {
    throw malformed("it is not UTF-8, or has control characters");
  }
  const split = whole.lastIndexOf("\n\n");
  if (split < 0 || !whole.endsWith("\n")) throw malformed("it has no blank line before its signatures");
  const lines = whole
    .slice(split + 2)
    .split("\n")
    .slice(0, -1);
  if (lines.length === 0 || lines.length > NOTE_MAX_SIGNATURES) {
    throw malformed(`it has ${lines.length} signatures, allowed are 1 to ${NOTE_MAX_SIGNATURES}`);
  }
  const signatures = lines.map(readSignature);
  if (new Set(signatures.map(nameOf)).size !== signatures.length) throw malformed("a key has signed twice");
  return { text: whole.slice(0, split + 1), signatures };
}

/** The bytes of a note. */
export function encodeNote({ text, signatures }: Note): Uint8Array {
  const lines = signatures.map(({ name, id, signature }) => {
    const bytes = concatBytes(idBytes(id), signature);
    return `\u2014 ${name} ${encodeBase64(bytes)}\n`;
  });
  return encodeUtf8(`${text}\n${lines.join("")}`);
}

function idBytes(id: string): Uint8Array {
  return Uint8Array.from(id.match(/../g)!, (hex) => Number.parseInt(hex, 16));
}

/** What a witness signs: the time it saw the text, and the text (C2SP tlog-cosignature). */
function cosigned(text: string, timeS: number): Uint8Array {
  return encodeUtf8(`cosignature/v1\ntime ${timeS}\n${text}`);
}

function readCosignature(
  signature: Uint8Array,
): { readonly timeS: number; readonly signature: Uint8Array } | undefined {
  if (signature.length !== 8 + SIGNATURE_BYTES) return undefined;
  const timeS = Number(new DataView(signature.buffer, signature.byteOffset).getBigUint64(0));
  return Number.isSafeInteger(timeS) ? { timeS, signature: signature.subarray(8) } : undefined;
}

/** A signature that was verified. */
export interface VerifiedSignature {
  readonly key: NoteKey;
  /** When a witness signed, in seconds since the epoch. */
  readonly timeS?: number;
}

function verifyOne(note: Note, key: NoteKey, found: NoteSignature, verifier: Verifier): VerifiedSignature | undefined {
  if (key.type === "log") {
    return verifier.verify(key.publicKey, encodeUtf8(note.text), found.signature) ? { key } : undefined;
  }
  const cosignature = readCosignature(found.signature);
  if (cosignature === undefined) return undefined;
  const { timeS, signature } = cosignature;
  return verifier.verify(key.publicKey, cosigned(note.text, timeS), signature) ? { key, timeS } : undefined;
}

/**
 * Verifies a note by known keys (C2SP signed-note): every signature of a known key must hold; unknown ones are passed over.
 * @returns those that hold, of which there may be none
 * @throws {LogError} `LOG_CHECKPOINT_ALTERED`
 */
export function verifyNote(
  note: Note,
  keys: readonly NoteKey[],
  verifier: Verifier = portableVerifier,
): VerifiedSignature[] {
  const known = new Map(keys.map((key) => [nameOf(key), key]));
  return note.signatures.flatMap((found) => {
    const key = known.get(nameOf(found));
    if (key === undefined) return [];
    const verified = verifyOne(note, key, found, verifier);
    if (verified !== undefined) return [verified];
    throw new LogError({
      code: "LOG_CHECKPOINT_ALTERED",
      message: `Cannot trust the signed note: the signature by "${nameOf(key)}" does not hold`,
      key: nameOf(key),
    });
  });
}

async function signOnce(
  key: NoteKey,
  signer: Signer,
  message: Uint8Array,
  {
    head = new Uint8Array(),
    verifier = portableVerifier,
  }: { readonly head?: Uint8Array; readonly verifier?: Verifier },
): Promise<NoteSignature> {
  const signature = await signer.sign(message);
  if (!verifier.verify(key.publicKey, message, signature)) {
    throw new LogError({
      code: "LOG_SIGNER_FAULTY",
      message: `Cannot sign the note by "${nameOf(key)}": the signer's signature does not hold`,
    });
  }
  return { name: key.name, id: key.id, signature: concatBytes(head, signature) };
}

/**
 * Signs a text as a log does.
 * @param name the log's name
 * @param verifier checks each signature before it is given out
 * @throws {LogError} `LOG_KEY_INVALID`, `LOG_SIGNER_FAULTY`
 */
export async function signNote(
  text: string,
  name: string,
  signers: readonly Signer[],
  verifier: Verifier = portableVerifier,
): Promise<Note> {
  const signing = signers.map((signer) =>
    signOnce(createNoteKey(name, signer.publicKey), signer, encodeUtf8(text), { verifier }),
  );
  return { text, signatures: await Promise.all(signing) };
}

/**
 * Adds a witness's cosignature to a note.
 * @param witness.timeS when it saw the note, in seconds since the epoch
 * @throws {LogError} `LOG_KEY_INVALID`, `LOG_SIGNER_FAULTY`
 */
export async function cosignNote(
  note: Note,
  witness: { readonly name: string; readonly signer: Signer; readonly timeS: number },
): Promise<Note> {
  const { name, signer, timeS } = witness;
  const key = createNoteKey(name, signer.publicKey, "witness");
  const head = new Uint8Array(8);
  new DataView(head.buffer).setBigUint64(0, BigInt(timeS));
  const added = await signOnce(key, signer, cosigned(note.text, timeS), { head });
  const others = note.signatures.filter((one) => nameOf(one) !== nameOf(key));
  return { ...note, signatures: [...others, added] };
}
