import type { Digest, PackageKind } from "@lading/core-manifest";
import { decodeDsse, encodeDsse, preAuthEncoding, type Envelope, type EnvelopeSignature } from "./dsse.ts";
import { fingerprint, keyIdOf } from "./key-id.ts";
import { portableVerifier, type Signer, type Verifier } from "./signer.ts";
import { SigningError, type SigningErrorCode } from "./signing-error.ts";
import {
  STATEMENT_PAYLOAD_TYPE,
  decodeStatement,
  encodeStatement,
  statementFacts,
  unsupported,
  type Statement,
  type StatementFacts,
} from "./statement.ts";
import { checkTrustPolicy, isAllowedFor, type TrustPolicy, type TrustedKey } from "./trust.ts";

/** An envelope that was read, with the statement in it. Nothing in it is verified yet. */
export interface DecodedEnvelope {
  readonly statement: Statement;
  readonly envelope: Envelope;
  /** The statement's very bytes. */
  readonly payload: Uint8Array;
}

/** What the statement must say; what is absent is not compared. */
export interface ExpectedSubject {
  readonly name?: string | undefined;
  readonly version?: string | undefined;
  readonly kind?: PackageKind | undefined;
  readonly target?: string | undefined;
  readonly blob?: Digest | undefined;
  readonly tree?: Digest | undefined;
  readonly manifestDigest?: Digest | undefined;
  /** Compared only where the statement names a registry; a function says whether the name is one of this registry. */
  readonly registry?: string | ((named: string) => boolean) | undefined;
}

/** Codes that a verdict can carry. */
export type SignatureVerdictCode = Extract<
  SigningErrorCode,
  | "SIGNATURE_INVALID"
  | "SIGNATURE_KEY_UNKNOWN"
  | "SIGNATURE_KEY_NOT_ALLOWED"
  | "SIGNATURE_THRESHOLD_NOT_MET"
  | "SIGNATURE_SUBJECT_MISMATCH"
  | "SIGNATURE_MISSING"
  | "ENVELOPE_MALFORMED"
  | "STATEMENT_INVALID"
  | "STATEMENT_UNSUPPORTED"
>;

/** The outcome of a verification: a value, since a bad signature is an expected one. */
export type SignatureVerdict =
  | {
      readonly ok: true;
      readonly statement: Statement;
      /** Sorted fingerprints of the different trusted keys that signed. */
      readonly signers: readonly string[];
    }
  | {
      readonly ok: false;
      readonly code: SignatureVerdictCode;
      /** One sentence without final period: what failed, and by which key. */
      readonly reason: string;
    };

/** What {@link verifyEnvelope} needs beside the bytes. */
export interface VerifyOptions {
  readonly policy: TrustPolicy;
  readonly expect: ExpectedSubject;
  /** {@link portableVerifier} unless given; in Node, `nodeVerifier` is many times faster and accepts the same. */
  readonly verifier?: Verifier | undefined;
  /** When the version was published, in milliseconds since the epoch; keys with a `sinceMs` need it. */
  readonly publishedMs?: number | undefined;
  /** Index of its entry in the transparency log; keys that are trusted in a part of the log need it. */
  readonly logIndex?: number | undefined;
}

async function signOnce(signer: Signer, message: Uint8Array): Promise<EnvelopeSignature> {
  const signature = await signer.sign(message);
  // A faulty signer (an HSM that lost its key, a glitched CPU) must not get a bad envelope published.
  if (!portableVerifier.verify(signer.publicKey, message, signature)) {
    throw new SigningError({
      code: "SIGNATURE_INVALID",
      message: `Cannot sign with key "${fingerprint(signer.publicKey)}": the signer's own signature does not verify`,
    });
  }
  return { keyid: keyIdOf(signer.publicKey), signature };
}

async function signAll(message: Uint8Array, signers: readonly Signer[]): Promise<EnvelopeSignature[]> {
  const different = new Map(signers.map((signer) => [keyIdOf(signer.publicKey), signer]));
  if (different.size === 0) {
    throw new SigningError({
      code: "SIGNATURE_MISSING",
      message: "Cannot make a signature envelope: no signer was given",
    });
  }
  return Promise.all([...different.values()].map((signer) => signOnce(signer, message)));
}

function byKeyId(left: EnvelopeSignature, right: EnvelopeSignature): number {
  return left.keyid < right.keyid ? -1 : left.keyid > right.keyid ? 1 : 0;
}

/**
 * Signs a statement: the bytes of the side file `<artefact>.sig`. One signature for each different key, sorted by key
 * id; the same statement and keys give the same bytes.
 * @throws {SigningError} `SIGNATURE_MISSING` without a signer, `SIGNATURE_INVALID` when a signer's result does not
 * verify, `STATEMENT_INVALID`
 */
export async function encodeEnvelope(statement: Statement, signers: readonly Signer[]): Promise<Uint8Array> {
  const payload = encodeStatement(statement);
  decodeStatement(payload);
  const signatures = await signAll(preAuthEncoding(STATEMENT_PAYLOAD_TYPE, payload), signers);
  return encodeDsse({ payloadType: STATEMENT_PAYLOAD_TYPE, payload, signatures: signatures.sort(byKeyId) });
}

/**
 * Adds signatures to an envelope, for packages that need several signers. A signature that is there already stays.
 * The ones that are there are not verified.
 * @throws {SigningError} as {@link decodeEnvelope} and {@link encodeEnvelope}
 */
export async function countersignEnvelope(bytes: Uint8Array, signers: readonly Signer[]): Promise<Uint8Array> {
  const { envelope, payload } = decodeEnvelope(bytes);
  const added = await signAll(preAuthEncoding(STATEMENT_PAYLOAD_TYPE, payload), signers);
  const signatures = new Map([...added, ...envelope.signatures].map((signature) => [signature.keyid, signature]));
  const encoded = encodeDsse({ ...envelope, signatures: [...signatures.values()].sort(byKeyId) });
  decodeDsse(encoded);
  return encoded;
}

/**
 * Reads the envelope of a package, byte-exactly, **without verifying** it.
 * @throws {SigningError} `ENVELOPE_MALFORMED`, `STATEMENT_INVALID`, `STATEMENT_UNSUPPORTED`
 */
export function decodeEnvelope(bytes: Uint8Array): DecodedEnvelope {
  const envelope = decodeDsse(bytes);
  if (envelope.payloadType !== STATEMENT_PAYLOAD_TYPE) {
    throw unsupported("payload type", envelope.payloadType, STATEMENT_PAYLOAD_TYPE);
  }
  return { statement: decodeStatement(envelope.payload), envelope, payload: envelope.payload };
}

function refuse(code: SignatureVerdictCode, reason: string): SignatureVerdict {
  return { ok: false, code, reason };
}

interface Tally {
  readonly good: Set<string>;
  readonly notAllowed: string[];
  readonly unknown: EnvelopeSignature[];
}

/**
 * Sorts the signatures; a string is the fingerprint of a known key whose signature fails. Every signature by a known key
 * must hold, wanted or not: a damaged one is never stepped over.
 */
function tally(
  envelope: Envelope,
  message: Uint8Array,
  allowed: (key: TrustedKey) => boolean,
  { policy, verifier = portableVerifier }: VerifyOptions,
): Tally | string {
  const result: Tally = { good: new Set(), notAllowed: [], unknown: [] };
  for (const signature of envelope.signatures) {
    const print = `ed25519:${signature.keyid}`;
    const key = policy.keys.get(print);
    if (key === undefined) result.unknown.push(signature);
    else if (fingerprint(key.publicKey) !== print || !verifier.verify(key.publicKey, message, signature.signature)) {
      return print;
    } else if (!allowed(key)) result.notAllowed.push(print);
    // A set: one signer repeated counts once towards the threshold.
    else result.good.add(print);
  }
  return result;
}

/** A trusted key's signature under another key's id: key ids are not signed, so this is how an altered one shows. */
function misnamed(unknown: readonly EnvelopeSignature[], message: Uint8Array, options: VerifyOptions): boolean {
  const { policy, verifier = portableVerifier } = options;
  return unknown.some(({ signature }) =>
    [...policy.keys.values()].some((key) => verifier.verify(key.publicKey, message, signature)),
  );
}

function judgeTally(counted: Tally, threshold: number): SignatureVerdict | undefined {
  const { good, notAllowed, unknown } = counted;
  if (good.size >= threshold) return undefined;
  if (good.size > 0) {
    return refuse("SIGNATURE_THRESHOLD_NOT_MET", `${good.size} trusted keys signed, the policy needs ${threshold}`);
  }
  return notAllowed.length > 0
    ? refuse("SIGNATURE_KEY_NOT_ALLOWED", `key "${notAllowed[0]}" is not trusted for this package or time`)
    : refuse("SIGNATURE_KEY_UNKNOWN", `no trusted key signed it; it is signed by "ed25519:${unknown[0]!.keyid}"`);
}

const COMPARED = ["name", "version", "kind", "target", "blob", "tree", "manifestDigest"] as const;

function mismatch(facts: StatementFacts, expect: ExpectedSubject): string | undefined {
  const key = COMPARED.find((one) => expect[one] !== undefined && facts[one] !== expect[one]);
  if (key !== undefined) return `the statement's ${key} is "${facts[key]}", expected "${expect[key]}"`;
  const [named, { registry }] = [facts.registry, expect];
  if (named === undefined || registry === undefined) return undefined;
  if (typeof registry === "string")
    return named === registry ? undefined : `the statement's registry is "${named}", expected "${registry}"`;
  return registry(named) ? undefined : `the statement was made for the registry "${named}", which this is not`;
}

function verifyDecoded({ statement, envelope, payload }: DecodedEnvelope, options: VerifyOptions): SignatureVerdict {
  const message = preAuthEncoding(envelope.payloadType, payload);
  const facts = statementFacts(statement);
  const allowed = (key: TrustedKey): boolean => isAllowedFor(key, facts.name, options.publishedMs, options.logIndex);
  const counted = tally(envelope, message, allowed, options);
  if (typeof counted === "string") return refuse("SIGNATURE_INVALID", `the signature by "${counted}" does not hold`);
  const short = judgeTally(counted, options.policy.threshold);
  if (short !== undefined) return short;
  if (misnamed(counted.unknown, message, options)) {
    return refuse("SIGNATURE_INVALID", "a signature by a trusted key carries another key's id");
  }
  // Last, so that a mismatch is only ever reported of what a trusted key did sign.
  const other = mismatch(facts, options.expect);
  if (other !== undefined) return refuse("SIGNATURE_SUBJECT_MISMATCH", other);
  return { ok: true, statement, signers: [...counted.good].sort() };
}

/**
 * Verifies the envelope of a package: strict reading, every known key's signature, names and times that the keys are
 * trusted for, threshold of different keys, and last that the statement speaks of what is at hand.
 *
 * With every signer in the policy, no altered bit of the envelope is accepted. Signatures by unknown keys beside enough
 * trusted ones are tolerated, so that a publisher can rotate keys.
 * @param bytes the side file; `undefined` where there is none, which is the verdict `SIGNATURE_MISSING`
 * @throws {SigningError} `SIGNATURE_POLICY_INVALID` only
 */
export function verifyEnvelope(bytes: Uint8Array | undefined, options: VerifyOptions): SignatureVerdict {
  checkTrustPolicy(options.policy);
  if (bytes === undefined) return refuse("SIGNATURE_MISSING", "it is not signed");
  let decoded: DecodedEnvelope;
  try {
    decoded = decodeEnvelope(bytes);
  } catch (error) {
    if (error instanceof SigningError) return refuse(error.code as SignatureVerdictCode, error.message);
    throw error;
  }
  return verifyDecoded(decoded, options);
}

/** The error of a refused verdict, for callers whose failure is an exception. */
export function verdictError(verdict: Extract<SignatureVerdict, { ok: false }>, subject: string): SigningError {
  return new SigningError({
    code: verdict.code,
    message: `Cannot verify "${subject}": ${verdict.reason}`,
    subject,
  });
}
