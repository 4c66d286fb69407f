import { decodeUtf8, encodeBase64, encodeUtf8, tryDecodeBase64 } from "../bytes.ts";
import { tryDecodeCanonical, tryEncodeCanonical } from "../canonical-json.ts";
import { decodeDsse, encodeDsse, preAuthEncoding, type Envelope, type EnvelopeSignature } from "../dsse.ts";
import { isAllowedPublicKey } from "../ed25519.ts";
import { fingerprint, isFingerprint, keyIdOf } from "../key-id.ts";
import { portableVerifier, type Signer, type Verifier } from "../signer.ts";
import { SigningError } from "../signing-error.ts";
import { STATEMENT_PAYLOAD_TYPE, STATEMENT_TYPE } from "../statement.ts";

/** `predicateType` of statements about keys. */
export const KEY_PREDICATES = {
  rotation: "urn:lading:key-rotation:v1",
  recovery: "urn:lading:key-recovery:v1",
  revocation: "urn:lading:key-revocation:v1",
} as const;

interface Common {
  /** Account whose key it is. */
  readonly account: string;
  /** 32 bytes: the new key of a rotation or recovery, the key that a revocation is about. */
  readonly key: Uint8Array;
  /** Origin of the log that the statement is for; a statement for one registry is none for another. */
  readonly log: string;
  /** For people. */
  readonly reason?: string;
}

/** The old key names its successor; both sign. */
export interface KeyRotation extends Common {
  readonly kind: "rotation";
  /** Fingerprint of the key before. */
  readonly previous: string;
}

/** A new key takes the place of a lost one, after a waiting period; the new one signs. */
export interface KeyRecovery extends Common {
  readonly kind: "recovery";
  /** Fingerprint of the key that was lost. */
  readonly previous: string;
}

/** A key is not trusted for entries of the log from an index on. */
export interface KeyRevocation extends Common {
  readonly kind: "revocation";
  /** First index from which it is not trusted. */
  readonly fromIndex: number;
}

export type KeyStatement = KeyRotation | KeyRecovery | KeyRevocation;

/** A statement that was read. Nothing in it is verified yet. */
export interface DecodedKeyStatement {
  readonly statement: KeyStatement;
  readonly envelope: Envelope;
}

function invalid(problem: string): SigningError {
  return new SigningError({
    code: "KEY_STATEMENT_INVALID",
    message: `Cannot use the statement about a key: ${problem}`,
  });
}

type Json = Readonly<Record<string, unknown>>;

function isText(value: unknown, maximum: number): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= maximum;
}

function check(statement: KeyStatement): void {
  const { kind, account, key, log, reason } = statement;
  if (!isText(account, 200)) throw invalid(`"account" is not a text of 1 to 200 characters`);
  if (!isText(log, 255)) throw invalid(`"log" is not a text of 1 to 255 characters`);
  if (!isAllowedPublicKey(key)) throw invalid(`"key" is no Ed25519 public key`);
  if (reason !== undefined && !isText(reason, 2000)) throw invalid(`"reason" is not a text of 1 to 2000 characters`);
  if (kind === "revocation") {
    if (!Number.isSafeInteger(statement.fromIndex) || statement.fromIndex < 0) throw invalid(`"fromIndex" is no index`);
    return;
  }
  if (!isFingerprint(statement.previous)) throw invalid(`"previous" is no fingerprint`);
  if (statement.previous === fingerprint(key)) throw invalid("a key cannot follow itself");
}

function payloadOf(statement: KeyStatement): Uint8Array {
  check(statement);
  const { kind, key, ...facts } = statement;
  const text = tryEncodeCanonical({
    _type: STATEMENT_TYPE,
    // The digest of a key's SPKI is its key id, so that the statement's subject is the key itself.
    subject: [{ name: fingerprint(key), digest: { sha256: keyIdOf(key) } }],
    predicateType: KEY_PREDICATES[kind],
    predicate: { ...facts, key: encodeBase64(key) },
  });
  if (text === undefined) throw invalid("it holds something that canonical JSON cannot say");
  return encodeUtf8(text);
}

async function sign(message: Uint8Array, signer: Signer): Promise<EnvelopeSignature> {
  const signature = await signer.sign(message);
  if (portableVerifier.verify(signer.publicKey, message, signature)) {
    return { keyid: keyIdOf(signer.publicKey), signature };
  }
  throw new SigningError({
    code: "SIGNATURE_INVALID",
    message: `Cannot sign with key "${fingerprint(signer.publicKey)}": the signer's own signature does not verify`,
  });
}

/**
 * Signs a statement about a key as a byte-exact DSSE envelope. A rotation needs the old and the new key, a recovery the new
 * one, a revocation a key of the account that is in use, which may be the key itself.
 * @throws {SigningError} `KEY_STATEMENT_INVALID`, `SIGNATURE_MISSING` without a signer, `SIGNATURE_INVALID`
 */
export async function encodeKeyStatement(statement: KeyStatement, signers: readonly Signer[]): Promise<Uint8Array> {
  const payload = payloadOf(statement);
  const message = preAuthEncoding(STATEMENT_PAYLOAD_TYPE, payload);
  const different = new Map(signers.map((signer) => [keyIdOf(signer.publicKey), signer]));
  if (different.size === 0) {
    throw new SigningError({
      code: "SIGNATURE_MISSING",
      message: "Cannot make a statement about a key: no signer was given",
    });
  }
  const signatures = await Promise.all([...different.values()].map((signer) => sign(message, signer)));
  signatures.sort((left, right) => (left.keyid < right.keyid ? -1 : 1));
  return encodeDsse({ payloadType: STATEMENT_PAYLOAD_TYPE, payload, signatures });
}

function object(value: unknown, what: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw invalid(`${what} is not an object`);
}

function kindOf(statement: Json): KeyStatement["kind"] {
  const found = statement["predicateType"];
  const kinds = Object.keys(KEY_PREDICATES) as KeyStatement["kind"][];
  const kind = kinds.find((one) => KEY_PREDICATES[one] === found);
  if (statement["_type"] === STATEMENT_TYPE && kind !== undefined) return kind;
  throw new SigningError({
    code: "STATEMENT_UNSUPPORTED",
    message: `Cannot use the statement about a key: its type is "${JSON.stringify(found ?? null).slice(0, 100)}", supported are "${Object.values(KEY_PREDICATES).join(`", "`)}"`,
  });
}

function readStatement(value: Json): KeyStatement {
  const kind = kindOf(value);
  const predicate = object(value["predicate"], `"predicate"`);
  const key = typeof predicate["key"] === "string" ? tryDecodeBase64(predicate["key"]) : undefined;
  if (key === undefined) throw invalid(`"key" is not base64`);
  const { account, log, reason, previous, fromIndex } = predicate as Record<string, string> & { fromIndex: number };
  const common = { account: account!, key, log: log!, ...(reason === undefined ? {} : { reason }) };
  const statement: KeyStatement =
    kind === "revocation" ? { ...common, kind, fromIndex } : { ...common, kind, previous: previous! };
  check(statement);
  const subject = Array.isArray(value["subject"]) && value["subject"].length === 1 ? value["subject"][0] : undefined;
  const { name, digest } = object(subject, `"subject[0]"`);
  if (name !== fingerprint(key) || object(digest, `"subject[0].digest"`)["sha256"] !== keyIdOf(key)) {
    throw invalid(`"subject" is not the key that "predicate" is about`);
  }
  return statement;
}

/**
 * Reads a statement about a key, byte-exactly, **without verifying** it. Unknown members of the predicate are signed like
 * the rest and have no effect.
 * @throws {SigningError} `ENVELOPE_MALFORMED`, `KEY_STATEMENT_INVALID`, `STATEMENT_UNSUPPORTED`
 */
export function decodeKeyStatement(bytes: Uint8Array): DecodedKeyStatement {
  const envelope = decodeDsse(bytes);
  if (envelope.payloadType !== STATEMENT_PAYLOAD_TYPE) {
    throw invalid(`its payload type is "${envelope.payloadType.slice(0, 60)}", expected "${STATEMENT_PAYLOAD_TYPE}"`);
  }
  const text = decodeUtf8(envelope.payload);
  const value = text === undefined ? undefined : tryDecodeCanonical(text);
  if (value === undefined) throw invalid("it is not canonical JSON");
  return { statement: readStatement(object(value, "it")), envelope };
}

/** Whether a key signed the statement, and its signature holds. */
export function isSignedBy(
  { envelope }: DecodedKeyStatement,
  publicKey: Uint8Array,
  verifier: Verifier = portableVerifier,
): boolean {
  const message = preAuthEncoding(envelope.payloadType, envelope.payload);
  return envelope.signatures.some(
    ({ keyid, signature }) => keyid === keyIdOf(publicKey) && verifier.verify(publicKey, message, signature),
  );
}
