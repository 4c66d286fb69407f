import {
  digestHex,
  tryParseDigest,
  tryParsePackageName,
  tryParseVersion,
  type Digest,
  type PackageKind,
} from "@lading/core-manifest";
import { decodeUtf8, encodeUtf8 } from "./bytes.ts";
import { tryDecodeCanonical, tryEncodeCanonical } from "./canonical-json.ts";
import { SigningError } from "./signing-error.ts";

/** `_type` of in-toto Statement v1. */
export const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
/** DSSE payload type of in-toto statements. */
export const STATEMENT_PAYLOAD_TYPE = "application/vnd.in-toto+json";
/** `predicateType` of the statement that a publisher makes of an artefact. */
export const PUBLICATION_PREDICATE_TYPE = "urn:lading:publication:v1";
/** Name of the tree digest among a subject's digests. */
export const TREE_DIGEST_NAME = "ladingTreeV1";

/** What a publisher states of one artefact. */
export interface StatementFacts {
  /** Package name: `tool` or `company/tool`. */
  readonly name: string;
  readonly version: string;
  readonly kind: PackageKind;
  /** `any`, `source` or a target triple. */
  readonly target: string;
  /** Digest of the artefact's bytes. */
  readonly blob: Digest;
  /** Digest of the files inside, which is the same under any compression. */
  readonly tree: Digest;
  /** Digest of `.lading/package.json` inside the artefact. */
  readonly manifestDigest: Digest;
  /** Canonical URL of the registry that it is meant for; absent: any. */
  readonly registry?: string | undefined;
  /** The version published before this one; absent for the first, or where the publisher does not say. */
  readonly previousVersion?: string | undefined;
}

/** The predicate of {@link PUBLICATION_PREDICATE_TYPE}. */
export interface PublicationPredicate {
  readonly purl: string;
  readonly name: string;
  readonly version: string;
  readonly kind: PackageKind;
  readonly target: string;
  readonly manifest: { readonly sha256: string };
  readonly registry?: string;
  readonly previousVersion?: string;
}

/** An in-toto Statement v1 about one artefact (`docs/spec/signing.md` §4). */
export interface Statement {
  readonly _type: typeof STATEMENT_TYPE;
  readonly subject: readonly [
    { readonly name: string; readonly digest: { readonly sha256: string; readonly ladingTreeV1: string } },
  ];
  readonly predicateType: typeof PUBLICATION_PREDICATE_TYPE;
  readonly predicate: PublicationPredicate;
}

/** The package URL of a version: `pkg:lading/company/tool@1.0.0`. */
export function packageUrl(name: string, version: string): string {
  return `pkg:lading/${name}@${encodeURIComponent(version)}`;
}

const MAX_TEXT = 2048;
const TARGET = /^[a-z0-9]+(?:[-_.][a-z0-9]+)*$/;
const PRINTABLE = /^[\x21-\x7e]+$/;

function invalid(problem: string): SigningError {
  return new SigningError({ code: "STATEMENT_INVALID", message: `Cannot use the statement: ${problem}` });
}

/** The error of a type or version that this release does not know. */
export function unsupported(what: string, found: string, allowed: string): SigningError {
  return new SigningError({
    code: "STATEMENT_UNSUPPORTED",
    message: `Cannot use the statement: its ${what} is "${found.slice(0, 100)}", supported is "${allowed}"`,
  });
}

function check(holds: boolean, problem: string): void {
  if (!holds) throw invalid(problem);
}

function checkFacts(facts: StatementFacts): void {
  const { name, version, kind, target, registry, previousVersion } = facts;
  check(typeof name === "string" && tryParsePackageName(name) !== undefined, `"name" is not a package name`);
  check(typeof version === "string" && tryParseVersion(version) !== undefined, `"version" is not a SemVer version`);
  check(kind === "binary" || kind === "source", `"kind" is neither "binary" nor "source"`);
  check(typeof target === "string" && target.length <= 64 && TARGET.test(target), `"target" is not a target name`);
  for (const key of ["blob", "tree", "manifestDigest"] as const) {
    check(tryParseDigest(facts[key]) !== undefined, `"${key}" is not a SHA-256 digest`);
  }
  check(
    registry === undefined || (typeof registry === "string" && registry.length <= MAX_TEXT && PRINTABLE.test(registry)),
    `"registry" is not a URL of at most ${MAX_TEXT} characters`,
  );
  check(
    previousVersion === undefined ||
      (typeof previousVersion === "string" && tryParseVersion(previousVersion) !== undefined),
    `"previousVersion" is not a SemVer version`,
  );
}

/**
 * Makes the statement that a publisher signs.
 * @throws {SigningError} `STATEMENT_INVALID` naming the fact that is wrong
 */
export function createStatement(facts: StatementFacts): Statement {
  checkFacts(facts);
  const { name, version, kind, target, registry, previousVersion } = facts;
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name, digest: { sha256: digestHex(facts.blob), [TREE_DIGEST_NAME]: digestHex(facts.tree) } }],
    predicateType: PUBLICATION_PREDICATE_TYPE,
    predicate: {
      purl: packageUrl(name, version),
      name,
      version,
      kind,
      target,
      manifest: { sha256: digestHex(facts.manifestDigest) },
      ...(registry === undefined ? {} : { registry }),
      ...(previousVersion === undefined ? {} : { previousVersion }),
    },
  };
}

/** What a statement says, in the terms that {@link createStatement} takes. */
export function statementFacts(statement: Statement): StatementFacts {
  const { name, version, kind, target, manifest, registry, previousVersion } = statement.predicate;
  const { sha256, ladingTreeV1 } = statement.subject[0].digest;
  return {
    name,
    version,
    kind,
    target,
    blob: `sha256:${sha256}` as Digest,
    tree: `sha256:${ladingTreeV1}` as Digest,
    manifestDigest: `sha256:${manifest.sha256}` as Digest,
    ...(registry === undefined ? {} : { registry }),
    ...(previousVersion === undefined ? {} : { previousVersion }),
  };
}

/** The one encoding of a statement: canonical JSON. */
export function encodeStatement(statement: Statement): Uint8Array {
  const text = tryEncodeCanonical(statement);
  if (text === undefined) throw invalid("it holds something that canonical JSON cannot say");
  return encodeUtf8(text);
}

function asObject(value: unknown, what: string): Record<string, unknown> {
  check(typeof value === "object" && value !== null && !Array.isArray(value), `${what} is not an object`);
  return value as Record<string, unknown>;
}

function asSubject(value: unknown): Record<string, unknown> {
  check(Array.isArray(value) && value.length === 1, `"subject" is not an array of exactly one artefact`);
  return asObject((value as unknown[])[0], `"subject[0]"`);
}

function checkType(statement: Record<string, unknown>): void {
  const { _type: type, predicateType } = statement;
  if (typeof type !== "string") throw invalid(`"_type" is not a string`);
  if (typeof predicateType !== "string") throw invalid(`"predicateType" is not a string`);
  if (type !== STATEMENT_TYPE) throw unsupported("type", type, STATEMENT_TYPE);
  if (predicateType !== PUBLICATION_PREDICATE_TYPE) {
    throw unsupported("predicate type", predicateType, PUBLICATION_PREDICATE_TYPE);
  }
}

/**
 * Reads a statement of a publication, byte-exactly. Unknown members of the predicate are kept, signed as they are;
 * a `predicateType` or `_type` that is not known is refused.
 * @throws {SigningError} `STATEMENT_INVALID`, `STATEMENT_UNSUPPORTED`
 */
export function decodeStatement(payload: Uint8Array): Statement {
  const text = decodeUtf8(payload);
  const value = text === undefined ? undefined : tryDecodeCanonical(text);
  check(value !== undefined, "it is not canonical JSON");
  const statement = asObject(value, "it");
  checkType(statement);
  const subject = asSubject(statement["subject"]);
  const digest = asObject(subject["digest"], `"subject[0].digest"`);
  const predicate = asObject(statement["predicate"], `"predicate"`);
  const manifest = asObject(predicate["manifest"], `"predicate.manifest"`);
  const known = value as Statement;
  // Before the facts are put together as texts, in which a list of one digest would look like the digest.
  check(typeof digest["sha256"] === "string", `"subject[0].digest.sha256" is not a string`);
  check(typeof digest[TREE_DIGEST_NAME] === "string", `"subject[0].digest.${TREE_DIGEST_NAME}" is not a string`);
  check(typeof manifest["sha256"] === "string", `"predicate.manifest.sha256" is not a string`);
  checkFacts(statementFacts(known));
  check(subject["name"] === predicate["name"], `"subject[0].name" and "predicate.name" differ`);
  check(
    predicate["purl"] === packageUrl(known.predicate.name, known.predicate.version),
    `"predicate.purl" does not name the version that "predicate.name" and "predicate.version" name`,
  );
  return known;
}
