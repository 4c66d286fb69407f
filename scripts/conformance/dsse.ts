import { createPublicKey, verify } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  SigningError,
  createTrustPolicy,
  decodeDsse,
  encodeDsse,
  fingerprint,
  parsePublicKey,
  preAuthEncoding,
  verifyEnvelope,
  type Envelope,
} from "@lading/signing";
import { nodeVerifier } from "@lading/signing/node";
import { UnknownFormError, fromBase64, fromHex, isObject, tryParseJson, type SuiteResult } from "./suite.ts";

interface DsseCase {
  readonly name: string;
  readonly payloadHex: string;
  readonly payloadType: string;
  readonly paeHex: string;
  readonly envelope: unknown;
  readonly signers: readonly { readonly publicKey: string; readonly keyid: string }[];
}

interface SpecVector {
  readonly payload: string;
  readonly payloadType: string;
  readonly pae: string;
  readonly X: string;
  readonly Y: string;
  readonly envelope: { readonly signatures: readonly { readonly sig: string }[] };
}

interface DsseFile {
  readonly specVector?: SpecVector;
  readonly cases: readonly DsseCase[];
  readonly knownDifferential?: { readonly case: DsseCase };
}

type Check = readonly [name: string, run: () => string | undefined];

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function decoded(envelope: unknown): Envelope | string {
  try {
    return decodeDsse(Uint8Array.from(Buffer.from(JSON.stringify(envelope), "utf8")));
  } catch (error) {
    if (error instanceof SigningError) return error.code;
    throw error;
  }
}

function checkPae({ payloadType, payloadHex, paeHex }: DsseCase): string | undefined {
  const pae = hex(preAuthEncoding(payloadType, fromHex(payloadHex)));
  return pae === paeHex ? undefined : `pre-authentication encoding is ${pae}`;
}

function checkEnvelope(one: DsseCase): string | undefined {
  const envelope = decoded(one.envelope);
  if (typeof envelope === "string") return `refused with ${envelope}`;
  if (hex(envelope.payload) !== one.payloadHex) return "the payload differs";
  if (Buffer.from(encodeDsse(envelope)).toString() !== JSON.stringify(one.envelope)) return "encodes to other bytes";
  const message = preAuthEncoding(envelope.payloadType, envelope.payload);
  const bad = envelope.signatures.find(({ keyid, signature }) => {
    const signer = one.signers.find((candidate) => candidate.keyid === keyid);
    return signer === undefined || !nodeVerifier.verify(fromHex(signer.publicKey), message, signature);
  });
  return bad === undefined ? undefined : `the signature by ${bad.keyid} does not hold`;
}

function checkRefused(one: DsseCase): string | undefined {
  return typeof decoded(one.envelope) === "string" ? undefined : "accepted, though its type is not ASCII";
}

function coordinate(decimal: string): string {
  return Buffer.from(BigInt(decimal).toString(16).padStart(64, "0"), "hex").toString("base64url");
}

/** The specification's own example is signed by ECDSA, so only its encoding concerns us; the signature proves it right. */
function checkSpecVector({ payload, payloadType, pae, X, Y, envelope }: SpecVector): string | undefined {
  const message = preAuthEncoding(payloadType, Uint8Array.from(Buffer.from(payload)));
  if (Buffer.from(message).toString() !== pae) return "pre-authentication encoding differs";
  const jwk = { kty: "EC", crv: "P-256", x: coordinate(X), y: coordinate(Y) };
  const key = createPublicKey({ key: jwk, format: "jwk" });
  const holds = verify("sha256", message, { key, dsaEncoding: "ieee-p1363" }, fromBase64(envelope.signatures[0]!.sig));
  return holds ? undefined : "the example's signature does not hold over our encoding";
}

function foreignChecks({ specVector, cases, knownDifferential }: DsseFile): Check[] {
  return [
    ...(specVector === undefined ? [] : [["specification", () => checkSpecVector(specVector)] as const]),
    ...cases.flatMap((one): Check[] => [
      [`${one.name}, encoding`, () => checkPae(one)],
      [`${one.name}, envelope`, () => checkEnvelope(one)],
    ]),
    ...(knownDifferential === undefined
      ? []
      : [[knownDifferential.case.name, () => checkRefused(knownDifferential.case)] as const]),
  ];
}

interface LadingCase {
  readonly name: string;
  readonly envelope: string;
  readonly keys: readonly string[];
  readonly threshold: number;
  readonly expect: Readonly<Record<string, string>>;
  readonly verdict: string;
}

/** Our own file: envelopes as base64, keys as PEM, and `ok` or the code that verification must give. */
function ladingChecks(cases: readonly LadingCase[]): Check[] {
  return cases.map((one) => [
    one.name,
    () => {
      const keys = one.keys.map((pem) => parsePublicKey(pem));
      const policy = createTrustPolicy(keys, { threshold: one.threshold });
      const verdict = verifyEnvelope(fromBase64(one.envelope), { policy, expect: one.expect, verifier: nodeVerifier });
      const found = verdict.ok ? "ok" : verdict.code;
      const unknown =
        verdict.ok && !verdict.signers.every((signer) => keys.some((key) => fingerprint(key.publicKey) === signer));
      return found === one.verdict && !unknown ? undefined : `verdict is ${found}, expected ${one.verdict}`;
    },
  ]);
}

function checksOf(value: unknown): Check[] | undefined {
  if (!isObject(value) || !Array.isArray(value["cases"])) return undefined;
  if (value["format"] === "lading-envelope-vectors/1") return ladingChecks(value["cases"] as LadingCase[]);
  const [first] = value["cases"] as readonly unknown[];
  return isObject(first) && typeof first["paeHex"] === "string"
    ? foreignChecks(value as unknown as DsseFile)
    : undefined;
}

/** Runs a file of DSSE vectors; `undefined` for another file. */
export function runDsse(file: string, text: string): SuiteResult | undefined {
  const value = tryParseJson(text);
  const checks = checksOf(value);
  if (checks === undefined) return undefined;
  const results = checks.map(([name, run]) => ({ case: name, problem: run() }));
  const failures = results.filter(({ problem }) => problem !== undefined).map((one) => `${one.case}: ${one.problem}`);
  const form = isObject(value) && typeof value["format"] === "string" ? "lading" : "dsse";
  return {
    suite: "dsse",
    form,
    file,
    passed: results.length - failures.length,
    failures,
    data: {
      file,
      form,
      passed: results.length - failures.length,
      failed: failures.length,
      failures,
      results: results.map((one) => ({ case: one.case, passed: one.problem === undefined })),
    },
  };
}

/** @throws {UnknownFormError} */
export async function runDsseFile(file: string): Promise<SuiteResult> {
  const result = runDsse(file, await readFile(file, "utf8"));
  if (result === undefined) throw new UnknownFormError(file, "the DSSE vectors of docs/spec/conformance.md");
  return result;
}
